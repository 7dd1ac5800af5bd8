"""`python -m regulars_edge` is `regulars-edge`."""

from regulars_edge.cli import command

command()
