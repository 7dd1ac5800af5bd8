"""A person's usual visits: weekdays, part of the day, frequency, and the next one expected. Pure.

A habit is said if it is certain. Most of the visits of the last weeks have it, somebody who comes
by chance would hardly seem to have it, and the newer half of the visits has it, too. What is not
certain is left out.

Days are those of local clocks, counted since 1970, as in local_time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from math import comb
from statistics import fmean
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.domain.local_time import HOURS_PER_DAY, local_hour, month_of
from chalicelib.storage.values import moment

_DAYS = 84
"""Days that are looked at, twelve weeks: how somebody came before says little."""
LEAST_DAYS = 6
"""Fewer days with a visit say nothing about how somebody comes."""
MOSTLY = 0.8
"""Share of the visits that a habit has at least."""
BY_CHANCE = 0.01
"""How often at most a habit is said of somebody who comes by chance."""
TIMES_USUAL = 2
"""Nothing is said of somebody who has stayed away for over so many times the usual pause, and for
longer than ever."""
_WEEK = 7
_MORNING, _NOON, _EVENING = 5, 12, 17


class PartOfDay(StrEnum):
    """A part of the day by local hours: 5 to 12, 12 to 17, 17 to 5."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"


_PARTS = tuple(PartOfDay)


class Habit(Struct, frozen=True):
    """A person's usual visits. What is not certain is empty or None.

    `weekdays`: from 0, Monday. `every_days`: usual days from one visit to the next. `next_day`: the
    day on which the next visit is expected, today or later. `visits_this_month`: visits that began
    in the local month of now. `missed_day`: the day before today on which a visit was expected
    after the last one.
    """

    weekdays: tuple[int, ...] = ()
    part_of_day: PartOfDay | None = None
    every_days: int | None = None
    next_day: int | None = None
    visits_this_month: int = 0
    missed_day: int | None = None

    @property
    def is_certain(self) -> bool:
        """True if it has anything but the visits of this month."""
        return self != self.leave_month()

    def leave_month(self) -> Habit:
        """Return the visits of this month, and nothing else."""
        return Habit(visits_this_month=self.visits_this_month)


