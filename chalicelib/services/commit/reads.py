"""The signatures that reads came with: on one box, a request that changes something may not come with one of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from itertools import islice

from chalicelib.core.ports import Clock

MOST = 100_000
"""Signatures that are remembered, the newest: 25 MB at most, and 160 reads a second at a tolerance of 300 s."""


class SignedReads:
    """The keys of signed reads in this process's memory. `kept`: for how long their signatures hold.

    A signature covers neither the path nor a file, so somebody who overhears a read over plain http could send it as a
    change, with a picture of their own.
    """

    def __init__(self, clock: Clock, kept: timedelta, most: int = MOST) -> None:
        self._clock = clock
        self._kept = kept
        self._most = most
        self._until: OrderedDict[str, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str) -> None:
        """Remember the key."""
        now = self._clock.now()
        with self._lock:
            self._until.pop(key, None)
            self._until[key] = now + self._kept
            for oldest in list(islice(self._until, 2)):  # two for each that comes: those that have expired run out
                if len(self._until) > self._most or self._until[oldest] < now:
                    del self._until[oldest]

    def __contains__(self, key: str) -> bool:
        with self._lock:
            until = self._until.get(key)
        return until is not None and self._clock.now() <= until

    def __len__(self) -> int:
        return len(self._until)
