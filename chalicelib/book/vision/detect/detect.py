"""Face detection by passes over the whole picture, which propose faces, and passes over each face,
which decide.

The passes over the whole go from coarse to fine, each with the pack's detector at one size. The
coarse one finds faces that fill the picture, the finest those of 15 pixels. A call for the largest
face alone ends at the pass that shows it surely and cannot have missed a larger one.

Then each proposal is cut out and shown to the detector in the sizes at which the detector is most
certain. A real face is found at every scale; flags, foliage and wheels look like one at a single
scale only and are dropped. These passes also give the final box and landmarks, so they do not
depend on the face's size in the picture.

YuNet's outputs are decoded to faces as libfacedetection.train and OpenCV's FaceDetectorYN do. A
face is a row of 15: x, y, width, height, five landmarks x, y (eye, eye, nose tip, mouth corner,
mouth corner; image left before right), score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from chalicelib.book.vision.packs.manifest import DetectorRole
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures.crop import (
    Planes,
    Spread,
    Square,
    cut_planes_of_square,
    cut_turned,
    in_turn,
    is_plain,
    make_planes,
    resize_picture,
    stack_planes,
)
from chalicelib.domain.pictures import BoundingBox, DetectedFace

SCORE = 14
"""Column of a row's score, behind the box and the five landmarks."""
LARGEST_ZOOM = 4
"""How much a small picture without proposals is enlarged for the finer pass, at most: beyond it is
only blur."""

TWICE = 2
"""Pictures at least this many times the pack's canvas get the fine pass; so do those without
proposals."""

HUGE_PX = 2048
"""Pictures with a longer side than this also get a pass in tiles of the whole picture, enlarged by
`role.huge_zoom`."""

TILED_PIXELS = 1 << 24
"""Of a picture with more, the pass in tiles is as coarse as if it had so many: this pass takes time
by pixel, and a few kilobytes can have 67 million."""

SEEN_PX = 20.0
"""Faces of this size or more on a pass's canvas are found reliably. So a pass may be at most four
times as fine as the one before, whose faces have a quarter of FINE_FACE_PX there."""

FINE_FACE_PX = 80.0
"""Largest face kept of a fine pass, on its canvas. A coarser pass finds larger ones reliably."""

RIVAL = 0.4
"""Least part of the largest face's area at which what may be a face is looked for again: half, and
what boxes vary."""

FINE_SCORE = 0.1
"""Faces of 15 pixels score between this and PROPOSAL_SCORE. False proposals cost one small pass
each."""

TILE_OVERLAP_PX = 112
"""Overlap of neighbouring tiles, which have `role.huge_tile_px` at most: more than the largest face
kept. Tiles bound the memory."""

PROPOSAL_SCORE = 0.4
"""Low, because the passes over the face decide: one that is not proposed is lost."""

MAX_PROPOSALS = 128
"""Most faces that are proposed, the surest."""

LOOK_IOU = 0.4
"""Smallest overlap with the proposal at which a pass has found the same face."""

LOOK_SCORE = 0.02
"""Lowest score at which a pass over one face reports anything: the best of several passes
counts."""

SURE_SCORE = 0.9
"""Upright faces score more than this in a pass. Others get more passes, turned by the manifest's
`turns`: if a head lies on its shoulder, the detector finds the box but places the landmarks as if
the head were upright."""

SURER_SCORE = 0.92
"""The same for a face that no pass over the whole found with SURE_SCORE. Of heads tilted by 20 to
40 degrees, one in ten scores between these in the small pass; of upright ones, one in eight."""

SURE_PX = 30.0
"""Smallest shorter side, on the canvas, of a face that a pass over the whole found with SURE_SCORE
and that counts as one more pass over it. The mean of three passes places landmarks better than that
of two. Measured by the likeness of embeddings to those from landmarks on which ten passes agree:
0.989, and 0.987 for two."""

UPRIGHT_RADIANS = math.radians(5)
"""Largest slope of the eyes of such a face: heads tilted by 15 degrees or more have a larger one,
but for a few."""

LEVEL_ROUNDS = 4
SETTLED_RADIANS = math.radians(1)
"""Rounds of two more passes over a tilted face, at most, and the turn of its eyes after which none
follows. Of photos turned by 30 degrees, nine in ten templates then score over 0.876 with those of
the upright photos, in place of 0.793 (docs/lab/accuracy.md). An upright face has no round."""

