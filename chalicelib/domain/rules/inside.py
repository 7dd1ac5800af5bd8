"""The number of people inside a place, and when the place is full.

The people inside are the entries less the exits since the shop opened, and never less than 0. At
closing the number returns to 0. A shop that never closes starts again at midnight. All is computed
from the stored minutes, so a late minute counts as if it had come in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from chalicelib.domain.counts import MINUTE_MS, Correction, Count, Place, is_whole
from chalicelib.domain.local_time import HOUR_MS, HOURS_PER_DAY, LocalTime, Span, hour_of_week
from chalicelib.storage.values import milliseconds

LOOKS_BACK_MS = 3 * HOURS_PER_DAY * HOUR_MS
"""No opening is longer: one that has no night in it ends at the second midnight."""


class Opening(Struct, frozen=True):
    """A time in which a shop is open. `first_ms`: its first instant.

    `end_ms`: the instant behind its last. None: it is not over. `day`: the local day on which it
    began, since 1970.
    """

    first_ms: int
    end_ms: int | None
    day: int


class AppliedCorrection(NamedTuple):
    """A correction, and the amount by which it changed the count so far."""

    correction: Correction
    change: int


class Occupancy(Struct, frozen=True):
    """An opening and the people in it: `left` is entries less exits, with `dropped` and
    `corrected`.

    `dropped`: those who went out while nobody was inside. `corrected`: the sum of all corrections'
    changes. `most`: the most people at once. `left`: those inside now, or those who were inside
    when it closed. `watched_s`: so many seconds all doors watched
    together, of `open_s`.
    """

    opening: Opening
    entries: int
    exits: int
    dropped: int
    corrected: int
    most: int
    left: int
    watched_s: int
    open_s: int
    corrections: tuple[AppliedCorrection, ...]

    @property
    def is_whole(self) -> bool:
        return is_whole(self.watched_s, self.open_s)


def list_openings(open_hours: Set[int], local: LocalTime, span: Span) -> list[Opening]:
    """List the openings that start in a span of time, in order; the last one may go on.

    `open_hours` are the hours of the week in which the shop is open. If it never closes, an opening
    begins at each midnight.
    """
    openings: list[Opening] = []
    first_ms = day = hour_before = None
    for begin_ms, hour in _list_hours(local, span):
        is_open = hour_of_week(hour) in open_hours
        begins = hour_before is not None and _begins(open_hours, hour_before, hour)
        if first_ms is not None and day is not None and (begins or not is_open):
            openings.append(Opening(first_ms, begin_ms, day))
            first_ms = None
        if begins:
            first_ms, day = begin_ms, hour // HOURS_PER_DAY
        hour_before = hour
    if first_ms is not None and day is not None:
        openings.append(Opening(first_ms, None, day))
    return openings


def _begins(open_hours: Set[int], hour_before: int, hour: int) -> bool:
    """Return whether an opening begins with a local hour: the hour before was closed, or it is
    midnight after a day without closing."""
    if hour_of_week(hour) not in open_hours:
        return False
    is_next_day = hour // HOURS_PER_DAY != hour_before // HOURS_PER_DAY
    hours_of_day_before = range(hour_before - HOURS_PER_DAY + 1, hour_before + 1)
    was_never_closed = open_hours >= {*map(hour_of_week, hours_of_day_before)}
    return hour_of_week(hour_before) not in open_hours or (is_next_day and was_never_closed)


def _list_hours(local: LocalTime, span: Span) -> Iterator[tuple[int, int]]:
    """Yield the local hours of a span, each with its first instant; an hour that comes twice comes
    once."""
    last_hour = None
    for piece in local.divide_span(span):
        for hour in piece.hours:
            if last_hour is None or hour > last_hour:
                yield max(hour * HOUR_MS - piece.offset_ms, piece.first_ms), hour
                last_hour = hour


def replay(
    opening: Opening,
    minutes: Iterable[tuple[int, Count]],
    corrections: Iterable[Correction],
    open_s: int,
) -> Occupancy:
    """Count the people inside during an opening, minute by minute.

    `minutes` are those of all doors, with their first instants in ms, in any order. `open_s`: so
    many seconds these were to watch, together. A correction
    says how many people are inside, and holds from the end of its minute on. If 12 are inside at
    10:15:30, the minute 10:16 adds to 12.
    """
    end_ms = opening.end_ms if opening.end_ms is not None else float("inf")
    of_minute: dict[int, list[Count]] = {}
    for at_ms, count in minutes:
        if opening.first_ms <= at_ms < end_ms and count.numbers is not None:
            of_minute.setdefault(at_ms, []).append(count)
    of_opening = [one for one in corrections if opening.first_ms <= milliseconds(one.at) < end_ms]
    # Of a minute, counts (0) come before corrections (1).
    steps: list[tuple[int, int, list[Count] | Correction]] = [
        *((at_ms, 0, counts) for at_ms, counts in of_minute.items()),
        *((milliseconds(one.at) // MINUTE_MS * MINUTE_MS, 1, one) for one in of_opening),
    ]
    inside = most = entries = exits = dropped = 0
    applied: list[AppliedCorrection] = []
    for _, _, step in sorted(steps, key=lambda step: step[:2]):
        if isinstance(step, Correction):
            applied.append(AppliedCorrection(step, step.inside - inside))
            inside = step.inside
        else:
            came = sum(count.entries or 0 for count in step)
            went = sum(count.exits or 0 for count in step)
            entries, exits = entries + came, exits + went
            surplus = max(went - came - inside, 0)  # nobody was left
            dropped += surplus
            inside += came - went + surplus
        most = max(most, inside)
    watched_s = sum(count.seconds for counts in of_minute.values() for count in counts)
    return Occupancy(
        opening,
        entries=entries,
        exits=exits,
        dropped=dropped,
        corrected=sum(one.change for one in applied),
        most=most,
        left=inside,
        watched_s=watched_s,
        open_s=max(open_s, watched_s),
        corrections=tuple(applied),
    )


def is_full_now(place: Place, inside: int) -> bool:
    """Return whether a place is full: from `full_at` on, until it is down to `free_at` again."""
    if place.full_at is None or place.free_at is None:
        return False
    return inside >= place.full_at or (place.is_full and inside > place.free_at)


def span_of_days(days: int, now: datetime) -> Span:
    """Return the span of all openings that started in the last days."""
    now_ms = milliseconds(now)
    return Span(now_ms - days * HOURS_PER_DAY * HOUR_MS - LOOKS_BACK_MS, now_ms)
