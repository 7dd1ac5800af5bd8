"""How is a database written anew beside itself, while others read and write it?

SQLite copies the rows (VACUUM INTO). Triggers note in tables of their own whose rows change
meanwhile, whichever program changes them, and these rows are copied after. The copy takes the
file's name only while nobody else has the file open, so nobody goes on in the old one. SQLite
itself refuses who comes between: it writes no file that was moved, unless the file has a log (WAL).
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.domain.errors import Busy

_COPY, _NOTES = ".anew-", "changed_"
"""What the name of a copy's file has behind the database's, and how the tables of notes begin."""
_SYNCED_BYTES = 4 * 1024 * 1024
"""How much of the copy may wait for the disk: whoever writes would wait for all of it."""
_OPCODES = 2_000
"""Steps of SQLite's machine between two looks at how much waits: some 100 KB of rows."""
_FEW_CHANGES = 100
"""So many rows may be copied while nobody writes."""
_ROUNDS = 20
_OPENED_ELSEWHERE_MS = 200
"""How long to wait until other programs close the file, while nobody else writes it."""
_EVENTS = {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}


class Copy:
    """A copy of the database at `path`, which takes its place in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        mark = secrets.token_hex(4)
        self._copy = path.with_name(f"{path.name}{_COPY}{mark}")
        self._notes = f"{_NOTES}{mark}_"
        self._keys_by_table: dict[str, str] = {}
        self._schema = 0
        self._copied: dict[str, int] = {}
        """By table, the last note whose row has been copied."""

    def note_changes(self, connection: sqlite3.Connection) -> None:
        """Let the database note whose rows change, from this transaction on."""
        os.close(os.open(self._copy, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._keys_by_table = _list_keys(connection)
        for table, keys in self._keys_by_table.items():
            notes = f"{self._notes}{table}"
            connection.execute(f"CREATE TABLE {notes} ({keys})")
            for event, rows in _EVENTS.items():
                values = (", ".join(f"{row}.{key}" for key in keys.split(", ")) for row in rows)
                inserts = " ".join(
                    f"INSERT INTO {notes} ({keys}) VALUES ({row_keys});" for row_keys in values
                )
                connection.execute(
                    f"CREATE TRIGGER {notes}_{event} AFTER {event} ON {table} BEGIN {inserts} END"
                )
        self._schema = _read_schema(connection)

    def write(self, connection: sqlite3.Connection) -> None:
        """Copy all rows but some of those that change meanwhile. Others read and write."""
        with _syncing(self._copy) as sync:
            connection.set_progress_handler(sync, _OPCODES)
            connection.execute("VACUUM INTO ?", (str(self._copy),))
            connection.set_progress_handler(None, 0)
        with self._attached(connection):
            forget_notes(connection, "copy")
            for _ in range(_ROUNDS):
                if self._copy_changes(connection) <= _FEW_CHANGES:
                    break
        _sync(self._copy)
        connection.execute("PRAGMA main.wal_checkpoint(PASSIVE)")

    def take_place(self, connection: sqlite3.Connection) -> bool:
        """Copy the last changes and give the copy the name of the file, for good.

        Return False, and change nothing, if anybody else has the file open. The file has no log
        meanwhile, nor if this fails: the next connection gives it one.
        """
        connection.execute(f"PRAGMA busy_timeout = {_OPENED_ELSEWHERE_MS}")
        connection.execute("PRAGMA main.locking_mode = EXCLUSIVE")
        try:
            # Only who is alone can take the log away, and stays alone.
            connection.execute("PRAGMA main.journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise
        with self._attached(connection):
            self._copy_changes(connection)
            self._copy_counters(connection)
            connection.execute("PRAGMA copy.journal_mode = WAL").fetchone()
        _sync(self._copy)
        _sync(self._path.parent)  # else a power cut could leave the old log beside the new file
        self._copy.replace(self._path)
        _sync(self._path.parent)
        return True

    @contextmanager
    def _attached(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("ATTACH ? AS copy", (str(self._copy),))
        try:
            # If anything fails, the copy is deleted.
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
            if _read_schema(connection) != self._schema:
                raise Busy("another program changes tables: the database is written anew later")
            for table, keys in self._keys_by_table.items():
                notes, done = f"main.{self._notes}{table}", self._copied.get(table, 0)
                (last,) = connection.execute(f"SELECT max(rowid) FROM {notes}").fetchone()
                noted = f"WHERE ({keys}) IN (SELECT {keys} FROM {notes} WHERE rowid > {done})"
                connection.execute(f"DELETE FROM copy.{table} {noted}")
                connection.execute(f"INSERT INTO copy.{table} SELECT * FROM main.{table} {noted}")
                self._copied[table] = last or 0
                number += self._copied[table] - done
            connection.execute("COMMIT")
        except BaseException:
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


def _read_schema(connection: sqlite3.Connection) -> int:
    """Return a number that is another one after each change of tables."""
    return int(connection.execute("PRAGMA main.schema_version").fetchone()[0])


def list_left(path: Path) -> list[Path]:
    """List the files that killed scrubs have left beside the database at `path`, which is open.

    With a log it has no journal: SQLite left one while the copy took its place.
    """
    journal = path.with_name(f"{path.name}-journal")
    return [*path.parent.glob(f"{path.name}{_COPY}*"), *([journal] if journal.exists() else ())]


def has_notes(connection: sqlite3.Connection) -> bool:
    """Tell if the database notes whose rows change."""
    return bool(_list_notes(connection, "main"))


def forget_notes(connection: sqlite3.Connection, schema: str = "main") -> None:
    """Let the database note no more whose rows change, and forget what it has noted."""
    for kind, name in _list_notes(connection, schema):
        connection.execute(f"DROP {kind} {schema}.{name}")


def _list_notes(connection: sqlite3.Connection, schema: str) -> list[tuple[str, str]]:
    """List kinds and names of what notes changes: triggers first, tables after."""
    return connection.execute(
        f"SELECT type, name FROM {schema}.sqlite_schema WHERE name GLOB '{_NOTES}*' "
        "ORDER BY type DESC"
    ).fetchall()


def _list_keys(connection: sqlite3.Connection) -> dict[str, str]:
    """List by table the columns of its key, as SQL names them, but for tables of notes."""
    rows = connection.execute(
        """SELECT tables.name, group_concat(columns.name, ', ')
        FROM main.sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND columns.pk
        AND tables.name NOT GLOB 'sqlite_*' AND tables.name NOT GLOB ? GROUP BY tables.name""",
        (f"{_NOTES}*",),
    )
    return dict(rows.fetchall())


@contextmanager
def _syncing(path: Path) -> Iterator[Callable[[], None]]:
    """Provide a function that waits for the disk when the file has become much larger."""
    descriptor, synced = os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0

    def sync() -> None:
        nonlocal synced
        size = os.fstat(descriptor).st_size
        if size - synced >= _SYNCED_BYTES:
            os.fdatasync(descriptor)
            synced = size

    try:
        yield sync
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
