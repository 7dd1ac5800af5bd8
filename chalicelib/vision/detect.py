"""Faces in a picture: the pack's detector at two looks.

The first look runs over the whole picture and proposes, at one fixed scale for faces that fill it and, where the
picture is large or nothing was seen, at a finer one in tiles for faces of 15 pixels. The second looks at each proposal
by itself, cut out and brought to the sizes at which the detector is surest, and decides. A face is a face at every
scale; what looks like one at a single scale only (flags, foliage, wheels) falls. The second look also settles box and
landmarks, which then do not depend on how large the face was in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.core.model import Box, DetectedFace
from chalicelib.vision.crop import Square, cut_turned
from chalicelib.vision.manifest import DetectorRole
from chalicelib.vision.networks import network_of
from chalicelib.vision.session import Sessions
from chalicelib.vision.yunet import iou, suppress

LARGEST_ZOOM = 4
"""Small pictures in which nothing was seen are enlarged for the finer look, but not to a blur."""

TWICE = 2
"""Pictures this many times the first look's canvas, and those in which nothing was seen, are looked at finer, too."""

HUGE_PX = 2048
"""Pictures larger than this are looked at whole in tiles, too, `role.huge_zoom` times as large."""

FINE_FACE_PX = 80.0
"""Largest face kept of a finer look, on its canvas; larger ones are safely seen on the next coarser one, where they
have at least 20 pixels: four times as fine is the most that a look may be."""

FINE_SCORE = 0.1
"""Faces of 15 pixels score between this and PROPOSAL_SCORE; what is no face is sorted out by one small look each."""

TILE_PX = 1280
TILE_OVERLAP_PX = 112
"""Largest side of a tile of the fine look, and what it shares with the next: more than the largest face kept. Tiles
bound the memory, a fifth of a gigabyte for a picture of 4096x4096 otherwise, and are as fast."""

PROPOSAL_SCORE = 0.4
"""Low, since the second look decides: a face that is not proposed is lost."""

LOOK_FACTOR = 2.0
"""The second look: a square of twice the box, of the two sizes that the manifest says (`looks`). At one of them a model
is sometimes taken in; at both at once seldom."""

LOOK_IOU = 0.4
"""Overlap with the proposal from which on a look has found the same face."""

LOOK_SCORE = 0.02

LEVEL_RADIANS = math.radians(10)
"""Eyes that slope more are brought level for a look; the detector is at its best up to about twice that."""

SURE_SCORE = 0.9
"""Upright faces score more than this in a look. For others more looks are worth it, turned as the manifest says
(`turns`): of a head on its shoulder the detector sees the box, but lays the landmarks as if it were upright."""

LEAST_SCORE = 0.5
"""What scores less in the small look cannot reach FACE_SCORE with the large one, whose score is 1 at most."""

FACE_SCORE = 0.75
"""Mean score of the two sizes from which on it is a face. Sharp or blurred, with a fifth of the light, tilted by 60
degrees, masked or half covered faces reach it, 92 to 100 % of each; of a thousand pictures without a face two held
something that did. What fails first is light: at a twelfth of it, every fifth face is not even proposed."""

MIN_FACE_PX = 10.0
"""Shorter side of a face's box in the picture: below, texture scores like faces, and nobody could be recognised."""

MAX_FACE = 1.5
"""Longer side of a face's box over the picture's longer side."""

MAX_PROPOSALS = 128
BATCH = 4
"""Looks in one run: more take longer each, since they leave the cache."""


