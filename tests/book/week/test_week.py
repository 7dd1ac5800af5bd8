"""On the morning behind a week, in the shop's zone, whoever wants to know is told of it once."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.week import count_untold_days, format_message
from chalicelib.domain.counts import Count, CountedMinute
from chalicelib.domain.local_time import begin_of_week
from chalicelib.domain.tenant_settings import FIRST_WEEKDAYS
from testing.reported import replays
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.synthetic import write_visits

HOUR = timedelta(hours=1)
REPORT = """\
Visits of shop, 02 March to 08 March 2026
3 visits by 2 people, 2 for the first time; nobody came the week before.
Mon 2, Tue 1, Wed 0, Thu 0, Fri 0, Sat 0, Sun 0
busiest hour: Monday, 02 March, 09:00, 2 visits"""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Two people come on Monday, and one of them on Tuesday."""
    with closing(Book(tmp_path)) as made:
        made.see(shot(0, 1), shot(10, 2), shot(24 * 60 + 30, 1))
        made.clock.advance(MONDAY + timedelta(days=5) - made.clock.now())
        yield made


def sweep(book: Book) -> None:
    book.services.sweep.sweep_tenant(
        book.services.tenants.read_stored("shop"), book.clock.now(), ["absences"]
    )


def take(book: Book, hook: str) -> list[dict]:
    outbox = book.services.webhooks.outbox
    found = outbox.read_page("shop", hook, parked=False, limit=10).rows
    for one in found:
        outbox.delete_delivery(one)
    return [json.loads(one.payload) for one in found]


@pytest.mark.parametrize(
    ("zone", "at"), [("UTC", "2026-03-09T07:00"), ("Asia/Tokyo", "2026-03-08T22:00")]
)
def test_a_week_is_told_once_on_monday_morning_in_the_shops_zone(
    book: Book, zone: str, at: str
) -> None:
    book.services.tenants.change_settings("shop", {"time_zone": zone})
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["week.ended"])[0].id
    sweep(book)
    take(book, hook)  # of the week before, since the hook is new
    told = []
    for _ in range(24 * 7):
        sweep(book)
        sweep(book)
        told += take(book, hook)
        book.clock.advance(HOUR)
    [event] = told
    assert event["at"].startswith(at)
    assert (event["id"], event["group"], event["camera"]) == ("week.ended-2026-03-02", None, None)
    data = event["data"]
    assert (data["first"], data["visits"], data["people"], data["new"]) == ("2026-03-02", 3, 2, 2)
    assert zone != "UTC" or data["report"] == REPORT


@replays(87, "matomo 14697", "matomo 1633", "umami 3782", "posthog 8353")
def test_no_day_is_told_twice_or_left_out_if_weeks_begin_on_another_day(book: Book) -> None:
    """The setting changes from Monday to Sunday on a Wednesday, and back on another."""
    days = [MONDAY + timedelta(days=day) for day in range(42)]
    write_visits(book.services, book.tenant, [(at, "door", "1") for at in days[7:]])
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["week.ended"])[0].id
    changes = {days[16]: "sunday", days[30]: "monday"}
    told = []
    for day in days[7:]:
        book.clock.advance(day - book.clock.now())
        if day in changes:
            book.services.tenants.change_settings("shop", {"week_begins": changes[day]})
        sweep(book)
        told += [event["data"] for event in take(book, hook)]
    assert [(one["first"], one["last"], one["visits"]) for one in told] == [
        ("2026-03-02", "2026-03-08", 3),
        ("2026-03-09", "2026-03-15", 7),
        ("2026-03-16", "2026-03-21", 6),
        ("2026-03-22", "2026-03-28", 7),
        ("2026-03-29", "2026-04-05", 8),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.sampled_from([*FIRST_WEEKDAYS.values()])), min_size=1)
)
def test_each_day_is_told_once_whenever_the_beginning_of_weeks_changes(
    changes: list[tuple[int, int]],
) -> None:
    """`changes`: for how many days weeks begin on a day. Nobody asks at 7:00 in vain."""
    day, told_until, told = date(2026, 3, 2), date(2026, 2, 23), []
    for length, first_weekday in changes:
        for _ in range(length):
            this_week = begin_of_week(day, first_weekday)
            if days := count_untold_days(this_week, told_until):
                told.append((day, days))
                assert this_week - timedelta(days) == told_until
                told_until = this_week
            day += timedelta(1)
    assert all(4 <= days <= 10 for _, days in told)
    pauses = [(later - at).days for (at, _), (later, _) in pairwise(told)]
    assert all(pause >= 4 for pause in pauses), "it comes once a week"
    assert told_until >= day - timedelta(10), "nothing is left out"


def test_who_came_in_by_the_counts_is_told_with_how_many_of_them_were_known(book: Book) -> None:
    counts, tenant = book.services.counts, book.tenant
    write_visits(book.services, tenant, [(MONDAY, "door", "1")])
    of_week, of_next = (MONDAY + timedelta(days=days) for days in (0, 4))
    for at in (of_week, of_next):
        minute = CountedMinute(at, Count(seconds=60, entries=5, exits=2, faces=3))
        counts.store_minutes(tenant, book.services.cameras.get(tenant, "door"), [minute])
    week = book.services.sightings.weeks.count_week(tenant, MONDAY.date())
    assert format_message(week, tenant).splitlines()[3] == (
        "10 entries, 1 of them known (10 %), of 2 minutes of 7,190"
    )
    before = book.services.sightings.weeks.count_week(tenant, MONDAY.date() - timedelta(days=7))
    assert (before.entries, "entr" in format_message(before, tenant)) == (None, False)


def test_a_german_shop_is_told_in_german(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"time_zone": "UTC", "language": "de"})
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["week.ended"])[0].id
    book.clock.advance(timedelta(days=3))
    sweep(book)
    [event] = take(book, hook)
    assert (
        event["data"]["report"]
        == """\
Besuche: shop, 2. März bis 8. März 2026
3 Besuche von 2 Personen, 2 zum ersten Mal; in der Woche davor war niemand da.
Mo 2, Di 1, Mi 0, Do 0, Fr 0, Sa 0, So 0
stärkste Stunde: Montag, 2. März, 9 Uhr, 2 Besuche"""
    )


def test_nobody_is_told_who_does_not_name_it_and_no_disabled_tenant(book: Book) -> None:
    every = book.services.webhooks.hooks.add("shop", None)[0].id
    book.clock.advance(timedelta(days=3))
    sweep(book)
    assert take(book, every) == []
    hook = book.services.webhooks.hooks.add("shop", None, kinds=["week.ended"])[0].id
    book.services.tenants.disable("shop")
    sweep(book)
    assert take(book, hook) == []
    book.services.tenants.enable("shop")
    sweep(book)
    assert [one["id"] for one in take(book, hook)] == ["week.ended-2026-03-02"]
