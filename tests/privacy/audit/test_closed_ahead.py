"""What is closed while the clock is ahead is closed again when it has ended; a clock that is behind
closes nothing again."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from chalicelib.domain.errors import Conflict, InvalidInput
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.periods import Period
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.privacy.audit.periods import CLOSINGS, ClosedSheet
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from chalicelib.storage.values import milliseconds
from tests.support.book.book import Book, shot
from tests.support.book.tenants import CHOICE
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Fault, Killed

DAY = 24 * 60
MARCH = Period(Granularity.MONTH, date(2026, 3, 1))
PLACE = keys.closed_periods("shop", "month"), "202603"
HOUR = timedelta(hours=1)


def at(day: int, hour: int = 9, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


AHEAD = {
    "five hours": (at(31, 20), timedelta(hours=5)),
    "a day": (at(31), timedelta(days=1)),
    "a month": (at(10), timedelta(days=31)),
    "ten years": (at(10), timedelta(days=3653)),
}
"""When a clock is set ahead, and by how much. It is set right three hours later."""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Two visits on 2 and 4 March."""
    with closing(
        Book(tmp_path / "data", settings=TenantSettings(**CHOICE, observation_days=None))
    ) as made:
        made.see(shot(0, 1), shot(2 * DAY, 1))
        yield made


def set_clock(book: Book, to: datetime) -> None:
    book.clock.advance(to - book.clock.now())


def call(book: Book) -> None:
    """A call of the schedule, with the jobs that it chooses."""
    now = book.clock.now()
    if names := book.services.sweep._list_due_jobs(book.tenant, now):
        book.services.sweep.sweep_tenant(book.tenant, now, names)


def close_alone(book: Book, before: Callable[[], object] = lambda: None) -> None:
    """A call of the schedule that does the closing alone; `before` is called before that."""
    now = book.clock.now()
    book.services.sweep._list_due_jobs(book.tenant, now)
    before()
    book.services.sweep.sweep_tenant(book.tenant, now, ["periods"], is_part=True)


def run(book: Book, until: datetime, every: timedelta = HOUR) -> None:
    while book.clock.now() < until:
        book.clock.advance(min(every, until - book.clock.now()))
        call(book)


def run_ahead(book: Book, begin: datetime, by: timedelta) -> None:
    """Run until `begin`, for three hours with a clock that is ahead, and set it right."""
    set_clock(book, begin - 3 * HOUR)
    run(book, begin)
    set_clock(book, begin + by)
    call(book)
    run(book, begin + by + 3 * HOUR)
    set_clock(book, begin + 3 * HOUR)
    call(book)


def read(book: Book, period: Period = MARCH) -> ClosedSheet:
    return book.services.audit.periods.read(book.tenant, period)


def list_closings(book: Book, period: Period = MARCH) -> list[int]:
    """The numbers of a period's closings, by the audit."""
    return sorted(
        entry["number"]
        for entry in book.services.audit.chain.walk_entries("shop")
        if (entry["what"], entry.get("of")) == (CLOSINGS[period.by], period.name)
    )


@pytest.mark.parametrize("how", AHEAD)
def test_a_month_that_was_closed_ahead_is_closed_again_with_all_its_visits(
    book: Book, how: str
) -> None:
    begin, by = AHEAD[how]
    run_ahead(book, begin, by)
    is_closed = list_closings(book) == [1]
    assert is_closed or how == "ten years", "else nothing is tried here"
    with pytest.raises(InvalidInput, match="2026-03 is not over"):
        read(book)
    book.see(shot(29 * DAY + 14 * 60 + 5, 2), shot(29 * DAY + 14 * 60 + 50, 3))  # 31 March, 23:05
    run(book, at(31, 20), every=timedelta(hours=23))
    run(book, at(1, 6, month=4))
    sheet = read(book)
    assert sheet.week.total.visits == 4
    assert list_closings(book) == ([1, 2] if is_closed else [1])
    assert "signed at 2026-04-01T0" in sheet.proof
    assert book.services.audit.periods.list_changes(sheet) == []
    run(book, at(3, month=4))
    assert list_closings(book) == ([1, 2] if is_closed else [1]), "it is closed again once"
    assert read(book) == sheet


