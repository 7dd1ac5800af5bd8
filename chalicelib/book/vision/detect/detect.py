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
        """The mask of the proposals that surely are upright faces, and large enough to place their
        landmarks."""
        is_certain = self.rows[:, SCORE] >= SURE_SCORE
        is_large = self.rows[:, SIDES].min(axis=1) * self.zoom >= SURE_PX
        is_upright = np.abs(_measure_slopes(self.rows)) <= UPRIGHT_RADIANS
        return np.asarray(self.proposes & is_certain & is_large & is_upright)

    def find_unrivalled_face(self) -> NDArray[np.float32]:
        """Return the largest sure face, as one row; no row if another may have half its area.

        A row is a possible face. A finer pass could add only faces that are too small to be a
        rival, if this pass cannot miss a larger one. Rows here that overlap the face are taken for
        the same. Any other of RIVAL times its area, however unsure, is a rival.
        """
        sure_rows = self.rows[self.sure]
        largest_first = np.argsort(-sure_rows[:, WIDTH] * sure_rows[:, HEIGHT])
        largest = sure_rows[largest_first[:1]]  # one row or none
        no_row = largest[:0]
        if not self.hides_none_like(largest):  # a finer pass may show a rival
            return no_row
        (face,) = largest
        areas = self.rows[:, WIDTH] * self.rows[:, HEIGHT]
        is_elsewhere = measure_overlap(face, self.rows) < LOOK_IOU
        is_rival = is_elsewhere & (areas >= RIVAL * face[WIDTH] * face[HEIGHT])
        return no_row if is_rival.any() else largest

    def hides_none_like(self, largest: NDArray[np.float32]) -> bool:
        """Tell whether this pass finds all faces of at least half the area of a (1, 15) row; False
        of no row.

        It may miss faces of less than SEEN_PX. Twice the sides of such a one are four times its
        area.
        """
        return len(largest) > 0 and bool((largest[:, SIDES] * self.zoom >= 2 * SEEN_PX).all())


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

        To save work, it ends at the coarse pass if that surely shows the largest face and cannot
        have missed a rival. Otherwise the finer passes follow. A huge picture gets the one in
        tiles, too, if only that could show such a face.
        """
        passes_left = self._make_passes(image)  # each is made when it is taken
        passes = [next(passes_left)]
        unrivalled = passes[0].find_unrivalled_face()  # one row or none
        if len(unrivalled):
            # It is the answer if the passes over it confirm that it is a face, the largest.
            rows = self._choose_faces(image, passes)
            is_confirmed = (measure_overlap(rows[:1], unrivalled) >= LOOK_IOU).any()
            if is_confirmed:
                return [_make_face(row) for row in rows]
        passes += passes_left
        rows = self._choose_faces(image, passes)
        # May only the pass in tiles, of which the others know nothing, show a face of that size?
        if _is_huge(image) and not passes[-1].hides_none_like(rows[:1]):
            return self.find_faces(image)
        return [_make_face(row) for row in rows]

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
        """Return what the detector finds in the picture resized to (width, height), in the
        picture's own pixels."""
        (rows,) = self._network.detect_rows([resize_picture(image, size, spread)], FINE_SCORE)
        across, down = image.shape[1] / size[0], image.shape[0] / size[1]
        return _scale_rows(choose_surest(rows, MAX_ROWS), across, down)

    def _choose_faces(
        self, image: NDArray[np.uint8], passes: Sequence[DetectionPass]
    ) -> NDArray[np.float32]:
        """Return the faces among what the passes propose: (n, 15) rows, largest first."""
        rows, sure = _choose_proposals(passes, max(image.shape[:2]), self._role.nms_iou)
        faces = suppress_overlaps(self.confirm_proposals(image, rows, sure), self._role.nms_iou)
        return faces[np.argsort(-faces[:, WIDTH] * faces[:, HEIGHT], kind="stable")]

    def confirm_proposals(
        self, image: NDArray[np.uint8], proposals: NDArray[np.float32], is_sure: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return which proposals (rows that may be faces) are faces, each the mean of its passes.

        Each is looked for again in a square about it, shown small and then large: two passes. Box,
        landmarks and score are their means, and the score decides. `is_sure` tells which proposals
        surely are upright faces. The proposal's own row counts as a third pass there, if the small
        pass is as sure.
        """
        small_px, large_px = self._role.looks_px
        # The small pass. With a lower score than this the head may be tilted, and is tried turned;
        # one that was not sure before has to score a little higher.
        upright_rows = self.find_again(image, proposals, small_px)
        least_scores = np.where(is_sure, SURE_SCORE, SURER_SCORE)
        small_rows = self._try_turned(image, proposals, upright_rows, small_px, least_scores)
        is_kept = small_rows[:, SCORE] >= LEAST_SCORE
        small_rows = small_rows[is_kept]
        # The large pass, about what the small one found; then the mean of two or three rows.
        large_rows = self.find_again(image, small_rows, large_px)
        is_third_pass = is_sure & (upright_rows[:, SCORE] >= SURE_SCORE)
        counts_too = is_third_pass[is_kept, None]  # a column, as a factor of 0 or 1
        mean = (small_rows + large_rows + proposals[is_kept] * counts_too) / (2 + counts_too)
        faces = np.asarray(mean[mean[:, SCORE] >= FACE_SCORE], np.float32)
        return self._level_tilted(image, faces)

    def _level_tilted(
        self, image: NDArray[np.uint8], faces: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the faces (rows), after a second look at the tilted ones with their eyes level.

        The detector finds a tilted head less tilted than it is, so that each look finds it a little
        more tilted. Up to LEVEL_ROUNDS looks follow, until one turns it by no more than
        SETTLED_RADIANS. A face that a look does not find again (score 0) stays as it is.
        """
        small_px, large_px = self._role.looks_px
        levelled = faces.copy()
        (places,) = np.nonzero(np.abs(_measure_slopes(faces)) > UPRIGHT_RADIANS)  # of tilted ones
        for _ in range(LEVEL_ROUNDS):
            if not len(places):
                break
            before = levelled[places]
            small_rows = self.find_again(image, before, small_px)
            large_rows = self.find_again(image, small_rows, large_px)
            is_found = (small_rows[:, SCORE] > 0) & (large_rows[:, SCORE] > 0)
            mean = np.mean([small_rows, large_rows], axis=0)
            after = np.where(is_found[:, None], mean, before)
            levelled[places] = after
            turned = np.abs(_measure_slopes(after) - _measure_slopes(before))
            places = places[turned > SETTLED_RADIANS]
        return levelled

    def _try_turned(
        self,
        image: NDArray[np.uint8],
        proposals: NDArray[np.float32],
        upright_rows: NDArray[np.float32],
        size: int,
        least_scores: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Return each proposal's best row, found upright or in the square about it turned aside.

        The detector misplaces the landmarks of a head that lies on its shoulder, unless it is
        turned. `upright_rows` were found without a turn. Those that score below their
        `least_scores` are turned. Proposals below PROPOSAL_SCORE are not, being small faces or
        none. If a turned pass scores best, one more follows with the eyes level.
        """
        is_unsure = upright_rows[:, SCORE] < least_scores
        (unsure_places,) = np.nonzero(is_unsure & (proposals[:, SCORE] >= PROPOSAL_SCORE))
        if len(unsure_places) == 0:
            return upright_rows
        unsure = proposals[unsure_places]
        turns = map(math.radians, self._role.turns)
        turned_tries = [self.find_again(image, unsure, size, turn) for turn in turns]
        # Each try has a row for each unsure proposal. Which try scores best? 0: the upright one.
        tries = np.stack([upright_rows[unsure_places], *turned_tries])
        best_tries = np.argmax(tries[:, :, SCORE], axis=0)
        best_rows = upright_rows.copy()
        best_rows[unsure_places] = tries[best_tries, np.arange(len(unsure))]
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
        """Return each row (a possible face) as the detector finds it in a square about it.

        The square is shown in `size` pixels a side. It is turned by `turn` radians or, with None,
        so that the eyes are level. A face that is not found again is there as it was, but with
        score 0.
        """
        found_rows = rows.copy()
        found_rows[:, SCORE] = 0  # until a row is found

        def look_at_batch(begin: int) -> None:
            batch = rows[begin : begin + BATCH]
            frames = [frame_box(row, turn, size) for row in batch]
            squares = [frame.cut_planes(image, size) for frame in frames]
            rows_of_squares = self._network.detect_rows(squares, LOOK_SCORE)
            for place, (frame, square_rows) in enumerate(
                zip(frames, rows_of_squares, strict=True), start=begin
            ):
                rows_of_picture = frame.convert_back(square_rows, size)
                same_face = _choose_same_face(rows[place], rows_of_picture)
                if same_face is not None:
                    found_rows[place] = same_face

        # Batches run side by side on free cores; each writes rows of its own.
        self._spread(look_at_batch, range(0, len(rows), BATCH))
        return found_rows


def _is_huge(image: NDArray[np.uint8]) -> bool:
    return int(max(image.shape[:2])) > HUGE_PX


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
    """Return the surest row that is of the same face as `row`, since they overlap; None: none
    is."""
    near = rows[measure_overlap(row, rows) >= LOOK_IOU]
    return np.asarray(near[np.argmax(near[:, SCORE])]) if len(near) else None


def _choose_proposals(
    passes: Sequence[DetectionPass], long_side: int, limit: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the rows (possible faces) that get passes of their own, and which surely are faces.

    Of rows that overlap by more than `limit` the first is chosen. In front are sure ones of the
    coarsest pass, then of the next, and so on; then all others; each by score. So a sure face has
    the same row whether finer passes follow or not. `passes` go from coarse to fine. `long_side` is
    the picture's.
    """
    proposed = [each.rows[each.proposes] for each in passes]
    all_rows = np.concatenate(proposed)
    are_sure = np.concatenate([each.sure[each.proposes] for each in passes])
    # The places of all rows in that order: lexsort goes by its last key, then by the one before.
    pass_numbers = np.repeat(np.arange(len(passes)), [len(part) for part in proposed])
    ranks = np.where(are_sure, pass_numbers, len(passes))
    in_order = np.lexsort((-all_rows[:, SCORE], ranks))
    # Of these, the boxes of sensible sizes, and of those that overlap the first.
    sides_px = all_rows[:, SIDES]
    is_large_enough = sides_px.min(axis=1) >= MIN_FACE_PX
    is_small_enough = sides_px.max(axis=1) <= MAX_FACE * long_side
    candidates = in_order[(is_large_enough & is_small_enough)[in_order]]
    chosen = candidates[choose_distinct(all_rows[candidates], limit, MAX_PROPOSALS)]
    rows, sure = all_rows[chosen], are_sure[chosen]
    # In the place of a row that is not sure comes the finest pass's of the same face: it places
    # landmarks better. At least the pass that proposed the row has one.
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
"""Largest log of a box's side in strides. Larger values are nonsense, and the limit prevents
overflow."""


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
    levels = [_decode_level(outputs, width_px, stride, score) for stride in strides]
    pictures, rows = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    picture_count = len(outputs[f"cls_{strides[0]}"])
    return [rows[pictures == picture] for picture in range(picture_count)]


def _decode_level(
    outputs: Mapping[str, NDArray[np.float32]], width_px: int, stride: int, score: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the rows (possible faces) of a grid that reach `score`, and before, their pictures.

    The network gives numbers for each cell of a grid over each picture, with sides of `stride`
    pixels. Its outputs are (pictures, cells, numbers), with the cells row by row.
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
    return pictures, np.concatenate([centre - size / 2, size, landmarks, scores[:, None]], axis=1)


def measure_overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much boxes overlap, 0..1: what two share, over what they cover together.

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
    """A square of the picture that is shown to the detector once more, turned clockwise about its
    centre by `turn` radians."""

    square: Square
    turn: float

    def cut_planes(self, image: NDArray[np.uint8], size: int) -> Planes:
        """Return what the square shows as float planes, `size` pixels a side; black outside the
        picture."""
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


def frame_box(row: NDArray[np.float32], turn: float | None, size: int) -> Frame:
    """Return the square about a row's box, turned by `turn` radians.

    With None, it is turned so that the eyes are level. It begins at a whole pixel if showing it in
    `size` pixels needs that (`is_plain`).
    """
    x, y, width, height = (float(value) for value in row[: HEIGHT + 1])
    side = LOOK_FACTOR * max(width, height)
    left, top = x + (width - side) / 2, y + (height - side) / 2
    if turn is None:
        slope = math.atan2(row[RIGHT_EYE_Y] - row[LEFT_EYE_Y], row[RIGHT_EYE_X] - row[LEFT_EYE_X])
        turn = slope if abs(slope) > LEVEL_RADIANS else 0.0
    if not turn and is_plain(side, size):
        left, top = round(left), round(top)
    return Frame(Square(left, top, side), turn)
