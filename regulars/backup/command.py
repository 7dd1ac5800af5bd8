"""The command lines of `regulars backup` and `regulars restore`."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import PATH, settings_of, storage_options


@click.command(short_help="Write the data folder into one file.")
@click.argument("to", type=PATH, metavar="FILE|DIR")
@storage_options
def backup(to: Path, data: Path | None, stage: str | None) -> None:
    """Write the data folder into one file, also while it is served: records, pictures, captures, credentials.

    FILE is a new file. In a folder, DIR, the command makes a file that is named after the time.

    \b
    Examples:
      regulars backup /mnt/backups
      regulars backup monday.tar --data /srv/regulars
    """
    from regulars.backup import backup

    path = backup.backup(settings_of(data=data, stage=stage), to)
    print(f"{path}  {path.stat().st_size:,} bytes; it holds pictures, templates and keys: keep it safe")


@click.command(short_help="Make a data folder from a backup.")
@click.argument("file", type=PATH)
@storage_options
def restore(file: Path, data: Path | None, stage: str | None) -> None:
    """Make a data folder from a backup's file: all of it, or nothing if it fails.

    \b
    Examples:
      regulars restore monday.tar --data /srv/regulars
    """
    from regulars.backup import restore

    settings = settings_of(data=data, stage=stage)
    manifest = restore.restore(settings, file)
    print(f"{settings.storage} is as it was on {manifest.created_at}: {len(manifest.entries):,} files")
