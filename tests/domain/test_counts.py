"""Minutes join in any order, and are the hours and days that they lie in."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.counts import (
    MAX_CROSSINGS,
    MINUTES,
    MINUTES_KEPT,
    Count,
    CountedMinute,
    add_counts,
    choose_count,
    group_by_day,
    join_counts,
    list_local_hours,
    part_entries,
    require_line,
    require_minutes,
    sum_hours,
)
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import DAY_MS, LocalTime
from chalicelib.storage.records.counts import pack_counts, unpack_counts
from tests.support.examples import examples

NOW = datetime(2026, 3, 2, 12, 30, 40, tzinfo=UTC)
AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@st.composite
def counts(draw: st.DrawFn) -> Count:
    seconds = draw(st.sampled_from([0, 30, 60]))
    if draw(st.booleans()):
        return Count(seconds)
    entries = draw(st.integers(0, 3))
    return Count(seconds, entries, draw(st.integers(0, 3)), draw(st.integers(0, entries)))


day_counts = st.dictionaries(st.integers(0, 3), counts(), max_size=4)


@given(one=day_counts, two=day_counts, three=day_counts)
def test_minutes_join_in_any_order_and_however_often(
    one: dict[int, Count], two: dict[int, Count], three: dict[int, Count]
) -> None:
    joined = join_counts(join_counts(one, two), three)
    for first, second, third in permutations([one, two, three]):
        assert join_counts(first, join_counts(second, third)) == joined
    assert join_counts(joined, one) == joined == join_counts(joined, joined)


def test_of_two_reports_the_longer_watched_stays_then_numbers_then_the_larger() -> None:
    in_order = [
        Count(0),
        Count(0, 1, 0, 0),
        Count(59, 9, 9, 9),
        Count(60),
        Count(60, 0, 0, 0),
        Count(60, 0, 1, 0),
        Count(60, 1, 0, 0),
        Count(60, 1, 0, 1),
    ]
    for worse, better in pairwise(in_order):
        assert choose_count(worse, better) == better == choose_count(better, worse)


@pytest.mark.parametrize(
    ("minute", "says"),
    [
        (CountedMinute(AT + timedelta(seconds=1), Count(60, 1, 1, 1)), "begins at its second 0"),
        (CountedMinute(AT + timedelta(minutes=36), Count(60, 1, 1, 1)), "ahead of"),
        (CountedMinute(AT - MINUTES_KEPT, Count(60, 1, 1, 1)), "30 days old"),
        (CountedMinute(AT, Count(61, 1, 1, 1)), "seconds is 0 to 60"),
        (CountedMinute(AT, Count(60, 1, None, 1)), "all three are null"),
        (CountedMinute(AT, Count(60, None, 0, 0)), "all three are null"),
        (CountedMinute(AT, Count(60, MAX_CROSSINGS + 1, 0, 0)), "0 to 1,000"),
        (CountedMinute(AT, Count(60, 0, -1, 0)), "0 to 1,000"),
        (CountedMinute(AT, Count(60, 1, 0, 2)), "0 to in"),
    ],
)
def test_a_minute_that_nobody_can_have_counted_is_refused_by_its_index(
    minute: CountedMinute, says: str
) -> None:
    good = CountedMinute(AT, Count(60, 3, 1, 2))
    with pytest.raises(InvalidInput, match=says) as refused:
        require_minutes([good, minute], NOW)
    assert refused.value.index == 1


def test_what_may_be_counted_is_taken() -> None:
    oldest = AT - MINUTES_KEPT + timedelta(minutes=31)
    newest = AT + timedelta(minutes=35)
    require_minutes([CountedMinute(at, Count(60)) for at in (oldest, AT, newest)], NOW)
    for number in (0, MINUTES[-1] + 1):
        with pytest.raises(InvalidInput, match="minutes at a time"):
            require_minutes([CountedMinute(AT, Count())] * number, NOW)


def test_the_same_minute_twice_in_a_report_is_joined() -> None:
    twice = [CountedMinute(AT, Count(20, 5, 0, 0)), CountedMinute(AT, Count(60, 1, 0, 0))]
    assert [*group_by_day(twice).values()] == [{720: Count(60, 1, 0, 0)}]


def test_a_line_is_long_enough_to_be_crossed_and_has_room_beside_it() -> None:
    require_line([[0.5, 0.5], [0.5, 0.56]])
    with pytest.raises(InvalidInput, match=r"at least 0\.05 long"):
        require_line([[0.5, 0.5], [0.52, 0.52]])
    with pytest.raises(InvalidInput, match=r"a person has room on both sides"):
        require_line([[0.0, 0.05], [1.0, 0.05]])


def test_a_day_of_any_counts_is_packed_in_64_kib_and_read_again() -> None:
    chance = random.Random(1)
    day = {
        minute: Count(chance.randrange(61), *(chance.randrange(MAX_CROSSINGS) for _ in range(3)))
        for minute in range(1_440)
    }
    day[7] = Count(30)
    assert unpack_counts(pack_counts(day)) == day
    assert len(pack_counts(day)) <= 64 * 1024
    assert pack_counts(dict(reversed(day.items()))) == pack_counts(day)


ZONES = (
    ("America/Los_Angeles", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Europe/Berlin", "2026-10-25"),
    ("Asia/Kolkata", "2026-10-25"),
    ("Pacific/Auckland", "2026-04-05"),
    ("Pacific/Apia", "2011-12-30"),
    ("Australia/Lord_Howe", "2026-04-05"),
)


@pytest.mark.parametrize(("zone", "change"), ZONES)
@examples(3, 30)
@given(seed=st.integers(0, 99))
def test_hours_are_their_minutes_over_a_change_of_clocks(zone: str, change: str, seed: int) -> None:
    chance, local = random.Random(seed), LocalTime(zone)
    changed_on = int(datetime.fromisoformat(f"{change}T00:00Z").timestamp() * 1000) // DAY_MS
    for day in range(changed_on - 1, changed_on + 2):
        stretches = list(list_local_hours(day, local))
        assert [minute for minutes, _ in stretches for minute in minutes] == [*range(1_440)]
        of_hour = {minute: hour for minutes, hour in stretches for minute in minutes}
        minutes = {
            minute: Count(60, *chance.choices(range(9), k=2), 0)
            for minute in chance.sample(range(1_440), 300)
        }
        minutes[0] = Count(60)
        sums: dict[int, Count] = {}
        for minute, count in minutes.items():
            hour = of_hour[minute]
            sums[hour] = add_counts(sums.get(hour, Count()), count)
        hours = Counter(of_hour[minute] for minute in sum_hours(day, minutes, local))
        read: dict[int, Count] = {}
        for minute, count in sum_hours(day, minutes, local).items():
            read[of_hour[minute]] = add_counts(read.get(of_hour[minute], Count()), count)
        assert read == {hour: count for hour, count in sums.items() if count.numbers}
        assert max(hours.values()) <= 2  # an hour that comes twice
        again = sum_hours(day, sum_hours(day, minutes, local), local)
        assert again == sum_hours(day, minutes, local)


def test_entries_are_parted_and_staff_is_taken_off() -> None:
    count = Count(3_600, 10, 4, 6)
    parted = part_entries(count, known=2, staff=3)
    assert parted is not None
    assert parted._asdict() == {
        "known": 2,
        "not_known": 1,
        "faceless": 4,
        "staff": 3,
        "exits": 4,
        "watched_s": 3_600,
    }
    assert parted.entries == 7
    many = part_entries(count, known=99, staff=99)
    assert many is not None
    assert (many.entries, many.known, many.staff) == (0, 0, 10)
    assert part_entries(Count(60), known=2, staff=1) is None
