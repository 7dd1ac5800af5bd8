"""How fast and when: backoff, bandwidth, hours of the day, pictures a minute."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import BinaryIO

LONGEST_RETRY_AFTER_S = 3600.0
"""A Retry-After beyond this is not believed: a mistake over there must not silence a camera for a year."""


class Backoff:
    """Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a random time up to base * 2^failures, capped."""

    def __init__(self, base_s: float = 0.5, cap_s: float = 300.0, rng: random.Random | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()
        self.failures = 0

    def worked(self) -> None:
        self.failures = 0

    def failed(self, retry_after_s: float | None = None) -> float:
        """How long to wait now: at least what the service asked for, and jitter on top, or all would come at once."""
        wait_s = self._rng.uniform(0, min(self._cap_s, self._base_s * 2 ** min(self.failures, 30)))
        self.failures += 1
        return wait_s + min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)


class Bandwidth:
    """A bucket of bytes that all uploads share. `bytes_per_s` None: no cap."""

    def __init__(
        self,
        bytes_per_s: float | None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = bytes_per_s
        self._now, self._sleep = now, sleep
        self._lock = threading.Lock()
        self._free_at = now()

    @property
    def bytes_per_s(self) -> float | None:
        return self._rate

    def spend(self, size: int) -> None:
        """Wait until `size` bytes may go."""
        if self._rate is None:
            return
        with self._lock:
            start = max(self._free_at, self._now())
            self._free_at = start + size / self._rate
        self._sleep(max(0.0, start - self._now()))


class Throttled:
    """A stream that is read as fast as the bandwidth allows, in pieces of at most `piece` bytes."""

    def __init__(self, stream: BinaryIO, bandwidth: Bandwidth, piece: int = 16_384) -> None:
        self._stream = stream
        self._bandwidth = bandwidth
        self._piece = piece

    def read(self, amount: int = -1, /) -> bytes:
        piece = self._piece if amount is None or amount < 0 else min(amount, self._piece)
        data = self._stream.read(piece)
        self._bandwidth.spend(len(data))
        return data


@dataclass(frozen=True)
class Hours:
    """Times of day, minutes since midnight, from and to; over midnight where `to` is not later than `from`."""

    spans: Sequence[tuple[int, int]]
    zone: tzinfo | None = None

    @classmethod
    def parsed(cls, texts: Sequence[str], zone: tzinfo | None = None) -> Hours:
        """`["22:00-06:00"]`; none: always. Raises ValueError."""
        return cls(tuple(_span(text) for text in texts), zone)

    def open_at(self, at_ms: int) -> bool:
        if not self.spans:
            return True
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(
            start <= minute < end if start < end else minute >= start or minute < end for start, end in self.spans
        )


ALWAYS = Hours(())


def _span(text: str) -> tuple[int, int]:
    start, _, end = text.partition("-")
    return _minute(start), _minute(end)


def _minute(text: str) -> int:
    hours, _, minutes = text.strip().partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) <= 24 and int(minutes) < 60):
        raise ValueError(f"{text!r} is no time of day: write it as 22:00-06:00")
    return (int(hours) * 60 + int(minutes)) % (24 * 60)


class PerMinute:
    """At most `limit` in any 60 seconds; None: any number."""

    def __init__(self, limit: int | None, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._taken: deque[float] = deque()

    def wait_s(self) -> float:
        """How long until one more may be taken; 0 for now."""
        if self._limit is None:
            return 0.0
        now = self._now()
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        return 0.0 if len(self._taken) < self._limit else self._taken[0] + 60 - now

    def take(self) -> None:
        if self._limit is not None:
            self._taken.append(self._now())