class Detector:
    """Finds faces with the pack's detector."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._network = network_of(sessions, role)
        self._role = role

    def faces(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """All faces of a (height, width, 3) RGB picture, largest box first."""
        proposals = self.propose(image)
        found = self._network.settled(image, suppress(self.confirm(image, proposals), self._role.nms_iou))
        return [_face(row) for row in sorted(found, key=lambda row: -row[2] * row[3])]

    def propose(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 15) rows of vision/yunet.py in the picture's pixels, surest first."""
        height, width = image.shape[:2]
        long_side = max(height, width)
        base = _within(image, self._role.fine_px)  # the first look's own reduction is then a quick one
        rows = self._first_look(base, min(self._role.canvas_px, round(self._role.first_zoom * long_side)))
        if long_side >= TWICE * self._role.canvas_px or len(rows) == 0:
            zoom = min(self._role.fine_px / max(base.shape[:2]), LARGEST_ZOOM)
            rows = np.concatenate([rows, self._fine_look(base, zoom)])
        rows = _scaled(rows, width / base.shape[1], height / base.shape[0])
        if long_side > HUGE_PX:
            rows = np.concatenate([rows, self._fine_look(image, self._role.huge_zoom)])
        sensible = (rows[:, 2:4].min(axis=1) >= MIN_FACE_PX) & (rows[:, 2:4].max(axis=1) <= MAX_FACE * long_side)
        return suppress(rows[sensible], self._role.nms_iou)[:MAX_PROPOSALS]

    def _first_look(self, image: NDArray[np.uint8], long_side: int) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        scale = long_side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        (rows,) = self.run([_resized(image, size)], PROPOSAL_SCORE)
        return _scaled(rows, width / size[0], height / size[1])

    def _fine_look(self, image: NDArray[np.uint8], zoom: float) -> NDArray[np.float32]:
        """Small faces, tile by tile of the picture `zoom` times as large; those in two tiles are there twice."""
        height, width = image.shape[:2]
        found = []
        for top, bottom in _tiles(height, zoom):
            for left, right in _tiles(width, zoom):
                size = (max(1, round((right - left) * zoom)), max(1, round((bottom - top) * zoom)))
                (rows,) = self.run([_resized(image[top:bottom, left:right], size)], FINE_SCORE)
                small = rows[rows[:, 2:4].max(axis=1) <= FINE_FACE_PX]
                small = _scaled(small, (right - left) / size[0], (bottom - top) / size[1])
                small[:, [0, *range(4, 14, 2)]] += left
                small[:, [1, *range(5, 14, 2)]] += top
                found.append(small)
        return np.concatenate(found)

    def confirm(self, image: NDArray[np.uint8], proposals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Those of the proposals that the second look finds again, with its box, landmarks and score."""
        small, large = self._role.looks_px
        first = self._upright(image, proposals, self.look(image, proposals, small), small)
        first = first[first[:, 14] >= LEAST_SCORE]
        mean = (first + self.look(image, first, large)) / 2
        return np.asarray(mean[mean[:, 14] >= FACE_SCORE])

    def _upright(
        self, image: NDArray[np.uint8], proposals: NDArray[np.float32], seen: NDArray[np.float32], size: int
    ) -> NDArray[np.float32]:
        """Look again, turned to either side, at what was not surely seen; where that is surer, from there once more.

        Proposals below PROPOSAL_SCORE, small faces or none, are not worth it.
        """
        (unsure,) = np.nonzero((seen[:, 14] < SURE_SCORE) & (proposals[:, 14] >= PROPOSAL_SCORE))
        if len(unsure) == 0:
            return seen
        tried = [seen[unsure], *(self.look(image, proposals[unsure], size, turn) for turn in self._role.turns)]
        best = np.argmax([rows[:, 14] for rows in tried], axis=0)
        for index, choice in zip(unsure, best, strict=True):
            seen[index] = tried[choice][unsure == index][0]
        turned = unsure[best > 0]
        if len(turned):
            seen[turned] = self.look(image, seen[turned], size)
        return seen

    def look(
        self, image: NDArray[np.uint8], rows: NDArray[np.float32], size: int, turn: float | None = None
    ) -> NDArray[np.float32]:
        """Each of the `rows` as it is seen in a look of `size` pixels about it; with score 0 where it is not.

        The look is turned by `turn` radians, or so that the eyes are level.
        """
        seen = rows.copy()
        seen[:, 14] = 0
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            frames = [_frame(row, turn) for row in rows[part]]
            found = self.run([cut_turned(image, frame.square, frame.turn, size) for frame in frames], LOOK_SCORE)
            for row, frame, inside in zip(seen[part], frames, found, strict=True):
                back = frame.back(inside, size)
                near = back[iou(row, back) >= LOOK_IOU]
                if len(near):
                    row[:] = near[np.argmax(near[:, 14])]
        return seen

    def run(self, pictures: Sequence[NDArray[np.uint8]], score: float) -> list[NDArray[np.float32]]:
        """The detector's raw rows, (n, 15) a picture, of RGB pictures of one size in their own pixels."""
        return self._network.rows(pictures, score)


def _scaled(rows: NDArray[np.float32], across: float, down: float) -> NDArray[np.float32]:
    """The rows with all they say of places and sizes so many times as large."""
    scaled = rows.copy()
    scaled[:, 0:14:2] *= across
    scaled[:, 1:14:2] *= down
    return scaled


def _within(image: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """The picture, reduced so that its longer side is at most this."""
    height, width = image.shape[:2]
    scale = min(long_side / max(height, width), 1.0)
    return _resized(image, (max(1, round(width * scale)), max(1, round(height * scale))))


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """As (width, height) says, antialiased; the picture itself where it has that size."""
    if size == (image.shape[1], image.shape[0]):
        return image
    whole = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(whole.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0))


def _tiles(side_px: int, zoom: float) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side: as few as there may be, all of one length."""
    longest, overlap = int(TILE_PX / zoom), math.ceil(TILE_OVERLAP_PX / zoom)
    count = max(1, math.ceil((side_px - overlap) / (longest - overlap)))
    length = math.ceil((side_px + (count - 1) * overlap) / count)
    starts = [round(tile * (side_px - length) / max(count - 1, 1)) for tile in range(count)]
    return [(start, start + length) for start in starts]


@dataclass(frozen=True)
class _Frame:
    """Where a second look looks: a square of the picture, turned clockwise about its centre by `turn` radians."""

    square: Square
    turn: float

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


def _frame(row: NDArray[np.float32], turn: float | None) -> _Frame:
    x, y, width, height = (float(value) for value in row[:4])
    side = LOOK_FACTOR * max(width, height)
    square = Square(x + (width - side) / 2, y + (height - side) / 2, side)
    if turn is not None:
        return _Frame(square, turn)
    level = math.atan2(row[7] - row[5], row[6] - row[4])
    return _Frame(square, level if abs(level) > LEVEL_RADIANS else 0.0)


def _face(row: NDArray[np.float32]) -> DetectedFace:
    values = [float(value) for value in row]
    return DetectedFace(
        box=Box(*values[:4]),
        landmarks=tuple((values[at], values[at + 1]) for at in range(4, 14, 2)),
        score=min(values[14], 1.0),
    )
