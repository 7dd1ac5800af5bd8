"""Items in one SQLite file: the embedded ItemStore.

All tables share one physical layout: rows sorted by (table, partition, sort), and index rows beside
them, kept in the same transaction. Keys are stored as UTF-8 bytes, so that SQLite compares them as
DynamoDB does.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.storage.box.anew import (
    Copy,
    be_alone,
    find_unfit_table,
    list_left,
    list_left_notes,
    remove,
)
from chalicelib.storage.box.generation import (
    begin_life,
    count_generation,
    find_file,
    lay_out_generation,
    leave_empty_log,
    make_uri,
    settle,
)
from chalicelib.storage.limits import (
    Change,
    Items,
    Position,
    Span,
    Stored,
    join_stored,
    list_changes,
)
from chalicelib.storage.ports import Action, Table, TableKey, Update

_log = logging.getLogger(__name__)
_Done = TypeVar("_Done")
_Identity = tuple[int, int] | None

LAYOUT = 1
"""Version of the physical layout, kept in the file. A file of another version is refused."""

_CACHE_KB = 512
"""Pages that each connection keeps. One box has a hundred threads, and the system keeps the file's
pages, too: with SQLite's own 2 MB they took 200 MB after some thousands of captures."""

_READERS_S = 0.2
"""Longest wait for those who read the file, before its log is emptied or another file takes its
place: nobody can write meanwhile."""

_SCRUB_TRIES = 10
_SCRUB_PAUSE_S = 0.3
"""Tries of a scrub to be alone, and the pause between two: threads may be reading."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IS_OPEN = "another program has it open, or reads it without end"

_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _UsedHereError(Exception):
    """A thread of this process uses its connection all the while."""


class _Session:
    """A thread's connection.

    It is closed when the thread ends, the file is closed or another takes its place, whichever
    comes first.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.used = threading.RLock()
        """Held by the thread while it uses the connection."""
        self.close = weakref.finalize(self, connection.close)


