"""Rewriting of a database beside the old one, while others read and write it.

SQLite copies the rows (VACUUM INTO). Triggers note in tables of their own which rows change
meanwhile, whichever program changes them, and these rows are copied after. The copy gets the
database's other name (see generation): SQLite names the log by the file, so no program can meet
another file's log. The old file is made unreadable before its lock is given back: who has opened it
and comes late gets an error. A name that a late one may still have open is not used again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from chalicelib.domain.errors import Busy
from chalicelib.storage.box.generation import (
    BESIDE,
    NOTE_BYTES,
    beside,
    count_generation,
    find_file,
    give_owner,
    has_data,
    list_files,
    make_uri,
    name_copy,
    read_note,
    sync,
)

_NOTES = "changed_"
"""Begin of the names of the tables of notes."""
_SYNCED_BYTES = 4 * 1024 * 1024
"""Bytes of the copy that may wait for the disk: those who write would wait for all of them."""
_OPCODES = 2_000
"""Steps of SQLite's machine between two looks at how much waits: some 100 KB of rows."""
_FEW_CHANGES = 100
"""Rows that may be copied while nobody writes."""
_ROUNDS = 20
"""Rounds of copying what changed, at most: somebody may write faster."""
_OPENED_ELSEWHERE_MS = 200
"""Wait until other programs close the file; nobody else writes it meanwhile."""
_EVENTS = {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}


