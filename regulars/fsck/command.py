"""The command line of `regulars fsck`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import settings_of, storage_options


@click.command(short_help="Check that what is stored agrees with itself.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant; repeat for several.")
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@storage_options
def fsck(tenants: tuple[str, ...], repair: bool, data: Path | None, stage: str | None) -> int:
    """Count everything again and say what does not agree: faces, pictures, index, visits, statistics, credentials.

    The service may run meanwhile. The exit code is 1 if anything is left that does not agree (docs/operations.md).

    \b
    Examples:
      regulars fsck
      regulars fsck --tenant shop-12 --repair --data /srv/regulars
      regulars fsck --stage prod
    """
    from regulars.fsck import fsck

    return fsck.run(settings_of(data=data, stage=stage), list(tenants) or None, repair=repair)
