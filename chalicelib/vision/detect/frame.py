"""Squares for the detector's second look (vision/detect/detect.py), and the way back to the picture's pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.pictures.crop import Square, cut_turned
from chalicelib.vision.pictures.planes import Planes, is_plain, planes_of, square_of

LOOK_FACTOR = 2.0
"""Side of the second look's square over the box's longer side. The square is shown in the two sizes of the manifest's
`looks`: a model is sometimes mistaken at one size, seldom at both."""

LEVEL_RADIANS = math.radians(10)
"""Eyes that slope more than this are made level for a look. The detector works best up to about twice that slope."""


@dataclass(frozen=True)
class Frame:
    """A square of the picture for a second look, turned clockwise about its centre by `turn` radians."""

    square: Square
    turn: float

    def seen(self, image: NDArray[np.uint8], size: int) -> Planes:
        """Return the square's planes, `size` pixels a side; black outside the picture."""
        if self.turn:
            return planes_of(cut_turned(image, self.square, self.turn, size))
        return square_of(image, self.square, size)

    def back(self, rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Convert rows found in the look of `size` pixels to the picture's pixels.

        A turned box becomes the upright box about the ellipse that it holds, because heads are round.
        """
        scale, half = self.square.side / size, self.square.side / 2
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        turned = np.array([[cos, sin], [-sin, cos]], np.float32)
        centre = np.array([self.square.x + half, self.square.y + half], np.float32)
        sides = rows[:, 2:4] * scale
        size_back = np.sqrt(sides**2 @ turned.T**2)
        middle = ((rows[:, :2] + rows[:, 2:4] / 2) * scale - half) @ turned + centre
        landmarks = ((rows[:, 4:14].reshape(-1, 5, 2) * scale - half) @ turned + centre).reshape(-1, 10)
        return np.concatenate([middle - size_back / 2, size_back, landmarks, rows[:, 14:]], axis=1, dtype=np.float32)


def frame_of(row: NDArray[np.float32], turn: float | None, size: int) -> Frame:
    """Make the frame about the row's box, turned by `turn` radians or, with None, so that the eyes are level.

    It begins at a whole pixel if a look of `size` needs that (`is_plain`).
    """
    x, y, width, height = (float(value) for value in row[:4])
    side = LOOK_FACTOR * max(width, height)
    left, top = x + (width - side) / 2, y + (height - side) / 2
    if turn is None:
        level = math.atan2(row[7] - row[5], row[6] - row[4])
        turn = level if abs(level) > LEVEL_RADIANS else 0.0
    if turn or not is_plain(side, size):
        return Frame(Square(left, top, side), turn)
    return Frame(Square(round(left), round(top), side), turn)
