"""Places of which others change something while it is decided whether they are full."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.book.counts.places import PlaceFields, PlaceNow
from chalicelib.domain.counts import MINUTE_MS, Count, CountedMinute, InsideSaid, Void
from chalicelib.storage.ports import Action, ItemStore, Storage
from chalicelib.storage.values import milliseconds
from tests.support.book.book import Book
from tests.support.meanwhile import Meanwhile, side_by_side

TEN = InsideSaid(10, "key 1")
FRONT, BACK, SIDE = "front", "back", "side"


class Store(Meanwhile):
    """It notes how many actions each transaction has, too."""

    def __init__(self, items: ItemStore) -> None:
        super().__init__(items)
        self.sizes: list[int] = []

    def transact(self, actions: Sequence[Action]) -> None:
        self.sizes.append(len(actions))
        super().transact(actions)


class Hall:
    """A place of two doors with 8 inside, 3 of them by a minute at the back, and full from 10
    on."""

    def __init__(self, folder: Path, more_doors: Sequence[str] = ()) -> None:
        self.stores: list[Store] = []
        self.book = Book(folder, wrap=self.wrap, cameras=(FRONT, BACK, SIDE, *more_doors))
        self.counts, self.tenant = self.book.services.counts, self.book.tenant
        self.at = self.book.clock.now().replace(second=0, microsecond=0) - timedelta(minutes=9)
        fields = PlaceFields(name="Hall", doors=[FRONT, BACK, *more_doors], full_at=10)
        self.id = self.counts.places.add(self.tenant, fields)
        self.report(FRONT, 0, 5)
        self.report(BACK, 0, 3)
        first_ms = milliseconds(self.at)
        self.void = Void(BACK, first_ms, first_ms + MINUTE_MS)

    def wrap(self, storage: Storage) -> Storage:
        self.stores.append(Store(storage.items))
        return replace(storage, items=self.stores[-1])  # type: ignore[arg-type]

    def report(self, camera: str, minute: int, came: int, went: int = 0) -> None:
        known = self.book.services.cameras.get(self.tenant, camera)
        counted = CountedMinute(self.at + timedelta(minutes=minute), Count(60, came, went, 0))
        self.counts.store_minutes(self.tenant, known, [counted])

    def read(self) -> PlaceNow:
        return self.counts.places.get(self.tenant, self.id)

    def change(self, said: InsideSaid | None = None, **changes: Any) -> None:
        self.counts.places.change(self.tenant, self.id, changes, said=said)


ACTS: Mapping[str, Callable[[Hall], object]] = {
    "a report at the front": lambda hall: hall.report(FRONT, 2, 1),
    "a report at the back": lambda hall: hall.report(BACK, 3, 1),
    "a void": lambda hall: hall.counts.voids.add(hall.tenant, hall.void),
    "a correction": lambda hall: hall.counts.places.correct(hall.tenant, hall.id, TEN),
    "another limit": lambda hall: hall.change(full_at=8),
    "other doors": lambda hall: hall.change(doors=[FRONT, SIDE], said=TEN),
    "a correction and less": lambda hall: hall.change(name="Foyer", said=InsideSaid(9, "key 1")),
}
"""Each alone, and in some pairs only both together, make the place full, or keep it free."""


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path / "data")
    with closing(hall.book):
        yield hall


@pytest.mark.parametrize(("act", "meanwhile"), [*permutations(ACTS, 2)])
def test_whether_a_place_is_full_is_never_out_of_date(hall: Hall, act: str, meanwhile: str) -> None:
    assert not hall.read().place.is_full
    hall.stores[-1].first = [lambda: ACTS[meanwhile](hall)]
    ACTS[act](hall)
    assert hall.stores[-1].first == []
    read = hall.read()
    assert read.place.is_full == read.is_full, f"of {read.inside} inside"


def test_two_cameras_and_a_void_at_one_instant_are_told_by_the_last(hall: Hall) -> None:
    others = ["a report at the front", "a report at the back", "a correction"]
    hall.stores[-1].first = [lambda name=name: ACTS[name](hall) for name in others]
    ACTS["a void"](hall)
    read = hall.read()
    assert (read.place.is_full, read.inside) == (True, 10)


@pytest.mark.parametrize(("doors", "most"), [(10, 30), (11, 9)])
def test_only_of_a_place_of_few_doors_their_counts_are_checked(
    tmp_path: Path, doors: int, most: int
) -> None:
    """Of ten doors all that is read is checked, of two UTC days, and of more none."""
    hall = Hall(tmp_path / "data", [f"d{number}" for number in range(doors - 2)])
    with closing(hall.book):
        hall.book.services.tenants.change_settings("shop", {"time_zone": "Asia/Shanghai"})
        hall.tenant = hall.book.tenant
        hall.stores[-1].sizes.clear()
        for act in ACTS.values():
            act(hall)
        assert most - 9 < max(hall.stores[-1].sizes) <= most


def test_doors_that_report_at_one_instant_are_all_told(tmp_path: Path) -> None:
    """Each that is stored makes the others decide anew, and none fails."""
    more_doors = [f"d{number}" for number in range(8)]
    hall = Hall(tmp_path / "data", more_doors)
    with closing(hall.book):
        store = hall.stores[-1]
        store.sizes.clear()
        doors = [FRONT, BACK, *more_doors]
        reports = [partial(hall.report, door, minute, 1) for door in doors for minute in (4,)]
        assert side_by_side(reports) == [None] * len(doors)
        read = hall.read()
        assert (read.inside, read.place.is_full) == (18, True)
        assert len(store.sizes) <= 10 * len(doors)


def test_who_is_a_door_of_no_place_with_a_limit_reads_no_counts(hall: Hall) -> None:
    hall.change(doors=[FRONT, BACK], full_at=None)
    hall.stores[-1].sizes.clear()
    hall.report(FRONT, 2, 1)
    hall.report(SIDE, 2, 1)
    hall.counts.places.delete(hall.tenant, hall.id)
    hall.report(FRONT, 3, 1)
    assert hall.stores[-1].sizes == [2, 1, 1, 1], "a limit may be set at that instant"
