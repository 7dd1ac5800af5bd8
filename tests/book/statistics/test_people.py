"""The people of a time are those of its visits, by every door, over midnight, month, week and the
change of clocks: recounted by hand from the sightings."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.statistics.statistics import Question
from chalicelib.domain.captures import DEFAULT_GAP_S
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.observations import EVERYTHING, SIGHTINGS, Measure, Split
from chalicelib.domain.tenant_settings import FIRST_WEEKDAYS
from chalicelib.storage.values import milliseconds
from testing.reported import replays
from tests.support.book.book import Book, Shot
from tests.support.book.recount_statistics import time_of
from tests.support.examples import examples
from tests.support.fakes import Person

ZONES = (
    "America/Los_Angeles",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Pacific/Apia",
)
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday. In the weeks after it clocks change in Los Angeles, New York and Berlin, and in
Auckland."""
WEEKS = 6
GAP = timedelta(seconds=DEFAULT_GAP_S)


def draw_stays(draw: random.Random, zone: str) -> list[Shot]:
    """Draw stays of four people; half of them are over midnight there, some over that of a week."""
    shots = []
    for _ in range(14):
        day = FIRST.date() + timedelta(draw.choice([draw.randrange(7 * WEEKS), 6, 29, 13]))
        minute = draw.choice([draw.randrange(24 * 60), 24 * 60 - draw.randrange(30)])
        local = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
        begin = (local + timedelta(minutes=minute)).astimezone(UTC)
        who = Person(draw.randrange(1, 5), side_px=100.0)
        shots += [
            Shot(begin + number * timedelta(minutes=20), (who,))
            for number in range(draw.choice([1, 3, 4]))
        ]
    return shots


def list_visits(shots: list[Shot]) -> Iterator[tuple[datetime, int]]:
    """Yield begin and person of each visit: a sighting before which the gap is empty."""
    last_at: dict[int, datetime] = {}
    for one in sorted(shots, key=lambda one: one.at):
        [who] = one.people
        if who.seed not in last_at or one.at - last_at[who.seed] >= GAP:
            yield one.at, who.seed
        last_at[who.seed] = one.at


def recount(
    visits: list[tuple[datetime, int]], zone: str, by: Granularity, first_weekday: int
) -> dict[str, int]:
    people: dict[str, set[int]] = {}
    for at, who in visits:
        people.setdefault(time_of(at, zone, by, first_weekday), set()).add(who)
    return {time: len(some) for time, some in people.items()}


def span_of_days(zone: str, first: date, days: int) -> Span:
    begin, end = (
        datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
        for day in (first, first + timedelta(days))
    )
    return Span(milliseconds(begin), milliseconds(end) - 1)


def compare_doors(book: Book, zone: str, begins: str, visits: list[tuple[datetime, int]]) -> None:
    statistics, tenant = book.services.statistics, book.tenant
    first_weekday = FIRST_WEEKDAYS[begins]
    whole = span_of_days(zone, FIRST.date() - timedelta(7), 7 * (WEEKS + 2))
    for by in Granularity:
        question = Question(whole, by, Measure.PERSONS, wanted=SIGHTINGS)
        buckets = statistics.list_buckets(tenant, question)
        assert {one.time: sum(one.amounts.values()) for one in buckets} == recount(
            visits, zone, by, first_weekday
        )
    by_week, by_day = (
        recount(visits, zone, by, first_weekday) for by in (Granularity.WEEK, Granularity.DAY)
    )
    days_before = {"monday": 0, "sunday": 1, "saturday": 2}[begins]
    for number in range(WEEKS + 1):
        first = FIRST.date() + timedelta(7 * number - days_before)
        people = by_week.get(f"{first:%Y%m%d}", 0)
        told = book.services.sightings.weeks.count_week(tenant, first)
        assert told.total.people == people <= told.total.visits
        assert [figures.people for _, figures in told.days] == [
            by_day.get(f"{day:%Y%m%d}", 0) for day, _ in told.days
        ]
        span = span_of_days(zone, first, 7)
        assert statistics.count_totals(tenant, span, EVERYTHING, set()).persons == people
        visits_by_group, people_by_group = (
            statistics._count_amounts(
                tenant, Question(span, Granularity.WEEK, measure, Split.GROUP, SIGHTINGS)
            )
            for measure in (Measure.ARRIVALS, Measure.PERSONS)
        )
        assert people_by_group <= visits_by_group, "somebody may come as a stranger and a regular"
        assert people_by_group.total() >= people


@replays(59, "matomo 6217", "matomo 7014", "matomo 9156", "goaccess 755")
@examples(4, 170)
@given(
    st.randoms(use_true_random=False),
    *2 * [st.tuples(st.sampled_from(ZONES), st.sampled_from([*FIRST_WEEKDAYS]))],
)
def test_people_are_those_of_the_visits_by_every_door_in_any_zone(
    draw: random.Random, place: tuple[str, str], later_place: tuple[str, str]
) -> None:
    """Also once the tenant has another zone, or weeks that begin on another day.

    170 examples are 1,190 weeks, cut in two ways each.
    """
    zone, _ = place
    shots = draw_stays(draw, zone)
    visits = [*list_visits(shots)]
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        book.clock.advance(FIRST + timedelta(7 * WEEKS + 3) - book.clock.now())
        book.see(*shots)
        for its_zone, begins in (place, later_place):
            changes = {"time_zone": its_zone, "week_begins": begins}
            book.services.tenants.change_settings("shop", changes)
            compare_doors(book, its_zone, begins, visits)
            book.sweep()


def test_who_is_there_over_midnight_is_present_on_both_days_and_a_person_of_the_first(
    book: Book,
) -> None:
    sunday = datetime(2026, 3, 8, 23, 45, tzinfo=UTC)
    stays = [Shot(sunday + timedelta(minutes=10 * number), (Person(1),)) for number in range(6)]
    book.see(*stays)
    counted = {
        measure: [
            sum(bucket.amounts.values())
            for bucket in book.services.statistics.list_buckets(
                book.tenant,
                Question(
                    span_of_days("UTC", sunday.date(), 2),
                    Granularity.DAY,
                    measure,
                    wanted=SIGHTINGS,
                ),
                fill=True,
            )
        ]
        for measure in Measure
    }
    assert counted == {
        Measure.OBSERVATIONS: [2, 4],
        Measure.ARRIVALS: [1, 0],
        Measure.PERSONS: [1, 0],
        Measure.PRESENT: [1, 1],
    }
