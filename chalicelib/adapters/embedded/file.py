"""One SQLite file in WAL mode: one connection per thread, durable commits, errors of core/errors."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from chalicelib.core.errors import Busy, StorageUnavailable

LAYOUT = 1
"""Version of the physical layout, kept in the file. A file of another version is refused."""

_CACHE_KB = 512
"""Pages that each connection keeps. One box has a hundred threads, and the system keeps the file's pages, too: with
SQLite's own 2 MB they took 200 MB after some thousands of captures."""

_READERS_S = 1.0
"""How long emptying the log waits for those who read the file: nobody can write meanwhile."""

_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _Session:
    """A thread's connection. It is closed when the thread ends or the file is closed, whichever comes first."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.close = weakref.finalize(self, connection.close)


class SqliteFile:
    """Connections to the file at `path`, which is created, readable by its owner only, if it does not exist.

    A lock held by others for `busy_s` seconds raises Busy.
    """

    def __init__(self, path: Path, busy_s: float = 5.0) -> None:
        self._path = path
        self._busy_s = busy_s
        self._local = threading.local()
        self._sessions: weakref.WeakSet[_Session] = weakref.WeakSet()
        self._registry = threading.Lock()
        self._writer = threading.Lock()
        self._closed = False
        self._create()
        with self._translated():
            # The mode is kept in the file; changing it needs a moment without other connections.
            self._connection().execute("PRAGMA journal_mode = WAL")

    def lay_out(self, schema: tuple[str, ...]) -> None:
        """Make the tables of a schema: statements that may run again. Raises StorageUnavailable for another layout."""
        with self.writing() as connection:
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            if layout not in (0, LAYOUT):
                raise StorageUnavailable(f"the database has layout {layout}; this version of Regulars reads {LAYOUT}")
            for statement in schema:
                connection.execute(statement)
            if layout != LAYOUT:  # else every look into the file would write it
                connection.execute(f"PRAGMA user_version = {LAYOUT}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection to read with; each statement sees everything committed before it."""
        with self._translated():
            yield self._connection()

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Provide a connection inside a write transaction: durable after the block, undone if the block raises.

        What is not `durable` survives the end of the process, but perhaps no power cut. It does not wait for the disk,
        and nobody who would write waits for it. Whatever is durable later takes it along.
        """
        # Threads of this process queue here, which is fairer than SQLite's sleeping.
        if not self._writer.acquire(timeout=self._busy_s):
            raise Busy("another transaction holds the database; try again")
        try:
            with self._translated():
                connection = self._connection()
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")
                    raise
        finally:
            self._writer.release()

    def wipe(self) -> None:
        """Write the log into the file and empty it: either may hold what was deleted.

        Raises Busy if another program reads or writes: what it may still read stays in the log.
        """
        with self._writer, self._translated(), closing(self._open()) as session:
            session.connection.execute(f"PRAGMA busy_timeout = {int(min(self._busy_s, _READERS_S) * 1000)}")
            is_busy, _, _ = session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise Busy(f"another program reads {self._path.name}, and its log keeps what was deleted: end that program")

    def scrub(self) -> None:
        """`wipe`, and write the whole file anew: pages that were divided or joined keep pieces of what was deleted.

        `secure_delete` overwrites what is deleted, not what was moved before. Raises Busy, StorageUnavailable.
        """
        self.wipe()  # with a reader in the way, the log would grow by the whole file at each try
        with self._writer, self._translated():
            self._connection().execute("VACUUM")
        self.wipe()

    def damage(self) -> str | None:
        """Read every page and say what is wrong with the first that is: 0.06 s for 100 MB in memory. Raises Busy."""
        try:
            with self.reading() as connection:
                found = " ".join(connection.execute("PRAGMA quick_check(1)").fetchone()[0].split())
        except StorageUnavailable as error:
            return str(error)
        return None if found == "ok" else found

    def close(self) -> None:
        """Close every thread's connection; later calls raise StorageUnavailable."""
        with self._writer, self._registry:
            self._closed = True
            for session in list(self._sessions):
                session.close()

    def _connection(self) -> sqlite3.Connection:
        session: _Session | None = getattr(self._local, "session", None)
        if session is None or not session.close.alive:
            session = self._local.session = self._open()
        return session.connection

    def _open(self) -> _Session:
        with self._registry:
            if self._closed:
                raise StorageUnavailable("the database is closed")
            # Another thread never does more than close a connection whose own thread is done with it.
            # Not created here: if somebody moves the file away, an empty one must not take its place.
            existing = f"file:{quote(str(self._path))}?mode=rw"
            connection = sqlite3.connect(
                existing, uri=True, timeout=self._busy_s, isolation_level=None, check_same_thread=False
            )
            session = _Session(connection)
            connection.execute("PRAGMA synchronous = FULL")
            # Overwrite deleted data: templates are biometric data.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
            self._sessions.add(session)
            return session

    def _drop_session(self) -> None:
        session: _Session | None = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            del self._local.session

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _BUSY_CODES:
                raise Busy("another process holds the database; try again") from error
            # After such an error the next statement gets a fresh connection.
            self._drop_session()
            raise StorageUnavailable(f"the database {self._path.name} cannot be used: {error}") from error

    def _create(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Never opened if it exists: closing any descriptor of a file drops all locks that this process holds on it
            # (POSIX), SQLite's too, and another process could then remove the write-ahead log.
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StorageUnavailable(f"the database {self._path.name} cannot be opened: {error.strerror}") from error
