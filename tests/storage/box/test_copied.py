"""Data folders that are copied over older copies, whole and in part: the newest database is served,
or both are named; no database is deleted, and what was erased is gone from the copy."""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.box.generation import read_generation
from chalicelib.storage.box.items import SqliteFile
from tests.support.examples import examples

SCHEMA = ("CREATE TABLE IF NOT EXISTS acts (number INTEGER PRIMARY KEY, name TEXT NOT NULL)",)
NAME = re.compile(rb"<[0-9a-f]{10}>")
Rows = list[tuple[int, str]]


class Box:
    """A data folder with a database, which is used a day at a time."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.path = folder / "a.sqlite"
        self.folder = folder
        self.drawn = random.Random(seed)

    def open(self) -> SqliteFile:
        file = SqliteFile(self.path, busy_s=0.3)
        file.lay_out(SCHEMA)
        return file

    def act(self, file: SqliteFile) -> None:
        """Enrol some, and erase one."""
        with file.writing() as connection:
            for _ in range(self.drawn.randrange(1, 40)):
                name = f"<{self.drawn.getrandbits(40):010x}>" * self.drawn.choice((1, 9, 200))
                connection.execute("INSERT INTO acts (name) VALUES (?)", (name,))
            connection.execute(
                "DELETE FROM acts WHERE number = (SELECT number FROM acts ORDER BY "
                "abs(number - ?) LIMIT 1)",
                (self.drawn.randrange(60),),
            )

    def spend_day(self, *, scrubs: int = 1, is_killed_at_night: bool = False) -> None:
        """Act and scrub; end with a stop, or as a kill ends it, with a log."""
        with closing(self.open()) as file:
            for _ in range(scrubs):
                self.act(file)
                file.scrub()
            if scrubs == 0 or is_killed_at_night:
                self.act(file)
            if is_killed_at_night:
                saved = self.folder.with_name("saved")
                copy_whole(self.folder, saved)
        if is_killed_at_night:
            copy_whole(saved, self.folder)
            shutil.rmtree(saved)

    def read(self) -> Rows:
        """Read as another program does, from a folder of its own: the box gets no file by it."""
        aside = self.folder.with_name(f"{self.folder.name}.read")
        copy_whole(self.folder, aside)
        try:
            [file] = databases(aside)
            return read_rows(file)
        finally:
            shutil.rmtree(aside)


def databases(folder: Path) -> list[Path]:
    return [
        one
        for one in (folder / "a.sqlite", folder / "a.sqlite.b")
        if one.is_file() and one.read_bytes().startswith(b"SQLite format 3")
    ]


def read_rows(file: Path) -> Rows:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT * FROM acts ORDER BY 1").fetchall()


def copy_whole(source: Path, target: Path) -> None:
    """Copy as `rsync -a --delete` does."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def copy_by_tool(source: Path, target: Path) -> None:
    """Copy as `rsync -a` does, too: what is gone at the source stays."""
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)


def copy_backwards(source: Path, target: Path) -> None:
    """Copy file by file, as to a disk without links, in another order."""
    target.mkdir(exist_ok=True)
    for one in sorted(source.iterdir(), reverse=True):
        shutil.copy2(one, target)


Copying = Callable[[Path, Path], None]
COPYING = [copy_whole, copy_by_tool, copy_backwards]


def log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def what_is_in(folder: Path) -> dict[Path, bytes]:
    """Both files, and what is in each and in its log."""
    return {
        one: one.read_bytes() + (log_of(one).read_bytes() if log_of(one).exists() else b"")
        for one in (folder / "a.sqlite", folder / "a.sqlite.b")
        if one.is_file()
    }


@contextmanager
def set_aside(file: Path) -> Iterator[Path]:
    """Look into a file as another program does, which changes the copy of it alone."""
    with TemporaryDirectory() as aside:
        for one in (file, log_of(file)):
            if one.exists():
                shutil.copy2(one, aside)
        yield Path(aside) / file.name


def rows_in(file: Path) -> Rows:
    with set_aside(file) as aside:
        return read_rows(aside)


def number_in(file: Path) -> tuple[int, str]:
    with set_aside(file) as aside, closing(sqlite3.connect(aside)) as connection:
        number, life = connection.execute("SELECT number, life FROM generation").fetchone()
        return number, life