LEAST_SCORE = 0.5
"""Smallest useful score in the small pass: a lower one cannot reach FACE_SCORE with the large pass,
which scores at most 1."""

FACE_SCORE = 0.75
"""Smallest mean score of the passes that counts as a face. Of faces that are sharp or blurred, have
a fifth of the light, or are tilted by 60 degrees, masked or half covered, 92 to 100 % of each kind
reach it. Of a thousand pictures without a face, two held something that did. Darkness fails first:
at a twelfth of the light every fifth face is not even proposed."""

MIN_FACE_PX = 10.0
"""Smallest shorter side of a face's box in the picture. Below it texture scores like faces, and
nobody could be recognised."""

MAX_FACE = 1.5
"""Largest ratio of the longer side of a face's box to the picture's longer side."""

MAX_ROWS = 4096
"""Most rows of a pass, the surest. A face has about eight, so those of MAX_PROPOSALS faces are
among them. A picture of 7,000 tiny faces gives 50,000 rows."""

BATCH = 4
"""Passes in one run. In a larger batch each pass takes longer, because its data no longer fits the
cache."""

_Tile = tuple[slice, slice]
"""Rows and columns of a tile."""


class DetectionPass(Struct, frozen=True):
    """A pass over the whole picture: rows in the picture's pixels that reach FINE_SCORE, and its
    scale.

    One that `is_fine` proposes small faces only, even unsure ones: a coarser pass finds others
    reliably.
    """

    rows: NDArray[np.float32]
    zoom: float
    is_fine: bool

    @property
    def proposes(self) -> NDArray[np.bool_]:
        """The mask of the rows that are worth passes of their own."""
        is_small = self.rows[:, 2:4].max(axis=1) * self.zoom <= FINE_FACE_PX
        return np.asarray(is_small if self.is_fine else self.rows[:, SCORE] >= PROPOSAL_SCORE)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """The mask of the proposals that surely are upright faces, and large enough to place their
        landmarks."""
        is_large = self.rows[:, 2:4].min(axis=1) * self.zoom >= SURE_PX
        is_upright = np.abs(_measure_slopes(self.rows)) <= UPRIGHT_RADIANS
        return np.asarray(
            self.proposes & (self.rows[:, SCORE] >= SURE_SCORE) & is_large & is_upright
        )

    def find_unrivalled_face(self) -> NDArray[np.float32]:
        """Return the largest sure face, as (1, 15), if a finer pass can show no other one of half
        its area; else none.

        All that may be a face as large overlaps it, and what is too small for this pass has a
        quarter of its area.
        """
        sure = self.rows[self.sure]
        largest = sure[np.argsort(-sure[:, 2] * sure[:, 3])[:1]]
        areas = self.rows[:, 2] * self.rows[:, 3]
        rivals = [
            areas[measure_overlap(row, self.rows) < LOOK_IOU] >= RIVAL * row[2] * row[3]
            for row in largest
        ]
        return largest if self.hides_none_like(largest) and not np.any(rivals) else largest[:0]

    def hides_none_like(self, largest: NDArray[np.float32]) -> bool:
        """Tell whether this pass finds all faces of half the area of the (1, 15) largest; not if
        that is none.

        Twice the sides of what it may not find are four times the area.
        """
        return len(largest) > 0 and bool((largest[:, 2:4] * self.zoom >= 2 * SEEN_PX).all())