def _identify(file: Path) -> _Identity:
    """Return what tells a file from others that have had its name."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SqliteFile:
    """Connections to the file at `path`, which is created, readable by its owner only, if it does
    not exist.

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
        with self.reading():
            pass

    def lay_out(self, schema: tuple[str, ...]) -> None:
        """Make the tables of a schema: statements that may run again.

        Raises StorageUnavailable for another layout.
        """
        with self.writing() as connection:
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            if layout not in (0, LAYOUT):
                raise StorageUnavailable(
                    f"the database has layout {layout}; this version of Regulars reads {LAYOUT}"
                )
            lay_out_generation(connection)
            for statement in schema:
                connection.execute(statement)
            if layout != LAYOUT:  # else every look into the file would write it
                connection.execute(f"PRAGMA user_version = {LAYOUT}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection to read with; each statement sees everything committed before it."""
        with self._translate_failures(), self._connected() as connection:
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Provide a connection inside a write transaction: durable after the block, undone if the
        block raises.

        What is not `durable` survives the end of the process, but perhaps no power cut. It does not
        wait for the disk, and nobody who would write waits for it. Whatever is durable later takes
        it along.
        """
        # Threads of this process queue here, which is fairer than SQLite's sleeping.
        if not self._writer.acquire(timeout=self._busy_s):
            raise Busy("another transaction holds the database; try again")
        try:
            with self._translate_failures(), self._connected() as connection:
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
        with self.reading() as connection:  # most of it is written while others write, too
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        with self._writer, self._translate_failures(), closing(self._open_session()) as session:
            session.connection.execute(
                f"PRAGMA busy_timeout = {int(min(self._busy_s, _READERS_S) * 1000)}"
            )
            is_busy, _, _ = session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise Busy(
                f"another program reads {self._path.name}, and its log keeps what was deleted: end "
                "that program"
            )

    def scrub(self) -> None:
        """`wipe`, and write the whole file anew, beside itself: pages that were divided or joined
        keep pieces of what was deleted.

        `secure_delete` overwrites what is deleted, not what was moved before. Others read and write
        meanwhile. What cannot be written beside is written anew where it is: nobody else writes
        until all of it is, which the log says. Raises Busy, StorageUnavailable.
        """
        self.wipe()  # with a reader in the way, the log would grow while the copy is made
        self.remove_left()
        try:
            hindrance = self._replace()
        finally:
            self.remove_left()
        if hindrance is None:
            return
        _log.warning(
            "%s is written anew in its place, and nobody can write until that is done: %s",
            self._path.name,
            hindrance,
        )
        self.wipe()
        with self._writer, self.reading() as connection:
            count_generation(connection)
            connection.execute("VACUUM")
        self.wipe()

    def remove_left(self) -> None:
        """Remove what scrubs have left that were killed. Raises Busy, StorageUnavailable."""
        with self.reading() as connection, self._name_failures():
            if not list_left_notes(connection, self._path) and not list_left(self._path):
                return
        with self.writing() as connection, self._name_failures():
            for statement in list_left_notes(connection, self._path):
                connection.execute(statement)
            for left in list_left(self._path):
                remove(left)

    def _replace(self) -> str | None:
        """Replace the file by a copy of its rows; return what is in the way, if anything is."""
        if self._while_alone(lambda _: True) is None:  # before a copy is made for nothing
            return _IS_OPEN
        try:
            with closing(Copy(self._path)) as copy:
                return self._copy_rows(copy)
        except OSError as error:
            if error.errno in _NO_ROOM:  # where it is, it would take more
                raise StorageUnavailable(
                    f"the database {self._path.name} cannot be written anew: {error.strerror}"
                ) from error
            return f"no other file can take its place: {error.strerror}"

    def _copy_rows(self, copy: Copy) -> str | None:
        with self.writing() as connection:
            if unfit_table := find_unfit_table(connection):
                return f"changes of the table {unfit_table} cannot be followed"
            lay_out_generation(connection)
            copy.note_changes(connection)
        with self.reading() as connection:
            copy.write(connection)
        free = self._while_alone(copy.take_place)
        if free is None:
            return _IS_OPEN
        free()  # while others write
        return None

    def _while_alone(self, do: Callable[[sqlite3.Connection], _Done]) -> _Done | None:
        """Do something with the only connection that anybody has to the file; return None if other
        programs have one at each try. Raises Busy if a thread of this process uses one."""
        is_used_here = False
        for _ in range(_SCRUB_TRIES):
            try:
                with self._alone() as alone:
                    if alone is not None:
                        return do(alone)
                is_used_here = False
            except _UsedHereError:
                is_used_here = True
            time.sleep(_SCRUB_PAUSE_S)
        if is_used_here:
            raise Busy(f"a thread of this process reads {self._path.name}: it is scrubbed later")
        return None

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection | None]:
        """Provide the only connection that anybody has to the file, or None if other programs have
        one. Raises _UsedHereError."""
        with self._writer, self._registry, self._translate_failures():
            if self._closed:
                raise StorageUnavailable("the database is closed")
            if not self._close_unused():
                raise _UsedHereError
            with closing(self._connect()) as connection:
                is_alone = be_alone(connection)
                if is_alone:  # it has just deleted the log
                    leave_empty_log(find_file(self._path))
                yield connection if is_alone else None

    def _close_unused(self) -> bool:
        """Close the connections of all threads; return False if one is used all the while."""
        until = time.monotonic() + _READERS_S
        for session in list(self._sessions):
            if not session.used.acquire(timeout=max(0.0, until - time.monotonic())):
                return False
            try:
                session.close()
            finally:
                session.used.release()
        return True

    def damage(self) -> str | None:
        """Read every page and say what is wrong with the first that is: 0.06 s for 100 MB in
        memory. Raises Busy."""
        try:
            with self.reading() as connection:
                finding = " ".join(
                    connection.execute("PRAGMA quick_check(1)").fetchone()[0].split()
                )
        except StorageUnavailable as error:
            return str(error)
        return None if finding == "ok" else finding

    def begin_life(self) -> None:
        """Make the file another one's than the copies of it, which go on from another state."""
        with self.writing() as connection:
            begin_life(connection)

    def close(self) -> None:
        """Close every thread's connection; later calls raise StorageUnavailable."""
        with self._writer, self._registry:
            self._closed = True
            for session in list(self._sessions):
                session.close()
            with suppress(StorageUnavailable):
                leave_empty_log(find_file(self._path))

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Provide this thread's connection, which no other thread closes during the block but to
        close the file."""
        while True:
            session: _Session | None = getattr(self._local, "session", None)
            if session is None or not session.close.alive:
                session = self._local.session = self._open_session()
            with session.used:
                if session.close.alive:
                    yield session.connection
                    return

    def _open_session(self) -> _Session:
        """Open a connection for this thread.

        Raises StorageUnavailable if the file is closed or gone.
        """
        with self._registry:
            if self._closed:
                raise StorageUnavailable("the database is closed")
            session = _Session(self._connect())
            self._sessions.add(session)
            return session

    def _connect(self) -> sqlite3.Connection:
        """Connect to the database's file, and hold SQLite's shared lock on it.

        A scrub may replace the file before the lock is held, not after.
        """
        while True:
            file = find_file(self._path)
            found = _identify(file)
            try:
                return self._open(file, found)
            except sqlite3.Error:
                file_now = settle(self._path)
                if (file, found) == (file_now, _identify(file_now)):
                    raise

    def _open(self, file: Path, found: _Identity) -> sqlite3.Connection:
        """Open a file. Raises sqlite3.Error, also if it is another one than was found."""
        # Not created here: if somebody moves the file away, an empty one must not take its place.
        connection = sqlite3.connect(
            make_uri(file),
            uri=True,
            timeout=self._busy_s,
            isolation_level=None,
            # Another thread never does more than close a connection that is not used.
            check_same_thread=False,
        )
        try:
            if found != _identify(file):  # it would be read with a log that is not its own
                raise sqlite3.OperationalError("another file has its name")
            # The mode is kept in the file; changing it needs a moment without other connections.
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # it keeps the lock
            connection.execute("PRAGMA synchronous = FULL")
            # Overwrite deleted data: templates are biometric data.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop_session(self) -> None:
        session: _Session | None = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            del self._local.session

    @contextmanager
    def _translate_failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _BUSY_CODES:
                raise Busy("another process holds the database; try again") from error
            # After such an error the next statement gets a fresh connection.
            self._drop_session()
            raise StorageUnavailable(
                f"the database {self._path.name} cannot be used: {error}"
            ) from error

    @contextmanager
    def _name_failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageUnavailable(
                f"the database {self._path.name} cannot be used: {error.strerror}"
            ) from error

    def _create(self) -> None:
        with self._name_failures():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = settle(self._path)
            # Never opened if it exists: closing any descriptor of a file drops all locks that this
            # process holds on it (POSIX), SQLite's too, and another process could then remove the
            # write-ahead log.
            with suppress(FileExistsError):
                os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS items (
        tbl TEXT NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (tbl, pk, sk)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS index_rows (
        tbl TEXT NOT NULL, idx TEXT NOT NULL, pk BLOB NOT NULL, val BLOB NOT NULL, sk BLOB NOT NULL,
        beside TEXT, PRIMARY KEY (tbl, idx, pk, val, sk)) WITHOUT ROWID""",
)

