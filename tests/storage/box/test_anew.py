"""A scrub leaves nothing of what was deleted in any file, others write meanwhile, and nothing that
they write is lost, whenever the process is killed."""

import os
import random
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.open_storage import DATABASE, open_storage
from chalicelib.settings import Settings
from chalicelib.storage.box.anew import Copy, be_alone
from chalicelib.storage.box.items import SqliteFile
from tests.support.box.racing import Race
from tests.support.fakes import FakeClock
from tests.support.full_disk import no_file_larger_than

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS by_key (key TEXT NOT NULL, part TEXT NOT NULL, body TEXT, "
    "PRIMARY KEY (key, part)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS numbered (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)",
    "CREATE INDEX IF NOT EXISTS by_body ON numbered (body)",
)
NAME = re.compile(rb"<[0-9a-f]{10}>")
PLAIN_FILES = {"a.sqlite", "a.sqlite-wal", "a.sqlite-shm"}
FILES = PLAIN_FILES | {"a.sqlite.b", "a.sqlite.b-wal", "a.sqlite.b-shm"}
NOTE_BYTES = 100
"""Size of what stands in the place of a file that was replaced."""
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
    with closing(sqlite3.connect(current(path))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("by_key", "numbered", "sqlite_sequence")
        }


def files(path: Path) -> list[Path]:
    return [one for one in path.parent.iterdir() if not one.is_symlink()]


def names_in_files(path: Path) -> set[bytes]:
    return {name for one in files(path) for name in NAME.findall(one.read_bytes())}


def names_in_rows(path: Path) -> set[bytes]:
    return {*NAME.findall(repr(contents(path)).encode())}


