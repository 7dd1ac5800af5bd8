"""Face detection in two looks with the pack's detector.

The first look runs over the whole picture and proposes faces. It uses one fixed scale, for faces that fill the picture.
If the picture is large, or nothing was found, it also uses a finer scale in tiles, for faces of 15 pixels.

The second look decides. It cuts out each proposal and shows it to the detector in the sizes at which the detector is
most certain. A real face is found at every scale; flags, foliage and wheels look like one at a single scale only and
are dropped. The second look also gives the final box and landmarks, so they do not depend on the face's size in the
picture.

YuNet's outputs are decoded to faces as libfacedetection.train and OpenCV's FaceDetectorYN do. A face is a row of 15: x,
y, width, height, five landmarks x, y (eye, eye, nose tip, mouth corner, mouth corner; image left before right), score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.vision.machine import Work
from chalicelib.vision.packs.manifest import DetectorRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import (
    Planes,
    Square,
    canvas,
    cut_turned,
    interpolated,
    is_plain,
    planes_of,
    resized,
    square_of,
)

LARGEST_ZOOM = 4
"""How much a small picture without proposals is enlarged for the finer look, at most: beyond it is only blur."""

TWICE = 2
"""Pictures at least this many times the first look's canvas get the finer look too; so do those without proposals."""

HUGE_PX = 2048
"""Pictures with a longer side than this also get a look in tiles of the whole picture, enlarged by `role.huge_zoom`."""

FINE_FACE_PX = 80.0
"""Largest face kept of a finer look, on its canvas. The next coarser look finds larger ones reliably: they have at
least 20 pixels there. So a look may be at most four times as fine as the one before."""

FINE_SCORE = 0.1
"""Faces of 15 pixels score between this and PROPOSAL_SCORE. False proposals cost one small look each."""

TILE_PX = 1280
TILE_OVERLAP_PX = 112
"""Longest side of a tile of the fine look, and the overlap of neighbours: more than the largest face kept. Tiles bound
the memory. Those of huge pictures have `role.huge_tile_px`."""

PROPOSAL_SCORE = 0.4
"""Low, because the second look decides: a face that is not proposed is lost."""

MAX_PROPOSALS = 128
"""Most faces that are proposed to the second look, the surest."""

LOOK_IOU = 0.4
"""Smallest overlap with the proposal at which a look has found the same face."""

LOOK_SCORE = 0.02

SURE_SCORE = 0.9
"""Upright faces score more than this in a look. Others get more looks, turned by the manifest's `turns`: if a head lies
on its shoulder, the detector finds the box but places the landmarks as if the head were upright."""

SURE_PX = 30.0
"""Smallest shorter side, on the coarser canvas, of a face that skips the small look because both whole looks found it
with SURE_SCORE. It was a face at two scales already, and the mean of those two and the large look places landmarks
better than two small looks. Measured by the likeness of embeddings to those from landmarks on which ten looks agree:
0.990, and 0.987 after two small looks. For faces of 20 to 25 pixels on that canvas it would be 0.983 instead of
0.986."""

LEAST_SCORE = 0.5
"""Smallest useful score in the small look: a lower one cannot reach FACE_SCORE with the large look, which scores at
most 1."""

FACE_SCORE = 0.75
"""Smallest mean score of the two sizes that counts as a face. Of faces that are sharp or blurred, have a fifth of the
light, or are tilted by 60 degrees, masked or half covered, 92 to 100 % of each kind reach it. Of a thousand pictures
without a face, two held something that did. Darkness fails first: at a twelfth of the light every fifth face is not
even proposed."""

MIN_FACE_PX = 10.0
"""Smallest shorter side of a face's box in the picture. Below it texture scores like faces, and nobody could be
recognised."""

MAX_FACE = 1.5
"""Largest ratio of the longer side of a face's box to the picture's longer side."""

MAX_ROWS = 4096
"""Most rows of a look, the surest. A face has about eight, so those of MAX_PROPOSALS faces are among them. A picture of
7,000 tiny faces gives 50,000 rows."""

BATCH = 4
"""Looks in one run. In a larger batch each look takes longer, because its data no longer fits the cache."""

_Tile = tuple[slice, slice]
"""Rows and columns of a tile."""


