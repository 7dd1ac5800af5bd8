"""Chosen frames that come faster than they may be sent."""

from __future__ import annotations

import heapq

from regulars_edge.sources.source import EncodedFrame, Frame

SEATS = 8
"""Each holds a JPEG in memory."""


class WaitingRoom:
    """The best frames wait for their turn; the others are passed over, and counted."""

    def __init__(self) -> None:
        self._seated: list[tuple[float, int, Frame]] = []
        self._came = 0
        self.passed_over = 0

    def add(self, frame: Frame) -> None:
        """Seat the frame if a seat is free, or if another one is worth less. Raises OSError for what is no picture."""
        self._came += 1
        full = len(self._seated) == SEATS
        if full:
            self.passed_over += 1
        if full and frame.worth <= self._seated[0][0]:
            return
        one = (frame.worth, -self._came, EncodedFrame(frame.encoded(), frame.stamp, frame.track))
        if full:
            heapq.heapreplace(self._seated, one)
        else:
            heapq.heappush(self._seated, one)

    def best(self) -> Frame | None:
        """Take out the frame that is worth most, of equal ones the oldest."""
        if not self._seated:
            return None
        one = max(self._seated)
        self._seated.remove(one)
        heapq.heapify(self._seated)
        return one[2]

    def leave(self) -> None:
        """Count those that wait as passed over: nobody will call them any more."""
        self.passed_over += len(self._seated)
        self._seated.clear()
