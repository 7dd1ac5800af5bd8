from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import (
    DAY_MS,
    HOUR_MS,
    LAST_SECOND,
    Granularity,
    LocalTime,
    Span,
    day_number,
    day_text,
    require_zone,
    time_key,
)
from chalicelib.domain.tenant_settings import FIRST_WEEKDAYS, StoredSettings, TenantSettings
from tests.support.book.recount_statistics import time_of

CHANGES = {
    "Australia/Lord_Howe": ["2018-03-31", "2018-10-06"],
    "America/Sao_Paulo": ["2018-02-18", "2018-11-04"],
    "Atlantic/Azores": ["2018-03-25", "2018-10-28"],
    "America/St_Johns": ["2010-03-14", "2010-11-07"],
    "Pacific/Apia": ["2011-12-30", "2012-04-01"],
    "Asia/Kathmandu": ["2020-01-01"],
    "Asia/Shanghai": ["1986-05-03", "2024-02-29"],
    "Africa/Monrovia": ["1972-01-07"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
}
"""Zones, with days around which their clocks do odd things."""


def by_the_clock(second: float, zone: str, granularity: Granularity, first_weekday: int) -> str:
    """TIME as the standard library's clock shows it."""
    at = datetime.fromtimestamp(second, UTC)
    return time_of(at, zone, granularity, first_weekday)


first_weekdays = st.sampled_from([*FIRST_WEEKDAYS.values()])
places = st.sampled_from([(zone, day) for zone, days in CHANGES.items() for day in days])
around = st.integers(-3 * 86_400, 3 * 86_400)


def second_of(day: str, shift_s: int) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) + shift_s


@settings(max_examples=300, deadline=None)
@given(
    places, st.lists(around, min_size=1, max_size=20), st.sampled_from(Granularity), first_weekdays
)
def test_every_instant_is_in_the_bucket_that_the_clock_shows(
    place: tuple[str, str], shifts: list[int], granularity: Granularity, first_weekday: int
) -> None:
    zone, day = place
    seconds = [second_of(day, shift) for shift in shifts]
    local = LocalTime(zone, first_weekday)

    hours = local.find_hours(np.array(seconds, np.int64) * 1000)

    keys = [time_key(granularity, local.bucket_of(granularity, int(hour))) for hour in hours]
    assert keys == [by_the_clock(second, zone, granularity, first_weekday) for second in seconds]


@settings(max_examples=60, deadline=None)
@given(places, around, st.integers(0, 3 * 86_400), st.sampled_from(Granularity), first_weekdays)
def test_buckets_of_a_span_are_those_that_the_clock_shows_minute_by_minute(
    place: tuple[str, str],
    shift: int,
    length_s: int,
    granularity: Granularity,
    first_weekday: int,
) -> None:
    zone, day = place
    start = second_of(day, shift)
    end = start + length_s

    span = Span.of_seconds(start, end)
    buckets = LocalTime(zone, first_weekday).list_buckets(granularity, span)

    minutes = {start, end, *range(start - start % 30, end, 30)} - {start - start % 30} | {start}
    assert [time_key(granularity, bucket) for bucket in buckets] == sorted(
        {by_the_clock(second, zone, granularity, first_weekday) for second in minutes}
    )


