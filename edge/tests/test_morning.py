"""What a camera shows in the morning: without people, and compared with the mornings before."""

import io
import random
from collections.abc import Callable

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from regulars_edge.choose.morning import DARK_LOOKS, LOOK_EVERY_S, LOOKS, MorningView
from regulars_edge.frames import Frame
from regulars_edge.sources.blockage_check import SIZE_PX
from rig import covers, street

PLACE = street.scene(7)
SIZE = street.SIZE


HALF = PLACE.copy()
HALF.paste(street.scene(99).crop((0, 0, 320, 360)), (320, 0))


class Seen(covers.Seen):
    size = SIZE


NOISE = Image.effect_noise(SIZE_PX, 4)


def noisy(picture: Image.Image) -> Image.Image:
    """Shrink it as the uploader does first, and add a sensor's noise."""
    noise = ImageChops.offset(NOISE, *map(random.randrange, SIZE_PX))
    return ImageChops.add(picture.resize(SIZE_PX, Image.Resampling.BOX), noise, offset=-128)


def with_people(picture: Image.Image, at: int) -> Image.Image:
    """Let somebody walk through, and somebody stand for a while."""
    out = picture.copy()
    draw = ImageDraw.Draw(out)
    draw.rectangle((40 * at, 100, 40 * at + 60, 340), 15)
    if at < LOOKS // 3:
        draw.rectangle((400, 120, 470, 350), 240)
    return out


class Mornings:
    """A camera's mornings, each with another clock in the picture."""

    def __init__(self) -> None:
        self.now, self.kept = 0.0, ""
        self.view = self.start()

    def start(self) -> MorningView:
        self.view = MorningView(lambda: self.now, self.keep, self.kept)
        return self.view

    def keep(self, memory: str) -> None:
        self.kept = memory

    def see(self, shows: Callable[[int], Image.Image], looks: int = LOOKS) -> Image.Image | None:
        """Return the picture of a morning; None: none was made."""
        self.view.is_wanted, self.view.picture = True, None
        for look in range(looks):
            self.now += LOOK_EVERY_S
            frame = Seen(noisy(street.stamped(shows(look), self.now)))
            assert self.view.look(frame) is frame
        sent = self.view.picture
        return None if sent is None else Image.open(io.BytesIO(sent))


@pytest.fixture(scope="module")
def three_mornings() -> str:
    found = Mornings()
    for _ in range(3):
        found.see(lambda at: with_people(PLACE, at))
        assert not found.view.is_changed
    return found.kept


@pytest.fixture
def usual(three_mornings: str) -> Mornings:
    found = Mornings()
    found.kept = three_mornings
    found.start()
    return found


def test_nobody_who_passes_is_in_the_view_of_a_morning() -> None:
    mornings = Mornings()
    seen, empty = (
        mornings.see(shows) for shows in (lambda at: with_people(PLACE, at), lambda _at: PLACE)
    )
    assert seen is not None
    assert empty is not None
    assert (seen.mode, seen.size) == ("L", (256, 144)), "small and grey"
    middle = (0, 20, 256, 130)  # without the clock
    _, most = ImageChops.difference(seen.crop(middle), empty.crop(middle)).getextrema()
    assert isinstance(most, int)
    assert most < 50, "of people who are black or white nothing is left"


def test_a_view_is_made_once_it_is_wanted_and_no_sooner_than_ten_minutes_later() -> None:
    mornings = Mornings()
    for _ in range(LOOKS):
        mornings.now += LOOK_EVERY_S
        mornings.view.look(Seen(PLACE))
    assert mornings.view.picture is None, "nobody wants one"
    assert mornings.see(lambda _at: PLACE, LOOKS - 1) is None
    mornings.view.look(Seen(PLACE))
    assert mornings.view.picture is None, "too soon after the last look"
    assert mornings.see(lambda _at: PLACE, 1) is not None
    assert not mornings.view.is_wanted


CHANGED: dict[str, Callable[[int], Image.Image]] = {
    "turned by a fifth": lambda _at: ImageChops.offset(PLACE, SIZE[0] // 5, 0),
    "a poster before the lens": lambda _at: PLACE.transpose(Image.Transpose.ROTATE_180),
    "a dirty lens": lambda _at: PLACE.filter(ImageFilter.GaussianBlur(4)),
    "a sticker over half": lambda _at: covers.COVERS["a sticker over 70 %"](
        street.Street(7, infrared=False), 43_200
    ),
    "something else in half of it": lambda _at: HALF,
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_view_that_has_changed_is_told_until_a_person_says_that_it_is_right(
    usual: Mornings, change: str
) -> None:
    for _ in range(2):
        usual.see(CHANGED[change])
        assert usual.view.is_changed, "it is not learnt by itself"
    assert usual.start().is_changed, "after a restart"
    usual.view.right_at = "2026-03-01T12:00:00.000Z"
    usual.view.look(Seen(PLACE))
    assert not usual.view.is_changed
    usual.start()
    for shows in (CHANGED[change], lambda _at: PLACE):
        usual.see(shows)
        assert not usual.view.is_changed, "both are right"
    usual.view.look(Seen(PLACE))
    usual.see(lambda _at: street.scene(98))
    assert usual.view.is_changed, "it was said of another picture"


def test_a_view_that_stays_dark_is_told_each_morning_and_never_learnt(usual: Mornings) -> None:
    dark = Image.new("L", SIZE, 3)
    for right_at in ("first", "second"):
        assert usual.see(lambda _at: dark, DARK_LOOKS - 1) is None, "the lights may come yet"
        assert usual.see(lambda _at: dark, 1) is not None
        assert usual.view.is_changed
        usual.view.right_at = right_at
        usual.view.look(Seen(dark))
        assert not usual.view.is_changed
    usual.see(lambda at: dark if at < 20 else PLACE, 20 + LOOKS)
    assert not usual.view.is_changed


@pytest.mark.parametrize("memory", ["", "{", "[]", "7", '{"right": 1}', '{"right": [[1, 2]]}'])
def test_a_memory_that_makes_no_sense_is_begun_anew(memory: str) -> None:
    view = MorningView(lambda: 0.0, memory=memory)
    assert (view.is_changed, view.right_at) == (False, None)


def test_half_a_picture_is_no_look() -> None:
    class Half(Seen):
        def grey(self, size_px: tuple[int, int]) -> Image.Image:
            raise OSError(f"cut off at {size_px}")

    mornings = Mornings()
    mornings.view.is_wanted = True
    for frame in (Half(PLACE), *[Seen(PLACE)] * (LOOKS - 1)):
        mornings.now += LOOK_EVERY_S
        view: Frame = mornings.view.look(frame)
        assert view is frame
    assert mornings.view.picture is None
