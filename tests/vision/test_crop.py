"""Crops as models take them: bright enough, and in the channels that they want."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from chalicelib.vision.pictures.crop import LARGEST_GAIN, batch, brightened

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
