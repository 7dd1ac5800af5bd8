"""The command line of `regulars week` if a week can be drawn: it takes the place of the service's own."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.book.command import book_options, print_own_week
from regulars.options import PATH, models_option, photos_option


@click.command(short_help="Print your book's week, or draw one and compare.")
@book_options
@photos_option
@click.option("--out", type=PATH, default=Path("week"), help="Folder for the captures that are drawn.")
@click.option("--stay", is_flag=True, help="Open the console on the week that was drawn, until Ctrl-C.")
@models_option
def week(
    data: Path | None,
    stage: str | None,
    url: str | None,
    tenant: str | None,
    photos: Path | None,
    out: Path,
    stay: bool,
    models: Path | None,
) -> int:
    """Print who came in the last seven days, of a data folder, a stage or a service.

    Without any of these, draw a week of captures with a stated timeline, upload them, and compare the visitor book
    with it.

    \b
    Examples:
      regulars week --data shop
      regulars week
      regulars week --photos holidays/ --out captures/
    """
    if any(named is not None for named in (data, stage, url, tenant)):
        print_own_week(data, stage, url, tenant)
        return 0
    from regulars_lab.week import run

    return run.week(photos, models, out, stays=stay)
