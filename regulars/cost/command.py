"""The command line of `regulars cost`."""

from __future__ import annotations

import click

_amount = click.IntRange(0, 10**12)


@click.command(short_help="What the service costs on AWS.")
@click.option("--faces", type=_amount, metavar="N", default=1000, help="Faces that a shop keeps, new ones too.")
@click.option("--captures-per-day", type=_amount, metavar="N", default=1000, help="Of one shop, one face each.")
@click.option("--searches-per-day", type=_amount, metavar="N", default=1000, help="Of one shop, over the API.")
@click.option("--cameras", type=_amount, metavar="N", default=1, help="Cameras of one shop.")
@click.option("--tenants", type=_amount, metavar="N", default=1, help="Shops of this size: all figures are times N.")
def cost(faces: int, captures_per_day: int, searches_per_day: int, cameras: int, tenants: int) -> None:
    """Estimate the monthly bill on AWS, by service, from a measured shop and dated list prices (docs/deploy.md).

    All figures are of one shop, and the bill is for as many such shops as --tenants says.

    \b
    Examples:
      regulars cost
      regulars cost --faces 30000 --captures-per-day 2000 --searches-per-day 500
      regulars cost --faces 30000 --captures-per-day 5000 --searches-per-day 500 --tenants 1000
    """
    from regulars.cost import table

    table.print_bill(table.Load(faces, captures_per_day, searches_per_day, tenants, cameras))
