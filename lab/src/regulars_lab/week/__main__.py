"""`python -m regulars_lab.week`: draw a week of captures with a stated timeline, upload them,
compare the book with it.

python -m regulars_lab.week [--photos holidays/] [--out captures/] [--stay]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from regulars.options import PATH, models_option, photos_option
from regulars_lab.week import run


@click.command(help=__doc__)
@photos_option
@click.option(
    "--out", type=PATH, default=Path("week"), help="Folder for the captures that are drawn."
)
@click.option(
    "--stay", is_flag=True, help="Open the console on the week that was drawn, until Ctrl-C."
)
@models_option
def main(photos: Path | None, out: Path, stay: bool, models: Path | None) -> None:
    sys.exit(run.week(photos, models, out, stays=stay))


if __name__ == "__main__":
    main()
