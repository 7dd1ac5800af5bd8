"""Who is overdue, and how often it is told: once for each absence."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.absences import LEAST_VISITS, overdue_at
from chalicelib.domain.events import EventKind
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.rules.visits import Arrival
from chalicelib.storage import keys
from chalicelib.storage.ports import Storage
from chalicelib.storage.values import milliseconds, moment
from tests.support.book.book import MONDAY, Book, shot
from tests.support.fakes import Person
from tests.support.meanwhile import Meanwhile

DAY = timedelta(days=1)
EVA, FINN, PASSERBY = Person(21), Person(22), Person(30)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.close()


def keep_open(book: Book, *days: float) -> None:
    """Let somebody else come on these days after Monday, on which the shop is open by that."""
    book.see(*(shot((day + 0.1) * 24 * 60, PASSERBY.seed) for day in days))


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
    assert overdue_at(visits(*days), ZoneInfo("UTC")) == (
        None if overdue is None else MONDAY + overdue * DAY
    )


MONDAY_DAY = milliseconds(MONDAY) // DAY_MS
SUNDAYS = tuple(range(6, 100, 7))


@pytest.mark.parametrize(
    ("days", "closed", "overdue"),
    [
        ((0, 7, 14, 21, 28, 35), range(36, 50), 63),
        ((0, 7, 14, 21, 28, 35), (48,), 50),
        ((0, 7, 14, 21, 28, 35), (49,), 50),
        ((0, 7, 14, 21, 28, 35), (50,), 49),
        ((0, 7, 14, 21, 28, 49), range(29, 43), 63),
        ((0, 7, 14, 21, 28, 35), SUNDAYS, 49),
        ((0, 2, 4, 7, 9, 11), SUNDAYS, 16),
    ],
)
def test_days_on_which_nobody_came_are_neither_absence_nor_pause(
    days: tuple[float, ...], closed: Sequence[int], overdue: float
) -> None:
    found = overdue_at(visits(*days), ZoneInfo("UTC"), [MONDAY_DAY + day for day in closed])
    assert found == MONDAY + overdue * DAY


def test_after_two_weeks_of_holidays_nobody_is_overdue_at_once(book: Book) -> None:
    """Eva came every other day until the 10th.

    The 11th, the 14th, on which she is enrolled, and the 26th are open.
    """
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    book.enrol(EVA, "regular", name="Eva Lee")
    book.see(*(shot(day * 24 * 60, EVA.seed) for day in range(0, 12, 2)))
    keep_open(book, *range(12))

    def count_told(until: float) -> int:
        book.clock.advance(MONDAY + until * DAY - book.clock.now())
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
        return len(
            book.services.webhooks.outbox.read_page("shop", hook.id, parked=False, limit=10).rows
        )

    assert [count_told(day) for day in (20, 26.05)] == [0, 0]
    for day, told in ((26, 0), (27, 1)):
        keep_open(book, day)
        assert count_told(day + 0.2) == told


@given(st.lists(st.integers(1, 100), min_size=LEAST_VISITS - 1, max_size=60))
def test_nobody_is_overdue_within_a_pause_that_there_was_before(pauses: list[int]) -> None:
    days = [sum(pauses[:count]) for count in range(len(pauses) + 1)]
    found = visits(*days)
    at = overdue_at(found, ZoneInfo("UTC"))
    if at is not None:
        assert at - moment(found[-1].first_ms) >= max(pauses[-19:]) * DAY


def test_each_absence_is_told_once_and_not_of_strangers_or_staff(book: Book) -> None:
    """Eva comes every other day, as do a stranger and the staff; from the 13th day on nobody
    comes."""
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    team = book.services.groups.create(book.tenant, "team", None, "")
    book.services.groups.change_fields(book.tenant, team.id, {"staff": True})
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
    keep_open(book, *range(13))
    book.clock.advance(MONDAY + 13 * DAY - book.clock.now())
    for hour in range(24 * 10):
        if hour % 24 == 4:
            keep_open(book, 13 + hour // 24)
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
        told = [
            json.loads(one.payload)
            for one in book.services.webhooks.outbox.read_page(
                "shop", hook.id, parked=False, limit=10
            ).rows
        ]
        book.clock.advance(timedelta(hours=1))
    [event] = told
    assert event["type"] == EventKind.FACE_OVERDUE
    assert event["at"] == "2026-03-18T09:00:00.000Z"
    assert event["data"] == {
        "faceid": eva.faceid,
        "name": "Eva Lee",
        "number": None,
        "arrive_count": 7,
        "days": 4,
    }


def test_a_disabled_tenant_is_told_of_nobody(book: Book) -> None:
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    book.enrol(EVA, "regular", name="Eva Lee")
    book.see(*(shot(day * 24 * 60, EVA.seed) for day in range(0, 14, 2)))
    book.clock.advance(MONDAY + 16 * DAY - book.clock.now())
    keep_open(book, *range(16), 15.8)
    book.services.tenants.disable("shop")
    book.services.sweep.sweep_tenant(
        book.services.tenants.read_stored("shop"), book.clock.now(), ["absences"]
    )
    assert not book.services.webhooks.outbox.read_page("shop", hook.id, parked=False, limit=10).rows
    book.services.tenants.enable("shop")
    book.services.sweep.sweep_tenant(
        book.services.tenants.read_stored("shop"), book.clock.now(), ["absences"]
    )
    assert (
        len(book.services.webhooks.outbox.read_page("shop", hook.id, parked=False, limit=10).rows)
        == 1
    )


def test_an_absence_is_told_once_though_sweeps_are_repeated_overlap_or_miss_some_hours(
    book: Book,
) -> None:
    """Eva and Finn always come together, so they are overdue in the same millisecond."""
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    for person, name in ((EVA, "Eva"), (FINN, "Finn")):
        book.enrol(person, "regular", name=name)
    book.see(*(shot(day * 24 * 60, EVA.seed, FINN.seed) for day in range(0, 14, 2)))
    told = Counter[str]()
    book.clock.advance(MONDAY + 15.5 * DAY - book.clock.now())
    keep_open(book, *range(15))
    for wait in (1, 0, 0.99, 5, 0, 0.5, 20, 0, 1):
        book.clock.advance(timedelta(hours=wait))
        keep_open(book, (book.clock.now() - MONDAY) / DAY - 0.1)
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
        outbox = book.services.webhooks.outbox
        for one in outbox.read_page("shop", hook.id, parked=False, limit=10).rows:
            told[json.loads(one.payload)["data"]["name"]] += 1
            outbox.delete_delivery(one)
    assert told == {"Eva": 1, "Finn": 1}


@pytest.mark.parametrize("moment_of_other", range(4))
@pytest.mark.parametrize("jobs", [["absences"], ["events"]])
def test_an_absence_is_told_once_though_two_first_sweeps_run_at_once(
    tmp_path: Path, moment_of_other: int, jobs: list[str]
) -> None:
    """The other one runs wholly before any of the transactions of the first, and what it tells is
    delivered by then."""
    around: list[Meanwhile] = []

    def wrap(storage: Storage) -> Storage:
        around.append(Meanwhile(storage.items))
        return replace(storage, items=around[0])

    book = Book(tmp_path, wrap=wrap)
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0]
    book.enrol(EVA, "regular", name="Eva")
    book.see(*(shot(day * 24 * 60, EVA.seed) for day in range(0, 14, 2)))
    book.clock.advance(MONDAY + 16 * DAY - book.clock.now())
    keep_open(book, *range(16), 15.8)
    told: list[str] = []

    def sweep(jobs: list[str]) -> None:
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), jobs)

    def deliver() -> None:
        for delivery in book.services.webhooks.outbox.read_page(
            "shop", hook.id, parked=False, limit=10
        ).rows:
            book.services.webhooks.outbox.delete_delivery(delivery)
            told.append(delivery.event_id)

    def sweep_and_deliver() -> None:
        sweep(["absences"])
        deliver()

    around[0].first = [*[lambda: None] * moment_of_other, sweep_and_deliver]
    sweep(jobs)
    around[0].first = []
    sweep_and_deliver()
    book.close()
    assert len(told) == 1


def test_what_is_stored_of_an_absence_that_was_told_does_not_name_the_person(book: Book) -> None:
    book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])
    eva = book.enrol(EVA, "regular", name="Eva Lee")
    book.see(*(shot(day * 24 * 60, EVA.seed) for day in range(0, 14, 2)))
    book.clock.advance(MONDAY + 16 * DAY - book.clock.now())
    keep_open(book, *range(16), 15.8)
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
    book.services.deletion.delete_faces(book.tenant, [eva.faceid], erase=True)
    item = book.storage.items.get(keys.DIRECTORY, ("shop", keys.SWEPT_ITEM))
    assert item is not None
    assert item["told face.overdue"]
    assert eva.faceid not in str(item)
