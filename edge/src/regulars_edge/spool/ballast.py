"""Room that is given up on the day when the disk is full.

Books that cannot grow cannot say that a picture is sent, so no picture would ever go, and the disk would stay full.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "ballast"
BYTES = 8 * 2**20
"""Twice what the books' journal grows to before it begins anew."""


def load(folder: Path) -> None:
    """Take the room, if the disk has plenty; give it up if there is hardly any left."""
    free = shutil.disk_usage(folder).free
    if free < BYTES:
        drop(folder)
    elif free > 4 * BYTES and not (folder / FILE).exists():
        with suppress(OSError), (folder / FILE).open("xb") as stream:
            os.posix_fallocate(stream.fileno(), 0, BYTES)


def drop(folder: Path) -> None:
    with suppress(OSError):
        (folder / FILE).unlink()
        log.error(
            "the disk of %s is full: %d bytes that were kept for this are given up, and sending goes on", folder, BYTES
        )