def entries(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def with_data(path: Path) -> list[Path]:
    """The files that are SQLite's."""
    both = (path.resolve(), path.resolve().with_name(f"{path.resolve().name}.b"))
    return [one for one in both if one.is_file() and one.read_bytes().startswith(b"SQLite format")]


def current(path: Path) -> Path:
    """The one file with data; that of an empty database is the first."""
    [file] = with_data(path) or [path]
    return file


def require_clean(path: Path, before: Contents) -> None:
    """Require that all is as before, and that there is nothing else in any file."""
    assert contents(path) == before
    assert names_in_files(path) == names_in_rows(path)
    assert entries(path.parent) <= FILES
    assert sum(one.stat().st_size > NOTE_BYTES for one in files(path) if "-" not in one.name) == 1
    assert {one.stat().st_mode & 0o777 for one in files(path)} == {0o600}


def identity(path: Path) -> int:
    return current(path).stat().st_ino


def copy_of(file: SqliteFile, path: Path) -> Copy:
    """A copy whose rows are followed from now on."""
    copy = Copy(path)
    with file.writing() as connection:
        copy.note_changes(connection)
    return copy


def replace_by(copy: Copy, path: Path) -> None:
    """Let a copy take the place of a file that nobody has open."""
    with closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as alone:
        assert be_alone(alone)
        free = copy.take_place(alone)
    free()


@pytest.mark.parametrize("seed", range(3))
def test_a_scrub_leaves_no_piece_of_a_deleted_row_in_any_file(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path, seed) as file:
        file.wipe()
        before = contents(path)
        assert names_in_files(path) > names_in_rows(path), "secure_delete leaves what was moved"
        old = identity(path)
        file.scrub()
        assert identity(path) != old, "the file was not written over"
        require_clean(path, before)
        with file.writing() as connection:
            connection.execute("DELETE FROM by_key")
        assert contents(path)["by_key"] == []


def test_a_file_that_another_program_has_open_is_scrubbed_where_it_is_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file, closing(sqlite3.connect(current(path))) as other:
        other.execute("SELECT count(*) FROM by_key").fetchone()
        before, old = contents(path), identity(path)
        file.scrub()
        assert identity(path) == old
        assert "nobody can write until that is done: another program has it open" in caplog.text
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
            with closing(sqlite3.connect(current(path), timeout=0)) as other, other:
                change(other, drawn)
            return sqlite3.SQLITE_OK

        def write_once() -> None:
            with file.writing() as connection:
                change(connection, drawn)

        copy = copy_of(file, path)
        with closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as copying:
            copying.set_authorizer(write)
            copy.write(copying)
        assert {"by_key", "numbered"} <= read
        before = contents(path)
    replace_by(copy, path)
    assert contents(path) == before
    with closing(sqlite3.connect(current(path))) as connection:
        kinds = connection.execute("SELECT DISTINCT type FROM sqlite_schema").fetchall()
        assert {*kinds} == {("table",), ("index",)}, "nothing is noted any more"


def test_a_trigger_does_nothing_to_rows_that_are_copied_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    counting = (
        "CREATE TABLE counted (id INTEGER PRIMARY KEY, number INTEGER)",
        "INSERT INTO counted VALUES (1, 0)",
        "CREATE TRIGGER counts AFTER INSERT ON by_key BEGIN UPDATE counted SET number = number + 1;"
        " END",
    )
    with filled(path, changes=9) as file:
        with file.writing() as connection:
            for statement in counting:
                connection.execute(statement)
        copy = copy_of(file, path)
        with closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as copying:
            copy.write(copying)
        with file.writing() as connection:
            connection.execute("INSERT INTO by_key VALUES ('late', 'a', 'b')")
    replace_by(copy, path)
    with filled(path, changes=0) as file, file.writing() as connection:
        assert connection.execute("SELECT number FROM counted").fetchall() == [(1,)]
        connection.execute("INSERT INTO by_key VALUES ('later', 'a', 'b')")
        assert connection.execute("SELECT number FROM counted").fetchall() == [(2,)]


def test_a_table_that_another_program_makes_meanwhile_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file:
        with closing(copy_of(file, path)) as copy:
            with closing(sqlite3.connect(current(path))) as other:
                other.execute("CREATE TABLE more (key TEXT NOT NULL PRIMARY KEY)")
            with (
                closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as copying,
                pytest.raises(Busy, match="tables"),
            ):
                copy.write(copying)
        before = contents(path)
        file.scrub()
        require_clean(path, before)
        with file.reading() as connection:
            assert connection.execute("SELECT * FROM more").fetchall() == []


LATE = (
    *("SELECT count(*) FROM by_key", "PRAGMA journal_mode = WAL", "DELETE FROM by_key"),
    *("BEGIN IMMEDIATE", "PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM"),
)


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("slept_through", [1, 2, 3])
def test_who_has_opened_the_old_file_and_comes_late_reads_and_writes_nothing(
    tmp_path: Path, before: int, slept_through: int
) -> None:
    """Open it like a shell at its prompt: without a lock, so a scrub cannot see it. However long
    it stays so, no later file gets the name that it has."""
    path = tmp_path / "a.sqlite"
    with filled(path) as file:
        for _ in range(before):
            file.scrub()
        lates = [sqlite3.connect(current(path), isolation_level=None) for _ in LATE]
        for _ in range(slept_through):
            file.scrub()
        with file.writing() as connection:
            change(connection, random.Random(2))  # the new log is not empty
        rows = contents(path)
        for late, statement in zip(lates, LATE, strict=True):
            with closing(late), pytest.raises(sqlite3.DatabaseError, match="not a database"):
                late.execute(statement)
        assert contents(path) == rows
        last = identity(path)
        file.scrub()
        assert identity(path) != last, "their names are used again"
        require_clean(path, rows)


def test_a_program_that_opens_the_name_while_it_gets_another_file_opens_that(
    tmp_path: Path,
) -> None:
    """By the hundred, and nothing that they wrote is lost."""
    path, written, stop = tmp_path / "a.sqlite", list[int](), threading.Event()

    def write(number: int) -> None:
        drawn = random.Random(number)
        while not stop.wait(drawn.random() / 10):
            with closing(SqliteFile(path)) as other, other.writing() as connection:
                row = connection.execute("INSERT INTO numbered (body) VALUES ('late')")
                written.append(row.lastrowid or 0)

    with filled(path, changes=50) as file, ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(write, number) for number in range(2)]
        replaced = 0
        for _ in range(8):
            old = identity(path)
            file.scrub()
            replaced += identity(path) != old
        stop.set()
        for end in ends:
            end.result()
    assert replaced > 0
    ids = [number for number, body in contents(path)["numbered"] if body == "late"]
    assert sorted(written) == ids


