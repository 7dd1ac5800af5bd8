"""A scrub leaves nothing of what was deleted in any file, others write meanwhile, and nothing that
they write is lost, whenever the process is killed."""

import random
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.storage.box.anew import Copy
from chalicelib.storage.box.items import SqliteFile
from tests.support.full_disk import no_file_larger_than

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS by_key (key TEXT NOT NULL, part TEXT NOT NULL, body TEXT, "
    "PRIMARY KEY (key, part)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS numbered (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)",
    "CREATE INDEX IF NOT EXISTS by_body ON numbered (body)",
)
NAME = re.compile(rb"<[0-9a-f]{10}>")
FILES = {"a.sqlite", "a.sqlite-wal", "a.sqlite-shm"}
Contents = dict[str, list[tuple[object, ...]]]


def change(connection: sqlite3.Connection, drawn: random.Random) -> None:
    """Put, replace and delete rows, whose names and sizes are others each time."""
    key, name = drawn.randrange(2_000), f"<{drawn.getrandbits(40):010x}>"
    connection.execute("DELETE FROM by_key WHERE key = ?", (f"{key:04}",))
    connection.execute("DELETE FROM numbered WHERE number % 997 = ?", (key % 997,))
    if drawn.random() < 0.8:
        body = name * drawn.choice((1, 3, 8, 25, 80, 400))
        connection.execute("INSERT INTO by_key VALUES (?, 'a', ?)", (f"{key:04}", body))
        some = (f"{key - key % 50:04}", f"{key:04}")
        connection.execute("UPDATE by_key SET part = part || 'b' WHERE key BETWEEN ? AND ?", some)
        connection.execute("INSERT INTO numbered (body) VALUES (?)", (body,))


@contextmanager
def filled(path: Path, seed: int = 1, changes: int = 1_000) -> Iterator[SqliteFile]:
    with closing(SqliteFile(path, busy_s=0.3)) as file:
        file.lay_out(SCHEMA)
        drawn = random.Random(seed)
        with file.writing() as connection:
            for _ in range(changes):
                change(connection, drawn)
        yield file


