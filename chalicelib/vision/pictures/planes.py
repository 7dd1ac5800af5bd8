"""Pictures as planes of float32, which is what networks take, and their resizing.

onnxruntime resizes planes in a third of the time that Pillow takes for pixels, and what it makes needs no conversion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.vision.packs import protobuf, session
from chalicelib.vision.packs.protobuf import message, of_text
from chalicelib.vision.pictures.crop import Square, cut, cut_out

Planes = NDArray[np.float32]
"""(3, height, width), 0..255, red first."""

PLAIN = 1.5
"""How many times as large a face's surroundings may be as their planes, to be interpolated without more ado. What is
larger Pillow averages, or boxes move twice as much from one copy of a picture to the next; so they do for what is to be
enlarged, where half a pixel is much."""


def is_plain(side: float, size_px: int) -> bool:
    return size_px <= side <= PLAIN * size_px


def planes_of(image: NDArray[np.uint8]) -> Planes:
    """Those of a (height, width, 3) RGB picture."""
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel in range(3):  # plane by plane: several times faster than one transposed copy
        planes[channel] = image[:, :, channel]
    return planes


def picture_of(planes: Planes) -> NDArray[np.uint8]:
    """The (height, width, 3) picture of such planes."""
    return np.ascontiguousarray(np.rint(planes).astype(np.uint8).transpose(1, 2, 0))


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> Planes:
    """A picture's planes as (width, height) says; where that is less than half, averaged first."""
    if max(size) > max(image.shape[:2]):
        return _enlarged(image, size)
    block = max(1, math.ceil(max(image.shape[:2]) / max(size)) - 1)
    if block > 1:
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).reduce(block))
    return interpolated(planes_of(image), size)


def interpolated(planes: Planes, size: tuple[int, int]) -> Planes:
    """As (width, height) says, at least half of what it is, which has all pixels count alike at just a half."""
    if size == (planes.shape[2], planes.shape[1]):
        return planes
    if max(size) > max(planes.shape[1:]):
        return _enlarged(picture_of(planes), size)
    sides = np.array([1, 3, size[1], size[0]], np.int64)
    (answer,) = _interpolation(b"sides").run(None, {"planes": planes[None], "sides": sides})
    return np.asarray(answer[0], np.float32)


def _enlarged(image: NDArray[np.uint8], size: tuple[int, int]) -> Planes:
    """By Pillow: of small pictures, whose faces hang by the last digit that it rounds."""
    whole = Image.fromarray(np.ascontiguousarray(image))
    return planes_of(np.asarray(whole.resize(size, Image.Resampling.BILINEAR)))


def square_of(image: NDArray[np.uint8], square: Square, size_px: int) -> Planes:
    """The planes, `size_px` a side, of a square; black where it leaves the picture.

    Where it `is_plain`, it begins with a whole pixel.
    """
    if not is_plain(square.side, size_px):
        return planes_of(cut(image, square, size_px))
    left, top, side = int(square.x), int(square.y), math.ceil(square.side) + 1
    scales = np.array([1, 1, *[size_px / square.side] * 2], np.float32)
    region = planes_of(cut_out(image, left, top, left + side, top + side))
    (answer,) = _interpolation(b"scales").run(None, {"planes": region[None], "scales": scales})
    return np.asarray(answer[0, :, :size_px, :size_px], np.float32)


def canvas(pictures: Sequence[Planes], channels: str, multiple_of: int) -> NDArray[np.float32]:
    """(n, 3, height, width) in the order of `channels`, "RGB" or "BGR", of planes of one size.

    Sides are filled up with zeros, right and bottom, to a multiple of `multiple_of`.
    """
    height, width = pictures[0].shape[1:]
    sides = (-(-height // multiple_of) * multiple_of, -(-width // multiple_of) * multiple_of)
    filled = np.zeros((len(pictures), 3, *sides), np.float32)
    for target, picture in zip(filled, pictures, strict=True):
        target[:, :height, :width] = picture if channels == "RGB" else picture[::-1]
    return filled


@cache
def _interpolation(by: bytes) -> Any:
    """A session of one operation: linear, pixels' middles on pixels' middles, by `sides` or `scales`."""
    inputs = [b"planes", b"", *([b"scales"] if by == b"scales" else [b"", b"sides"])]
    resize = protobuf.node(b"Resize", inputs, b"resized", [of_text(b"mode", b"linear")])
    asked = _value(11, by, 1 if by == b"scales" else 7)
    graph = b"".join([resize, message(2, b"resize"), _value(11, b"planes", 1), asked, _value(12, b"resized", 1)])
    opset = message(8, protobuf.integer(2, 13))
    return session.session_of(protobuf.integer(1, 8) + message(7, graph) + opset)


def _value(number: int, name: bytes, kind: int) -> bytes:
    """An input or output of the graph: 1 is float32, 7 int64."""
    return message(number, message(1, name) + message(2, message(1, protobuf.integer(1, kind))))
