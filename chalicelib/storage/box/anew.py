"""A database written anew beside itself, while others read and write it.

SQLite copies the rows (VACUUM INTO). Triggers note in tables of their own which rows change
meanwhile, whichever program changes them, and these rows are copied after. The copy has a name of
its own, and a link with the database's name leads to it. SQLite follows the link before it names
the log, so no program can meet another file's log. The old file is made unreadable before its lock
is given back: who has opened it and comes late gets an error, and opens the name again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path
from urllib.parse import quote

from chalicelib.domain.errors import Busy

_UNDER_WAY, _WHOLE, _NOTES = ".anew-", ".book-", "changed_"
"""Parts of names: of an unfinished file and a whole copy, behind the database's; and the begin of
the tables of notes. Nobody names a copy of their own so, as by a date."""
_MARK_LETTERS = 8
_MARK = f"[0-9a-f]{{{_MARK_LETTERS}}}"
_MAX_LINKS = 40
_MOVED = b"This database was written anew, and has another file: open its name again.".ljust(100)
"""Takes the place of a file's header, by which SQLite knows its files."""
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
        mark = secrets.token_hex(_MARK_LETTERS // 2)
        self._name = _find_name(path)
        self._copy = self._name.with_name(f"{self._name.name}{_UNDER_WAY}{mark}")
        self._whole = self._name.with_name(f"{self._name.name}{_WHOLE}{mark}")
        self._link = self._copy.with_name(f"{self._copy.name}-link")
        self._notes = f"{_NOTES}{mark}_"
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
        which rows change, from this transaction on."""
        _require_one_name(self._name)
        self._held = os.open(self._copy, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._link.symlink_to(self._whole.name)
        for made in (self._copy, self._link):
            _give_owner(made, self._name.stat())
        shutil.copystat(self._name, self._copy)
        self._keys_by_table = _list_keys(connection)
        for table, keys in self._keys_by_table.items():
            notes, columns = self._name_notes(table), _join(keys)
            connection.execute(f"CREATE TABLE {notes} ({columns})")
            for event, rows in _EVENTS.items():
                inserts = " ".join(
                    f"INSERT INTO {notes} ({columns}) VALUES ({_join(keys, f'{row}.')});"
                    for row in rows
                )
                trigger = self._name_notes(f"{table}_{event}")
                connection.execute(
                    f"CREATE TRIGGER {trigger} AFTER {event} ON {_quote(table)} BEGIN {inserts} END"
                )
        self._version = _read_version(connection)

    def write(self, connection: sqlite3.Connection) -> None:
        """Copy all rows but some of those that change meanwhile. Others read and write."""
        with _syncing(self._copy) as sync:
            connection.set_progress_handler(sync, _OPCODES)
            try:
                connection.execute("VACUUM INTO ?", (str(self._copy),))
            finally:
                connection.set_progress_handler(None, 0)
        with self._opened() as copy:
            for kind, name in _list_notes(copy):
                copy.execute(f"DROP {kind} {_quote(name)}")
            # Rows are copied as they are, so nothing may change them again.
            triggers = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
            for name, sql in copy.execute(triggers).fetchall():
                copy.execute(f"DROP TRIGGER {_quote(name)}")
                self._triggers.append(sql)
        with self._attached(connection):
            for _ in range(_ROUNDS):
                if self._copy_changes(connection) <= _FEW_CHANGES:
                    break
        _sync(self._copy)
        connection.execute("PRAGMA main.wal_checkpoint(PASSIVE)")

    def take_place(self, alone: sqlite3.Connection) -> Callable[[], None]:
        """Copy the last changes, and let the database's name lead to the copy, for good.

        `alone`: see `be_alone`; it may only be closed after. Return what frees the old file's room,
        to be called once `alone` is closed: a large file takes a second.
        """
        with self._attached(alone):
            self._copy_changes(alone)
            self._copy_counters(alone)
        with self._opened() as copy:
            for sql in self._triggers:
                copy.execute(sql)
            copy.execute("PRAGMA journal_mode = WAL").fetchone()
        _sync(self._copy)
        _require_one_name(self._name)
        # Closing any descriptor of a file drops all locks that this process has on it: nobody has
        # the copy's yet, and the old one's must last until `alone` is closed.
        self.close()
        old_file = _find_file(self._name)
        old = os.open(old_file, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._copy.rename(self._whole)
            _sync(self._name.parent)
            self._link.rename(self._name)
            _sync(self._name.parent)
            os.pwrite(old, _MOVED, 0)
            if old_file != self._name:
                old_file.unlink()
        except BaseException:
            alone.close()
            os.close(old)
            raise

        def free() -> None:
            with suppress(OSError):
                os.ftruncate(old, len(_MOVED))
            os.close(old)

        return free

    def _name_notes(self, what: str) -> str:
        return _quote(f"{self._notes}{what}")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the copy, which nobody else has. It needs no log: if anything fails, it is removed
        with what else a scrub leaves."""
        with closing(sqlite3.connect(_make_uri(self._copy), uri=True)) as copy:
            copy.isolation_level = None
            copy.execute("PRAGMA secure_delete = ON")
            copy.execute("PRAGMA synchronous = OFF")
            copy.execute("PRAGMA journal_mode = OFF").fetchone()
            yield copy

    @contextmanager
    def _attached(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("ATTACH ? AS copy", (_make_uri(self._copy),))
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
                notes, done = f"main.{self._name_notes(table)}", self._copied.get(table, 0)
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


def tell_lost_file(path: Path) -> str | None:
    """Say how a file of the database at `path` gets its name again; None: none has lost it.

    One has if the link was not copied. So it has if a copy of the file, without its log, stands in
    the link's place.
    """
    name = _find_name(path)
    lost = _find_lost_file(name)
    if lost is None:
        return None
    link = f"`ln -s {shlex.quote(lost.name)} {shlex.quote(str(name))}`"
    if not name.exists():
        return f"there is no {name}, a link to {lost.name}, which has the data: call {link}"
    return (
        f"{name} may lack what {lost.name} beside it has: stop Regulars. If {name} was put there "
        f"on purpose, move {lost.name} and {lost.name}-wal away. If not, move {name} away, and "
        f"call {link}"
    )


def _find_lost_file(name: Path) -> Path | None:
    found = name.parent.glob(f"{escape(name.name)}{_WHOLE}*")
    copies = [one for one in found if _is_whole(name, one.name) and one.is_file()]
    if name.exists():
        copies = [one for one in copies if _has_log(one)]
    # Looked at last: a first scrub may just have made it.
    return None if name.is_symlink() else next(iter(copies), None)


def _has_log(file: Path) -> bool:
    log = file.with_name(f"{file.name}-wal")
    return log.exists() and log.stat().st_size > 0


def list_left(path: Path) -> list[Path]:
    """List the files that killed scrubs have left beside the database at `path`. They may be
    deleted by a connection that has begun to write the database: no scrub replaces it then."""
    name = _find_name(path)
    file, under_way = _find_file(name), _list_under_way(name)
    return [
        one
        for one in name.parent.glob(f"{escape(name.name)}[.-]*")
        if _is_left(one.name, name, file.name)
        and not any(mark in one.name for mark in under_way)
        and (one.is_symlink() or one.is_file())
    ]


def _is_left(entry: str, name: Path, file: str) -> bool:
    owner = re.sub(r"-(journal|wal|shm)$", "", entry)
    if owner == file:
        return entry == f"{file}-journal"  # a writer has a log instead
    is_unfinished = _is_of(name, owner, f"{re.escape(_UNDER_WAY)}{_MARK}(-link)?")
    return is_unfinished or owner == name.name or _is_whole(name, owner)


def _list_under_way(name: Path) -> list[str]:
    """List the marks of the copies whose makers live."""
    return [
        one.name[-_MARK_LETTERS:]
        for one in name.parent.glob(f"{escape(name.name)}{_UNDER_WAY}{'?' * _MARK_LETTERS}")
        if _is_locked(one)
    ]


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


def _require_one_name(path: Path) -> None:
    """Raise OSError if the file has a further name, whose reader would lose all of it."""
    if path.stat().st_nlink > 1:
        raise OSError(errno.EMLINK, "it has a further name (a hard link)")


def _give_owner(made: Path, like: os.stat_result) -> None:
    """Give a file or link the owner and group of another, unless it has them: a unit that may
    change none is refused even that."""
    found = made.lstat()
    if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
        os.chown(made, like.st_uid, like.st_gid, follow_symlinks=False)


def _is_whole(name: Path, entry: str) -> bool:
    return _is_of(name, entry, re.escape(_WHOLE) + _MARK)


def _is_of(name: Path, entry: str, behind: str) -> bool:
    return bool(re.fullmatch(re.escape(name.name) + behind, entry))


def _find_name(path: Path) -> Path:
    """Follow somebody's links to the name that scrubs let lead to another file."""
    for _ in range(_MAX_LINKS):
        target = _find_file(path)
        if target == path or (target.parent == path.parent and _is_whole(path, target.name)):
            return path
        path = target
    return path


def _find_file(name: Path) -> Path:
    return name.parent / name.readlink() if name.is_symlink() else name


def list_left_notes(connection: sqlite3.Connection, path: Path) -> list[str]:
    """List the statements by which the database notes no more which rows change, and forgets what
    it noted: triggers first, tables after.

    Those of copies that are under way are left out.
    """
    under_way = _list_under_way(_find_name(path))
    return [
        f"DROP {kind} {_quote(name)}"
        for kind, name in _list_notes(connection)
        if name[len(_NOTES) :][:_MARK_LETTERS] not in under_way
    ]


def _list_notes(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        f"SELECT type, name FROM sqlite_schema WHERE name GLOB '{_NOTES}*' "
        "AND type IN ('table', 'trigger') ORDER BY type DESC"
    ).fetchall()


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


def _make_uri(path: Path) -> str:
    """Make a URI by which SQLite opens a file that is there, and makes none."""
    return f"file:{quote(str(path))}?mode=rw"


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
