"""The best frame of each face's way through the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from PIL import ImageFilter, ImageStat
from PIL.Image import Image

from regulars_edge.choose.faces import Face, overlap
from regulars_edge.sources.source import Frame

SAME_FACE_IOU = 0.3
"""Overlap of a face's box with its last one, from which on it is taken for the same."""

LOST_MS = 2_000
"""A face that has not been seen for so long is gone, and its best frame goes out."""

ENOUGH_FACE_PX = 112
"""Shorter side beyond which more pixels do not help: what embeddings look at."""

_SHARP = 200.0


class FaceDetector(Protocol):
    def faces(self, image: Image) -> list[Face]: ...


@dataclass
class _Track:
    box_xywh: tuple[float, float, float, float]
    began_ms: int
    seen_ms: int
    best: Frame
    best_worth: float


class BestShot:
    """One frame a track, when the face is gone, or after `longest_s` at the latest and then again.

    Until it is chosen a frame lies in this process's memory: what a power cut takes then was never spooled.
    """

    def __init__(self, detector: FaceDetector, min_face_px: int, longest_s: float) -> None:
        self._detector = detector
        self._min_face_px = min_face_px
        self._longest_ms = round(longest_s * 1000)
        self._tracks: list[_Track] = []

    def choose(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            now = _ms(frame)
            try:
                image = frame.image()
            except OSError:
                continue
            faces = [face for face in self._detector.faces(image) if min(face.box_xywh[2:]) >= self._min_face_px]
            self._follow(frame, image, faces, now)
            yield from self._ended(now)
        yield from self._distinct(self._tracks)
        self._tracks = []

    def _follow(self, frame: Frame, image: Image, faces: list[Face], now: int) -> None:
        free = list(self._tracks)
        for face in faces:
            box, value = face.box_xywh, worth(image, face)
            track = max(free, key=lambda one: overlap(one.box_xywh, box), default=None)
            if track is None or overlap(track.box_xywh, box) < SAME_FACE_IOU:
                self._tracks.append(_Track(box, now, now, frame, value))
                continue
            free.remove(track)
            track.box_xywh, track.seen_ms = box, now
            if value > track.best_worth:
                track.best, track.best_worth = frame, value

    def _ended(self, now: int) -> Iterator[Frame]:
        over = [one for one in self._tracks if now - one.seen_ms > LOST_MS or now - one.began_ms >= self._longest_ms]
        self._tracks = [one for one in self._tracks if one not in over]
        yield from self._distinct(over)

    @staticmethod
    def _distinct(tracks: list[_Track]) -> Iterator[Frame]:
        """Two faces may have their best moment in one frame; it goes out once."""
        yield from {id(track.best): track.best for track in tracks}.values()


def worth(image: Image, face: Face) -> float:
    """How well a face can be recognised here: surely a face, large, sharp, and turned to the camera; 0 to 1."""
    x, y, width, height = face.box_xywh
    crop = image.crop((round(x), round(y), round(x + width), round(y + height))).convert("L").resize((64, 64))
    laplacian = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
    edges = ImageStat.Stat(crop.filter(laplacian).crop((1, 1, 63, 63))).var[0]  # the rim is left unfiltered
    sharp = edges / (edges + _SHARP)
    size = min(1.0, min(width, height) / ENOUGH_FACE_PX)
    return face.score * size * sharp * _frontal(face)


def _frontal(face: Face) -> float:
    """Return 1 if the nose is in the middle between the eyes, 0 if it is over one of them."""
    (left, _), (right, _), (nose, _) = face.landmarks[:3]
    apart = right - left
    return max(0.0, 1.0 - 2 * abs((nose - left) / apart - 0.5)) if apart > 0 else 0.0


def _ms(frame: Frame) -> int:
    stamp = frame.stamp
    return stamp.moment.boot_ms if stamp.moment else stamp.stated_ms or 0
