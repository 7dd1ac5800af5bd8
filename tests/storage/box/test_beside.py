"""What one box keeps beside an index's keys: a list of all reads it alone, and it is as the items
are, whichever version wrote them."""

import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.keys import FACES, TABLES
from chalicelib.storage.limits import item_to_json
from chalicelib.storage.ports import Delete, Item, Put, Update, exists
from tests.support.storage.steps import count_bytes_read

pytestmark = pytest.mark.disk

FACE_COUNT = 40
RANKED = ("name", "arrive_count")

SCHEMA_BEFORE = (
    """CREATE TABLE items (
        tbl TEXT NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (tbl, pk, sk)) WITHOUT ROWID""",
    """CREATE TABLE index_rows (
        tbl TEXT NOT NULL, idx TEXT NOT NULL, pk BLOB NOT NULL, val BLOB NOT NULL, sk BLOB NOT NULL,
        PRIMARY KEY (tbl, idx, pk, val, sk)) WITHOUT ROWID""",
    "PRAGMA user_version = 1",
)
"""The file of a version that kept nothing beside the keys."""


def make_face(number: int, visits: int = 0, arrival: int | None = None) -> dict[str, Any]:
    """Make a face with templates of 39 KB; each third has no name."""
    named = {"name": f"Änn {number}"} if number % 3 else {}
    return {
        "tenant": "t",
        "faceid": f"f{number:03d}",
        "enrolment_key": f"g#{number:03d}",
        "arrival_key": f"g#{number if arrival is None else arrival:03d}",
        "arrive_count": visits,
        "templates": [bytes([number]) * 2_000] * 15,
        **named,
    }


def put_as_before(connection: sqlite3.Connection, face: Item) -> None:
    """Write a face as the version before did: it names its own columns alone."""
    tbl, pk, sk = "faces", face["tenant"].encode(), face["faceid"].encode()
    connection.execute(
        "INSERT OR REPLACE INTO items (tbl, pk, sk, body) VALUES (?, ?, ?, ?)",
        (tbl, pk, sk, item_to_json(face)),
    )
    for index, attribute in FACES.indexes.items():
        row = (tbl, index, pk, sk)
        found = connection.execute(
            "SELECT val FROM index_rows WHERE tbl = ? AND idx = ? AND pk = ? AND sk = ?", row
        ).fetchone()
        value = face[attribute].encode() if attribute in face else None
        if found == (value,):
            continue
        connection.execute(
            "DELETE FROM index_rows WHERE tbl = ? AND idx = ? AND pk = ? AND sk = ?", row
        )
        if value is not None:
            connection.execute(
                "INSERT INTO index_rows (tbl, idx, pk, val, sk) VALUES (?, ?, ?, ?, ?)",
                (tbl, index, pk, value, sk),
            )


