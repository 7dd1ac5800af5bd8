"""What a camera's pictures say of it, and what the largest of them may take."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from regulars_edge.clock import Moment
from regulars_edge.sources.sight import FROZEN_S, LOOK_S, UNOPENED, Sight
from regulars_edge.sources.source import EncodedFrame
from regulars_edge.spool.model import Stamp


def framed(picture: Image.Image, form: str = "JPEG", **how: object) -> EncodedFrame:
    out = io.BytesIO()
    picture.save(out, form, **how)
    return EncodedFrame(out.getvalue(), Stamp(Moment("boot", 0, 0)))


def seen(frame: EncodedFrame, times: int) -> Sight:
    now = [0.0]
    sight = Sight(lambda: now[0])
    for _ in range(times):
        sight.look(frame)
        now[0] += LOOK_S
    return sight


ROOM = framed(Image.effect_noise((320, 240), 60))


def test_a_camera_whose_pictures_cannot_be_opened_is_blind_and_says_why() -> None:
    bomb = framed(Image.new("L", (8000, 6000)), "PNG")
    assert not seen(bomb, UNOPENED - 1).is_blind, "one may be broken"
    sight = seen(bomb, UNOPENED)
    assert sight.is_blind
    assert sight.trouble == "its pictures cannot be opened: 8000 x 6000 pixels are too many"
    sight.look(ROOM)
    assert (sight.is_blind, sight.trouble) == (False, None)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (ROOM, None),
        (framed(Image.new("L", (320, 240), 4)), "is black"),
        (framed(Image.new("L", (320, 240), 120)), "is the lens covered"),
    ],
)
def test_a_black_or_covered_camera_is_told(frame: EncodedFrame, said: str | None) -> None:
    sight = seen(frame, 1)
    assert not sight.is_blind
    assert (said or "") in (sight.trouble or "")
    assert (said is None) == (sight.trouble is None)


def test_a_camera_whose_picture_never_changes_is_told() -> None:
    looks = round(FROZEN_S / LOOK_S)
    assert seen(ROOM, looks).trouble is None
    assert "has stood still for 30 minutes" in (seen(ROOM, looks + 1).trouble or "")


def test_of_a_huge_jpeg_half_the_size_is_looked_at() -> None:
    huge = framed(Image.new("RGB", (6000, 4000)))
    assert huge.image().size == (3000, 2000)
    assert framed(Image.new("RGB", (4000, 3000))).image().size == (4000, 3000)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"form": "PNG"}, "too many for a PNG"),
        ({"progressive": True, "subsampling": 0}, "too many for a progressive JPEG"),
    ],
)
def test_what_takes_its_whole_size_to_decode_is_refused(how: dict[str, object], said: str) -> None:
    huge = framed(Image.new("RGB", (6000, 4000)), **how)  # type: ignore[arg-type]
    for look in (huge.image, lambda: huge.grey((64, 48))):
        with pytest.raises(OSError, match=said):
            look()
