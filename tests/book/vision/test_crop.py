import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.pictures.crop import (
    LARGEST_GAIN,
    Square,
    _load_interpolation,
    brighten_crop,
    cut,
    cut_planes_of_square,
    cut_turned,
    encode_face,
    hide_faces,
    make_planes,
    resize_picture,
    show_face,
    stack_pictures,
    stack_planes,
)
from chalicelib.domain.pictures import BoundingBox
from tests.support.pictures.album import Album
from tests.support.pictures.photos import PORTRAIT

CROPS = hnp.arrays(np.uint8, (8, 8, 3))


def middle(crop: NDArray[np.uint8]) -> float:
    return float(crop[2:-2, 2:-2].mean())


@given(CROPS, st.floats(1, 200))
def test_a_crop_that_is_bright_enough_stays_as_it_is(crop: NDArray[np.uint8], least: float) -> None:
    if middle(crop) >= least:
        assert brighten_crop(crop, least) is crop


@given(CROPS, st.floats(1, 200))
def test_a_dark_one_is_brightened_all_over_and_by_no_more_than_it_lacks(
    crop: NDArray[np.uint8], least: float
) -> None:
    bright = brighten_crop(crop, least)
    assert (bright >= crop).all()
    assert middle(bright) <= max(least, middle(crop)) + 1


def test_the_middle_counts_and_not_the_black_that_is_outside_the_picture() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[2:-2, 2:-2] = 110
    assert brighten_crop(crop, 100) is crop
    crop[2:-2, 2:-2] = 50
    assert middle(brighten_crop(crop, 100)) == 100


def test_night_is_not_brightened_beyond_what_is_in_it() -> None:
    assert middle(brighten_crop(np.full((8, 8, 3), 2, np.uint8), 100)) == 2 * LARGEST_GAIN


@pytest.mark.parametrize(
    ("channels", "values"), [("RGB", (10, 20, 40)), ("BGR", (40, 20, 10)), ("L", (19,))]
)
def test_channels_come_in_the_order_that_the_model_wants(
    channels: str, values: tuple[int, ...]
) -> None:
    picture = np.full((4, 4, 3), (10, 20, 40), np.uint8)
    assert stack_pictures([picture], channels)[0, :, 0, 0].tolist() == list(values)


@pytest.mark.parametrize("size", [(1280, 960), (700, 300), (90, 200)])
def test_a_kept_face_has_its_sides_and_a_thumbnail_of_the_same(size: tuple[int, int]) -> None:
    shade = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    kept = encode_face(
        shade, BoundingBox(size[0] * 0.4, size[1] * 0.4, size[0] * 0.3, size[1] * 0.3)
    )
    with (
        Image.open(io.BytesIO(kept.data)) as whole,
        Image.open(io.BytesIO(kept.thumbnail)) as small,
    ):
        assert (whole.format, small.format) == ("JPEG", "JPEG")
        assert whole.size == kept.sides
        assert max(whole.size) <= 640
        assert max(small.size) == min(160, max(whole.size))
        same = np.asarray(whole.resize(small.size)).astype(int)
        assert np.abs(same - np.asarray(small)).mean() < 6


@given(st.integers(-90, 90), st.integers(-90, 90), st.integers(1, 200))
def test_a_face_is_hidden_wherever_its_box_is_and_the_picture_keeps_its_sides(
    x: int, y: int, side: int
) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    opened = Image.open(io.BytesIO(hide_faces(image, [BoundingBox(x, y, side, side)])))
    assert opened.size == (60, 40)


def test_what_is_beside_a_hidden_face_stays_and_nothing_of_it_can_be_told() -> None:
    two = [np.full((100, 200, 3), 90, np.uint8) for _ in range(2)]
    noise = np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8)
    for image, face in zip(two, (noise, noise[::-1, ::-1]), strict=True):
        image[30:60, 40:70] = face
        image[20:25, 150:155] = 250
    first, second = (
        np.asarray(Image.open(io.BytesIO(hide_faces(image, [BoundingBox(40, 30, 30, 30)])))).astype(
            int
        )
        for image in two
    )
    assert np.abs(first[:, 100:] - two[0][:, 100:].astype(int)).max() < 12, "JPEG's own changes"
    assert first[30:60, 40:70].std() < 30 < noise.std()
    assert np.abs(first - second).mean() < 5


@pytest.fixture(scope="module")
def image(album: Album) -> NDArray[np.uint8]:
    return album.seen(PORTRAIT).image


