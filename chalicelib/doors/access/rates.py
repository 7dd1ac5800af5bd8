"""Rates: how fast requests may come, and how often a sign-in may be wrong.

They are kept by token buckets (RFC 2697's idea with one rate). Buckets live in this process's memory. One box has one
process; on AWS each instance of a function has its own, so the limit there is approximate.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from chalicelib.book.words.errors import TooManyRequests

_ROUNDING = 1e-6

_MOST = 10_000
"""Buckets that are held: of all callers of some minutes."""


class Rate(NamedTuple):
    """A limit. `name`: of the policy in the headers; `of`: what it counts, in words; `a_second`: how many requests may
    come for long; `burst`: how many at once."""

    name: str
    of: str
    a_second: float
    burst: int

    @property
    def window_s(self) -> int:
        """Return in how many seconds an empty bucket is full again."""
        return _whole(self.burst / self.a_second)


class Buckets:
    """The buckets of one rate, one for each caller. `timer`: seconds that never go back."""

    def __init__(self, rate: Rate, timer: Callable[[], float] = monotonic) -> None:
        self.rate = rate
        self._timer = timer
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        """When each bucket is full again, if nothing is taken: an absent one is full."""

    def take(self, caller: str) -> Mapping[str, str]:
        """Take one token; return the headers that tell what is left. Raises TooManyRequests."""
        with self._lock:
            now = self._timer()
            self._forget(now)
            missing = max(0.0, self._full_at.get(caller, now) - now) * self.rate.a_second + 1
            if missing > self.rate.burst + _ROUNDING:
                wait_s = max(1, _whole((missing - self.rate.burst) / self.rate.a_second))
                raise TooManyRequests(
                    f"{self.rate.burst} {self.rate.of} may come within {self.rate.window_s} s: send this one again in "
                    f"{wait_s} s",
                    wait_s,
                    self._headers(0, wait_s),
                )
            self._full_at[caller] = now + missing / self.rate.a_second
            return self._headers(int(self.rate.burst - missing + _ROUNDING), _whole(missing / self.rate.a_second))

    def give_back(self, caller: str) -> None:
        """Put a token back that was taken."""
        with self._lock:
            if caller in self._full_at:
                self._full_at[caller] -= 1 / self.rate.a_second

    def _forget(self, now: float) -> None:
        """Forget full buckets, and if there are too many others, those that are soonest full."""
        if len(self._full_at) < _MOST:
            return
        kept = sorted((full_at, caller) for caller, full_at in self._full_at.items() if full_at > now)
        self._full_at = {caller: full_at for full_at, caller in kept[-_MOST // 2 :]}

    def _headers(self, left: int, full_in_s: int) -> Mapping[str, str]:
        """Make the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        name = self.rate.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.rate.burst};w={self.rate.window_s}',
            "RateLimit": f'"{name}";r={left};t={full_in_s}',
        }


_MOST_KNOWN = 1_000


class Rates:
    """The limits of v1: each key's requests, those of them that look for faces, an address's wrong sign-ins, and the
    wrong passwords of a person."""

    def __init__(
        self, requests_a_second: float, searches_a_second: float, timer: Callable[[], float] = monotonic
    ) -> None:
        self.requests = Buckets(_double("requests", "requests of a key", requests_a_second), timer)
        self.searches = Buckets(_double("searches", "requests of a key that look for faces", searches_a_second), timer)
        self.wrong_sign_ins = Buckets(Rate("sign-ins", "wrong sign-ins from an address", 10 / 60, 10), timer)
        self._guesses = Buckets(Rate("guesses", "wrong passwords of a person", 20 / 3600, 20), timer)
        self._signed_in: dict[str, None] = {}
        """Each address with the person who signed in from there, the latest last."""

    @contextmanager
    def count_guess(self, address: str, person: str) -> Iterator[None]:
        """Count a password of this person that is tried inside, unless it is right.

        A password can be guessed, unlike a key, so it is not looked at once too many were wrong: of this address, or of
        this person from anywhere. Guesses from elsewhere do not count for an address that the person signed in from, so
        nobody can lock somebody else out there. Raises TooManyRequests.
        """
        own = f"{address} {person}"
        counts = [(self.wrong_sign_ins, own)]
        if own not in self._signed_in:
            counts = [(self.wrong_sign_ins, address), (self._guesses, person)]
        for bucket, of in counts:
            bucket.take(of)
        yield
        for bucket, of in counts:
            bucket.give_back(of)
        self._signed_in.pop(own, None)
        self._signed_in[own] = None
        if len(self._signed_in) > _MOST_KNOWN:
            self._signed_in.pop(next(iter(self._signed_in)), None)


def _double(name: str, of: str, a_second: float) -> Rate:
    return Rate(name, of, a_second, max(1, int(2 * a_second)))


def _whole(seconds: float) -> int:
    """Round up to whole seconds."""
    return math.ceil(seconds - _ROUNDING)
