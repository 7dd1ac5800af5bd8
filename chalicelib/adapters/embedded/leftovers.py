"""What a killed backup left in a data folder: links to pictures, and the database, with what is deleted since."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

BACKUP = ".backup"
"""Folder in which a backup is put together: on the objects' own disk, so that they can be linked."""
BACKUP_LOCK = "backup.lock"
"""File that a backup locks while it has that folder."""


def remove_killed_backup(folder: Path) -> None:
    """Remove the folder of a backup in the data folder, unless one is under way."""
    with suppress(FileNotFoundError, BlockingIOError), (folder / BACKUP_LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / BACKUP, ignore_errors=True)
