"""The pictures' copies in the spool.

A copy is written and synced, then its row is committed. What a kill leaves in between has no row. A card that lies
about syncs may forget rows, too: the end of SQLite's journal, silently. Damaged books lose them all. So copies are
compared with the rows when the spool is opened. Those without a row get one while it is used; half ones go.

A copy's name says whose picture it is, and when it was taken. So it can get a row without the books.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from urllib.parse import unquote

from regulars_edge.clock import Moment
from regulars_edge.picture import JPEG
from regulars_edge.spool.model import Stamp

LONGEST_CAMERA_BYTES = 150
"""A file's name has at most 255 bytes; 105 are for the rest."""


def camera_text(camera: str) -> str:
    """Write a camera's name so that a file's name can hold it."""
    return camera.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def name_of(camera: str, stamp: Stamp, content_type: str) -> str:
    """Make a name that no other copy has: a token, the wall clock's and the boot clock's ms, the boot, the camera."""
    moment = stamp.moment
    at = f"{stamp.stated_ms}__" if moment is None else f"{moment.wall_ms}_{moment.boot_ms}_{moment.boot_id}"
    return f"{secrets.token_hex(8)}_{at}_{camera_text(camera)}{'.jpg' if content_type == JPEG else '.png'}"


def read_name(name: str) -> tuple[str, Stamp] | None:
    """Return the camera and the stamp; None for a name that is not one of ours."""
    try:
        _, wall, booted, boot_id, camera = name[:-4].split("_", 4)
        stamp = Stamp(Moment(boot_id, int(booted), int(wall))) if boot_id else Stamp(stated_ms=int(wall))
    except ValueError:
        return None
    return unquote(camera), stamp


PICTURES = "pictures"


class Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / PICTURES
        self._folder.mkdir(exist_ok=True)
        for path in [*folder.glob(f"damaged-*/{PICTURES}/**/*.???"), *self._folder.glob("*/*.???")]:
            path.rename(self._folder / path.name)  # earlier versions kept copies there
        _sync_folder(folder)

    def write(self, data: bytes, name: str) -> None:
        """Make a durable copy. Raises OSError, and leaves nothing then."""
        path = self._folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(handle, left) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            _sync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def open(self, name: str) -> BufferedReader:
        """Raise FileNotFoundError, OSError."""
        return (self._folder / name).open("rb")

    def remove(self, name: str) -> None:
        """Remove the copy. Raises OSError if it is there and cannot be removed."""
        (self._folder / name).unlink(missing_ok=True)

    def strays(self, ours: Collection[str]) -> list[str]:
        """Name the copies that are not `ours`, in the order in which the pictures were taken."""
        names = (path.name for path in self._folder.iterdir())
        found = [name for name in names if name not in ours and read_name(name) is not None]
        return sorted(found, key=lambda name: int(name.split("_")[1]))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
