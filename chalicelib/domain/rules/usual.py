"""Usual weeks of a shop, and when it is quieter than that. Pure.

The usual week says how many people each hour of each weekday brings: the mean of the last eight
weeks, less if the last two were slower. A camera that sends nothing but captures is quieter than
usual once so many people were due since it was heard last that chance explains it once a year, if
they come as a Poisson process.

Hours are those of local clocks, counted since 1970, as in local_time. Parts of them are fractions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from msgspec import Struct

from chalicelib.domain.local_time import HOURS_PER_DAY

HOURS_PER_WEEK = 7 * HOURS_PER_DAY
"""Hours of a week."""
WEEKS = 8
"""Weeks by which is known what is usual at an hour of the week."""
_DAYS, _RECENT_DAYS = 7 * WEEKS, 14
LEAST_PEOPLE = 30
"""People that the eight weeks need, so that anything is usual."""
LEAST_WEEKS = 3
"""Weeks in which somebody has to come at an hour of the week, so that the shop seems to be open
then."""

FALSE_ALARMS_A_MONTH = 0.1
"""Those of a shop whose people come by chance alone. Holidays, on which it is as quiet as if the
camera were dead, take what is left of one a month."""
_UNEVEN = 1.8
"""By how much more people have to be due, since no real day is as even as chance: rain, groups, a
slow week."""


class Usual(Struct, frozen=True):
    """A usual week.

    `hours`: people of each hour, Monday's first. `weeks`: in how many of the last weeks anybody
    came at each hour; empty if that is not known.
    """

    hours: tuple[float, ...]
    weeks: tuple[int, ...] = ()

    def people_at(self, hour: int) -> float:
        return self.hours[hour_of_week(hour)]

    @property
    def week(self) -> float:
        return sum(self.hours)

    @property
    def limit(self) -> float:
        """Return how many people have to be due without a sign: a month has so many pauses in which
        they may be."""
        pauses = self.week * 30 / 7
        return _UNEVEN * max(math.log(pauses / FALSE_ALARMS_A_MONTH), 1) if pauses else math.inf


def hour_of_week(hour: int) -> int:
    return (hour + 3 * HOURS_PER_DAY) % HOURS_PER_WEEK  # hour 0 was a Thursday's


def learn_usual(people_by_hour: Mapping[int, int], today: int) -> Usual | None:
    """Return the usual week before a day.

    None: fewer than LEAST_PEOPLE people, or less than two weeks, are known.

    `people_by_hour`: how many people came, by local hour since 1970; hours without any are missing.
    `today`: the day, in days since 1970; its own hours do not count. An hour of the usual week is
    the mean over all days of its weekday since the first known day. If the last two weeks had fewer
    people than these means add up to, all means are reduced by the same share.
    """
    end_hour = today * HOURS_PER_DAY
    known_counts = {
        hour: count
        for hour, count in people_by_hour.items()
        if end_hour - _DAYS * HOURS_PER_DAY <= hour < end_hour
    }
    if sum(known_counts.values()) < LEAST_PEOPLE:
        return None
    first_day = min(known_counts) // HOURS_PER_DAY
    if today - first_day < _RECENT_DAYS:
        return None
    hour_sums = [0.0] * HOURS_PER_WEEK
    for hour, count in known_counts.items():
        hour_sums[hour_of_week(hour)] += count
    day_counts = Counter(
        hour_of_week(day * HOURS_PER_DAY) // HOURS_PER_DAY for day in range(first_day, today)
    )
    means = [
        hour_sums[week_hour] / day_counts[week_hour // HOURS_PER_DAY]
        for week_hour in range(HOURS_PER_WEEK)
    ]
    recent_hours = range((today - _RECENT_DAYS) * HOURS_PER_DAY, end_hour)
    expected = sum(means[hour_of_week(hour)] for hour in recent_hours)
    share = (
        min(sum(known_counts.get(hour, 0) for hour in recent_hours) / expected, 1.0)
        if expected
        else 0.0
    )
    week_counts = Counter(hour_of_week(hour) for hour, count in known_counts.items() if count)
    return Usual(
        tuple(round(share * mean, 3) for mean in means),
        tuple(week_counts[week_hour] for week_hour in range(HOURS_PER_WEEK)),
    )


ALWAYS = frozenset(range(HOURS_PER_WEEK))


def count_expected(usual: Usual, since: float, until: float, opening: Set[int] = ALWAYS) -> float:
    """Return how many people are usual between two times, in local hours.

    `opening`: hours of the week in which the shop is open.
    """
    whole_weeks = max(int((until - since) // HOURS_PER_WEEK), 0)
    a_week = sum(usual.hours[hour] for hour in opening) if whole_weeks else 0.0
    since += whole_weeks * HOURS_PER_WEEK
    partial_hours = (
        usual.people_at(hour) * (min(until, hour + 1) - max(since, hour))
        for hour in range(math.floor(since), math.ceil(until))
        if hour_of_week(hour) in opening
    )
    return whole_weeks * a_week + sum(partial_hours)


def is_quieter(usual: Usual, since: float, now: float, opening: Set[int] = ALWAYS) -> bool:
    """Return whether it is quieter than usual, if nobody came since a time, in local hours."""
    return count_expected(usual, since, now, opening) >= usual.limit


def propose_hours(usual: Usual) -> Sequence[tuple[int, int] | None]:
    """Return for each weekday the hours from the first to the one behind the last on which weeks
    agree.

    None: the shop seems to be closed. Weeks agree on an hour if somebody came then in at least
    LEAST_WEEKS of them. Hours with less than a hundredth of the day's people are not usual.

    `Tuesdays at 6 in two weeks, from 8 to 19 in five`: 8 to 19.
    """
    proposed: list[tuple[int, int] | None] = []
    for weekday in range(7):
        of_day = slice(weekday * HOURS_PER_DAY, (weekday + 1) * HOURS_PER_DAY)
        people_by_hour, weeks_by_hour = usual.hours[of_day], usual.weeks[of_day]
        least_people = max(sum(people_by_hour), usual.week / 7) / 100
        usual_hours = [
            hour
            for hour, (people, weeks) in enumerate(zip(people_by_hour, weeks_by_hour, strict=True))
            if people > least_people and weeks >= LEAST_WEEKS
        ]
        proposed.append((usual_hours[0], usual_hours[-1] + 1) if usual_hours else None)
    return proposed
