"""Every frame with a face in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from regulars_edge.choose.crops import parts
from regulars_edge.choose.faces import FaceDetector, seen, worth
from regulars_edge.sources.source import Frame


class WithFaces:
    """Frames with a face; or, if `room` is given, the faces with so much room, in sides of a face."""

    held = 0

    def __init__(self, detector: FaceDetector, room: float | None = None) -> None:
        self._detector = detector
        self._room = room

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame, image, faces in seen(self._detector, frames):
            where = parts(frame, image, faces, self._room)
            for part, face in zip(where, faces, strict=True):
                part.packed.worth = max(part.packed.worth, worth(image, face))
            yield from (part.packed for part in dict.fromkeys(where))
