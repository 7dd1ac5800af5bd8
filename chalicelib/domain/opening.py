"""Opening hours of a shop, as `Mon-Fri 08:00-19:00, Sat 09:00-14:00`, the form of the edge
uploader's hours. Pure.

Days that are not named are closed; hours without a day are every day's; `18:00-02:00` ends on the
next day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import HOUR_MS, HOURS_PER_DAY, LocalTime, Span, hour_of_week

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEK = len(DAYS) * HOURS_PER_DAY
_MINUTE_MS = 60_000
_DAY, _CLOCK = f"({'|'.join(DAYS)})", r"((?:[01]\d|2[0-3]):[0-5]\d|24:00)"
_SPAN = rf"(?:{_DAY}(?:-{_DAY})? )?{_CLOCK}-{_CLOCK}"
"""Compiled with the first hours that are read: each function imports this module."""


@lru_cache(maxsize=1_024)
def parse_opening(text: str) -> frozenset[int]:
    """Return the hours of a week, 0 to 167, in which a shop is open, at least in part.

    `text` has its opening hours. Hour 0 is Monday's first, so "Tue 08:30-10:00" gives 32 and 33. ""
    gives all hours. Raises InvalidInput if the text is written otherwise.
    """
    return frozenset(
        hour % WEEK
        for begin, end in _list_spans(text)
        for hour in range(begin // 60, math.ceil(end / 60))
    )


def list_open_seconds(text: str, local: LocalTime, span: Span) -> dict[int, int]:
    """Return for each local hour of a span for how many of its seconds a shop is open.

    `text` has its opening hours. With "09:30-20:00" and a span from 08:00 to 10:10 it is 0 for the
    hour 8, 1,800 for 9 and 600 for 10. An hour that comes twice has the seconds of both.
    """
    if span.last_ms < span.first_ms:
        return {}
    marks = _mark_open_minutes(text)
    seconds: dict[int, int] = {}
    for piece in local.divide_span(span):
        for hour in piece.hours:
            begin_ms = max(piece.first_ms + piece.offset_ms - hour * HOUR_MS, 0)
            end_ms = min(piece.last_ms + 1 + piece.offset_ms - hour * HOUR_MS, HOUR_MS)
            first = 60 * hour_of_week(hour)
            minutes = marks[first + begin_ms // _MINUTE_MS : first + end_ms // _MINUTE_MS]
            seconds[hour] = seconds.get(hour, 0) + 60 * sum(minutes)
    return seconds


@lru_cache(maxsize=256)
def _mark_open_minutes(text: str) -> bytes:
    """Return 1 for each minute of a week in which a shop is open, else 0; Monday's first."""
    marks = bytearray(60 * WEEK)
    for begin, end in _list_spans(text):
        for minute in range(begin, end):
            marks[minute % len(marks)] = 1
    return bytes(marks)


def _list_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the times in which a shop is open, in minutes since Monday's first: their begin and
    end. A night from Sunday to Monday ends behind the week's last minute.

    Raises InvalidInput.
    """
    spans = text.split(",") if text.strip() else ["00:00-24:00"]
    for span in spans:
        match = re.fullmatch(_SPAN, span.strip(), re.ASCII)
        if match is None:
            raise InvalidInput(
                f"opening hours are as `Mon-Fri 08:00-19:00, Sat 09:00-14:00`, not {text[:60]!r}",
                field="opening",
            )
        first_day, last_day, *clocks = match.groups()
        # Clocks are HH:MM.
        begin_minute, end_minute = (60 * int(clock[:2]) + int(clock[3:]) for clock in clocks)
        if end_minute <= begin_minute:  # it ends on the next day
            end_minute += 60 * HOURS_PER_DAY
        for day in _list_days(first_day, last_day):
            midnight = 60 * HOURS_PER_DAY * day
            yield midnight + begin_minute, midnight + end_minute


UNKNOWN_OPENING_HOUR = 8
"""Hour of the day at which a shop opens that has not said when, or never closes."""


def find_opening_hour(text: str, day: int) -> int | None:
    """Return the hour, 0 to 23, at which a shop first opens on a day of the week; None: never.

    `text` has its opening hours, and `day` 0 is Monday. With "Mon-Fri 08:30-12:00, Mon-Fri
    14:00-18:00" it is 8 on a Monday. With "Fri 18:00-02:00" it is 18 on a Friday, and None on a
    Saturday, for the shop is only still open then.
    """
    open_hours = parse_opening(text)
    if len(open_hours) == WEEK:  # it never closes, or has not said when
        return UNKNOWN_OPENING_HOUR
    first_hour = day * HOURS_PER_DAY
    for hour in range(first_hour, first_hour + HOURS_PER_DAY):
        was_closed = (hour - 1) % WEEK not in open_hours  # before Monday's first hour is Sunday
        if hour in open_hours and was_closed:
            return hour - first_hour
    return None


def is_before_opening(text: str, hour: int) -> bool:
    """Return whether a shop of these hours has not opened yet on that day; `hour`: of the week. "":
    it never closes.

    `09:00-19:00`: hours 0 to 8 of a day, and all hours of a day on which it is closed, if others
    are named.
    """
    day_begins = hour - hour % HOURS_PER_DAY
    return parse_opening(text).isdisjoint(range(day_begins, hour + 1))


def _list_days(first: str | None, last: str | None) -> range:
    """Return the weekdays from one to another, Monday is 0: `Sat` to `Mon` are 5 to 7.

    Without names: each day.
    """
    if first is None:
        return range(len(DAYS))
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return range(begin, end + 1 if end >= begin else end + 1 + len(DAYS))


def write_opening(days: Sequence[tuple[int, int] | None]) -> str:
    """Write the opening hours of the days of a week, Monday first, as `Mon-Fri 08:00-19:00`.

    `days` has for each the hours from which and until which the shop is open, such as (8, 19);
    None: closed. Days in a row with the same hours stand together.
    """
    spans: list[str] = []
    first = 0
    while first < len(days):
        last = first  # the last of the days from `first` on that have the same hours
        while last + 1 < len(days) and days[last + 1] == days[first]:
            last += 1
        if (hours := days[first]) is not None:
            day_names = DAYS[first] if first == last else f"{DAYS[first]}-{DAYS[last]}"
            spans.append(f"{day_names} {hours[0]:02d}:00-{hours[1]:02d}:00")
        first = last + 1
    return ", ".join(spans)
