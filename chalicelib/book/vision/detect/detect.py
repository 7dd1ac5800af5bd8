"""Face detection: passes over the whole picture propose faces, and passes over each proposal decide
whether it is one.

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
from functools import partial
from typing import NamedTuple

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

X, Y, WIDTH, HEIGHT = 0, 1, 2, 3
LEFT_EYE_X, LEFT_EYE_Y, RIGHT_EYE_X, RIGHT_EYE_Y = 4, 5, 6, 7
"""Columns of a row: its box, and of the five landmarks the eyes, left in the image."""
SIDES, LANDMARKS = slice(WIDTH, HEIGHT + 1), slice(4, 14)
"""Columns of the box's width and height, and of x and y of all landmarks by turns."""
POSITIONS_X, POSITIONS_Y = [X, *range(4, 14, 2)], [Y, *range(5, 14, 2)]
"""Columns of where the box and the landmarks lie, across and down."""
SCORE = 14
"""Column of a row's score, behind the box and the five landmarks."""
LARGEST_ZOOM = 4
"""Most that a small picture without proposals is enlarged: beyond it is only blur."""

TWICE = 2
"""Pictures this many times the pack's canvas, and those without proposals, get the fine pass."""

HUGE_PX = 2048
"""Pictures with a longer side also get a pass in tiles, enlarged by `role.huge_zoom`."""

TILED_PIXELS = 1 << 24
"""Of a picture with more, the pass in tiles is as coarse as if it had so many: this pass takes time
by pixel, and a few kilobytes can have 67 million."""

SEEN_PX = 20.0
"""Faces of this size or more on a pass's canvas are found reliably. So a pass may be at most four
times as fine as the one before, whose faces have a quarter of FINE_FACE_PX there."""

FINE_FACE_PX = 80.0
"""Largest face kept of a fine pass, on its canvas. A coarser pass finds larger ones reliably."""

RIVAL = 0.4
"""Least part of the largest face's area that makes a rival: half, less what boxes vary."""

FINE_SCORE = 0.1
"""Faces of 15 pixels score from this to PROPOSAL_SCORE; a false proposal costs little."""

TILE_OVERLAP_PX = 112
"""Overlap of neighbouring tiles: more than the largest face that is kept of a fine pass."""

PROPOSAL_SCORE = 0.4
"""Low, because the passes over the face decide: one that is not proposed is lost."""

MAX_PROPOSALS = 128
"""Most faces that are proposed, the surest."""

LOOK_IOU = 0.4
"""Smallest overlap with the proposal at which a pass has found the same face."""

LOOK_SCORE = 0.02
"""Lowest score that a pass over one face reports: the best of several passes counts."""

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
"""Largest slope of such a face's eyes: heads tilted by 15 degrees mostly have more."""

LEVEL_ROUNDS = 4
SETTLED_RADIANS = math.radians(1)
"""Rounds of two more passes over a tilted face, at most, and the turn of its eyes after which none
follows. Of photos turned by 30 degrees, nine in ten templates then score over 0.876 with those of
the upright photos, in place of 0.793 (docs/lab/accuracy.md). An upright face has no round."""

LEAST_SCORE = 0.5
"""Least useful score in the small pass: with 1 in the large one the mean is FACE_SCORE."""

FACE_SCORE = 0.75
"""Smallest mean score of the passes that counts as a face. Of faces that are sharp or blurred, have
a fifth of the light, or are tilted by 60 degrees, masked or half covered, 92 to 100 % of each kind
reach it. Of a thousand pictures without a face, two held something that did. Darkness fails first:
at a twelfth of the light every fifth face is not even proposed."""

MIN_FACE_PX = 10.0
"""Smallest shorter side of a face's box in the picture: below it texture looks like faces."""

MAX_FACE = 1.5
"""Largest ratio of the longer side of a face's box to the picture's longer side."""

MAX_ROWS = 4096
"""Most rows of a pass, the surest. A face has about eight, so those of MAX_PROPOSALS faces are
among them. A picture of 7,000 tiny faces gives 50,000 rows."""

BATCH = 4
"""Passes in one run: the data of more would not fit the cache."""

