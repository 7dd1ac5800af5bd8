"""The command lines of `regulars today` and `regulars week`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regulars.errors import OperatorError
from regulars.options import services_of, storage_options, together

if TYPE_CHECKING:
    from regulars.book.reading import VisitorBook

KEY_VARIABLE = "REGULARS_API_KEY"

book_options = together(
    storage_options,
    click.option("--url", metavar="URL", help=f"A running service, in place of --data; the key is ${KEY_VARIABLE}."),
    click.option("--tenant", metavar="NAME", help="Only the book of this tenant.  [default: all]"),
)


@click.command(short_help="Print who came today.")
@book_options
def today(data: Path | None, stage: str | None, url: str | None, tenant: str | None) -> None:
    """Print who came today, which visit it is, who is new, and which regulars have stayed away longest.

    Days are those of each tenant's time zone.

    \b
    Examples:
      regulars today
      regulars today --data shop --tenant camera
      REGULARS_API_KEY=rk_... regulars today --url http://127.0.0.1:8000
    """
    from rich.console import Console

    from regulars.book.printing import print_today

    with books(data, stage, url, tenant) as found:
        for book in found:
            print_today(book, Console(soft_wrap=True), datetime.now(UTC))


@click.command(short_help="Print who came in the last seven days.")
@book_options
def week(data: Path | None, stage: str | None, url: str | None, tenant: str | None) -> None:
    """Print who came in the last seven days, of a data folder, a stage or a service.

    \b
    Examples:
      regulars week --data shop
      REGULARS_API_KEY=rk_... regulars week --url http://127.0.0.1:8000
    """
    if all(named is None for named in (data, stage, url, tenant)):
        raise click.UsageError("say whose week: --data, --stage or --url (`make week` in a checkout draws one)")
    print_own_week(data, stage, url, tenant)


def print_own_week(data: Path | None, stage: str | None, url: str | None, tenant: str | None) -> None:
    """Print the last seven days of one's own book."""
    from rich.console import Console

    from regulars.book.printing import print_week

    with books(data, stage, url, tenant) as found:
        for book in found:
            print_week(book, Console(soft_wrap=True), datetime.now(UTC))


@contextmanager
def books(data: Path | None, stage: str | None, url: str | None, tenant: str | None) -> Iterator[list[VisitorBook]]:
    """Open the books that are meant. Raises OperatorError if there is no key for a service."""
    from regulars.book.reading import OwnBook, ServedBook
    from regulars.clients import V1, Connection

    if url is None:
        with services_of(data, stage) as services:
            tenants = services.tenants.all() if tenant is None else [services.tenants.named(tenant)]
            yield [OwnBook(services, one) for one in tenants]
        return
    if data is not None or stage is not None or tenant is not None:
        raise click.UsageError("a service's book is that of the key's tenant: --url, or --data, --stage and --tenant")
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise OperatorError(f"set {KEY_VARIABLE} to the api_key of the tenant whose book you want to see")
    with Connection(url) as connection:
        yield [ServedBook(V1(connection, key), url)]
