"""Pictures of many heads whose places are known, and a count of the faces that are found in
them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.detect.detect import measure_overlap
from chalicelib.domain.pictures import DetectedFace

FOUND_IOU = 0.5
GRID = (8, 3)
"""Columns and rows of a crowd."""
HEAD = 1.5
"""Side of the square that is laid on a background, over the longer side of its face's box."""

Picture = NDArray[np.uint8]
Boxes = NDArray[np.float32]


class Tally(Struct):
    """Faces that there are, those found, and boxes that are on none."""

    faces: int = 0
    found: int = 0
    false: int = 0

    @property
    def recall(self) -> float:
        return self.found / self.faces if self.faces else 1.0

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    def add(self, truth: Boxes, faces: Sequence[DetectedFace]) -> None:
        """Count faces, each of which is found once at most."""
        free = list(range(len(truth)))
        for row in boxes_of(faces):
            overlaps = measure_overlap(row, truth[free]) if free else np.zeros(0, np.float32)
            if len(overlaps) and overlaps.max() >= FOUND_IOU:
                free.pop(int(overlaps.argmax()))
            else:
                self.false += 1
        self.faces += len(truth)
        self.found += len(truth) - len(free)


class Portrait(Struct, frozen=True):
    """A picture of one person, and its face's box as it is found in it."""

    image: Picture
    box: Boxes


def head_of(portrait: Portrait) -> Portrait:
    picture, truth = filling(portrait, 1 / HEAD)
    return Portrait(picture, truth[0])


def crowd(
    portraits: Sequence[Portrait],
    background: Picture,
    size: tuple[int, int],
    size_px: int,
    grid: tuple[int, int] = GRID,
) -> tuple[Picture, Boxes]:
    """Place the portraits evenly over the background, each with a face of `size_px` pixels; return
    the places too."""
    canvas = spread(background, size)
    truth = []
    columns, rows = grid
    for place, portrait in enumerate(portraits[: columns * rows]):
        scale = size_px / float(portrait.box[2:4].min())
        height, width = (round(side * scale) for side in portrait.image.shape[:2])
        small = Image.fromarray(portrait.image).resize((width, height), Image.Resampling.BOX)
        x = int((place % columns + 0.5) * size[0] / columns - width / 2)
        y = int((place // columns + 0.5) * size[1] / rows - height / 2)
        canvas[y : y + height, x : x + width] = np.asarray(small)
        truth.append(portrait.box * scale + np.array([x, y, 0, 0], np.float32))
    return canvas, np.array(truth, np.float32)


def spread(background: Picture, size: tuple[int, int]) -> Picture:
    """Stretch the background to a picture of this size."""
    return np.array(Image.fromarray(background).resize(size, Image.Resampling.BICUBIC))


def filling(portrait: Portrait, share: float) -> tuple[Picture, Boxes]:
    """Cut out a square about the face; the face's longer side has `share` of the square's."""
    x, y, width, height = (float(value) for value in portrait.box)
    side = max(width, height) / share
    left, top = max(round(x + width / 2 - side / 2), 0), max(round(y + height / 2 - side / 2), 0)
    picture = np.ascontiguousarray(
        portrait.image[top : top + round(side), left : left + round(side)]
    )
    seen = np.array([[x - left, y - top, width, height]], np.float32)
    return picture, seen


def boxes_of(faces: Sequence[DetectedFace]) -> Boxes:
    rows = [(face.box.x, face.box.y, face.box.width, face.box.height) for face in faces]
    return np.array(rows, np.float32).reshape(-1, 4)
