"""Further pictures in a JPEG's file: split off within limits, and never part of the first one."""

import io
import struct
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from regulars_edge.picture import join_pictures

from chalicelib.book.vision.pictures import crop
from chalicelib.book.vision.pictures.containers import split_views
from chalicelib.book.vision.pictures.image import read_picture
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import MAX_VIEWS, VIEW_RULES, BoundingBox
from tests.support.pictures.album import ANY_PICTURE

FIRST = Image.effect_noise((120, 90), 40).convert("RGB")
CROPS = [Image.effect_noise((48, 40 + number), 40).convert("RGB") for number in range(6)]
TURNED = Image.Exif()
TURNED[0x0112] = 6


def jpeg(picture: Image.Image, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", **options)  # type: ignore[arg-type]
    return target.getvalue()


def file_of(first: Image.Image, *others: Image.Image, **options: object) -> bytes:
    """Make a file of several pictures as Pillow writes it."""
    target = io.BytesIO()
    first.save(target, "MPO", save_all=True, append_images=others, **options)  # type: ignore[arg-type]
    return target.getvalue()


def sizes(data: bytes) -> list[tuple[int, int]]:
    views = [read_picture(view, VIEW_RULES) for view in split_views(data) if view]
    return [(view.shape[1], view.shape[0]) for view in views]


@pytest.mark.parametrize("options", [{}, {"exif": TURNED}, {"progressive": True}])
def test_the_pictures_of_an_index_are_split_off(options: dict[str, object]) -> None:
    data = file_of(FIRST, *CROPS[:2], **options)
    assert sizes(data) == [CROPS[0].size, CROPS[1].size]


def test_the_first_one_is_read_as_if_it_were_alone() -> None:
    data = file_of(FIRST, *CROPS, quality=90)
    alone = read_picture(jpeg(FIRST, quality=90), ANY_PICTURE)
    assert np.array_equal(read_picture(data, ANY_PICTURE), alone)


def test_views_take_no_room_of_the_first_one() -> None:
    def promised(data: bytes) -> int:
        asked: list[int] = []
        read_picture(data, ANY_PICTURE, lambda size: asked.append(size) or nullcontext())  # type: ignore[func-returns-value]
        return asked[0]

    assert promised(file_of(FIRST, *CROPS)) == promised(jpeg(FIRST))


def test_four_of_a_box_are_split_off_at_most() -> None:
    data = join_pictures(jpeg(FIRST), [jpeg(crop) for crop in CROPS])
    assert sizes(data) == [crop.size for crop in CROPS[:MAX_VIEWS]]


@pytest.mark.parametrize("options", [{}, {"exif": TURNED, "comment": b"a box"}, {"quality": 1}])
def test_what_a_box_joins_has_the_first_one_whole(options: dict[str, object]) -> None:
    """So a service that knows no views reads it, too."""
    first = jpeg(FIRST, **options)
    data = join_pictures(first, [jpeg(crop) for crop in CROPS[:2]])
    assert data.replace(data[data.index(b"\xff\xe2") :][: 2 + 56 + 3 * 16], b"").startswith(first)
    with Image.open(io.BytesIO(data)) as joined, Image.open(io.BytesIO(first)) as alone:
        assert (joined.format, getattr(joined, "n_frames", 1)) == ("MPO", 3)
        assert joined.getexif() == alone.getexif()
        assert joined.tobytes() == alone.tobytes()
    assert np.array_equal(read_picture(data, ANY_PICTURE), read_picture(first, ANY_PICTURE))


def test_a_file_that_is_made_by_the_table_of_the_documentation_has_its_views() -> None:
    """docs/api.md, Pictures."""
    first, views = jpeg(FIRST), [jpeg(crop) for crop in CROPS[:2]]
    end = 2 + 2 + int.from_bytes(first[4:6], "big")  # of JFIF's segment
    pictures, length = 1 + len(views), 2 + 4 + 50 + 16 * (1 + len(views))
    size = len(first) + 2 + length
    places = [size - end - 8, size + len(views[0]) - end - 8]
    segment = b"".join(
        [
            b"\xff\xe2" + struct.pack(">H", length) + b"MPF\0",
            b"II\x2a\x00" + struct.pack("<IH", 8, 3),
            struct.pack("<HHI4s", 0xB000, 7, 4, b"0100"),
            struct.pack("<HHII", 0xB001, 4, 1, pictures),
            struct.pack("<HHIII", 0xB002, 7, 16 * pictures, 50, 0),
            b"\0\0\3\0" + struct.pack("<III", size, 0, 0),
            *(struct.pack("<IIII", 0, len(views[at]), places[at], 0) for at in (0, 1)),
        ]
    )
    made = b"".join([first[:end], segment, first[end:], *views])
    assert made == join_pictures(first, views)
    assert sizes(made) == [crop.size for crop in CROPS[:2]]


def test_one_with_too_many_bytes_is_left_out() -> None:
    large = jpeg(Image.effect_noise((400, 400), 90).convert("RGB"), quality=100)
    assert len(large) > VIEW_RULES.max_bytes
    data = join_pictures(jpeg(FIRST), [large, jpeg(CROPS[0])])
    assert sizes(data) == [CROPS[0].size]
    assert split_views(data)[0] == b"", "but who asks whether there are views is told"


def test_one_that_is_listed_several_times_is_split_off_once() -> None:
    """So it weighs no more than another one."""
    data = join_pictures(jpeg(FIRST), [jpeg(crop) for crop in CROPS[:3]])
    table = data.index(b"MPF\0") + 4 + 50
    entries = [data[table + 16 * number :][:16] for number in range(4)]
    listed = data.replace(entries[2], entries[1])
    assert listed != data
    assert sizes(listed) == [CROPS[0].size, CROPS[2].size]


def test_one_with_too_many_pixels_is_refused_before_a_byte_of_it_is_decoded() -> None:
    data = bytearray(file_of(FIRST, CROPS[0]))
    frame = data.rindex(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    (view,) = split_views(bytes(data))
    with pytest.raises(Unusable, match="60000x60000 pixels"):
        read_picture(view, VIEW_RULES)


def test_no_exif_data_of_a_view_is_looked_into() -> None:
    """It is not turned either."""
    data = file_of(FIRST, CROPS[0])
    begin = data.rindex(b"\xff\xd8\xff")
    exif = b"Exif\0\0" + TURNED.tobytes()
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    turned = data[: begin + 2] + segment + data[begin + 2 :]
    at = turned.index(b"MPF\0")
    longer = turned.replace(
        struct.pack("<I", len(data) - begin), struct.pack("<I", len(turned) - begin)
    )
    assert longer != turned
    assert at < begin
    (view,) = split_views(longer)
    assert b"Exif" not in view
    assert sizes(longer) == [CROPS[0].size]


BOX = BoundingBox(30.0, 20.0, 40.0, 40.0)
DRAWN: list[Callable[[NDArray[np.uint8]], bytes]] = [
    lambda image: crop.hide_faces(image, [BOX]),
    lambda image: crop.show_face(image, BOX, []),
    lambda image: crop.encode_face(image, BOX, []).data,
    lambda image: crop.make_thumbnail(Image.fromarray(image), 80),
]


@pytest.mark.parametrize("draw", DRAWN, ids=["hidden", "shown", "kept", "small"])
def test_nothing_that_is_drawn_of_a_picture_has_its_views(
    draw: Callable[[NDArray[np.uint8]], bytes],
) -> None:
    drawn = draw(read_picture(file_of(FIRST, *CROPS[:2]), ANY_PICTURE))
    assert split_views(drawn) == []
    assert b"MPF" not in drawn


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff", jpeg(FIRST), jpeg(FIRST) + jpeg(CROPS[0])],
    ids=["nothing", "a begin", "one picture", "no index"],
)
def test_a_file_without_an_index_has_none(data: bytes) -> None:
    assert split_views(data) == []


@given(st.data())
def test_a_damaged_index_does_no_harm_to_the_first_one(data: st.DataObject) -> None:
    """Nor are more, or larger ones, split off."""
    whole = bytearray(file_of(FIRST, *CROPS[:2]))
    at = whole.index(b"MPF\0")
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(at + 4, at + 110))
        whole[place] = data.draw(st.integers(0, 255))
    views = split_views(bytes(whole))
    assert len(views) <= MAX_VIEWS
    assert all(len(view) <= VIEW_RULES.max_bytes for view in views)
    alone = read_picture(jpeg(FIRST), ANY_PICTURE)
    assert np.array_equal(read_picture(bytes(whole), ANY_PICTURE), alone)