# SQLite itself keeps `beside` as the items are, whatever writes an item or an index row.
_BESIDE_SCHEMA = (
    """CREATE TRIGGER IF NOT EXISTS beside_{index}_of_item AFTER INSERT ON items
    WHEN NEW.tbl = '{table}' BEGIN
        UPDATE index_rows SET beside = ({beside}) WHERE tbl = NEW.tbl AND idx = '{index}'
            AND pk = NEW.pk AND sk = NEW.sk
            AND val = CAST(json_extract(NEW.body, '$.{attribute}.S') AS BLOB);
    END""",
    """CREATE TRIGGER IF NOT EXISTS beside_{index}_of_row AFTER INSERT ON index_rows
    WHEN NEW.tbl = '{table}' AND NEW.idx = '{index}' BEGIN
        UPDATE index_rows SET beside = ({beside_of_row}) WHERE tbl = NEW.tbl AND idx = NEW.idx
            AND pk = NEW.pk AND val = NEW.val AND sk = NEW.sk;
    END""",
)
_BESIDE = """SELECT json_group_object(key, json(value)) FROM json_each({body})
    WHERE key IN ({names})"""
_BODY_OF_ROW = """(SELECT body FROM items WHERE tbl = index_rows.tbl AND pk = index_rows.pk
    AND sk = index_rows.sk)"""


