"""Crops in which a face lies as a network expects it: its five landmarks (eyes, nose tip, mouth
corners) are brought to fixed places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.pictures.crop import cut_out

Points = Sequence[tuple[float, float]]

SMALLEST_SCALE = 0.01
"""Smallest scale used: below it the eyes would be 5,000 pixels apart."""


class Similarity(Struct, frozen=True):
    """A map of the plane, z -> turn z + shift, with points as complex numbers x + iy."""

    turn: complex
    shift: complex

    @property
    def shrink(self) -> int:
        """Integer factor by which it shrinks a picture; 1 if it does not."""
        return max(1, int(1 / abs(self.turn) + 1e-9))  # just below a whole number is rounding


def fit_map(source: Points, target: Points) -> Similarity:
    """Return the map that brings the points `source` nearest to `target`, by least squared error.

    It turns, scales and shifts the plane, without reflection (Umeyama 1991, doi 10.1109/34.88573).
    With points about their means as complex numbers, z -> a z is best with a = sum(target *
    conj(source)) / sum(|source|^2). So the plane needs no SVD.
    """
    sources, targets = ([complex(x, y) for x, y in points] for points in (source, target))
    source_mean, target_mean = sum(sources) / len(sources), sum(targets) / len(targets)
    spread = sum(abs(z - source_mean) ** 2 for z in sources)
    products = sum(
        (w - target_mean) * (z - source_mean).conjugate()
        for z, w in zip(sources, targets, strict=True)
    )
    turn = products / spread if spread > 0 else complex(1)  # 0: all points are one
    if abs(turn) < SMALLEST_SCALE:
        turn = complex(SMALLEST_SCALE)
    return Similarity(turn, shift=target_mean - turn * source_mean)


def cut_upright(
    image: NDArray[np.uint8], landmarks: Points, factor: float, below: float, size_px: int
) -> NDArray[np.uint8]:
    """Return the face with its axis upright, as (size_px, size_px, 3); black outside `image`.

    The unit is the mean distance from an eye to the middle of the mouth. A smile does not change
    that, unlike the detector's box. The crop's side is `factor` units. Its centre lies `below`
    units under the middle of the eyes.
    """
    left_eye, right_eye, _, *mouth_corners = (complex(x, y) for x, y in landmarks)
    eyes, mouth = (left_eye + right_eye) / 2, sum(mouth_corners) / 2
    unit = max((abs(left_eye - mouth) + abs(right_eye - mouth)) / 2, 1.0)
    # The mean of the two axes that a face shows, across and down: one alone is off if the head is
    # turned.
    # The one down is turned by a quarter (/ 1j), so that both point across.
    across = _find_direction(right_eye - left_eye) + _find_direction((mouth - eyes) / 1j)
    axis = _find_direction(across) or complex(1)
    centre = eyes + 1j * axis * below * unit
    scale = size_px / (factor * unit)
    turn = scale * axis.conjugate()
    shift = complex(size_px / 2 - 0.5, size_px / 2 - 0.5) - turn * centre
    to_crop = Similarity(turn, shift)
    return warp(image, to_crop, size_px, to_crop.shrink)


def _find_direction(z: complex) -> complex:
    """Return `z` scaled to length 1; 0 stays 0."""
    return z / abs(z) if abs(z) > 0 else z


def align_face(
    image: NDArray[np.uint8], landmarks: Points, points: Points, size_px: int
) -> NDArray[np.uint8]:
    """Return the face, (size_px, size_px, 3), with its landmarks at `points`; black elsewhere.

    A face much larger than the crop is first averaged down by a whole factor. Otherwise bilinear
    sampling, which reads only four pixels, would lose the others, and show noise.
    """
    to_crop = fit_map(landmarks, points)
    return warp(image, to_crop, size_px, to_crop.shrink)


def warp(
    image: NDArray[np.uint8], to_crop: Similarity, size_px: int, shrink: int = 1
) -> NDArray[np.uint8]:
    """Return the crop, (size_px, size_px, 3), that a map makes of a picture, sampled bilinearly.

    `to_crop` maps the picture's points, as complex numbers x + iy, to the crop's. If `shrink` is
    more than 1, blocks of `shrink` x `shrink` pixels are averaged before. With 2, a region from
    x = 10 on has pixel 3 of the picture's pixels 16 and 17, whose middle is 10 + 3 * 2 + 0.5. So
    16.5 in the picture is (16.5 - 10 - 0.5) / 2 = 3 there.
    """
    # The map back: the crop's pixel 0, 0 comes from `origin`, the one to its right from a `step`
    # on, and the one below it from 1j * step on: a quarter turned.
    step, origin = 1 / to_crop.turn, -to_crop.shift / to_crop.turn
    corners = [step * complex(x, y) + origin for x in (0, size_px) for y in (0, size_px)]
    region = _cut_region(image, corners, margin=2 * shrink)
    pixels = region.pixels
    if shrink > 1:
        pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(shrink))
    # Where in the region does each pixel of the crop come from?
    to_middle = (shrink - 1) / 2  # from a block's first pixel
    origin_x = origin.real - region.left - to_middle
    origin_y = origin.imag - region.top - to_middle
    columns, rows = np.arange(size_px)[None, :], np.arange(size_px)[:, None]
    x = (step.real * columns - step.imag * rows + origin_x) / shrink
    y = (step.imag * columns + step.real * rows + origin_y) / shrink
    return _sample_bilinearly(pixels, x.ravel(), y.ravel()).reshape(size_px, size_px, 3)


class _Region(NamedTuple):
    """A part of a picture, and where in the picture its left upper pixel lies."""

    pixels: NDArray[np.uint8]
    left: int
    top: int


def _cut_region(image: NDArray[np.uint8], corners: Sequence[complex], margin: int) -> _Region:
    """Return the upright part of `image` about these corners, complex numbers, and a margin.

    Its pixels outside `image` are zero.
    """
    across, down = [z.real for z in corners], [z.imag for z in corners]
    x0, x1 = math.floor(min(across)) - margin, math.ceil(max(across)) + margin
    y0, y1 = math.floor(min(down)) - margin, math.ceil(max(down)) + margin
    return _Region(cut_out(image, x0, y0, x1, y1), left=x0, top=y0)


def _sample_bilinearly(
    region: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return the colours of `region` at the positions (x, y), as (n, 3).

    Each is the mean of the four pixels about it, weighted by how near they are. Positions lie
    inside the region, not on its last row or column.
    """
    width = region.shape[1]
    column, row = x.astype(np.intp), y.astype(np.intp)
    x_share, y_share = (x - column).astype(np.float32), (y - row).astype(np.float32)
    corner = 3 * (row * width + column)  # of the upper left pixel, in `values`
    values = region.ravel()
    samples = np.empty((len(x), 3), np.uint8)
    # A channel at a time takes half the time of gathering three-byte pixels.
    for channel in range(3):
        steps = (channel, channel + 3, channel + 3 * width, channel + 3 * width + 3)
        # "clip" changes nothing inside, and without it `take` copies its answer.
        upper_left, upper_right, lower_left, lower_right = (
            values[step:].take(corner, mode="clip").astype(np.float32) for step in steps
        )
        upper = upper_left + (upper_right - upper_left) * x_share
        lower = lower_left + (lower_right - lower_left) * x_share
        samples[:, channel] = upper + (lower - upper) * y_share + np.float32(0.5)
    return samples