@pytest.mark.parametrize("how", AHEAD)
def test_each_day_and_month_verifies_once_the_clock_has_come_there(book: Book, how: str) -> None:
    begin, by = AHEAD[how]
    if how == "ten years":
        by = timedelta(days=400)
    run_ahead(book, begin, by)
    run(book, at(1, 6, month=4))
    run(book, begin + by + timedelta(days=4), every=timedelta(hours=12))
    days = [Period(Granularity.DAY, day.date()) for day in (begin, begin + by)]
    for period in [MARCH, *(Period(one.by, one.first - timedelta(1)) for one in days)]:
        with suppress(InvalidInput):  # it was never closed
            assert "in the audit" in read(book, period).proof
    assert "in the audit" in read(book).proof
    assert book.services.audit.verifying.verify_tenant("shop", None).findings == []


def test_no_door_shows_what_was_closed_ahead(book: Book) -> None:
    run_ahead(book, *AHEAD["a month"])
    span = Span(milliseconds(at(1, 0)), milliseconds(at(1, 0, month=5)) - 1)
    figures = book.services.statistics.closed
    assert figures.list_figures(book.tenant, Granularity.MONTH, span) == {}
    run(book, at(31, 20), every=timedelta(hours=23))
    run(book, at(1, 6, month=4))
    assert {*figures.list_figures(book.tenant, Granularity.MONTH, span)} == {MARCH}


def list_stored(book: Book) -> dict[tuple[str, str], tuple[int, str]]:
    partitions = [keys.closed_periods("shop", by) for by in CLOSINGS]
    return {
        (partition, item["day"]): (item["number"], item["document"])
        for partition in partitions
        for item in book.storage.items.query(keys.SUMMARIES, partition).items
    }


@pytest.mark.parametrize("days", [20, 40, 400, 20_000])
def test_a_clock_that_is_behind_for_hours_closes_nothing_again(book: Book, days: int) -> None:
    set_clock(book, at(20))
    run(book, at(10, month=4), every=timedelta(hours=6))
    before = list_stored(book)
    assert len(before) > 20
    now = book.clock.now()
    set_clock(book, now - timedelta(days=days))
    call(book)
    run(book, now - timedelta(days=days) + 3 * HOUR)
    set_clock(book, now + 3 * HOUR)
    call(book)
    run(book, now + 40 * HOUR)
    after = list_stored(book)
    assert {place: after[place] for place in before} == before
    assert len(after) > len(before)
    assert read(book).week.total.visits == 2


def test_a_statement_that_another_has_replaced_is_not_taken_for_it(book: Book) -> None:
    run_ahead(book, *AHEAD["five hours"])
    first = book.storage.items.get(keys.SUMMARIES, PLACE)
    assert first is not None
    run(book, at(1, 6, month=4))
    assert list_closings(book) == [1, 2]
    book.storage.items.transact([Put(keys.SUMMARIES, {**first})])
    with pytest.raises(Conflict, match="are not those that the audit has the SHA-256 of"):
        read(book)


@pytest.mark.parametrize("fault", [KILLED, DONE_KILLED], ids=lambda fault: fault.name)
def test_what_is_cut_off_at_a_write_is_closed_again_once(
    book: Book, fault: Fault, tmp_path: Path
) -> None:
    run_ahead(book, *AHEAD["five hours"])
    book.see(shot(29 * DAY + 14 * 60 + 5, 2))
    run(book, at(1, 0, 30, month=4))
    number = 0
    while True:
        number += 1
        calls = Calls()
        shutil.copytree(book.folder, folder := tmp_path / f"cut {number}")
        with closing(Book(folder, wrap=calls.wrap)) as cut:
            set_clock(cut, at(1, 1, 10, month=4))
            with suppress(Killed):
                close_alone(cut, partial(calls.fail, number, fault))
        with closing(Book(folder)) as after:
            set_clock(after, at(1, 2, 10, month=4))
            close_alone(after)
            assert (read(after).week.total.visits, list_closings(after)) == (3, [1, 2])
        shutil.rmtree(folder)
        if not calls.dead:
            break
    assert number > 5