def picture_of(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(planes).astype(np.uint8).transpose(1, 2, 0)


def far(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean grey levels between two pictures."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def test_planes_are_the_picture(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(picture_of(make_planes(image)), image)


@pytest.mark.parametrize(
    "size", [(640, 640), (500, 300), (360, 360), (300, 310), (160, 160), (1440, 1440)]
)
def test_they_are_resized_as_pillow_does_it(
    size: tuple[int, int], image: NDArray[np.uint8]
) -> None:
    theirs = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    ours = picture_of(resize_picture(image, size))
    assert ours.shape == (size[1], size[0], 3)
    assert far(ours, np.asarray(theirs)) < 2


def test_the_order_of_the_colours_changes_nothing(image: NDArray[np.uint8]) -> None:
    def backwards(work: Callable[[int], None], colours: Sequence[int]) -> None:
        for colour in reversed(colours):
            work(colour)

    assert np.array_equal(
        resize_picture(image, (500, 400), backwards), resize_picture(image, (500, 400))
    )


def test_a_colour_alone_is_resized_as_all_three_at_once(image: NDArray[np.uint8]) -> None:
    """To a thousandth of a grey level: on another processor float32 may be summed in another order.

    To three quarters of the sides: a picture of more than twice the size is reduced by blocks
    first.
    """
    width, height = (3 * side // 4 for side in image.shape[1::-1])
    planes, sides = make_planes(image), (1, 3, height, width)
    inputs = {"planes": planes[None], "sides": np.array(sides, np.int64)}
    (at_once,) = _load_interpolation("sides").run(None, inputs)
    assert np.abs(resize_picture(image, (width, height)) - at_once[0]).max() < 1e-3


def test_at_half_the_size_all_pixels_count_alike(image: NDArray[np.uint8]) -> None:
    planes = make_planes(image)
    height, width = (side // 2 for side in image.shape[:2])
    means = planes[:, : 2 * height, : 2 * width].reshape(3, height, 2, width, 2).mean(axis=(2, 4))
    assert np.abs(resize_picture(image, (width, height)) - means).max() < 0.01


@pytest.mark.parametrize("size", [160, 256])
@pytest.mark.parametrize(
    "square", [(200, 150, 150.3), (210, 140, 170.4), (-50, 600, 300.0), (100.3, 50.7, 600.2)]
)
def test_a_square_is_where_it_is_said_to_be(
    size: int, square: tuple[float, float, float], image: NDArray[np.uint8]
) -> None:
    """And a pixel beside it, it is not."""
    where = Square(*square)
    seen, wanted = picture_of(cut_planes_of_square(image, where, size)), cut(image, where, size)
    assert far(seen, wanted) < 1
    assert far(seen[1:], wanted[:-1]) > 2 * far(seen, wanted)
    assert far(seen[:, :-1], wanted[:, 1:]) > 2 * far(seen, wanted)


@pytest.mark.parametrize("side", [150.3, 220.4, 600.2])
@pytest.mark.parametrize("degrees", [-35, -12, 20])
def test_a_turned_square_is_the_turned_pictures(
    side: float, degrees: float, image: NDArray[np.uint8]
) -> None:
    middle = (360.0, 330.0)
    square = Square(middle[0] - side / 2, middle[1] - side / 2, side)
    whole = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, center=middle)
    wanted = cut(np.asarray(whole), square, 160)
    seen = cut_turned(image, square, math.radians(degrees), 160)
    assert far(seen, wanted) < 3
    assert far(seen[2:], wanted[:-2]) > far(seen, wanted)
    assert far(seen[:, :-2], wanted[:, 2:]) > far(seen, wanted)


def test_a_canvas_has_the_channels_in_order_and_is_filled_up_with_black(
    image: NDArray[np.uint8],
) -> None:
    planes = make_planes(image[:50, :70])
    filled = stack_planes([planes, planes], "BGR", 32)
    assert filled.shape == (2, 3, 64, 96)
    assert np.array_equal(filled[1, 0, :50, :70], planes[2])
    assert filled[:, :, 50:].max() == filled[:, :, :, 70:].max() == 0


def test_a_crop_with_two_faces_shows_who_is_meant_and_the_kept_picture_stays_as_it_is() -> None:
    image, face = np.full((400, 600, 3), 200, np.uint8), BoundingBox(200, 150, 100, 100)
    beside, far = BoundingBox(300, 150, 60, 60), BoundingBox(500, 10, 40, 40)

    def corner_and_middle(data: bytes) -> list[int]:
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"), int)
        return [int(pixels[3, 3]), int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])]

    plain = [pytest.approx(200, abs=2)] * 2
    dimmed = [pytest.approx(70, abs=3), pytest.approx(200, abs=2)]
    assert corner_and_middle(show_face(image, face, [far])) == plain
    assert corner_and_middle(show_face(image, face, [far, beside])) == dimmed
    kept = encode_face(image, face, [beside])
    assert corner_and_middle(kept.data) == plain
    assert corner_and_middle(kept.thumbnail) == dimmed
    assert (kept.meant, encode_face(image, face, [far]).meant) == (
        BoundingBox(70, 70, 100, 100),
        None,
    )
    assert image.min() == 200