def _list_beside_schema(tables: Sequence[Table]) -> Iterator[str]:
    """Yield the statements by which index rows have what stands beside their keys."""
    for table in tables:
        for index, attributes in table.beside.items():
            names = ", ".join(f"'{name}'" for name in attributes)
            parts = {
                "table": table.name,
                "index": index,
                "attribute": table.indexes[index],
                "beside": _BESIDE.format(body="NEW.body", names=names),
                "beside_of_row": _BESIDE.format(body=_BODY_OF_ROW, names=names),
            }
            yield from (statement.format(**parts) for statement in _BESIDE_SCHEMA)


_SCAN = """SELECT body, pk, sk FROM items
    WHERE tbl = ? AND (pk, sk) > (?, ?) AND pk >= ? AND pk < ? ORDER BY pk, sk LIMIT ?"""

_PAGE_ITEMS = 1000
"""Items of one page of a query, at most."""
_PAGE_CHARACTERS = 1024 * 1024
"""Characters of one page, as DynamoDB ends one at 1 MB."""


class SqliteItemStore(Items):
    """The ItemStore port on the file at `path`, holding `tables`.

    `busy_s`: how long to wait for other processes.
    """

    def __init__(self, path: Path, tables: Sequence[Table], busy_s: float = 5.0) -> None:
        self._tables = frozenset(table.name for table in tables)
        self.file = SqliteFile(path, busy_s)
        self.file.lay_out((*_SCHEMA, *_list_beside_schema(tables)))

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        self.file.close()

    def _read_item(self, table: Table, key: tuple[str, str]) -> Stored | None:
        return self._read_many([(table, key)])[0]

    def _read_many(self, table_keys: Sequence[TableKey]) -> list[Stored | None]:
        self._require(table for table, _ in table_keys)
        with self.file.reading() as connection:
            return _read_items(connection, table_keys)

    def _read_page(
        self, span: Span, after: Position | None, limit: int | None
    ) -> tuple[list[Stored], Position | None]:
        """Read a page, and the position at which it ended: None if nothing follows."""
        self._require([span.table])
        max_items = min(limit or _PAGE_ITEMS, _PAGE_ITEMS)
        stored: list[Stored] = []
        end_position: Position | None = None
        characters = 0
        sql, parameters = _write_select(span, after)
        is_beside = _is_beside(span)
        with (
            self.file.reading() as connection,
            closing(connection.execute(f"{sql} LIMIT ?", (*parameters, max_items + 1))) as rows,
        ):
            for text, sort, value in rows:
                if len(stored) == max_items or characters >= _PAGE_CHARACTERS:
                    return stored, end_position
                end_position = Position(sort.decode(), value and value.decode())
                stored.append(_read_index_row(span, end_position, text) if is_beside else text)
                characters += len(text or value)
        return stored, None

    def _scan(self, table: Table, prefix: str) -> Iterator[list[Stored]]:
        self._require([table])
        behind, begin = (b"", b""), prefix.encode()
        while True:
            with self.file.reading() as connection:
                rows = connection.execute(
                    _SCAN, (table.name, *behind, begin, begin + b"\xff", _PAGE_ITEMS)
                ).fetchall()
            if not rows:
                return
            yield [body for body, _, _ in rows]
            behind = rows[-1][1:]

    def _transact(self, actions: Sequence[Action]) -> None:
        self._require(action.table for action in actions)
        is_lasting = any(not isinstance(action, Update) or action.lasts for action in actions)
        with self.file.writing(durable=is_lasting) as connection:
            for change in list_changes(
                actions, _read_items(connection, [(action.table, action.key) for action in actions])
            ):
                _write_change(connection, change)

    def _require(self, tables: Iterable[Table]) -> None:
        if missing := {table.name for table in tables} - self._tables:
            raise StorageUnavailable(f"this store has no table {', '.join(missing)}")


