"""The file of a backup, written, looked at and unpacked; what an export has alike lies in the
client."""

from __future__ import annotations

import fcntl
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
from regulars_client import archive
from regulars_client.archive import (
    MANIFEST,
    Manifest,
    Writer,
    open_archive,
    read_members,
    write_members,
)

from chalicelib.storage.box.blobs import sync_folder
from chalicelib.storage.box.durable import write_new
from chalicelib.storage.formats import wrong_format
from regulars.errors import DamagedFile

_PARTIAL = ".partial"
_CHUNK = 1024 * 1024
"""Bytes that are copied at once."""


@contextmanager
def write_archive(path: Path) -> Iterator[Writer]:
    """Write a new file, readable by its owner only.

    It appears at `path` when the block ends without an error.

    Raises FileExistsError if `path` exists.
    """
    _remove_partial(path.parent)
    with write_new(path) as file, write_members(file) as writer:
        yield writer


check_file = partial(archive.check_file, judge=wrong_format)
"""Compares every byte of a backup with its manifest, and returns that, as `archive.check_file`."""


def read_manifest(path: Path) -> Manifest | None:
    """Read a backup's list of files, which is not compared with them; None: it is no backup."""
    try:
        with open_archive(path, "r:") as tar:
            content = tar.extractfile(MANIFEST)
            manifest = b"" if content is None else content.read()
        return msgspec.json.decode(manifest, type=Manifest)
    except (tarfile.TarError, KeyError, EOFError, DamagedFile, msgspec.DecodeError, OSError):
        return None


def unpack_file(path: Path, into: Path, is_wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Write the entries whose names are wanted below the folder `into`, but not the manifest.

    They are on the disk when this returns.

    Call `check_file` first: this does not compare them with the manifest.
    """
    with open_archive(path, "r|") as tar:
        for member, content in read_members(tar):
            if member.name == MANIFEST or not is_wanted(member.name):
                continue
            target = into
            for part in PurePosixPath(member.name).parts:
                target.mkdir(mode=0o700, exist_ok=True)
                target /= part
            with os.fdopen(
                os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                shutil.copyfileobj(content, file, _CHUNK)
                file.flush()
                os.fsync(file.fileno())
    for subfolder, _, _ in os.walk(into):
        sync_folder(Path(subfolder))


def _remove_partial(folder: Path) -> None:
    """Remove the files that killed processes left: no process holds their lock."""
    for partial_path in folder.glob(f".*{_PARTIAL}"):
        with suppress(OSError), partial_path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial_path.unlink()