@settings(max_examples=100, deadline=None)
@given(places, st.integers(-2, 3))
def test_pieces_of_a_local_day_are_exactly_its_instants(place: tuple[str, str], shift: int) -> None:
    zone, day = place
    local, number = LocalTime(zone), day_number(day.replace("-", "")) + shift

    pieces = local.pieces_of(number)

    minutes = np.arange((number - 2) * DAY_MS, (number + 3) * DAY_MS, 30_000)
    inside = np.zeros(len(minutes), bool)
    for piece in pieces:
        inside |= (piece.first_ms <= minutes) & (minutes <= piece.last_ms)
        edges = np.array([piece.first_ms, piece.last_ms])
        assert set(local.find_hours(edges) // 24) == {number}
    assert ((local.find_hours(minutes) // 24 == number) == inside).all()


@pytest.mark.parametrize(
    ("begins", "weeks"),
    [
        ("monday", ["20251229", "20251229", "20260105"]),
        ("sunday", ["20251228", "20260104", "20260104"]),
        ("saturday", ["20260103", "20260103", "20260103"]),
    ],
)
def test_a_week_is_named_after_its_first_day(begins: str, weeks: list[str]) -> None:
    local, saturday = LocalTime("UTC", FIRST_WEEKDAYS[begins]), day_number("20260103")
    assert weeks == [
        time_key(Granularity.WEEK, local.bucket_of(Granularity.WEEK, (saturday + day) * 24))
        for day in range(3)
    ]


@pytest.mark.parametrize(
    ("language", "begins"),
    [
        *((language, "monday") for language in ("en", "zh", "de", "es", "fr", "it", "nl")),
        ("pt", "sunday"),
        ("ar", "saturday"),
        ("tlh", "monday"),
    ],
)
def test_a_new_tenants_weeks_begin_as_its_language_has_it_until_they_are_set(
    language: str, begins: str
) -> None:
    """By CLDR's weekData; English says nothing. An older tenant's begin on Monday, as they did."""
    new_settings = TenantSettings()
    by_language = StoredSettings(week_begins=new_settings.week_begins, language=language)
    assert by_language.first_weekday == FIRST_WEEKDAYS[begins]
    assert StoredSettings(language=language).first_weekday == FIRST_WEEKDAYS["monday"]
    was_set = StoredSettings(week_begins="sunday", language=language)
    assert was_set.first_weekday == FIRST_WEEKDAYS["sunday"]


def test_days_are_numbered_as_they_are_written() -> None:
    for number in (0, 59, 11_016, 20_000, 115_740):
        assert date(1970, 1, 1) + timedelta(number) == date.fromisoformat(day_text(number))
        assert day_number(day_text(number)) == number


@pytest.mark.parametrize(
    ("granularity", "longest_s"), [(Granularity.HOUR, 3600), (Granularity.DAY, 86_400)]
)
def test_ten_thousand_buckets_are_listed_and_one_more_is_an_error(
    granularity: Granularity, longest_s: int
) -> None:
    shanghai, start = LocalTime("Asia/Shanghai"), second_of("2000-01-01", 16 * 3600)
    fits = Span.of_seconds(start, start + 10_000 * longest_s - 1)

    assert len(shanghai.list_buckets(granularity, fits)) == 10_000
    with pytest.raises(InvalidInput, match="10000"):
        shanghai.list_buckets(granularity, Span(fits.first_ms, fits.last_ms + 1))
    with pytest.raises(InvalidInput):
        shanghai.list_buckets(granularity, Span.of_seconds(0, LAST_SECOND))


def test_end_before_start_and_times_in_milliseconds_are_refused() -> None:
    for start, end in (
        (5, 4),
        (-1, 4),
        (0, LAST_SECOND + 1),
        (1_767_225_600_000, 1_767_225_600_001),
    ):
        with pytest.raises(InvalidInput):
            Span.of_seconds(start, end)
    assert Span.of_seconds(7, 7) == Span(7000, 7999)


def test_zone_has_an_iana_name() -> None:
    assert require_zone("America/Argentina/Buenos_Aires")
    for name in (
        "",
        "Mars/Olympus",
        "../etc/passwd",
        "/usr/share/zoneinfo/UTC",
        "localtime",
        "asia/shanghai",
        "+08:00",
    ):
        with pytest.raises(InvalidInput):
            require_zone(name)


@settings(max_examples=200, deadline=None)
@given(places, around, st.integers(0, 3 * 86_400), st.integers(0, 3_599), st.integers(0, 3_599))
def test_spans_that_begin_and_end_in_the_same_hours_are_widened_to_the_same(
    place: tuple[str, str], shift: int, length_s: int, later_s: int, longer_s: int
) -> None:
    zone, day = place
    local = LocalTime(zone)
    asked = Span.of_seconds(second_of(day, shift), second_of(day, shift) + length_s)
    wide = local.widen_to_hours(asked)
    assert wide.holds(asked)
    assert wide.last_ms - wide.first_ms < asked.last_ms - asked.first_ms + 2 * HOUR_MS
    first_ms, last_ms = asked.first_ms + 1000 * later_s, asked.last_ms + 1000 * longer_s
    if first_ms > last_ms:
        return
    other = Span(first_ms, last_ms)
    is_same = [
        (local.find_hours(np.array([one]))[0], local.divide_span(Span(one, one))[0].offset_ms)
        == (local.find_hours(np.array([two]))[0], local.divide_span(Span(two, two))[0].offset_ms)
        for one, two in ((asked.first_ms, first_ms), (asked.last_ms, last_ms))
    ]
    widened = local.widen_to_hours(other)
    assert not is_same[0] or widened.first_ms == wide.first_ms
    assert not is_same[1] or widened.last_ms == wide.last_ms


def test_a_span_is_widened_to_the_hours_of_the_clock() -> None:
    asked = Span.of_seconds(second_of("2026-03-01", 917), second_of("2026-03-01", 4_000))
    assert LocalTime("UTC").widen_to_hours(asked) == Span.of_seconds(
        second_of("2026-03-01", 0), second_of("2026-03-01", 7_199)
    )
    assert LocalTime("Asia/Kathmandu").widen_to_hours(asked) == Span.of_seconds(
        second_of("2026-03-01", 900), second_of("2026-03-01", 4_499)
    )
