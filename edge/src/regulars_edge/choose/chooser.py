"""What a chooser is, and the simplest ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from regulars_edge.sources.source import Frame


class Chooser(Protocol):
    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Those of `frames` that are to be sent, in order."""
        ...


class Everything:
    """Every frame that the source gives, which is one an interval."""

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        yield from frames


class Moving:
    """Frames in which enough has changed against the background, which follows slowly.

    `share`: of the pixels of a thumbnail, from which on it is a motion.
    """

    SIZE_PX = (64, 48)
    CHANGED = 24
    """Grey levels: above the noise of a cheap sensor at night."""
    LEARN = 0.2
    """How much of each frame goes into the background."""

    def __init__(self, share: float) -> None:
        self._share = share

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        from PIL import Image, ImageChops

        background: Image.Image | None = None
        for frame in frames:
            try:
                grey = frame.grey(self.SIZE_PX)
            except OSError:
                continue  # half a picture; the next one comes soon
            if background is None:
                background = grey
                continue
            changed = ImageChops.difference(grey, background).histogram()[self.CHANGED :]
            background = Image.blend(background, grey, self.LEARN)
            if sum(changed) >= self._share * grey.width * grey.height:
                yield frame
