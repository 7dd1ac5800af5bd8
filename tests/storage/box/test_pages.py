"""A scrub leaves nothing of what was deleted in any page, and others read and write meanwhile."""

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from chalicelib.storage.box.items import SqliteFile
from chalicelib.storage.box.pages import UnknownPage, empty_page

SCHEMA = (
    "CREATE TABLE by_key (key TEXT NOT NULL, body TEXT, PRIMARY KEY (key)) WITHOUT ROWID",
    "CREATE TABLE numbered (number INTEGER PRIMARY KEY, key TEXT, body TEXT)",
    "CREATE INDEX by_body ON numbered (body)",
)
KEYS = 20_000
"""Rows that there may be: many more than there are, so that pages are divided to the end."""
TIMES = (1, 3, 3, 3, 8, 8, 8, 25, 25, 80, 400)
"""How often a row says its name, of 12 bytes: some do not fit into a page."""
NAME = re.compile(rb"<[0-9a-f]{10}>")


class Rows:
    """Rows that are written, written anew and deleted at random. Each has a name in its text, which
    is another one each time."""

    def __init__(self, file: SqliteFile, seed: int) -> None:
        self._file, self._random = file, random.Random(seed)
        self.name_by_key: dict[int, bytes] = {}

    def change(self, times: int) -> None:
        for _ in range(times):
            with self._file.writing() as connection:
                for _ in range(20):
                    self._change_one(connection)

    def delete_all_but(self, kept: int) -> None:
        with self._file.writing() as connection:
            for key in [*self.name_by_key][kept:]:
                self._delete(connection, key)

    def _change_one(self, connection: sqlite3.Connection) -> None:
        key, name = self._random.randrange(KEYS), f"<{self._random.getrandbits(40):010x}>"
        self._delete(connection, key)
        if self._random.random() < 0.1:
            return
        body = name * self._random.choice(TIMES)
        connection.execute("INSERT INTO by_key VALUES (?, ?)", (f"{key:04}{name}", body))
        connection.execute("INSERT INTO numbered VALUES (?, ?, ?)", (key, name, body))
        self.name_by_key[key] = name.encode()

    def _delete(self, connection: sqlite3.Connection, key: int) -> None:
        if name := self.name_by_key.pop(key, None):
            connection.execute("DELETE FROM by_key WHERE key = ?", (f"{key:04}{name.decode()}",))
            connection.execute("DELETE FROM numbered WHERE number = ?", (key,))


_File = TypeVar("_File", bound=SqliteFile)


@contextmanager
def opened(
    path: Path, seed: int, page_bytes: int = 4096, kind: type[_File] = SqliteFile
) -> Iterator[tuple[_File, Rows]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        connection.execute("PRAGMA user_version = 1")
    with closing(kind(path)) as file:
        file.lay_out(SCHEMA)
        yield file, Rows(file, seed)


def names_in(path: Path) -> set[bytes]:
    return {*NAME.findall(path.read_bytes())}


def contents(file: SqliteFile) -> list[list[tuple[object, ...]]]:
    with file.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("by_key", "numbered")
        ]


@pytest.mark.parametrize("page_bytes", [512, 4096, 65_536])
def test_a_scrub_leaves_no_piece_of_a_deleted_row(tmp_path: Path, page_bytes: int) -> None:
    for seed in range(3):
        path = tmp_path / f"{seed}.sqlite"
        with opened(path, seed, page_bytes) as (file, rows):
            rows.change(40)
            before = contents(file)
            file.scrub()
            assert names_in(path) <= {*rows.name_by_key.values()}
            assert contents(file) == before
            assert [*file.scrub_in_parts()] == [], "a file that is clean is written no more"


class ReadFile(SqliteFile):
    """A file of which somebody reads all just before pages are emptied."""

    reader: sqlite3.Connection | None = None

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        super()._empty_log(connection)
        if self.reader is not None:
            for table in ("by_key", "numbered", "numbered INDEXED BY by_body"):
                self.reader.execute(f"SELECT sum(length(body)) FROM {table}").fetchall()


def test_nobody_who_writes_between_two_parts_brings_back_what_was_deleted(tmp_path: Path) -> None:
    """A connection has pages of before in its memory, and writes whole pages."""
    path = tmp_path / "a.sqlite"
    with opened(path, 7, kind=ReadFile) as (file, rows), closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA cache_size = 10000")
        rows.change(60)
        rows.delete_all_but(300)
        file.wipe()
        deleted = names_in(path) - {*rows.name_by_key.values()}
        assert deleted, "secure_delete leaves pieces of what was moved"
        file.pages_at_once, file.reader = 2, other
        parts = 0
        for parts, _ in enumerate(file.scrub_in_parts(), 1):
            for table in ("by_key", "numbered"):
                with other:  # as long as before, so that most rows stay on their pages
                    sql = f"UPDATE {table} SET body = substr(body, 1, length(body) - 1) || char(?)"
                    other.execute(sql, (65 + parts % 26,))
        assert parts > 3
        assert names_in(path) & deleted == set()
        contents(file)


def test_pages_are_emptied_that_somebody_freed_without_overwriting_them(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with opened(path, 5) as (file, rows), closing(sqlite3.connect(path)) as other:
        rows.change(20)
        file.wipe()
        other.execute("PRAGMA secure_delete = OFF")
        with other:
            other.execute("DELETE FROM numbered")
            other.execute("DELETE FROM by_key WHERE key > '01'")
        with file.reading() as connection:
            kept = {row[0][4:].encode() for row in connection.execute("SELECT key FROM by_key")}
        before = contents(file)
        file.scrub()
        assert names_in(path) == kept
        assert contents(file) == before
        rows.name_by_key.clear()
        rows.change(20)
        contents(file)


def test_a_file_with_a_page_that_is_not_certain_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with opened(path, 3) as (file, rows):
        rows.change(40)
        rows.delete_all_but(100)
        file.wipe()
        before = contents(file)
    data = bytearray(path.read_bytes())
    leaf = next(at for at in range(4096, len(data), 4096) if data[at] == 10)
    data[leaf + 7] += 1  # more scattered bytes than there are: SQLite only complains
    path.write_bytes(data)
    with closing(SqliteFile(path)) as file:
        file.scrub()
        assert names_in(path) <= {*rows.name_by_key.values()}
        assert contents(file) == before


def test_a_page_is_certain_only_if_all_its_bytes_are_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with opened(path, 3) as (file, rows):
        rows.change(10)
        file.wipe()
    data = path.read_bytes()
    pages = [data[at : at + 4096] for at in range(4096, len(data), 4096)]
    untidy = next(page for page in pages if empty_page(page, 4096) != page)
    for damaged in (
        untidy[:3] + b"\xff\xff" + untidy[5:],  # more rows than there is room for
        untidy[:5] + b"\x00\x09" + untidy[7:],  # rows begin in the header
        untidy[:1] + b"\x0f\xfe" + untidy[3:],  # a free block at the page's end
        untidy[:7] + b"\x3c" + untidy[8:],  # more scattered bytes than there are
    ):
        with pytest.raises(UnknownPage):
            empty_page(damaged, 4096)
