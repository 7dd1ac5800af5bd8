"""How many requests a second may a key send, and how many wrong passwords are there until a lock?

A request without a key is limited only as a sign-in: by its address, and by the person whose
password it guesses. `/health`, `/ready`, the console's files and v1's document have no limit here.
A public demo limits each address (regulars/serve/public.py).

The limits are token buckets (RFC 2697's idea with one rate), which live in this process's memory.
One box has one process; on AWS each instance of a function has its own, so the limit there is
approximate.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from chalicelib.domain.errors import TooManyRequests

_ROUNDING = 1e-6
"""Tokens by which floating point may be wrong."""

_MAX_BUCKETS = 10_000
"""Buckets that are held: of all callers of some minutes."""


class Rate(NamedTuple):
    """A limit. `name`: the name of the policy in the headers.

    `counts`: what it counts, in words. `a_second`: how many requests may come for long. `burst`:
    how many may come at once.
    """

    name: str
    counts: str
    a_second: float
    burst: int

    @property
    def window_s(self) -> int:
        """Return in how many seconds an empty bucket is full again."""
        return _round_up(self.burst / self.a_second)


class Buckets:
    """The buckets of one rate, one for each caller. `timer`: seconds that never go back."""

    def __init__(self, rate: Rate, timer: Callable[[], float] = monotonic) -> None:
        self.rate = rate
        self._timer = timer
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        """When each bucket is full again, if nothing is taken: an absent one is full."""

    def take(self, caller: str) -> Mapping[str, str]:
        """Take one token of the caller's bucket. Return the headers that tell how many are left.

        Raises TooManyRequests if there is none.

        A bucket of 20 tokens that fills at 10 a second lets 20 requests pass at once, then one each
        0.1 s.
        """
        with self._lock:
            now = self._timer()
            self._forget_full_buckets(now)
            full_in_s = max(0.0, self._full_at.get(caller, now) - now)
            missing = full_in_s * self.rate.a_second + 1  # tokens, with the one that is taken
            if missing > self.rate.burst + _ROUNDING:
                wait_s = max(1, _round_up((missing - self.rate.burst) / self.rate.a_second))
                raise TooManyRequests(
                    f"{self.rate.burst} {self.rate.counts} may come within {self.rate.window_s} s: "
                    "send this one again "
                    f"in {wait_s} s",
                    wait_s,
                    self._make_headers(0, wait_s),
                )
            full_in_s = missing / self.rate.a_second
            self._full_at[caller] = now + full_in_s
            return self._make_headers(
                int(self.rate.burst - missing + _ROUNDING), _round_up(full_in_s)
            )

    def give_back(self, caller: str) -> None:
        """Put a token back that was taken."""
        with self._lock:
            if caller in self._full_at:
                self._full_at[caller] -= 1 / self.rate.a_second

    def spend(self, caller: str, tokens: float) -> None:
        """Take tokens for what is done already, also more than are left: the caller waits the
        longer then."""
        with self._lock:
            now = self._timer()
            self._full_at[caller] = (
                max(now, self._full_at.get(caller, now)) + tokens / self.rate.a_second
            )

    def _forget_full_buckets(self, now: float) -> None:
        """Forget full buckets, and if there are too many others, those that are soonest full."""
        if len(self._full_at) < _MAX_BUCKETS:
            return
        not_full = sorted(
            (full_at, caller) for caller, full_at in self._full_at.items() if full_at > now
        )
        self._full_at = {caller: full_at for full_at, caller in not_full[-_MAX_BUCKETS // 2 :]}

    def _make_headers(self, tokens_left: int, full_in_s: int) -> Mapping[str, str]:
        """Make the headers of draft-ietf-httpapi-ratelimit-headers-10.

        `tokens_left`: the tokens that are left.
        """
        name = self.rate.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.rate.burst};w={self.rate.window_s}',
            "RateLimit": f'"{name}";r={tokens_left};t={full_in_s}',
        }


_MAX_SIGNED_IN = 1_000
"""Addresses of people who signed in that a process remembers: 0.1 MB."""


WRONG_SIGN_INS = Rate("sign-ins", "wrong sign-ins from an address", a_second=10 / 60, burst=10)
"""Ten a minute: keys, codes, links, passkeys and passwords that were wrong."""

WRONG_PASSWORDS = Rate("guesses", "wrong passwords of a person", a_second=20 / 3600, burst=20)
"""Twenty an hour, from addresses that the person never signed in from. At that rate, a password of
four words that an attacker finds among a billion takes thousands of years."""


class Rates:
    """The limits of v1: each key's requests, those of them that look for faces, an address's wrong
    sign-ins, and the wrong passwords of a person."""

    def __init__(
        self,
        requests_a_second: float,
        searches_a_second: float,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        """Begin with all limits unused, and nobody signed in.

        `requests_a_second`: the requests of one key; `searches_a_second`: those of them that look
        for faces; `timer`: a clock in seconds that never goes back.
        """
        self.requests = Buckets(
            _make_rate("requests", "requests of a key", requests_a_second), timer
        )
        self.searches = Buckets(
            _make_rate("searches", "requests of a key that look for faces", searches_a_second),
            timer,
        )
        self.wrong_sign_ins = Buckets(WRONG_SIGN_INS, timer)
        self._wrong_passwords = Buckets(WRONG_PASSWORDS, timer)
        self._signed_in: dict[str, None] = {}
        """Each address with the person who signed in from there, as "192.0.2.7 shop#ann", the
        latest last."""

    @contextmanager
    def count_guess(self, address: str, person: str) -> Iterator[None]:
        """Count a password of this person as wrong, unless the block ends without an error.

        The caller checks the password in the block. TooManyRequests is raised before the block if
        too many passwords were wrong: those from this address, or those of this person from any
        address. If the person has signed in from this address before, only the wrong passwords of
        this person from this address count. So nobody can lock somebody else out there.
        """
        address_of_person = f"{address} {person}"
        if address_of_person in self._signed_in:
            limits = [(self.wrong_sign_ins, address_of_person)]
        else:
            limits = [(self.wrong_sign_ins, address), (self._wrong_passwords, person)]
        for buckets, caller in limits:
            buckets.take(caller)
        yield
        for buckets, caller in limits:
            buckets.give_back(caller)
        self._signed_in.pop(address_of_person, None)
        self._signed_in[address_of_person] = None
        if len(self._signed_in) > _MAX_SIGNED_IN:
            self._signed_in.pop(next(iter(self._signed_in)), None)


def _make_rate(name: str, counts: str, a_second: float) -> Rate:
    """Make a rate that lets the requests of two seconds come at once."""
    return Rate(name, counts, a_second, max(1, int(2 * a_second)))


def _round_up(seconds: float) -> int:
    """Round up to whole seconds."""
    return math.ceil(seconds - _ROUNDING)
