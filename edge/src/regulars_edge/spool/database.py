"""The spool's books: its tables, the one connection to them with transactions by one thread at a
time, and what went wrong in the spool's own words.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from regulars_edge import SPOOL
from regulars_edge.clock import Clock
from regulars_edge.errors import BooksDamaged, SpoolDamaged, SpoolFull
from regulars_edge.spool import times
from regulars_edge.spool.files import drop_ballast

log = logging.getLogger(__name__)

FILE = "spool.sqlite"
_BUSY_MS = 10_000
"""How long one thread waits for another's write, in ms."""
_PAGE_BYTES = 512
"""A picture changes some dozen pages, and each goes to the card whole, twice."""
_JOURNAL_PAGES = 8_000
"""4 MB: so long is the journal before its pages go to their places, each once for many changes."""

_TABLES = """
CREATE TABLE boots (
    boot INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL UNIQUE,
    anchor_ms INTEGER,
    uncertainty_ms REAL,
    anchored_at_boot_ms INTEGER
);
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, -- the order that a camera's pictures are sent in
    camera TEXT NOT NULL,
    source TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    state INTEGER NOT NULL,
    -- boot, boot_ms: the moment it was taken; NULL if the time was stated
    boot INTEGER,
    boot_ms INTEGER,
    wall_ms INTEGER NOT NULL, -- the machine's clock at that moment, or the stated time
    captured_at_ms INTEGER, -- settled before the first offer, then never changed
    remote_id TEXT,
    file TEXT, -- name of the copy in the spool, which goes when the picture is done
    path TEXT, -- the file that it came from, by which that is known again
    mtime_ns INTEGER,
    track TEXT,
    -- this and the next by the time that ages are counted by (times.py)
    spooled_at_ms INTEGER NOT NULL,
    finished_at_ms INTEGER,
    reason TEXT
);
CREATE INDEX by_content ON pictures (camera, sha256);
CREATE INDEX unsent ON pictures (camera, id) WHERE state = 0;
CREATE INDEX finished ON pictures (state, path IS NULL, finished_at_ms) WHERE state > 0;
CREATE INDEX left_over ON pictures (id) WHERE state = 1 AND file IS NOT NULL;
CREATE INDEX by_path ON pictures (path) WHERE path IS NOT NULL;
CREATE INDEX by_source ON pictures (camera, source, captured_at_ms)
    WHERE captured_at_ms IS NOT NULL;
CREATE UNIQUE INDEX by_remote ON pictures (camera, remote_id) WHERE remote_id IS NOT NULL;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- the service's
CREATE TABLE settings (camera TEXT PRIMARY KEY, settings TEXT NOT NULL) WITHOUT ROWID;
"""
_SHOPS = """
ALTER TABLE pictures ADD COLUMN shop TEXT NOT NULL DEFAULT ''; -- whom it is for (shops.py)
ALTER TABLE pictures ADD COLUMN life TEXT; -- of the shop's book, in which it was seen there
DROP INDEX by_remote;
CREATE UNIQUE INDEX by_remote ON pictures (camera, shop, remote_id) WHERE remote_id IS NOT NULL;
CREATE TABLE shops (name TEXT PRIMARY KEY, url TEXT NOT NULL, shop TEXT NOT NULL, life TEXT)
    WITHOUT ROWID;
-- whom each is opened for
CREATE TABLE cameras (camera TEXT PRIMARY KEY, shop TEXT NOT NULL) WITHOUT ROWID;
"""
"""Added to version 2 without a new number: the uploader before it, to which a box may go back,
reads and writes on."""

