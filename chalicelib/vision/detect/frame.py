"""Where the detector's second look looks, and what it sees there in the picture's pixels (vision/detect/detect.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.pictures.crop import Square, cut_turned
from chalicelib.vision.pictures.planes import Planes, is_plain, planes_of, square_of

LOOK_FACTOR = 2.0
"""The second look: a square of twice the box, of the two sizes that the manifest says (`looks`). At one of them a model
is sometimes taken in; at both at once seldom."""

LEVEL_RADIANS = math.radians(10)
"""Eyes that slope more are brought level for a look; the detector is at its best up to about twice that."""


@dataclass(frozen=True)
class Frame:
    """Where a second look looks: a square of the picture, turned clockwise about its centre by `turn` radians."""

    square: Square
    turn: float

    def seen(self, image: NDArray[np.uint8], size: int) -> Planes:
        """What there is, in a size of `size` pixels; black outside of the picture."""
        if self.turn:
            return planes_of(cut_turned(image, self.square, self.turn, size))
        return square_of(image, self.square, size)

    def back(self, rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Rows found in the look of `size` pixels, in the picture's pixels.

        A turned box becomes the upright one about the ellipse that it holds: heads are round.
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
    """About the row's box; of whole pixels where a look of `size` wants them."""
    x, y, width, height = (float(value) for value in row[:4])
    side = LOOK_FACTOR * max(width, height)
    left, top = x + (width - side) / 2, y + (height - side) / 2
    if turn is None:
        level = math.atan2(row[7] - row[5], row[6] - row[4])
        turn = level if abs(level) > LEVEL_RADIANS else 0.0
    if turn or not is_plain(side, size):
        return Frame(Square(left, top, side), turn)
    return Frame(Square(round(left), round(top), side), turn)