@pytest.mark.parametrize(
    ("table", "before", "meanwhile"),
    [
        ("CREATE TABLE x (body TEXT)", "('old')", "INSERT INTO x VALUES ('late')"),
        (
            "CREATE TABLE x (a TEXT PRIMARY KEY, b TEXT)",
            "('a', 'b')",
            "INSERT INTO x VALUES (NULL, 'late')",
        ),
        (
            "CREATE TABLE x (k INTEGER PRIMARY KEY, u TEXT UNIQUE)",
            "(2, 'a'), (5, 'b')",
            "REPLACE INTO x VALUES (3, 'a')",
        ),
        (
            "CREATE TABLE x (k INTEGER PRIMARY KEY, t TEXT AS (k + 1) STORED)",
            "(2)",
            "INSERT INTO x (k) VALUES (3)",
        ),
        ("CREATE VIRTUAL TABLE x USING fts5 (body)", "('old')", "INSERT INTO x VALUES ('late')"),
    ],
)
def test_a_table_whose_changes_cannot_be_followed_is_scrubbed_where_it_is_and_told(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    table: str,
    before: str,
    meanwhile: str,
) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path, changes=9) as file:
        with file.writing() as connection:
            connection.execute(table)
            columns = " (k)" if "STORED" in table else ""
            connection.execute(f"INSERT INTO x{columns} VALUES {before}")
        with file.writing() as connection:
            connection.execute(meanwhile)
        with file.reading() as connection:
            rows = connection.execute("SELECT * FROM x").fetchall()
        file.scrub()
        assert current(path) == path
        assert "changes of the table x cannot be followed" in caplog.text
        with file.reading() as connection:
            assert connection.execute("SELECT * FROM x").fetchall() == rows


def test_tables_with_any_names_and_keys_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    made = (
        'CREATE TABLE "or der" ("gro""up" TEXT NOT NULL, b BLOB NOT NULL, "select" TEXT, '
        'PRIMARY KEY ("gro""up", b))',
        "CREATE TABLE keyed (k TEXT NOT NULL PRIMARY KEY, b) WITHOUT ROWID",
    )
    with filled(path, changes=9) as file:
        with file.writing() as connection:
            for statement in made:
                connection.execute(statement)
        copy = copy_of(file, path)
        with closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as copying:
            copy.write(copying)
        with file.writing() as connection:
            connection.execute("""INSERT INTO "or der" VALUES ('a', x'00ff', 'c')""")
            connection.execute("INSERT INTO keyed VALUES ('a', 1)")
            connection.execute("REPLACE INTO keyed VALUES ('a', 2)")
    replace_by(copy, path)
    with closing(sqlite3.connect(current(path))) as connection:
        order = connection.execute('SELECT * FROM "or der"').fetchall()
        keyed = connection.execute("SELECT * FROM keyed").fetchall()
    assert (order, keyed) == ([("a", b"\0\xff", "c")], [("a", 2)])


def test_owner_and_rights_and_somebodys_own_link_stay(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    path, real = tmp_path / "a.sqlite", tmp_path / "disk" / "real.sqlite"
    path.symlink_to("disk/real.sqlite")
    real.touch(0o640)
    owner = (1234, 1235) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(real, *owner)
    with filled(path, changes=9) as file:
        for _ in range(2):
            before = identity(path)
            file.scrub()
            assert identity(path) != before
            found = current(path).stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (*owner, 0o640)
    assert path.readlink() == Path("disk/real.sqlite")
    assert entries(tmp_path / "disk") == {
        *("real.sqlite", "real.sqlite-wal", "real.sqlite.b", "real.sqlite.b-wal")
    }


@pytest.mark.parametrize("linked", ["before", "meanwhile"])
def test_a_file_with_a_further_name_is_scrubbed_where_it_is_under_both(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, linked: str
) -> None:
    """Links made by `cp -al`, or by a tool for backups that saves room."""
    path, further = tmp_path / "a.sqlite", tmp_path / "further" / "a.sqlite"
    further.parent.mkdir()
    with filled(path) as file:
        file.wipe()
        before, old = contents(path), identity(path)
        if linked == "before":
            further.hardlink_to(path)
        else:
            copy = copy_of(file, path)
            with closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as copying:
                copy.write(copying)
            further.hardlink_to(path)
            file.close()
            with closing(copy), pytest.raises(OSError, match="further name"):
                replace_by(copy, path)
            file = SqliteFile(path)
        with closing(file):
            file.scrub()
            assert "it has a further name (a hard link)" in caplog.text
        assert identity(path) == identity(further) == old
        assert contents(further) == before
        assert names_in_files(further) == names_in_rows(further)


NO_CHOWN = """
import ctypes, os, struct, sys
from pathlib import Path
from tests.storage.box.test_anew import filled

LOAD, IS_EQUAL, RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001
calls = {"x86_64": (92, 93, 94, 260), "aarch64": (54, 55)}[os.uname().machine]
steps = [(LOAD, 0, 0, 0)]
steps += [(IS_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)]
steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
held = ctypes.create_string_buffer(code, len(code))

class Filter(ctypes.Structure):
    _fields_ = [("steps", ctypes.c_ushort), ("code", ctypes.c_void_p)]

libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
chosen = Filter(len(steps), ctypes.cast(held, ctypes.c_void_p))
assert libc.prctl(22, 2, ctypes.byref(chosen), 0, 0) == 0
path = Path(sys.argv[1])
try:
    os.chown(path.parent, -1, -1)
except PermissionError:
    with filled(path, changes=9) as file:
        file.scrub()
"""
"""Scrubs a file while the kernel refuses every change of an owner, even of one's own file to
oneself."""


@pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="numbers of calls are a processor's"
)
def test_a_unit_that_may_change_no_owners_scrubs_beside(tmp_path: Path) -> None:
    """The filter of infra/box/regulars.service, whose SystemCallFilter leaves out @chown."""
    path = tmp_path / "a.sqlite"
    subprocess.run([sys.executable, "-c", NO_CHOWN, str(path)], check=True)
    assert current(path).name == "a.sqlite.b"