def open_and_clean(folder: Path) -> str:
    """Open a folder's database, remove what scrubs left, and close it; return what is said if it
    is refused. Nothing is changed then, unless SQLite itself finds a part of a file damaged: it
    writes the log into it."""
    before = what_is_in(folder)
    try:
        with closing(SqliteFile(folder / "a.sqlite", busy_s=0.3)) as file:
            file.remove_left()
    except StorageUnavailable as refused:
        said = str(refused)
    else:
        return ""
    assert what_is_in(folder) == before or "cannot be used: " in said
    return said


def do_as_told(said: str) -> None:
    [command] = re.findall("`([^`]*)`", said)
    subprocess.run(command, shell=True, check=True)


def names_in(files: list[Path]) -> set[bytes]:
    return {name for one in files if one.is_file() for name in NAME.findall(one.read_bytes())}


@pytest.mark.parametrize("copy", COPYING)
@pytest.mark.parametrize("scrubs", [0, 1, 2, 3])
@pytest.mark.parametrize("killed", [(), (0, 2), (1, 2, 3)])
def test_a_box_that_is_copied_night_by_night_is_served_from_each_copy(
    tmp_path: Path, copy: Copying, scrubs: int, killed: tuple[int, ...]
) -> None:
    box, copied = Box(tmp_path / "box", scrubs), tmp_path / "copied"
    for night in range(4):
        box.spend_day(scrubs=scrubs, is_killed_at_night=night in killed)
        copy(box.folder, copied)
        tried = tmp_path / f"tried{night}"
        shutil.copytree(copied, tried)
        for folder in (tried, copied) if night % 2 else (tried,):
            assert open_and_clean(folder) == ""
            [file] = databases(folder)
            assert rows_in(file) == box.read()


@pytest.mark.parametrize("copy", COPYING)
def test_a_copy_over_an_older_copy_keeps_nobody_who_was_erased(
    tmp_path: Path, copy: Copying
) -> None:
    box, copied = Box(tmp_path / "box"), tmp_path / "copied"
    for _ in range(4):
        box.spend_day()
        copy(box.folder, copied)
        rows = {*NAME.findall(repr(box.read()).encode())}
        assert names_in([*copied.iterdir()]) == rows == names_in([*box.folder.iterdir()])


