"""Rate limits: requests a second for each key, and wrong passwords until a lock.

A request without a key is limited only if it is a sign-in: by its address, and by the person whose
password is tried. `/health`, `/ready`, the console's files and v1's document have no limit here.

The limits are token buckets (RFC 2697's idea with one rate). Those of requests live in this
process's memory: on AWS each instance of a function has its own, so that limit is approximate. A
box has one process; on AWS wrong sign-ins are counted in DynamoDB, for all instances.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import NamedTuple

from chalicelib.domain.errors import ConditionFailed, TooManyRequests
from chalicelib.storage import keys
from chalicelib.storage.ports import Clock, Item, ItemStore, Put, absent, equals
from chalicelib.storage.values import milliseconds

_ROUNDING = 1e-6
"""Tokens by which floating point may be wrong."""

_MAX_BUCKETS = 10_000
"""Buckets that are held: of all callers of some minutes."""

_MAX_KNOWN = 1_000
"""Addresses of people who signed in that a process remembers: 0.1 MB."""

_KNOWN_S = 30 * 86_400
"""How long such an address is stored."""

_TRIES = 10
_CHANGED = "bucket-same"


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

    def take_token(self, full_in_s: float) -> tuple[float, Mapping[str, str]]:
        """Return the seconds until a bucket is full after another token is taken, and the headers
        with the number of tokens left.

        Raises TooManyRequests if there is none.
        """
        missing = full_in_s * self.a_second + 1  # tokens, with the one that is taken
        if missing > self.burst + _ROUNDING:
            wait_s = max(1, _round_up((missing - self.burst) / self.a_second))
            raise TooManyRequests(
                f"{self.burst} {self.counts} may come within {self.window_s} s: send this one "
                f"again in {wait_s} s",
                wait_s,
                self._make_headers(0, wait_s),
            )
        full_in_s = missing / self.a_second
        tokens_left = int(self.burst - missing + _ROUNDING)
        return full_in_s, self._make_headers(tokens_left, _round_up(full_in_s))

    def _make_headers(self, tokens_left: int, full_in_s: int) -> Mapping[str, str]:
        """Make the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.burst};w={self.window_s}',
            "RateLimit": f'"{self.name}";r={tokens_left};t={full_in_s}',
        }