def _read_items(
    connection: sqlite3.Connection, table_keys: Iterable[TableKey]
) -> list[Stored | None]:
    sql = "SELECT body FROM items WHERE tbl = ? AND pk = ? AND sk = ?"
    rows = [
        connection.execute(sql, (table.name, pk.encode(), sk.encode())).fetchone()
        for table, (pk, sk) in table_keys
    ]
    return [row and row[0] for row in rows]


def _read_index_row(span: Span, position: Position, beside: str | None) -> Stored:
    """Make an item of an index row. `beside`: JSON of what stands beside its keys; None: keys."""
    names = (span.table.partition, span.table.sort, span.order)
    texts = zip(names, (span.partition, position.sort, position.value), strict=True)
    keys = {name: {"S": text} for name, text in texts}
    return keys if beside is None else join_stored(keys, beside)


def _is_beside(span: Span) -> bool:
    """Tell whether the index rows have all that is asked for."""
    return span.index is not None and {*span.carried} <= {*span.table.beside.get(span.index, ())}


def _write_select(span: Span, after: Position | None) -> tuple[str, list[Any]]:
    """Write the SQL that reads a span behind a position, without its limit, and return it with its
    parameters.

    Its columns are an item's JSON, its sort key, and the value that sorts it in the index. What an
    index carries is read from the item itself, unless all of it stands beside the index's keys.
    """
    parameters: list[Any] = [span.table.name, span.partition.encode()]
    order = ["sk"]
    sql = "SELECT body, sk, NULL FROM items WHERE tbl = ? AND pk = ?"
    if span.index is not None:
        order = ["val", "sk"]
        selection = "body, sk, val FROM index_rows JOIN items USING (tbl, pk, sk)"
        if _is_beside(span):
            selection = f"{'beside' if span.carried else 'NULL'}, sk, val FROM index_rows"
        sql = f"SELECT {selection} WHERE tbl = ? AND pk = ? AND idx = ?"
        parameters.append(span.index)
    for operator, bound in _list_bounds(span, after):
        if bound is not None:
            sql += f" AND {order[0]} {operator} ?"
            parameters.append(bound.encode())
    if after is not None:
        sql += (
            f" AND ({', '.join(order)}) {'<' if span.reverse else '>'} "
            f"({', '.join('?' * len(order))})"
        )
        parameters += [
            part.encode() for part in (after.value, after.sort)[-len(order) :] if part is not None
        ]
    direction = " DESC" if span.reverse else ""
    return f"{sql} ORDER BY {', '.join(column + direction for column in order)}", parameters


def _list_bounds(span: Span, after: Position | None) -> list[tuple[str, str | None]]:
    """List the bounds of a span without the one that the position has passed.

    SQLite seeks to the first bound that it is given: to the passed one, so that each page of a walk
    would step over all pages before it. A position outside of the span passes none: only a forged
    token has one.
    """
    bounds = [(">=", span.low), ("<=", span.high)]
    key = after and (after.value or after.sort)
    if key and (span.low or "") <= key and (span.high is None or key <= span.high):
        del bounds[1 if span.reverse else 0]
    return bounds


def _write_change(connection: sqlite3.Connection, change: Change) -> None:
    """Store an item as a transaction leaves it, and its rows in the indexes."""
    action, old, new, body = change
    table, (partition, sort) = action.table, (part.encode() for part in action.key)
    if new is None:
        connection.execute(
            "DELETE FROM items WHERE tbl = ? AND pk = ? AND sk = ?", (table.name, partition, sort)
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO items (tbl, pk, sk, body) VALUES (?, ?, ?, ?)",
            (table.name, partition, sort, body),
        )
    for index, attribute in table.indexes.items():
        old_value, new_value = (
            None if item is None else item.get(attribute) for item in (old, new)
        )
        if old_value == new_value:
            continue
        if old_value is not None:
            connection.execute(
                "DELETE FROM index_rows WHERE tbl = ? AND idx = ? AND pk = ? AND val = ? AND sk = "
                "?",
                (table.name, index, partition, old_value.encode(), sort),
            )
        if new_value is not None:
            connection.execute(
                "INSERT INTO index_rows (tbl, idx, pk, val, sk) VALUES (?, ?, ?, ?, ?)",
                (table.name, index, partition, new_value.encode(), sort),
            )
