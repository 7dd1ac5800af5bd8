"""Frames chosen by the faces in them: every one with a face, or the best of each face's way through the picture; whole,
or crops: the faces with `crop_room` times their longer side around them (config.py; without it, whole frames).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from PIL.Image import Image

from regulars_edge.choose.faces import Face, FaceDetector, overlap, seen, worth
from regulars_edge.choose.tracks import Track, Tracks
from regulars_edge.sources.source import EncodedFrame, Frame, jpeg

if TYPE_CHECKING:
    from PIL.Image import Image


Box = tuple[float, float, float, float]
"""x, y, width, height in the frame's pixels."""


class Part:
    """The part of a frame that one or more faces are sent in; None: all of it. It is encoded at most once."""

    def __init__(self, frame: Frame, image: Image, box: Box | None) -> None:
        self._frame = frame
        self._image = image
        self._box = box

    @cached_property
    def packed(self) -> EncodedFrame:
        """The part as a JPEG, which takes a tenth of the pixels' memory."""
        if self._box is None:
            return EncodedFrame(self._frame.encoded(), self._frame.stamp)
        x, y, width, height = self._box
        corners = math.floor(x), math.floor(y), math.ceil(x + width), math.ceil(y + height)
        return EncodedFrame(jpeg(self._image.crop(corners)), self._frame.stamp)


def parts(frame: Frame, image: Image, faces: Sequence[Face], room: float | None) -> list[Part]:
    """Return the part that each face is sent in, with `room` on each side in sides of the face; None: the whole frame.

    Faces that would be in each other's part share one, since half a face beside the one that is meant misleads.
    """
    if room is None:
        return [Part(frame, image, None)] * len(faces)
    boxes: list[tuple[Box, list[int]]] = []
    for at, face in enumerate(faces):
        box, members = _widened(face.box_xywh, room, image.size), [at]
        while touched := [one for one in boxes if overlap(one[0], box) > 0]:
            boxes = [one for one in boxes if one not in touched]
            box, members = _around([box, *(one[0] for one in touched)]), sum((one[1] for one in touched), members)
        boxes.append((box, members))
    found = {at: part for box, members in boxes for part in [Part(frame, image, box)] for at in members}
    return [found[at] for at in range(len(faces))]


def _widened(box: Box, room: float, size_px: tuple[int, int]) -> Box:
    x, y, width, height = box
    more = room * max(width, height)
    left, top = max(0.0, x - more), max(0.0, y - more)
    return left, top, min(size_px[0], x + width + more) - left, min(size_px[1], y + height + more) - top


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return left, top, max(box[0] + box[2] for box in boxes) - left, max(box[1] + box[3] for box in boxes) - top


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
