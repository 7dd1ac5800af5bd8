"""The pictures' copies in the spool.

A copy is written and synced, then its row is committed. What a kill leaves in between has no row: half a copy goes, a
whole one is taken in again. A card that lies about syncs may forget rows, too: the end of SQLite's journal, silently.
So copies are compared with the rows when the spool is opened.

A copy's name says whose picture it is, and when it was taken. So it can be taken in again without books.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from urllib.parse import unquote

from regulars_edge.clock import Moment
from regulars_edge.picture import HEAD_BYTES, JPEG, content_type, is_whole
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

    def tidy(self, ours: Collection[str]) -> list[Path]:
        """Clear up what a kill left half written; return all whole copies that are not `ours`: no row names them."""
        strays = []
        for path in self._folder.iterdir():
            if path.name in ours:
                continue
            if _is_whole(path):
                strays.append(path)
            else:
                path.unlink(missing_ok=True)
        return strays

    def is_empty(self) -> bool:
        return not any(True for _ in self._folder.iterdir())


def _is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        kind = content_type(stream.read(HEAD_BYTES))
        return kind is not None and is_whole(stream, kind)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
