"""Frames that show their own number, as black and white fields: so a test knows when a frame was taken."""

from __future__ import annotations

from PIL import Image

RATE = 15
SIZE_PX = (160, 120)
_SIDE, _BITS = 4, 16


def numbered(number: int) -> Image.Image:
    fields = Image.new("L", (_SIDE, _SIDE))
    fields.putdata([255 * (number >> bit & 1) for bit in range(_BITS)])
    return fields.resize(SIZE_PX, Image.Resampling.NEAREST).convert("RGB")


def number_of(image: Image.Image) -> int:
    fields = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()
    return sum((value > 127) << bit for bit, value in enumerate(fields))
