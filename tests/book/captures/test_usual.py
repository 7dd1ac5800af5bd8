"""What is usual, and when a camera is quieter: the rule, a camera that follows it, and years of
shops."""

from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.cameras import CameraSettings, Silence, find_silence
from chalicelib.book.captures.captures import Shot
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import HOURS_PER_WEEK, hour_of_week, local_hour
from chalicelib.domain.opening import (
    DAYS,
    find_opening_hour,
    is_before_opening,
    parse_opening,
    write_opening,
)
from chalicelib.domain.rules.usual import (
    LEAST_WEEKS,
    Usual,
    count_expected,
    is_quieter,
    learn_usual,
    propose_hours,
)
from tests.support.book.book import MONDAY, Book
from tests.support.book.shop_years import MONDAY as DAY
from tests.support.book.shop_years import draw_year, judge_year
from tests.support.fakes import Person, picture

HOUR = 24 * DAY + 10
"""Ten o'clock on a Monday."""


def weekly(count: int, weeks: int, hours: tuple[int, ...] = (HOUR,)) -> dict[int, int]:
    return {hour - 7 * 24 * week: count for hour in hours for week in range(1, weeks + 1)}


def test_an_hour_has_the_mean_of_the_weeks_that_the_book_has() -> None:
    usual = learn_usual(weekly(12, 4), DAY)
    assert usual is not None
    assert (usual.people_at(HOUR), usual.week, usual.people_at(HOUR + 24)) == (12, 12, 0)
    assert learn_usual(weekly(100, 1), DAY) is None, "a week is not usual yet"
    assert learn_usual(weekly(1, 8), DAY) is None, "eight people are no habit"
    slow = learn_usual({**weekly(12, 8), HOUR - 7 * 24: 6, HOUR - 14 * 24: 6}, DAY)
    assert slow is not None
    assert slow.people_at(HOUR) == pytest.approx(6, abs=0.01), "the last two weeks were slower"


@given(st.floats(0, 400), st.floats(0, 400), st.sets(st.integers(0, HOURS_PER_WEEK - 1)))
def test_those_who_are_due_add_up(first: float, more: float, opening: set[int]) -> None:
    usual = Usual(tuple(float(hour % 7) for hour in range(HOURS_PER_WEEK)))
    middle, end = HOUR + first, HOUR + first + more
    parts = count_expected(usual, HOUR, middle, opening) + count_expected(
        usual, middle, end, opening
    )
    assert count_expected(usual, HOUR, end, opening) == pytest.approx(parts, abs=1e-6)
    assert count_expected(usual, HOUR, HOUR + HOURS_PER_WEEK, opening) == sum(
        usual.hours[hour] for hour in opening
    )


def test_nobody_is_missed_while_the_shop_is_closed() -> None:
    usual = Usual(tuple(30.0 if 8 <= hour % 24 < 19 else 0.0 for hour in range(HOURS_PER_WEEK)))
    assert is_quieter(usual, HOUR, HOUR + 1)
    assert not is_quieter(usual, HOUR, HOUR + 0.1)
    assert not is_quieter(usual, HOUR, HOUR + 5, parse_opening("Tue-Sun 08:00-19:00"))
    assert not is_quieter(Usual((0.0,) * HOURS_PER_WEEK), HOUR, HOUR + 10_000)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", 168),
        ("08:00-19:00", 77),
        ("Mon-Fri 08:00-19:00, Sat 09:00-14:00", 60),
        ("Fri-Mon 10:30-12:15", 12),
        ("Sun 22:00-02:00", 4),
        ("Mon 00:00-24:00", 24),
    ],
)
def test_opening_hours_are_read(text: str, hours: int) -> None:
    assert len(parse_opening(text)) == hours


def test_hours_behind_midnight_are_of_the_next_day() -> None:
    assert sorted(parse_opening("Sun 22:00-02:00")) == [0, 1, 166, 167]
    assert hour_of_week(HOUR) == 10


def test_a_shop_has_not_opened_yet_before_its_first_hour_and_on_a_day_on_which_it_is_closed() -> (
    None
):
    text = "Mon-Sat 09:00-12:00, Mon-Sat 14:00-19:00"
    assert [hour for hour in range(24) if is_before_opening(text, hour)] == [*range(9)]
    assert [hour for hour in range(144, 168) if is_before_opening(text, hour)] == [*range(144, 168)]
    assert not any(is_before_opening("", hour) for hour in range(168))


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", [8] * 7),
        ("00:00-24:00", [8] * 7),
        ("07:30-12:00, 14:00-18:00", [7] * 7),
        ("Mon-Fri 09:00-12:00, Sat 10:00-14:00", [9, 9, 9, 9, 9, 10, None]),
        ("Fri-Sat 18:00-02:00", [None, None, None, None, 18, 18, None]),
    ],
)
def test_a_shop_opens_in_the_first_open_hour_of_a_day(text: str, hours: list[int | None]) -> None:
    assert [find_opening_hour(text, day) for day in range(7)] == hours


@pytest.mark.parametrize(
    "text", ["always", "Mo 08:00-19:00", "Mon 8-19", "Mon 08:00-25:00", "Mon 08:60-09:00", ","]
)
def test_other_hours_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(
        InvalidInput, match="opening hours are as `Mon-Fri 08:00-19:00, Sat 09:00-14:00`"
    ):
        parse_opening(text)


