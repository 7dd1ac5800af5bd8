"""CPU slots: which threads compute when more want to than there are cores."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chalicelib.core import telemetry


@dataclass(eq=False)
class _Waiting:
    tenant: str
    to_open: bool


class CpuSlots:
    """A limit of computing threads: `count` of one tenant, and twice as many of all, so that none waits for another.

    Threads with an open picture go before those that would open one. Without that, all requests of a rush open their
    pictures before any is processed, and an upload of a few megabytes waits as 50 megabytes of pixels. Among equals,
    the tenant with the fewest slots goes first. Threads that work for no tenant count as one.
    """

    def __init__(self, count: int) -> None:
        self._count, self._free = count, 2 * count
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()

    @contextmanager
    def slot(self, *, to_open: bool = False) -> Iterator[None]:
        """Take a slot. `to_open`: the thread opens a picture, and waits while threads with open pictures wait."""
        mine = _Waiting(telemetry.tenant(), to_open)
        with self._changed:
            self._waiting.append(mine)
            try:
                self._changed.wait_for(lambda: self._next() is mine)
                self._free -= 1
                self._held[mine.tenant] += 1
            finally:
                self._waiting.remove(mine)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._held[mine.tenant] -= 1
                self._changed.notify_all()

    def _next(self) -> _Waiting | None:
        """Return whose turn it is; None if there is no slot for any that waits."""
        may = [each for each in self._waiting if self._free and self._held[each.tenant] < self._count]
        return min(may, key=lambda each: (each.to_open, self._held[each.tenant]), default=None)
