"""Minutes join in any order, and are the hours and days that they lie in."""

import random
import struct
import zlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.counts import (
    MAX_CROSSINGS,
    MINUTE_MS,
    MINUTES,
    MINUTES_KEPT,
    WAITS_HOURS,
    WHYS,
    Count,
    CountedMinute,
    Doubts,
    Entries,
    Staff,
    SummedDay,
    Void,
    add_counts,
    choose_count,
    cut_voids,
    expect_seconds,
    group_by_day,
    is_whole,
    join_counts,
    join_voids,
    list_local_hours,
    list_void_minutes,
    part_by_faces,
    part_entries,
    require_line,
    require_minutes,
    sum_hours,
)
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import DAY_MS, LocalTime, Span
from chalicelib.domain.opening import list_open_seconds
from chalicelib.storage.records.counts import (
    hours_item,
    pack_counts,
    summed_day_from,
    unpack_counts,
)
from chalicelib.storage.values import milliseconds
from tests.support.examples import examples

NOW = datetime(2026, 3, 2, 12, 30, 40, tzinfo=UTC)
AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@st.composite
def counts(draw: st.DrawFn) -> Count:
    seconds = draw(st.sampled_from([0, 30, 60]))
    if draw(st.booleans()):
        why = draw(st.sampled_from([None, *WHYS]))
        sure = (draw(st.integers(0, 2)), draw(st.integers(0, 2))) if why else (0, 0)
        return Count(seconds, doubts=Doubts.of_minute(why, *sure))
    entries = draw(st.integers(0, 3))
    return Count(seconds, entries, draw(st.integers(0, 3)), draw(st.integers(0, entries)))


def dark(seconds: int, entries: int = 0, exits: int = 0) -> Count:
    return Count(seconds, doubts=Doubts.of_minute("dark", entries, exits))


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
        dark(59, 9, 9),
        Count(59, 9, 9, 9),
        Count(60),
        dark(60),
        dark(60, 1),
        dark(60, 1, 1),
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
        (CountedMinute(AT, dark(60)._replace(entries=1, exits=0, faces=0)), "send null, or leave"),
        (CountedMinute(AT, dark(60, MAX_CROSSINGS + 1)), "sure_in and sure_out are 0 to 1,000"),
        (CountedMinute(AT, dark(60, 1, -1)), "sure_in and sure_out are 0 to 1,000"),
        (CountedMinute(AT, Count(60, doubts=Doubts(entries=1))), "say why, or leave them out"),
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
    require_minutes([CountedMinute(AT, dark(60, MAX_CROSSINGS, MAX_CROSSINGS))], NOW)
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
    for minute, why in enumerate(WHYS, 8):
        sure = chance.choices((0, 1, MAX_CROSSINGS), k=2)
        day[minute] = Count(20, doubts=Doubts.of_minute(why, *sure))
    assert unpack_counts(pack_counts(day)) == day
    assert len(pack_counts(day)) <= 64 * 1024
    assert pack_counts(dict(reversed(day.items()))) == pack_counts(day)


def test_a_doubted_minute_is_unknown_to_the_version_of_before_and_stored_as_it_stored_it() -> None:
    """That one knows entries of 0 alone, and what lies behind it is 0."""
    minutes, stored = {3: dark(20, 7, 1), 4: Count(30)}, struct.Struct("<HHIII")
    rows = [*stored.iter_unpack(zlib.decompress(pack_counts(minutes)))]
    assert [row[:3] for row in rows] == [(3, 20, 0), (4, 30, 0)]
    assert rows[1][3:] == (0, 0)
    of_later = zlib.compress(stored.pack(3, 20, 0, len(WHYS) + 1, 7))
    assert unpack_counts(of_later) == {3: Count(20)}, "a reason that this version does not know"


def test_a_minute_is_doubted_for_each_reason_there_is() -> None:
    for why in WHYS:
        assert Doubts.of_minute(why, 0, 0).minutes == {why: 1}


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


@given(seed=st.integers(0, 10_000))
def test_void_minutes_of_a_summed_day_come_back_hour_by_hour(seed: int) -> None:
    """Whatever was void as each part was summed, which may come again and again."""
    chance, day, local = random.Random(seed), 20_514, LocalTime(ZONES[seed % len(ZONES)])
    minutes = {minute: Count(60, chance.randrange(9), 1, 0) for minute in range(0, 600, 7)}
    summed = SummedDay()
    for _ in range(4):
        part = {one: minutes[one] for one in chance.sample([*minutes], 50)}
        void_minutes = set(chance.sample([*minutes], chance.randrange(40)))
        summed = summed.add(day, part, void_minutes, local)
        summed = summed_day_from(hours_item("shop#hours", day, "door", summed))
    told = {one: minutes[one] for one in summed.all_minutes}
    assert summed.forget(()) == sum_hours(day, told, local)
    never = {one: minutes[one] for one in summed.minutes}
    valid = {one: count for one, count in summed.forget(summed.held_minutes).items() if count[0]}
    assert valid == sum_hours(day, never, local), "as long as they are void"


ZONES = ("UTC", "Asia/Kathmandu", "Australia/Eucla")


