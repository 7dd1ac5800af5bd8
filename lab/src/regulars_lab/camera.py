"""Pictures as a camera takes them of somebody who comes past, drawn from one photo: small, moved,
out of focus, with the sensor's noise, compressed as a stream is.

A passage is FRAMES such pictures. The first size and the light are the passage's. Each frame draws
its own way from there: size and turn move further the later it is. Motion, focus and noise are its
own, too. All of it is drawn from the photo and the camera alone.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.describe.quality import measure_eye_distance
from chalicelib.domain.pictures import DetectedFace

Picture = NDArray[np.uint8]
Span = tuple[float, float]

FRAMES = 6
_REFERENCE_EYES_PX = 40
"""Motion and focus are told in pixels of a face with so many between its eyes."""
_GREY = (110, 110, 110)
_GAMMA = 2.2
_READ_NOISE, _SHOT_NOISE = 0.006, 0.0006
_DIM, _MOST_GAIN = 0.3, 3.0
"""A camera makes what is darker than this brighter, by so much at most."""
_MOST_TURN_DEG = 15.0


class Camera(Struct, frozen=True):
    """From and to: pixels between the eyes, of motion and of focus (sigma), share of the light,
    JPEG quality."""

    eyes_px: Span
    motion_px: Span = (3, 7)
    focus_px: Span = (0.3, 1.5)
    light: Span = (0.5, 1.0)
    jpeg: tuple[int, int] = (35, 70)


CAMERAS: Mapping[str, Camera] = {
    "typical": Camera((16, 40)),
    "near": Camera((20, 40)),
    "dark": Camera((16, 40), motion_px=(3, 8), light=(0.05, 0.2)),
    "motion": Camera((16, 40), motion_px=(7, 13), light=(0.4, 1.0)),
    "far": Camera((11, 16)),
}


class Frame(Struct, frozen=True):
    """One frame of a passage, as a function of a photo and the face in it."""

    camera: str
    number: int = 0

    def __call__(self, image: Picture, face: DetectedFace) -> Picture:
        camera = CAMERAS[self.camera]
        drawn = np.random.default_rng([zlib.crc32(image.tobytes()), *self.camera.encode()])
        least, most = camera.eyes_px
        eyes_px, turn_deg = float(np.exp(drawn.uniform(*np.log((least, 0.9 * most))))), 0.0
        light = float(np.exp(drawn.uniform(*np.log(camera.light))))
        own = np.random.default_rng([drawn.integers(1 << 32), self.number])
        for _ in range(self.number + 1):
            eyes_px = float(np.clip(eyes_px * np.exp(drawn.normal(0.05, 0.08)), least, most))
            turn_deg = float(
                np.clip(turn_deg + drawn.normal(0, 4), -_MOST_TURN_DEG, _MOST_TURN_DEG)
            )
        turned = Image.fromarray(image).rotate(turn_deg, Image.Resampling.BICUBIC, fillcolor=_GREY)
        small = shrink_to(np.asarray(turned), face, eyes_px)
        return _expose(small, camera, eyes_px / _REFERENCE_EYES_PX, light, own)


def shrink_to(image: Picture, face: DetectedFace, eyes_px: float) -> Picture:
    """Return the picture with so many pixels between the eyes, if it has more."""
    scale = min(eyes_px / max(measure_eye_distance(face), 1.0), 1.0)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _expose(
    image: Picture, camera: Camera, scale: float, light: float, drawn: np.random.Generator
) -> Picture:
    """Return what the sensor and the stream make of it; `scale`: of motion and focus."""
    seen = (image.astype(np.float32) / 255) ** _GAMMA
    motion = _make_line(scale * drawn.uniform(*camera.motion_px), drawn.uniform(0, np.pi))
    focus = _make_bell(max(0.15, scale * drawn.uniform(*camera.focus_px)))
    seen = _smear(_smear(_smear(seen, motion), focus[:, None]), focus[None])
    gain = light * np.exp(drawn.normal(0, 0.1))
    seen = seen * gain
    noise = np.sqrt(_READ_NOISE**2 + _SHOT_NOISE * np.clip(seen, 0, None))
    seen = np.clip(seen + noise * drawn.normal(0, 1, seen.shape), 0, 1)
    if gain < _DIM:
        seen = np.clip(seen * min(_DIM / gain, _MOST_GAIN), 0, 1)
    pixels = np.asarray(255 * seen ** (1 / _GAMMA) + 0.5).astype(np.uint8)
    stream = io.BytesIO()
    quality = int(drawn.integers(camera.jpeg[0], camera.jpeg[1] + 1))
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def _make_line(length: float, angle: float) -> NDArray[np.float32]:
    """Return the weights of a straight motion of so many pixels: (side, side), with sum 1."""
    half = int(np.ceil(length / 2)) + 1
    steps = np.linspace(-length / 2, length / 2, 8 * half)
    points = np.stack([steps * np.sin(angle), steps * np.cos(angle)])
    grid = np.arange(-half, half + 1)
    down, across = np.clip(1 - np.abs(points[:, None] - grid[:, None]), 0, None)
    weights = down @ across.T
    return np.asarray(weights / weights.sum(), np.float32)


def _make_bell(sigma: float) -> NDArray[np.float32]:
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _smear(image: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each pixel's weighted mean with those around it; the edge goes on outside."""
    down, across = weights.shape[0] // 2, weights.shape[1] // 2
    wide = np.pad(image, ((down, down), (across, across), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    return np.sum(
        [
            weights[y, x] * wide[y : y + height, x : x + width]
            for y, x in np.argwhere(weights > 1e-4)
        ],
        axis=0,
        dtype=np.float32,
    )
