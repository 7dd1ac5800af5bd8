"""Crops as models take them: bright enough, and in the channels that they want."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from chalicelib.core.pictures import Box
from chalicelib.vision.pictures.crop import LARGEST_GAIN, batch, brightened, hidden, jpeg

CROPS = hnp.arrays(np.uint8, (8, 8, 3))


def middle(crop: NDArray[np.uint8]) -> float:
    return float(crop[2:-2, 2:-2].mean())


@given(CROPS, st.floats(1, 200))
def test_a_crop_that_is_bright_enough_stays_as_it_is(crop: NDArray[np.uint8], least: float) -> None:
    if middle(crop) >= least:
        assert brightened(crop, least) is crop


@given(CROPS, st.floats(1, 200))
def test_a_dark_one_is_brightened_all_over_and_by_no_more_than_it_lacks(crop: NDArray[np.uint8], least: float) -> None:
    bright = brightened(crop, least)
    assert (bright >= crop).all()
    assert middle(bright) <= max(least, middle(crop)) + 1


def test_the_middle_counts_and_not_the_black_that_is_outside_the_picture() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[2:-2, 2:-2] = 110
    assert brightened(crop, 100) is crop
    crop[2:-2, 2:-2] = 50
    assert middle(brightened(crop, 100)) == 100


def test_night_is_not_brightened_beyond_what_is_in_it() -> None:
    assert middle(brightened(np.full((8, 8, 3), 2, np.uint8), 100)) == 2 * LARGEST_GAIN


@pytest.mark.parametrize(("channels", "values"), [("RGB", (10, 20, 40)), ("BGR", (40, 20, 10)), ("L", (19,))])
def test_channels_come_in_the_order_that_the_model_wants(channels: str, values: tuple[int, ...]) -> None:
    picture = np.full((4, 4, 3), (10, 20, 40), np.uint8)
    assert batch([picture], channels)[0, :, 0, 0].tolist() == list(values)


@pytest.mark.parametrize("size", [(1280, 960), (700, 300), (90, 200)])
def test_a_kept_face_has_its_sides_and_a_thumbnail_of_the_same(size: tuple[int, int]) -> None:
    shade = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    kept = jpeg(shade, Box(size[0] * 0.4, size[1] * 0.4, size[0] * 0.3, size[1] * 0.3))
    with Image.open(io.BytesIO(kept.data)) as whole, Image.open(io.BytesIO(kept.thumbnail)) as small:
        assert (whole.format, small.format) == ("JPEG", "JPEG")
        assert whole.size == kept.sides
        assert max(whole.size) <= 640
        assert max(small.size) == min(160, max(whole.size))
        same = np.asarray(whole.resize(small.size)).astype(int)
        assert np.abs(same - np.asarray(small)).mean() < 6


@given(st.integers(-90, 90), st.integers(-90, 90), st.integers(1, 200))
def test_a_face_is_hidden_wherever_its_box_is_and_the_picture_keeps_its_sides(x: int, y: int, side: int) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    opened = Image.open(io.BytesIO(hidden(image, [Box(x, y, side, side)])))
    assert opened.size == (60, 40)


def test_what_is_beside_a_hidden_face_stays_and_nothing_of_it_can_be_told() -> None:
    two = [np.full((100, 200, 3), 90, np.uint8) for _ in range(2)]
    noise = np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8)
    for image, face in zip(two, (noise, noise[::-1, ::-1]), strict=True):
        image[30:60, 40:70] = face
        image[20:25, 150:155] = 250
    first, second = (
        np.asarray(Image.open(io.BytesIO(hidden(image, [Box(40, 30, 30, 30)])))).astype(int) for image in two
    )
    assert np.abs(first[:, 100:] - two[0][:, 100:].astype(int)).max() < 12, "JPEG's own changes"
    assert first[30:60, 40:70].std() < 30 < noise.std()
    assert np.abs(first - second).mean() < 5