@pytest.mark.parametrize("tool", [["cp", "-r"], ["tar"]])
def test_a_folder_that_is_copied_has_its_own_database(tmp_path: Path, tool: list[str]) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    with filled(source / "a.sqlite", changes=9) as file:
        file.scrub()
    before = contents(source / "a.sqlite")
    if tool == ["tar"]:
        subprocess.run(["tar", "-C", source, "-cf", tmp_path / "t.tar", "."], check=True)
        target.mkdir()
        subprocess.run(["tar", "-C", target, "-xf", tmp_path / "t.tar"], check=True)
    else:
        subprocess.run([*tool, source, target], check=True)
    with closing(SqliteFile(source / "a.sqlite")) as file, file.writing() as connection:
        connection.execute("DELETE FROM by_key")
    assert contents(target / "a.sqlite") == before


@pytest.mark.parametrize(
    "name",
    [
        *("a.sqlite.20261129", "a.sqlite.deadbeef", "a.sqlite.anew-old", "a.sqlite.a"),
        *("a.sqlite.20261129-wal", "a.sqlite-before", "a.sqlite.b.gz", "a.sqlite.c-wal"),
    ],
)
def test_a_copy_that_somebody_named_is_neither_removed_nor_taken_for_the_database(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.sqlite"
    (tmp_path / name).write_text("kept")
    (tmp_path / "a.sqlite.b").mkdir()
    with filled(path, changes=9) as file:
        file.scrub()
        file.scrub()
        file.remove_left()
    with closing(SqliteFile(path)):
        pass
    assert (tmp_path / name).read_text() == "kept"
    assert (tmp_path / "a.sqlite.b").is_dir()
    assert current(path) == path, "written anew where it is"


@pytest.mark.parametrize("name", ["a.sqlite", "book[1].db", "b*k?.db"])
def test_a_scrub_leaves_the_files_of_one_that_is_under_way(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with filled(path) as file, closing(copy_of(file, path)) as copy:
        with closing(sqlite3.connect(current(path), uri=True, isolation_level=None)) as copying:
            copy.write(copying)
        under_way = {one for one in tmp_path.iterdir() if ".anew" in one.name}
        assert len(under_way) == 1
        file.remove_left()
        assert {one for one in tmp_path.iterdir() if ".anew" in one.name} == under_way
        with file.reading() as connection:
            assert list_notes(connection)
        copy.close()
        file.remove_left()
        assert entries(tmp_path) == {name, f"{name}-wal", f"{name}-shm"}
        with file.reading() as connection:
            assert not list_notes(connection)


def leave(path: Path) -> None:
    """Leave what a scrub leaves that is killed while it copies."""
    with closing(SqliteFile(path)) as file:
        copy_of(file, path).close()
    assert left_of_scrubs(path)


def left_of_scrubs(path: Path) -> list[object]:
    with closing(sqlite3.connect(current(path))) as connection:
        return [*list_notes(connection), *path.parent.glob("*.anew*")]


def test_a_start_and_a_clean_stop_leave_no_notes_to_an_earlier_version(tmp_path: Path) -> None:
    """Which would note the keys of all that changes, for good."""
    path = tmp_path / DATABASE
    open_storage(Settings(storage=tmp_path), FakeClock()).close()
    leave(path)
    storage = open_storage(Settings(storage=tmp_path), FakeClock())
    assert left_of_scrubs(path) == []
    leave(path)
    storage.close()
    assert left_of_scrubs(path) == []


def test_a_reader_in_the_way_of_a_wipe_leaves_nothing_of_killed_scrubs(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with (
        closing(open_storage(Settings(storage=tmp_path), FakeClock())) as storage,
        closing(sqlite3.connect(current(path), isolation_level=None)) as other,
    ):
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM items").fetchone()
        leave(path)
        storage.wipe()
        assert left_of_scrubs(path) == []


def list_notes(connection: sqlite3.Connection) -> list[tuple[str]]:
    notes = "SELECT name FROM sqlite_schema WHERE name GLOB 'changed_*'"
    return connection.execute(notes).fetchall()


@pytest.mark.parametrize(
    ("statement", "why"),
    [("SELECT count(*) FROM by_key", "reads"), ("SELECT 1", "a thread of this process")],
)
def test_a_scrub_waits_for_no_reader_of_this_process_and_comes_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str, why: str
) -> None:
    path = tmp_path / "a.sqlite"
    with filled(path) as file:
        before = contents(path)
        reads, is_over = threading.Event(), threading.Event()

        def read() -> None:
            with file.reading() as connection:
                connection.execute("BEGIN")
                connection.execute(statement).fetchone()
                reads.set()
                is_over.wait()
                connection.execute("COMMIT")

        thread = threading.Thread(target=read)
        thread.start()
        reads.wait()
        try:
            with pytest.raises(Busy, match=why):
                file.scrub()
            assert caplog.text == "", "it blames nobody else"
            assert entries(tmp_path) <= PLAIN_FILES
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
        assert entries(tmp_path) <= PLAIN_FILES
        assert contents(path) == before
        file.scrub()
        require_clean(path, before)


KILLED = """
import os, shutil, signal, sqlite3, sys
from pathlib import Path
from chalicelib.storage.box.items import SqliteFile
from tests.storage.box.test_anew import filled

READ_ONLY = {"stat", "lstat", "fstat", "readlink", "scandir", "listdir", "fspath"}
folder, left = Path(sys.argv[1]), 0

def count(_, event, called):
    global left
    if event != "c_call":
        return
    if called.__name__ in READ_ONLY:
        return
    if called.__module__ == "posix" or isinstance(called.__self__, sqlite3.Connection):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

(folder / "from").mkdir()
with filled(folder / "from" / "a.sqlite", changes=200):
    pass
shutil.copytree(folder / "from", folder / "second")
with filled(folder / "second" / "a.sqlite", changes=0) as file:
    file.scrub()
shutil.copytree(folder / "second", folder / "again")
with filled(folder / "again" / "a.sqlite", changes=0) as file:
    file.scrub()
for start in ("from", "second", "again"):
    for step in range(int(sys.argv[2]), 10_000, int(sys.argv[3])):
        to = folder / f"{start}{step}"
        shutil.copytree(folder / start, to)
        process = os.fork()
        if not process:
            file, left = SqliteFile(to / "a.sqlite"), step
            sys.setprofile(count)
            file.scrub()
            os._exit(0)
        if os.waitpid(process, 0)[1] == 0:
            break
"""
"""Scrubs a file as often as it takes to be killed before each call of SQLite and of the system: a
file by its first name, and ones that one and two scrubs have made."""


def test_a_scrub_that_is_killed_anywhere_loses_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    """Before every third call that changes something."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "1", "3"], check=True)
    before = contents(tmp_path / "from" / "a.sqlite")
    steps = [folder for folder in tmp_path.iterdir() if folder.name[-1].isdigit()]
    left = {one for folder in steps for one in entries(folder)} - FILES - PLAIN_FILES
    assert left >= {"a.sqlite-journal", "a.sqlite.b-journal"}
    none = [one for one in steps if not with_data(one / "a.sqlite")]
    assert none, "some were killed before the copy had its name"
    assert all(len(with_data(one / "a.sqlite")) < 2 for one in steps)
    beside = [folder for folder in steps if any(".anew" in one for one in entries(folder))]
    assert len(beside) > 20, "most were killed beside their copy"
    for folder in steps:
        path = folder / "a.sqlite"
        with closing(SqliteFile(path)) as file:
            file.remove_left()
            assert contents(path) == before
            assert len(with_data(path)) == 1
            assert entries(folder) <= FILES
            with file.reading() as connection:
                triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"
                assert connection.execute(triggers).fetchone() == (0,)
            if folder.name.endswith("7"):
                file.scrub()
                require_clean(path, before)


def test_programs_that_write_scrub_and_are_killed_lose_nothing(tmp_path: Path) -> None:
    """For seconds; `make crash-scrub` does it for 20 minutes."""
    race = Race(tmp_path)
    race.run(5)
    assert race.problems == []
    assert race.said["wrote"] > 0
    assert race.said["replaced"] > 0
