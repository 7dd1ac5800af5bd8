"""A picture in which nothing has changed shows the same faces."""

from __future__ import annotations

from PIL import ImageChops
from PIL.Image import Image, Resampling

from regulars_edge.choose.faces import Face, FaceDetector

SIZE_PX = (160, 120)
CHANGED = 16
"""Grey levels of a pixel. Measured: noise changes it by 11 at most, a face of 40 pixels in 4K by 59 at least."""


class Still:
    """Asks a detector only if a thumbnail has changed since it was asked last: rooms are mostly empty."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._seen: Image | None = None
        self._faces: list[Face] = []

    def faces(self, image: Image) -> list[Face]:
        seen = image.resize(SIZE_PX, Resampling.BOX, reducing_gap=2.0).convert("L")
        if self._seen is None or ImageChops.difference(seen, self._seen).getextrema()[1] >= CHANGED:  # type: ignore[operator]
            self._seen, self._faces = seen, self._detector.faces(image)
        return self._faces