class Detector:
    """Face detection with the pack's detector."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._network = YuNet(sessions, role)
        self._spread = sessions.spread
        self._role = role

    def find_faces(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find all faces of a (height, width, 3) RGB picture, largest box first."""
        passes = [
            *self._make_passes(image),
            *([self._look_in_tiles(image)] if _is_huge(image) else []),
        ]
        return [_make_face(row) for row in self._choose_faces(image, passes)]

    def find_largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find the largest face as `find_faces` does, and all of at least half its area, largest
        first."""
        finer = self._make_passes(image)
        passes = [next(finer)]
        unrivalled = passes[0].find_unrivalled_face()
        rows = self._choose_faces(image, passes) if len(unrivalled) else unrivalled
        if not (measure_overlap(rows[:1], unrivalled) >= LOOK_IOU).any():
            passes += finer
            rows = self._choose_faces(image, passes)
            if _is_huge(image) and not passes[-1].hides_none_like(rows[:1]):
                return self.find_faces(image)
        return [_make_face(row) for row in rows]

    def _make_passes(self, image: NDArray[np.uint8]) -> Iterator[DetectionPass]:
        """Look at the whole picture, from coarse to fine."""
        role, long_side = self._role, max(image.shape[:2])
        canvas_px = min(role.canvas_px, round(role.first_zoom * long_side))
        yield (coarse := self._look_at_whole(image, max(canvas_px // 2, 1)))
        is_fine = long_side >= TWICE * role.canvas_px
        if not is_fine:
            yield (usual := self._look_at_whole(image, canvas_px))
            is_fine = not (coarse.proposes.any() or usual.proposes.any())
        if is_fine:
            yield self._look_at_whole(
                image, min(role.fine_px, LARGEST_ZOOM * long_side), is_fine=True
            )

    def _look_at_whole(
        self, image: NDArray[np.uint8], canvas_px: int, *, is_fine: bool = False
    ) -> DetectionPass:
        rows = self._find_rows(image, _fit_size(image.shape[:2], canvas_px), self._spread)
        return DetectionPass(rows, canvas_px / max(image.shape[:2]), is_fine)

    def _look_in_tiles(self, image: NDArray[np.uint8]) -> DetectionPass:
        """Look at the picture enlarged by `role.huge_zoom`, tile by tile: faces in two are there
        twice, or in part."""
        height, width = image.shape[:2]
        zoom = self._role.huge_zoom * min(1.0, math.sqrt(TILED_PIXELS / (height * width)))

        def of_tile(tile: _Tile) -> NDArray[np.float32]:
            height, width = (side.stop - side.start for side in tile)
            rows = self._find_rows(
                image[tile], (max(1, round(width * zoom)), max(1, round(height * zoom)))
            )
            rows[:, [0, *range(4, 14, 2)]] += tile[1].start
            rows[:, [1, *range(5, 14, 2)]] += tile[0].start
            return rows

        tiles = _split_into_tiles(image.shape[:2], zoom, self._role.huge_tile_px)
        return DetectionPass(
            choose_surest(np.concatenate(self._spread(of_tile, tiles)), MAX_ROWS),
            zoom,
            is_fine=True,
        )

    def _find_rows(
        self, image: NDArray[np.uint8], size: tuple[int, int], spread: Spread = in_turn
    ) -> NDArray[np.float32]:
        """Run the detector over the picture resized to (width, height); return the rows in its own
        pixels."""
        (rows,) = self._network.detect_rows([resize_picture(image, size, spread)], FINE_SCORE)
        return _scale_rows(
            choose_surest(rows, MAX_ROWS), image.shape[1] / size[0], image.shape[0] / size[1]
        )

    def _choose_faces(
        self, image: NDArray[np.uint8], passes: Sequence[DetectionPass]
    ) -> NDArray[np.float32]:
        """Return the faces among what the passes propose: (n, 15) rows, largest first."""
        rows, sure = _choose_proposals(passes, max(image.shape[:2]), self._role.nms_iou)
        faces = suppress_overlaps(self.confirm_proposals(image, rows, sure), self._role.nms_iou)
        return faces[np.argsort(-faces[:, 2] * faces[:, 3], kind="stable")]

    def confirm_proposals(
        self, image: NDArray[np.uint8], proposals: NDArray[np.float32], is_sure: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the proposals that passes over each find again, with their mean box, landmarks and
        score.

        `is_sure`: (n,), which proposals are sure. These count as a pass themselves, if the pass
        over a small square is sure of the face, too.
        """
        small, large = self._role.looks_px
        upright_pass = self.find_again(image, proposals, small)
        small_pass = self._try_turned(
            image, proposals, upright_pass, small, np.where(is_sure, SURE_SCORE, SURER_SCORE)
        )
        is_kept = small_pass[:, SCORE] >= LEAST_SCORE
        is_counted = (is_sure & (upright_pass[:, SCORE] >= SURE_SCORE))[is_kept, None]
        first_found = small_pass[is_kept]
        found_again = self.find_again(image, first_found, large)
        mean = (first_found + found_again + proposals[is_kept] * is_counted) / (2 + is_counted)
        return self._level_tilted(image, np.asarray(mean[mean[:, SCORE] >= FACE_SCORE], np.float32))

    def _level_tilted(
        self, image: NDArray[np.uint8], faces: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the faces, of which tilted ones were looked at again with their eyes level.

        Each look finds a tilted head a little more tilted. So further ones follow until one turns
        it by SETTLED_RADIANS at most.
        """
        small, large = self._role.looks_px
        levelled = faces.copy()
        (places,) = np.nonzero(np.abs(_measure_slopes(faces)) > UPRIGHT_RADIANS)
        for _ in range(LEVEL_ROUNDS):
            if not len(places):
                break
            before = levelled[places]
            looks = [found := self.find_again(image, before, small)]
            looks.append(self.find_again(image, found, large))
            is_found = np.all([look[:, SCORE] > 0 for look in looks], axis=0)
            after = np.where(is_found[:, None], np.mean(looks, axis=0), before)
            levelled[places] = after
            turned = np.abs(_measure_slopes(after) - _measure_slopes(before))
            places = places[turned > SETTLED_RADIANS]
        return levelled

    def _try_turned(
        self,
        image: NDArray[np.uint8],
        proposals: NDArray[np.float32],
        seen_rows: NDArray[np.float32],
        size: int,
        least_scores: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Return the rows after another look, turned to either side, at faces not found with
        certainty.

        If a turned pass scores best, one more pass follows, with its eyes level. Proposals below
        PROPOSAL_SCORE are small faces or none, and not worth it.
        """
        (unsure_places,) = np.nonzero(
            (seen_rows[:, SCORE] < least_scores) & (proposals[:, SCORE] >= PROPOSAL_SCORE)
        )
        if len(unsure_places) == 0:
            return seen_rows
        turns = map(math.radians, self._role.turns)
        tries = [
            seen_rows[unsure_places],
            *(self.find_again(image, proposals[unsure_places], size, turn) for turn in turns),
        ]
        best_tries = np.argmax([rows[:, SCORE] for rows in tries], axis=0)
        best_rows = seen_rows.copy()
        best_rows[unsure_places] = [
            tries[choice][number] for number, choice in enumerate(best_tries)
        ]
        turned_places = unsure_places[best_tries > 0]
        if len(turned_places):
            best_rows[turned_places] = self.find_again(image, best_rows[turned_places], size)
        return best_rows

    def find_again(
        self,
        image: NDArray[np.uint8],
        rows: NDArray[np.float32],
        size: int,
        turn: float | None = None,
    ) -> NDArray[np.float32]:
        """Look at each row in a square of `size` pixels about it; a row that is not found again
        gets score 0.

        The square is turned by `turn` radians or, with None, so that the eyes are level.
        """
        found_rows = rows.copy()
        found_rows[:, SCORE] = 0

        def look_at_part(part: NDArray[np.float32]) -> None:
            frames = [frame_box(row, turn, size) for row in part]
            rows_of_frames = self._network.detect_rows(
                [frame.cut_planes(image, size) for frame in frames], LOOK_SCORE
            )
            for row, frame, frame_rows in zip(part, frames, rows_of_frames, strict=True):
                same_face = _choose_same_face(row, frame.convert_back(frame_rows, size))
                if same_face is not None:
                    row[:] = same_face

        self._spread(
            look_at_part,
            [found_rows[start : start + BATCH] for start in range(0, len(found_rows), BATCH)],
        )
        return found_rows


def _is_huge(image: NDArray[np.uint8]) -> bool:
    return int(max(image.shape[:2])) > HUGE_PX


def _measure_slopes(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how many radians the eyes of each row slope, clockwise."""
    return np.asarray(np.arctan2(rows[:, 7] - rows[:, 5], rows[:, 6] - rows[:, 4]))


def _scale_rows(rows: NDArray[np.float32], across: float, down: float) -> NDArray[np.float32]:
    """Multiply all positions and sizes in the rows."""
    scaled = rows.copy()
    scaled[:, 0:14:2] *= across
    scaled[:, 1:14:2] *= down
    return scaled


def _choose_same_face(
    row: NDArray[np.float32], rows: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Return the row of highest score that is of the same face as `row`, or None."""
    near = rows[measure_overlap(row, rows) >= LOOK_IOU]
    return np.asarray(near[np.argmax(near[:, SCORE])]) if len(near) else None


def _choose_proposals(
    passes: Sequence[DetectionPass], long_side: int, limit: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Choose the rows that get passes of their own among overlapping ones, the surest, and tell
    which of them are sure.

    Sure ones go first, those of coarser passes before others: so a face has the same rows whether
    finer passes follow or not. In the place of one that is not sure stands that of the finest pass
    over it, which places landmarks better.
    """
    proposed = [detection_pass.rows[detection_pass.proposes] for detection_pass in passes]
    all_rows = np.concatenate(proposed)
    are_sure = np.concatenate(
        [detection_pass.sure[detection_pass.proposes] for detection_pass in passes]
    )
    pass_numbers = np.repeat(np.arange(len(passes)), [len(part) for part in proposed])
    by_certainty = np.lexsort((-all_rows[:, SCORE], np.where(are_sure, pass_numbers, len(passes))))
    sides_px = all_rows[:, 2:4]
    has_sensible_size = (sides_px.min(axis=1) >= MIN_FACE_PX) & (
        sides_px.max(axis=1) <= MAX_FACE * long_side
    )
    candidates = by_certainty[has_sensible_size[by_certainty]]
    chosen = candidates[choose_distinct(all_rows[candidates], limit, MAX_PROPOSALS)]
    rows, sure = all_rows[chosen], are_sure[chosen]
    for place in np.flatnonzero(~sure):
        same_faces = (_choose_same_face(rows[place], part) for part in reversed(proposed))
        rows[place] = next(row for row in same_faces if row is not None)
    return rows, sure


def _fit_size(sides: Sequence[int], long_side: int) -> tuple[int, int]:
    """Return (width, height) of a picture whose `sides` are (height, width), scaled to the longer
    side `long_side`."""
    scale = long_side / max(sides)
    return max(1, round(sides[1] * scale)), max(1, round(sides[0] * scale))


def _split_into_tiles(sides: Sequence[int], zoom: float, longest_px: int) -> list[_Tile]:
    """Split a picture of these (height, width) into tiles of at most `longest_px` a side when
    enlarged by `zoom`."""
    down, across = (
        _split_side(side, int(longest_px / zoom), math.ceil(TILE_OVERLAP_PX / zoom))
        for side in sides
    )
    return [(rows, columns) for rows in down for columns in across]


def _split_side(side: int, longest: int, overlap: int) -> list[slice]:
    """Split a side into the fewest stretches of equal length."""
    count = max(1, math.ceil((side - overlap) / (longest - overlap)))
    length = math.ceil((side + (count - 1) * overlap) / count)
    starts = [round(at * (side - length) / max(count - 1, 1)) for at in range(count)]
    return [slice(start, start + length) for start in starts]


def _make_face(row: NDArray[np.float32]) -> DetectedFace:
    values = [float(value) for value in row]
    return DetectedFace(
        box=BoundingBox(*values[:4]),
        landmarks=tuple((values[at], values[at + 1]) for at in range(4, 14, 2)),
        score=min(values[SCORE], 1.0),
    )


GRID = 32
"""Canvas sides are multiples of this, the detector's coarsest stride."""

LARGEST = 10.0
"""Largest log of a box's side in strides. Larger values are nonsense, and the limit prevents
overflow."""


class YuNet:
    """The pack's detector, on pictures of any size."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._sessions = sessions
        self._role = role

    def detect_rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        """Return the (n, 15) rows that reach `score` for each of the pictures of one size, in their
        own pixels."""
        filled = stack_planes(pictures, self._role.channels, GRID)
        outputs = self._sessions.run(self._role.file, filled)
        return decode(outputs, filled.shape[3], self._role.strides, score)


def decode(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, strides: Sequence[int], score: float
) -> list[NDArray[np.float32]]:
    """Decode all cells that reach `score`: (n, 15) for each picture of the batch, without
    suppressing overlaps."""
    levels = [_decode_level(outputs, width_px, stride, score) for stride in strides]
    pictures, rows = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    return [rows[pictures == picture] for picture in range(len(outputs[f"cls_{strides[0]}"]))]


def _decode_level(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, stride: int, score: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Decode one level of all pictures: the rows, and the index of each row's picture."""
    squares = outputs[f"cls_{stride}"][:, :, 0] * outputs[f"obj_{stride}"][:, :, 0]  # each of 0..1
    pictures, cells = np.nonzero(squares >= score**2)
    scores = np.sqrt(squares[pictures, cells])
    at = np.stack([cells % (width_px // stride), cells // (width_px // stride)], axis=1).astype(
        np.float32
    )
    box = outputs[f"bbox_{stride}"][pictures, cells]
    centre = (at + box[:, :2]) * stride
    size = np.exp(np.minimum(box[:, 2:4], LARGEST)) * stride
    landmarks = (np.tile(at, 5) + outputs[f"kps_{stride}"][pictures, cells]) * stride
    return pictures, np.concatenate([centre - size / 2, size, landmarks, scores[:, None]], axis=1)


def measure_overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of rows that begin with x, y, width, height, broadcast against
    each other."""
    left_top = np.maximum(box[..., :2], boxes[..., :2])
    right_bottom = np.minimum(box[..., :2] + box[..., 2:4], boxes[..., :2] + boxes[..., 2:4])
    sides = np.maximum(right_bottom - left_top, 0)
    shared_area = sides[..., 0] * sides[..., 1]
    return np.asarray(
        shared_area / (box[..., 2] * box[..., 3] + boxes[..., 2] * boxes[..., 3] - shared_area)
    )


def choose_surest(rows: NDArray[np.float32], max_rows: int) -> NDArray[np.float32]:
    """Return the `max_rows` rows of highest score, that first; all of them as they are if there are
    no more."""
    return (
        rows
        if len(rows) <= max_rows
        else np.asarray(rows[np.argsort(-rows[:, SCORE], kind="stable")[:max_rows]])
    )


def suppress_overlaps(
    rows: NDArray[np.float32], limit: float, max_rows: int | None = None
) -> NDArray[np.float32]:
    """Drop rows that overlap a better one by more than `limit`: greedy non-maximum suppression,
    highest score first.

    It ends when it has kept `max_rows` rows.
    """
    best_first = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    return best_first[choose_distinct(best_first, limit, max_rows)]


def choose_distinct(
    rows: NDArray[np.float32], limit: float, max_rows: int | None = None
) -> list[int]:
    """Return the places of the rows that overlap no earlier one kept by more than `limit`,
    `max_rows` at most."""
    rows_left, chosen = np.arange(len(rows)), list[int]()
    while len(rows_left) and len(chosen) != max_rows:
        chosen.append(int(rows_left[0]))
        rows_left = rows_left[1:][measure_overlap(rows[rows_left[0]], rows[rows_left[1:]]) <= limit]
    return chosen


LOOK_FACTOR = 2.0
"""Side of the second pass's square over the box's longer side. The square is shown in the two sizes
of the manifest's `looks`: a model is sometimes mistaken at one size, seldom at both."""

LEVEL_RADIANS = math.radians(3)
"""Eyes that slope more than this are made level for a pass. The detector finds them less sloped
than they are: of heads tilted by 20 degrees the coarse pass says half, so a pass over one that is
not level places its landmarks worse."""


class Frame(Struct, frozen=True):
    """A square of the picture for a second pass, turned clockwise about its centre by `turn`
    radians."""

    square: Square
    turn: float

    def cut_planes(self, image: NDArray[np.uint8], size: int) -> Planes:
        """Return the square's planes, `size` pixels a side; black outside the picture."""
        if self.turn:
            return make_planes(cut_turned(image, self.square, self.turn, size))
        return cut_planes_of_square(image, self.square, size)

    def convert_back(self, rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Convert rows found in the pass of `size` pixels to the picture's pixels.

        A turned box becomes the upright box about the ellipse that it holds, because heads are
        round.
        """
        scale, half = self.square.side / size, self.square.side / 2
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        turned = np.array([[cos, sin], [-sin, cos]], np.float32)
        centre = np.array([self.square.x + half, self.square.y + half], np.float32)
        sides = rows[:, 2:4] * scale
        size_back = np.sqrt(sides**2 @ turned.T**2)
        middle = ((rows[:, :2] + rows[:, 2:4] / 2) * scale - half) @ turned + centre
        landmarks = ((rows[:, 4:14].reshape(-1, 5, 2) * scale - half) @ turned + centre).reshape(
            -1, 10
        )
        return np.concatenate(
            [middle - size_back / 2, size_back, landmarks, rows[:, 14:]], axis=1, dtype=np.float32
        )


def frame_box(row: NDArray[np.float32], turn: float | None, size: int) -> Frame:
    """Make the frame about the row's box, turned by `turn` radians or, with None, so that the eyes
    are level.

    It begins at a whole pixel if a pass of `size` needs that (`is_plain`).
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
