"""Drawn people whom the network takes for people, and rooms with nobody in them."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from regulars_edge.count.counter import Counter
from regulars_edge.count.line import CountLine, Way
from regulars_edge.count.people import PersonDetector

from rig.counting import Drawn, Noted
from rig.walkers import Walk

SIZE_PX = (640, 360)
HEIGHT = 110.0
COATS = [(150, 40, 40), (60, 60, 140), (40, 40, 45), (200, 190, 170), (40, 110, 70), (170, 110, 40)]
_TROUSERS, _SKIN, _HAIR, _SHOES = (40, 45, 70), (205, 160, 130), (50, 35, 25), (20, 20, 20)
Change = Callable[[Image.Image, float], Image.Image]
"""Makes another picture of that of a time in s."""


def draw_figure(
    draw: ImageDraw.ImageDraw, middle: tuple[float, float], coat: tuple[int, ...], height: float
) -> None:
    """Draw somebody whose middle is there."""
    x, y = middle[0], middle[1] - height / 2

    def block(left: float, top: float, right: float, bottom: float, colour: object) -> None:
        box = (x + left * height, y + top * height, x + right * height, y + bottom * height)
        draw.rounded_rectangle(box, radius=max(1, height * 0.03), fill=colour)  # type: ignore[arg-type]

    for side in (-1, 1):
        inner, outer = sorted((0.01 * side, 0.1 * side))
        block(inner, 0.5, outer, 0.96, _TROUSERS)
        block(inner, 0.94, outer, 1.0, _SHOES)
        inner, outer = sorted((0.12 * side, 0.19 * side))
        block(inner, 0.18, outer, 0.52, tuple(int(0.8 * level) for level in coat))
        block(inner, 0.5, outer, 0.57, _SKIN)
    block(-0.13, 0.17, 0.13, 0.56, coat)
    block(-0.03, 0.12, 0.03, 0.2, _SKIN)
    head = (x - 0.065 * height, y, x + 0.065 * height, y + 0.155 * height)
    draw.ellipse(head, fill=_SKIN)
    draw.pieslice(head, 180, 360, fill=_HAIR)


def empty_room() -> Image.Image:
    """Draw wall, floor, a shelf and a rug."""
    room = Image.new("RGB", SIZE_PX, (150, 145, 135))
    draw = ImageDraw.Draw(room)
    draw.rectangle((0, 70, 640, 360), fill=(112, 102, 92))
    draw.rectangle((560, 0, 640, 200), fill=(95, 75, 55))
    for shelf in range(0, 200, 40):
        draw.line((560, shelf, 640, shelf), fill=(60, 45, 30), width=4)
    draw.rectangle((150, 220, 480, 300), fill=(125, 95, 85))
    return room


def seen(walks: Sequence[Walk], at: float, height: float = HEIGHT) -> Image.Image:
    """Draw the room with who is in it; who is farther down is nearer, and hides others."""
    room = empty_room()
    draw = ImageDraw.Draw(room)
    places = [
        (place, COATS[number % len(COATS)])
        for number, walk in enumerate(walks)
        if (place := walk(at))
    ]
    for place, coat in sorted(places, key=lambda one: one[0][1]):
        draw_figure(draw, place, coat, height)
    return room.filter(ImageFilter.GaussianBlur(0.8))


def same(picture: Image.Image, _at: float) -> Image.Image:
    return picture


def noisy(picture: Image.Image, seed: int, grain: int = 6) -> Image.Image:
    """Add a sensor's noise."""
    noise = Image.effect_noise(picture.size, grain).convert("RGB")
    shift = seed * 37 % picture.width
    noise = Image.merge("RGB", [noise.getchannel(0)] * 3).transform(
        picture.size, Image.Transform.AFFINE, (1, 0, -shift, 0, 1, 0)
    )
    return Image.blend(picture, noise, grain / 255)


def infrared(picture: Image.Image, at: float) -> Image.Image:
    return noisy(picture.convert("L").convert("RGB"), round(at * 10))


def light(share: float) -> Change:
    """So much of the light, in the camera's 256 levels, with its noise."""

    def change(picture: Image.Image, at: float) -> Image.Image:
        return noisy(ImageEnhance.Brightness(picture).enhance(share), round(at * 10), 2)

    return change


@dataclass(frozen=True)
class Outcome:
    """Crossings that were counted in a film, how many looks it took, and how many ms of the film
    are not to be trusted."""

    ways: list[Way]
    looks: int
    lost_ms: int


def count_film(
    pictures: Iterator[tuple[float, Image.Image]],
    line: CountLine,
    detector: PersonDetector,
    rate: float = 5,
) -> Outcome:
    """Count who crosses in pictures with their times in s."""
    minutes = Noted()
    counter = Counter(line, detector, minutes, look_ms=1000 / rate)
    for at, picture in pictures:
        counter.look(Drawn(picture, round(1000 * at), picture.size))
    ways = [crossing.way for crossing in minutes.crossings]
    return Outcome(ways, counter.looks, minutes.lost.total())


def film(
    walks: Sequence[Walk],
    seconds: float,
    rate: float = 5,
    change: Change = same,
    height: float = HEIGHT,
) -> Iterator[tuple[float, Image.Image]]:
    for number in range(round(seconds * rate)):
        at = number / rate
        yield at, change(seen(walks, at, height), at)


def nobody(looks: int, seed: int = 1) -> Iterator[tuple[float, Image.Image]]:
    """A room with nobody: a door leaf that swings, a light that is switched, a sun patch that
    wanders, a curtain, a trolley that somebody has pushed."""
    rng = random.Random(seed)
    trolley, bright = -200.0, 1.0
    for number in range(looks):
        room = empty_room()
        draw = ImageDraw.Draw(room)
        sun = 40 + number * 7 % 500
        draw.polygon(
            [(sun, 150), (sun + 90, 140), (sun + 150, 330), (sun + 40, 350)], (235, 225, 190)
        )
        open_px = 10 + abs(number * 9 % 180 - 90)
        draw.polygon([(20, 40), (20 + open_px, 55), (20 + open_px, 260), (20, 235)], (70, 50, 40))
        trolley = trolley + 23 if trolley < 800 else -100.0 - rng.randrange(900)
        draw.rectangle((trolley, 190, trolley + 70, 240), outline=(60, 60, 65), width=4)
        draw.line((trolley + 70, 150, trolley + 70, 240), fill=(60, 60, 65), width=4)
        bright = rng.choice((0.45, 1.0, 1.3)) if number % 10 == 0 else bright
        shown = ImageEnhance.Brightness(room.filter(ImageFilter.GaussianBlur(0.8))).enhance(bright)
        yield number / 5, noisy(shown, number)
