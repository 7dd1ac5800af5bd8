"""Local time as statistics need it: hours, days, weeks and months of a time zone, and their TIME
keys. Pure.

A local hour is a whole number: the time that a wall clock shows, in hours since 1970-01-01 00:00 of
that clock. So an hour that occurs twice when clocks go back is one number, and a skipped hour has
no instants. A local day is hour // 24: all instants that have its local date, even if they do not
follow each other in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.values import moment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOUR_MS = 3_600_000
"""Milliseconds of an hour."""
HOURS_PER_DAY = 24
"""Hours of a day."""
DAY_MS = HOURS_PER_DAY * HOUR_MS
HOURS_PER_WEEK = 7 * HOURS_PER_DAY
"""Hours of a week."""

MAX_BUCKETS = 10_000
"""Buckets of one answer of statistics: a year by hours has 8,760."""

LAST_SECOND = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) - 1
"""UNIX seconds; calendars end soon after."""

_EPOCH = date(1970, 1, 1).toordinal()
_PROBE_S = 3 * 86_400
"""No zone has changed its clocks twice within six days since 1970, so none is missed at this
step."""


class Granularity(StrEnum):
    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    HOUR = "hour"


class Span(Struct, frozen=True):
    """Instants in milliseconds since 1970, UTC, both included."""

    first_ms: int
    last_ms: int

    @classmethod
    def of_seconds(cls, start: int, end: int) -> Span:
        """Return the span from the first ms of one UNIX second to the last ms of another.

        From second 1 to second 2 it is 1000 to 2999 ms. Raises InvalidInput if one is out of range,
        or the end lies before the start.
        """
        for name, second in (("start", start), ("end", end)):
            if not 0 <= second <= LAST_SECOND:
                raise InvalidInput(
                    f"the {name} is in UNIX seconds, 0 to {LAST_SECOND}, not {second}"
                )
        if end < start:
            raise InvalidInput(f"the end ({end}) lies before the start ({start}): swap them")
        return cls(start * 1000, end * 1000 + 999)

    def holds(self, other: Span) -> bool:
        return self.first_ms <= other.first_ms and other.last_ms <= self.last_ms

    def touches(self, other: Span) -> bool:
        return self.first_ms <= other.last_ms and other.first_ms <= self.last_ms

    def hull(self, other: Span) -> Span:
        """Return the shortest span that holds both."""
        return Span(min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms))

    def cut(self, other: Span) -> Span:
        """Return the common part of both; it is empty if its `last_ms` < `first_ms`."""
        return Span(max(self.first_ms, other.first_ms), min(self.last_ms, other.last_ms))

    @property
    def utc_days(self) -> range:
        """Days since 1970, UTC."""
        return range(self.first_ms // DAY_MS, self.last_ms // DAY_MS + 1)


class Piece(Struct, frozen=True):
    """A stretch of time, both ends included, during which the clocks are ahead of UTC by
    `offset_ms`."""

    first_ms: int
    last_ms: int
    offset_ms: int

    @property
    def hours(self) -> range:
        """The local hours that it touches."""
        return range(
            (self.first_ms + self.offset_ms) // HOUR_MS,
            (self.last_ms + self.offset_ms) // HOUR_MS + 1,
        )


def require_zone(name: str) -> str:
    """Return the name of a time zone; raise InvalidInput if the IANA database does not have it.

    The error says which one may be meant: for `new york` it is `America/New_York`.
    """
    if name in _zones():
        return name
    meant = name.lower().replace(" ", "_")
    # A zone of that name in other letters, or a city of that name in one.
    near = [zone for zone in sorted(_zones()) if f"/{zone.lower()}".endswith(f"/{meant}")]
    hint = f": did you mean {near[0]}?" if near else ""
    raise InvalidInput(
        "a time zone has a name such as `Asia/Shanghai` or `Europe/Berlin`, not "
        f"{name[:60]!r}{hint}",
        field="time_zone",
    )


@cache
def _zones() -> frozenset[str]:
    """Names the zones of this machine; reading their folders takes 15 ms."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def local_hour(at: datetime, zone: ZoneInfo) -> float:
    """Return what a wall clock shows at an instant, in hours since 1970-01-01 00:00 of that
    clock."""
    local = at.astimezone(zone)
    return (local.toordinal() - _EPOCH) * HOURS_PER_DAY + (
        local - local.replace(hour=0, minute=0, second=0)
    ).seconds / 3600


def hour_of_week(hour: int) -> int:
    """Return which hour of its week a local hour is; 0: Monday's first."""
    return (hour + 3 * HOURS_PER_DAY) % HOURS_PER_WEEK  # hour 0 was a Thursday's


