"""Threads in simulated time: the code under test runs as it is, its waits take none.

One thread runs at a time. When it waits, that one goes on whose wait ends first, and the clock is
set to then. So a day passes in minutes, and the same script gives the same day.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from rig.clock import FakeClock


@dataclass(frozen=True)
class _Sleep:
    due_ms: float
    event: Event | None
    wake: threading.Event = field(default_factory=threading.Event)


class Event:
    """As `threading.Event`, in the time of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float) -> bool:
        if not self._is_set:
            self._stage.sleep(timeout, self)
        return self._is_set


class Stage:
    """The thread that makes it is on it, and the only one that runs until it sleeps."""

    def __init__(self, clock: FakeClock, passed: Callable[[int], object] = int) -> None:
        """`passed` hears the true time each time that it changes."""
        self._clock = clock
        self._passed = passed
        self._lock = threading.Lock()
        self._asleep: dict[int, _Sleep] = {}
        self._numbers = itertools.count()
        self.playing = 0
        """How many threads `begin` has begun that have not ended."""
        self.failed: list[BaseException] = []

    def event(self) -> Event:
        return Event(self)

    def now_s(self) -> float:
        """A monotonic clock."""
        return self._clock.true_ms / 1000

    def begin(self, work: Callable[[], object]) -> None:
        """Run `work` in a thread; what it raises is in `failed`."""
        with self._lock:
            sleep = self._add(0, None)
            self.playing += 1

        def body() -> None:
            sleep.wake.wait()
            try:
                work()
            except BaseException as error:
                self.failed.append(error)
            with self._lock:
                self.playing -= 1
                self._hand_on()

        threading.Thread(target=body, daemon=True).start()

    def sleep(self, seconds: float, event: Event | None = None) -> None:
        with self._lock:
            sleep = self._add(seconds, event)
            self._hand_on()
        sleep.wake.wait()

    def _add(self, seconds: float, event: Event | None) -> _Sleep:
        number = next(self._numbers)
        sleep = self._asleep[number] = _Sleep(self._clock.true_ms + max(0.0, seconds) * 1000, event)
        return sleep

    def _hand_on(self) -> None:
        now = self._clock.true_ms

        def due_ms(number: int) -> float:
            sleep = self._asleep[number]
            return now if sleep.event is not None and sleep.event.is_set() else sleep.due_ms

        if not self._asleep:
            return
        first = min(self._asleep, key=lambda number: (due_ms(number), number))
        self._clock.pass_(max(0, -int(-due_ms(first) // 1) - now))
        self._passed(self._clock.true_ms)
        self._asleep.pop(first).wake.set()
