"""Simulated years of shops: how often a working camera is called quieter than usual.

    python -m tests.support.book.shop_years

prints the figures of docs/lab/usual.md. A shop is open from Monday to Saturday, 8 to 19 o'clock.
Its people come by chance, a quarter of them by twos, on days that differ by 30 %. Ten days a year
are holidays, one week is a vacation, and summer has half of the people for six weeks.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from chalicelib.domain.opening import parse_opening
from chalicelib.domain.rules.usual import Usual, count_expected, is_quieter, learn_usual

MONDAY = 21_004
"""A day since 1970."""
OPENING = "Mon-Sat 08:00-19:00"
_SHARES = np.array([0] * 8 + [1, 3, 2, 1.5, 2.5, 3, 1.5, 1.5, 2.5, 2, 1] + [0] * 5, float)
_UNEVEN, _TWOS, _SUMMER, _SLOW = 0.3, 0.25, (0.4, 0.52), 0.5
_HOLIDAYS, _VACATION_DAYS, _WARM_DAYS, _YEAR = 10, 6, 60, 365
OLD_MINUTES = 10
"""After so many minutes without a picture any camera was called silent before."""


class Year(Struct, frozen=True):
    """`at`: when the camera saw somebody, in local hours; `closed`: days of these on which nobody
    opened."""

    at: NDArray[np.float64]
    days: range
    closed: frozenset[int]

    @property
    def open_hours(self) -> frozenset[int]:
        week = parse_opening(OPENING)
        open_days = (day for day in self.days if day not in self.closed)
        return frozenset(
            24 * day + hour
            for day in open_days
            for hour in range(24)
            if (day + 3) % 7 * 24 + hour in week
        )


def draw_year(people: float, seed: int, days: int = _YEAR) -> Year:
    """Draw a shop of so many people a day, holidays and Sundays aside."""
    drawn = np.random.default_rng(seed)
    closed = {*drawn.choice(days, _HOLIDAYS * days // _YEAR, replace=False).tolist()}
    closed |= {*range(3 * days // 5, 3 * days // 5 + _VACATION_DAYS)} if days >= _YEAR else set()
    begin, end = _SUMMER
    at = []
    for day in range(days):
        weekday = day % 7
        if weekday == 6 or day in closed:
            continue
        level = _SLOW if begin <= day / days < end else 1.0
        mean = (
            people
            * level
            * (1.3 if weekday in (4, 5) else 0.85)
            * drawn.gamma(_UNEVEN**-2, _UNEVEN**2)
        )
        count = drawn.poisson(mean / (1 + _TWOS))
        hours = drawn.choice(24, count, p=_SHARES / _SHARES.sum()) + drawn.random(count)
        at.append(
            24 * (MONDAY + day) + np.sort(np.r_[hours, hours[drawn.random(count) < _TWOS] + 0.01])
        )
    return Year(
        np.concatenate(at), range(MONDAY, MONDAY + days), frozenset(MONDAY + day for day in closed)
    )


class Judged(Struct):
    """What a year's cameras were called.

    `alarms`: by whether the shop was closed meanwhile; hours: open ones.
    """

    months: float
    alarms: Counter[bool]
    hours: int
    quiet_hours: float
    """Of those; of an alarm that began while the shop was closed, those until somebody came
    again."""
    reopened_hours: float
    """Of these: behind a closed day."""
    silent_hours: float
    """Of all, by the rule of before."""
    limits: list[tuple[float, float]]
    """Of each day: how many people have to be due, and in how many open hours they are."""


def judge_year(year: Year) -> Judged:
    """Ask at each sign of the camera, and at the end of each day, whether it was quieter than usual
    before."""
    people = Counter(np.floor(year.at).astype(int).tolist())
    usual = {day: learn_usual(people, day) for day in year.days}
    opening, open_hours = parse_opening(OPENING), year.open_hours
    judged = Judged((len(year.days) - _WARM_DAYS) / 30, Counter(), 0, 0.0, 0.0, 0.0, [])
    first = 24 * (year.days.start + _WARM_DAYS)
    judged.hours = sum(hour >= first for hour in open_hours)
    for since, until in zip(year.at[:-1].tolist(), year.at[1:].tolist(), strict=True):
        if since < first:
            continue
        judged.silent_hours += _overlap(open_hours, since + OLD_MINUTES / 60, until)
        quiet_from = _find_quiet(usual, opening, since, until)
        if quiet_from is not None:
            was_closed = any(
                day in year.closed for day in range(int(since // 24), int(until // 24) + 1)
            )
            judged.alarms[was_closed] += 1
            judged.quiet_hours += _overlap(open_hours, quiet_from, until)
            judged.reopened_hours += was_closed * _overlap(open_hours, quiet_from, until)
    judged.limits = [
        (one.limit, one.limit / one.week * 66)
        for day, one in usual.items()
        if one and 24 * day >= first
    ]
    return judged


def _find_quiet(
    usual: dict[int, Usual | None], opening: frozenset[int], since: float, until: float
) -> float | None:
    for day in range(int(since // 24), int(until // 24) + 1):
        one, end = usual[day], min(until, 24.0 * (day + 1))
        if one is not None and is_quieter(one, since, end, opening):
            begin = max(since, 24.0 * day)
            return next(
                at
                for at in _minutes(begin, end)
                if count_expected(one, since, at, opening) >= one.limit
            )
    return None


def _minutes(begin: float, end: float) -> Iterator[float]:
    yield from np.arange(begin, end, 1 / 60).tolist()
    yield end


def _overlap(hours: frozenset[int], begin: float, end: float) -> float:
    touched = range(int(begin), int(end) + 1)
    return sum(max(min(end, hour + 1) - max(begin, hour), 0.0) for hour in touched if hour in hours)


def main() -> int:
    print(
        "people a day | alarms a month | while closed | open hours quiet | behind closed days | "
        "silent before | due | h"
    )
    for people, seeds in ((5, 8), (30, 8), (300, 2)):
        years = [judge_year(draw_year(people, seed)) for seed in range(seeds)]
        months, hours = sum(one.months for one in years), sum(one.hours for one in years)
        alarms = sum((one.alarms for one in years), Counter[bool]())
        limits = np.mean([limit for one in years for limit in one.limits], axis=0)
        quiet, reopened, before = (
            sum(getattr(one, name) for one in years) / hours
            for name in ("quiet_hours", "reopened_hours", "silent_hours")
        )
        print(
            f"{people:12} | {alarms.total() / months:14.2f} | {alarms[True] / months:12.2f} | "
            f"{quiet:16.3%} | "
            f"{reopened:18.3%} | {before:13.1%} | {limits[0]:3.1f} | {limits[1]:.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
