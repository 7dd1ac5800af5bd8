"""The spool, opened by one uploader at a time.

The kernel keeps the lock and lets go of it when the process is gone, however it went.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from regulars_edge.clock import Clock, SystemClock
from regulars_edge.errors import BooksDamaged, SpoolFull, SpoolInUse
from regulars_edge.spool import database, totals
from regulars_edge.spool.database import SpoolDatabase, drop_ballast
from regulars_edge.spool.files import Files
from regulars_edge.spool.intake import Intake
from regulars_edge.spool.model import Limits
from regulars_edge.spool.outbox import Outbox
from regulars_edge.spool.totals import Totals

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spool:
    """One way in, one way out, both on the same books."""

    folder: Path
    clock: Clock
    books: SpoolDatabase
    intake: Intake
    outbox: Outbox
    strays: list[str]
    """The copies that have no row, the next one last."""

    def take_in(self, stop: threading.Event) -> None:
        """Give the copies rows that have none, until `stop`. Raises SpoolDamaged, SpoolFull: then call it again."""
        asides = sorted(self.folder.glob("damaged-*"))
        settled = database.settled(asides)
        taken = left = 0
        while self.strays and not stop.is_set():
            name = self.strays[-1]
            try:
                taken += self.intake.adopt(name, settled.get(name))
            except OSError as error:
                log.error("%s cannot be read: %s", name, error.strerror)
                left += 1
            self.strays.pop()
        if taken or left:
            log.warning("%d pictures that were in no row were taken in again, %d cannot be", taken, left)
        if not (self.strays or left):
            for aside in asides:
                shutil.rmtree(aside, ignore_errors=True)  # what cannot be removed now goes at the next start

    def totals(self) -> dict[str, Totals]:
        """By camera."""
        with self.books.reading() as db:
            return totals.by_camera(db, self.books.now_ms())

    def noted(self, name: str) -> bool:
        with self.books.reading() as db:
            return totals.counted(db, name) > 0

    def note(self, name: str) -> None:
        """Remember a fact for good. Raises SpoolFull, SpoolDamaged."""
        if not self.noted(name):
            with self.books.writing() as db:
                totals.count(db, name)

    def settings(self, camera: str) -> dict[str, object]:
        """Return the settings of the service that were kept last."""
        rows = self.books.rows("SELECT settings FROM settings WHERE camera = ?", (camera,))
        return dict(json.loads(rows[0][0])) if rows else {}

    def keep_settings(self, camera: str, settings: Mapping[str, object]) -> None:
        """Keep the service's settings over a restart. Raises SpoolFull, SpoolDamaged."""
        with self.books.writing() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (camera, json.dumps(dict(settings))))


@contextmanager
def opened(folder: Path, limits: Limits | None = None, clock: Clock | None = None) -> Iterator[Spool]:
    """Hold and open the spool; damaged books are begun anew, and `take_in` then gives the copies their rows.

    Raises SpoolInUse, SpoolDamaged, SpoolFull.
    """
    limits, clock = limits or Limits(), clock or SystemClock()
    with held(folder):
        drop_ballast(folder, shutil.disk_usage(folder).free)
        try:
            spool = _opened(folder, limits, clock)
        except BooksDamaged as error:
            database.set_aside(folder, error)
            spool = _opened(folder, limits, clock)
        try:
            yield spool
        except BooksDamaged as error:
            spool.books.close()
            database.set_aside(folder, error)  # the next start finds an empty one
            raise
        finally:
            spool.books.close()


def _opened(folder: Path, limits: Limits, clock: Clock) -> Spool:
    try:
        files = Files(folder)
    except OSError as error:
        raise SpoolFull(f"the spool {folder} cannot be written: {error.strerror}") from error
    books = SpoolDatabase(folder, clock)
    try:
        strays = files.strays({name for (name,) in books.rows("SELECT file FROM pictures WHERE file IS NOT NULL")})
        intake = Intake(books, files, folder, limits)
        outbox = Outbox(books, files, intake, limits)
        outbox.sweep()
    except BaseException:
        books.close()
        raise
    return Spool(folder, clock, books, intake, outbox, strays[::-1])


LOCK = "lock"
_RETRY_S = 0.05


@contextmanager
def held(folder: Path, patience_s: float = 2.0) -> Iterator[None]:
    """Hold the spool `folder`, made if there is none. Raises SpoolInUse after `patience_s`, SpoolFull.

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
