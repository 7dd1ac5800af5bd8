"""Inside are those who came in less those who went out since it opened, never less than nobody."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.counts import Correction, Count, Place
from chalicelib.domain.local_time import LocalTime, Span
from chalicelib.domain.opening import parse_opening
from chalicelib.domain.rules.inside import (
    Occupancy,
    Opening,
    is_full_now,
    list_openings,
    replay,
)
from chalicelib.storage.values import milliseconds, moment

DAY = timedelta(days=1)


def openings_of(text: str, zone: str, first: str, days: int) -> list[tuple[str, str | None]]:
    begin = datetime.fromisoformat(f"{first}T12:00Z")
    span = Span(milliseconds(begin), milliseconds(begin + days * DAY))
    found = list_openings(parse_opening(text), LocalTime(zone), span)
    return [
        (
            f"{moment(one.first_ms):%d %H:%M}",
            None if one.end_ms is None else f"{moment(one.end_ms):%d %H:%M}",
        )
        for one in found
    ]


def test_a_shop_opens_and_closes_by_its_own_clocks() -> None:
    # clocks go forward on Sunday, the 29th
    assert openings_of("Sat-Mon 09:00-19:00", "Europe/Berlin", "2026-03-27", 3) == [
        ("28 08:00", "28 18:00"),
        ("29 07:00", "29 17:00"),
        ("30 07:00", None),
    ]
    assert openings_of("18:00-02:00", "Europe/Berlin", "2026-03-27", 2) == [
        ("27 17:00", "28 01:00"),
        ("28 17:00", "29 01:00"),  # 02:00 is 03:00
    ]
    assert openings_of("09:00-12:00, 14:00-18:00", "Asia/Kolkata", "2026-03-27", 1) == [
        ("28 03:30", "28 06:30"),
        ("28 08:30", None),
    ]


def test_an_hour_that_comes_twice_opens_a_shop_once() -> None:
    # clocks go back by two hours, from 03:00 to 01:00
    assert openings_of("02:00-20:00", "Antarctica/Troll", "2026-10-24", 1) == [("25 00:00", None)]


def test_a_shop_that_never_closes_begins_anew_at_midnight() -> None:
    # clocks go back on Sunday, the 25th: that day has 25 hours
    assert openings_of("", "Europe/Berlin", "2026-10-23", 3) == [
        ("23 22:00", "24 22:00"),
        ("24 22:00", "25 23:00"),
        ("25 23:00", None),
    ]
    # the 30th did not happen
    assert openings_of("", "Pacific/Apia", "2011-12-28", 3) == [
        ("29 10:00", "30 10:00"),
        ("30 10:00", "31 10:00"),
        ("31 10:00", None),
    ]
    assert openings_of(
        "Mon 06:00-24:00, Tue-Wed, Thu 00:00-20:00".replace("Tue-Wed,", "Tue-Wed 00:00-24:00,"),
        "UTC",
        "2026-03-01",
        5,
    ) == [
        ("02 06:00", "04 00:00"),
        ("04 00:00", "05 00:00"),
        ("05 00:00", "05 20:00"),
    ]


MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
OPENING = Opening(milliseconds(MORNING), None, 20_514)


def at(minutes: float) -> int:
    return milliseconds(MORNING + timedelta(minutes=minutes))


def count_inside(
    minutes: list[tuple[float, int, int]], corrections: tuple[Correction, ...] = ()
) -> Occupancy:
    return replay(
        OPENING,
        [(at(when), Count(60, came, went, 0)) for when, came, went in minutes],
        corrections,
        open_s=0,
    )


def test_nobody_is_the_least_and_what_is_dropped_is_told() -> None:
    seen = count_inside([(0, 0, 2), (1, 3, 0), (2, 0, 1), (-5, 50, 0)])
    assert (seen.left, seen.dropped, seen.most, seen.entries, seen.exits) == (2, 2, 3, 3, 3)


def test_who_comes_and_goes_in_one_minute_was_inside() -> None:
    assert count_inside([(0, 2, 2)]).dropped == 0


def test_a_correction_holds_from_the_end_of_its_minute() -> None:
    said = Correction(MORNING + timedelta(minutes=2, seconds=30), 12, "key 7")
    seen = count_inside([(1, 20, 0), (2, 5, 0), (3, 1, 2), (2, 0, 1)], (said,))
    assert (seen.left, seen.corrected, seen.most) == (11, -12, 24)
    assert [(one.correction, one.change) for one in seen.corrections] == [(said, -12)]


@given(seed=st.integers(0, 10_000))
def test_left_is_always_explained_and_any_order_is_the_same(seed: int) -> None:
    chance = Random(seed)
    minutes = [
        (float(when), chance.randrange(4), chance.randrange(4)) for when in range(30) for _ in "ab"
    ]
    corrections = tuple(
        Correction(MORNING + timedelta(minutes=chance.uniform(0, 30)), chance.randrange(9), "key 1")
        for _ in range(chance.randrange(4))
    )
    seen = count_inside(minutes, corrections)
    assert seen.left == seen.entries - seen.exits + seen.dropped + seen.corrected >= 0
    assert seen.most >= seen.left
    assert count_inside(chance.sample(minutes, len(minutes)), corrections) == seen


def test_a_place_is_full_once_and_free_once() -> None:
    place = Place("1", "Shop", ("door",), full_at=10, free_at=7)
    full = Place("1", "Shop", ("door",), full_at=10, free_at=7, is_full=True)
    assert [is_full_now(place, inside) for inside in (9, 10, 11)] == [False, True, True]
    assert [is_full_now(full, inside) for inside in (9, 8, 7)] == [True, True, False]
    assert not is_full_now(Place("1", "Shop", ("door",), is_full=True), 99)
