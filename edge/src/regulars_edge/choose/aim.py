"""What a camera sees now, if somebody asks, so that they can aim it: one small picture, behind the masks."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

from regulars_edge.sources.source import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PX = 1280
MAX_BYTES = 256 * 1024
"""The service takes no more."""


class Preview:
    """A request for a picture, and the picture that answers it."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.picture: bytes | None = None

    def look(self, frame: Frame) -> Frame:
        """Take the frame's picture if one is wanted; return the frame as it is."""
        if self.is_wanted:
            with suppress(OSError):  # half a picture; the next one comes soon
                self.picture = _small(frame.image())
                self.is_wanted = self.picture is None
        return frame


def _small(image: Image) -> bytes | None:
    """Make a JPEG that the service takes; None if even a poor one is too large."""
    small = image.reduce(-(-max(image.size) // SIDE_PX)).convert("RGB")
    for quality in (80, 50, 20):
        out = io.BytesIO()
        small.save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_BYTES:
            return out.getvalue()
    return None