_Tile = tuple[slice, slice]
"""Rows and columns of a tile."""


class DetectionPass(Struct, frozen=True):
    """Findings of one pass of the detector over the whole picture: rows (possible faces) in the
    picture's pixels, and its scale.

    A row is x, y, width, height, five landmarks, score; those that reach FINE_SCORE are here. A
    pass that `is_fine` proposes small faces only, even unsure ones: a coarser pass finds others
    reliably.
    """

    rows: NDArray[np.float32]
    zoom: float
    is_fine: bool

    @property
    def proposes(self) -> NDArray[np.bool_]:
        """The mask of the rows that are worth passes of their own."""
        if self.is_fine:
            long_sides_px = self.rows[:, SIDES].max(axis=1) * self.zoom
            return np.asarray(long_sides_px <= FINE_FACE_PX)
        return np.asarray(self.rows[:, SCORE] >= PROPOSAL_SCORE)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """The mask of the proposals that surely are upright faces, and not too small."""
        is_certain = self.rows[:, SCORE] >= SURE_SCORE
        is_large = self.rows[:, SIDES].min(axis=1) * self.zoom >= SURE_PX
        is_upright = np.abs(_measure_slopes(self.rows)) <= UPRIGHT_RADIANS
        return np.asarray(self.proposes & is_certain & is_large & is_upright)

    def find_unrivalled_face(self) -> NDArray[np.float32] | None:
        """Return the row of the largest sure face; None if another may have half its area.

        A row is a possible face. Rows that overlap the face are taken for the same. Any other of
        RIVAL times its area, however unsure, is a rival. A finer pass could show one, too, if this
        pass may miss faces of that size.
        """
        sure_rows = self.rows[self.sure]
        if not len(sure_rows):
            return None
        face = sure_rows[np.argmax(_measure_areas(sure_rows))]
        if not self.cannot_miss_half_of(face):
            return None
        is_elsewhere = measure_overlap(face, self.rows) < LOOK_IOU
        is_large = _measure_areas(self.rows) >= RIVAL * face[WIDTH] * face[HEIGHT]
        has_rival = (is_elsewhere & is_large).any()
        return None if has_rival else np.asarray(face)

    def cannot_miss_half_of(self, face: NDArray[np.float32]) -> bool:
        """Tell whether this pass surely finds all faces of at least half the area of a face (row).

        On its canvas it may miss faces of less than SEEN_PX, 20. A face with sides of 40 has four
        times the area of such a one. So none of half its area is missed.
        """
        return bool((face[SIDES] * self.zoom >= 2 * SEEN_PX).all())