_COUNTS = """
-- parts of minutes of the cameras that count people: a minute is the sum of its rows
CREATE TABLE counts (
    id INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    shop TEXT NOT NULL, -- whom they are for (shops.py)
    boot INTEGER NOT NULL,
    began_ms INTEGER NOT NULL, -- the minute's begin by the clock of that boot
    wall_ms INTEGER NOT NULL, -- and by the machine's
    at_ms INTEGER, -- settled before it is told, then never changed
    watched_ms INTEGER NOT NULL,
    came_in INTEGER NOT NULL,
    went_out INTEGER NOT NULL,
    faces INTEGER NOT NULL,
    doubts INTEGER NOT NULL,
    life TEXT, -- of the shop's book that was told; NULL: none was
    counted_at_ms INTEGER NOT NULL -- by the time that ages are counted by (times.py)
);
CREATE INDEX counts_by_minute ON counts (camera, at_ms);
CREATE INDEX counts_by_age ON counts (counted_at_ms);
"""
"""Added as the shops were."""

_LOST = """
-- of that minute, in ms by reason: dark=4000 slow=800
ALTER TABLE counts ADD COLUMN lost TEXT NOT NULL DEFAULT '';
-- a minute that was doubted once was not watched
UPDATE counts SET watched_ms = 0 WHERE doubts > 0;
"""
"""Added as the shops were. `doubts`, which the uploader before reads, is their sum."""

_VIEWS = """
-- what each camera usually shows, as outlines, hour by hour (sources/blockage_check.py)
CREATE TABLE views (source TEXT PRIMARY KEY, memory TEXT NOT NULL) WITHOUT ROWID;
"""
"""Added as the shops were."""

_FILMS = """
-- the film without people of each camera that counts (films.py)
CREATE TABLE films (
    camera TEXT PRIMARY KEY,
    shop TEXT NOT NULL, -- in whose time it was kept (shops.py)
    line TEXT NOT NULL, -- the mark of what was counted (films.py)
    at_ms INTEGER NOT NULL, -- the minute's begin, by the service's time
    lot REAL NOT NULL, -- the number that it drew
    film TEXT NOT NULL,
    kept_at_ms INTEGER NOT NULL -- by the time that ages are counted by (times.py)
);
"""
"""Added as the shops were."""

_HOURS = """
-- when its camera may take pictures, until it is checked that this was then (hours.py)
ALTER TABLE pictures ADD COLUMN hours TEXT;
CREATE INDEX unchecked ON pictures (boot) WHERE hours IS NOT NULL;
"""
_COUNT_HOURS = """
ALTER TABLE counts ADD COLUMN hours TEXT; -- likewise
"""
"""Added as the shops were."""

_FULL_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_DAMAGED_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE_CODES = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}


class SpoolDatabase:
    """The one connection to the books of a spool, which threads share."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Open the books in `folder`. Raises BooksDamaged, SpoolDamaged, SpoolFull."""
        self._lock = threading.RLock()
        self.folder = folder
        self.clock = clock
        with self._translate_failures():
            self._db = open_books(folder)
        with self.writing() as db:
            self.boot = self.find_boot(db, clock.boot_id)
            self._began_ms = times.note_age(db, clock)

    def now_ms(self) -> int:
        """Return the time that ages are counted by (spool/times.py)."""
        return self._began_ms + self.clock.boot_ms()

    @staticmethod
    def find_boot(db: sqlite3.Connection, boot_id: str) -> int:
        """Return the number of a boot, which is new if need be."""
        db.execute("INSERT OR IGNORE INTO boots (boot_id) VALUES (?)", (boot_id,))
        (boot,) = db.execute("SELECT boot FROM boots WHERE boot_id = ?", (boot_id,)).fetchone()
        return int(boot)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a transaction: on the disk when the block is left, or never begun.

        Raises SpoolFull, SpoolDamaged.

        One that is not `durable` survives a kill, and a power cut from the next durable one on: it
        spares the card.
        """
        with self._lock, self._translate_failures():
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    def read_rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows of one question. Raises SpoolFull, SpoolDamaged."""
        with self.reading() as db:
            return db.execute(sql, parameters).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translate_failures():
            yield self._db

    @contextmanager
    def _translate_failures(self) -> Iterator[None]:
        """Raise errors of SQLite in the block as errors of the spool, with what to do.

        `the disk is full`: SpoolFull, and the ballast is given up, a file that keeps some room.
        `the books are damaged`: BooksDamaged; `another error`: SpoolDamaged. An IntegrityError
        passes as it is.
        """
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code in _FULL_CODES:
                drop_ballast(self.folder)
                raise SpoolFull(
                    f"the disk of the spool {self.folder} is full: free some space"
                ) from error
            damaged = code is not None and (
                code & 0xFF in _DAMAGED_CODES or code in _UNREADABLE_CODES
            )
            kind = BooksDamaged if damaged else SpoolDamaged
            raise kind(
                f"the spool {self.folder} cannot be used ({error}): check the disk"
            ) from error


