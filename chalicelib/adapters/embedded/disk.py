"""The disk under a data folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.ports import Disk


def disk_of(folder: Path) -> Disk:
    """Measure the disk that the folder is on. Raises StorageUnavailable."""
    try:
        found = shutil.disk_usage(folder)
    except OSError as error:
        raise StorageUnavailable(f"the data folder cannot be measured: {error.strerror}") from error
    return Disk(found.free, found.total)
