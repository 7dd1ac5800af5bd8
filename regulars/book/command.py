"""The command line of `regulars today`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from regulars.options import services_of, storage_options


@click.command(short_help="Print who came today.")
@storage_options
@click.option("--tenant", metavar="NAME", help="Only the book of this tenant.  [default: all]")
def today(data: Path | None, stage: str | None, tenant: str | None) -> None:
    """Print who came today, which visit it is, who is new, and which regulars have stayed away longest.

    Days are those of each tenant's time zone.

    \b
    Examples:
      regulars today
      regulars today --data shop --tenant camera
    """
    from rich.console import Console

    from regulars.book.printing import print_today
    from regulars.book.reading import OwnBook

    with services_of(data, stage) as services:
        tenants = services.tenants.all() if tenant is None else [services.tenants.named(tenant)]
        for one in tenants:
            print_today(OwnBook(services, one), Console(soft_wrap=True), datetime.now(UTC))
