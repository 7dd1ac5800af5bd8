"""How fast and when: backoff, bandwidth, hours of the day, pictures a minute."""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import BinaryIO

LONGEST_RETRY_AFTER_S = 3600.0
"""A Retry-After beyond this is not believed: a mistake over there must not silence a camera for a year."""


@dataclass(eq=False)
class Backoff:
    """Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a random time up to base * 2^failures, capped."""

    base_s: float = 0.5
    cap_s: float = 300.0
    rng: random.Random = field(default_factory=random.Random)
    failures: int = field(default=0, init=False)

    def worked(self) -> None:
        self.failures = 0

    def failed(self, retry_after_s: float | None = None) -> float:
        """Return the time to wait now: at least what the service asked for, and jitter, or all would come at once."""
        wait_s = self.rng.uniform(0, min(self.cap_s, self.base_s * 2 ** min(self.failures, 30)))
        self.failures += 1
        return wait_s + min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)


PIECE_BYTES = 16_384


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


def throttled(stream: BinaryIO, bandwidth: Bandwidth) -> Iterator[bytes]:
    """Read a stream piece by piece, as fast as the bandwidth allows."""
    while data := stream.read(PIECE_BYTES):
        bandwidth.spend(len(data))
        yield data


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class _Span:
    """Minutes since midnight, from and to, on some days of the week (0: Monday).

    If `end` is not later than `start` it is over midnight, and belongs to the day that it begins on.
    """

    days: frozenset[int]
    start: int
    end: int

    def holds(self, day: int, minute: int) -> bool:
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True)
class Hours:
    """Times of day, also of some days of the week."""

    spans: Sequence[_Span]
    zone: tzinfo | None = None
    within: Hours | None = None
    """Which are to be open, too."""

    @classmethod
    def parsed(cls, texts: Sequence[str], zone: tzinfo | None = None) -> Hours:
        """`["22:00-06:00"]`, `["Mon-Fri 08:00-20:00", "Sat 09:00-14:00"]`; none: always. Raises ValueError."""
        return cls(tuple(_span(text) for text in texts), zone)

    def open_at(self, at_ms: int) -> bool:
        if self.within is not None and not self.within.open_at(at_ms):
            return False
        if not self.spans:
            return True
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        return any(span.holds(local.weekday(), local.hour * 60 + local.minute) for span in self.spans)


ALWAYS = Hours(())


_DAY = f"({'|'.join(_DAYS)})"
_SPAN = re.compile(rf"(?:{_DAY}(?:-{_DAY})? +)?(\d\d?):([0-5]?\d)-(\d\d?):([0-5]?\d)", re.IGNORECASE)


def _span(text: str) -> _Span:
    found = _SPAN.fullmatch(text.strip())
    if found is None or max(int(found[3]), int(found[5])) > 24:
        raise ValueError(f"{text!r} are no hours: write them as 22:00-06:00, or as Mon-Fri 08:00-20:00")
    first, last = found[1] or "mon", found[2] or found[1] or "sun"
    begins, ends = _DAYS.index(first.lower()), _DAYS.index(last.lower())
    start, end = ((60 * int(found[at]) + int(found[at + 1])) % (24 * 60) for at in (3, 5))
    return _Span(frozenset((begins + passed) % 7 for passed in range((ends - begins) % 7 + 1)), start, end)


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
