"""Who is overdue, and how often it is told: once for each absence."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.absences import LEAST_VISITS, overdue_at
from chalicelib.book.rules.visits import Arrival
from chalicelib.book.words import keys
from chalicelib.book.words.values import milliseconds, moment
from chalicelib.book.words.webhooks import EventKind
from tests.support.book.book import MONDAY, Book, shot
from tests.support.fakes import Person

DAY = timedelta(days=1)
EVA, FINN = Person(21), Person(22)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.close()


def visits(*days: float) -> tuple[Arrival, ...]:
    begins = (milliseconds(MONDAY + day * DAY) for day in days)
    return tuple(Arrival(begin, begin, begin) for begin in begins)


@pytest.mark.parametrize(
    ("days", "overdue"),
    [
        ((0, 7, 14, 21, 28), None),
        ((0, 7, 14, 21, 28, 35), 49),
        ((0, 7, 14, 21, 42, 49), 70),
        ((0, 0.2, 0.4, 0.6, 0.8, 1), None),
        ((0, 40, 80, 120, 160, 200), None),
    ],
)
def test_somebody_is_overdue_after_twice_the_usual_pause_and_the_longest(
    days: tuple[float, ...], overdue: float | None
) -> None:
    assert overdue_at(visits(*days)) == (None if overdue is None else MONDAY + overdue * DAY)


@given(st.lists(st.integers(1, 100), min_size=LEAST_VISITS - 1, max_size=60))
def test_nobody_is_overdue_within_a_pause_that_there_was_before(pauses: list[int]) -> None:
    days = [sum(pauses[:count]) for count in range(len(pauses) + 1)]
    found = visits(*days)
    at = overdue_at(found)
    if at is not None:
        assert at - moment(found[-1].first_ms) >= max(pauses[-19:]) * DAY


def test_each_absence_is_told_once_and_not_of_strangers_or_staff(book: Book) -> None:
    """Eva comes every other day, as do a stranger and the staff; from the 13th day on nobody comes."""
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    team = book.services.groups.create(book.tenant, "team", None, "")
    book.services.groups.change(book.tenant, team.id, {"staff": True})
    eva = book.enrol(EVA, "regular", name="Eva Lee")
    book.enrol(FINN, "team")
    book.see(
        *(
            shot(day * 24 * 60 + place, person.seed)
            for day in range(0, 14, 2)
            for place, person in enumerate((EVA, FINN, Person(23)))
        )
    )
    told = []
    book.clock.advance(MONDAY + 13 * DAY - book.clock.now())
    for _ in range(24 * 10):
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
        told = [
            json.loads(one.payload)
            for one in book.services.webhooks.outbox.page("shop", hook.id, parked=False, limit=10).rows
        ]
        book.clock.advance(timedelta(hours=1))
    [event] = told
    assert event["type"] == EventKind.FACE_OVERDUE
    assert event["at"] == "2026-03-18T09:00:00.000Z"
    assert event["data"] == {"faceid": eva.faceid, "name": "Eva Lee", "number": None, "arrive_count": 7, "days": 4}


def test_a_disabled_tenant_is_told_of_nobody(book: Book) -> None:
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    book.enrol(EVA, "regular", name="Eva Lee")
    book.see(*(shot(day * 24 * 60, EVA.seed) for day in range(0, 14, 2)))
    book.clock.advance(MONDAY + 16 * DAY - book.clock.now())
    book.services.tenants.disable("shop")
    book.services.sweep.sweep_tenant(book.services.tenants.read_stored("shop"), book.clock.now(), ["absences"])
    assert not book.services.webhooks.outbox.page("shop", hook.id, parked=False, limit=10).rows
    book.services.tenants.enable("shop")
    book.services.sweep.sweep_tenant(book.services.tenants.read_stored("shop"), book.clock.now(), ["absences"])
    assert len(book.services.webhooks.outbox.page("shop", hook.id, parked=False, limit=10).rows) == 1


def test_an_absence_is_told_once_though_sweeps_are_repeated_overlap_or_miss_some_hours(book: Book) -> None:
    """Eva and Finn always come together, so they are overdue in the same millisecond."""
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    for person, name in ((EVA, "Eva"), (FINN, "Finn")):
        book.enrol(person, "regular", name=name)
    book.see(*(shot(day * 24 * 60, EVA.seed, FINN.seed) for day in range(0, 14, 2)))
    told = Counter[str]()
    book.clock.advance(MONDAY + 15.5 * DAY - book.clock.now())
    for wait in (1, 0, 0.99, 5, 0, 0.5, 20, 0, 1):
        book.clock.advance(timedelta(hours=wait))
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
        outbox = book.services.webhooks.outbox
        for one in outbox.page("shop", hook.id, parked=False, limit=10).rows:
            told[json.loads(one.payload)["data"]["name"]] += 1
            outbox.delete_delivery(one)
    assert told == {"Eva": 1, "Finn": 1}


def test_what_is_stored_of_an_absence_that_was_told_does_not_name_the_person(book: Book) -> None:
    book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])
    eva = book.enrol(EVA, "regular", name="Eva Lee")
    book.see(*(shot(day * 24 * 60, EVA.seed) for day in range(0, 14, 2)))
    book.clock.advance(MONDAY + 16 * DAY - book.clock.now())
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
    book.services.deletion.delete_faces(book.tenant, [eva.faceid], erase=True)
    item = book.storage.items.get(keys.DIRECTORY, ("shop", keys.SWEPT_ITEM))
    assert item is not None
    assert item["told face.overdue"]
    assert eva.faceid not in str(item)
