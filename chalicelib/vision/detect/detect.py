"""Faces in a picture: the pack's detector at two looks.

The first look runs over the whole picture and proposes, at one fixed scale for faces that fill it and, where the
picture is large or nothing was seen, at a finer one in tiles for faces of 15 pixels. The second looks at each proposal
by itself, cut out and brought to the sizes at which the detector is surest, and decides. A face is a face at every
scale; what looks like one at a single scale only (flags, foliage, wheels) falls. The second look also settles box and
landmarks, which then do not depend on how large the face was in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.vision.detect.frame import frame_of
from chalicelib.vision.detect.networks import network_of
from chalicelib.vision.detect.yunet import iou, suppress
from chalicelib.vision.packs.manifest import DetectorRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.planes import Planes, interpolated, planes_of, resized

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

LOOK_IOU = 0.4
"""Overlap with the proposal from which on a look has found the same face."""

LOOK_SCORE = 0.02

SURE_SCORE = 0.9
"""Upright faces score more than this in a look. For others more looks are worth it, turned as the manifest says
(`turns`): of a head on its shoulder the detector sees the box, but lays the landmarks as if it were upright."""

SURE_PX = 30.0
"""What both whole looks see surely, and the coarser one at least so large (shorter side, on its canvas), is not looked
at in small: it was a face at two scales, and the mean of those two and the large look places landmarks better than two
small looks do. Embeddings are then at 0.990 to those of landmarks on which ten looks agree, and at 0.987 after two; of
faces of 20 to 25 pixels on that canvas it would be 0.983 in place of 0.986."""

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

_Tile = tuple[slice, slice]
"""Rows and columns."""


class Detector:
    """Finds faces with the pack's detector."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._network = network_of(sessions, role)
        self._role = role

    def faces(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """All faces of a (height, width, 3) RGB picture, largest box first."""
        confirmed = self.confirm(image, *self.propose(image))
        found = self._network.settled(image, suppress(confirmed, self._role.nms_iou))
        return [_face(row) for row in sorted(found, key=lambda row: -row[2] * row[3])]

    def propose(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(n, 15) rows of vision/detect/yunet.py in the picture's pixels, surest first, and which were surely
        seen twice.

        Those are the mean of both times.
        """
        height, width = image.shape[:2]
        long_side = max(height, width)
        # of which the first look is then quickly made
        base = resized(image, _size_within(image.shape[:2], min(self._role.fine_px, long_side)))
        canvas_px = min(self._role.canvas_px, round(self._role.first_zoom * long_side))
        coarse = self._first_look(base, canvas_px)
        if len(coarse) == 0:
            coarse = self._first_look(base, max(canvas_px // 2, 1))  # what is blurred is sharp there
        fine, zoom = coarse[:0], min(self._role.fine_px / max(base.shape[1:]), LARGEST_ZOOM)
        if long_side >= TWICE * self._role.canvas_px or len(coarse) == 0:
            fine = self._fine_look(base.shape[1:], zoom, lambda tile, size: interpolated(base[:, *tile], size))
        across, down = width / base.shape[2], height / base.shape[1]
        rows = _scaled(np.concatenate([coarse, _small(fine, zoom)]), across, down)
        if long_side > HUGE_PX:
            zoom = self._role.huge_zoom
            huge = self._fine_look(image.shape[:2], zoom, lambda tile, size: resized(image[tile], size))
            rows = np.concatenate([rows, _small(huge, zoom)])
        sensible = (rows[:, 2:4].min(axis=1) >= MIN_FACE_PX) & (rows[:, 2:4].max(axis=1) <= MAX_FACE * long_side)
        proposals = suppress(rows[sensible], self._role.nms_iou)[:MAX_PROPOSALS]
        looks = [_scaled(look, across, down) for look in (coarse, fine)]
        return _seen_twice(proposals, looks, SURE_PX * long_side / self._role.canvas_px)

    def _first_look(self, base: Planes, long_side: int) -> NDArray[np.float32]:
        _, height, width = base.shape
        size = _size_within(base.shape[1:], long_side)
        (rows,) = self._network.rows([interpolated(base, size)], PROPOSAL_SCORE)
        return _scaled(rows, width / size[0], height / size[1])

    def _fine_look(
        self, sides: Sequence[int], zoom: float, planes: Callable[[_Tile, tuple[int, int]], Planes]
    ) -> NDArray[np.float32]:
        """Tile by tile of the picture `zoom` times as large. Faces in two tiles are there twice, or in part.

        `sides`: height and width of the picture, `planes`: gives a tile's in a size.
        """
        found = []
        for top, bottom in _tiles(sides[0], zoom):
            for left, right in _tiles(sides[1], zoom):
                size = (max(1, round((right - left) * zoom)), max(1, round((bottom - top) * zoom)))
                tile = planes((slice(top, bottom), slice(left, right)), size)
                (rows,) = self._network.rows([tile], FINE_SCORE)
                rows = _scaled(rows, (right - left) / size[0], (bottom - top) / size[1])
                rows[:, [0, *range(4, 14, 2)]] += left
                rows[:, [1, *range(5, 14, 2)]] += top
                found.append(rows)
        return np.concatenate(found)

    def confirm(
        self, image: NDArray[np.uint8], proposals: NDArray[np.float32], sure: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Those of the proposals that the second look finds again, with its box, landmarks and score.

        Of the `sure` ones only the large look is taken, and counts as one of three.
        """
        small, large = self._role.looks_px
        first, unsure = proposals.copy(), proposals[~sure]
        first[~sure] = self._upright(image, unsure, self.look(image, unsure, small), small)
        kept = first[:, 14] >= LEAST_SCORE
        first, looks = first[kept], 1 + sure[kept, None]
        mean = (first * looks + self.look(image, first, large)) / (looks + 1)
        return np.asarray(mean[mean[:, 14] >= FACE_SCORE], np.float32)

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
            frames = [frame_of(row, turn, size) for row in rows[part]]
            found = self._network.rows([frame.seen(image, size) for frame in frames], LOOK_SCORE)
            for row, frame, inside in zip(seen[part], frames, found, strict=True):
                again = _again(row, frame.back(inside, size))
                if again is not None:
                    row[:] = again
        return seen

    def run(self, pictures: Sequence[NDArray[np.uint8]], score: float) -> list[NDArray[np.float32]]:
        """The detector's raw rows, (n, 15) a picture, of RGB pictures of one size in their own pixels."""
        return self._network.rows([planes_of(picture) for picture in pictures], score)


def _scaled(rows: NDArray[np.float32], across: float, down: float) -> NDArray[np.float32]:
    """The rows with all they say of places and sizes so many times as large."""
    scaled = rows.copy()
    scaled[:, 0:14:2] *= across
    scaled[:, 1:14:2] *= down
    return scaled


def _small(rows: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Those of a fine look that is `zoom` times as large."""
    return np.asarray(rows[rows[:, 2:4].max(axis=1) <= FINE_FACE_PX / zoom])


def _seen_twice(
    proposals: NDArray[np.float32], looks: Sequence[NDArray[np.float32]], least_px: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The proposals, and which of them all looks saw surely and at least so large: those are the looks' mean."""
    rows, sure = proposals.copy(), np.zeros(len(proposals), np.bool_)
    for index in np.flatnonzero((rows[:, 14] >= SURE_SCORE) & (rows[:, 2:4].min(axis=1) >= least_px)):
        seen = [row for look in looks if (row := _again(proposals[index], look)) is not None]
        if len(seen) == len(looks) and all(row[14] >= SURE_SCORE for row in seen):
            rows[index], sure[index] = np.mean(seen, axis=0), True
    return rows, sure


def _again(row: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The surest of the rows that are of the same face as `row`."""
    near = rows[iou(row, rows) >= LOOK_IOU]
    return np.asarray(near[np.argmax(near[:, 14])]) if len(near) else None


def _size_within(sides: Sequence[int], long_side: int) -> tuple[int, int]:
    """Width and height of a picture whose longer side is `long_side`, of `sides`, height and width."""
    scale = long_side / max(sides)
    return max(1, round(sides[1] * scale)), max(1, round(sides[0] * scale))


def _tiles(side_px: int, zoom: float) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side: as few as there may be, all of one length."""
    longest, overlap = int(TILE_PX / zoom), math.ceil(TILE_OVERLAP_PX / zoom)
    count = max(1, math.ceil((side_px - overlap) / (longest - overlap)))
    length = math.ceil((side_px + (count - 1) * overlap) / count)
    starts = [round(tile * (side_px - length) / max(count - 1, 1)) for tile in range(count)]
    return [(start, start + length) for start in starts]


def _face(row: NDArray[np.float32]) -> DetectedFace:
    values = [float(value) for value in row]
    return DetectedFace(
        box=Box(*values[:4]),
        landmarks=tuple((values[at], values[at + 1]) for at in range(4, 14, 2)),
        score=min(values[14], 1.0),
    )