def test_entries_are_parted_and_staff_is_taken_off() -> None:
    count = Count(3_600, 10, 4, 6)
    parted = part_entries(count, known=2, staff=3)
    assert parted._asdict() == {
        "known": 2,
        "not_known": 1,
        "faceless": 4,
        "staff": 3,
        "exits": 4,
        "watched_s": 3_600,
        "open_s": 0,
        "doubts": Doubts(),
    }
    assert parted.entries == 7
    many = part_entries(count, known=99, staff=99)
    assert (many.entries, many.known, many.staff) == (0, 0, 10)
    assert part_entries(Count(60), known=2, staff=1) == Entries(), "nobody knows"
    doubted = dark(20, 7)
    assert part_entries(doubted, known=2, staff=1) == Entries(doubts=doubted.doubts)


def test_staff_are_left_out_or_known_or_not_told() -> None:
    count = Count(3_600, 10, 4, 6)
    left_out, known, untold = (part_by_faces(count, 2, 3, counted) for counted in Staff)
    assert left_out == part_entries(count, 2, 3)
    assert (known.entries, known.known, known.staff) == (10, 5, 0)
    assert (untold.entries, untold.known, untold.staff) == (10, 2, 0)
    assert untold == part_by_faces(count, 2, 0, Staff.UNTOLD), "with and without her"


def test_a_time_is_whole_from_nine_tenths_on() -> None:
    assert [is_whole(watched, 3_600) for watched in (0, 240, 3_239, 3_240, 3_600)] == [
        *(False, False, False),
        *(True, True),
    ]
    assert is_whole(0, 0), "nobody was to watch"


def test_a_camera_is_to_watch_from_its_first_counted_hour_until_a_week_beyond_the_last() -> None:
    open_seconds = {hour: 3_600 for hour in range(1_000) if hour % 24 >= 9}
    counts = {(34, "door"): Count(240, 1, 0, 0), (50, "door"): Count(1_800, 1, 0, 0)}
    expected = expect_seconds(counts, {(10, "back"), (33, "gone")}, open_seconds, {"door", "back"})
    hours = {
        camera: [hour for hour, of in expected if of == camera]
        for camera in ("door", "back", "gone")
    }
    assert hours["gone"] == [33]
    assert hours["back"] == [hour for hour in range(10, 10 + WAITS_HOURS) if hour % 24 >= 9]
    last = 50 + WAITS_HOURS
    assert hours["door"] == [hour for hour in range(34, last) if hour % 24 >= 9 or hour == 50]
    assert expected[34, "door"] == 3_600
    assert expected[50, "door"] == 1_800, "the shop was closed, and so no more is missing"


@given(
    st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.sampled_from(["", "Mon-Fri 08:30-19:15, Sat 22:00-02:20", "Sun 21:00-03:00"]),
    st.integers(0, 500 * 1_440),
    st.integers(1, 3_000),
)
def test_open_seconds_are_the_minutes_in_which_the_shop_is_open(
    zone: str, opening: str, first: int, length: int
) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=first)
    instants = [begin + timedelta(minutes=minute) for minute in range(length)]
    clocks = [at.astimezone(ZoneInfo(zone)) for at in instants]
    found = Counter(
        (at.toordinal() - date(1970, 1, 1).toordinal()) * 24 + at.hour
        for at in clocks
        if is_open(opening, at)
    )
    span = Span(milliseconds(begin), milliseconds(begin) + length * 60_000 - 1)
    seconds = list_open_seconds(opening, LocalTime(zone), span)
    assert {hour: one for hour, one in seconds.items() if one} == {
        hour: 60 * count for hour, count in found.items()
    }


def is_open(opening: str, at: datetime) -> bool:
    """Hold a wall clock against opening hours as they are read by people."""
    clock, weekday = at.hour * 60 + at.minute, at.weekday()
    if not opening:
        return True
    if opening.startswith("Sun"):
        return (weekday == 6 and clock >= 21 * 60) or (weekday == 0 and clock < 3 * 60)
    return (
        (weekday < 5 and 8 * 60 + 30 <= clock < 19 * 60 + 15)
        or (weekday == 5 and clock >= 22 * 60)
        or (weekday == 6 and clock < 2 * 60 + 20)
    )


def test_voids_are_the_minutes_that_were_voided_and_not_taken_back() -> None:
    """In whatever order: as sets of minutes."""
    chance = random.Random(3)
    voids: list[Void] = []
    expected: dict[str, set[int]] = {"door": set(), "back": set()}
    for _ in range(500):
        camera = chance.choice(["door", "back"])
        first = chance.randrange(1_400)
        minutes = range(first, first + chance.randrange(1, 60))
        span = Void(camera, minutes.start * MINUTE_MS, minutes.stop * MINUTE_MS)
        if chance.random() < 0.6:
            voids = join_voids(voids, span)
            expected[camera] |= {*minutes}
        else:
            voids = cut_voids(voids, span)
            expected[camera] -= {*minutes}
        for name, wanted in expected.items():
            found = list_void_minutes(voids, 0, name)
            assert found == {minute for minute in wanted if minute < 1_440}
            assert len(list_void_minutes(voids, 1, name)) == len(wanted) - len(found)
        for one, next_one in pairwise(voids):
            assert one < next_one
            assert not one.touches(next_one), "neighbours are one"
