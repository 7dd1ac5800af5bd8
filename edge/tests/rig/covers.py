"""Fifteen ways to cover or turn a camera, on six scenes, and how many of them a look at the
pictures tells.

    python edge/tests/rig/covers.py [--days 30]

Each scene runs for three days with a clock in its picture; at noon something happens to it, for an
hour. `--days`: how long each scene runs beforehand, with nothing happening, for the false alarms.
"""

import argparse
import copy
import itertools
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import skimage
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from regulars_edge.clock import Moment
from regulars_edge.frames import Frame
from regulars_edge.sources.blockage_check import BlockageCheck
from regulars_edge.spool.model import Stamp

from rig import street
from rig.street import SIZE, Street

HOUR_S, DAY_S = 3_600, 86_400
STEP_S, LOOK_S = 600, 60
_PHOTOS = Path(skimage.__file__).parent / "data"
_RAMP = Image.linear_gradient("L").resize(SIZE)
_BLOB = Image.radial_gradient("L").resize(SIZE)


class Seen(Frame):
    """A picture without the detour by a JPEG."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture, self.stamp = picture, Stamp(Moment("boot", 0, 0))

    def grey(self, size_px: tuple[int, int]) -> Image.Image:
        return self._picture.resize(size_px, Image.Resampling.BOX)


def scenes() -> dict[str, Street]:
    """Return three drawn places and three photographs, with infrared light at night and with
    lamps."""
    found = {f"drawn {seed}": Street(seed, infrared=seed != 11) for seed in (7, 11, 23)}
    for number, name in enumerate(("coffee.png", "rocket.jpg", "chelsea.png")):
        place = found[name] = Street(number, infrared=number != 1)
        place.place = Image.open(_PHOTOS / name).convert("L").resize(SIZE)
    return found


def _soft(low: int, high: int, shape: Image.Image = _RAMP, weave: int = 0) -> Image.Image:
    picture = shape.point(lambda grey: low + grey * (high - low) // 255)
    if weave:
        draw = ImageDraw.Draw(picture)
        for x in range(0, SIZE[0], 5):
            draw.line((x, 0, x, SIZE[1]), low + weave * (x % 2))
    return _noisy(picture)


def _noisy(picture: Image.Image) -> Image.Image:
    grain = ImageChops.offset(street.grain(3), *map(random.randrange, SIZE))
    return ImageChops.add(picture, grain, offset=-128)


def _sticker(one: Street, at_s: float, share: float) -> Image.Image:
    picture = one.picture(at_s).copy()
    ImageDraw.Draw(picture).rectangle((0, 0, SIZE[0] * share, SIZE[1]), 190)
    return _noisy(picture)


def _aside(one: Street, at_s: float) -> Image.Image:
    place = Image.new("L", SIZE)
    shift = round(0.3 * SIZE[0])
    place.paste(one.place, (-shift, 0))
    place.paste(street.scene(98), (SIZE[0] - shift, 0))
    return one.picture(at_s, place)


def _web(one: Street, at_s: float) -> Image.Image:
    draws, threads = random.Random(5), Image.new("L", SIZE)
    draw = ImageDraw.Draw(threads)
    middle = SIZE[0] * 0.45, SIZE[1] * 0.4
    for _ in range(16):
        draw.line((*middle, draws.uniform(-200, 840), draws.choice((-100, 460))), 150, 6)
    for radius in range(40, 400, 45):
        draw.ellipse(
            (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius),
            None,
            130,
            5,
        )
    haze = threads.filter(ImageFilter.GaussianBlur(4))
    return ImageChops.add(one.picture(at_s).filter(ImageFilter.GaussianBlur(3)), haze)


def _sprayed(one: Street, at_s: float, grey: int) -> Image.Image:
    draws, paint, covered = random.Random(3), Image.new("L", SIZE), 0.0
    draw = ImageDraw.Draw(paint)
    while covered < 0.8:
        for _ in range(20):
            x, y = draws.gauss(SIZE[0] / 2, SIZE[0] / 3), draws.gauss(SIZE[1] / 2, SIZE[1] / 3)
            radius = draws.gammavariate(2, 14)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
        covered = paint.histogram()[255] / (SIZE[0] * SIZE[1])
    soft = paint.filter(ImageFilter.GaussianBlur(4))
    return _noisy(Image.composite(Image.new("L", SIZE, grey), one.picture(at_s), soft))


def _dazzled(one: Street, at_s: float) -> Image.Image:
    light = Image.new("L", SIZE)
    ImageDraw.Draw(light).rectangle((0, 0, 0.6 * SIZE[0], SIZE[1]), 250)
    return ImageChops.lighter(one.picture(at_s), light.filter(ImageFilter.GaussianBlur(6)))


COVERS: dict[str, Callable[[Street, float], Image.Image]] = {
    "a hand, light leaks in": lambda _one, _at: _soft(30, 70),
    "tape": lambda _one, _at: _soft(120, 200),
    "paper": lambda _one, _at: _soft(190, 240, _BLOB),
    "a cloth with a glow": lambda _one, _at: _soft(60, 160, _BLOB, weave=12),
    "a sticker over 70 %": lambda one, at: _sticker(one, at, 0.7),
    "a sticker over 90 %": lambda one, at: _sticker(one, at, 0.9),
    "a bag": lambda one, at: _noisy(one.picture(at).filter(ImageFilter.GaussianBlur(25))),
    "a spider's web": _web,
    "turned aside by 30 %": _aside,
    "turned elsewhere": lambda one, at: one.picture(at, street.scene(99)),
    "hung down by 20 degrees": lambda one, at: one.picture(
        at, one.place.rotate(20, Image.Resampling.BILINEAR)
    ),
    "grease": lambda one, at: one.picture(at, blur_px=4),
    "black paint over 80 %": lambda one, at: _sprayed(one, at, 12),
    "white paint over 80 %": lambda one, at: _sprayed(one, at, 215),
    "a lamp into the lens": lambda one, at: _dazzled(one, at),
}


def run_days(one: Street, days: float) -> tuple[BlockageCheck, list[float], list[str]]:
    """Return the check after so many days, its clock, and what it told of them."""
    now, told = [0.0], list[str | None]()
    check = BlockageCheck(lambda: now[0])
    for at_s in range(0, round(days * DAY_S), STEP_S):
        now[0] = float(at_s)
        check.look(Seen(street.stamped(one.picture(at_s), at_s)))
        told.append(check.trouble)
    return (
        check,
        now,
        [after for before, after in itertools.pairwise(told) if after and before is None],
    )


def told_of(
    check: BlockageCheck, now: list[float], one: Street, cover: str
) -> tuple[int, str] | None:
    """Return the minute in which something is told within an hour, and what; None: nothing is."""
    began, seen = now[0], copy.deepcopy(check)  # with the same clock: a function is no copy
    try:
        for minute in range(1, 61):
            now[0] = began + LOOK_S * minute
            seen.look(Seen(street.stamped(COVERS[cover](one, now[0]), now[0])))
            if seen.trouble:
                return minute, seen.trouble
    finally:
        now[0] = began
    return None


def told_by_day_alone(name: str, covers: Iterable[str]) -> dict[str, tuple[str | None, str | None]]:
    """Cover a camera whose box is on from 8 to 20 o'clock alone, at 10 on the fourth day.

    Return what is told of each cover by noon, and on the third day after it at noon. Each morning
    another process begins.
    """
    one, now = scenes()[name], [0.0]
    usual, told = BlockageCheck(lambda: now[0]), dict[str, tuple[str | None, str | None]]()

    def look(
        check: BlockageCheck, day: int, hours: tuple[int, int], step_s: int, cover: str
    ) -> None:
        for at_s in range(day * DAY_S + hours[0] * HOUR_S, day * DAY_S + hours[1] * HOUR_S, step_s):
            now[0] = float(at_s)
            picture = COVERS[cover](one, at_s) if cover else one.picture(at_s)
            check.look(Seen(street.stamped(picture, at_s)))

    for day in range(4):
        usual = BlockageCheck(lambda: now[0], usual.memory)
        look(usual, day, (8, 10 if day == 3 else 20), 1_200, "")
        assert usual.trouble is None, usual.trouble
    for cover in covers:
        check = BlockageCheck(lambda: now[0], usual.memory)
        look(check, 3, (10, 12), 600, cover)
        at_noon = check.trouble
        look(check, 3, (12, 20), HOUR_S, cover)
        for day, until in ((4, 20), (5, 20), (6, 12)):
            check = BlockageCheck(lambda: now[0], check.memory)
            look(check, day, (8, until), HOUR_S, cover)
        told[cover] = at_noon, check.trouble
    return told


def measure(days: float, name: str) -> tuple[list[str], dict[str, tuple[int, str] | None]]:
    """Return a scene's false alarms, and what is told of each cover."""
    one = scenes()[name]
    check, now, alarms = run_days(one, days + 0.5)
    return alarms, {cover: told_of(check, now, one, cover) for cover in COVERS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=3.0)
    asked, found = parser.parse_args(), 0
    for name in scenes():
        alarms, told = measure(asked.days, name)
        found += sum(one is not None for one in told.values())
        by_day = told_by_day_alone(name, COVERS)
        soon, still = (
            sum(told is not None for told in times) for times in zip(*by_day.values(), strict=True)
        )
        print(f"{name}, box on by day alone: {soon} told in two hours, {still} on the third day")
        print(
            f"{name}: {sum(one is not None for one in told.values())} of {len(told)} told; alarms "
            f"before: {alarms}"
        )
        for cover, one in told.items():
            print(f"   {cover:26} {one or 'NOT TOLD'}", flush=True)
    print(f"{found} told")


if __name__ == "__main__":
    main()
