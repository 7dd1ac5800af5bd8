"""What one box keeps beside an index's keys: a list of all reads it alone, and it is as the items
are."""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.keys import FACES, TABLES
from chalicelib.storage.ports import Delete, Item, Put, Update, exists
from tests.support.storage.steps import count_bytes_read

pytestmark = pytest.mark.disk

FACE_COUNT = 40
RANKED = ("name", "arrive_count")


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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with faces in it."""
    path = tmp_path / "items.sqlite"
    with closing(SqliteItemStore(path, TABLES)) as items:
        for number in range(FACE_COUNT):
            items.transact([Put(FACES, make_face(number, number))])
    return path


def list_ranked(items: SqliteItemStore) -> list[Item]:
    return list(items.query(FACES, "t", index="by_arrival", carried=RANKED).items)


def expected_of(*faces: Item) -> list[Item]:
    """What the list has of each face."""
    names = ("tenant", "faceid", "arrival_key", *RANKED)
    return [{name: face[name] for name in names if name in face} for face in faces]


FACES_BEFORE = [make_face(number, number) for number in range(FACE_COUNT)]


def test_names_and_visits_of_all_are_read_without_the_templates(path: Path) -> None:
    counted = Counter[str]()
    with closing(SqliteItemStore(path, TABLES)) as items, count_bytes_read(counted):
        assert list_ranked(items) == expected_of(*FACES_BEFORE)
    assert counted["bytes read"] < FACE_COUNT * 1_000 + 64 * 1024


def test_what_stands_beside_the_keys_changes_with_the_face(path: Path) -> None:
    with closing(SqliteItemStore(path, TABLES)) as items:
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
