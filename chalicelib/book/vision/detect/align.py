"""Five-point alignment: the similarity transform that puts a face's landmarks at fixed places, and
the warp by it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.pictures.crop import cut_out

Points = Sequence[tuple[float, float]]

SMALLEST_SCALE = 0.01
"""Smallest scale used. Below it the landmarks cannot be a face's: its eyes would be 5,000 pixels
apart."""


class Similarity(Struct, frozen=True):
    """Rotation, scale and shift in the plane, with points as complex numbers: z -> turn
    z + shift."""

    turn: complex
    shift: complex

    @property
    def shrink(self) -> int:
        """Return by what whole factor it makes a picture smaller; 1 if it does not."""
        return max(1, int(1 / abs(self.turn) + 1e-9))  # just below a whole number is rounding


def fit_map(source: Points, target: Points) -> Similarity:
    """Fit the map of `source` to `target` with the least squared error.

    Umeyama 1991 (doi 10.1109/34.88573) without reflection. In the plane it needs no SVD: with
    points about their means, z -> a z is best with a = sum(target * conj(source)) /
    sum(|source|^2).
    """
    s, t = ([complex(x, y) for x, y in points] for points in (source, target))
    s_mean, t_mean = sum(s) / len(s), sum(t) / len(t)
    spread = sum(abs(z - s_mean) ** 2 for z in s)
    products = sum((w - t_mean) * (z - s_mean).conjugate() for z, w in zip(s, t, strict=True))
    turn = products / spread if spread > 0 else complex(1)
    if abs(turn) < SMALLEST_SCALE:
        turn = complex(SMALLEST_SCALE)
    return Similarity(turn, t_mean - turn * s_mean)


def cut_upright(
    image: NDArray[np.uint8], landmarks: Points, factor: float, below: float, size_px: int
) -> NDArray[np.uint8]:
    """Cut out the face with its axis upright, as a (size_px, size_px, 3) picture; black outside
    `image`.

    The unit is the mean distance from an eye to the middle of the mouth. Unlike the detector's box
    and the mouth's width, it does not change with a smile. The crop's side is `factor` units; its
    centre lies `below` units under the middle of the eyes.
    """
    left_eye, right_eye, _, *mouth_corners = (complex(x, y) for x, y in landmarks)
    eyes, mouth = (left_eye + right_eye) / 2, sum(mouth_corners) / 2
    unit = max((abs(left_eye - mouth) + abs(right_eye - mouth)) / 2, 1.0)
    # The mean of the two axes that a face shows, across and down: one alone is off if the head is
    # turned.
    across = _find_direction(right_eye - left_eye) + _find_direction((mouth - eyes) / 1j)
    axis = _find_direction(across) or complex(1)
    scale = size_px / (factor * unit)
    turn = scale * axis.conjugate()
    shift = complex(size_px / 2 - 0.5, size_px / 2 - 0.5) - turn * (eyes + 1j * axis * below * unit)
    to_crop = Similarity(turn, shift)
    return warp(image, to_crop, size_px, to_crop.shrink)


def _find_direction(z: complex) -> complex:
    """Scale `z` to length 1; 0 stays 0."""
    return z / abs(z) if abs(z) > 0 else z


def align_face(
    image: NDArray[np.uint8], landmarks: Points, points: Points, size_px: int
) -> NDArray[np.uint8]:
    """Cut out the face as a (size_px, size_px, 3) picture with its landmarks at `points`; black
    outside `image`.

    A face much larger than the crop is first averaged down by a whole factor. Bilinear sampling
    reads only four pixels, so without the averaging the others would be lost and show as noise.
    """
    to_crop = fit_map(landmarks, points)
    return warp(image, to_crop, size_px, to_crop.shrink)


def warp(
    image: NDArray[np.uint8], to_crop: Similarity, size_px: int, shrink: int = 1
) -> NDArray[np.uint8]:
    """Warp bilinearly by the map from picture to crop, after averaging `shrink` x `shrink`
    pixels."""
    turn, origin = 1 / to_crop.turn, -to_crop.shift / to_crop.turn
    corners = [turn * complex(x, y) + origin for x in (0, size_px) for y in (0, size_px)]
    region, x0, y0 = _cut_region(image, corners, shrink)
    if shrink > 1:
        region = np.asarray(Image.fromarray(np.ascontiguousarray(region)).reduce(shrink))
    grid = np.arange(size_px)
    # The middle of a block of n pixels lies (n - 1) / 2 after its first pixel.
    half = (shrink - 1) / 2
    x = (turn.real * grid[None, :] - turn.imag * grid[:, None] + (origin.real - x0 - half)) / shrink
    y = (turn.imag * grid[None, :] + turn.real * grid[:, None] + (origin.imag - y0 - half)) / shrink
    return _sample_bilinearly(region, x.ravel(), y.ravel()).reshape(size_px, size_px, 3)


def _cut_region(
    image: NDArray[np.uint8], corners: Sequence[complex], shrink: int
) -> tuple[NDArray[np.uint8], int, int]:
    """Cut out the part of `image` under the crop, with a margin for sampling; return it and its top
    left pixel.

    Pixels outside `image` are zero.
    """
    margin = 2 * shrink
    across, down = [z.real for z in corners], [z.imag for z in corners]
    x0, x1 = math.floor(min(across)) - margin, math.ceil(max(across)) + margin
    y0, y1 = math.floor(min(down)) - margin, math.ceil(max(down)) + margin
    return cut_out(image, x0, y0, x1, y1), x0, y0


def _sample_bilinearly(
    region: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Sample `region` at the pixel positions (x, y), which lie inside it, not on its last row or
    column: (n, 3)."""
    width = region.shape[1]
    column, row = x.astype(np.intp), y.astype(np.intp)
    x_share, y_share = (x - column).astype(np.float32), (y - row).astype(np.float32)
    corner = 3 * (row * width + column)
    values = region.ravel()
    samples = np.empty((len(x), 3), np.uint8)
    # a channel at a time takes half the time of gathering three-byte pixels
    for channel in range(3):
        steps = (channel, channel + 3, channel + 3 * width, channel + 3 * width + 3)
        # "clip" changes nothing inside, and without it `take` copies its answer
        a, b, c, d = (values[step:].take(corner, mode="clip").astype(np.float32) for step in steps)
        upper = a + (b - a) * x_share
        lower = c + (d - c) * x_share
        samples[:, channel] = upper + (lower - upper) * y_share + np.float32(0.5)
    return samples
