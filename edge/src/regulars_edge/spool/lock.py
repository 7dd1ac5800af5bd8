"""One uploader a spool: the kernel keeps the lock and lets go of it when the process is gone, however it went."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regulars_edge.errors import SpoolFull, SpoolInUse

FILE = "lock"
_RETRY_S = 0.05


@contextmanager
def held(folder: Path, patience_s: float = 2.0) -> Iterator[None]:
    """Hold the spool `folder`, made if there is none. Raises SpoolInUse after `patience_s`, SpoolFull.

    The patience is for a predecessor that was killed a moment ago and has not quite gone.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _keep_out_of_git(folder)
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolFull(f"the spool {folder} cannot be written: {error.strerror}") from error
    try:
        _lock(handle, folder, patience_s)
        with suppress(OSError):  # for the operator's eyes only; a full disk must not keep us from sending
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
                    f"the spool {folder} is in use by another uploader (process {who}): stop it, or give this one a "
                    "spool of its own (REGULARS_EDGE_SPOOL)"
                ) from error
            time.sleep(_RETRY_S)
