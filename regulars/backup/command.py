"""The command lines of `regulars backup` and `regulars restore`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import PATH, data_option, settings_of


@click.command(short_help="Write the data folder into one file.")
@click.argument("to", type=PATH, metavar="FILE|DIR")
@data_option
def backup(to: Path, data: Path | None) -> None:
    """Write the data folder into one file, also while it is served: records, pictures, captures, credentials.

    FILE is a new file. In a folder, DIR, the command makes a file that is named after the time.

    \b
    Examples:
      regulars backup /mnt/backups
      regulars backup monday.tar --data /srv/regulars
    """
    from regulars.backup import backup

    path = backup.backup(settings_of(data=data), to)
    print(f"{path}  {path.stat().st_size:,} bytes; whoever reads it reads pictures, templates and keys: keep it safe")


@click.command(short_help="Make a data folder from a backup.")
@click.argument("file", type=PATH)
@data_option
def restore(file: Path, data: Path | None) -> None:
    """Make a data folder from a backup's file: all of it, or nothing if it fails.

    \b
    Examples:
      regulars restore monday.tar --data /srv/regulars
    """
    from regulars.backup import restore

    settings = settings_of(data=data)
    manifest = restore.restore(settings, file)
    print(f"{settings.storage} is as it was on {manifest.created_at}: {len(manifest.entries):,} files")