@pytest.fixture
def old_path(tmp_path: Path) -> Path:
    """A file of the version before, with faces in it."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in SCHEMA_BEFORE:
            connection.execute(statement)
        for number in range(FACE_COUNT):
            put_as_before(connection, make_face(number, number))
    return path


def list_ranked(items: SqliteItemStore) -> list[Item]:
    return list(items.query(FACES, "t", index="by_arrival", carried=RANKED).items)


def expected_of(*faces: Item) -> list[Item]:
    """What the list has of each face."""
    names = ("tenant", "faceid", "arrival_key", *RANKED)
    return [{name: face[name] for name in names if name in face} for face in faces]


FACES_BEFORE = [make_face(number, number) for number in range(FACE_COUNT)]


def test_names_and_visits_of_all_are_read_without_the_templates(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    with closing(SqliteItemStore(path, TABLES)) as items:
        for face in FACES_BEFORE:
            items.transact([Put(FACES, face)])
    counted = Counter[str]()
    with closing(SqliteItemStore(path, TABLES)) as items, count_bytes_read(counted):
        assert list_ranked(items) == expected_of(*FACES_BEFORE)
    assert counted["bytes read"] < FACE_COUNT * 1_000 + 64 * 1024


def test_a_file_of_the_version_before_reads_the_same(old_path: Path) -> None:
    for _ in range(2):
        with closing(SqliteItemStore(old_path, TABLES)) as items:
            assert list_ranked(items) == expected_of(*FACES_BEFORE)
            assert items.file.damage() is None


def test_the_version_before_may_write_the_file_afterwards(old_path: Path) -> None:
    SqliteItemStore(old_path, TABLES).close()
    visited, renamed, added = make_face(3, 9, 90), make_face(4, 4) | {"name": "Bo"}, make_face(50)
    with closing(sqlite3.connect(old_path)) as connection, connection:
        for face in (visited, renamed, added):
            put_as_before(connection, face)
        for table in ("items", "index_rows"):
            connection.execute(f"DELETE FROM {table} WHERE sk = 'f005' OR sk = ?", (b"f005",))
    with closing(SqliteItemStore(old_path, TABLES)) as items:
        before = [face for face in FACES_BEFORE if face["faceid"] not in ("f003", "f004", "f005")]
        faces = sorted([*before, visited, renamed, added], key=lambda face: face["arrival_key"])
        assert list_ranked(items) == expected_of(*faces)


def test_what_stands_beside_the_keys_changes_with_the_face(old_path: Path) -> None:
    with closing(SqliteItemStore(old_path, TABLES)) as items:
        change: dict[str, Any] = {"set": {"name": "Cy"}, "add": {"arrive_count": 2}}
        items.transact([Update(FACES, ("t", "f001"), (exists("face"),), **change)])
        moved = {"set": {"arrival_key": "g#9"}, "remove": ("name",)}
        items.transact([Update(FACES, ("t", "f002"), (exists("face"),), **moved)])
        items.transact([Delete(FACES, ("t", "f003"))])
        first, second, _, *others = FACES_BEFORE[1:]
        second = {name: value for name, value in second.items() if name != "name"}
        changed = {**first, "name": "Cy", "arrive_count": 3}
        last = {**second, "arrival_key": "g#9"}
        assert list_ranked(items) == expected_of(FACES_BEFORE[0], changed, *others, last)


def cut_opens(path: Path, scratch: Path) -> Iterator[Path]:
    """Open copies of a file, and kill the process at each next call of SQLite, until an open ends.

    Yield each copy as the killed process left it.
    """
    for cut in range(1, 100):
        copy = scratch / f"{cut}.sqlite"
        shutil.copyfile(path, copy)
        child = os.fork()
        if not child:
            open_until_killed(copy, cut)
        _, status = os.waitpid(child, 0)
        yield copy
        if not os.WIFSIGNALED(status):
            return
    raise AssertionError("no open ended")


def open_until_killed(path: Path, cut: int) -> None:
    """Open the file, kill this process before its call number `cut` of SQLite, else exit."""
    calls = 0

    def count_call(frame: FrameType, event: str, function: object) -> None:
        nonlocal calls
        if event == "c_call" and getattr(function, "__name__", "") == "execute":
            calls += 1
            if calls == cut:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count_call)
    try:
        SqliteItemStore(path, TABLES)
    finally:
        os._exit(0)


def test_an_open_that_is_killed_anywhere_leaves_all(old_path: Path, tmp_path: Path) -> None:
    copies = list(cut_opens(old_path, tmp_path))
    assert len(copies) > 10
    for copy in copies:
        with closing(sqlite3.connect(copy)) as connection, connection:
            put_as_before(connection, make_face(0, 7))
        with closing(SqliteItemStore(copy, TABLES)) as items:
            assert list_ranked(items) == expected_of(make_face(0, 7), *FACES_BEFORE[1:])
            assert items.get(FACES, ("t", "f001")) == FACES_BEFORE[1]