class Buckets:
    """The buckets of one rate, one for each caller, in this process.

    `timer`: seconds that never go back.
    """

    def __init__(self, rate: Rate, timer: Callable[[], float] = monotonic) -> None:
        self.rate = rate
        self._timer = timer
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        """When each bucket is full again, if nothing is taken: an absent one is full."""
        self._known: dict[str, None] = {}
        """Callers who were right, the latest last."""

    def take(self, caller: str) -> Mapping[str, str]:
        """Take one token from the caller's bucket. Return the headers with the number of tokens
        left.

        Raises TooManyRequests if there is none.

        A bucket of 20 tokens that fills at 10 a second lets 20 requests pass at once, then one each
        0.1 s.
        """
        with self._lock:
            now = self._timer()
            self._forget_full_buckets(now)
            full_in_s = max(0.0, self._full_at.get(caller, now) - now)
            full_in_s, headers = self.rate.take_token(full_in_s)
            self._full_at[caller] = now + full_in_s
            return headers

    def give_back(self, caller: str) -> None:
        """Put a token back that was taken."""
        with self._lock:
            if caller in self._full_at:
                self._full_at[caller] -= 1 / self.rate.a_second

    def _forget_full_buckets(self, now: float) -> None:
        """Forget full buckets, and if there are too many others, those that are soonest full."""
        if len(self._full_at) < _MAX_BUCKETS:
            return
        not_full = sorted(
            (full_at, caller) for caller, full_at in self._full_at.items() if full_at > now
        )
        self._full_at = {caller: full_at for full_at, caller in not_full[-_MAX_BUCKETS // 2 :]}

    def know(self, caller: str) -> None:
        """Remember a caller whose credentials were right."""
        with self._lock:
            self._known.pop(caller, None)
            self._known[caller] = None
            if len(self._known) > _MAX_KNOWN:
                self._known.pop(next(iter(self._known)))

    def is_known(self, caller: str) -> bool:
        return caller in self._known


class StoredBuckets:
    """The buckets of one rate, which all instances of a function share.

    A caller is stored as a hash, until its bucket is full, or it is forgotten after a month.
    """

    def __init__(self, items: ItemStore, clock: Clock, rate: Rate) -> None:
        self.rate = rate
        self._items, self._clock = items, clock

    def take(self, caller: str) -> Mapping[str, str]:
        """Take one token of the caller's bucket, as `Buckets.take`.

        Raises TooManyRequests also if others take from it all the time.
        """
        return self._change(caller, self.rate.take_token)

    def give_back(self, caller: str) -> None:
        """Put a token back that was taken."""
        self._change(caller, lambda full_in_s: (full_in_s - 1 / self.rate.a_second, {}))

    def know(self, caller: str) -> None:
        """Remember a caller whose credentials were right."""
        now_s = int(self._clock.now().timestamp())
        item = self._make_item("known", caller, now_s + _KNOWN_S)
        self._items.transact([Put(keys.TENANTS, item)])

    def is_known(self, caller: str) -> bool:
        item = self._items.get(keys.TENANTS, keys.sign_in_item(self._name("known", caller)))
        return item is not None and item["expires_at"] > self._clock.now().timestamp()

    def _change(
        self, caller: str, change: Callable[[float], tuple[float, Mapping[str, str]]]
    ) -> Mapping[str, str]:
        name = self._name(self.rate.name, caller)
        for _ in range(_TRIES):
            now_ms = milliseconds(self._clock.now())
            item = self._items.get(keys.TENANTS, keys.sign_in_item(name))
            full_at_ms = now_ms if item is None else max(now_ms, int(item["full_at"]))
            full_in_s, headers = change((full_at_ms - now_ms) / 1000)
            full_at_ms = now_ms + round(full_in_s * 1000)
            put = self._make_item(self.rate.name, caller, full_at_ms // 1000 + 1)
            same = (
                absent(_CHANGED) if item is None else equals("full_at", item["full_at"], _CHANGED)
            )
            try:
                self._items.transact([Put(keys.TENANTS, {**put, "full_at": full_at_ms}, (same,))])
            except ConditionFailed:
                continue
            return headers
        raise TooManyRequests(f"too many {self.rate.counts} at once: try again in a second", 1, {})

    @staticmethod
    def _name(what: str, caller: str) -> str:
        return sha256(f"{what}\n{caller}".encode()).hexdigest()

    def _make_item(self, what: str, caller: str, expires_at_s: int) -> Item:
        kind, id_ = keys.sign_in_item(self._name(what, caller))
        return {"kind": kind, "id": id_, "expires_at": expires_at_s}


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
        make_buckets: Callable[[Rate], Buckets | StoredBuckets] | None = None,
    ) -> None:
        """Begin with all limits of this process unused, and nobody signed in.

        `requests_a_second`: the requests of one key; `searches_a_second`: those of them that look
        for faces; `timer`: a clock in seconds that never goes back; `make_buckets`: makes those of
        sign-ins, None: in this process.
        """
        make = make_buckets or partial(Buckets, timer=timer)
        self.requests = Buckets(
            _make_rate("requests", "requests of a key", requests_a_second), timer
        )
        self.searches = Buckets(
            _make_rate("searches", "requests of a key that look for faces", searches_a_second),
            timer,
        )
        self.wrong_sign_ins, self._wrong_passwords = make(WRONG_SIGN_INS), make(WRONG_PASSWORDS)

    @contextmanager
    def count_guess(self, address: str, person: str) -> Iterator[None]:
        """Count a password of this person as wrong, unless the block ends without an error.

        The caller checks the password in the block. TooManyRequests is raised before the block if
        too many passwords were wrong: those from this address, or those of this person from any
        address. If the person has signed in from this address before, only the wrong passwords of
        this person from this address count. So nobody can lock somebody else out there.
        """
        address_of_person = f"{address} {person}"
        if self.wrong_sign_ins.is_known(address_of_person):
            limits = [(self.wrong_sign_ins, address_of_person)]
        else:
            limits = [(self.wrong_sign_ins, address), (self._wrong_passwords, person)]
        for buckets, caller in limits:
            buckets.take(caller)
        yield
        for buckets, caller in limits:
            buckets.give_back(caller)
        self.wrong_sign_ins.know(address_of_person)


def _make_rate(name: str, counts: str, a_second: float) -> Rate:
    """Make a rate that lets the requests of two seconds come at once."""
    return Rate(name, counts, a_second, max(1, int(2 * a_second)))


def _round_up(seconds: float) -> int:
    """Round up to whole seconds."""
    return math.ceil(seconds - _ROUNDING)