class Copy:
    """A copy of the database at `path`, which takes its place in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copy = name_copy(path)
        self._keys_by_table: dict[str, list[str]] = {}
        self._triggers: list[str] = []
        self._version: tuple[int, ...] = ()
        self._copied: dict[str, int] = {}
        """By table, the last note whose row has been copied."""
        self._held: int | None = None
        """Holds a lock on the copy that says that it is under way."""

    def close(self) -> None:
        """Let others remove what is left of the copy."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def note_changes(self, connection: sqlite3.Connection) -> None:
        """Make an empty file with the owner and rights of the database's, and let the database note
        which rows change, from this transaction on. Raises Busy if another program does so."""
        file = find_file(self._path)
        self._require_free(file)
        if _is_locked(self._copy):
            raise Busy("another program writes the database anew")
        self._copy.unlink(missing_ok=True)
        self._held = os.open(self._copy, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        give_owner(self._copy, file.stat())
        shutil.copystat(file, self._copy)
        for statement in _list_drops(connection):
            connection.execute(statement)
        self._keys_by_table = _list_keys(connection)
        for table, keys in self._keys_by_table.items():
            notes, columns = _name_notes(table), _join(keys)
            connection.execute(f"CREATE TABLE {notes} ({columns})")
            for event, rows in _EVENTS.items():
                inserts = " ".join(
                    f"INSERT INTO {notes} ({columns}) VALUES ({_join(keys, f'{row}.')});"
                    for row in rows
                )
                trigger = _name_notes(f"{table}_{event}")
                connection.execute(
                    f"CREATE TRIGGER {trigger} AFTER {event} ON {_quote(table)} BEGIN {inserts} END"
                )
        self._version = _read_version(connection)

    def write(self, connection: sqlite3.Connection) -> None:
        """Copy all rows but some of those that change meanwhile. Others read and write."""
        with _syncing(self._copy) as sync_if_much:
            connection.set_progress_handler(sync_if_much, _OPCODES)
            try:
                connection.execute("VACUUM INTO ?", (str(self._copy),))
            finally:
                connection.set_progress_handler(None, 0)
        with self._opened() as copy:
            for statement in _list_drops(copy):
                copy.execute(statement)
            # Rows are copied as they are, so nothing may change them again.
            triggers = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
            for name, sql in copy.execute(triggers).fetchall():
                copy.execute(f"DROP TRIGGER {_quote(name)}")
                self._triggers.append(sql)
        with self._attached(connection):
            for _ in range(_ROUNDS):
                if self._copy_changes(connection) <= _FEW_CHANGES:
                    break
        sync(self._copy)
        connection.execute("PRAGMA main.wal_checkpoint(PASSIVE)")

    def take_place(self, alone: sqlite3.Connection) -> Callable[[], None]:
        """Copy the last changes, and let the copy be the database, for good.

        `alone`: see `be_alone`; it may only be closed after. Return what frees the old file's room,
        to be called once `alone` is closed: a large file takes a second.
        """
        with self._attached(alone):
            self._copy_changes(alone)
            self._copy_counters(alone)
        with self._opened() as copy:
            for sql in self._triggers:
                copy.execute(sql)
            note = count_generation(copy).encode_note()
            copy.execute("PRAGMA journal_mode = WAL").fetchone()
        sync(self._copy)
        file = find_file(self._path)
        next_file = self._require_free(file)
        # Closing any descriptor of a file drops all locks that this process has on it: nobody has
        # the copy's yet, and the old one's must last until `alone` is closed.
        self.close()
        old = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            for what in BESIDE:
                remove(beside(next_file, what))
            sync(self._copy.parent)
            os.pwrite(old, note, 0)
            os.fsync(old)
            with suppress(FileNotFoundError):  # another program has read the note, and did it
                self._copy.rename(next_file)
            sync(self._copy.parent)
        except BaseException:
            alone.close()
            os.close(old)
            raise

        def free() -> None:
            with suppress(OSError):
                os.ftruncate(old, NOTE_BYTES)
            os.close(old)

        return free

    def _require_free(self, file: Path) -> Path:
        """Return the file that the copy becomes.

        Raises OSError if the database's has a further name, whose reader would lose all of it, or
        the other one has data, or is still open from the time when it had.
        """
        if file.stat().st_nlink > 1:
            raise OSError(errno.EMLINK, "it has a further name (a hard link)")
        (next_file,) = {*list_files(self._path)} - {file}
        if has_data(next_file) or next_file.is_dir():
            raise FileExistsError(errno.EEXIST, f"{next_file.name} is there, and has data")
        with suppress(FileNotFoundError):
            _require_unopened(next_file)
        return next_file

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the copy, which nobody else has. It needs no log: if anything fails, it is removed
        with what else a scrub leaves."""
        with closing(sqlite3.connect(make_uri(self._copy), uri=True)) as copy:
            copy.isolation_level = None
            copy.execute("PRAGMA secure_delete = ON")
            copy.execute("PRAGMA synchronous = OFF")
            copy.execute("PRAGMA journal_mode = OFF").fetchone()
            yield copy

    @contextmanager
    def _attached(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("ATTACH ? AS copy", (make_uri(self._copy),))
        try:
            connection.execute("PRAGMA copy.synchronous = OFF")
            connection.execute("PRAGMA copy.journal_mode = OFF").fetchone()
            yield
        finally:
            connection.execute("DETACH copy")

    def _copy_changes(self, connection: sqlite3.Connection) -> int:
        """Copy the rows that were noted since the last time, as they are at one moment, and return
        how many notes there were."""
        number = 0
        connection.execute("BEGIN")
        try:
            if _read_version(connection) != self._version:
                raise Busy("another program changes tables: the database is written anew later")
            for table, keys in self._keys_by_table.items():
                notes, done = f"main.{_name_notes(table)}", self._copied.get(table, 0)
                (last,) = connection.execute(f"SELECT max(rowid) FROM {notes}").fetchone()
                columns, rows = _join(keys), _quote(table)
                noted = f"WHERE ({columns}) IN (SELECT {columns} FROM {notes} WHERE rowid > {done})"
                connection.execute(f"DELETE FROM copy.{rows} {noted}")
                connection.execute(f"INSERT INTO copy.{rows} SELECT * FROM main.{rows} {noted}")
                self._copied[table] = last or 0
                number += self._copied[table] - done
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return number

    def _copy_counters(self, connection: sqlite3.Connection) -> None:
        """Copy the numbers that were given last: a number of a row that is gone is not given
        again."""
        if connection.execute(
            "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"
        ).fetchone():
            connection.execute("DELETE FROM copy.sqlite_sequence")
            connection.execute(
                "INSERT INTO copy.sqlite_sequence SELECT * FROM main.sqlite_sequence"
            )


def be_alone(connection: sqlite3.Connection) -> bool:
    """Take the file for this connection alone until it is closed; return False, and change nothing,
    if anybody else has it open. It has no log meanwhile: the next connection gives it one."""
    connection.execute(f"PRAGMA busy_timeout = {_OPENED_ELSEWHERE_MS}")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        # Only who is alone can take the log away, and stays alone.
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return bool(mode == "delete")


def find_unfit_table(connection: sqlite3.Connection) -> str | None:
    """Name a table of which notes could miss a change, so that it cannot be copied meanwhile.

    It is not SQLite's own, its rows have no key that is never NULL, a further unique index lets
    REPLACE delete rows unnoticed, or a column is computed.
    """
    found = connection.execute(
        """SELECT name FROM sqlite_schema AS tables
        WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND (
            NOT rootpage
            OR NOT EXISTS (SELECT 1 FROM pragma_table_info(tables.name) WHERE pk)
            OR EXISTS (SELECT 1 FROM pragma_index_list(tables.name) WHERE origin = 'pk')
                AND EXISTS (SELECT 1 FROM pragma_table_info(tables.name)
                    WHERE pk AND NOT "notnull")
            OR EXISTS (SELECT 1 FROM pragma_index_list(tables.name)
                WHERE "unique" AND origin != 'pk')
            OR EXISTS (SELECT 1 FROM pragma_table_xinfo(tables.name) WHERE hidden))"""
    ).fetchone()
    return found and str(found[0])


def list_left(path: Path) -> list[Path]:
    """List the files beside the database at `path` that killed scrubs have left, or left large.
    `remove` may be called for them if a connection has begun to write the database: no scrub
    replaces it then. Raises StorageUnavailable if there are two databases."""
    file, copy = find_file(path), name_copy(path)
    (other,) = {*list_files(path)} - {file}
    # The database's writer has a log instead. A note has neither.
    unused = [beside(file, "journal"), beside(other, "journal"), beside(other, "shm")]
    if not _is_locked(copy):
        unused += [copy, *(beside(copy, what) for what in BESIDE)]
    large = (other, beside(other, "wal"))
    return [*filter(Path.exists, unused), *filter(has_data, large)]


def remove(left: Path) -> None:
    """Delete what a killed scrub has left. A note and its log keep their names, and are made
    small."""
    with suppress(FileNotFoundError):
        if left.name.endswith((".anew", ".anew-wal", "-journal", "-shm")):
            left.unlink()
        elif left.name.endswith("-wal"):
            os.truncate(left, 0)
        elif read_note(left):
            os.truncate(left, NOTE_BYTES)


def _is_locked(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:  # another user is making it
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _require_unopened(file: Path) -> None:
    """Raise OSError if anybody has a file open, as far as the system tells: Linux gives a lease to
    one that is alone."""
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        with suppress(AttributeError):
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # one that ends no process
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise OSError(errno.EBUSY, "another program has not closed an earlier file") from error
    finally:
        os.close(descriptor)


def list_left_notes(connection: sqlite3.Connection, path: Path) -> list[str]:
    """List the statements by which the database notes no more which rows change, and forgets what
    it noted: none while a copy is under way."""
    return [] if _is_locked(name_copy(path)) else _list_drops(connection)


def _list_drops(connection: sqlite3.Connection) -> list[str]:
    """List the statements that drop triggers that note changes, and after them their tables."""
    found = connection.execute(
        f"SELECT type, name FROM sqlite_schema WHERE name GLOB '{_NOTES}*' "
        "AND type IN ('table', 'trigger') ORDER BY type DESC"
    )
    return [f"DROP {kind} {_quote(name)}" for kind, name in found.fetchall()]


def _name_notes(what: str) -> str:
    return _quote(f"{_NOTES}{what}")


def _list_keys(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """List by table the columns of its key, but for SQLite's own tables."""
    keys_by_table: dict[str, list[str]] = {}
    for table, key in connection.execute(
        """SELECT tables.name, columns.name
        FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND columns.pk AND tables.name NOT GLOB 'sqlite_*'"""
    ):
        keys_by_table.setdefault(table, []).append(key)
    return keys_by_table


def _read_version(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return numbers of which one is another after each change of tables."""
    names = ("schema_version", "user_version")
    return tuple(connection.execute(f"PRAGMA main.{name}").fetchone()[0] for name in names)


def _join(names: list[str], row: str = "") -> str:
    """Join names of columns as SQL has them, of a row of that name or of any."""
    return ", ".join(f"{row}{_quote(name)}" for name in names)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _syncing(path: Path) -> Iterator[Callable[[], None]]:
    """Provide a function that waits for the disk when the file has become much larger."""
    descriptor, synced = os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0

    def sync_if_much() -> None:
        nonlocal synced
        size = os.fstat(descriptor).st_size
        if size - synced >= _SYNCED_BYTES:
            os.fdatasync(descriptor)
            synced = size

    try:
        yield sync_if_much
    finally:
        os.close(descriptor)