def contents(path: Path) -> Contents:
    """Read all rows as another program does, and require that the file is sound."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("by_key", "numbered", "sqlite_sequence")
        }


def names_in_files(path: Path) -> set[bytes]:
    return {name for one in path.parent.iterdir() for name in NAME.findall(one.read_bytes())}


def names_in_rows(path: Path) -> set[bytes]:
    return {*NAME.findall(repr(contents(path)).encode())}


def require_clean(path: Path, before: Contents) -> None:
    """Require that all is as before, and that there is nothing else in any file."""
    assert contents(path) == before
    assert names_in_files(path) == names_in_rows(path)
    assert {one.name for one in path.parent.iterdir()} <= FILES
    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("seed", range(3))
def test_a_scrub_leaves_no_piece_of_a_deleted_row_in_any_file(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path, seed) as file:
        file.wipe()
        before = contents(path)
        assert names_in_files(path) > names_in_rows(path), "secure_delete leaves what was moved"
        old = path.stat().st_ino
        file.scrub()
        assert path.stat().st_ino != old, "the file was not written over"
        require_clean(path, before)
        with file.writing() as connection:
            connection.execute("DELETE FROM by_key")
        assert contents(path)["by_key"] == []


def test_a_file_that_another_program_has_open_is_scrubbed_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file, closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM by_key").fetchone()
        before, old = contents(path), path.stat().st_ino
        file.scrub()
        assert path.stat().st_ino == old
        require_clean(path, before)
        with other:
            other.execute("INSERT INTO by_key VALUES ('other', 'a', 'b')")
        with file.reading() as connection:
            assert connection.execute("SELECT * FROM by_key WHERE key = 'other'").fetchall()


def test_what_is_written_while_the_copy_is_made_is_in_it(tmp_path: Path) -> None:
    """By this process and by another program; nobody waits for the copy."""
    path, drawn, read = tmp_path / "a.sqlite", random.Random(5), set[str | None]()
    with filled(path) as file:

        def write(
            action: int, table: str | None, _: object, schema: str | None, *__: object
        ) -> int:
            """Write when SQLite begins to read a table for the copy: it asks whether it may."""
            if action != sqlite3.SQLITE_READ or schema != "main" or table in read:
                return sqlite3.SQLITE_OK
            read.add(table)
            thread = threading.Thread(target=write_once)
            thread.start()
            thread.join()
            with closing(sqlite3.connect(path, timeout=0)) as other, other:
                change(other, drawn)
            return sqlite3.SQLITE_OK

        def write_once() -> None:
            with file.writing() as connection:
                change(connection, drawn)

        copy = Copy(path)
        with file.writing() as connection:
            copy.note_changes(connection)
        with closing(sqlite3.connect(path, isolation_level=None)) as copying:
            copying.set_authorizer(write)
            copy.write(copying)
        assert {"by_key", "numbered"} <= read
        before = contents(path)
        file.close()
        with closing(sqlite3.connect(path, isolation_level=None)) as alone:
            assert copy.take_place(alone)
    assert contents(path) == before
    with closing(sqlite3.connect(path)) as connection:
        kinds = connection.execute("SELECT DISTINCT type FROM sqlite_schema").fetchall()
        assert {*kinds} == {("table",), ("index",)}, "nothing is noted any more"


def test_a_table_that_another_program_makes_meanwhile_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file:
        copy = Copy(path)
        with file.writing() as connection:
            copy.note_changes(connection)
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE more (key TEXT PRIMARY KEY)")
        with (
            closing(sqlite3.connect(path, isolation_level=None)) as copying,
            pytest.raises(Busy, match="tables"),
        ):
            copy.write(copying)
        before = contents(path)
        file.scrub()
        require_clean(path, before)
        with file.reading() as connection:
            assert connection.execute("SELECT * FROM more").fetchall() == []


def test_who_has_opened_the_old_file_writes_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file, closing(sqlite3.connect(path, isolation_level=None)) as late:
        file.scrub()
        before = contents(path)
        for statement in ("PRAGMA journal_mode = WAL", "DELETE FROM by_key"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                late.execute(statement)
        late.close()
        require_clean(path, before)


def test_a_scrub_waits_for_no_reader_of_this_process_and_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file:
        before = contents(path)
        reads, is_over = threading.Event(), threading.Event()

        def read() -> None:
            with file.reading():
                reads.set()
                is_over.wait()

        thread = threading.Thread(target=read)
        thread.start()
        reads.wait()
        try:
            with pytest.raises(Busy, match="is read"):
                file.scrub()
            assert {one.name for one in tmp_path.iterdir()} <= FILES
            assert contents(path) == before
        finally:
            is_over.set()
            thread.join()
        file.scrub()
        require_clean(path, before)


def test_a_disk_without_room_for_a_copy_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file:
        file.wipe()
        before = contents(path)
        with no_file_larger_than(path.stat().st_size // 2), pytest.raises(StorageUnavailable):
            file.scrub()
        assert {one.name for one in tmp_path.iterdir()} <= FILES
        assert contents(path) == before
        file.scrub()
        require_clean(path, before)


KILLED = """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from chalicelib.storage.box.items import SqliteFile
from tests.storage.box.test_anew import filled

folder, left = Path(sys.argv[1]), 0

def count(_, event, called):
    global left
    if event != "c_call":
        return
    if called.__module__ == "posix" or isinstance(called.__self__, sqlite3.Connection):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

(folder / "from").mkdir()
with filled(folder / "from" / "a.sqlite", changes=200):
    pass
for step in range(1, 10_000):
    shutil.copytree(folder / "from", folder / str(step))
    process = os.fork()
    if not process:
        file, left = SqliteFile(folder / str(step) / "a.sqlite"), step
        sys.setprofile(count)
        file.scrub()
        os._exit(0)
    if os.waitpid(process, 0)[1] == 0:
        break
"""
"""Scrubs a file as often as it takes to be killed before each call of SQLite and of the system."""


def test_a_scrub_that_is_killed_anywhere_loses_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    before = contents(tmp_path / "from" / "a.sqlite")
    steps = [folder for folder in tmp_path.iterdir() if folder.name.isdigit()]
    left = {one.name for folder in steps for one in folder.iterdir()} - FILES
    assert "a.sqlite-journal" in left
    assert len(left) > 20, "most were killed beside their copy"
    for folder in steps:
        path = folder / "a.sqlite"
        with closing(SqliteFile(path)) as file:
            file.remove_left()
            assert contents(path) == before
            assert {one.name for one in folder.iterdir()} <= FILES
            with file.reading() as connection:
                triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"
                assert connection.execute(triggers).fetchone() == (0,)
            if folder.name.endswith("7"):
                file.scrub()
                require_clean(path, before)
