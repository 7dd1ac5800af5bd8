"""The pace of uploads: backoff, bandwidth, hours of the day, pictures a minute."""

from __future__ import annotations

import json
import math
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

LONGEST_RETRY_AFTER_S = 3600.0
"""A Retry-After beyond this is not believed: a mistake over there must not silence a camera for a
year."""


@dataclass(eq=False)
class Backoff:
    """Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a random time up to
    base * 2^failures, capped."""

    base_s: float = 0.5
    cap_s: float = 300.0
    rng: random.Random = field(default_factory=random.Random)
    failures: int = field(default=0, init=False)

    def reset_failures(self) -> None:
        self.failures = 0

    def count_failure(self, retry_after_s: float | None = None) -> float:
        """Return the time to wait now: at least what the service asked for, and jitter, or all
        would come at once."""
        wait_s = self.rng.uniform(0, min(self.cap_s, self.base_s * 2 ** min(self.failures, 30)))
        self.failures += 1
        return wait_s + min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)


@dataclass(eq=False)
class Ticks:
    """Times that come each `interval_ms`, though what is taken at them comes early or late.

    An early or late one moves no later tick. So of pictures each 125 ms, of which somebody has
    passed on those at 125, 375, 500, 750 and 1000 ms, all are taken of ticks each 200 ms: they are
    as many. Who is late by a whole interval begins anew: what was missed is not made up for.
    """

    interval_ms: float
    early_ms: float = 0.0
    """How long before its time a tick may be taken: what comes may have been thinned already, by
    ticks that lie elsewhere."""
    due_ms: float = -math.inf
    _taken_ms: float = field(default=-math.inf, init=False)

    def is_due(self, at_ms: float) -> bool:
        """Tell whether a tick may be taken at this time, also after a clock was set back."""
        return at_ms >= self.due_ms - self.early_ms or at_ms < self._taken_ms

    def take(self, at_ms: float) -> None:
        """Take a tick, so that the next one is due an interval after it."""
        is_near = abs(at_ms - self.due_ms) < self.interval_ms
        self.due_ms = (self.due_ms if is_near else at_ms) + self.interval_ms
        self._taken_ms = at_ms


PIECE_BYTES = 16_384
"""Bytes that are sent at once, between two looks at the bandwidth."""


@dataclass(eq=False)
class Bandwidth:
    """A bucket of bytes that all uploads share. `bytes_per_s` None: no cap."""

    bytes_per_s: float | None
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _free_at: float = field(default=-math.inf, init=False)

    def spend(self, size: int) -> None:
        """Wait until `size` bytes may go."""
        if (rate := self.bytes_per_s) is None:
            return
        with self._lock:
            start = max(self._free_at, self.now())
            self._free_at = start + size / rate
        self.sleep(max(0.0, start - self.now()))


def throttle_stream(stream: BinaryIO, bandwidth: Bandwidth) -> Iterator[bytes]:
    """Read a stream piece by piece, as fast as the bandwidth allows."""
    while data := stream.read(PIECE_BYTES):
        bandwidth.spend(len(data))
        yield data


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


_DAY_MIN, _WEEK_MIN = 24 * 60, 7 * 24 * 60
_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Hours:
    """Times of day, also of some days of the week."""

    spans: Sequence[range]
    """Minutes since the week began, on Monday; one over midnight on Sunday goes on beyond its
    end."""
    zone: tzinfo | None = None
    within: Hours | None = None
    """Which are to be open, too."""

    @classmethod
    def read_spans(cls, texts: Sequence[str], zone: tzinfo | None = None) -> Hours:
        """`["22:00-06:00"]`, `["Mon-Fri 08:00-20:00", "Sat 09:00-14:00"]`; none: always.

        Raises ValueError.
        """
        return cls(tuple(span for text in texts for span in _parse_span(text)), zone)

    @classmethod
    def read(cls, text: str) -> Hours:
        """Read what `write` wrote."""
        return _make_hours(json.loads(text)) if text else ALWAYS

    def write(self) -> str:
        """Write them for another process; "": always."""
        return json.dumps(_list_hours(self), separators=(",", ":")) if self.ever_close else ""

    @property
    def ever_close(self) -> bool:
        """Return whether there is a time that is not in them, as far as they are written."""
        return bool(self.spans) or (self.within is not None and self.within.ever_close)

    def is_open_through(self, first_ms: int, last_ms: int) -> bool:
        """Tell whether all of a time lies in them, both ends included; each week is like the
        first."""
        end_ms = min(last_ms, first_ms + _WEEK_MIN * _MINUTE_MS)
        minutes = range(first_ms, end_ms, _MINUTE_MS)
        return all(map(self.is_open_at, (*minutes, last_ms)))

    def is_open_at(self, at_ms: int) -> bool:
        if self.within is not None and not self.within.is_open_at(at_ms):
            return False
        if not self.spans:
            return True
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        return any(minute in span or minute + _WEEK_MIN in span for span in self.spans)


ALWAYS = Hours(())


def _list_hours(hours: Hours) -> list[object]:
    spans = [[span.start, span.stop] for span in hours.spans]
    return [spans, hours.zone and str(hours.zone), hours.within and _list_hours(hours.within)]


def _make_hours(row: Any) -> Hours:
    spans, zone, within = row
    ranges = tuple(range(*span) for span in spans)
    return Hours(ranges, zone and ZoneInfo(zone), within and _make_hours(within))


_DAY = f"({'|'.join(_DAYS)})"
_SPAN = re.compile(
    rf"(?:{_DAY}(?:-{_DAY})? +)?(\d\d?):([0-5]?\d)-(\d\d?):([0-5]?\d)", re.IGNORECASE
)


def _parse_span(text: str) -> Iterator[range]:
    found = _SPAN.fullmatch(text.strip())
    if found is None or max(int(found[3]), int(found[5])) > 24:
        raise ValueError(
            f"{text!r} are no hours: write them as 22:00-06:00, or as Mon-Fri 08:00-20:00"
        )
    first, last = found[1] or "mon", found[2] or found[1] or "sun"
    begins, ends = _DAYS.index(first.lower()), _DAYS.index(last.lower())
    start, end = (60 * int(found[at]) + int(found[at + 1]) for at in (3, 5))
    for day in range(begins, begins + (ends - begins) % 7 + 1):
        at = day % 7 * _DAY_MIN + start % _DAY_MIN
        yield range(at, at + ((end - start) % _DAY_MIN or _DAY_MIN))


@dataclass(eq=False)
class PerMinute:
    """At most `limit` in any 60 seconds; None: any number."""

    limit: int | None
    now: Callable[[], float] = time.monotonic
    _taken: deque[float] = field(default_factory=deque, init=False)

    def wait_s(self) -> float:
        """Return how long until one more may be taken; 0 for now."""
        if self.limit is None:
            return 0.0
        now = self.now()
        while self._taken and now - self._taken[0] >= 60:
            self._taken.popleft()
        return 0.0 if len(self._taken) < self.limit else 60 - (now - self._taken[0])

    def take(self) -> None:
        if self.limit is not None:
            self._taken.append(self.now())
