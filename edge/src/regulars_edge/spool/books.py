"""The spool's one connection: transactions by one thread at a time, and what went wrong in the spool's own words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regulars_edge.clock import Clock
from regulars_edge.errors import SpoolDamaged, SpoolFull
from regulars_edge.spool import schema

_FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}


class Books:
    def __init__(self, folder: Path, clock: Clock) -> None:
        """Open the books in `folder`. Raises SpoolDamaged, SpoolFull."""
        self._lock = threading.RLock()
        self._folder = folder
        self.clock = clock
        with self._translated():
            self._db = schema.opened(folder)
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO boots (boot_id) VALUES (?)", (clock.boot_id,))
            (self.boot,) = db.execute("SELECT boot FROM boots WHERE boot_id = ?", (clock.boot_id,)).fetchone()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction: on the disk when the block is left, or never begun. Raises SpoolFull, SpoolDamaged."""
        with self._lock, self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise

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
                raise SpoolFull(f"the disk of the spool {self._folder} is full: free some space") from error
            raise SpoolDamaged(
                f"the spool {self._folder} cannot be used ({error}): check the disk; to begin anew, move it away "
                "(its pictures lie in `pictures` and `incoming`)"
            ) from error
        except ValueError as error:
            raise SpoolDamaged(f"the spool {self._folder} cannot be used: {error}") from error
