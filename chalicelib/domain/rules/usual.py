"""The usual week of a shop, and when the shop is quieter than that.

The usual week has the number of people of each hour of each weekday: the mean of the last eight
weeks, less if the last two were slower. A camera that sends only captures is quieter than usual if
so many people were due since its last one that chance would explain the silence only once a year,
if people come as a Poisson process.

Hours are those of local clocks, counted since 1970, as in local_time. Parts of them are fractions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from msgspec import Struct

from chalicelib.domain.local_time import HOURS_PER_DAY, HOURS_PER_WEEK, hour_of_week

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
        """Return the number of people who have to be due without a sign. It grows with the number
        of pauses in a month, in each of which chance may bring that many."""
        pauses = self.week * 30 / 7
        return _UNEVEN * max(math.log(pauses / FALSE_ALARMS_A_MONTH), 1) if pauses else math.inf


def learn_usual(people_by_hour: Mapping[int, int], today: int) -> Usual | None:
    """Return the usual week of a shop before a day: how many people each of its hours brings.

    None: fewer than LEAST_PEOPLE people, or less than two weeks, are known. `people_by_hour` says
    how many people came, by local hour since 1970; hours without any are missing. `today` is the
    day, in days since 1970; its own hours do not count.

    An hour is the mean over all days of its weekday since the first known day. If the last two
    weeks had fewer people than these means add up to, all means are reduced by the same share.
    """
    end_hour = today * HOURS_PER_DAY
    begin_hour = end_hour - _DAYS * HOURS_PER_DAY
    known_counts = {
        hour: people for hour, people in people_by_hour.items() if begin_hour <= hour < end_hour
    }
    if sum(known_counts.values()) < LEAST_PEOPLE:
        return None
    first_day = min(known_counts) // HOURS_PER_DAY
    if today - first_day < _RECENT_DAYS:
        return None

    sums = [0.0] * HOURS_PER_WEEK
    for hour, people in known_counts.items():
        sums[hour_of_week(hour)] += people
    weekdays = (
        hour_of_week(day * HOURS_PER_DAY) // HOURS_PER_DAY for day in range(first_day, today)
    )
    day_counts = Counter(weekdays)  # how many Mondays, Tuesdays and so on are known
    means = [total / day_counts[hour // HOURS_PER_DAY] for hour, total in enumerate(sums)]

    recent_hours = range((today - _RECENT_DAYS) * HOURS_PER_DAY, end_hour)
    recent_people = sum(known_counts.get(hour, 0) for hour in recent_hours)
    expected_people = sum(means[hour_of_week(hour)] for hour in recent_hours)
    share = min(recent_people / expected_people, 1.0) if expected_people else 0.0
    week_counts = Counter(hour_of_week(hour) for hour, people in known_counts.items() if people)
    return Usual(
        hours=tuple(round(share * mean, 3) for mean in means),
        weeks=tuple(week_counts[hour] for hour in range(HOURS_PER_WEEK)),
    )


ALWAYS = frozenset(range(HOURS_PER_WEEK))


def count_expected(usual: Usual, since: float, until: float, opening: Set[int] = ALWAYS) -> float:
    """Return how many people usually come between two times, in local hours.

    A part of an hour brings that part of its people. `opening` are the hours of the week in which
    the shop is open; others bring nobody.
    """
    # Whole weeks at once, so that a long time takes no longer.
    whole_weeks = max(int((until - since) // HOURS_PER_WEEK), 0)
    people_a_week = sum(usual.hours[hour] for hour in opening) if whole_weeks else 0.0
    rest_since = since + whole_weeks * HOURS_PER_WEEK
    people_of_rest = []
    for hour in range(math.floor(rest_since), math.ceil(until)):
        if hour_of_week(hour) in opening:
            part = min(until, hour + 1) - max(rest_since, hour)
            people_of_rest.append(usual.people_at(hour) * part)
    return whole_weeks * people_a_week + sum(people_of_rest)


def is_quieter(usual: Usual, since: float, now: float, opening: Set[int] = ALWAYS) -> bool:
    """Return whether it is quieter than usual, if nobody came since a time, in local hours."""
    return count_expected(usual, since, now, opening) >= usual.limit


def propose_hours(usual: Usual) -> Sequence[tuple[int, int] | None]:
    """Return for each weekday, from Monday, when the shop seems to open and to close, in hours.

    None: it seems to be closed. It seems to be open from the first to the last hour in which
    somebody came in at least LEAST_WEEKS of the last weeks. Hours with less than a hundredth of the
    day's people do not count. If people came at 6 in two weeks, and from 8 to 19 in five, it is 8
    to 19.
    """
    proposed: list[tuple[int, int] | None] = []
    for weekday in range(7):
        of_day = slice(weekday * HOURS_PER_DAY, (weekday + 1) * HOURS_PER_DAY)
        people_by_hour, weeks_by_hour = usual.hours[of_day], usual.weeks[of_day]
        # Of a day with few people it is a hundredth of a mean day's.
        least_people = max(sum(people_by_hour), usual.week / 7) / 100
        open_hours = []
        for hour, (people, weeks) in enumerate(zip(people_by_hour, weeks_by_hour, strict=True)):
            if people > least_people and weeks >= LEAST_WEEKS:
                open_hours.append(hour)
        proposed.append((open_hours[0], open_hours[-1] + 1) if open_hours else None)
    return proposed
