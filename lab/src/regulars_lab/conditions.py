"""Conditions of a face before a camera, drawn into a picture of it: masks in many styles,
sunglasses, blur, motion, a small face, a tilted head, a dark room, a camera's stream.

Each condition is drawn from the picture and its face alone: the same picture is always drawn the
same way, and two pictures hardly ever.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from chalicelib.book.vision.describe.quality import measure_eye_distance
from chalicelib.domain.pictures import DetectedFace
from regulars_lab.camera import Frame, Picture, shrink_to

Outline = Sequence[tuple[float, float]]
Condition = Callable[[Picture, DetectedFace], Picture]

CLOTHS = (
    (176, 204, 214),
    (24, 24, 28),
    (238, 238, 234),
    (150, 36, 44),
    (58, 78, 122),
    (120, 150, 118),
    (200, 160, 150),
    (96, 84, 76),
)
LENSES = ((18, 18, 20), (46, 30, 22), (30, 34, 58))

BLUR_PX, MOTION_PX, EYES_PX, SMALL_EYES_PX, TILT_DEG = 2.0, 9, 32.0, 12.0, 30.0
"""Blur and motion are of a face with EYES_PX between the eyes, as a camera gets it a few metres
away."""

_GREY = (110, 110, 110)


def draw_mask(image: Picture, face: DetectedFace) -> Picture:
    """Draw a mask of a cloth, cut, fold, pattern and light of its own."""
    drawn = _make_random(image)
    top, bridge = 0.35 + drawn.uniform(-0.12, 0.2), 0.3 + drawn.uniform(-0.15, 0.25)
    width, chin = 1.0 + drawn.uniform(-0.12, 0.12), 1.8 + drawn.uniform(-0.15, 0.15)
    outline = [
        (-width, top),
        (-0.3 * width, bridge + 0.2),
        (0.0, bridge),
        (0.3 * width, bridge + 0.2),
        (width, top),
        (0.9 * width, 1.2),
        (0.5 * width, chin),
        (-0.5 * width, chin),
        (-0.9 * width, 1.2),
    ]
    cover = _fill_softly(image, face, [outline], softness_px=drawn.uniform(0.5, 1.2))
    cloth = np.array(CLOTHS[drawn.integers(len(CLOTHS))], np.float32)
    eyes_px = measure_eye_distance(face)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    across = (x - face.landmarks[2][0]) / eyes_px
    down = (y - face.landmarks[2][1]) / eyes_px
    folds = drawn.uniform(0, 0.15) * np.sin(
        2 * np.pi * (drawn.uniform(1, 5) * down + drawn.random())
    )
    pattern = (
        drawn.uniform(0, 0.35)
        * np.sign(np.sin(drawn.uniform(8, 25) * across) * np.sin(drawn.uniform(8, 25) * down))
        if drawn.random() < 0.25
        else 0.0
    )
    shade = (1 + folds + pattern - drawn.uniform(0.05, 0.25) * np.abs(across)) * _measure_light(
        image, eyes_px
    )
    noise = drawn.normal(0, drawn.uniform(1, 6), (*image.shape[:2], 1))
    return _lay_over(image, cover, cloth * shade[..., None] + noise)


def draw_sunglasses(image: Picture, face: DetectedFace) -> Picture:
    """Draw sunglasses of a form, size, colour and darkness of their own."""
    drawn = _make_random(image)
    half_width, half_height = 0.4 + drawn.uniform(-0.06, 0.08), 0.34 + drawn.uniform(-0.06, 0.1)
    roundness, middle = drawn.choice([2, 3, 4]), 0.06 + drawn.uniform(-0.04, 0.06)
    turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)

    def bend(value: float) -> float:
        return float(np.sign(value) * np.abs(value) ** (2 / roundness))

    lenses = [
        [
            (side + half_width * bend(np.cos(turn)), middle + half_height * bend(np.sin(turn)))
            for turn in turns
        ]
        for side in (-0.5, 0.5)
    ]
    frame = [(-0.9, -0.1), (0.9, -0.1), (0.9, -0.02), (-0.9, -0.02)]
    cover = _fill_softly(image, face, [*lenses, frame], softness_px=0.6)
    glass = np.array(LENSES[drawn.integers(len(LENSES))], np.float32)
    paler_below = 1 + 0.5 * np.linspace(0, 1, image.shape[0], dtype=np.float32)[:, None, None]
    return _lay_over(
        image, cover * drawn.uniform(0.88, 1), np.broadcast_to(glass * paler_below, image.shape)
    )


def blur(image: Picture, face: DetectedFace) -> Picture:
    small = shrink_to(image, face, EYES_PX)
    return np.asarray(Image.fromarray(small).filter(ImageFilter.GaussianBlur(BLUR_PX)))


def move(image: Picture, face: DetectedFace) -> Picture:
    """Return the mean of MOTION_PX pixels across: motion while the shutter was open."""
    small = shrink_to(image, face, EYES_PX).astype(np.float32)
    half = MOTION_PX // 2
    wide = np.pad(small, ((0, 0), (half, half), (0, 0)), mode="edge")
    looks = [wide[:, step : step + small.shape[1]] for step in range(MOTION_PX)]
    return np.asarray(np.mean(looks, axis=0) + 0.5).astype(np.uint8)


def shrink(image: Picture, face: DetectedFace) -> Picture:
    return shrink_to(image, face, SMALL_EYES_PX)


def tilt(image: Picture, _face: DetectedFace) -> Picture:
    turned = Image.fromarray(image).rotate(
        TILT_DEG, Image.Resampling.BICUBIC, expand=True, fillcolor=_GREY
    )
    return np.asarray(turned)


def darken(image: Picture, face: DetectedFace) -> Picture:
    """Show the picture as a camera does in a dark room: small, unsharp, in 0.15 to 0.4 of the
    light, with the sensor's noise, and compressed as a stream of few bits is."""
    drawn = _make_random(image)
    small = shrink_to(image, face, drawn.uniform(16, 32))
    unsharp = Image.fromarray(small).filter(ImageFilter.GaussianBlur(drawn.uniform(0, 0.8)))
    lit = np.asarray(unsharp, np.float32) * drawn.uniform(0.15, 0.4)
    noise = drawn.normal(0, drawn.uniform(3, 7), (*small.shape[:2], 1))
    stream = io.BytesIO()
    dark = np.asarray(np.clip(lit + noise, 0, 255)).astype(np.uint8)
    Image.fromarray(dark).save(stream, "JPEG", quality=int(drawn.integers(25, 60)))
    return np.asarray(Image.open(stream).convert("RGB"))


CONDITIONS: Mapping[str, Condition] = {
    "mask": draw_mask,
    "sunglasses": draw_sunglasses,
    "blur": blur,
    "motion": move,
    "small": shrink,
    "tilt": tilt,
    "dark": darken,
    "camera": Frame("near"),
}


def _make_random(image: Picture) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(image.tobytes()))


def _fill_softly(
    image: Picture, face: DetectedFace, outlines: Sequence[Outline], softness_px: float
) -> NDArray[np.float32]:
    """Return the share, 0..1, of each pixel that is inside of an outline: (height, width, 1).

    Places are relative to the middle of the eyes: in distances from eye to eye, and from the eyes
    to the mouth.
    """
    left, right, _, *mouth = (np.array(point) for point in face.landmarks)
    eyes = (left + right) / 2
    across, down = right - left, sum(mouth) / 2 - eyes
    filled = Image.new("L", (image.shape[1], image.shape[0]))
    for outline in outlines:
        ImageDraw.Draw(filled).polygon(
            [tuple(eyes + x * across + y * down) for x, y in outline], fill=255
        )
    soft = filled.filter(ImageFilter.GaussianBlur(softness_px))
    return np.asarray(soft, np.float32)[..., None] / 255


def _measure_light(image: Picture, eyes_px: float) -> NDArray[np.float32]:
    """Return by how much each place is brighter than the picture's mean, without detail."""
    grey = Image.fromarray(image).convert("L").filter(ImageFilter.GaussianBlur(eyes_px / 3))
    light = np.asarray(grey, np.float32)
    return np.asarray(np.clip(light / max(float(light.mean()), 1.0), 0.5, 1.4))


def _lay_over(image: Picture, cover: NDArray[np.float32], colours: NDArray[np.float32]) -> Picture:
    mixed = image * (1 - cover) + colours * cover
    return np.asarray(np.clip(mixed, 0, 255)).astype(np.uint8)
