"""The command lines of `regulars backup` and `regulars restore`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.settings import Settings

SettingsOf = Callable[[argparse.Namespace], "Settings"]


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_data: Callable[[argparse.ArgumentParser], None],
    settings_of: SettingsOf,
) -> None:
    about = "Write the data folder into one file, also while it is served: records, pictures, captures, credentials."
    backup = commands.add_parser("backup", help="write the data folder into one file", description=about)
    backup.add_argument("to", type=Path, metavar="FILE|DIR", help="a new file, or a folder that gets one by the time")
    about = "Make a data folder from a backup's file, all of it or nothing."
    restore = commands.add_parser("restore", help="make a data folder from a backup", description=about)
    restore.add_argument("file", type=Path, metavar="FILE", help="what `regulars backup` wrote")
    for command, run in ((backup, _backup), (restore, _restore)):
        add_data(command)
        command.set_defaults(run=lambda arguments, run=run: run(arguments, settings_of(arguments)))


def _backup(arguments: argparse.Namespace, settings: Settings) -> None:
    from regulars.backup import backup

    path = backup.backup(settings, arguments.to)
    print(f"{path}  {path.stat().st_size:,} bytes; whoever reads it reads pictures, templates and keys: keep it safe")


def _restore(arguments: argparse.Namespace, settings: Settings) -> None:
    from regulars.backup import restore

    manifest = restore.restore(settings, arguments.file)
    print(f"{settings.storage} is as it was on {manifest.created_at}: {len(manifest.entries):,} files")
