"""The choice of the current one of two database files, and the note that replaces the other.

A database has two names: its own, and the same with `.b`. A scrub (see anew) makes a copy and
replaces the file of one name by a note of 100 bytes; then the copy gets the other name. So a folder
has one database at any time, and a copy of the folder overwrites both files of an older copy.

Each database has its generation in a table, and each note says which generation replaces the file.
Names, times and the order of a folder decide nothing, and no file with data is ever deleted.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import NamedTuple
from urllib.parse import quote as quote_url

from chalicelib.domain.errors import StorageUnavailable

BESIDE = ("wal", "shm", "journal")
"""Suffixes of the files that SQLite keeps beside a database, after a hyphen."""
NOTE_BYTES = 100
_NOTE = re.compile(rb"Replaced by generation (\d+) of life (\w*), mark (\w*)\. *")
_TRIES = 5
"""Looks at a folder in which another program goes on with a scrub."""
_SCHEMA = """CREATE TABLE IF NOT EXISTS generation (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL, life TEXT NOT NULL, mark TEXT NOT NULL)"""
_LAST_ACT = """SELECT max(at) FROM (
    SELECT CAST(substr(CAST(sk AS TEXT), 1, 13) AS INTEGER) AS at FROM items
        WHERE tbl = 'audit' AND CAST(sk AS TEXT) GLOB '[0-9]*-*'
    UNION ALL SELECT CAST(json_extract(body, '$.hour.N') AS INTEGER) FROM items
        WHERE tbl = 'audit' AND CAST(sk AS TEXT) = '#end')"""
"""Reads the time (ms) of the last entry of the audits, open or closed."""
_NEVER = datetime.fromtimestamp(0, UTC)


class Generation(NamedTuple):
    """A database's place in time.

    `number`: one more each time that the database is written anew; 0 if it is not known. `life`:
    random; another one after a restore, and in a copy that goes on as a box of its own. `mark`:
    random; another one for each number.
    """

    number: int
    life: str
    mark: str

    def is_before(self, other: Generation) -> bool:
        return self.number == 0 or (self.life == other.life and self.number < other.number)

    def encode_note(self) -> bytes:
        """Encode the note that replaces a file once this generation exists."""
        text = f"Replaced by generation {self.number} of life {self.life}, mark {self.mark}."
        return text.encode().ljust(NOTE_BYTES)


_UNKNOWN = Generation(0, "unknown", "")


def lay_out_generation(connection: sqlite3.Connection) -> None:
    """Give a database a generation unless it has one."""
    connection.execute(_SCHEMA)
    connection.execute("INSERT OR IGNORE INTO generation VALUES (1, 1, hex(randomblob(8)), '')")


def count_generation(connection: sqlite3.Connection) -> Generation:
    """Add one to the number of a database's generation, and return it."""
    connection.execute("UPDATE generation SET number = number + 1, mark = hex(randomblob(4))")
    return _select_generation(connection)


