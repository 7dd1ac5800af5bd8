"""Order of computation when more threads want to compute than there are cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A limit of `places` computing threads, which prefers threads with an open picture to those that would open one.

    Without the preference, all requests of a rush open their pictures before any is processed, and an upload of a few
    megabytes waits as 50 megabytes of pixels.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._with_pictures = threading.Condition(self._lock)
        self._without = threading.Condition(self._lock)
        self._waiting = 0

    @contextmanager
    def with_picture(self) -> Iterator[None]:
        """Take a turn for a thread whose picture is open."""
        with self._lock:
            self._waiting += 1
            try:
                self._with_pictures.wait_for(lambda: self._free > 0)
                self._free -= 1
            finally:
                self._waiting -= 1
            self._call_next()
        with self._given_back():
            yield

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Take a turn for a thread that opens a picture; it waits while threads with open pictures wait."""
        with self._lock:
            self._without.wait_for(lambda: self._free > 0 and self._waiting == 0)
            self._free -= 1
            self._call_next()
        with self._given_back():
            yield

    @contextmanager
    def _given_back(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._call_next()

    def _call_next(self) -> None:
        if self._free:
            (self._with_pictures if self._waiting else self._without).notify()
