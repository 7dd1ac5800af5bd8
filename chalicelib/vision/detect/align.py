"""Five-point alignment: the similarity transform that puts a face's landmarks at fixed places, and the warp by it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.vision.pictures.crop import cut_out

Points = Sequence[tuple[float, float]]

SMALLEST_SCALE = 0.01
"""Smallest scale used. Below it the landmarks cannot be a face's: its eyes would be 5,000 pixels apart."""


def similarity(source: Points, target: Points) -> NDArray[np.float64]:
    """Fit the (2, 3) matrix of rotation, scale and shift that maps `source` to `target` with the least squared error.

    Umeyama 1991 (doi 10.1109/34.88573) without reflection. In the plane it needs no SVD: with points as complex numbers
    about their means, z -> a z is best with a = sum(target * conj(source)) / sum(|source|^2).
    """
    s = np.array([complex(x, y) for x, y in source])
    t = np.array([complex(x, y) for x, y in target])
    s_mean, t_mean = s.mean(), t.mean()
    spread = float(np.sum(np.abs(s - s_mean) ** 2))
    a = complex(np.sum((t - t_mean) * np.conj(s - s_mean))) / spread if spread > 0 else complex(1)
    if abs(a) < SMALLEST_SCALE:
        a = complex(SMALLEST_SCALE)
    b = t_mean - a * s_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def upright(
    image: NDArray[np.uint8], landmarks: Points, factor: float, below: float, size_px: int
) -> NDArray[np.uint8]:
    """Cut out the face with its axis upright, as a (size_px, size_px, 3) picture; black outside `image`.

    The unit is the mean distance from an eye to the middle of the mouth. Unlike the detector's box and the mouth's
    width, it does not change with a smile. The crop's side is `factor` units; its centre lies `below` units under the
    middle of the eyes.
    """
    left_eye, right_eye, _, *mouth_corners = (complex(x, y) for x, y in landmarks)
    eyes, mouth = (left_eye + right_eye) / 2, sum(mouth_corners) / 2
    unit = max((abs(left_eye - mouth) + abs(right_eye - mouth)) / 2, 1.0)
    # The mean of the two axes that a face shows, across and down: one alone is off if the head is turned.
    across = _direction(right_eye - left_eye) + _direction((mouth - eyes) / 1j)
    axis = _direction(across) or complex(1)
    scale = size_px / (factor * unit)
    turn = scale * axis.conjugate()
    shift = complex(size_px / 2 - 0.5, size_px / 2 - 0.5) - turn * (eyes + 1j * axis * below * unit)
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return warp(image, matrix, size_px, shrink=max(1, int(1 / scale)))


def _direction(z: complex) -> complex:
    """Scale `z` to length 1; 0 stays 0."""
    return z / abs(z) if abs(z) > 0 else z


def aligned(image: NDArray[np.uint8], landmarks: Points, points: Points, size_px: int) -> NDArray[np.uint8]:
    """Cut out the face as a (size_px, size_px, 3) picture with its landmarks at `points`; black outside `image`.

    A face much larger than the crop is first averaged down by a whole factor. Bilinear sampling reads only four pixels,
    so without the averaging the others would be lost and show as noise.
    """
    matrix = similarity(landmarks, points)
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    return warp(image, matrix, size_px, shrink=max(1, int(1 / scale)))


def warp(image: NDArray[np.uint8], matrix: NDArray[np.float64], size_px: int, shrink: int = 1) -> NDArray[np.uint8]:
    """Warp bilinearly by the similarity `matrix` (picture to crop), after averaging `shrink` x `shrink` pixels."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    corners = inverse @ np.array([[0, size_px, 0, size_px], [0, 0, size_px, size_px], [1, 1, 1, 1]])
    region, x0, y0 = _region(image, corners, shrink)
    if shrink > 1:
        region = np.asarray(Image.fromarray(np.ascontiguousarray(region)).reduce(shrink))
    grid = np.arange(size_px)
    # The middle of a block of n pixels lies (n - 1) / 2 after its first pixel.
    half = (shrink - 1) / 2
    x = (inverse[0, 0] * grid[None, :] + inverse[0, 1] * grid[:, None] + inverse[0, 2] - x0 - half) / shrink
    y = (inverse[1, 0] * grid[None, :] + inverse[1, 1] * grid[:, None] + inverse[1, 2] - y0 - half) / shrink
    return _bilinear(region, x.ravel(), y.ravel()).reshape(size_px, size_px, 3)


def _region(image: NDArray[np.uint8], corners: NDArray[np.float64], shrink: int) -> tuple[NDArray[np.uint8], int, int]:
    """Cut out the part of `image` under the crop, with a margin for sampling; return it and its top left pixel.

    Pixels outside `image` are zero.
    """
    margin = 2 * shrink
    x0, x1 = math.floor(corners[0].min()) - margin, math.ceil(corners[0].max()) + margin
    y0, y1 = math.floor(corners[1].min()) - margin, math.ceil(corners[1].max()) + margin
    return cut_out(image, x0, y0, x1, y1), x0, y0


def _bilinear(region: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Sample `region` at the pixel positions (x, y), which lie inside it: (n, 3)."""
    height, width = region.shape[:2]
    column = np.clip(x.astype(np.intp), 0, width - 2)
    row = np.clip(y.astype(np.intp), 0, height - 2)
    right, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    corner = row * width + column
    samples = np.empty((len(x), 3), np.uint8)
    for channel in range(3):  # plane by plane takes half the time of gathering three-byte pixels
        plane = region[:, :, channel].astype(np.float32).ravel()
        a, b, c, d = (plane.take(corner + step) for step in (0, 1, width, width + 1))
        upper = a + (b - a) * right
        lower = c + (d - c) * right
        samples[:, channel] = upper + (lower - upper) * down + 0.5
    return samples