class Detector:
    """Face detection with the network of a pack of models.

    A row is a possible face, x, y, width, height, five landmarks, score; rows are largest first
    where not said otherwise.
    """

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._network = YuNet(sessions, role)
        self._spread = sessions.spread
        self._role = role

    def find_faces(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return all faces of a (height, width, 3) RGB picture, largest box first."""
        passes = list(self._make_passes(image))
        if _is_huge(image):
            passes.append(self._look_in_tiles(image))
        return [_make_face(row) for row in self._choose_faces(image, passes)]

    def find_largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the largest face, and all of at least half its area, as `find_faces` does.

        To save work, it ends as soon as no such face can be missing: after the coarse pass over the
        picture, or else after the finer ones. In a picture of more than HUGE_PX a pass in tiles may
        show faces that all of these miss.
        """
        passes_left = self._make_passes(image)  # each is made when it is taken
        coarse = next(passes_left)
        coarse_rows = self._choose_if_unrivalled(image, coarse)
        if coarse_rows is not None:
            return [_make_face(row) for row in coarse_rows]
        passes = [coarse, *passes_left]
        rows = self._choose_faces(image, passes)
        is_complete = len(rows) > 0 and passes[-1].cannot_miss_half_of(rows[0])
        if _is_huge(image) and not is_complete:
            return self.find_faces(image)  # with the pass in tiles
        return [_make_face(row) for row in rows]

    def _choose_if_unrivalled(
        self, image: NDArray[np.uint8], coarse: DetectionPass
    ) -> NDArray[np.float32] | None:
        """Return the faces that the coarse pass shows; None if finer passes are needed, too.

        They are not needed if the pass shows a largest face without a rival of half its area, and
        passes over that confirm it. Faces are rows, largest first.
        """
        unrivalled = coarse.find_unrivalled_face()
        if unrivalled is None:
            return None
        rows = self._choose_faces(image, [coarse])
        is_confirmed = len(rows) > 0 and measure_overlap(rows[0], unrivalled) >= LOOK_IOU
        return rows if is_confirmed else None

    def _make_passes(self, image: NDArray[np.uint8]) -> Iterator[DetectionPass]:
        """Yield passes over the whole picture, from coarse to fine; each is made when it is taken.

        A pass shows the picture to the network at one size, and proposes faces. A large picture
        gets the fine pass in place of the usual one. A small one gets it too if nothing was
        proposed.
        """
        role, long_side = self._role, max(image.shape[:2])
        canvas_px = min(role.canvas_px, round(role.first_zoom * long_side))
        coarse = self._look_at_whole(image, max(canvas_px // 2, 1))
        yield coarse
        needs_fine = long_side >= TWICE * role.canvas_px
        if not needs_fine:
            usual = self._look_at_whole(image, canvas_px)
            yield usual
            needs_fine = not (coarse.proposes.any() or usual.proposes.any())
        if needs_fine:
            fine_px = min(role.fine_px, LARGEST_ZOOM * long_side)
            yield self._look_at_whole(image, fine_px, is_fine=True)

    def _look_at_whole(
        self, image: NDArray[np.uint8], canvas_px: int, *, is_fine: bool = False
    ) -> DetectionPass:
        """Return what the detector finds in the picture with a longer side of `canvas_px`."""
        size = _fit_size(image.shape[:2], canvas_px)
        zoom = canvas_px / max(image.shape[:2])
        return DetectionPass(self._find_rows(image, size, self._spread), zoom, is_fine)

    def _look_in_tiles(self, image: NDArray[np.uint8]) -> DetectionPass:
        """Return what the detector finds in the picture enlarged, one tile of it after another.

        Tiles bound the memory. They overlap, so a face may be there twice, or in part. The time
        goes by pixels. So a picture of more than TILED_PIXELS is enlarged less.
        """
        height, width = image.shape[:2]
        shrink = min(1.0, math.sqrt(TILED_PIXELS / (height * width)))
        zoom = self._role.huge_zoom * shrink

        def find_in_tile(tile: _Tile) -> NDArray[np.float32]:
            tile_rows, tile_columns = tile  # slices
            tile_height = tile_rows.stop - tile_rows.start
            tile_width = tile_columns.stop - tile_columns.start
            size = (max(1, round(tile_width * zoom)), max(1, round(tile_height * zoom)))
            rows = self._find_rows(image[tile], size)
            # They are in the tile's pixels, and shall be in the picture's.
            rows[:, POSITIONS_X] += tile_columns.start
            rows[:, POSITIONS_Y] += tile_rows.start
            return rows

        tiles = _split_into_tiles(image.shape[:2], zoom, self._role.huge_tile_px)
        rows = np.concatenate(self._spread(find_in_tile, tiles))
        return DetectionPass(choose_surest(rows, MAX_ROWS), zoom, is_fine=True)

    def _find_rows(
        self, image: NDArray[np.uint8], size: tuple[int, int], spread: Spread = in_turn
    ) -> NDArray[np.float32]:
        """Return rows found in the picture resized to (width, height), in its own pixels."""
        (rows,) = self._network.detect_rows([resize_picture(image, size, spread)], FINE_SCORE)
        across, down = image.shape[1] / size[0], image.shape[0] / size[1]
        return _scale_rows(choose_surest(rows, MAX_ROWS), across, down)

    def _choose_faces(
        self, image: NDArray[np.uint8], passes: Sequence[DetectionPass]
    ) -> NDArray[np.float32]:
        """Return the faces among what the passes propose: (n, 15) rows, largest first."""
        proposals = _choose_proposals(passes, max(image.shape[:2]), self._role.nms_iou)
        confirmed = self.confirm_proposals(image, proposals.rows, proposals.is_sure)
        faces = suppress_overlaps(confirmed, self._role.nms_iou)
        return faces[np.argsort(-_measure_areas(faces), kind="stable")]

    def confirm_proposals(
        self, image: NDArray[np.uint8], proposals: NDArray[np.float32], is_sure: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return which proposals (rows that may be faces) are faces, each the mean of its passes.

        Each is looked for again in a square about it, shown small and then large: two passes. Box,
        landmarks and score are their means. The mean score has to reach FACE_SCORE. `is_sure` tells
        which proposals a pass over the whole picture surely saw as upright faces. Such a row counts
        as a third pass if the small pass is as sure.
        """
        small_px, large_px = self._role.looks_px
        upright_rows = self.find_again(image, proposals, find_level_turns(proposals), small_px)
        may_be_tilted = _find_maybe_tilted(proposals, upright_rows, is_sure)
        small_rows = upright_rows.copy()
        small_rows[may_be_tilted] = self._try_turned(
            image, proposals[may_be_tilted], upright_rows[may_be_tilted]
        )
        can_be_face = small_rows[:, SCORE] >= LEAST_SCORE
        small_rows = small_rows[can_be_face]
        large_rows = self.find_again(image, small_rows, find_level_turns(small_rows), large_px)
        is_third_pass = is_sure & (upright_rows[:, SCORE] >= SURE_SCORE)
        counts_too = is_third_pass[can_be_face, None]  # a column, as a factor of 0 or 1
        sums = small_rows + large_rows + proposals[can_be_face] * counts_too
        means = sums / (2 + counts_too)
        faces = np.asarray(means[means[:, SCORE] >= FACE_SCORE], np.float32)
        return self._level_tilted(image, faces)

    def _level_tilted(
        self, image: NDArray[np.uint8], faces: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the faces (rows), the tilted ones found anew with their eyes level.

        The detector finds a tilted head less tilted than it is: one of 20 degrees as 10, say. Shown
        turned by these 10, it is found as 15, and so on. It ends after LEVEL_ROUNDS, or for a face
        when a round turns its eyes by no more than SETTLED_RADIANS.
        """
        levelled = faces.copy()
        (places,) = np.nonzero(np.abs(_measure_slopes(faces)) > UPRIGHT_RADIANS)  # of tilted ones
        for _ in range(LEVEL_ROUNDS):
            if not len(places):
                break
            before = levelled[places]
            after = self._find_level_twice(image, before)
            levelled[places] = after
            turned_by = np.abs(_measure_slopes(after) - _measure_slopes(before))
            places = places[turned_by > SETTLED_RADIANS]
        return levelled

    def _find_level_twice(
        self, image: NDArray[np.uint8], rows: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return each face (row) as the mean of a small pass and a large one, with the eyes level.

        The large pass looks where the small one found the face. A face that either of them does not
        find stays as it was.
        """
        small_px, large_px = self._role.looks_px
        small_rows = self.find_again(image, rows, find_level_turns(rows), small_px)
        large_rows = self.find_again(image, small_rows, find_level_turns(small_rows), large_px)
        is_found = (small_rows[:, SCORE] > 0) & (large_rows[:, SCORE] > 0)
        means = np.mean([small_rows, large_rows], axis=0)
        return np.where(is_found[:, None], means, rows)

    def _try_turned(
        self,
        image: NDArray[np.uint8],
        proposals: NDArray[np.float32],
        upright_rows: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return each proposal's best row, found upright or in a square that is turned aside.

        The detector misplaces the landmarks of a head that lies on its shoulder, unless the square
        about it is turned. `upright_rows` were found without that. If a turned pass scores best,
        one more follows, turned so that the eyes it found are level. That one decides: a face that
        it does not find has score 0.
        """
        if not len(proposals):
            return upright_rows
        small_px, _ = self._role.looks_px
        turned_tries = [
            self.find_again(image, proposals, [math.radians(degrees)] * len(proposals), small_px)
            for degrees in self._role.turns
        ]
        # (tries, proposals, 15), of which try 0 is the upright one
        tries = np.stack([upright_rows, *turned_tries])
        best_tries = np.argmax(tries[:, :, SCORE], axis=0)  # the number of each proposal's best
        best_rows: NDArray[np.float32] = tries[best_tries, np.arange(len(proposals))]
        is_turned = best_tries > 0
        if is_turned.any():
            turned = best_rows[is_turned]
            best_rows[is_turned] = self.find_again(
                image, turned, find_level_turns(turned), small_px
            )
        return best_rows

    def find_again(
        self,
        image: NDArray[np.uint8],
        rows: NDArray[np.float32],
        turns: Sequence[float],
        size: int,
    ) -> NDArray[np.float32]:
        """Return each row (a possible face) as the detector finds it in a square about it.

        The square is turned by the row's number of radians in `turns`, and shown in `size` pixels a
        side. A face that is not found again is there as it was, but with score 0. Batches of BATCH
        rows run side by side on free cores.
        """
        frames = [frame_box(row, turn, size) for row, turn in zip(rows, turns, strict=True)]
        batches = [slice(begin, begin + BATCH) for begin in range(0, len(rows), BATCH)]
        rows_and_frames = [(rows[batch], frames[batch]) for batch in batches]
        found = self._spread(partial(self._find_batch, image, size), rows_and_frames)
        return np.concatenate([rows[:0], *found], dtype=np.float32)  # also if there is no row

    def _find_batch(
        self,
        image: NDArray[np.uint8],
        size: int,
        rows_and_frames: tuple[NDArray[np.float32], Sequence[Frame]],
    ) -> NDArray[np.float32]:
        """Return each row as one run of the detector finds it in its frame, else with score 0."""
        rows, frames = rows_and_frames
        squares = [frame.cut_planes(image, size) for frame in frames]
        rows_of_squares = self._network.detect_rows(squares, LOOK_SCORE)
        found_rows = rows.copy()
        found_rows[:, SCORE] = 0  # until a row is found
        for place, (frame, square_rows) in enumerate(zip(frames, rows_of_squares, strict=True)):
            same_face = _choose_same_face(rows[place], frame.convert_back(square_rows, size))
            if same_face is not None:
                found_rows[place] = same_face
        return found_rows


def _is_huge(image: NDArray[np.uint8]) -> bool:
    return int(max(image.shape[:2])) > HUGE_PX


def _measure_areas(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows[:, WIDTH] * rows[:, HEIGHT]


def _measure_slopes(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how many radians the eyes of each row slope, clockwise."""
    down = rows[:, RIGHT_EYE_Y] - rows[:, LEFT_EYE_Y]
    across = rows[:, RIGHT_EYE_X] - rows[:, LEFT_EYE_X]
    return np.asarray(np.arctan2(down, across))


def _scale_rows(rows: NDArray[np.float32], across: float, down: float) -> NDArray[np.float32]:
    """Return rows (possible faces) with all positions and sizes multiplied."""
    scaled = rows.copy()
    # All before the score are x or width, and y or height, by turns.
    scaled[:, X:SCORE:2] *= across
    scaled[:, Y:SCORE:2] *= down
    return scaled


def _choose_same_face(
    row: NDArray[np.float32], rows: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Return the surest row that overlaps `row`, so is of the same face; None: none does."""
    near = rows[measure_overlap(row, rows) >= LOOK_IOU]
    return np.asarray(near[np.argmax(near[:, SCORE])]) if len(near) else None


def _find_maybe_tilted(
    proposals: NDArray[np.float32],
    upright_rows: NDArray[np.float32],
    is_sure: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the mask of the proposals whose heads may be tilted, by how the small pass scores.

    `upright_rows` are what that pass found. An upright head scores SURE_SCORE there, or SURER_SCORE
    if no pass over the whole picture was sure of it (`is_sure`). Proposals below PROPOSAL_SCORE are
    left out, since they are small faces or none.
    """
    least_scores = np.where(is_sure, SURE_SCORE, SURER_SCORE)
    is_low = upright_rows[:, SCORE] < least_scores
    return np.asarray(is_low & (proposals[:, SCORE] >= PROPOSAL_SCORE))


class _Proposals(NamedTuple):
    """Rows that get passes of their own, and the mask of those that surely are faces."""

    rows: NDArray[np.float32]
    is_sure: NDArray[np.bool_]


def _choose_proposals(passes: Sequence[DetectionPass], long_side: int, limit: float) -> _Proposals:
    """Return the rows (possible faces) that get passes of their own, MAX_PROPOSALS at most.

    Of rows that overlap by more than `limit` the first is chosen. Sure ones come first, those of
    the coarsest pass in front. So a sure face has the same row whether finer passes follow or not.
    Any other gets the row that the finest pass has of it, which places landmarks better. `passes`
    go from coarse to fine. `long_side` is the picture's.
    """
    proposed = [each.rows[each.proposes] for each in passes]
    are_sure = [each.sure[each.proposes] for each in passes]
    # 0 for sure rows of the coarsest pass, 1 for those of the next, the last for unsure ones.
    ranks = [np.where(sure, number, len(passes)) for number, sure in enumerate(are_sure)]
    all_rows, all_sure = np.concatenate(proposed), np.concatenate(are_sure)
    in_order = np.lexsort((-all_rows[:, SCORE], np.concatenate(ranks)))  # by rank, then by score
    sides_px = all_rows[in_order, SIDES]
    is_large_enough = sides_px.min(axis=1) >= MIN_FACE_PX
    is_small_enough = sides_px.max(axis=1) <= MAX_FACE * long_side
    candidates = in_order[is_large_enough & is_small_enough]
    chosen = candidates[choose_distinct(all_rows[candidates], limit, MAX_PROPOSALS)]
    rows, is_sure = all_rows[chosen], all_sure[chosen]
    for place in np.flatnonzero(~is_sure):
        # At least the pass that proposed the row has one of the same face.
        found_by_pass = (_choose_same_face(rows[place], part) for part in reversed(proposed))
        rows[place] = next(found for found in found_by_pass if found is not None)
    return _Proposals(rows, is_sure)


def _fit_size(sides: Sequence[int], long_side: int) -> tuple[int, int]:
    """Return (width, height) of a picture of `sides`, (height, width), scaled to a longer side."""
    scale = long_side / max(sides)
    return max(1, round(sides[1] * scale)), max(1, round(sides[0] * scale))


def _split_into_tiles(sides: Sequence[int], zoom: float, longest_px: int) -> list[_Tile]:
    """Return overlapping tiles of a picture of these (height, width), row by row.

    Enlarged by `zoom`, none has a longer side than `longest_px`.
    """
    longest, overlap = int(longest_px / zoom), math.ceil(TILE_OVERLAP_PX / zoom)
    down, across = (_split_side(side, longest, overlap) for side in sides)
    return [(rows, columns) for rows in down for columns in across]


def _split_side(side: int, longest: int, overlap: int) -> list[slice]:
    """Return the fewest stretches of equal length that cover a side and overlap by so much.

    None is longer than `longest`. A side of 100 gives, with 60 at most and an overlap of 10, 0..55
    and 45..100.
    """
    count = max(1, math.ceil((side - overlap) / (longest - overlap)))
    length = math.ceil((side + (count - 1) * overlap) / count)
    # From one that begins at 0 to one that ends at the side's end, at even distances.
    distance_count = max(count - 1, 1)
    starts = [round(number * (side - length) / distance_count) for number in range(count)]
    return [slice(start, start + length) for start in starts]


def _make_face(row: NDArray[np.float32]) -> DetectedFace:
    """Return a row as a detected face."""
    values = [float(value) for value in row]
    landmarks = values[LANDMARKS]  # x and y by turns
    return DetectedFace(
        box=BoundingBox(*values[: HEIGHT + 1]),
        landmarks=tuple(zip(landmarks[::2], landmarks[1::2], strict=True)),
        score=min(values[SCORE], 1.0),
    )


GRID = 32
"""Canvas sides are multiples of this, the detector's coarsest stride."""

LARGEST = 10.0
"""Largest log of a box's side in strides: larger ones are nonsense, and would overflow."""


class YuNet:
    """The detector's network, on pictures of any size."""

    def __init__(self, sessions: Sessions, role: DetectorRole) -> None:
        self._sessions = sessions
        self._role = role

    def detect_rows(self, pictures: Sequence[Planes], score: float) -> list[NDArray[np.float32]]:
        """Return for each picture the (n, 15) rows that reach `score`, in its own pixels.

        The pictures have one size.
        """
        batch = stack_planes(pictures, self._role.channels, GRID)
        outputs = self._sessions.run(self._role.file, batch)
        return decode(outputs, batch.shape[3], self._role.strides, score)


def decode(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, strides: Sequence[int], score: float
) -> list[NDArray[np.float32]]:
    """Return for each picture of a batch the rows (possible faces) that reach `score`, (n, 15).

    A row is x, y, width, height, five landmarks, score. The network looks at a picture in several
    grids, whose cells have sides of `strides` pixels. Rows of all grids are there, also if they
    overlap.
    """
    grids = [_decode_grid(outputs, width_px, stride, score) for stride in strides]
    rows = np.concatenate([grid.rows for grid in grids])
    picture_of_row = np.concatenate([grid.picture_of_row for grid in grids])
    picture_count = len(outputs[f"cls_{strides[0]}"])  # every output has an entry for each
    return [rows[picture_of_row == picture] for picture in range(picture_count)]


class _GridRows(NamedTuple):
    """Rows (possible faces) of one grid, and the number of the picture that each is in."""

    rows: NDArray[np.float32]
    picture_of_row: NDArray[np.intp]


def _decode_grid(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, stride: int, score: float
) -> _GridRows:
    """Return the rows (possible faces) that reach `score` in a grid of cells of `stride` pixels.

    `outputs` are (pictures, cells, numbers), with the cells row by row: "cls_8" for the class with
    stride 8, and so on. In a picture 320 pixels wide that grid has 40 cells a row, so cell 41 is
    the second of the second row. A box whose centre is told there as 0.5, 0.25 has it at pixel
    (1 + 0.5) * 8 = 12 across, (1 + 0.25) * 8 = 10 down.
    """
    # A score is the root of the product of two probabilities, class ("cls") and object ("obj").
    squares = outputs[f"cls_{stride}"][:, :, 0] * outputs[f"obj_{stride}"][:, :, 0]
    pictures, cells = np.nonzero(squares >= score**2)
    scores = np.sqrt(squares[pictures, cells])
    cells_across = width_px // stride
    cell_x_y = np.stack([cells % cells_across, cells // cells_across], axis=1).astype(np.float32)
    # Positions are told in strides from the cell, sides as logarithms of strides.
    box = outputs[f"bbox_{stride}"][pictures, cells]  # x and y of its centre, width, height
    centre = (cell_x_y + box[:, :2]) * stride
    size = np.exp(np.minimum(box[:, SIDES], LARGEST)) * stride
    landmarks = (np.tile(cell_x_y, 5) + outputs[f"kps_{stride}"][pictures, cells]) * stride
    rows = np.concatenate([centre - size / 2, size, landmarks, scores[:, None]], axis=1)
    return _GridRows(rows, pictures)


def measure_overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the overlap of boxes, 0..1: the area that two share, over the area that they cover
    together.

    Rows begin with x, y, width, height, and are broadcast against each other.
    """
    begin, begins = box[..., :WIDTH], boxes[..., :WIDTH]  # x and y of the upper left corners
    left_top = np.maximum(begin, begins)
    right_bottom = np.minimum(begin + box[..., SIDES], begins + boxes[..., SIDES])
    sides = np.maximum(right_bottom - left_top, 0)  # of what they share, if anything
    shared_area = sides[..., 0] * sides[..., 1]
    area, other_areas = box[..., WIDTH] * box[..., HEIGHT], boxes[..., WIDTH] * boxes[..., HEIGHT]
    return np.asarray(shared_area / (area + other_areas - shared_area))


def choose_surest(rows: NDArray[np.float32], max_rows: int) -> NDArray[np.float32]:
    """Return the `max_rows` rows (possible faces) of highest score, that first.

    If there are no more, they are returned as they are.
    """
    if len(rows) <= max_rows:
        return rows
    best_first = np.argsort(-rows[:, SCORE], kind="stable")
    return np.asarray(rows[best_first[:max_rows]])


def suppress_overlaps(
    rows: NDArray[np.float32], limit: float, max_rows: int | None = None
) -> NDArray[np.float32]:
    """Return the rows (possible faces) without those that overlap a better one by over `limit`.

    They are sorted by score, the highest first (greedy non-maximum suppression). It ends when
    `max_rows` are kept.
    """
    best_first = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    return best_first[choose_distinct(best_first, limit, max_rows)]


def choose_distinct(
    rows: NDArray[np.float32], limit: float, max_rows: int | None = None
) -> list[int]:
    """Return the places of the rows (possible faces) that overlap no earlier one by over `limit`.

    Only rows that are kept themselves count as earlier. It ends with `max_rows` kept; None: never.
    """
    places_left, chosen = np.arange(len(rows)), list[int]()
    while len(places_left) and len(chosen) != max_rows:  # with None until no place is left
        first, others = places_left[0], places_left[1:]
        chosen.append(int(first))
        places_left = others[measure_overlap(rows[first], rows[others]) <= limit]
    return chosen


LOOK_FACTOR = 2.0
"""Side of the second pass's square over the box's longer side. The square is shown in the two sizes
of the manifest's `looks`: a model is sometimes mistaken at one size, seldom at both."""

LEVEL_RADIANS = math.radians(3)
"""Eyes that slope more than this are made level for a pass. The detector finds them less sloped
than they are: of heads tilted by 20 degrees the coarse pass says half, so a pass over one that is
not level places its landmarks worse."""


class Frame(Struct, frozen=True):
    """A square of the picture, turned clockwise about its centre by `turn` radians."""

    square: Square
    turn: float

    def cut_planes(self, image: NDArray[np.uint8], size: int) -> Planes:
        """Return the square's contents as planes of `size` pixels a side, black outside `image`."""
        if self.turn:
            return make_planes(cut_turned(image, self.square, self.turn, size))
        return cut_planes_of_square(image, self.square, size)

    def convert_back(self, rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Return rows found in the square, shown in `size` pixels a side, in the picture's pixels.

        They are scaled, turned back, and shifted. A turned box becomes the upright box about the
        ellipse that it holds, because heads are round.
        """
        scale, half = self.square.side / size, self.square.side / 2
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        rotation = np.array([[cos, sin], [-sin, cos]], np.float32)  # of a row vector, clockwise
        centre = np.array([self.square.x + half, self.square.y + half], np.float32)
        # An ellipse's upright box: the squares of its sides are mixed by the rotation's squares.
        sides = np.sqrt((rows[:, SIDES] * scale) ** 2 @ rotation.T**2)
        # Points are told from the square's centre, turned about it, and told from the picture's
        # corner.
        box_centres = rows[:, :WIDTH] + rows[:, SIDES] / 2
        middles = (box_centres * scale - half) @ rotation + centre
        points = rows[:, LANDMARKS].reshape(-1, 5, 2)
        landmarks = ((points * scale - half) @ rotation + centre).reshape(-1, 10)
        return np.concatenate(
            [middles - sides / 2, sides, landmarks, rows[:, SCORE:]], axis=1, dtype=np.float32
        )


def find_level_turns(rows: NDArray[np.float32]) -> list[float]:
    """Return the turns of squares that show the rows' eyes level; 0 if they nearly are."""
    slopes = [
        math.atan2(row[RIGHT_EYE_Y] - row[LEFT_EYE_Y], row[RIGHT_EYE_X] - row[LEFT_EYE_X])
        for row in rows
    ]
    return [slope if abs(slope) > LEVEL_RADIANS else 0.0 for slope in slopes]


def frame_box(row: NDArray[np.float32], turn: float, size: int) -> Frame:
    """Return the square about a row's box, turned by `turn` radians.

    It begins at a whole pixel if showing it in `size` pixels needs that (`is_plain`).
    """
    x, y, width, height = (float(value) for value in row[: HEIGHT + 1])
    side = LOOK_FACTOR * max(width, height)
    left, top = x + (width - side) / 2, y + (height - side) / 2
    if not turn and is_plain(side, size):
        left, top = round(left), round(top)
    return Frame(Square(left, top, side), turn)
