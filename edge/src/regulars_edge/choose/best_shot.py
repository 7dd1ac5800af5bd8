"""The best frame of each face's way through the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from PIL.Image import Image

from regulars_edge.choose.crops import parts
from regulars_edge.choose.faces import Face, FaceDetector, seen, worth
from regulars_edge.choose.tracks import Track, Tracks
from regulars_edge.sources.source import Frame

BETTER = 1.05
"""A frame takes the place of the best one if it is worth this much more: each time costs the making of a JPEG."""


class BestShot:
    """One frame a track, when the face is gone, or after `longest_s` at the latest and then again.

    Until it is chosen a frame lies in this process's memory, as a JPEG: what a power cut takes then was never spooled.
    """

    def __init__(self, detector: FaceDetector, longest_s: float, room: float | None = None) -> None:
        self._detector = detector
        self._room = room
        self._tracks = Tracks(round(longest_s * 1000))
        self._best: dict[Track, tuple[float, Frame]] = {}

    @property
    def held(self) -> int:
        return len({id(frame.stamp) for _, frame in self._best.values()})

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame, image, faces in seen(self._detector, frames):
            now = _ms(frame)
            self._look(frame, image, faces, now)
            del frame, image  # as `seen` does
            yield from self._bests(self._tracks.ended(now))
        yield from self._bests(self._tracks.all_ended())

    def _look(self, frame: Frame, image: Image, faces: list[Face], now: int) -> None:
        where = parts(frame, image, faces, self._room)
        for track, face, part in zip(self._tracks.follow(faces, now), faces, where, strict=True):
            value = worth(image, face)
            if track not in self._best or value > BETTER * self._best[track][0]:
                part.packed.worth = max(part.packed.worth, value)
                self._best[track] = value, part.packed

    def _bests(self, tracks: Iterable[Track]) -> Iterator[Frame]:
        """Two faces may have their best moment in one frame; it goes out once, with the track of the first."""
        chosen: dict[int, Frame] = {}
        for track in tracks:
            if track in self._best:
                _, frame = self._best.pop(track)
                frame.track = frame.track or track.id
                chosen[id(frame)] = frame
        yield from chosen.values()


def _ms(frame: Frame) -> int:
    stamp = frame.stamp
    return stamp.moment.boot_ms if stamp.moment else stamp.stated_ms or 0
