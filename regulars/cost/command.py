"""The command line of `regulars cost`."""

from __future__ import annotations

import click

_amount = click.IntRange(0, 10**12)


@click.command(short_help="What the service costs on AWS.")
@click.option(
    "--faces",
    type=_amount,
    metavar="N",
    default=1000,
    help="Faces that a shop keeps, new ones too.",
)
@click.option(
    "--captures-per-day",
    "captures_a_day",
    type=_amount,
    metavar="N",
    default=1000,
    help="Of one shop, one face each.",
)
@click.option(
    "--searches-per-day",
    "searches_a_day",
    type=_amount,
    metavar="N",
    default=1000,
    help="Of one shop, over the API.",
)
@click.option("--cameras", type=_amount, metavar="N", default=1, help="Cameras of one shop.")
@click.option(
    "--picture-kb",
    type=_amount,
    metavar="N",
    default=150,
    help="Size of a capture's picture in kB.",
)
@click.option(
    "--capture-days",
    "picture_days",
    type=_amount,
    metavar="N",
    default=30,
    help="Days that it is kept.",
)
@click.option(
    "--tenants",
    type=_amount,
    metavar="N",
    default=1,
    help="Shops of this size: all figures are times N.",
)
def cost(**load: int) -> None:
    """Estimate the monthly bill on AWS, by service, from a measured shop and dated list prices
    (docs/deploy.md).

    All figures are of one shop, and the bill is for as many such shops as --tenants says.

    \b
    Examples:
      regulars cost
      regulars cost --faces 30000 --captures-per-day 2000 --searches-per-day 500
      regulars cost --faces 30000 --captures-per-day 5000 --searches-per-day 500 --tenants 1000
      regulars cost --picture-kb 10 --capture-days 7
    """
    from chalicelib.cost.table import Load
    from regulars.cost import bill

    bill.print_bill(Load(**load))
