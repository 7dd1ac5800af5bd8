"""What a camera's pictures say of it: that they cannot be opened, are black or blank, or stand still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from regulars_edge.sources.source import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

LOOK_S = 10.0
SIZE_PX = (64, 48)
UNOPENED = 3
"""So many in turn that cannot be opened, and the camera gives nothing."""
BLACK, BLANK = 12, 10
"""Grey levels of a thumbnail without its darkest and brightest pixels (SHARE): the brightest of a black picture, and
from the darkest to the brightest of a covered lens."""
SHARE = 0.05
"""Share of the pixels that a clock or a name, which most cameras write into the picture, may have."""
FROZEN_S = 1_800.0
"""For so long a sensor's noise changes more of a thumbnail's pixels than a clock does."""


class Sight:
    """A look at one frame in ten seconds. `trouble`: what is wrong, in words; `is_blind`: nothing can be opened."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._looked_at = float("-inf")
        self._unopened = 0
        self._first: Image | None = None
        self._changed: Image | None = None
        self._since = 0.0
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
        self.trouble = _told(*_between(grey), self._unchanged_s(grey, now))

    def _unchanged_s(self, grey: Image, now: float) -> float:
        """Return for how long no more of the picture has changed than a clock in it may."""
        from PIL import ImageChops

        if self._first is not None and self._changed is not None:
            difference = ImageChops.difference(grey, self._first).point(lambda grey: 255 * (grey > 0))
            self._changed = ImageChops.lighter(self._changed, difference)
            if self._changed.histogram()[255] <= SHARE * grey.width * grey.height:
                return now - self._since
        self._first, self._changed, self._since = grey, grey.point(lambda _: 0), now
        return 0.0


def _between(grey: Image) -> tuple[int, int]:
    """Return the grey levels between which the pixels are, but for the darkest and the brightest of SHARE each."""
    pixels = sorted(grey.tobytes())
    cut = round(SHARE * len(pixels))
    return pixels[cut], pixels[-1 - cut]


def _told(darkest: int, brightest: int, unchanged_s: float) -> str | None:
    if brightest <= BLACK:
        return "its picture is black: is it night without light, or the lens covered?"
    if brightest - darkest <= BLANK:
        return "its picture shows nothing: is the lens covered?"
    if unchanged_s >= FROZEN_S:
        return f"its picture has stood still for {unchanged_s / 60:.0f} minutes: start the camera anew"
    return None
