"""From a capture's picture to the faces in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.core.capture import MAX_PICTURE_BYTES, SeenFace
from chalicelib.core.model import PictureRules, Quality
from chalicelib.core.ports import Vision
from chalicelib.core.records import as_stored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_FACES = 100
"""Of one capture; the largest count."""

RULES = PictureRules(frozenset({"JPEG", "PNG"}), MAX_PICTURE_BYTES, max_long_side_px=8_192, max_short_side_px=8_192)


class Reading:
    """A capture's faces, largest first, and the picture they are cut from, decoded when it is needed."""

    def __init__(self, vision: Vision, picture: bytes, faces: Sequence[SeenFace] | None = None) -> None:
        self._vision = vision
        self._picture = picture
        self._image: NDArray[np.uint8] | None = None
        self.faces: Sequence[SeenFace] = self._seen() if faces is None else faces

    def crop(self, seen: SeenFace) -> bytes:
        """The JPEG that a face made from this sighting owns."""
        return self._vision.crop(self._decoded(), seen.detected)

    def _decoded(self) -> NDArray[np.uint8]:
        if self._image is None:
            self._image = self._vision.read(self._picture, RULES)
        return self._image

    def _seen(self) -> list[SeenFace]:
        from chalicelib.core.templates import canonical

        vision, image = self._vision, self._decoded()
        found = vision.detect(image)[:MAX_FACES]
        if not found:
            return []
        embeddings = vision.embed(image, found)
        qualities = vision.qualities(image, found)
        estimates = [as_stored(one) for one in vision.describe(image, found)]
        return [
            SeenFace(face, canonical(vision.model, embeddings[i]), estimates[i], flaw(qualities[i]))
            for i, face in enumerate(found)
        ]


class CaptureReading:
    """Raises Unusable for what is no picture, as `read` does."""

    def __init__(self, vision: Callable[[], Vision]) -> None:
        self._vision = vision

    def of(self, picture: bytes, faces: Sequence[SeenFace] | None = None) -> Reading:
        """`faces`: those that were found in it before, which are not looked for again."""
        return Reading(self._vision(), picture, faces)


def flaw(quality: Quality) -> str:
    """`too blurred: 12 of 100`"""
    return f"{quality.flaw}: {quality.flaw_score:.0f} of 100"