class Detector:
    """Two-look face detection with the pack's detector."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._network = YuNet(sessions, role)
        self._spread, self._done = sessions.spread, sessions.done
        self._role = role

    def faces(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find all faces of a (height, width, 3) RGB picture, largest box first."""
        return self._faces(image, self.propose(image))

    def largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find the largest face as `faces` does, and all of at least half its area, largest first."""
        found = self._faces(image, self.propose(image, tiny=False))
        is_huge = max(image.shape[:2]) > HUGE_PX
        return self.faces(image) if is_huge and not _hides_none(found, self._role.huge_zoom) else found

    def _faces(
        self, image: NDArray[np.uint8], proposed: tuple[NDArray[np.float32], NDArray[np.bool_]]
    ) -> list[DetectedFace]:
        found = suppress(self.confirm(image, *proposed), self._role.nms_iou)
        return [_face(row) for row in sorted(found, key=lambda row: -row[2] * row[3])]

    def propose(self, image: NDArray[np.uint8], *, tiny: bool = True) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Propose faces: rows, most certain first, and a mask of those found with certainty by both whole looks.

        The rows are (n, 15) as in vision/detect/detect.py, in the picture's pixels. A row in the mask is the mean of
        both looks. `tiny`: with the look in tiles at huge pictures.
        """
        height, width = image.shape[:2]
        long_side = max(height, width)
        # a smaller copy, from which the first look is quickly made
        base = resized(image, _size_within(image.shape[:2], min(self._role.fine_px, long_side)), self._spread)
        zoom = min(self._role.fine_px / max(base.shape[1:]), LARGEST_ZOOM)
        finer = self._fine_look(
            _tiles(base.shape[1:], zoom, TILE_PX), zoom, lambda tile, size: interpolated(base[:, *tile], size)
        )
        canvas_px = min(self._role.canvas_px, round(self._role.first_zoom * long_side))
        if long_side >= TWICE * self._role.canvas_px:
            fine, coarse = self._done([finer, self._first_look(base, canvas_px)])  # the one that takes longer first
        else:
            coarse = self._first_look(base, canvas_px).done()
            fine = coarse[:0] if len(coarse) else self._done([finer])[0]
        across, down = width / base.shape[2], height / base.shape[1]
        rows = _scaled(np.concatenate([coarse, _small(fine, zoom)]), across, down)
        if tiny and long_side > HUGE_PX:
            zoom = self._role.huge_zoom
            tiles = _tiles(image.shape[:2], zoom, self._role.huge_tile_px)
            (huge,) = self._done([self._fine_look(tiles, zoom, lambda tile, size: resized(image[tile], size))])
            rows = np.concatenate([rows, _small(huge, zoom)])
        sensible = (rows[:, 2:4].min(axis=1) >= MIN_FACE_PX) & (rows[:, 2:4].max(axis=1) <= MAX_FACE * long_side)
        proposals = suppress(rows[sensible], self._role.nms_iou, MAX_PROPOSALS)
        looks = [_scaled(look, across, down) for look in (coarse, fine)]
        return _seen_twice(proposals, looks, SURE_PX * long_side / self._role.canvas_px)

    def _first_look(self, base: Planes, canvas_px: int) -> Work[NDArray[np.float32]]:
        """Run the detector over the whole picture; if it proposes nothing, at half the size: blurs are sharp there."""

        def look(long_side: int) -> NDArray[np.float32]:
            _, height, width = base.shape
            size = _size_within(base.shape[1:], long_side)
            (rows,) = self._network.rows([interpolated(base, size)], PROPOSAL_SCORE)
            return _scaled(surest(rows, MAX_ROWS), width / size[0], height / size[1])

        def either() -> NDArray[np.float32]:
            rows = look(canvas_px)
            return rows if len(rows) else look(max(canvas_px // 2, 1))

        return Work([either], lambda found: found[0])

    def _fine_look(
        self, tiles: Sequence[_Tile], zoom: float, planes: Callable[[_Tile, tuple[int, int]], Planes]
    ) -> Work[NDArray[np.float32]]:
        """Run the detector over the picture enlarged by `zoom`, tile by tile.

        Faces in two tiles are answered twice, or in part. `planes` returns a tile's planes in a given size.
        """

        def look(tile: _Tile) -> NDArray[np.float32]:
            height, width = (side.stop - side.start for side in tile)
            size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
            (rows,) = self._network.rows([planes(tile, size)], FINE_SCORE)
            rows = _scaled(surest(rows, MAX_ROWS), width / size[0], height / size[1])
            rows[:, [0, *range(4, 14, 2)]] += tile[1].start
            rows[:, [1, *range(5, 14, 2)]] += tile[0].start
            return rows

        return Work([partial(look, tile) for tile in tiles], lambda found: surest(np.concatenate(found), MAX_ROWS))

    def confirm(
        self, image: NDArray[np.uint8], proposals: NDArray[np.float32], sure: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the proposals that the second look finds again, with its box, landmarks and score.

        Proposals in `sure` get the large look only, which then counts as one of three.
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
        """Look again, turned to either side, at faces not found with certainty.

        If a turned look scores best, one more look follows, with its eyes level. Proposals below PROPOSAL_SCORE are
        small faces or none, and not worth it.
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
        """Look at each row in a square of `size` pixels about it; a row that is not found again gets score 0.

        The square is turned by `turn` radians or, with None, so that the eyes are level.
        """
        seen = rows.copy()
        seen[:, 14] = 0

        def look(part: NDArray[np.float32]) -> None:
            frames = [frame_of(row, turn, size) for row in part]
            found = self._network.rows([frame.seen(image, size) for frame in frames], LOOK_SCORE)
            for row, frame, inside in zip(part, frames, found, strict=True):
                again = _again(row, frame.back(inside, size))
                if again is not None:
                    row[:] = again

        self._spread(look, [seen[start : start + BATCH] for start in range(0, len(seen), BATCH)])
        return seen

    def run(self, pictures: Sequence[NDArray[np.uint8]], score: float) -> list[NDArray[np.float32]]:
        """Return the detector's raw rows, (n, 15) for each of the RGB pictures of one size, in their own pixels."""
        return self._network.rows([planes_of(picture) for picture in pictures], score)


def _hides_none(found: Sequence[DetectedFace], zoom: float) -> bool:
    """Tell whether a look enlarged by `zoom` could add no face of half the largest one's area, nor displace that one.

    It adds faces of up to FINE_FACE_PX there. Twice these sides are four times the area: such a box overlaps the
    largest by a quarter at most, less than what is suppressed.
    """
    return bool(found) and min(found[0].box.width, found[0].box.height) >= 2 * FINE_FACE_PX / zoom


def _scaled(rows: NDArray[np.float32], across: float, down: float) -> NDArray[np.float32]:
    """Multiply all positions and sizes in the rows."""
    scaled = rows.copy()
    scaled[:, 0:14:2] *= across
    scaled[:, 1:14:2] *= down
    return scaled


def _small(rows: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Keep the rows that a fine look, `zoom` times as large, may contribute."""
    return np.asarray(rows[rows[:, 2:4].max(axis=1) <= FINE_FACE_PX / zoom])


def _seen_twice(
    proposals: NDArray[np.float32], looks: Sequence[NDArray[np.float32]], least_px: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Replace proposals that all looks found with certainty and at least `least_px` large by the looks' mean.

    Returns the rows and a mask of those replaced.
    """
    rows, sure = proposals.copy(), np.zeros(len(proposals), np.bool_)
    for index in np.flatnonzero((rows[:, 14] >= SURE_SCORE) & (rows[:, 2:4].min(axis=1) >= least_px)):
        seen = [row for look in looks if (row := _again(proposals[index], look)) is not None]
        if len(seen) == len(looks) and all(row[14] >= SURE_SCORE for row in seen):
            rows[index], sure[index] = np.mean(seen, axis=0), True
    return rows, sure


def _again(row: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the row of highest score that is of the same face as `row`, or None."""
    near = rows[iou(row, rows) >= LOOK_IOU]
    return np.asarray(near[np.argmax(near[:, 14])]) if len(near) else None


def _size_within(sides: Sequence[int], long_side: int) -> tuple[int, int]:
    """Return (width, height) of a picture whose `sides` are (height, width), scaled to the longer side `long_side`."""
    scale = long_side / max(sides)
    return max(1, round(sides[1] * scale)), max(1, round(sides[0] * scale))


def _tiles(sides: Sequence[int], zoom: float, longest_px: int) -> list[_Tile]:
    """Split a picture of these (height, width) into tiles of at most `longest_px` a side when enlarged by `zoom`."""
    down, across = (_stretches(side, int(longest_px / zoom), math.ceil(TILE_OVERLAP_PX / zoom)) for side in sides)
    return [(rows, columns) for rows in down for columns in across]


def _stretches(side: int, longest: int, overlap: int) -> list[slice]:
    """Split a side into the fewest stretches of equal length."""
    count = max(1, math.ceil((side - overlap) / (longest - overlap)))
    length = math.ceil((side + (count - 1) * overlap) / count)
    starts = [round(at * (side - length) / max(count - 1, 1)) for at in range(count)]
    return [slice(start, start + length) for start in starts]


def _face(row: NDArray[np.float32]) -> DetectedFace:
    values = [float(value) for value in row]
    return DetectedFace(
        box=Box(*values[:4]),
        landmarks=tuple((values[at], values[at + 1]) for at in range(4, 14, 2)),
        score=min(values[14], 1.0),
    )


GRID = 32
"""Canvas sides are multiples of this, the detector's coarsest stride."""

LARGEST = 10.0
"""Largest log of a box's side in strides. Larger values are nonsense, and the limit prevents overflow."""


class YuNet:
    """The pack's detector, on pictures of any size."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._sessions = sessions
        self._role = role

    def rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        """Return the (n, 15) rows that reach `score` for each of the pictures of one size, in their own pixels."""
        filled = canvas(pictures, self._role.channels, GRID)
        outputs = self._sessions.run(self._role.file, filled)
        return decode(outputs, filled.shape[3], self._role.strides, score)


def decode(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, strides: Sequence[int], score: float
) -> list[NDArray[np.float32]]:
    """Decode all cells that reach `score`: (n, 15) for each picture of the batch, without suppressing overlaps."""
    levels = [_level(outputs, width_px, stride, score) for stride in strides]
    pictures, rows = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    return [rows[pictures == picture] for picture in range(len(outputs[f"cls_{strides[0]}"]))]


def _level(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, stride: int, score: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Decode one level of all pictures: the rows, and the index of each row's picture."""
    squares = outputs[f"cls_{stride}"][:, :, 0] * outputs[f"obj_{stride}"][:, :, 0]  # each of 0..1
    pictures, cells = np.nonzero(squares >= score**2)
    scores = np.sqrt(squares[pictures, cells])
    at = np.stack([cells % (width_px // stride), cells // (width_px // stride)], axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"][pictures, cells]
    centre = (at + box[:, :2]) * stride
    size = np.exp(np.minimum(box[:, 2:4], LARGEST)) * stride
    landmarks = (np.tile(at, 5) + outputs[f"kps_{stride}"][pictures, cells]) * stride
    return pictures, np.concatenate([centre - size / 2, size, landmarks, scores[:, None]], axis=1)


def iou(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of rows that begin with x, y, width, height, broadcast against each other."""
    left_top = np.maximum(box[..., :2], boxes[..., :2])
    right_bottom = np.minimum(box[..., :2] + box[..., 2:4], boxes[..., :2] + boxes[..., 2:4])
    sides = np.maximum(right_bottom - left_top, 0)
    both = sides[..., 0] * sides[..., 1]
    return np.asarray(both / (box[..., 2] * box[..., 3] + boxes[..., 2] * boxes[..., 3] - both))


def surest(rows: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return the `most` rows of highest score, that first; all of them as they are if there are no more."""
    return rows if len(rows) <= most else np.asarray(rows[np.argsort(-rows[:, 14], kind="stable")[:most]])


def suppress(rows: NDArray[np.float32], limit: float, most: int | None = None) -> NDArray[np.float32]:
    """Drop rows that overlap a better one by more than `limit`: greedy non-maximum suppression, highest score first.

    It ends when it has kept `most` rows.
    """
    rest = rows[np.argsort(-rows[:, 14], kind="stable")]
    kept: list[NDArray[np.float32]] = []
    while len(rest) and len(kept) != most:
        kept.append(rest[0].copy())  # a view would keep all of this round's rows
        rest = rest[1:][iou(rest[0], rest[1:]) <= limit]
    return np.stack(kept) if kept else rows[:0]


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
