"""The command line of `regulars cost`."""

from __future__ import annotations

import click

_amount = click.IntRange(0, 10**12)


@click.command(short_help="What the service costs on AWS.")
@click.option("--faces", type=_amount, metavar="N", default=1000, help="Faces that are kept, new ones too.")
@click.option("--captures-per-day", type=_amount, metavar="N", default=1000, help="One face each.")
@click.option("--searches-per-day", type=_amount, metavar="N", default=1000, help="Over the API.")
@click.option("--cameras", type=_amount, metavar="N", default=1, help="Cameras that send the captures.")
@click.option("--tenants", type=_amount, metavar="N", default=1, help="Customers of the stack.")
def cost(faces: int, captures_per_day: int, searches_per_day: int, cameras: int, tenants: int) -> None:
    """Estimate the monthly bill on AWS, by service, from a measured shop and dated list prices (docs/deploy.md).

    \b
    Examples:
      regulars cost
      regulars cost --faces 30000 --captures-per-day 2000 --searches-per-day 500
    """
    from regulars.cost import table

    table.show(table.Load(faces, captures_per_day, searches_per_day, tenants, cameras))
