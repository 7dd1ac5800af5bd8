"""Simulated presentation attacks: a portrait as a print or a screen would show it to a camera, with
and without edges.

Simulated, not photographed: what they hold of the real thing is the medium's edge and what
surrounds it, a narrower range of colours, moire of the screen's grid, the print's grain, and a
second blur, noise and JPEG.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.uint8]
Light = NDArray[np.float64]

PAPER, BEZEL = (235.0, 230.0, 220.0), (12.0, 12.0, 12.0)
AROUND = 1.7
"""Side of the scene over that of the medium shown in it."""


def draw_by_camera(light: Light, blur_px: float = 0.9) -> Picture:
    """Draw it as by a camera: a little blur and noise, and JPEG."""
    rng = np.random.default_rng(light.shape[0])
    soft = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(blur_px)
    )
    noisy = np.asarray(soft) + rng.normal(0, 3, light.shape)
    stream = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=85)
    return np.asarray(Image.open(stream).convert("RGB"))


def draw_on_paper(picture: Picture) -> Light:
    """Draw it on office paper: black is not black, colours are pale and warm, with grain."""
    pale = 30 + picture * (205 / 255)
    grey = pale.mean(axis=2, keepdims=True)
    grain = np.random.default_rng(picture.shape[1]).normal(0, 5, (*picture.shape[:2], 1))
    return np.asarray((grey + (pale - grey) * 0.75 + grain) * (1.0, 0.97, 0.9))


def draw_on_screen(picture: Picture) -> Light:
    """Draw it on a screen: bluish, never black, with the beat of its grid and the camera's."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    grid = 1 + 0.1 * np.sin(2 * np.pi * (x + 0.05 * y) / 2.7) + 0.06 * np.sin(2 * np.pi * y / 3.1)
    beat = 0.06 * np.sin(2 * np.pi * (x / 37 + y / 91))
    moire = np.stack([grid + beat, grid - 0.6 * beat, grid + 0.7 * beat], axis=2)
    return np.asarray(np.clip(18 + picture * 0.95 * moire, 0, 255) * (0.93, 0.98, 1.08))


def draw_before_room(medium: Light, edge: tuple[float, float, float], light: float) -> Light:
    """Draw the medium with its edge before a blurred room of so much light."""
    height, width = medium.shape[:2]
    margin = width // 20
    framed = np.full((height + 2 * margin, width + 2 * margin, 3), edge)
    framed[margin : margin + height, margin : margin + width] = medium
    rows, columns = int(height * AROUND), int(width * AROUND)
    y, x = np.mgrid[:rows, :columns]
    room = np.stack(
        [
            120 + 60 * np.sin(x / 170),
            110 + 50 * np.sin(y / 210 + 1),
            100 + 40 * np.cos((x + y) / 230),
        ],
        2,
    )
    top, left = (rows - framed.shape[0]) // 2, (columns - framed.shape[1]) // 2
    scene = room * light
    scene[top : top + framed.shape[0], left : left + framed.shape[1]] = framed
    return scene


ATTACKS: Mapping[str, Callable[[Picture], Picture]] = {
    "print, edges seen": lambda picture: draw_by_camera(
        draw_before_room(draw_on_paper(picture), PAPER, 1.0)
    ),
    "screen, edges seen": lambda picture: draw_by_camera(
        draw_before_room(draw_on_screen(picture), BEZEL, 0.5)
    ),
    "print that fills the picture": lambda picture: draw_by_camera(draw_on_paper(picture)),
    "screen that fills the picture": lambda picture: draw_by_camera(draw_on_screen(picture)),
}
LIVE: Mapping[str, Callable[[Picture], Picture]] = {
    "live, as it is": lambda picture: picture,
    "live, camera noise": lambda picture: draw_by_camera(picture.astype(np.float64)),
}