def two_copies(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A folder with a database of each of two days: the older, and the newer."""
    box, folder = Box(tmp_path / "the shop's" / "box"), tmp_path / "the shop's" / "copied"
    folder.mkdir(parents=True)
    for _ in range(2):
        box.spend_day()
        for file in databases(box.folder):
            shutil.copy2(file, folder)
    assert len(databases(folder)) == 2
    return folder, folder / "a.sqlite.b", folder / "a.sqlite"


def test_two_are_named_the_newer_first_with_what_leaves_that(tmp_path: Path) -> None:
    folder, older, newer = two_copies(tmp_path)
    rows, old_rows = rows_in(newer), rows_in(older)
    said, life = open_and_clean(folder), number_in(older)[1]
    named = "a.sqlite{} (generation {} of life {}, last audit entry unknown)"
    assert f"{named.format('', 3, life)} and {named.format('.b', 2, life)}. To keep " in said
    assert "still has people who were erased since" in said
    do_as_told(said)
    assert open_and_clean(folder) == ""
    assert rows_in(newer) == rows
    assert rows_in(folder.with_name("copied-generation-2") / older.name) == old_rows


@pytest.mark.parametrize("set_", ["number = 3", "number = 9, life = 'another'"])
def test_of_two_that_are_not_one_after_the_other_none_is_named_the_newer(
    tmp_path: Path, set_: str
) -> None:
    folder, older, _ = two_copies(tmp_path)
    life = number_in(older)[1]
    with closing(sqlite3.connect(older)) as connection, connection:
        connection.execute(f"UPDATE generation SET {set_}")
    said = open_and_clean(folder)
    assert "Neither was made from the other" in said
    assert "`mkdir" not in said
    assert f"a.sqlite (generation 3 of life {life}," in said
    assert ("a.sqlite.b (generation 9 of life another," in said) == ("another" in set_)


def test_of_two_the_older_with_the_later_act_is_not_given_up(tmp_path: Path) -> None:
    """As after a copy that was put back and went on."""
    folder, older, newer = two_copies(tmp_path)
    for file, at in ((older, "1764600000000"), (newer, "1764500000000")):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE items (tbl TEXT, pk BLOB, sk BLOB, body TEXT)")
            connection.execute("INSERT INTO items VALUES ('audit', 'a', ?, '{}')", (f"{at}-1",))
    said = open_and_clean(folder)
    assert "last audit entry 2025-12-01 14:40 UTC)" in said
    assert "Neither was made from the other" in said


@pytest.mark.parametrize("size", [0, 50, 100, 5_000])
def test_a_part_of_a_file_makes_no_older_one_the_database(tmp_path: Path, size: int) -> None:
    """The copy was cut off, and the night before has a file of its own."""
    box, copied = Box(tmp_path / "box"), tmp_path / "copied"
    box.spend_day()
    copy_by_tool(box.folder, copied)
    older = rows_in(copied / "a.sqlite.b")
    box.spend_day()
    for name in ("a.sqlite.b", "a.sqlite.b-wal", "a.sqlite"):
        shutil.copy2(box.folder / name, copied)
    os.truncate(copied / "a.sqlite", size)
    assert "Copy the folder again" in open_and_clean(copied)
    shutil.copy2(copied / "a.sqlite", copied / "part")
    box.spend_day(scrubs=0)
    copy_by_tool(box.folder, copied)
    assert open_and_clean(copied) == ""
    assert rows_in(copied / "a.sqlite") == box.read() != older


def test_a_part_beside_an_older_one_is_named_and_no_command(tmp_path: Path) -> None:
    folder, _, newer = two_copies(tmp_path)
    os.truncate(newer, 5_000)
    said = open_and_clean(folder)
    assert "a.sqlite (generation 0 of life unknown, last audit entry unknown)" in said
    assert "copy the folder again" in said
    assert "`" not in said


def test_an_older_one_is_refused_beside_the_note_that_a_newer_replaced(tmp_path: Path) -> None:
    box, copied = Box(tmp_path / "box"), tmp_path / "copied"
    box.spend_day()
    copy_by_tool(box.folder, copied)
    box.spend_day(scrubs=2)
    shutil.copy2(box.folder / "a.sqlite", copied)
    said = open_and_clean(copied)
    assert "it holds a.sqlite.b (generation 2 of " in said
    assert "and generation 4 is missing" in said
    assert "Copy the folder again" in said


@pytest.mark.parametrize("name", ["a.sqlite", "a.sqlite.b"])
def test_notes_alone_make_no_empty_database(tmp_path: Path, name: str) -> None:
    box = Box(tmp_path / "box")
    box.spend_day(scrubs=2 if name == "a.sqlite" else 1)
    [file] = databases(box.folder)
    if name == "a.sqlite":
        file.unlink()
    else:
        file.write_bytes(b"")
    before = sorted(one.name for one in box.folder.iterdir())
    assert "it holds no database, and generation " in open_and_clean(box.folder)
    assert sorted(one.name for one in box.folder.iterdir()) == before


@pytest.mark.parametrize("scrubs", [0, 1])
def test_a_log_beside_an_empty_file_stays_and_makes_no_empty_database(
    tmp_path: Path, scrubs: int
) -> None:
    """SQLite itself deletes it. A database whose log has data is never empty."""
    box = Box(tmp_path / "box")
    box.spend_day(scrubs=scrubs, is_killed_at_night=True)
    [file] = databases(box.folder)
    assert log_of(file).stat().st_size > 0
    os.truncate(file, 0)
    if scrubs:
        (box.folder / "a.sqlite").unlink()
    assert "Copy the folder again" in open_and_clean(box.folder)
    assert log_of(file).stat().st_size > 0


def test_a_file_that_needs_its_log_says_its_generation(tmp_path: Path) -> None:
    """As after a kill in the midst of a checkpoint: the header counts pages that only the log
    has."""
    box = Box(tmp_path / "box")
    box.spend_day(is_killed_at_night=True)
    [file] = databases(box.folder)
    with file.open("r+b") as written, set_aside(file) as aside:
        read_rows(aside)  # which writes the log into the file
        written.write(aside.read_bytes()[:4096])
    rows = rows_in(file)
    assert read_generation(file).number == 2
    assert open_and_clean(box.folder) == ""
    assert rows_in(file) == rows


def test_a_note_beside_the_log_of_an_older_file_is_no_database(tmp_path: Path) -> None:
    """The log has all of a small one's pages. The copy was killed before it made the note small."""
    box = Box(tmp_path / "box")
    box.spend_day(scrubs=0, is_killed_at_night=True)
    shutil.copy2(log_of(box.path), tmp_path / "log")
    box.spend_day()
    note = box.path.read_bytes()
    box.path.write_bytes(note.ljust(8 * 4096))
    shutil.copy2(tmp_path / "log", log_of(box.path))
    rows = rows_in(box.folder / "a.sqlite.b")
    assert open_and_clean(box.folder) == ""
    assert rows_in(box.folder / "a.sqlite.b") == rows
    assert box.path.read_bytes() == note


def test_a_copy_of_one_file_alone_is_served(tmp_path: Path) -> None:
    box, copied = Box(tmp_path / "box"), tmp_path / "copied"
    copied.mkdir()
    box.spend_day()
    shutil.copy2(box.folder / "a.sqlite.b", copied)
    assert open_and_clean(copied) == ""
    assert rows_in(copied / "a.sqlite.b") == box.read()
    assert not (copied / "a.sqlite").exists()
    with closing(SqliteFile(copied / "a.sqlite")) as file:
        file.scrub()
    assert [one.name for one in databases(copied)] == ["a.sqlite"]


@pytest.mark.parametrize("state", ["stopped", "killed", "served"])
def test_a_file_says_its_generation_and_is_not_changed_by_that(tmp_path: Path, state: str) -> None:
    box = Box(tmp_path / "box")
    box.spend_day(scrubs=3, is_killed_at_night=state == "killed")
    [file] = databases(box.folder)
    with closing(box.open()) if state == "served" else nullcontext():
        before = what_is_in(box.folder)
        found = read_generation(file)
        assert found.number == 4
        assert re.fullmatch("[0-9A-F]{16}", found.life)
        assert what_is_in(box.folder) == before
    with pytest.raises(sqlite3.DatabaseError):
        read_generation(box.folder / "a.sqlite")


KILLING = """
import os, signal, sqlite3, sys
from pathlib import Path
from chalicelib.storage.box.items import SqliteFile

READING = {"stat", "lstat", "fstat", "readlink", "scandir", "listdir", "fspath"}
left = 0

def count(_, event, called):
    global left
    if event == "c_call" and called.__name__ not in READING and (
        called.__module__ == "posix" or isinstance(called.__self__, sqlite3.Connection)
    ):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    path, left = line[:-1].rsplit(" ", 1)
    left = int(left)
    process = os.fork()
    if not process:
        file = SqliteFile(Path(path))
        sys.setprofile(count)
        file.scrub()
        os._exit(0)
    print(os.waitpid(process, 0)[1], flush=True)
"""
"""Scrubs each database that it reads of, and is killed before a call of SQLite or the system, if
there are that many."""
CALLS = 190
"""Some more than a scrub has."""


@pytest.fixture(scope="module")
def scrub_and_be_killed() -> Iterator[Callable[[Path, int], bool]]:
    with subprocess.Popen(
        [sys.executable, "-c", KILLING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        asked, ends = program.stdin, program.stdout
        assert asked
        assert ends

        def scrub(path: Path, call: int) -> bool:
            print(path, call, file=asked, flush=True)
            return ends.readline() != "0\n"

        yield scrub


class Nights:
    """A box, a folder that it is copied to, and the rows that the box should have."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.box, self.copied = Box(folder / "box", seed), folder / "copied"
        self.box.spend_day(scrubs=0)
        self.rows = self.box.read()
        self.copied.mkdir()

    def require_box_is_whole(self) -> None:
        assert open_and_clean(self.box.folder) == ""
        [file] = databases(self.box.folder)
        assert rows_in(file) == self.rows

    def copy_in_part(self, files: list[str], cut: int | None) -> None:
        """Copy files with their logs; the last one is cut off at so many thousandths."""
        for name in files:
            if not (self.box.folder / name).exists():
                continue
            shutil.copy2(self.box.folder / name, self.copied)
            if cut is not None and name == files[-1]:
                size = (self.copied / name).stat().st_size
                os.truncate(self.copied / name, size * cut // 1000)
            log = log_of(self.copied / name)
            log.unlink(missing_ok=True)
            if log_of(self.box.folder / name).exists():
                shutil.copy2(log_of(self.box.folder / name), log)

    def use_copy_as_told(self, *, is_whole: bool) -> None:
        """Start a copy of the copy and do what is printed: no database goes, and no older one is
        served than any that is there or that a note names."""
        tried = self.copied.with_name("tried")
        shutil.copytree(self.copied, tried)
        found, numbers = dict[str, Rows](), [0]
        for file in databases(tried):
            with suppress(sqlite3.DatabaseError):
                numbers.append(number_in(file)[0] or 0)
            with suppress(sqlite3.DatabaseError, AssertionError):  # a part
                found[file.name] = rows_in(file)
        for file in what_is_in(tried):
            if note := re.match(rb"Replaced by generation (\d+) .{70}", file.read_bytes()):
                numbers.append(int(note[1]))
        said = open_and_clean(tried)
        if "`" in said:
            do_as_told(said)
            said = open_and_clean(tried)
        folders = (tried, *tried.parent.glob("tried-generation-*"))
        after = (
            [rows_in(one) for folder in folders for one in databases(folder) if one.name in found]
            if not said
            else [*found.values()]
        )
        assert sorted(after) == sorted(found.values())
        if not said and (found or max(numbers)):  # else there was nothing yet
            [file] = databases(tried)
            assert number_in(file)[0] == max(numbers)
        if is_whole:
            assert said == ""
            assert rows_in(file) == self.rows
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


FILES = st.lists(st.sampled_from(["a.sqlite", "a.sqlite.b"]), min_size=1, max_size=2, unique=True)
STEPS = st.one_of(
    st.tuples(st.just("day"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("kill"), st.integers(1, CALLS) | st.integers(120, CALLS)),
    st.tuples(st.just("copy"), st.sampled_from(COPYING)),
    st.tuples(st.just("part"), FILES, st.none() | st.integers(0, 999)),
)


@examples(gate=25, every=1_000)
@given(seed=st.integers(0, 99), steps=st.lists(STEPS, min_size=4, max_size=14))
def test_whatever_is_killed_and_copied_no_database_goes_and_no_older_one_is_served(
    scrub_and_be_killed: Callable[[Path, int], bool], seed: int, steps: list[tuple[Any, ...]]
) -> None:
    with TemporaryDirectory() as folder:
        nights = Nights(Path(folder), seed)
        for what, *how in steps:
            match what:
                case "day":
                    nights.box.spend_day(scrubs=how[0], is_killed_at_night=how[1])
                    nights.rows = nights.box.read()
                case "kill":
                    scrub_and_be_killed(nights.box.path, how[0])
                    if not all(log_of(one).exists() for one in what_is_in(nights.box.folder)):
                        # SQLite deletes the log by one call, and the next makes an empty one. A
                        # copy from between them keeps an older log, unless it deletes it.
                        nights.require_box_is_whole()
                case "copy":
                    how[0](nights.box.folder, nights.copied)
                case "part":
                    nights.copy_in_part(*how)
            nights.use_copy_as_told(is_whole=what == "copy")
        nights.require_box_is_whole()


def test_a_box_that_was_killed_at_any_call_is_copied_and_served(
    tmp_path: Path, scrub_and_be_killed: Callable[[Path, int], bool]
) -> None:
    box, killed, calls = Box(tmp_path / "box"), True, 0
    box.spend_day(scrubs=2)
    while killed:
        calls += 1
        nights = Nights(tmp_path / str(calls), 1)
        copy_by_tool(box.folder, nights.copied)
        shutil.rmtree(nights.box.folder)
        shutil.copytree(box.folder, nights.box.folder)
        killed = scrub_and_be_killed(nights.box.path, calls)
        copy_by_tool(nights.box.folder, nights.copied)
        nights.rows = box.read()
        nights.use_copy_as_told(is_whole=True)
        nights.require_box_is_whole()
    assert 100 < calls < CALLS
