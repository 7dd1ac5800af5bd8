"""Drawings of people, as many as a page needs: they need no consent and no licence."""

from __future__ import annotations

import io
from functools import cache

from msgspec import Struct
from PIL import Image, ImageDraw, ImageEnhance

SKIN = ("#f2cfb3", "#e0ac85", "#c58c62", "#9c6644", "#70462d", "#f6dcc8")
HAIR = ("#2b2320", "#5a3a22", "#8c5a2b", "#c9a15a", "#b8b4ae", "#1d1a19", "#7a2f22")
SHIRTS = ("#2b4c8c", "#7a8f5a", "#a94f4f", "#4f6d7a", "#8a6fa8", "#c08a3e", "#3d7d6a")
WALLS = ("#dfe6ee", "#ece6db", "#e3e9e0", "#e9e2ea")
SIDE_PX = 720
"""Side of a drawn portrait, in pixels."""
FACE = (240.0, 190.0, 240.0, 330.0)
"""Place of the face in a drawing: x, y, width and height in pixels."""
HEAD = (150, 130, 570, 550)
"""Place of what is cut out around the face: left, top, right and bottom in pixels."""
_FINE = 2
"""Times that a drawing is larger while it is drawn, so that its edges come out smooth."""
_INDOORS = 0.86
"""Brightness of a camera's picture beside a portrait's."""


class Look(Struct, frozen=True):
    """Colours of a person, and what the person wears."""

    skin: str
    hair: str
    shirt: str
    wall: str
    has_long_hair: bool
    has_glasses: bool
    has_beard: bool


def choose_look(number: int) -> Look:
    """Choose how the person of this number looks.

    Numbers that follow each other differ in all that is seen.
    """
    return Look(
        skin=SKIN[number % len(SKIN)],
        hair=HAIR[number * 3 % len(HAIR)],
        shirt=SHIRTS[number * 5 % len(SHIRTS)],
        wall=WALLS[number % len(WALLS)],
        has_long_hair=number % 2 == 0,
        has_glasses=number % 5 == 3,
        has_beard=number % 6 == 5,
    )


@cache
def draw_person(number: int, *, smiles: bool) -> Image.Image:
    """Draw the person of this number.

    `smiles`: whether as a camera sees the person: smiling, and darker.
    """
    look, side = choose_look(number), SIDE_PX * _FINE
    image = Image.new("RGB", (side, side), look.wall)
    pen = ImageDraw.Draw(image)

    def scale_box(*corners: int) -> list[int]:
        return [corner * _FINE for corner in corners]

    if look.has_long_hair:
        pen.rounded_rectangle(scale_box(222, 190, 498, 560), 130 * _FINE, fill=look.hair)
    pen.rounded_rectangle(scale_box(130, 560, 590, 900), 130 * _FINE, fill=look.shirt)
    pen.rounded_rectangle(scale_box(315, 470, 405, 610), 40 * _FINE, fill=_darken(look.skin))
    pen.ellipse(scale_box(240, 190, 480, 520), fill=look.skin)
    pen.pieslice(scale_box(232, 165, 488, 430), 180, 360, fill=look.hair)
    pen.ellipse(scale_box(262, 265, 458, 370), fill=look.skin)
    if look.has_beard:
        pen.chord(scale_box(246, 330, 474, 526), 12, 168, fill=look.hair)
    for eye_left in (290, 390):
        pen.ellipse(scale_box(eye_left, 338, eye_left + 40, 362), fill="#ffffff")
        pen.ellipse(scale_box(eye_left + 11, 340, eye_left + 31, 360), fill="#3a2a22")
        pen.arc(
            scale_box(eye_left - 6, 312, eye_left + 46, 350),
            205,
            335,
            fill=look.hair,
            width=7 * _FINE,
        )
        if look.has_glasses:
            pen.ellipse(
                scale_box(eye_left - 14, 322, eye_left + 54, 380),
                outline="#2b2b2b",
                width=5 * _FINE,
            )
    pen.arc(scale_box(342, 370, 378, 420), 20, 160, fill=_darken(look.skin), width=6 * _FINE)
    pen.chord(scale_box(310, 420, 410, 470 if smiles else 452), 10, 170, fill="#b4504e")
    drawing = image.reduce(_FINE)
    return ImageEnhance.Brightness(drawing).enhance(_INDOORS) if smiles else drawing


def _darken(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) * 85 // 100 for start in (1, 3, 5))


def encode_jpeg(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=88)
    return encoded.getvalue()
