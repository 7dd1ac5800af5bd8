"""A drawn camera at a shop's door, for days: light, night, lamps, a crowd, rain, a parked van, and
a clock."""

import math
import random
from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont

SIZE = (640, 360)
NAME, HOUR_S = "CAMERA 01", 3_600
Box = tuple[float, float, float, float]


def scene(seed: int) -> Image.Image:
    """Draw a place: walls, windows, signs and floor tiles, other ones for each seed."""
    draws = random.Random(seed)
    picture = (
        Image.linear_gradient("L")
        .rotate(draws.choice((0, 90, 180)))
        .resize(SIZE)
        .point(lambda grey: 60 + grey // 3)
    )
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y = draws.uniform(-40, SIZE[0]), draws.uniform(-40, SIZE[1])
        box = x, y, x + draws.uniform(12, 160), y + draws.uniform(12, 120)
        draw.rectangle(box, draws.randrange(30, 230), draws.randrange(20, 240))
    for x in range(0, SIZE[0], 40):
        draw.line((x, 260, x * 2 - 320, 360), 70, 2)
    return picture


@cache
def grain(sigma: int) -> Image.Image:
    """Draw a sensor's noise once, which is laid elsewhere over each picture: drawing it takes
    longest."""
    return Image.effect_noise(SIZE, sigma)


def stamped(picture: Image.Image, at_s: float) -> Image.Image:
    """Write a clock and a name into it, as cameras do."""
    out = picture.copy()
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(16)
    days, rest = divmod(int(at_s), 86_400)
    text = f"2026-11-{1 + days % 28:02d} {rest // HOUR_S:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    draw.text((8, 6), text, 255, font, stroke_width=1, stroke_fill=0)
    draw.text((530, 336), NAME, 255, font, stroke_width=1, stroke_fill=0)
    return out


class Street:
    """`infrared`: at night the camera lights the place itself; else it sees what the lamps
    light."""

    def __init__(self, seed: int, *, infrared: bool) -> None:
        self.place = scene(seed)
        self._infrared = infrared
        self._draws = random.Random(seed)

    def light(self, at_s: float) -> float:
        """Return the daylight, 0 to 1."""
        return max(0.0, min(1.0, 1.5 * math.sin((at_s / 86_400 - 0.27) * 2 * math.pi) + 0.3))

    def picture(
        self, at_s: float, place: Image.Image | None = None, blur_px: float = 0.0
    ) -> Image.Image:
        """Draw what the camera sees, without its clock."""
        out, hour, day = (place or self.place).copy(), at_s / HOUR_S % 24, int(at_s // 86_400)
        draw = ImageDraw.Draw(out)
        if day % 7 == 2 and 9 <= hour < 16:
            draw.rectangle((330, 90, 600, 290), 205, 90)
            draw.rectangle((350, 110, 440, 170), 60)
        for _ in range(
            25 if day % 7 == 4 and 17 <= hour < 20 else self._draws.choice((0, 0, 1, 3))
        ):
            self._person(draw)
        light = self.light(at_s)
        self._shadow(out, at_s, light)
        is_rain = day % 7 == 5
        if is_rain:
            draw = ImageDraw.Draw(out)
            for _ in range(120):
                x, y = self._draws.uniform(0, SIZE[0]), self._draws.uniform(0, SIZE[1])
                draw.line((x, y, x + 2, y + self._draws.uniform(8, 24)), 190)
            out = out.filter(ImageFilter.GaussianBlur(0.6))
        if blur_px:
            out = out.filter(ImageFilter.GaussianBlur(blur_px))
        noise = ImageChops.offset(grain(round(2 + 6 * (1 - light))), *map(random.randrange, SIZE))
        return ImageChops.add(self._lit(out, light, hour), noise, offset=-128)

    def _person(self, draw: ImageDraw.ImageDraw) -> None:
        x = self._draws.uniform(0, 620)
        y = self._draws.uniform(80, 260)
        tall = self._draws.uniform(50, 150)
        grey = self._draws.randrange(20, 220)
        draw.ellipse((x, y, x + tall / 4, y + tall / 4), 200)
        draw.rectangle((x - tall / 10, y + tall / 4, x + tall / 3, y + tall), grey)

    def _shadow(self, out: Image.Image, at_s: float, light: float) -> None:
        if light > 0.5:
            across = (at_s / 86_400 % 1 - 0.25) * 2 * SIZE[0]
            mask = Image.new("L", SIZE, 0)
            ImageDraw.Draw(mask).polygon(
                [(across - 260, 360), (across, 120), (across + 120, 120), (across, 360)], 110
            )
            out.paste(Image.new("L", SIZE, 15), mask=mask)

    def _lit(self, out: Image.Image, light: float, hour: float) -> Image.Image:
        if light > 0.15:
            return ImageEnhance.Brightness(out).enhance(0.35 + 0.65 * light)
        if self._infrared:
            glow = ImageChops.invert(Image.radial_gradient("L")).resize(SIZE)
            return ImageChops.multiply(out, glow)
        dark = ImageEnhance.Brightness(out).enhance(0.03)
        if 6 <= hour < 8 or 17 <= hour < 23:  # the lamps of the shop
            glow = ImageChops.invert(Image.radial_gradient("L")).resize((SIZE[0] // 2, SIZE[1]))
            part = Image.new("L", SIZE, 8)
            part.paste(glow, (SIZE[0] // 3, 0))
            return ImageChops.multiply(out, part)
        return dark
