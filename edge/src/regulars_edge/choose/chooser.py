"""What a chooser is, and the simplest ones: everything, what moves, and any other with areas hidden from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from regulars_edge.choose.areas import Areas, MaskedFrame
from regulars_edge.sources.source import Frame


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


class Moving:
    """Frames in which enough has changed against the background, which follows slowly.

    `share`: of the pixels of a thumbnail (of those within the zones, if there are any), from which on it is a motion.
    """

    SIZE_PX = (64, 48)
    CHANGED = 24
    """Grey levels: above the noise of a cheap sensor at night."""
    LEARN = 0.2
    """How much of each frame goes into the background."""
    held = 0

    def __init__(self, share: float, zones: Areas | None = None) -> None:
        self._share = share
        self._zones = zones

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        from PIL import Image, ImageChops

        looked_at = self._zones.stencil(self.SIZE_PX) if self._zones else Image.new("L", self.SIZE_PX, 255)
        needed = max(1.0, self._share * looked_at.histogram()[255])
        background: Image.Image | None = None
        for frame in frames:
            try:
                grey = frame.grey(self.SIZE_PX)
            except OSError:
                continue  # half a picture; the next one comes soon
            if background is None:
                background = grey
                continue
            changed = ImageChops.difference(grey, background).histogram(looked_at)[self.CHANGED :]
            background = Image.blend(background, grey, self.LEARN)
            if sum(changed) >= needed:
                frame.worth = float(sum(changed))
                yield frame


class Masked:
    """Hides the masks before anything is chosen, and so before anything is written."""

    def __init__(self, chooser: Chooser, masks: Areas) -> None:
        self._chooser = chooser
        self._masks = masks

    @property
    def held(self) -> int:
        return self._chooser.held

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        return self._chooser.choose(MaskedFrame(frame, self._masks) for frame in frames)
