"""The spool's folder: its lock, the pictures' copies, and room for the day when the disk is full.

A copy is written and synced, then its row is committed. What a kill leaves in between has no row. A
card that lies about syncs may forget rows, too: the end of SQLite's journal, silently. Damaged
books lose them all. So copies are compared with the rows when the spool is opened. Those without a
row get one while it is used; half ones go.

The kernel keeps the lock and lets go of it when the process is gone, however it went.

The ballast is room that is given up on the day when the disk is full. Books that cannot grow cannot
say that a picture is sent, so no picture would ever go, and the disk would stay full.

A copy's name says whose picture it is, and when it was taken. So it can get a row without the
books.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from regulars_edge.clock import Moment
from regulars_edge.errors import SpoolFull, SpoolInUse
from regulars_edge.picture import JPEG
from regulars_edge.spool.model import Stamp

log = logging.getLogger(__name__)

LONGEST_CAMERA_BYTES = 150
"""A file's name has at most 255 bytes; 105 are for the rest."""


_TOKEN_LETTERS = 16


def escape_camera(camera: str) -> str:
    """Write a camera's name so that a file's name can hold it."""
    return camera.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


_OF_NO_HOUR = "x"
"""The token of a copy whose hour is to be checked begins with it, and no other: a kill may leave
the copy without the row that says the hours."""


def make_name(
    camera: str, stamp: Stamp, content_type: str, shop: str = "", *, has_hour: bool = True
) -> str:
    """Make a name that no other copy has: a token and the shop, the wall and the boot clock's ms,
    the boot, the camera.

    Token and shop are one word, since uploaders that know no shops read the name, too.
    """
    moment = stamp.moment
    at = (
        f"{stamp.stated_ms}__"
        if moment is None
        else f"{moment.wall_ms}_{moment.boot_ms}_{moment.boot_id}"
    )
    ending = ".jpg" if content_type == JPEG else ".png"
    first = "" if has_hour else _OF_NO_HOUR
    token = (first + secrets.token_hex(8))[:_TOKEN_LETTERS]
    return f"{token}{shop}_{at}_{escape_camera(camera)}{ending}"


def parse_name(name: str) -> tuple[str, Stamp] | None:
    """Return the camera and the stamp; None for a name that is not one of ours."""
    try:
        _, wall, booted, boot_id, camera = name[:-4].split("_", 4)
        stamp = (
            Stamp(Moment(boot_id, int(booted), int(wall)))
            if boot_id
            else Stamp(stated_ms=int(wall))
        )
    except ValueError:
        return None
    return unquote(camera), stamp


def parse_shop(name: str) -> str:
    """Return the shop that the copy of this name is for; empty if its name has none."""
    return name.partition("_")[0][_TOKEN_LETTERS:]


def has_hour(name: str) -> bool:
    """Tell whether it was known that the copy of this name is of its camera's hours."""
    return not name.startswith(_OF_NO_HOUR)


PICTURES = "pictures"


def prepare_copies(folder: Path) -> Path:
    """Return the folder of a spool's copies, made if there is none. Raises OSError."""
    copies = folder / PICTURES
    copies.mkdir(exist_ok=True)
    for place in (folder, copies):
        sync_folder(place)
    return copies


def write_file(
    path: Path, data: bytes, mode: int = 0o600, owner: os.stat_result | None = None
) -> None:
    """Write a new file that survives a power cut; `owner`: whose it becomes.

    Raises OSError, and leaves nothing.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, mode)
            if owner is not None:
                os.fchown(handle, owner.st_uid, owner.st_gid)
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace_file(
    path: Path, data: bytes, mode: int = 0o600, owner: os.stat_result | None = None
) -> None:
    """Write a file so that a reader sees the old or the new, also after a power cut.

    Raises OSError.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # a kill may have left it
    write_file(beside, data, mode, owner)
    beside.replace(path)
    sync_folder(path.parent)


def list_strays(copies: Path, ours: Collection[str]) -> list[str]:
    """Name the copies that are not `ours`, in the order in which the pictures were taken."""
    names = (path.name for path in copies.iterdir())
    found = [name for name in names if name not in ours and parse_name(name) is not None]
    return sorted(found, key=lambda name: int(name.split("_")[1]))


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


BALLAST = "ballast"
_BALLAST_BYTES = [size * 2**20 for size in (8, 4, 2, 1)]
"""The first is twice what the books' journal grows to before it begins anew, the last what some
dozen pictures need."""


def load_ballast(folder: Path) -> None:
    """Take the room if none is kept: at most half of what is free.

    Call it when the disk may have become emptier.
    """
    if not (folder / BALLAST).exists():
        free = shutil.disk_usage(folder).free
        size = next((size for size in _BALLAST_BYTES if free >= 2 * size), 0)
        if size:
            with suppress(OSError), (folder / BALLAST).open("xb") as stream:
                os.posix_fallocate(stream.fileno(), 0, size)


def drop_ballast(folder: Path, free: int = 0) -> None:
    """Give the room up if hardly any is `free`."""
    if free < _BALLAST_BYTES[-1]:
        with suppress(OSError):
            (folder / BALLAST).unlink()
            log.error(
                "the disk of %s is full: room that was kept for this is given up, and sending goes "
                "on",
                folder,
            )


LOCK = "lock"
_RETRY_S = 0.05
"""Pause before a file is tried again that others hold, in s."""


@contextmanager
def hold_spool(folder: Path, patience_s: float = 2.0) -> Iterator[None]:
    """Hold the spool `folder`, made if there is none.

    Raises SpoolInUse after `patience_s`, SpoolFull.

    The patience is for a predecessor that was killed a moment ago and has not quite gone.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _keep_out_of_git(folder)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolFull(f"the spool {folder} cannot be written: {error.strerror}") from error
    try:
        _lock(handle, folder, patience_s)
        # for the operator's eyes only; a full disk must not keep us from sending
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _keep_out_of_git(folder: Path) -> None:
    """Have git ignore a new spool, which may lie in a checkout: it holds pictures."""
    if not any(folder.iterdir()):
        with suppress(OSError):  # a full disk must not keep us from sending
            (folder / ".gitignore").write_text("*\n", encoding="ascii")


def _lock(handle: int, folder: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() >= deadline:
                who = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise SpoolInUse(
                    f"the spool {folder} is in use by another uploader (process {who}): stop it, "
                    "or give this one a "
                    "spool of its own (REGULARS_EDGE_SPOOL)"
                ) from error
            time.sleep(_RETRY_S)