def begin_life(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE generation SET life = hex(randomblob(8))")


def _select_generation(connection: sqlite3.Connection) -> Generation:
    found = connection.execute("SELECT number, life, mark FROM generation").fetchone()
    if not found or None in found:  # it is a part of a file
        raise sqlite3.DatabaseError("it has no generation")
    return Generation(*found)


def read_generation(file: Path) -> Generation:
    """Read the generation of a database file, and change nothing. Raises sqlite3.DatabaseError if
    it is no database, or has none."""
    with closing(_open_to_read(file)) as connection:
        return _select_generation(connection)


def read_last_act(file: Path) -> datetime | None:
    """Read the time of the last entry in the audits of a database file, and change nothing."""
    with suppress(sqlite3.Error), closing(_open_to_read(file)) as connection:
        (at_ms,) = connection.execute(_LAST_ACT).fetchone()
        return datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms else None
    return None


def _open_to_read(file: Path) -> sqlite3.Connection:
    """Open a file to read. What has no log is not locked either, and gets no file beside it."""
    if not has_data(file):  # SQLite deletes the log of an empty file
        raise sqlite3.DatabaseError(f"{file.name} has no data")
    with closing(sqlite3.connect(make_uri(file, "ro&immutable=1"), uri=True)) as without_log:
        try:
            without_log.execute("PRAGMA schema_version")
        except sqlite3.DatabaseError as error:  # a file may need its log, a note has none
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise
    has_log = beside(file, "shm").exists() or has_data(beside(file, "wal"))
    return sqlite3.connect(make_uri(file, "ro" if has_log else "ro&immutable=1"), uri=True)


def make_uri(file: Path, mode: str = "rw") -> str:
    """Make a URI by which SQLite opens a file that is there, and makes none."""
    return f"file:{quote_url(str(file))}?mode={mode}"


def beside(file: Path, what: str) -> Path:
    return file.with_name(f"{file.name}-{what}")


def name_copy(path: Path) -> Path:
    """Name the file that a scrub writes before it is the database."""
    first, _ = list_files(path)
    return first.with_name(f"{first.name}.anew")


def list_files(path: Path) -> tuple[Path, Path]:
    """List the two files of the database at `path`, which may be a link to the first one."""
    path = path.resolve()
    return path, path.with_name(f"{path.name}.b")


def has_data(file: Path) -> bool:
    """Tell by its size whether a file may be a database, or a log: a note is smaller."""
    return file.is_file() and file.stat().st_size > NOTE_BYTES


def find_file(path: Path) -> Path:
    """Return the file of the database at `path`: the first, if there is none yet. Only while a
    scrub takes place, or was killed, does it need a look into the files. Raises as `settle`."""
    with_data = [*filter(has_data, list_files(path))]
    return with_data[0] if len(with_data) == 1 else settle(path)


def settle(path: Path) -> Path:
    """Return the file of the database at `path`, as `find_file` does, after a look into both; give
    a copy its name if its scrub was killed before.

    Raises StorageUnavailable, which names all files and says what to do, if there are two
    databases, or a note says that a newer one is missing; nothing is changed then.
    """
    for _ in range(_TRIES):
        databases, notes = found = _look(path)
        note = max(notes.values(), default=None)
        first, second = list_files(path)
        is_new = not second.is_file() and not has_data(beside(first, "wal"))
        if not databases and not note and is_new:
            return first
        if len(databases) == 1 and not (note and min(databases.values()).is_before(note)):
            return min(databases)
        if note and not databases and _finish(path, note, notes):
            continue
        if found == _look(path):  # else a scrub takes place
            break
    if len(databases) > 1:
        raise StorageUnavailable(_describe_two(databases))
    there = "".join(_describe(*one) for one in databases.items()) or "no database"
    raise StorageUnavailable(
        f"{path.parent} is incomplete: it holds {there}, and generation "
        f"{note.number if note else 'unknown'} is missing. Copy the folder again with all its "
        "files, or restore a backup"
    )


def _look(path: Path) -> tuple[dict[Path, Generation], dict[Path, Generation]]:
    """Read the generation of each file that has data, and the notes in the others."""
    databases, notes = dict[Path, Generation](), dict[Path, Generation]()
    for file in list_files(path):
        try:
            databases[file] = read_generation(file)
        except sqlite3.DatabaseError:
            if note := read_note(file):
                notes[file] = note
            elif has_data(file):
                databases[file] = _UNKNOWN
    return databases, notes


def read_note(file: Path) -> Generation | None:
    """Read which generation replaces a file. Not for one that this process has open."""
    if not file.is_file():
        return None
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    found = _NOTE.match(os.read(descriptor, NOTE_BYTES))
    if found or os.fstat(descriptor).st_size <= NOTE_BYTES:
        os.close(descriptor)  # else a scrub was faster, and that would drop the database's locks
    return Generation(int(found[1]), found[2].decode(), found[3].decode()) if found else None


def _finish(path: Path, note: Generation, notes: dict[Path, Generation]) -> bool:
    """Give the copy its name that was whole when a note was written; tell whether it was there."""
    copy, (first, second) = name_copy(path), list_files(path)
    with suppress(sqlite3.Error, FileNotFoundError):  # another program may finish it, too
        if read_generation(copy) == note:
            copy.rename(second if notes.get(first) == note else first)
            sync(first.parent)
            return True
    return False


def _describe_two(databases: dict[Path, Generation]) -> str:
    """Name two databases, the newer first, and the commands that leave it alone: none, unless
    generation and last act agree which one that is."""
    acts = {file: read_last_act(file) or _NEVER for file in databases}
    newer, older = sorted(databases, key=lambda file: (databases[file], acts[file]), reverse=True)
    said = (
        f"{newer.parent} holds two databases, as after only one file was copied: "
        f"{_describe(newer, databases[newer])} and {_describe(older, databases[older])}. "
    )
    if _UNKNOWN in databases.values():
        return f"{said}One cannot be read: copy the folder again with all its files"
    if not databases[older].is_before(databases[newer]) or acts[older] > acts[newer]:
        return (
            f"{said}Neither was made from the other, so nothing tells which is newer. `regulars "
            f"compare {quote(str(newer))} {quote(str(older))}` tells what each lacks. Then stop "
            "Regulars, and move one out of the folder, with its -wal file"
        )
    aside = newer.parent.with_name(f"{newer.parent.name}-generation-{databases[older].number}")
    files = (older, *(beside(older, what) for what in BESIDE))
    moved = " ".join(quote(str(file)) for file in files if file.exists())
    return (
        f"{said}To keep the newer one, {newer.name}, stop Regulars and run `mkdir -m 700 "
        f"{quote(str(aside))} && mv {moved} {quote(str(aside))}/`. The older one lacks later "
        "changes, and still has people who were erased since"
    )


def _describe(file: Path, generation: Generation) -> str:
    at = read_last_act(file)
    return (
        f"{file.name} (generation {generation.number} of life {generation.life}, last audit entry "
        f"{f'{at:%Y-%m-%d %H:%M} UTC' if at else 'unknown'})"
    )


def leave_empty_log(file: Path) -> None:
    """Leave an empty log beside a file that nobody has open, if that can be: a copy of the folder
    overwrites a log that an earlier copy brought, which SQLite would take for the file's."""
    with suppress(OSError):
        like, log = file.stat(), beside(file, "wal")
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, like.st_mode & 0o777))
        give_owner(log, like)


def give_owner(made: Path, like: os.stat_result) -> None:
    """Give a file the owner and group of another, unless it has them: a unit that may change none
    is refused even that."""
    found = made.stat()
    if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
        os.chown(made, like.st_uid, like.st_gid)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
