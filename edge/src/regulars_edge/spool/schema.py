"""The spool's tables, how a connection to them is opened, and how damaged ones are set aside."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from regulars_edge.errors import BooksDamaged, SpoolFull

log = logging.getLogger(__name__)

FILE = "spool.sqlite"
VERSION = 2
_BUSY_MS = 10_000
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
    boot INTEGER,                         -- with boot_ms: the moment it was taken; NULL if the time was stated
    boot_ms INTEGER,
    wall_ms INTEGER NOT NULL,             -- the machine's clock at that moment, or the stated time
    captured_at_ms INTEGER,               -- settled before the first offer, then never changed
    remote_id TEXT,
    file TEXT,                            -- name of the copy in the spool, which goes when the picture is done
    path TEXT,                            -- the file that it came from, by which that is known again
    mtime_ns INTEGER,
    track TEXT,
    spooled_at_ms INTEGER NOT NULL,       -- this and the next by the time that ages are counted by (times.py)
    finished_at_ms INTEGER,
    reason TEXT
);
CREATE INDEX by_content ON pictures (camera, sha256);
CREATE INDEX unsent ON pictures (camera, id) WHERE state = 0;
CREATE INDEX finished ON pictures (state, path IS NULL, finished_at_ms) WHERE state > 0;
CREATE INDEX left_over ON pictures (id) WHERE state = 1 AND file IS NOT NULL;
CREATE INDEX by_path ON pictures (path) WHERE path IS NOT NULL;
CREATE INDEX by_source ON pictures (camera, source, captured_at_ms) WHERE captured_at_ms IS NOT NULL;
CREATE UNIQUE INDEX by_remote ON pictures (camera, remote_id) WHERE remote_id IS NOT NULL;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (camera TEXT PRIMARY KEY, settings TEXT NOT NULL) WITHOUT ROWID; -- the service's
"""


def opened(folder: Path) -> sqlite3.Connection:
    """Open the spool's database, made if there is none. Raises sqlite3.Error; ValueError for a later version's;
    BooksDamaged for an earlier one's, whose pictures are taken in again.
    """
    connection = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new one
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_JOURNAL_PAGES}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")
        elif version < VERSION:
            raise BooksDamaged(f"they are of version {version}")
        elif version != VERSION:
            raise ValueError(f"it is of version {version}, this program knows {VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def opened_for_reading(folder: Path) -> sqlite3.Connection:
    """Open it for `status`, beside a running uploader. Raises sqlite3.Error if there is no spool."""
    connection = sqlite3.connect(f"file:{folder / FILE}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    return connection


def set_aside(folder: Path, why: BooksDamaged) -> None:
    """Move damaged books into a folder of their own; the copies stay. Raises SpoolFull if the disk refuses."""
    aside = folder / f"damaged-{time.time_ns()}"
    try:
        aside.mkdir(mode=0o700)
        for path in folder.glob(f"{FILE}*"):
            path.rename(aside / path.name)
    except OSError as error:
        raise SpoolFull(f"the books of the spool {folder} cannot be set aside: {error.strerror}") from error
    log.error("the spool's books are damaged (%s): they are in %s, and the pictures are taken in again", why, aside)


def settled(asides: Iterable[Path]) -> dict[str, int]:
    """Read the times of capture that books which were set aside still say of copies, by the copy's name."""
    found: dict[str, int] = {}
    sql = "SELECT file, captured_at_ms FROM pictures NOT INDEXED WHERE file IS NOT NULL AND captured_at_ms IS NOT NULL"
    for aside in asides:
        with suppress(sqlite3.Error), closing(opened_for_reading(aside)) as db:
            for name, at_ms in db.execute(sql):
                if isinstance(name, str) and isinstance(at_ms, int):
                    found[name] = at_ms
    return found