class LocalTime:
    """The clocks of one IANA time zone, and the day on which its weeks start."""

    def __init__(self, zone: str, first_weekday: int = 0) -> None:
        """Take the zone's name and the first day of a week; 0: Monday."""
        self._zone, self.first_weekday = zone, first_weekday

    def divide_span(self, span: Span) -> list[Piece]:
        """Divide a span into the stretches between changes of the zone's clocks, in order.

        In each stretch the clocks are ahead of UTC by one offset. The 25 October 2026 in Berlin has
        two: 2 hours ahead until 01:00 UTC, and 1 hour from then on.
        """
        first_year, last_year = (
            datetime.fromtimestamp(ms // 1000, UTC).year for ms in (span.first_ms, span.last_ms)
        )
        offsets: list[tuple[int, int]] = []  # since when, and the offset, in ms
        for year in range(first_year, last_year + 1):
            offsets += _offsets(self._zone, year)  # the first one is that of New Year
        pieces: list[Piece] = []
        end = (span.last_ms + 1, 0)  # closes the last stretch
        for (since_ms, offset_ms), (next_begin_ms, _) in pairwise([*offsets, end]):
            part = span.cut(Span(since_ms, next_begin_ms - 1))
            if part.last_ms < part.first_ms:  # the span has nothing of this stretch
                continue
            if pieces and pieces[-1].offset_ms == offset_ms:  # a new year changes nothing
                part = Span(pieces.pop().first_ms, part.last_ms)
            pieces.append(Piece(part.first_ms, part.last_ms, offset_ms))
        return pieces

    def find_hours(self, at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the local hour of each instant in the zone, in hours since 1970.

        `at_ms` has the instants in ms since 1970, in any order. Both arrays have the shape (n,).
        """
        import numpy as np

        if not len(at_ms):
            return at_ms
        # Stretches of one offset, by which the clocks are ahead of UTC. Which holds each instant?
        pieces = self.divide_span(Span(int(at_ms.min()), int(at_ms.max())))
        piece_begins = np.array([piece.first_ms for piece in pieces])
        piece_offsets = np.array([piece.offset_ms for piece in pieces], np.int64)
        piece_indexes = np.searchsorted(piece_begins, at_ms, side="right") - 1
        return np.asarray((at_ms + piece_offsets[piece_indexes]) // HOUR_MS, np.int64)

    def widen_to_hours(self, span: Span) -> Span:
        """Return the span of whole local hours that has all of this one: 9:17 to 11:02 is 9 to
        12."""
        pieces = self.divide_span(span)
        first_offset, last_offset = pieces[0].offset_ms, pieces[-1].offset_ms
        first_ms = (span.first_ms + first_offset) // HOUR_MS * HOUR_MS - first_offset
        end_ms = ((span.last_ms + last_offset) // HOUR_MS + 1) * HOUR_MS - last_offset
        begun = self.divide_span(Span(max(first_ms, 0), span.first_ms))
        ended = self.divide_span(Span(span.last_ms, min(end_ms - 1, 1000 * LAST_SECOND)))
        return Span(begun[-1].first_ms, ended[0].last_ms)  # an hour ends where clocks are changed

    def days(self, span: Span) -> list[int]:
        """Return the local days that the span touches, ascending."""
        return sorted({day for piece in self.divide_span(span) for day in _days(piece.hours)})

    def pieces_of(self, day: int) -> tuple[Piece, ...]:
        """Return the stretches of a local day between changes of the clocks, in order.

        `day` is in days since 1970. A day has one stretch, or two if the clocks change on it. A day
        that the zone skipped has none.
        """
        midnight = day * DAY_MS  # of that date in UTC: the local one is within a day of it
        end_ms = min(midnight + 3 * DAY_MS, 1000 * LAST_SECOND)
        around = self.divide_span(Span(midnight - 2 * DAY_MS, end_ms))
        parts = []
        for piece in around:
            begin_ms = midnight - piece.offset_ms  # of the day, by this stretch's clocks
            first_ms = max(piece.first_ms, begin_ms)
            last_ms = min(piece.last_ms, begin_ms + DAY_MS - 1)
            if first_ms <= last_ms:
                parts.append(Piece(first_ms, last_ms, piece.offset_ms))
        return tuple(parts)

    def begin_of_day(self, at: datetime) -> datetime:
        """Return the first instant of the local day of an instant."""
        day = at.astimezone(ZoneInfo(self._zone)).date().toordinal() - _EPOCH
        return moment(self.pieces_of(day)[0].first_ms)

    def list_buckets(self, granularity: Granularity, span: Span) -> list[int]:
        """List the months, weeks, days or hours that have an instant in the span, ascending.

        Each is a bucket, and is given by the number that `bucket_of` returns. Raises InvalidInput
        for more than MAX_BUCKETS.
        """
        too_many = InvalidInput(
            f"from start to end there are over {MAX_BUCKETS} buckets of one {granularity}: "
            "choose a shorter time or longer buckets"
        )
        # A first guess, so that no million of them is listed. No bucket lasts twice its usual
        # length, so this refuses no span that would fit.
        if (span.last_ms - span.first_ms) // (2 * _USUAL_MS[granularity]) > MAX_BUCKETS:
            raise too_many
        buckets: set[int] = set()
        for piece in self.divide_span(span):  # between changes of the clocks
            first = self.bucket_of(granularity, piece.hours[0])
            last = self.bucket_of(granularity, piece.hours[-1])
            buckets.update(range(first, last + 1, _STEPS.get(granularity, 1)))
        if len(buckets) > MAX_BUCKETS:
            raise too_many
        return sorted(buckets)

    def bucket_of(self, granularity: Granularity, hour: int) -> int:
        """Return the number of the month, week, day or hour (the bucket) that holds a local hour.

        `hour` is in hours since 1970. Months are counted from the year 0, days and hours from 1970.
        A week has the number of its first day, so numbers of weeks are 7 apart.
        """
        match granularity:
            case Granularity.MONTH:
                return month_of(hour)
            case Granularity.WEEK:
                # Python counts days from the year 1: _EPOCH is the ordinal of 1970-01-01.
                day = date.fromordinal(_EPOCH + hour // HOURS_PER_DAY)
                return begin_of_week(day, self.first_weekday).toordinal() - _EPOCH
            case Granularity.DAY:
                return hour // HOURS_PER_DAY
        return hour


def begin_of_week(day: date, first_weekday: int) -> date:
    """Return the first day of the week that holds a day; `first_weekday`: 0 is Monday."""
    return day - timedelta((day.weekday() - first_weekday) % 7)


def month_of(hour: int) -> int:
    """Return the number of the month that holds a local hour."""
    day = date.fromordinal(_EPOCH + hour // HOURS_PER_DAY)
    return day.year * 12 + day.month - 1


def time_key(granularity: Granularity, bucket: int) -> str:
    """Return how an answer names a month, day or hour: 202601, 20260131, 2026013109.

    A week is named as its first day. `bucket` is the number that `LocalTime.bucket_of` returns.
    """
    match granularity:
        case Granularity.MONTH:
            return f"{bucket // 12:04d}{bucket % 12 + 1:02d}"
        case Granularity.HOUR:
            return f"{day_text(bucket // 24)}{bucket % 24:02d}"
        case _:
            return day_text(bucket)


def day_text(day: int) -> str:
    """Write a day, counted since 1970, as YYYYMMDD."""
    return date.fromordinal(_EPOCH + day).isoformat().replace("-", "")


def day_number(text: str) -> int:
    """Invert `day_text`."""
    return date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal() - _EPOCH


def _days(hours: range) -> range:
    return range(hours[0] // 24, hours[-1] // 24 + 1)


_STEPS: Mapping[Granularity, int] = {Granularity.WEEK: 7}
_USUAL_MS: Mapping[Granularity, int] = {
    Granularity.MONTH: 31 * DAY_MS,
    Granularity.WEEK: 7 * DAY_MS,
    Granularity.DAY: DAY_MS,
    Granularity.HOUR: HOUR_MS,
}


@lru_cache(maxsize=4096)
def _offsets(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """List (since, offset) in ms of a UTC year: one entry for its first instant, one for each
    change of the clocks."""
    return tuple(
        (since * 1000, offset * 1000) for since, offset in _find_clock_changes(ZoneInfo(zone), year)
    )


def _find_clock_changes(zone: ZoneInfo, year: int) -> Iterator[tuple[int, int]]:
    """Yield each change of a zone's clocks in a UTC year: UNIX second, and the offset from then on.

    An offset is how many seconds the clocks are ahead of UTC. The year's first second comes first,
    whether or not they change then. The zone can only tell the offset at an instant. So it is asked
    every _PROBE_S; if two offsets differ, bisection finds the second of the change.
    """

    def offset_at(second: int) -> int:
        delta = datetime.fromtimestamp(second, zone).utcoffset()
        return 0 if delta is None else int(delta.total_seconds())

    second = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    last_second = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()) - 1
    offset = offset_at(second)
    yield second, offset
    while second < last_second:
        probe = min(second + _PROBE_S, last_second)
        if offset_at(probe) != offset:
            low, high = second, probe  # the clocks change behind `low`, at `high` at the latest
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(middle) == offset:
                    low = middle
                else:
                    high = middle
            offset = offset_at(high)
            yield high, offset
        second = probe
