"""Removal of what a killed backup left in a data folder: links to pictures, and a copy of the database."""

from __future__ import annotations

import fcntl
import logging
import shutil
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

BACKUP = ".backup"
"""Folder in which a backup is put together: on the objects' own disk, so that they can be linked."""
BACKUP_LOCK = "backup.lock"
"""File that a backup locks while it has that folder."""


def remove_killed_backup(folder: Path) -> None:
    """Remove the folder of a backup in the data folder, unless one is under way. Log if only another user may."""
    left = folder / BACKUP
    try:
        with (folder / BACKUP_LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    except (FileNotFoundError, BlockingIOError):
        return
    except PermissionError:
        pass  # root backs up what a service of another user has: its lock and its folder are root's
    with suppress(FileNotFoundError):
        user = left.stat().st_uid
        _log.warning("%s cannot be deleted: if no backup goes on, one was killed; delete it as user %d", left, user)
