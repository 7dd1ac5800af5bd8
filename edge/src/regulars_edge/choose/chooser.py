"""What a chooser is, and the simplest ones: everything, what moves, and any other that sees frames changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from regulars_edge.choose.areas import Areas
from regulars_edge.sources.source import Frame

if TYPE_CHECKING:
    from PIL.Image import Image


class Chooser(Protocol):
    @property
    def held(self) -> int:
        """The number of frames that may be chosen yet."""
        ...

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Those of `frames` that are to be sent, in order."""
        ...


class Everything:
    """Every frame that the source gives, which is one an interval."""

    held = 0

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        yield from frames


@dataclass(eq=False)
class Moving:
    """Frames in which enough has changed against the background, which follows slowly, for the scene's light and noise.

    `share`: of the pixels of a thumbnail (of those within the zones, if there are any), from which on it is a motion.
    """

    SIZE_PX = (160, 120)
    LEARN = 0.2
    """How much of each frame goes into the background."""
    held = 0

    share: float
    zones: Areas | None = None

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        from PIL import Image

        looked_at = self.zones.stencil(self.SIZE_PX) if self.zones else Image.new("L", self.SIZE_PX, 255)
        needed = max(1.0, self.share * looked_at.histogram()[255])
        background: Image.Image | None = None
        for frame in frames:
            try:
                grey = frame.grey(self.SIZE_PX)
            except OSError:
                continue  # half a picture; the next one comes soon
            if background is None:
                background = grey
                continue
            changed = _changed(grey, background, looked_at)
            background = Image.blend(background, grey, self.LEARN)
            if changed >= needed:
                frame.worth = float(changed)
                yield frame


LEAST, MOST = 6, 24
"""Grey levels that a pixel's change takes in the dark, and in full light. `Image.blend` leaves a background up to four
behind."""
FULL_LIGHT = 192
NOISES = 6
"""How often the noise's mean deviation a change takes."""


def _changed(grey: Image, background: Image, looked_at: Image) -> int:
    """Count the pixels that have changed against the background by more than this scene's light and noise do.

    What has changed everywhere (the median) is the light, or how the camera sees it; the mean deviation from it (the
    median's again, so that people do not count) is the noise.
    """
    from PIL import ImageChops

    levels = ImageChops.subtract(grey, background, 1, 128).histogram(looked_at)
    light = _level(levels, 0.5)
    apart = [sum(levels[at] for at in {light - step, light + step} if 0 <= at < 256) for step in range(256)]
    noise = max(1, _level(apart, 0.5))
    bright = _level(background.histogram(looked_at), 0.95)
    needed = max(LEAST, NOISES * noise, round(MOST * min(1.0, bright / FULL_LIGHT)))
    return sum(apart[needed:])


def _level(histogram: Sequence[int], share: float) -> int:
    """Return the level that such a share of the pixels does not exceed."""
    left = share * sum(histogram)
    for level, count in enumerate(histogram):
        left -= count
        if left <= 0:
            return level
    return 0


@dataclass(eq=False)
class Through:
    """A chooser that sees frames as `change` makes them: black within masks, for example."""

    chooser: Chooser
    change: Callable[[Frame], Frame]

    @property
    def held(self) -> int:
        return self.chooser.held

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        return self.chooser.choose(map(self.change, frames))
