"""The spool's one connection: transactions by one thread at a time, and what went wrong in the spool's own words.

The ballast is room that is given up on the day when the disk is full. Books that cannot grow cannot say that a picture
is sent, so no picture would ever go, and the disk would stay full.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from regulars_edge.clock import Clock
from regulars_edge.errors import BooksDamaged, SpoolDamaged, SpoolFull
from regulars_edge.spool import schema, times

log = logging.getLogger(__name__)

BALLAST = "ballast"
_BALLAST_BYTES = [size * 2**20 for size in (8, 4, 2, 1)]
"""The first is twice what the books' journal grows to before it begins anew, the last what some dozen pictures need."""


def load_ballast(folder: Path) -> None:
    """Take the room if none is kept: at most half of what is free. Call it when the disk may have become emptier."""
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
            log.error("the disk of %s is full: room that was kept for this is given up, and sending goes on", folder)


_FULL_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_DAMAGED_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE_CODES = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}


class SpoolDatabase:
    def __init__(self, folder: Path, clock: Clock) -> None:
        """Open the books in `folder`. Raises BooksDamaged, SpoolDamaged, SpoolFull."""
        self._lock = threading.RLock()
        self.folder = folder
        self.clock = clock
        with self._translated():
            self._db = schema.opened(folder)
        with self.writing() as db:
            self.boot = self.boot_of(db, clock.boot_id)
            self._began_ms = times.note(db, clock)

    def now_ms(self) -> int:
        """Return the time that ages are counted by (spool/times.py)."""
        return self._began_ms + self.clock.boot_ms()

    @staticmethod
    def boot_of(db: sqlite3.Connection, boot_id: str) -> int:
        """Return the number of a boot, which is new if need be."""
        db.execute("INSERT OR IGNORE INTO boots (boot_id) VALUES (?)", (boot_id,))
        (boot,) = db.execute("SELECT boot FROM boots WHERE boot_id = ?", (boot_id,)).fetchone()
        return int(boot)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a transaction: on the disk when the block is left, or never begun. Raises SpoolFull, SpoolDamaged.

        One that is not `durable` survives a kill, and a power cut from the next durable one on: it spares the card.
        """
        with self._lock, self._translated():
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows of one question. Raises SpoolFull, SpoolDamaged."""
        with self.reading() as db:
            return db.execute(sql, parameters).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            yield self._db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code in _FULL_CODES:
                drop_ballast(self.folder)
                raise SpoolFull(f"the disk of the spool {self.folder} is full: free some space") from error
            damaged = code is not None and (code & 0xFF in _DAMAGED_CODES or code in _UNREADABLE_CODES)
            kind = BooksDamaged if damaged else SpoolDamaged
            raise kind(f"the spool {self.folder} cannot be used ({error}): check the disk") from error
        except ValueError as error:
            raise SpoolDamaged(f"the spool {self.folder} cannot be used: {error}") from error
