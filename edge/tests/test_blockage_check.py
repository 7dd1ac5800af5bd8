import copy
import io
import itertools
from collections.abc import Callable, Iterable

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont
from regulars_edge.clock import Moment
from regulars_edge.frames import EncodedFrame
from regulars_edge.sources.blockage_check import (
    FROZEN_S,
    IS_BLACK,
    IS_BLANK,
    IS_OTHER,
    IS_WELL_AGAIN,
    LOOK_S,
    MOST_UNOPENED,
    SHOWS_LESS,
    SIZE_PX,
    BlockageCheck,
)
from regulars_edge.spool.model import Stamp
from regulars_edge.troubles import Trouble
from rig import covers, street

from tests.support.examples import parametrize, sample


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
    assert check.name == (Trouble.COVERED if said else None)


def test_a_camera_whose_picture_never_changes_is_told() -> None:
    looks = round(FROZEN_S / LOOK_S)
    assert seen(ROOM, looks).trouble is None
    check = seen(ROOM, looks + 1)
    assert "has stood still for 30 minutes" in (check.trouble or "")
    assert check.name is Trouble.FROZEN


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


@parametrize("infrared", [False, True], gate=1)
def test_a_week_alarms_nobody_and_each_fault_after_it_is_told_within_an_hour(
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
    assert alarms == []
    for fault, (shows, words) in FAULTS.items():
        blind = copy.deepcopy(check)
        told = []
        frozen = shows(seen, NOON_S)
        for at_s in range(NOON_S, NOON_S + 2_881, 120):
            now[0] = float(at_s)
            picture = frozen if fault == "frozen" else shows(seen, at_s)
            blind.look(framed(street.stamped(picture, at_s), quality=80))
            told.append(blind.trouble)
        assert any(words in (one or "") for one in told), (fault, {*told})


@parametrize("name", covers.scenes(), gate=1)
def test_a_box_that_is_on_by_day_alone_tells_a_cover_and_goes_on_telling_it(name: str) -> None:
    found = covers.told_by_day_alone(name, sample(list(covers.COVERS), 6))
    told = {cover: still for cover, (soon, still) in found.items() if soon is not None}
    assert len(told) >= len(found) - 2, found
    assert None not in told.values(), "what is told on Friday is green on Monday"


def list_seen(picture: Image.Image, grain: float = 3.0) -> list[covers.Seen]:
    """Return what a camera gives that sees this: its noise, of so many grey levels, is another each
    time."""
    return [covers.Seen(noisy(picture.resize(SIZE_PX), grain)) for _ in range(4)]


PLACE = street.scene(7)
LIT, ELSEWHERE, NIGHT, WALL = map(
    list_seen, (PLACE, street.scene(99), *(Image.new("L", SIZE_PX, grey) for grey in (4, 90)))
)


STEP_S = 1_800.0


class Shop:
    """A camera in a shop, from day to day: `sees` says what it shows at an hour of a day."""

    def __init__(self) -> None:
        self.now = 0.0
        self.check = BlockageCheck(lambda: self.now)
        self.told: list[tuple[float, str]] = []

    def run(self, until_h: float, sees: Callable[[int, float], list[covers.Seen]]) -> None:
        while self.now < until_h * 3_600:
            before = self.check.trouble
            day, at_s = divmod(self.now, DAY_S)
            self.check.look(sees(int(day), at_s / 3_600)[round(self.now / STEP_S) % 4])
            if self.check.trouble and before is None:
                self.told.append((self.now / 3_600, self.check.trouble))
            self.now += STEP_S

    def restart(self, at_h: float | None = None) -> None:
        self.now = self.now if at_h is None else at_h * 3_600
        self.check = BlockageCheck(lambda: self.now, self.check.memory)


def opened(_day: int, hour: float) -> list[covers.Seen]:
    return LIT if 8 <= hour < 20 else NIGHT


def always(_day: int, _hour: float) -> list[covers.Seen]:
    return LIT


def elsewhere(_day: int, _hour: float) -> list[covers.Seen]:
    return ELSEWHERE


HOLIDAYS = {
    "four closed days": lambda day, hour: opened(day, hour) if day not in range(8, 12) else NIGHT,
    "the first Saturday ends early": lambda day, hour: (
        NIGHT if (day == 3 and hour >= 14) or day == 4 else opened(day, hour)
    ),
    "each Saturday ends early": lambda day, hour: (
        NIGHT if (day % 7 == 3 and hour >= 14) or day % 7 == 4 else opened(day, hour)
    ),
    "stocktaking": lambda day, hour: (
        LIT if day == 9 or (day == 10 and hour < 2) else opened(0, hour)
    ),
}


@pytest.mark.parametrize("weeks", HOLIDAYS)
def test_a_shop_that_is_closed_alarms_nobody(weeks: str) -> None:
    shop = Shop()
    shop.now = 8 * 3_600.0
    shop.run(13 * 24, HOLIDAYS[weeks])
    assert shop.told == []


def test_a_lens_that_is_sprayed_black_is_told_after_the_longest_holiday_at_the_latest() -> None:
    shop = Shop()
    shop.now = 8 * 3_600.0
    shop.run(8 * 24 + 20, opened)
    shop.run(15 * 24, lambda _day, _hour: NIGHT)
    assert [(hour, "is black" in said) for hour, said in shop.told] == [(8 * 24 + 20 + 120, True)]


def test_a_box_that_is_on_and_sees_nothing_when_the_shop_opens_says_so_each_day() -> None:
    """It is off at night, and dark for half an hour each morning, before somebody is there."""
    shop = Shop()
    shop.now = 12 * 3_600.0
    for day in range(12):
        shop.run(day * 24 + 20, lambda day, hour: NIGHT if day >= 9 or hour < 8 else LIT)
        shop.restart(day * 24 + 24 + 7.5)
    assert [(round(hour / 24, 2), said) for hour, said in shop.told] == [
        (day + 0.4, IS_BLACK) for day in (9, 10, 11)
    ]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_alarm_is_one_until_it_was_well_for_a_day_of_use(is_restarted: bool) -> None:
    shop = Shop()
    shop.run(60, always)
    for until_h, sees in ((64, elsewhere), (70, always), (72, elsewhere), (95, always)):
        shop.run(until_h, sees)
        if is_restarted:
            shop.restart()
    assert [said for _, said in shop.told] == [IS_OTHER]
    assert shop.check.trouble == IS_OTHER + IS_WELL_AGAIN
    assert shop.check.name is Trouble.WELL_AGAIN
    assert shop.check.fault is None, "people are counted again"
    for sees in ([framed(Image.new("L", (8000, 6000)), "PNG")], LIT):
        shop.check.look(sees[0])
        assert shop.check.trouble == IS_OTHER + IS_WELL_AGAIN, "one broken picture ends nothing"
        shop.now += LOOK_S
    shop.run(97, always)
    assert (shop.check.trouble, shop.check.is_changed) == (None, False)


@pytest.mark.parametrize(("thickness", "grain"), [(8, 3.0), (25, 1.0)], ids=["fog", "thick fog"])
def test_fog_alarms_nobody_and_makes_no_cover_usual(thickness: int, grain: float) -> None:
    foggy = list_seen(PLACE.point(lambda grey: 150 + grey // thickness), grain)
    shop = Shop()
    shop.run(32, always)
    shop.run(44, lambda _day, _hour: foggy)
    assert shop.told == []
    assert (shop.check.fault is None) == (thickness == 8), (
        "a blank picture is not counted as 0 people"
    )
    paper = list_seen(Image.radial_gradient("L").point(lambda grey: 160 + grey // 16))
    shop.run(46, lambda _day, _hour: paper)
    assert [said for _, said in shop.told] == [SHOWS_LESS]


def test_a_blank_cover_is_told_after_twenty_minutes() -> None:
    shop = Shop()
    shop.run(32, always)
    shop.run(34, lambda _day, _hour: list_seen(Image.new("L", street.SIZE, 200)))
    ((hour, said),) = shop.told
    assert said == IS_BLANK
    assert 1_200 <= (hour - 32) * 3_600 <= 1_200 + STEP_S


def test_the_word_that_a_lens_is_clean_again_makes_nothing_usual() -> None:
    shop = Shop()
    shop.run(60, always)
    shop.run(62, elsewhere)
    shop.run(63, always)
    shop.check.right_at = "2026-03-01T12:00:00.000Z"
    shop.run(64, always)
    assert shop.check.trouble is None
    shop.run(66, elsewhere)
    assert [said for _, said in shop.told] == [IS_OTHER] * 2


def test_darkness_is_no_evidence_that_a_covered_lens_is_well() -> None:
    shop = Shop()
    shop.now = 8 * 3_600.0
    shop.run(8 * 24 + 12, opened)
    shop.run(11 * 24 + 12, lambda day, hour: ELSEWHERE if opened(day, hour) is LIT else NIGHT)
    assert [said for _, said in shop.told] == [IS_OTHER]
    assert shop.check.trouble == IS_OTHER


def test_what_a_person_says_is_right_is_usual_from_then_on_and_nothing_else() -> None:
    shop = Shop()
    shop.run(60, always)
    shop.run(64, elsewhere)
    assert shop.check.is_changed
    shop.check.right_at = "2026-03-01T12:00:00.000Z"
    shop.run(100, elsewhere)
    assert (len(shop.told), shop.check.trouble, shop.check.is_changed) == (1, None, False)
    shop.restart()
    assert shop.check.heard_right_at == "2026-03-01T12:00:00.000Z"
    shop.run(102, lambda _day, _hour: WALL)
    assert shop.told[-1][1] == IS_BLANK
    assert shop.check.is_changed, "it was said of another picture"


def test_a_wall_and_an_hour_of_darkness_may_be_right() -> None:
    shop = Shop()
    shop.now = 8 * 3_600.0
    shop.run(10 * 24 + 12, opened)
    shop.run(10 * 24 + 12.5, lambda _day, _hour: NIGHT)
    assert shop.check.trouble == IS_BLACK
    shop.check.right_at = "first"
    for day in (11, 12):
        shop.run(day * 24 + 12, opened)
        shop.run(day * 24 + 14, lambda _day, _hour: NIGHT)
    assert [said for _, said in shop.told] == [IS_BLACK]
    shop.run(13 * 24 + 9, opened)
    shop.run(13 * 24 + 10, lambda _day, _hour: WALL)
    assert shop.check.trouble == IS_BLANK
    shop.check.right_at = "second"
    shop.run(16 * 24, lambda day, hour: WALL if opened(day, hour) is LIT else NIGHT)
    assert [said for _, said in shop.told] == [IS_BLACK, IS_BLANK]


def test_a_sticker_that_grows_from_day_to_day_is_told() -> None:
    """A quarter that shows less alarms nobody, and is not learnt: the next one is the second."""
    picture = PLACE.copy()
    ImageDraw.Draw(picture).rectangle((0, 0, 330, 190), 190)
    one_quarter = list_seen(picture)
    ImageDraw.Draw(picture).rectangle((0, 0, 640, 190), 190)
    two_quarters = list_seen(picture)
    shop = Shop()
    shop.run(30, always)
    shop.run(90, lambda _day, _hour: one_quarter)
    assert shop.told == []
    shop.run(91, lambda _day, _hour: two_quarters)
    assert [said for _, said in shop.told] == [SHOWS_LESS]


@pytest.mark.parametrize(
    "memory", ["", "{", "[]", "7", '{"used_s": 1}', '{"used_s": 9, "usual": 1}']
)
def test_a_memory_that_makes_no_sense_is_begun_anew(memory: str) -> None:
    check = BlockageCheck(lambda: 0.0, memory)
    assert (check.trouble, check.memory) == (None, BlockageCheck(lambda: 0.0).memory)


@parametrize("name", covers.scenes(), gate=1)
def test_a_camera_that_is_covered_or_turned_is_told_within_an_hour(name: str) -> None:
    """`python edge/tests/rig/covers.py --days 30` has the figures of all scenes, and false alarms
    of a month."""
    alarms, told = covers.measure(3, name)
    missed = [cover for cover, said in told.items() if said is None]
    assert len(missed) <= 3, missed
    assert alarms == [], alarms
