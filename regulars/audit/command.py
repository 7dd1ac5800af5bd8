"""The command line of `regulars audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from regulars.options import settings_of, storage_options, together

_options = together(
    click.option("--tenant", metavar="NAME", required=True, help="The tenant whose audit it is."),
    storage_options,
)


@click.group(no_args_is_help=False, short_help="Verify, list and export who did what.")
def audit() -> None:
    """Show who did what, and that nobody changed it afterwards (docs/audit.md).

    \b
    Examples:
      regulars audit list --tenant shop-12 --face 21
      regulars audit head --tenant shop-12 > head.json     keep it elsewhere
      regulars audit verify --tenant shop-12 --head head.json
      regulars audit export --tenant shop-12 audit.jsonl
    """


@audit.command()
@click.option("--head", type=click.Path(path_type=Path, dir_okay=False), help="A head that you kept elsewhere.")
@_options
def verify(tenant: str, head: Path | None, data: Path | None, stage: str | None) -> int:
    """Verify the chain of closed hours. The exit code is 1 if anything was changed, dropped or swapped."""
    from regulars.audit import audit as reports

    return reports.verify(settings_of(data=data, stage=stage), tenant, head)


@audit.command()
@_options
def head(tenant: str, data: Path | None, stage: str | None) -> None:
    """Print the newest head, signed. Keep it elsewhere: by it `verify` finds a chain that was cut off or made anew."""
    from regulars.audit import audit as reports

    reports.head(settings_of(data=data, stage=stage), tenant)


@audit.command("list")
@click.option("--since", type=click.DateTime(), help="From this time on, in UTC.")
@click.option("--until", type=click.DateTime(), help="Up to this time, in UTC.")
@click.option("--face", metavar="ID", help="Only entries that name this face.")
@click.option("--what", metavar="ACT", help='Only this act, as "PATCH /v1/settings" or "sighting".')
@click.option("--by", metavar="WHO", help='Only who acted so, as "key first", "camera door" or "operator".')
@click.option("--most", type=click.IntRange(1), default=100, help="So many entries at most.")
@_options
def list_all(
    tenant: str,
    since: datetime | None,
    until: datetime | None,
    face: str | None,
    what: str | None,
    *,
    by: str | None,
    most: int,
    data: Path | None,
    stage: str | None,
) -> None:
    """List entries, the newest first, a line of JSON each. `hour`: the closed hour's number; none is open."""
    from chalicelib.core.values import milliseconds
    from chalicelib.services.audit.audit import Wanted
    from regulars.audit import audit as reports

    first, last = (None if one is None else milliseconds(one.replace(tzinfo=UTC)) for one in (since, until))
    reports.list_all(settings_of(data=data, stage=stage), tenant, Wanted(first, last, face, what, by), most)


@audit.command()
@click.argument("entry", metavar="ENTRY")
@_options
def replay(entry: str, tenant: str, data: Path | None, stage: str | None) -> int:
    """Search again for the face of a sighting in the gallery as it was; ENTRY is the `id` that `list` prints.

    The capture's picture and the gallery of that time must still be kept, which it says. The exit code is 1 if the
    answer is another one.
    """
    from regulars.audit import audit as reports

    return reports.replay(settings_of(data=data, stage=stage), tenant, entry)


@audit.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_options
def export(file: Path, tenant: str, data: Path | None, stage: str | None) -> None:
    """Write all closed hours to a new FILE: for each hour its signed head, then its entries with salts and hashes."""
    from regulars.audit import audit as reports

    reports.export(settings_of(data=data, stage=stage), tenant, file)
