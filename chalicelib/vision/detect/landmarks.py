"""face-api's 68 landmarks of a detected face, and the five of them that alignment uses.

The network was trained on upright squares that hold all 68 points and little else. A face that is only proposed gets
one run, about the detector's box. A confirmed face gets two more with the eyes level, the second about the points that
the first found. That halves how far the points move when the box moves (docs/vision.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.pictures import Box
from chalicelib.vision.packs.manifest import LandmarksRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import Square, about_box, batch, cut_turned, lit

OUTPUT = "landmarks"
LEFT_EYE, RIGHT_EYE = range(36, 42), range(42, 48)
FIVE = (LEFT_EYE, RIGHT_EYE, (30,), (48,), (54,))
"""Indices, among the 68 points, of the eyes, the nose tip and the mouth's corners; the image's left before its
right."""

BATCH = 16
"""Faces in one run."""

Points = NDArray[np.float32]
"""(n, 68, 2) in pixels of the picture."""


class Landmarks68:
    """The landmark network."""

    def __init__(self, sessions: Sessions, role: LandmarksRole, channels: str) -> None:
        self._sessions = sessions
        self._role = role
        self._channels = channels

    def rough(self, picture: NDArray[np.uint8], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find the five landmarks of each box in one run: (n, 10), x and y of eyes, nose tip and mouth corners.

        `rows` begin with the box, as in vision/detect/yunet.py.
        """
        return _five(self._points(picture, [self._about(row, 0.0) for row in rows]))

    def exact(self, picture: NDArray[np.uint8], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find the five landmarks more exactly, from `rows` with rough ones: (n, 10) as `rough` returns."""
        points = self._points(picture, [self._about(row, _slope(row[4:6], row[6:8])) for row in rows])
        return _five(self._points(picture, [self._again(face) for face in points]))

    def _about(self, row: NDArray[np.float32], turn: float) -> _Frame:
        """Make the square about a row's box, moved down the face, which is turned clockwise by `turn` radians."""
        x, y, width, height = (float(value) for value in row[:4])
        below = self._role.crop_below * max(width, height)
        moved = Box(x - math.sin(turn) * below, y + math.cos(turn) * below, width, height)
        return _Frame(about_box(moved, self._role.crop_factor), turn)

    def _again(self, points: NDArray[np.float32]) -> _Frame:
        """Make the square about the 68 points, with the eyes level."""
        turn = _slope(points[list(LEFT_EYE)].mean(axis=0), points[list(RIGHT_EYE)].mean(axis=0))
        level = points @ _turned(turn).T
        low, high = level.min(axis=0), level.max(axis=0)
        x, y = (low + high) / 2 @ _turned(turn)
        side = self._role.again_factor * float((high - low).max())
        return _Frame(Square(float(x) - side / 2, float(y) - side / 2, side), turn)

    def _points(self, picture: NDArray[np.uint8], frames: Sequence[_Frame]) -> Points:
        found = [np.empty((0, 68, 2), np.float32)]
        for start in range(0, len(frames), BATCH):
            part = frames[start : start + BATCH]
            crops = [lit(cut_turned(picture, frame.square, frame.turn, self._role.size_px)) for frame in part]
            inside = self._sessions.run(self._role.file, batch(crops, self._channels))[OUTPUT].reshape(-1, 68, 2)
            found.append(np.stack([frame.back(points) for frame, points in zip(part, inside, strict=True)]))
        return np.concatenate(found)


@dataclass(frozen=True)
class _Frame:
    """A square of the picture, turned clockwise about its centre by `turn` radians."""

    square: Square
    turn: float

    def back(self, fractions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert points given as fractions of the square's sides to the picture's pixels."""
        centre = np.array([self.square.x, self.square.y], np.float32) + self.square.side / 2
        return np.asarray((fractions - 0.5) * self.square.side @ _turned(self.turn) + centre, np.float32)


def _five(points: Points) -> NDArray[np.float32]:
    return np.concatenate([points[:, list(part)].mean(axis=1) for part in FIVE], axis=1)


def _slope(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Return by how many radians the line from the left eye to the right one falls."""
    return math.atan2(right[1] - left[1], right[0] - left[0])


def _turned(radians: float) -> NDArray[np.float32]:
    """Return the (2, 2) matrix that turns rows of points from a square's directions to the picture's.

    Its transpose turns them the other way.
    """
    cos, sin = math.cos(radians), math.sin(radians)
    return np.array([[cos, sin], [-sin, cos]], np.float32)
