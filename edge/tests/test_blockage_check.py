import copy
import io
import itertools
from collections.abc import Callable, Iterable

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont
from regulars_edge.clock import Moment
from regulars_edge.frames import EncodedFrame
from regulars_edge.sources.blockage_check import FROZEN_S, LOOK_S, MOST_UNOPENED, BlockageCheck
from regulars_edge.spool.model import Stamp
from rig import covers, street

from tests.support.examples import drawn


def framed(picture: Image.Image, form: str = "JPEG", **how: object) -> EncodedFrame:
    out = io.BytesIO()
    picture.save(out, form, **how)
    return EncodedFrame(out.getvalue(), Stamp(Moment("boot", 0, 0)))


def seen(frame: EncodedFrame, times: int) -> BlockageCheck:
    now = [0.0]
    check = BlockageCheck(lambda: now[0])
    for _ in range(times):
        check.look(frame)
        now[0] += LOOK_S
    return check


ROOM = framed(Image.effect_noise((320, 240), 60))


def test_a_camera_whose_pictures_cannot_be_opened_is_blind_and_says_why() -> None:
    bomb = framed(Image.new("L", (8000, 6000)), "PNG")
    assert not seen(bomb, MOST_UNOPENED - 1).is_blind, "one may be broken"
    check = seen(bomb, MOST_UNOPENED)
    assert check.is_blind
    assert check.trouble == "its pictures cannot be opened: 8000 x 6000 pixels are too many"
    check.look(ROOM)
    assert (check.is_blind, check.trouble) == (False, None)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (ROOM, None),
        (framed(Image.new("L", (320, 240), 4)), "is black"),
        (framed(Image.new("L", (320, 240), 120)), "is the lens covered"),
    ],
)
def test_a_black_or_covered_camera_is_told(frame: EncodedFrame, said: str | None) -> None:
    check = seen(frame, 1)
    assert not check.is_blind
    assert (said or "") in (check.trouble or "")
    assert (said is None) == (check.trouble is None)


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


SIZE = (1280, 720)


def watched(pictures: Iterable[Image.Image]) -> list[str | None]:
    """Show a camera's pictures to a Sight, one a minute; return what it said."""
    now, said = [0.0], []
    check = BlockageCheck(lambda: now[0])
    for picture in pictures:
        check.look(framed(picture, quality=90))
        said.append(check.trouble)
        now[0] += 60.0
    return said


def with_clock(picture: Image.Image, second: int) -> Image.Image:
    """Write a time and a name into the picture as cameras do."""
    stamped = picture.copy()
    draw = ImageDraw.Draw(stamped)
    font = ImageFont.load_default(28)
    draw.text(
        (16, 12),
        f"2026-11-25 09:{second % 60:02d}:{second * 7 % 60:02d}",
        "white",
        font,
        stroke_width=2,
    )
    draw.text((1060, 676), "CAMERA 01", "white", font, stroke_width=2)
    return stamped


def noisy(scene: Image.Image, sigma: float) -> Image.Image:
    return ImageChops.add(scene, Image.effect_noise(scene.size, sigma), offset=-128)


SCENE = Image.linear_gradient("L").resize(SIZE)
LOOKS = round(FROZEN_S / 60.0) + 3


@pytest.mark.parametrize(
    ("seen_by_it", "said"),
    [
        (lambda n: with_clock(Image.new("L", SIZE, 40), n), "is the lens covered"),
        (lambda n: with_clock(noisy(Image.new("L", SIZE, 36), 2.0), n), "is the lens covered"),
        (lambda n: with_clock(Image.new("L", SIZE, 4), n), "is black"),
        (lambda n: with_clock(SCENE, n), "has stood still"),
    ],
    ids=["covered", "a hand", "black", "frozen"],
)
def test_what_is_wrong_is_told_though_a_clock_runs_in_the_picture(
    seen_by_it: Callable[[int], Image.Image], said: str
) -> None:
    assert said in (watched(seen_by_it(second) for second in range(LOOKS))[-1] or "")


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_an_empty_room_is_no_camera_that_stands_still(sigma: float) -> None:
    """Nothing moves for hours; a sensor's noise alone changes more than a clock does."""
    assert {*watched(with_clock(noisy(SCENE, sigma), second) for second in range(LOOKS))} == {None}


DAY_S, NOON_S = 86_400, 7 * 86_400 + 12 * 3_600
FAULTS = {
    "covered": (
        lambda _street, _at_s: noisy(Image.new("L", street.SIZE, 40), 2.0),
        "is the lens covered",
    ),
    "black": (lambda _street, _at_s: Image.new("L", street.SIZE, 3), "is black"),
    "frozen": (lambda one, _at_s: one.picture(NOON_S), "has stood still"),
    "turned": (lambda one, at_s: one.picture(at_s, street.scene(99)), "was the camera turned"),
    "out of focus": (lambda one, at_s: one.picture(at_s, blur_px=2.5), "is blurred"),
}


@pytest.mark.slow
@pytest.mark.parametrize("infrared", drawn([False, True], 1))
def test_a_week_alarms_nobody_and_each_fault_after_it_is_told_within_half_an_hour(
    infrared: bool,
) -> None:
    """Day, night, lamps, a crowd, rain and a parked van, with a clock in the picture."""
    seen, now = street.Street(7, infrared=infrared), [0.0]
    check, said = (
        BlockageCheck(lambda: now[0]),
        list[str | None](),
    )  # a copy of it has the same clock: a function is no copy
    for at_s in range(0, NOON_S, 1_200):
        now[0] = float(at_s)
        check.look(framed(street.stamped(seen.picture(at_s), at_s), quality=80))
        said.append(check.trouble)
    alarms = [told for before, told in itertools.pairwise(said) if told and before is None]
    assert len(alarms) <= 1, alarms
    assert all("is black" in one for one in alarms), "the first night of a shop without light"
    for fault, (shows, words) in FAULTS.items():
        blind = copy.deepcopy(check)
        told = []
        frozen = shows(seen, NOON_S)
        for at_s in range(NOON_S, NOON_S + 1_801, 60):
            now[0] = float(at_s)
            picture = frozen if fault == "frozen" else shows(seen, at_s)
            blind.look(framed(street.stamped(picture, at_s), quality=80))
            told.append(blind.trouble)
        assert any(words in (one or "") for one in told), (fault, {*told})


@pytest.mark.slow
@pytest.mark.parametrize("name", drawn(list(covers.scenes()), 1))
def test_a_camera_that_is_covered_or_turned_is_told_within_an_hour(name: str) -> None:
    """`python edge/tests/rig/covers.py --days 30` has the figures of all scenes, and false alarms
    of a month."""
    alarms, told = covers.measure(3, name)
    missed = [cover for cover, said in told.items() if said is None]
    assert len(missed) <= 2, missed
    assert alarms == [], alarms
