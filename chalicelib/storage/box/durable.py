"""Files that are replaced as a whole, and are on the disk when that returns."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from chalicelib.storage.box.blobs import sync_folder


def write_durably(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the content of `path` by `text`, or nothing if it fails.

    It is on the disk when this returns.

    `mode`: the file's mode, less the umask.
    """
    with _write_partial(path, mode) as (partial, file):
        file.write(text.encode())
        _write_out(file)
        partial.replace(path)
    sync_folder(path.parent)


@contextmanager
def write_new(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file, readable by its owner only, to write and read.

    It appears at `path` when the block ends without an error. Raises FileExistsError if `path`
    exists.
    """
    if path.exists():
        _remove_partials(path)
        raise FileExistsError(
            f"{path} is there already, and nothing is written over it: name a new file"
        )
    with _write_partial(path, 0o600) as (partial, file):
        yield file
        _write_out(file)
        os.link(partial, path)  # fails if another process has made `path` meanwhile
        partial.unlink()
    sync_folder(path.parent)


def _write_out(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _write_partial(path: Path, mode: int) -> Iterator[tuple[Path, IO[bytes]]]:
    """Open a file beside `path` for what is not whole yet, and remove those that killed processes
    left there.

    It is locked while somebody writes it, and removed if the block fails.
    """
    _remove_partials(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with name_in_errors(path, partial), os.fdopen(os.open(partial, flags, mode), "w+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield partial, file
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _remove_partials(path: Path) -> None:
    """Remove what killed processes left of a file: nobody holds its lock."""
    left = re.compile(rf"\.{re.escape(path.name)}\.\d+(\.partial)?")
    for partial in path.parent.glob(".*"):
        if left.fullmatch(partial.name):
            with suppress(OSError), partial.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink()


@contextmanager
def name_in_errors(path: Path, temporary: Path) -> Iterator[None]:
    """Let an error of the operating system name `path`, which its reader knows, and not a temporary
    file beside it."""
    try:
        yield
    except OSError as error:
        if error.filename in (temporary, str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise
