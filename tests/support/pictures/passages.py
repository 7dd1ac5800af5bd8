"""Passages of people who come nearer to a camera: a face cut out of a portrait, before a drawn
room. Few of their frames show the face well, and the seed says which ones.

`slow`: they are blurred by their motion, but for the moment in which they slow down. `dim`: so they
are, in a quarter of the light and with its noise. `backlit`: a window behind makes them dark, but
for the moment in which they are beside it. `out of focus`: the lens is focused on one distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from regulars_edge.choose.by_face import BestShot
from regulars_edge.choose.faces import SMALLEST_FACE_PX, Detector, FaceFinder
from regulars_edge.clock import Moment
from regulars_edge.config import BEST_SHOT_INTERVAL_S
from regulars_edge.frames import EncodedFrame, encode_jpeg
from regulars_edge.spool.model import Stamp

from chalicelib.book.vision.pipeline import FacePipeline

KINDS = ("slow", "dim", "backlit", "out of focus")
SIZE_PX = (640, 360)
FAR_PX, NEAR_PX = 36.0, 106.0
"""Width of the face when they come, and when they go."""
TOLERATED = 0.05
"""By how much the shot's score may be below that of the best frame."""
_ROOM = 0.6
"""How much around the face is the head, in widths of the face."""
_LONGEST_S = 60.0

Floats = NDArray[np.float32]


class Look(NamedTuple):
    """How a frame shows a face.

    `motion_px`: how far it moves across and down while the shutter is open; `defocus_px`: radius of
    the blur; `light`, `room_light`: of the face and the room, in shares of daylight; `noise`: in
    grey levels.
    """

    face_px: float
    motion_px: tuple[float, float] = (0.0, 0.0)
    defocus_px: float = 0.0
    light: float = 1.0
    room_light: float = 1.0
    noise: float = 3.0


class Head(NamedTuple):
    """A head cut out of a portrait, transparent around it, and how wide its face is there."""

    picture: Image.Image
    face_px: float


def cut_head(portrait: Image.Image) -> Head:
    """Cut the head out of a portrait."""
    x, y, width, height = Detector().find_faces(portrait)[0].box_xywh
    room = _ROOM * width
    head = portrait.crop(
        (round(x - room), round(y - room), round(x + width + room), round(y + height + room))
    )
    alpha = Image.new("L", head.size)
    ImageDraw.Draw(alpha).ellipse((2, 2, head.width - 2, head.height - 2), fill=255)
    head.putalpha(alpha.filter(ImageFilter.GaussianBlur(width / 30)))
    return Head(head, width)


def draw_passage(head: Head, kind: str, seed: int, frames: int = 25) -> list[Image.Image]:
    """Draw the frames of a passage."""
    chance = np.random.default_rng([seed, KINDS.index(kind)])
    room = draw_room(seed, is_bright=kind == "backlit")
    return [
        draw_frame(room, head, look, 0.35 + 0.3 * number / frames, chance)
        for number, look in enumerate(_list_looks(kind, frames, chance))
    ]


def _list_looks(kind: str, frames: int, chance: np.random.Generator) -> Iterator[Look]:
    """Give how each frame shows the face: one moment shows it best."""
    best = int(chance.integers(frames // 4, frames - 2))
    angle, pace, focus_px = (
        chance.normal(0, 0.2),
        chance.uniform(0.08, 0.15),
        chance.uniform(50, 85),
    )
    for number in range(frames):
        face_px = FAR_PX + (NEAR_PX - FAR_PX) * number / frames
        fast_px = pace * face_px * (abs(number - best) > 1)
        fast = fast_px * math.cos(angle), fast_px * math.sin(angle)
        steady = abs(chance.normal(0, 0.02)) * face_px, 0.0
        if kind == "slow":
            yield Look(face_px, fast, 0.8 * (fast_px > 0))
        elif kind == "dim":
            yield Look(face_px, fast, 0.5, 0.25, 0.25, 4.0)
        elif kind == "backlit":
            yield Look(face_px, steady, 0.5, 0.15 + 0.5 * math.exp(-(((number - best) / 2) ** 2)))
        else:
            yield Look(face_px, steady, 0.09 * face_px * abs(math.log2(face_px / focus_px)))


def draw_room(seed: int, *, is_bright: bool = False) -> Image.Image:
    chance = np.random.default_rng(seed)
    room = Image.new("RGB", SIZE_PX, (165, 158, 150))
    draw = ImageDraw.Draw(room)
    for _ in range(30):
        x, y, wide, high = chance.uniform((0, 0, 0.02, 0.05), (1, 1, 0.2, 0.4)) * (SIZE_PX * 2)
        colour = tuple(int(level) for level in chance.integers(40, 220, 3))
        draw.rectangle((x, y, x + wide, y + high), fill=colour)
    if is_bright:
        room = Image.blend(room, Image.new("RGB", SIZE_PX, (250, 250, 250)), 0.75)
    return room.filter(ImageFilter.GaussianBlur(1))


def draw_frame(
    room: Image.Image, head: Head, look: Look, across: float, chance: np.random.Generator
) -> Image.Image:
    """Draw a head before a room.

    `across`: where, in shares of the width.
    """
    scale = look.face_px / head.face_px
    width, height = round(head.picture.width * scale), round(head.picture.height * scale)
    layer = Image.new("RGBA", SIZE_PX)
    corner = round(SIZE_PX[0] * across - width / 2), (SIZE_PX[1] - height) // 2
    layer.paste(head.picture.resize((width, height), Image.Resampling.LANCZOS), corner)
    # RGBa: colours times their opacity, so that what is outside of the head mixes in nothing
    unsharp = layer.convert("RGBa").filter(ImageFilter.GaussianBlur(look.defocus_px))
    pixels = _blur_by_motion(np.asarray(unsharp, np.float32), look.motion_px)
    shown = (
        np.asarray(room, np.float32) * look.room_light * (1 - pixels[..., 3:] / 255)
        + look.light * pixels[..., :3]
        + chance.normal(0, look.noise, (*pixels.shape[:2], 1))
    )
    return Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8))


def _blur_by_motion(pixels: Floats, motion_px: tuple[float, float]) -> Floats:
    """Return the mean of the picture along a way."""
    across_px, down_px = motion_px
    shares = np.linspace(-0.5, 0.5, round(math.hypot(*motion_px)) + 1) if any(motion_px) else [0.0]
    moved = [
        np.roll(pixels, (round(share * down_px), round(share * across_px)), (0, 1))
        for share in shares
    ]
    return np.mean(moved, 0, dtype=np.float32)


def find_shots(pictures: Sequence[Image.Image]) -> list[int]:
    """Return which of the pictures `best_shot` sends, the best one first."""
    step_ms = round(1000 * BEST_SHOT_INTERVAL_S)
    frames = [
        EncodedFrame(encode_jpeg(picture), Stamp(Moment("boot", at * step_ms, at * step_ms)))
        for at, picture in enumerate(pictures)
    ]
    chooser = BestShot(FaceFinder(Detector(), SMALLEST_FACE_PX), _LONGEST_S)
    moments = [frame.stamp.moment for frame in chooser.choose(frames)]
    return [moment.boot_ms // step_ms for moment in moments if moment]


def score_pictures(
    vision: FacePipeline, portrait: Image.Image, pictures: Sequence[Image.Image]
) -> list[float]:
    """Return the score of each picture's face with the portrait's; 0 if the service finds none."""

    def embed(picture: Image.Image) -> Floats | None:
        pixels = np.asarray(picture)
        faces = sorted(vision.detect(pixels), key=lambda face: -face.box.width)
        return vision.embed(pixels, faces[:1])[0] if faces else None

    reference, embeddings = embed(portrait), [embed(picture) for picture in pictures]
    return [
        0.0 if one is None or reference is None else float(one @ reference) for one in embeddings
    ]