def find_habit(begins_ms: Sequence[int], zone: ZoneInfo, now: datetime) -> Habit:
    """Return the habit that visits show: on which days and when the person usually comes.

    `begins_ms` are the times when they began, in ms since 1970, oldest first. The last twelve weeks
    count, of each day the first visit. Too few visits, or too old ones, say nothing.

    Wednesdays and Saturdays at 10 give these weekdays, the morning, and every 3 days. On a
    Wednesday the next day is Saturday.
    """
    now_hour = int(local_hour(now, zone))
    hours = [hour for ms in begins_ms if (hour := int(local_hour(moment(ms), zone))) <= now_hour]
    month = month_of(now_hour)
    this_month = sum(month_of(hour) == month for hour in hours)
    today = now_hour // HOURS_PER_DAY
    recent = [hour for hour in hours if hour // HOURS_PER_DAY > today - _DAYS]
    # A second visit of a day is no other day.
    first_hours = {hour // HOURS_PER_DAY: hour for hour in reversed(recent)}
    days = sorted(first_hours)
    pauses = [after - before for before, after in pairwise(days)]
    if len(days) < LEAST_DAYS or today - days[-1] > max(TIMES_USUAL * _usual_of(pauses), *pauses):
        return Habit(visits_this_month=this_month)
    weekdays = _find_prevailing([weekday_of(day) for day in days], _WEEK)
    parts = _find_prevailing([_part_of(first_hours[day]) for day in days], len(_PARTS))
    every_days = _find_rhythm(pauses)
    return Habit(
        weekdays,
        _PARTS[parts[0]] if len(parts) == 1 else None,
        None if weekdays and every_days == 1 else every_days,
        _find_next(days, weekdays, every_days, today),
        this_month,
        _find_missed(days, weekdays, every_days, today),
    )


def weekday_of(day: int) -> int:
    """Return the weekday of a day since 1970, from 0, Monday."""
    return (day + 3) % _WEEK  # day 0 was a Thursday


def _part_of(hour: int) -> int:
    hour_of_day = hour % HOURS_PER_DAY
    if _MORNING <= hour_of_day < _NOON:
        return _PARTS.index(PartOfDay.MORNING)
    return _PARTS.index(
        PartOfDay.AFTERNOON if _NOON <= hour_of_day < _EVENING else PartOfDay.EVENING
    )


def _find_prevailing(values: Sequence[int], of: int) -> tuple[int, ...]:
    """Return the values that prevail, if that is certain; else ().

    They are at least half as frequent as the most frequent one. `values` are of `of` kinds, in the
    order of time. Of 9 Thursdays and 2 Mondays, Thursday prevails.
    """
    counts = Counter(values)
    most = max(counts.values())
    prevailing = tuple(sorted(value for value, count in counts.items() if 2 * count >= most))
    hits = sum(counts[value] for value in prevailing)
    # The newer half must have them, too.
    ways = comb(of, len(prevailing))
    is_certain = _is_certain(hits, len(values), len(prevailing) / of, ways)
    return prevailing if is_certain and {*prevailing} <= {*values[len(values) // 2 :]} else ()


def _find_rhythm(pauses: Sequence[int]) -> int | None:
    """Return the usual days from visit to visit, if that is certain. Of `7, 7, 8, 7, 6, 7`: 7.

    A pause is usual if it differs by a third at most. By chance somebody comes on each day with the
    same probability.
    """
    usual = _usual_of(pauses)
    slack = _slack_of(usual)
    hits = sum(abs(pause - usual) <= slack for pause in pauses)
    if usual == 1:  # by chance, who comes each day comes each day, too
        return usual if hits >= MOSTLY * len(pauses) else None
    stays_away = 1 - 1 / fmean(pauses)
    chance = stays_away ** (usual - slack - 1) - stays_away ** (usual + slack)
    return usual if _is_certain(hits, len(pauses), chance) else None


def _usual_of(pauses: Sequence[int]) -> int:
    """Return the pause a little below the middle one: of 3 and 4 days in turn always 3."""
    return sorted(pauses)[int(0.4 * (len(pauses) - 1))]


def _slack_of(days: int) -> int:
    return days // 3


def _is_certain(hits: int, count: int, chance: float, ways: int = 1) -> bool:
    """Tell whether so many hits are most of the count, and rare by chance, in so many ways."""
    more = range(hits, count + 1)
    tail = sum(comb(count, one) * chance**one * (1 - chance) ** (count - one) for one in more)
    return hits >= MOSTLY * count and ways * tail <= BY_CHANCE


def _find_next(
    days: Sequence[int], weekdays: Sequence[int], every_days: int | None, today: int
) -> int | None:
    """Return the day of the next visit, today at the earliest; None if it is not certain.

    Somebody who comes on most of the usual weekdays comes on the next of them. Somebody else who
    has a rhythm comes after the usual pause (`every_days`).
    """
    last = days[-1]
    soonest = max(today, last + 1)
    if _comes_by_weekday(days, weekdays):
        return next(day for day in range(soonest, soonest + _WEEK) if weekday_of(day) in weekdays)
    if every_days is None:
        return None
    expected, slack = last + every_days, _slack_of(every_days)
    near = range(max(soonest, expected - slack), expected + slack + 1)
    usual = [day for day in near if not weekdays or weekday_of(day) in weekdays]
    return min(usual, key=lambda day: abs(day - expected), default=None)


def _find_missed(
    days: Sequence[int], weekdays: Sequence[int], every_days: int | None, today: int
) -> int | None:
    """Return the first day behind the last visit on which one was expected, if it is over.

    Of a rhythm (`every_days`) it is over once the days beside it are, too. Who comes each fourth
    day was expected on the fourth, and that is said from the sixth on.
    """
    expected = _find_next(days, weekdays, every_days, days[-1])
    if expected is None:
        return None
    slack = 0 if _comes_by_weekday(days, weekdays) else _slack_of(every_days or 1)
    return expected if expected + slack < today else None


def _comes_by_weekday(days: Sequence[int], weekdays: Sequence[int]) -> bool:
    """Tell whether somebody comes on most of the usual weekdays, from the first visit to the
    last."""
    usual_days = [day for day in range(days[0], days[-1] + 1) if weekday_of(day) in weekdays]
    return bool(weekdays) and len({*days} & {*usual_days}) >= MOSTLY * len(usual_days)
