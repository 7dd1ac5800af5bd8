"""Detection: OpenCV's decoding to a fraction of a pixel, and the same faces however the picture was
stored."""

import io
import math
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.detect.detect import (
    FINE_FACE_PX,
    GRID,
    MAX_PROPOSALS,
    DetectionPass,
    Detector,
    _choose_proposals,
    _split_into_tiles,
    choose_surest,
    measure_overlap,
    suppress_overlaps,
)
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures.crop import cut, enclose_box
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import DetectedFace
from tests.support.examples import parametrize
from tests.support.pictures.album import ANY_PICTURE, Album
from tests.support.pictures.crowds import Portrait, Tally, crowd, head_of
from tests.support.pictures.photos import GROUP, GROUP_SIZE, NOBODY, PAIRS, PORTRAIT, PORTRAITS


@pytest.fixture(scope="session")
def detector(pack: Pack) -> Detector:
    return Detector(Sessions(pack), pack.manifest.detector)


@pytest.fixture(scope="module")
def heads(album: Album) -> list[Portrait]:
    """24 heads, of as many people as there are, and where their faces are."""
    people = [album.seen(file) for file, _ in PAIRS]
    return [head_of(Portrait(seen.image, row(seen.faces[0]))) for seen in people] * (
        24 // len(people)
    )


@pytest.fixture(scope="module")
def texture(album: Album) -> NDArray[np.uint8]:
    """A background."""
    return album.seen(NOBODY).image


