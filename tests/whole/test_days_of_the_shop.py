"""A day is the shop's: the same life by local clocks gives the same answers by local clocks, in six
time zones, over a change of clocks.

All that is cut by days is asked: a new figure belongs into `list_answers`.
"""

import tempfile
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.book.statistics.statistics import Question
from chalicelib.domain.local_time import Granularity, Span, day_text, local_hour
from chalicelib.domain.observations import Measure
from chalicelib.domain.rules.habits import find_habit
from chalicelib.storage.records.observations import read_visits
from chalicelib.storage.values import milliseconds
from regulars.today import read_today
from testing.reported import replays
from tests.support.book.book import Book, Shot
from tests.support.fakes import Person

ZONES = {
    "America/Los_Angeles": date(2026, 3, 8),
    "America/New_York": date(2026, 3, 8),
    "Europe/Berlin": date(2026, 3, 29),
    "Asia/Kolkata": date(2026, 3, 8),
    "Pacific/Auckland": date(2026, 4, 5),
    "Pacific/Apia": date(2026, 3, 8),
}
"""Time zones, and a Sunday on which clocks change there, or as good as any."""

ANN, BO, EVE = 1, 2, 3
HOURS = {ANN: 12.0, BO: 9.5, EVE: 22.5}
"""Hours at which they come by the shop's clocks. The shop is open until late."""


def list_life(sunday: datetime) -> list[tuple[datetime, int]]:
    """List who comes when, by the shop's clocks: all of them daily for five weeks around a Sunday,
    but on Mondays, when the shop is closed. Ann stays away from the last Sunday on."""
    first, days = sunday - timedelta(21), 40
    return [
        (first + timedelta(days=day, hours=hour), who)
        for day in range(days)
        for who, hour in HOURS.items()
        if (first + timedelta(day)).weekday() and (who != ANN or day < 35)
    ]


def list_answers(book: Book, zone: ZoneInfo, sunday: datetime) -> dict[str, Any]:
    """Return what people read of days, by the shop's clocks, as days behind the Sunday."""
    statistics, tenant, now = book.services.statistics, book.tenant, book.clock.now()

    def local(at: datetime) -> timedelta:
        return at.astimezone(zone).replace(tzinfo=None) - sunday

    span = Span(milliseconds(now - timedelta(60)), milliseconds(now))
    first_day = int(local_hour(sunday.replace(tzinfo=zone), zone)) // 24
    begins = {
        face.name: [
            one.first_ms
            for one in read_visits(
                book.services.requests._items, "shop", face.faceid
            ).arrivals.recent
        ]
        for face in book.faces()
        if face.name
    }
    habits = {name: find_habit(some, zone, now) for name, some in begins.items()}
    by_time = {
        (granularity, measure): [
            (bucket - tenant.local_time.bucket_of(granularity, 24 * first_day), number)
            for (bucket, _), number in sorted(
                statistics._count_amounts(tenant, Question(span, granularity, measure)).items()
            )
        ]
        for granularity in (Granularity.HOUR, Granularity.DAY, Granularity.WEEK)
        for measure in Measure
    }
    weeks = [
        [figures for _, figures in book.services.sightings.weeks.count_week(tenant, monday).days]
        for monday in ((sunday + timedelta(days)).date() for days in (-6, 1))
    ]
    usual, today = statistics.find_usual(tenant), read_today(book.services, tenant, now)
    first = statistics.find_first_day(tenant)
    return {
        "statistics": by_time,
        "weeks": weeks,
        "closed days": [day - first_day for day in statistics.list_days_without_anybody(tenant)],
        "first day": first == day_text(first_day - 21),
        "usual": usual and usual.hours,
        "midnight": local(today.midnight),
        "habits": {
            name: (habit.weekdays, habit.every_days, habit.next_day and habit.next_day - first_day)
            for name, habit in habits.items()
        },
    }


@cache
def live(zone_name: str, sunday: datetime) -> dict[str, Any]:
    """Let a shop live, and return the answers with the absences that were told."""
    zone = ZoneInfo(zone_name)
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        book.services.tenants.change_settings("shop", {"time_zone": zone_name})
        hook = book.services.webhooks.hooks.add("shop", None, kinds=["face.overdue"])[0].id
        life = [(at.replace(tzinfo=zone).astimezone(UTC), who) for at, who in list_life(sunday)]
        book.clock.advance(life[0][0] - timedelta(days=2) - book.clock.now())
        book.enrol(Person(ANN), name="Ann")
        told: list[timedelta] = []
        overdue_from = sunday + timedelta(days=14)
        for at, who in life:
            while overdue_from.replace(tzinfo=zone) < at and overdue_from < sunday + timedelta(18):
                book.clock.advance(overdue_from.replace(tzinfo=zone) - book.clock.now())
                book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["absences"])
                outbox = book.services.webhooks.outbox
                if outbox.read_page("shop", hook, parked=False, limit=1).rows and not told:
                    told.append(overdue_from - sunday)
                overdue_from += timedelta(hours=1)
            book.clock.advance(max(at, book.clock.now()) - book.clock.now())
            book.see(Shot(at, (Person(who),)))
        return {"overdue": told, **list_answers(book, zone, sunday)}


@replays(60, "Automattic/wp-calypso 16186", "arp242/goatcounter 431")
@pytest.mark.parametrize("zone", ZONES)
def test_the_same_life_by_the_shops_clocks_gives_the_same_answers_in_each_zone(zone: str) -> None:
    sunday = datetime.combine(ZONES[zone], time())
    expected, found = live("UTC", sunday), live(zone, sunday)
    assert expected["closed days"] == [-22, -20, -13, -6, 1, 8, 15]
    assert expected["overdue"] == [timedelta(days=16, hours=12)], "Tuesday, not Monday"
    assert found == expected
