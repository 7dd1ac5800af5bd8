"""What a camera's pictures say of it: that they cannot be opened, are black or blank, or stand still."""

from __future__ import annotations

import time
from collections.abc import Callable

from regulars_edge.sources.source import Frame

LOOK_S = 10.0
SIZE_PX = (64, 48)
UNOPENED = 3
"""So many in turn that cannot be opened, and the camera gives nothing."""
BLACK, BLANK = 12, 3
"""Grey levels: the brightest pixel of a black picture, and from the darkest to the brightest of a covered lens."""
FROZEN_S = 1_800.0
"""For so long a sensor's noise changes some pixel of a thumbnail."""


class Sight:
    """A look at one frame in ten seconds. `trouble`: what is wrong, in words; `is_blind`: nothing can be opened."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._looked_at = float("-inf")
        self._unopened = 0
        self._last: tuple[bytes, float] = b"", 0.0
        self.trouble: str | None = None

    @property
    def is_blind(self) -> bool:
        return self._unopened >= UNOPENED

    def look(self, frame: Frame) -> None:
        now = self._now()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        try:
            grey = frame.grey(SIZE_PX)
        except OSError as error:
            self._unopened += 1
            self.trouble = f"its pictures cannot be opened: {error}" if self.is_blind else None
            return
        self._unopened = 0
        pixels = grey.tobytes()
        if pixels != self._last[0]:
            self._last = pixels, now
        self.trouble = _told(min(pixels), max(pixels), now - self._last[1])


def _told(darkest: int, brightest: int, unchanged_s: float) -> str | None:
    if brightest <= BLACK:
        return "its picture is black: is it night without light, or the lens covered?"
    if brightest - darkest <= BLANK:
        return "its picture shows nothing: is the lens covered?"
    if unchanged_s >= FROZEN_S:
        return f"its picture has stood still for {unchanged_s / 60:.0f} minutes: start the camera anew"
    return None
