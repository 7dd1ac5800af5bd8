"""Planes: what a network sees is the picture, resized as Pillow would, in the order that it wants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.vision.pictures.crop import (
    Square,
    _interpolation,
    canvas,
    cut,
    cut_turned,
    interpolated,
    picture_of,
    planes_of,
    resized,
    square_of,
)
from tests.photos import PORTRAIT, STUDIO
from tests.vision.album import Album


@pytest.fixture(scope="module")
def image(album: Album) -> NDArray[np.uint8]:
    return album.seen(PORTRAIT).image


def far(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean grey levels between two pictures."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def test_planes_are_the_picture(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(picture_of(planes_of(image)), image)


@pytest.mark.parametrize("size", [(640, 640), (500, 300), (360, 360), (300, 310), (160, 160), (1440, 1440)])
def test_they_are_resized_as_pillow_does_it(size: tuple[int, int], image: NDArray[np.uint8]) -> None:
    theirs = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    ours = picture_of(resized(image, size))
    assert ours.shape == (size[1], size[0], 3)
    assert far(ours, np.asarray(theirs)) < (1.5 if STUDIO else 2)  # finer detail than in a studio


def test_the_order_of_the_colours_changes_nothing(image: NDArray[np.uint8]) -> None:
    def backwards(work: Callable[[int], None], colours: Sequence[int]) -> None:
        for colour in reversed(colours):
            work(colour)

    assert np.array_equal(resized(image, (500, 400), backwards), resized(image, (500, 400)))


def test_a_colour_alone_is_resized_as_all_three_at_once(image: NDArray[np.uint8]) -> None:
    planes, sides = planes_of(image), (1, 3, 400, 500)
    inputs = {"planes": planes[None], "sides": np.array(sides, np.int64)}
    (at_once,) = _interpolation("sides").run(None, inputs)
    assert np.array_equal(interpolated(planes, (500, 400)), at_once[0])


def test_at_half_the_size_all_pixels_count_alike(image: NDArray[np.uint8]) -> None:
    planes = planes_of(image)
    height, width = (side // 2 for side in image.shape[:2])
    means = planes[:, : 2 * height, : 2 * width].reshape(3, height, 2, width, 2).mean(axis=(2, 4))
    assert interpolated(planes, (width, height)) == pytest.approx(means, abs=0.01)


@pytest.mark.parametrize("size", [160, 256])
@pytest.mark.parametrize("square", [(200, 150, 150.3), (210, 140, 170.4), (-50, 600, 300.0), (100.3, 50.7, 600.2)])
def test_a_square_is_where_it_is_said_to_be(
    size: int, square: tuple[float, float, float], image: NDArray[np.uint8]
) -> None:
    """And a pixel beside it, it is not."""
    where = Square(*square)
    seen, wanted = picture_of(square_of(image, where, size)), cut(image, where, size)
    assert far(seen, wanted) < 1
    assert far(seen[1:], wanted[:-1]) > 2 * far(seen, wanted)
    assert far(seen[:, :-1], wanted[:, 1:]) > 2 * far(seen, wanted)


@pytest.mark.parametrize("side", [150.3, 220.4, 600.2])
@pytest.mark.parametrize("degrees", [-35, -12, 20])
def test_a_turned_square_is_the_turned_pictures(side: float, degrees: float, image: NDArray[np.uint8]) -> None:
    middle = (360.0, 330.0)
    square = Square(middle[0] - side / 2, middle[1] - side / 2, side)
    whole = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, center=middle)
    wanted = cut(np.asarray(whole), square, 160)
    seen = cut_turned(image, square, math.radians(degrees), 160)
    assert far(seen, wanted) < 3
    assert far(seen[2:], wanted[:-2]) > far(seen, wanted)
    assert far(seen[:, :-2], wanted[:, 2:]) > far(seen, wanted)


def test_a_canvas_has_the_channels_in_order_and_is_filled_up_with_black(image: NDArray[np.uint8]) -> None:
    planes = planes_of(image[:50, :70])
    filled = canvas([planes, planes], "BGR", 32)
    assert filled.shape == (2, 3, 64, 96)
    assert np.array_equal(filled[1, 0, :50, :70], planes[2])
    assert filled[:, :, 50:].max() == filled[:, :, :, 70:].max() == 0