def open_books(folder: Path) -> sqlite3.Connection:
    """Open the books, the database in which a spool lists its pictures; make it if there is none.

    Raises SpoolDamaged if a later version of this program made it. Raises BooksDamaged if an
    earlier one did: the caller then makes new books from the pictures' files. Raises
    sqlite3.Error.
    """
    _keep_private(folder)
    connection = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new one
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_JOURNAL_PAGES}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SPOOL}; COMMIT;"
            )
        elif version < SPOOL:
            raise BooksDamaged(f"they are of version {version}")
        elif version != SPOOL:
            raise SpoolDamaged(
                f"the spool {folder} is of version {version}, this program knows {SPOOL}"
            )
        added = {"shops": _SHOPS, "counts": _COUNTS, "views": _VIEWS, "films": _FILMS}
        for table, made_by in added.items():
            sql = "SELECT 1 FROM sqlite_master WHERE name = ?"
            if not connection.execute(sql, (table,)).fetchone():
                connection.executescript(f"BEGIN IMMEDIATE; {made_by} COMMIT;")
        columns = (
            ("counts", "lost", _LOST),
            ("pictures", "hours", _HOURS),
            ("counts", "hours", _COUNT_HOURS),
        )
        for table, column, made_by in columns:
            sql = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?"
            if not connection.execute(sql, (table, column)).fetchone():
                connection.executescript(f"BEGIN IMMEDIATE; {made_by} COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _keep_private(folder: Path) -> None:
    """Let nobody but their owner read the books. SQLite's own files beside them follow."""
    with suppress(OSError):  # a full disk, or a file of another user: opening them says so
        (folder / FILE).touch(mode=0o600)
        for path in folder.glob(f"{FILE}*"):
            path.chmod(0o600)


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Open it for `status`, beside a running uploader, or on a card that is read-only.

    Raises sqlite3.Error if there is no spool.
    """
    # to read closed books SQLite makes a file beside them, unless it is told that nobody writes
    is_closed = not os.access(folder / f"{FILE}-wal", os.F_OK)  # Path.exists may raise
    mode = "immutable=1" if is_closed and not os.access(folder, os.W_OK) else "mode=ro"
    connection = sqlite3.connect(f"file:{folder / FILE}?{mode}", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    return connection


def set_aside(folder: Path, why: BooksDamaged) -> None:
    """Move damaged books into a folder of their own; the copies stay.

    Raises SpoolFull if the disk refuses.
    """
    aside = folder / f"damaged-{time.time_ns()}"
    try:
        aside.mkdir(mode=0o700)
        for path in folder.glob(f"{FILE}*"):
            path.rename(aside / path.name)
    except OSError as error:
        raise SpoolFull(
            f"the books of the spool {folder} cannot be set aside: {error.strerror}"
        ) from error
    log.error(
        "the spool's books are damaged (%s): they are in %s, and the pictures are taken in again",
        why,
        aside,
    )


def read_settled_times(asides: Iterable[Path]) -> dict[str, int]:
    """Read the times of capture that books which were set aside still say of copies, by the copy's
    name."""
    found: dict[str, int] = {}
    sql = (
        "SELECT file, captured_at_ms FROM pictures NOT INDEXED WHERE file IS NOT NULL AND "
        "captured_at_ms IS NOT NULL"
    )
    for aside in asides:
        with suppress(sqlite3.Error), closing(open_for_reading(aside)) as db:
            for name, at_ms in db.execute(sql):
                if isinstance(name, str) and isinstance(at_ms, int):
                    found[name] = at_ms
    return found
