"""Five-point alignment against other people's: scikit-image's Umeyama and OpenCV's warp."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.detect.align import Similarity, align_face, fit_map, warp

POINTS = ((40.4, 59.1), (87.4, 59.1), (64.0, 82.0), (44.7, 105.6), (83.6, 105.6))
coordinates = st.lists(
    st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
    min_size=5,
    max_size=5,
    unique_by=lambda p: round(p[0]),
)


def turned(scale: float, degrees: float, shift: tuple[float, float]) -> Similarity:
    return Similarity(cmath.rect(scale, math.radians(degrees)), complex(*shift))


def matrix_of(found: Similarity) -> NDArray[np.float64]:
    turn, shift = found.turn, found.shift
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def texture(width: int, height: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(3).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


class TestSimilarity:
    @given(coordinates)
    @settings(max_examples=100, deadline=None)
    def test_equals_umeyama(self, source: list[tuple[float, float]]) -> None:
        from skimage.transform import SimilarityTransform

        ours = fit_map(source, POINTS)
        theirs = SimilarityTransform.from_estimate(np.array(source), np.array(POINTS))
        if abs(ours.turn) > 0.011:  # below, ours takes the landmarks for no face's
            assert matrix_of(ours) == pytest.approx(theirs.params[:2], abs=1e-6, rel=1e-6)

    @pytest.mark.parametrize("degrees", [0, 30, -90, 179])
    def test_finds_the_transform_that_opencv_finds(self, degrees: float) -> None:
        import cv2

        matrix = matrix_of(turned(0.4, degrees, (20, -7)))
        target = np.array(POINTS) @ matrix[:, :2].T + matrix[:, 2]
        theirs, _ = cv2.estimateAffinePartial2D(np.array(POINTS), target)
        ours = matrix_of(fit_map(POINTS, [tuple(p) for p in target]))
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert ours == pytest.approx(matrix, abs=1e-9)

    def test_landmarks_on_one_spot_give_something_to_look_at(self) -> None:
        crop = align_face(texture(64, 64), [(10.0, 10.0)] * 5, POINTS, 128)
        assert crop.shape == (128, 128, 3)

    def test_landmarks_that_are_no_face_give_something_to_look_at(self) -> None:
        mirrored = [(-1e5 * x, 1e5 * y) for x, y in POINTS]
        assert align_face(texture(64, 64), mirrored, POINTS, 128).shape == (128, 128, 3)


class TestWarp:
    @pytest.mark.parametrize(
        "to_crop",
        [
            turned(1.0, 0, (0, 0)),
            turned(1.3, 12, (-30, 8)),
            turned(0.7, -40, (50, 40)),
            turned(2, 90, (9, 9)),
        ],
    )
    def test_equals_opencv(self, to_crop: Similarity) -> None:
        import cv2

        image = texture(160, 120)
        theirs = cv2.warpAffine(
            image, matrix_of(to_crop), (128, 128), flags=cv2.INTER_LINEAR, borderValue=0
        )
        difference = np.abs(warp(image, to_crop, 128).astype(int) - theirs)
        assert np.quantile(difference, 0.999) <= 6  # OpenCV samples at 32nds of a pixel
        assert difference.mean() < 0.5

    def test_identity_changes_nothing(self) -> None:
        image = texture(128, 128)
        assert np.array_equal(warp(image, turned(1, 0, (0, 0)), 128), image)

    def test_shrinking_moves_nothing(self) -> None:
        ramp = np.broadcast_to(np.linspace(0, 255, 512)[None, :, None], (512, 512, 3)).astype(
            np.uint8
        )
        quarter = turned(0.25, 0, (0, 0))
        plain = warp(ramp, quarter, 120).astype(int)
        averaged = warp(ramp, quarter, 120, shrink=4).astype(int)
        assert np.abs(plain - averaged)[2:-2, 2:-2].max() <= 1

    def test_a_large_face_is_averaged_not_sampled(self) -> None:
        checkers = (np.indices((1024, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)
        image = np.repeat(checkers[:, :, None], 3, axis=2)
        crop = align_face(image, [(8 * x, 8 * y) for x, y in POINTS], POINTS, 128)
        assert np.abs(crop[8:-8, 8:-8].astype(int) - 128).max() <= 2

    def test_outside_the_picture_is_black(self) -> None:
        white = np.full((50, 50, 3), 255, np.uint8)
        crop = warp(white, turned(1, 0, (30, 30)), 128)
        assert crop[:29].max() == 0
        assert crop[40, 40].min() == 255
