"""Pictures as float32 planes, the form that networks take, and their resizing.

onnxruntime resizes planes in a third of the time that Pillow takes for pixels, and its result needs no conversion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.vision.packs import session
from chalicelib.vision.pictures.crop import Square, cut, cut_out

Planes = NDArray[np.float32]
"""(3, height, width), 0..255, red first."""

Spread = Callable[[Callable[[int], None], Sequence[int]], object]
"""Does some work for each of the numbers, at any time and in any thread."""

PLAIN = 1.5
"""Largest ratio of a square's side to its planes' at which plain interpolation is used. A larger square needs Pillow's
averaging, otherwise boxes move twice as much from one copy of a picture to the next. Squares that are enlarged need
Pillow too, since half a pixel matters there."""


def in_turn(work: Callable[[int], None], parts: Sequence[int]) -> None:
    for part in parts:
        work(part)


def is_plain(side: float, size_px: int) -> bool:
    """Tell whether plain interpolation is good enough for a square of this side (see PLAIN)."""
    return size_px <= side <= PLAIN * size_px


def planes_of(image: NDArray[np.uint8]) -> Planes:
    """Convert a (height, width, 3) RGB picture to planes."""
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel in range(3):  # plane by plane is several times faster than one transposed copy
        planes[channel] = image[:, :, channel]
    return planes


def picture_of(planes: Planes) -> NDArray[np.uint8]:
    """Convert planes to a (height, width, 3) picture."""
    return np.ascontiguousarray(np.rint(planes).astype(np.uint8).transpose(1, 2, 0))


def resized(image: NDArray[np.uint8], size: tuple[int, int], spread: Spread = in_turn) -> Planes:
    """Resize a picture to (width, height) and return its planes; it is averaged first if shrunk to less than half.

    `spread` may do the colours side by side.
    """
    if max(size) > max(image.shape[:2]):
        return _enlarged(image, size)
    block = max(1, math.ceil(max(image.shape[:2]) / max(size)) - 1)
    if block > 1:
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).reduce(block))
    return planes_of(image) if size == image.shape[1::-1] else _interpolated(image.transpose(2, 0, 1), size, spread)


def interpolated(planes: Planes, size: tuple[int, int]) -> Planes:
    """Resize planes to (width, height), at least half of their size: at exactly a half all pixels count alike."""
    if size == (planes.shape[2], planes.shape[1]):
        return planes
    if max(size) > max(planes.shape[1:]):
        return _enlarged(picture_of(planes), size)
    return _interpolated(planes, size, in_turn)


def _interpolated(planes: Planes | NDArray[np.uint8], size: tuple[int, int], spread: Spread) -> Planes:
    session, sides = _interpolation("sides"), (1, 1, size[1], size[0])
    resized = np.empty((3, *sides[2:]), np.float32)

    def fill(colour: int) -> None:
        binding = session.io_binding()  # straight into its place: a copy would take a third more of the time
        binding.bind_cpu_input("planes", np.ascontiguousarray(planes[colour], np.float32)[None, None])
        binding.bind_cpu_input("sides", np.array(sides, np.int64))
        binding.bind_output("resized", "cpu", 0, np.float32, sides, resized[colour].ctypes.data)
        session.run_with_iobinding(binding)

    spread(fill, range(3))
    return resized


def _enlarged(image: NDArray[np.uint8], size: tuple[int, int]) -> Planes:
    """Enlarge with Pillow: whether a face in a small picture is found depends on how Pillow rounds."""
    whole = Image.fromarray(np.ascontiguousarray(image))
    return planes_of(np.asarray(whole.resize(size, Image.Resampling.BILINEAR)))


def square_of(image: NDArray[np.uint8], square: Square, size_px: int) -> Planes:
    """Return the planes of a square, `size_px` a side; black outside the picture.

    A square that `is_plain` begins at a whole pixel.
    """
    if not is_plain(square.side, size_px):
        return planes_of(cut(image, square, size_px))
    left, top, side = int(square.x), int(square.y), math.ceil(square.side) + 1
    scales = np.array([1, 1, *[size_px / square.side] * 2], np.float32)
    region = planes_of(cut_out(image, left, top, left + side, top + side))
    (answer,) = _interpolation("scales").run(None, {"planes": region[None], "scales": scales})
    return np.asarray(answer[0, :, :size_px, :size_px], np.float32)


def canvas(pictures: Sequence[Planes], channels: str, multiple_of: int) -> NDArray[np.float32]:
    """Stack planes of one size as (n, 3, height, width) in the order of `channels`, "RGB" or "BGR".

    Sides are filled up with zeros, right and bottom, to a multiple of `multiple_of`.
    """
    height, width = pictures[0].shape[1:]
    sides = (-(-height // multiple_of) * multiple_of, -(-width // multiple_of) * multiple_of)
    filled = np.empty((len(pictures), 3, *sides), np.float32)
    filled[:, :, height:], filled[:, :, :height, width:] = 0, 0
    for target, picture in zip(filled, pictures, strict=True):
        target[:, :height, :width] = picture if channels == "RGB" else picture[::-1]
    return filled


@cache
def _interpolation(by: str) -> Any:
    """Create the session of a linear resize by `sides` or `scales` (regulars_lab.models.resize wrote the files)."""
    return session.session_of(Path(__file__).with_name(f"resize_by_{by}.onnx").read_bytes())