days = st.none() | st.tuples(st.integers(0, 11), st.integers(12, 24))


@given(st.lists(days, min_size=7, max_size=7).filter(any))
def test_what_is_written_is_read(week: list[tuple[int, int] | None]) -> None:
    hours = {24 * day + hour for day, span in enumerate(week) if span for hour in range(*span)}
    assert parse_opening(write_opening(week)) == hours
    assert len(DAYS) == 7


def test_opening_hours_are_proposed_by_hours_on_which_several_weeks_agree() -> None:
    open_hours = [24 * (DAY + day) + hour for day in range(6) for hour in range(8, 19)]
    early = {24 * (DAY - 7 * week + 1) + 6: 9 for week in (1, 3)}
    """Nine people on two Tuesdays at six."""
    for weeks, hours in ((2, ""), (3, "Mon-Sat 08:00-19:00"), (8, "Mon-Sat 08:00-19:00")):
        usual = learn_usual(weekly(3, weeks, tuple(open_hours)) | early, DAY)
        assert usual is not None
        assert write_opening(propose_hours(usual)) == hours
    third = {24 * (DAY - 7 * 5 + 1) + 6: 9}
    usual = learn_usual(weekly(3, 8, tuple(open_hours)) | early | third, DAY)
    assert usual is not None
    assert "Tue 06:00-19:00" in write_opening(propose_hours(usual))


visited = st.tuples(st.integers(1, 8), st.integers(0, 2), st.integers(6, 12))
"""A week ago, a weekday and an hour."""


@given(st.dictionaries(visited, st.integers(0, 40), min_size=30))
def test_hours_that_are_proposed_begin_and_end_with_one_in_which_three_weeks_had_people(
    people: dict[tuple[int, int, int], int],
) -> None:
    usual = learn_usual(
        {24 * (DAY - 7 * week + day) + hour: count for (week, day, hour), count in people.items()},
        DAY,
    )
    weeks = Counter(24 * day + hour for (_, day, hour), count in people.items() if count)
    for day, span in enumerate(propose_hours(usual) if usual else ()):
        if span:
            assert min(weeks[24 * day + span[0]], weeks[24 * day + span[1] - 1]) >= LEAST_WEEKS


@pytest.mark.parametrize(("people", "days", "seeds"), [(5, 365, 4), (30, 365, 2), (300, 240, 1)])
def test_a_camera_that_works_is_called_quiet_once_a_month_at_most(
    people: float, days: int, seeds: int
) -> None:
    """Holidays, vacation and a slow summer included; `python -m tests.support.book.shop_years` has
    more of them."""
    years = [judge_year(draw_year(people, seed, days)) for seed in range(seeds)]
    months, hours = sum(one.months for one in years), sum(one.hours for one in years)
    assert sum(one.alarms.total() for one in years) <= months
    assert sum(one.alarms[False] for one in years) <= max(months / 3, 1), "most are of closed days"
    quiet = sum(one.quiet_hours for one in years)
    assert (quiet - sum(one.reopened_hours for one in years)) / hours <= 0.002
    assert sum(one.silent_hours for one in years) > 20 * quiet, "what the rule of before said"


def test_a_camera_without_heartbeats_is_quiet_by_its_own_usual_week(book: Book) -> None:
    services, zone = book.services, ZoneInfo(book.tenant.time_zone)
    services.cameras.add(book.tenant, "api", "api", CameraSettings())

    def see(at: datetime) -> None:
        camera = services.cameras.get(book.tenant, "api")
        services.cameras.note_last_seen(book.tenant, camera, at)
        capture = services.captures.store_shot(
            book.tenant, Shot("api", picture(Person(number)), "image/jpeg", at)
        )
        services.sightings.ingest.resolve_capture(book.tenant.name, "api", capture.id)

    number = 0
    for day in range(21):
        for minute in range(0, 600, 75):
            number += 1
            at = MONDAY + timedelta(days=day, minutes=minute)
            book.clock.advance(at - book.clock.now())
            see(at)

    def state(**later: float) -> Silence | None:
        camera = services.cameras.get(book.tenant, "api")
        return find_silence(camera, book.tenant, book.clock.now() + timedelta(**later))

    assert state(days=9) is None, "nobody knows yet what is usual"
    services.cameras.learn_usual(book.tenant)
    camera = services.cameras.get(book.tenant, "api")
    assert sum(camera.usual) == 7 * 8 * 100
    assert (state(hours=1), state(days=1), state(days=3)) == (None, None, Silence.QUIET)
    assert local_hour(MONDAY, zone) == 24 * (MONDAY.date().toordinal() - 719_163) + MONDAY.hour
    services.cameras.note_heartbeat(book.tenant, camera, None)
    assert state(minutes=11) is Silence.SILENT, (
        "a sender with heartbeats is silent after its minutes"
    )
    later = book.clock.now() + timedelta(hours=1)
    watched = services.cameras.list_watched(book.tenant, later)
    assert [one.id for one, silence in watched if silence] == ["api", "door"]
    services.cameras.mute(book.tenant, later + timedelta(hours=9))
    assert services.cameras.list_watched(book.tenant, later) == []
    services.cameras.delete(book.tenant, "api")
    services.cameras.add(book.tenant, "api", "api", CameraSettings())
    see(book.clock.now())
    services.cameras.learn_usual(book.tenant)
    again = services.cameras.get(book.tenant, "api")
    assert again.usual == (), "that was another camera's week"