class Counted(Sessions):
    """Knows how many pictures it was given, by their height."""

    def __init__(self, pack: Pack) -> None:
        super().__init__(pack)
        self.pictures = Counter[int]()

    def run(self, file: str, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        self.pictures[batch.shape[2]] += len(batch)
        return super().run(file, batch)


def row(face: DetectedFace) -> NDArray[np.float32]:
    box = face.box
    return np.array([box.x, box.y, box.width, box.height], np.float32)


def half_as_large(faces: list[DetectedFace]) -> list[DetectedFace]:
    """Those of at least half the largest one's area."""
    return [face for face in faces if 2 * face.box.area >= faces[0].box.area]


def rotated(image: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """The picture turned clockwise about its middle, grey where there was nothing."""
    return np.asarray(
        Image.fromarray(image).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    )


class TestDecoding:
    def test_of_overlapping_faces_the_surest_is_kept(self) -> None:
        faces = np.zeros((3, 15), np.float32)
        faces[:, :4] = [[0, 0, 10, 10], [1, 1, 10, 10], [30, 30, 10, 10]]
        faces[:, 14] = [0.7, 0.9, 0.8]
        assert suppress_overlaps(faces, 0.3)[:, 14].tolist() == pytest.approx([0.9, 0.8])

    def test_no_faces_stay_no_faces(self) -> None:
        assert suppress_overlaps(np.zeros((0, 15), np.float32), 0.3).shape == (0, 15)

    def test_those_kept_are_the_first_of_all_that_would_be(self) -> None:
        rows = many_rows(2000)
        assert np.array_equal(suppress_overlaps(rows, 0.3, 100), suppress_overlaps(rows, 0.3)[:100])

    def test_memory_grows_with_the_rows_and_not_with_their_square(self) -> None:
        # 240 KB; a copy of the rest for each of them would take half a gigabyte
        rows = many_rows(4000)
        assert peak_mb(lambda: suppress_overlaps(rows, 0.3)) < 3

    def test_of_too_many_rows_of_a_look_the_surest_are_kept(self) -> None:
        rows = many_rows(300)
        assert choose_surest(rows, 300) is rows
        assert np.array_equal(choose_surest(rows, 100)[:, 14], np.sort(rows[:, 14])[:-101:-1])


class TestManyFaces:
    """One picture must not take all memory, however many faces it shows."""

    def test_of_too_many_proposals_the_surest_are_looked_at_whatever_look_they_are_of(self) -> None:
        near, far = many_rows(40), many_rows(400)
        near[:, 14], near[:, 1], far[:, 14] = 0.8, 100, 0.2
        empty = np.zeros((0, 15), np.float32)
        passes = [
            DetectionPass(near, 1.0, is_fine=False),
            DetectionPass(empty, 2.0, is_fine=False),
            DetectionPass(far, 4.0, is_fine=True),
        ]
        rows, sure = _choose_proposals(passes, 10_000, 0.3)
        assert (len(rows), (rows[:, 14] > 0.5).sum(), sure.any()) == (MAX_PROPOSALS, 40, False)

    def test_an_unsure_proposal_is_that_of_the_finest_look_at_it(self) -> None:
        coarse, usual = many_rows(3), many_rows(3)
        coarse[:, 14], usual[:, 14], usual[:, 1] = 0.85, 0.5, 1
        rows, _ = _choose_proposals(
            [DetectionPass(coarse, 1.0, is_fine=False), DetectionPass(usual, 2.0, is_fine=False)],
            1_000,
            0.3,
        )
        assert sorted(rows[:, :2].tolist()) == sorted(usual[:, :2].tolist())

    def test_a_picture_of_a_thousand_small_faces_is_read_in_bounded_memory(
        self, album: Album, vision: FacePipeline
    ) -> None:
        seen = album.seen(PORTRAIT)
        face = Image.fromarray(cut(seen.image, enclose_box(seen.faces[0].box, 1.5), 40))
        whole = Image.new("RGB", (1920, 1080))
        for left in range(0, whole.width, face.width):
            for top in range(0, whole.height, face.height):
                whole.paste(face, (left, top))
        picture = np.asarray(whole)
        vision.detect(album.seen(PORTRAIT).image)  # loads the networks
        found = []
        # both looks at once, of which one takes 40
        assert peak_mb(lambda: found.extend(vision.detect(picture))) < 75
        assert 1 <= len(found) <= MAX_PROPOSALS


def many_rows(count: int) -> NDArray[np.float32]:
    """Rows of boxes that do not overlap, in any order of scores."""
    rows = np.zeros((count, 15), np.float32)
    rows[:, 0], rows[:, 2:4] = np.arange(count) * 20, 10
    rows[:, 14] = np.random.default_rng(1).permutation(count) / count
    return rows


def peak_mb(work: Callable[[], object]) -> float:
    """The most memory that the work's arrays take, in megabytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


class TestFaces:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_leaves_the_faces_where_they_are(
        self, orientation: int, album: Album, vision: FacePipeline
    ) -> None:
        seen = album.seen(PORTRAIT)
        # Pillow's transpositions that store it so
        undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
        stored = Image.fromarray(seen.image)
        if orientation > 1:
            stored = stored.transpose(Image.Transpose(undo[orientation]))
        exif = Image.Exif()
        exif[0x0112] = orientation
        target = io.BytesIO()
        stored.save(target, "JPEG", quality=98, subsampling=0, exif=exif)
        (face,) = vision.detect(vision.read_picture(target.getvalue(), ANY_PICTURE))
        assert row(face) == pytest.approx(row(seen.faces[0]), abs=1.5)
        assert np.array(face.landmarks) == pytest.approx(np.array(seen.faces[0].landmarks), abs=1.5)

    @pytest.mark.parametrize("scale", [0.07, 0.25, 0.5, 1.5, 3.0])
    def test_boxes_are_in_the_pictures_pixels_at_every_size(
        self, scale: float, album: Album, vision: FacePipeline
    ) -> None:
        seen = album.seen(PORTRAIT)
        height, width = (round(side * scale) for side in seen.image.shape[:2])
        resized = np.asarray(
            Image.fromarray(seen.image).resize((width, height), Image.Resampling.BICUBIC)
        )
        (face,) = vision.detect(resized)
        assert (
            measure_overlap(row(face), row(seen.faces[0])[None] * height / len(seen.image))[0]
            > 0.85
        )

    @pytest.mark.parametrize("file", PORTRAITS[:2])
    @pytest.mark.parametrize("degrees", [25, 30])
    def test_eyes_are_levelled_until_another_look_turns_them_no_further(
        self, file: str, degrees: float, album: Album, vision: FacePipeline
    ) -> None:
        """A look finds a tilted head half as tilted as it is, or less."""
        seen = album.seen(file)
        tilted = rotated(seen.image, degrees)
        face = vision.detect(tilted)[0]
        before, after = (
            math.atan2(one[1][1] - one[0][1], one[1][0] - one[0][0])
            for one in (seen.faces[0].landmarks, face.landmarks)
        )
        assert math.degrees(after - before) == pytest.approx(degrees, abs=6)
        assert vision.embed(tilted, [face])[0] @ seen.embeddings[0] > 0.95

    @pytest.mark.parametrize("degrees", [-45, -30, -15, 15, 30, 45])
    def test_a_tilted_head_is_the_same_person(
        self, degrees: int, album: Album, vision: FacePipeline
    ) -> None:
        seen = album.seen(PORTRAIT)
        faces = vision.detect(tilted := rotated(seen.image, degrees))
        assert len(faces) == 1
        assert float(
            vision.embed(tilted, faces)[0] @ seen.embeddings[0]
        ) > vision.impostor_curve.operating_threshold(0)

    @pytest.mark.parametrize("degrees", [-60, 60])
    def test_a_head_on_its_shoulder_is_found(
        self, degrees: int, album: Album, vision: FacePipeline
    ) -> None:
        assert len(vision.detect(rotated(album.seen(PORTRAIT).image, degrees))) == 1

    def test_a_face_that_fills_the_picture_is_found(
        self, album: Album, vision: FacePipeline
    ) -> None:
        seen = album.seen(PORTRAIT)
        x, y, width, height = (round(float(value)) for value in row(seen.faces[0]))
        (face,) = vision.detect(np.ascontiguousarray(seen.image[y : y + height, x : x + width]))
        assert face.box.width == pytest.approx(width, rel=0.15)

    def test_small_faces_of_a_large_picture_are_found(
        self, album: Album, vision: FacePipeline
    ) -> None:
        crowd = np.full((1080, 1920, 3), 128, np.uint8)
        montage = Image.fromarray(album.seen(GROUP).image)
        width, height = 260, round(montage.height * 260 / montage.width)
        crowd[300 : 300 + height, 400 : 400 + width] = np.asarray(
            montage.resize((width, height), Image.Resampling.BOX)
        )
        assert len(vision.detect(crowd)) == GROUP_SIZE

    @parametrize(
        ("size_px", "least"), [(15, 0.8), (20, 1.0), (50, 1.0), (64, 1.0), (200, 1.0)], gate=2
    )
    def test_faces_of_every_size_are_found_in_a_picture_of_4096_pixels(
        self,
        size_px: int,
        least: float,
        vision: FacePipeline,
        heads: list[Portrait],
        texture: NDArray[np.uint8],
    ) -> None:
        """On a background with texture, of which one corner at most (of a pasted shoulder)
        passes."""
        picture, truth = crowd(heads, texture, (4096, 4096), size_px)
        tally = Tally()
        tally.add(truth, vision.detect(picture))
        assert tally.recall >= least
        assert tally.false <= 1

    def test_the_largest_face_of_a_portrait_takes_one_coarse_look_and_two_at_the_face(
        self, album: Album, pack: Pack
    ) -> None:
        image, role, sessions = album.seen(PORTRAIT).image, pack.manifest.detector, Counted(pack)
        detector = Detector(sessions, role)
        alone = detector.find_largest(image)
        small, large = role.looks_px
        coarse = math.ceil(image.shape[0] / max(image.shape) * role.canvas_px / 2 / GRID) * GRID
        assert sessions.pictures == {small: 1, large: 1, coarse: 1}
        assert alone == detector.find_faces(image)

    def test_of_every_picture_the_largest_face_is_the_same_alone(
        self, album: Album, vision: FacePipeline
    ) -> None:
        for label in album.labels:
            image = album.seen(label.file).image
            every, alone = vision.detect(image), vision.detect_largest(image)
            assert half_as_large(alone) == half_as_large(every)

    def test_a_face_beside_the_largest_is_found_with_it(
        self, vision: FacePipeline, heads: list[Portrait], texture: NDArray[np.uint8]
    ) -> None:
        for first in range(0, 24, 2):
            picture, truth = crowd(heads[first : first + 2], texture, (800, 480), 150, (2, 1))
            assert len(half_as_large(vision.detect_largest(picture))) == len(truth)

    @pytest.mark.parametrize("zoom", [0.25, 1.0, 1.25])
    @pytest.mark.parametrize("side", [1, 33, 1280, 1281, 4096, 8192])
    def test_tiles_cover_a_side_and_share_a_face(self, side: int, zoom: float) -> None:
        for longest_px in (1280, 640):
            tiles = _split_into_tiles((side, side), zoom, longest_px)
            rows = sorted({(down.start, down.stop) for down, _ in tiles})
            assert tiles == [(slice(*down), slice(*across)) for down in rows for across in rows]
            assert (rows[0][0], rows[-1][1]) == (0, side)
            assert {end - start for start, end in rows} == {rows[0][1] - rows[0][0]}
            assert all((end - start) * zoom <= longest_px + 2 for start, end in rows)
            assert all((one[1] - other[0]) * zoom >= FINE_FACE_PX for one, other in pairwise(rows))

    def test_the_largest_face_comes_first(self, album: Album) -> None:
        for label in album.of("multi"):
            areas = [face.box.area for face in album.seen(label.file).faces]
            assert areas == sorted(areas, reverse=True)

    @pytest.mark.parametrize(("side_px", "looks_for_tiny"), [(200, False), (60, True)])
    def test_for_the_largest_face_of_a_huge_picture_tiny_ones_are_looked_for_if_it_may_be_tiny(
        self,
        side_px: int,
        pack: Pack,
        heads: list[Portrait],
        texture: NDArray[np.uint8],
        *,
        looks_for_tiny: bool,
    ) -> None:
        picture, _ = crowd(heads, texture, (4096, 2304), side_px)
        sessions = Counted(pack)
        detector = Detector(sessions, pack.manifest.detector)
        alone = detector.find_largest(picture)
        _, large = pack.manifest.detector.looks_px
        whole_looks = sum(count for height, count in sessions.pictures.items() if height > large)
        assert (whole_looks > 2) is looks_for_tiny
        assert alone[0] == detector.find_faces(picture)[0]

    def test_a_picture_of_67_million_pixels_takes_no_more_looks_than_one_of_17_million(
        self, pack: Pack
    ) -> None:
        looks = []
        for side in (4096, 8192):
            sessions = Counted(pack)
            assert (
                Detector(sessions, pack.manifest.detector).find_faces(
                    np.zeros((side, side, 3), np.uint8)
                )
                == []
            )
            looks.append(sum(sessions.pictures.values()))
        assert looks[1] <= looks[0]

    def test_in_a_picture_of_67_million_pixels_faces_of_60_are_found_where_they_are(
        self, heads: list[Portrait], texture: NDArray[np.uint8], vision: FacePipeline
    ) -> None:
        picture, truth = crowd(heads[:6], texture, (8192, 8192), 60, (3, 2))
        found = np.array([row(face)[:4] for face in vision.detect(picture)])
        assert [
            float(measure_overlap(np.asarray(one[:4]), found).max()) > 0.5 for one in truth
        ] == [True] * 6

    def test_of_every_picture_enlarged_the_largest_face_is_that_of_all(
        self, album: Album, vision: FacePipeline
    ) -> None:
        for label in album.labels[::8]:
            picture = Image.fromarray(album.seen(label.file).image)
            scale = 2560 / max(picture.size)
            huge = np.asarray(
                picture.resize((round(picture.width * scale), round(picture.height * scale)))
            )
            assert half_as_large(vision.detect_largest(huge)) == half_as_large(vision.detect(huge))

    def test_landmarks_lie_where_their_names_say(self, album: Album) -> None:
        for file in PORTRAITS:
            left_eye, right_eye, nose, left_mouth, right_mouth = album.seen(file).faces[0].landmarks
            assert left_eye[0] < nose[0] < right_eye[0]
            assert left_mouth[0] < right_mouth[0]
            assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])

    @pytest.mark.parametrize(
        "size", [(1, 1), (1, 4096), (4096, 1), (31, 33), (640, 640), (1920, 1080)]
    )
    def test_an_empty_picture_has_no_face(
        self, size: tuple[int, int], vision: FacePipeline
    ) -> None:
        assert vision.detect(np.zeros((size[1], size[0], 3), np.uint8)) == []

    @pytest.mark.parametrize("seed", range(3))
    def test_noise_has_no_face(self, seed: int, vision: FacePipeline) -> None:
        noise = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), np.uint8)
        assert vision.detect(noise) == []
