"""How somebody usually comes, for visits by plan and by chance."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.local_time import local_hour
from chalicelib.domain.rules.habits import LEAST_DAYS, Habit, PartOfDay, find_habit, weekday_of
from chalicelib.storage.values import milliseconds

BERLIN, SHANGHAI, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai"), ZoneInfo("UTC")
FRIDAY = datetime(2026, 11, 27, 18, tzinfo=UTC)
"""Friday evening, the day before a Saturday."""
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
DAY = timedelta(days=1)


def habit_of(visits: list[datetime], now: datetime = FRIDAY, zone: ZoneInfo = UTC_ZONE) -> Habit:
    return find_habit([milliseconds(at) for at in sorted(visits)], zone, now)


def comes(
    weekdays: set[int], weeks: int = 10, hour: int = 10, until: datetime = FRIDAY
) -> list[datetime]:
    """Return a visit at this hour on each of these weekdays of the weeks before."""
    days = (until - number * DAY for number in range(7 * weeks))
    return [day.replace(hour=hour) for day in days if day.weekday() in weekdays]


def day_of(at: datetime) -> int:
    return int(local_hour(at, UTC_ZONE)) // 24


def test_the_example_of_the_docs() -> None:
    habit = habit_of(comes({WED, SAT}))
    assert habit == Habit((WED, SAT), PartOfDay.MORNING, 3, day_of(FRIDAY + DAY), 7)


def test_each_kind_of_habit() -> None:
    evenings = habit_of(comes({THU}, hour=19))
    assert (evenings.weekdays, evenings.part_of_day, evenings.every_days) == (
        (THU,),
        PartOfDay.EVENING,
        7,
    )
    assert evenings.next_day == day_of(FRIDAY) + 6
    at_work = habit_of(comes({MON, TUE, WED, THU, FRI}, hour=13))
    assert (at_work.weekdays, at_work.part_of_day) == (
        (MON, TUE, WED, THU, FRI),
        PartOfDay.AFTERNOON,
    )
    assert (at_work.every_days, at_work.next_day) == (None, day_of(FRIDAY) + 3)
    daily = habit_of([FRIDAY - number * DAY for number in range(1, 30)])
    assert (daily.weekdays, daily.every_days, daily.next_day) == ((), 1, day_of(FRIDAY))
    fourth = habit_of([FRIDAY - 4 * number * DAY for number in range(12)])
    assert (fourth.weekdays, fourth.every_days, fourth.next_day) == ((), 4, day_of(FRIDAY) + 4)
    away = habit_of([FRIDAY - 8 * DAY - 4 * number * DAY for number in range(12)])
    assert (away.every_days, away.missed_day) == (4, day_of(FRIDAY) - 4)
    late = habit_of([FRIDAY - 5 * DAY - 4 * number * DAY for number in range(12)])
    assert (late.every_days, late.missed_day) == (4, None), "a day late is not late"
    fortnightly = habit_of([FRIDAY - 14 * number * DAY for number in range(6)])
    assert fortnightly == Habit((FRI,), PartOfDay.EVENING, 14, day_of(FRIDAY) + 14, 2)


def test_what_is_not_certain_is_not_said() -> None:
    few = comes({THU})[: LEAST_DAYS - 1]
    assert habit_of(few) == Habit(visits_this_month=4)
    assert habit_of([]) == Habit()
    gone = habit_of(comes({THU}), now=FRIDAY + 21 * DAY)
    assert gone == Habit(), "who has stayed away for three weeks does not come on Thursdays"
    moved = comes({MON}, weeks=5, until=FRIDAY - 35 * DAY) + comes({THU}, weeks=5)
    assert habit_of(moved).weekdays == (), "it was Monday once"
    any_hour = [
        at.replace(hour=hour) for at, hour in zip(comes({THU}), (9, 14, 19) * 4, strict=False)
    ]
    assert habit_of(any_hour).part_of_day is None


def test_days_and_hours_are_those_of_the_shop() -> None:
    late = comes({WED}, hour=23)
    assert habit_of(late, zone=UTC_ZONE).weekdays == (WED,)
    assert habit_of(late, zone=SHANGHAI).weekdays == (THU,)
    assert habit_of(late, zone=SHANGHAI).part_of_day == PartOfDay.MORNING
    at_noon = [at.replace(hour=11, minute=30) for at in comes({WED}, weeks=6)]
    assert (habit_of(at_noon).part_of_day, habit_of(at_noon, zone=BERLIN).part_of_day) == (
        "morning",
        "afternoon",
    )
    first = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    visits = [first - number * DAY for number in range(3)]
    month = [habit_of(visits, first, zone).visits_this_month for zone in (UTC_ZONE, BERLIN)]
    assert month == [3, 1], "in Berlin it is December"


def test_it_is_hardly_said_of_who_comes_by_chance() -> None:
    """Of a thousand people who come by the dice, each thing is said of two in a hundred at most."""
    dice = random.Random(93)
    said = dict.fromkeys(("weekdays", "part_of_day", "every_days"), 0)
    for _ in range(1_000):
        share = dice.choice((0.1, 0.2, 0.4))
        days = (FRIDAY - number * DAY for number in range(84) if dice.random() < share)
        visits = [day.replace(hour=dice.choice((9, 14, 19))) - timedelta(hours=1) for day in days]
        habit = habit_of(visits)
        for name in said:
            said[name] += getattr(habit, name) not in ((), None)
    assert max(said.values()) <= 20, said


VISITS = st.lists(st.integers(0, 24 * 90), max_size=60).map(
    lambda hours: [FRIDAY - timedelta(hours=hour) for hour in hours]
)
PLANS = st.builds(
    comes,
    st.sets(st.integers(0, 6), min_size=1, max_size=5),
    st.integers(1, 12),
    st.integers(0, 17),
)


@given(visits=VISITS | PLANS)
def test_what_holds_of_any_visits(visits: list[datetime]) -> None:
    habit = habit_of(visits)
    days = {day_of(at) for at in visits}
    later_on_the_day = [max(at, at.replace(hour=17)) for at in visits]
    twice = habit_of([*visits, *later_on_the_day])
    assert (twice.weekdays, twice.part_of_day, twice.next_day) == (
        habit.weekdays,
        habit.part_of_day,
        habit.next_day,
    )
    assert {*habit.weekdays} <= {weekday_of(day) for day in days}
    assert list(habit.weekdays) == sorted(habit.weekdays)
    assert len(days) >= LEAST_DAYS or habit == Habit(visits_this_month=habit.visits_this_month)
    if habit.next_day is not None:
        assert day_of(FRIDAY) <= habit.next_day
        assert habit.next_day > max(days)
        assert not habit.weekdays or weekday_of(habit.next_day) in habit.weekdays
    if habit.every_days is not None:
        pauses = [after - before for before, after in pairwise(sorted(days))]
        assert min(pauses) <= habit.every_days <= max(pauses)


@given(visits=VISITS | PLANS, weeks=st.integers(1, 200))
def test_weeks_later_all_is_the_same_but_the_day_that_is_next(
    visits: list[datetime], weeks: int
) -> None:
    now = habit_of(visits)
    later = habit_of([at + 7 * weeks * DAY for at in visits], FRIDAY + 7 * weeks * DAY)
    assert (later.weekdays, later.part_of_day, later.every_days) == (
        now.weekdays,
        now.part_of_day,
        now.every_days,
    )
    assert later.next_day == (None if now.next_day is None else now.next_day + 7 * weeks)
    assert later.missed_day == (None if now.missed_day is None else now.missed_day + 7 * weeks)


@given(visits=VISITS | PLANS)
def test_a_missed_day_lies_between_the_last_visit_and_today(visits: list[datetime]) -> None:
    habit = habit_of(visits)
    if habit.missed_day is not None:
        assert max(map(day_of, visits)) < habit.missed_day < day_of(FRIDAY)
        assert not habit.weekdays or weekday_of(habit.missed_day) in habit.weekdays
