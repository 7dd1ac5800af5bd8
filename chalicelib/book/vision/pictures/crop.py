"""Square crops about a face, batches of them, and pictures as float32 planes: the forms that models
take.

onnxruntime resizes planes in a third of the time that Pillow takes for pixels, and its result needs
no conversion.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.packs import session
from chalicelib.book.vision.packs.manifest import WHITE
from chalicelib.domain.pictures import BoundingBox, FaceJpeg, Sides

Planes = NDArray[np.float32]
"""(3, height, width), 0..255, red first."""

Spread = Callable[[Callable[[int], None], Sequence[int]], object]
"""Does some work for each of the numbers, at any time and in any thread."""

PLAIN = 1.5
"""Largest ratio of a square's side to its planes' at which plain interpolation is used. A larger
square needs Pillow's averaging, otherwise boxes move twice as much from one copy of a picture to
the next. Squares that are enlarged need Pillow too, since half a pixel matters there."""


def in_turn(work: Callable[[int], None], parts: Sequence[int]) -> None:
    for part in parts:
        work(part)


def is_plain(side: float, size_px: int) -> bool:
    """Tell whether plain interpolation is good enough for a square of this side (see PLAIN)."""
    return size_px <= side <= PLAIN * size_px


def make_planes(image: NDArray[np.uint8]) -> Planes:
    """Convert a (height, width, 3) RGB picture to planes."""
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel in range(3):  # plane by plane is several times faster than one transposed copy
        planes[channel] = image[:, :, channel]
    return planes


def resize_picture(
    image: NDArray[np.uint8], size: tuple[int, int], spread: Spread = in_turn
) -> Planes:
    """Resize a picture to (width, height) and return its planes; it is averaged first if shrunk to
    less than half.

    `spread` may do the colours side by side.
    """
    if max(size) > max(image.shape[:2]):
        # Whether a face in a small picture is found depends on how Pillow rounds.
        whole = Image.fromarray(np.ascontiguousarray(image))
        return make_planes(np.asarray(whole.resize(size, Image.Resampling.BILINEAR)))
    block = max(1, math.ceil(max(image.shape[:2]) / max(size)) - 1)
    if block > 1:
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).reduce(block))
    return (
        make_planes(image)
        if size == image.shape[1::-1]
        else _interpolate_planes(image.transpose(2, 0, 1), size, spread)
    )


def _interpolate_planes(planes: NDArray[np.uint8], size: tuple[int, int], spread: Spread) -> Planes:
    """Resize the three colours of a picture to (width, height), bilinearly, by onnxruntime.

    `planes`: shape (3, rows, columns), values 0 to 255; the result has the same form. `spread`:
    does the colours in turn or side by side.
    """
    session, sides = _load_interpolation("sides"), (1, 1, size[1], size[0])
    resized = np.empty((3, *sides[2:]), np.float32)

    def fill(colour: int) -> None:
        # straight into its place: a copy would take a third more of the time
        binding = session.io_binding()
        binding.bind_cpu_input(
            "planes", np.ascontiguousarray(planes[colour], np.float32)[None, None]
        )
        binding.bind_cpu_input("sides", np.array(sides, np.int64))
        binding.bind_output("resized", "cpu", 0, np.float32, sides, resized[colour].ctypes.data)
        session.run_with_iobinding(binding)

    spread(fill, range(3))
    return resized


def cut_planes_of_square(image: NDArray[np.uint8], square: Square, size_px: int) -> Planes:
    """Return the planes of a square, `size_px` a side; black outside the picture.

    A square that `is_plain` begins at a whole pixel.
    """
    if not is_plain(square.side, size_px):
        return make_planes(cut(image, square, size_px))
    left, top, side = int(square.x), int(square.y), math.ceil(square.side) + 1
    scales = np.array([1, 1, *[size_px / square.side] * 2], np.float32)
    region = make_planes(cut_out(image, left, top, left + side, top + side))
    (answer,) = _load_interpolation("scales").run(None, {"planes": region[None], "scales": scales})
    return np.asarray(answer[0, :, :size_px, :size_px], np.float32)


def stack_planes(
    pictures: Sequence[Planes], channels: str, multiple_of: int
) -> NDArray[np.float32]:
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
def _load_interpolation(by: str) -> Any:
    """Create the session of a linear resize by `sides` or `scales` (regulars_lab.models.resize
    wrote the files)."""
    return session.session_of(Path(__file__).with_name(f"resize_by_{by}.onnx").read_bytes())


class Square(Struct, frozen=True):
    """A square of the upright picture in pixels; it may reach over the picture's edge."""

    x: float
    y: float
    side: float


def enclose_box(box: BoundingBox, factor: float) -> Square:
    """Return the square about the box's centre whose side is `factor` times the box's longer
    side."""
    side = factor * max(box.width, box.height)
    return Square(box.x + (box.width - side) / 2, box.y + (box.height - side) / 2, side)


def cut(image: NDArray[np.uint8], square: Square, size_px: int) -> NDArray[np.uint8]:
    """Cut out the square and resize it to (size_px, size_px, 3), antialiased; black outside the
    picture."""
    x0, y0 = math.floor(square.x), math.floor(square.y)
    x1 = max(math.ceil(square.x + square.side), x0 + 1)
    y1 = max(math.ceil(square.y + square.side), y0 + 1)
    region = Image.fromarray(np.ascontiguousarray(cut_out(image, x0, y0, x1, y1)))
    exact = (square.x - x0, square.y - y0, square.x - x0 + square.side, square.y - y0 + square.side)
    return np.asarray(
        region.resize((size_px, size_px), Image.Resampling.BILINEAR, box=exact, reducing_gap=1.0)
    )


def cut_inside(
    image: NDArray[np.uint8], box: BoundingBox, factor: float, size_px: int
) -> NDArray[np.uint8]:
    """Enlarge the box `factor` times, shrink and shift it until it lies inside the picture, and
    resize it to a square.

    The box's proportions are lost: MiniFASNet was trained like that
    (minivision-ai/Silent-Face-Anti-Spoofing, CropImage).
    """
    height, width = image.shape[:2]
    fitting = min(factor, (width - 1) / max(box.width, 1), (height - 1) / max(box.height, 1))
    wide, high = max(box.width * fitting, 1.0), max(box.height * fitting, 1.0)
    left = min(max(box.x + (box.width - wide) / 2, 0.0), max(width - 1 - wide, 0.0))
    top = min(max(box.y + (box.height - high) / 2, 0.0), max(height - 1 - high, 0.0))
    region = image[int(top) : int(top + high) + 1, int(left) : int(left + wide) + 1]
    cut_picture = Image.fromarray(np.ascontiguousarray(region))
    return np.asarray(
        cut_picture.resize((size_px, size_px), Image.Resampling.BILINEAR, reducing_gap=1.0)
    )


def cut_turned(
    image: NDArray[np.uint8], square: Square, turn: float, size_px: int
) -> NDArray[np.uint8]:
    """Cut out the square turned clockwise about its centre by `turn` radians, as `cut` does."""
    half, block = square.side / 2, max(round(square.side / size_px), 1)
    x, y = square.x + half, square.y + half
    reach = half * (abs(math.cos(turn)) + abs(math.sin(turn))) + block
    left = math.floor(x - reach)
    top = math.floor(y - reach)
    sides = math.ceil(2 * reach / block + 1) * block
    region = Image.fromarray(
        np.ascontiguousarray(cut_out(image, left, top, left + sides, top + sides))
    )
    scale = square.side / size_px / block
    across, down = scale * math.cos(turn), scale * math.sin(turn)
    begin_x = (x - left) / block - (across - down) * size_px / 2
    begin_y = (y - top) / block - (across + down) * size_px / 2
    matrix = (across, -down, begin_x, down, across, begin_y)
    turned = region.reduce(block).transform(
        (size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(turned)


LARGEST_GAIN = 10.0
"""Largest gain of `brighten_crop`: beyond it only the camera's noise gets brighter."""


def cut_out(image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
    """Return columns x0..x1 and rows y0..y1 of the picture.

    It is a view if all of them lie inside the picture, else a copy, black outside.
    """
    height, width = image.shape[:2]
    left, top = min(max(x0, 0), width), min(max(y0, 0), height)
    right, bottom = min(max(x1, left), width), min(max(y1, top), height)
    region = image[top:bottom, left:right]
    if (left, top, right, bottom) == (x0, y0, x1, y1):
        return region
    padded = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    padded[top - y0 : bottom - y0, left - x0 : right - x0] = region
    return padded


def brighten_crop(crop: NDArray[np.uint8], least_mean: float) -> NDArray[np.uint8]:
    """Brighten the (n, n, 3) crop so that the mean of its middle is `least_mean`, if it is lower.

    The middle is half as wide and high as the crop. It is the face, and inside the picture even if
    the crop's rim is not.
    """
    quarter = crop.shape[0] // 4
    mean = float(crop[quarter:-quarter, quarter:-quarter].mean())
    if mean >= least_mean:
        return crop
    gain = min(least_mean / max(mean, 1.0), LARGEST_GAIN)
    return np.asarray(np.minimum(crop * np.float32(gain) + 0.5, WHITE)).astype(np.uint8)


def stack_pictures(pictures: Sequence[NDArray[np.uint8]], channels: str) -> NDArray[np.float32]:
    """Stack RGB pictures of one size as (n, channels, height, width) float32 0..255, in the order
    of `channels`.

    L in `channels` is the luminance of ITU-R 601.
    """
    filled = np.empty((len(pictures), len(channels), *pictures[0].shape[:2]), np.float32)
    for target, picture in zip(filled, pictures, strict=True):
        # plane by plane is several times faster than one transposed copy
        for channel, name in enumerate(channels):
            target[channel] = (
                _luminance(picture) if name == "L" else picture[:, :, "RGB".index(name)]
            )
    return filled


def _luminance(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).convert("L"))


KEPT_FACTOR = 2.4
"""Side of a kept picture over the box's longer side: enough for a second look of the detector
(book/vision/detect/detect.py)."""

KEPT_SIDE_PX = 640
"""Longest side of a face's kept picture, in pixels. The networks look at 112 to 224 of the face in
it."""
KEPT_JPEG_QUALITY = 95
"""JPEG quality of a face's kept picture: a new model embeds it again, so little may be lost."""


THUMBNAIL_SIDE_PX = 160
"""Longest side of a face's small picture, in pixels."""
THUMBNAIL_QUALITY = 80
"""A grid of sixty faces then is 0.3 MB in place of 5."""


DIMMED = 0.35
"""Brightness of what lies outside of the face that is meant, if another shows."""

DIMMED_FACTOR = 1.3
"""Sides of what stays bright over those of the face's box."""


def encode_face(
    image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox] = ()
) -> FaceJpeg:
    """Encode the part of the square about the box that lies inside the picture, at most
    KEPT_SIDE_PX a side.

    Nothing is padded: a square cut off by the picture's edge stays cut off. The thumbnail is the
    same, only smaller, and shows the one that is meant if one of the `others` is in it, too.
    """
    square = _find_kept_square(image, box)
    picture = _shrink(_cut_square(image, square))
    meant = _place_in_square(box, square, picture) if square.shows_any(others) else None
    small = make_thumbnail(
        picture if meant is None else _shrink(_dim_others(_cut_square(image, square), box, square))
    )
    data = _encode_jpeg(picture, quality=KEPT_JPEG_QUALITY, subsampling="4:4:4")
    return FaceJpeg(data, small, Sides(*picture.size), meant)


def show_face(image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]) -> bytes:
    """Encode the same part to look at: if one of the others is in it, all but the face that is
    meant is darker."""
    square = _find_kept_square(image, box)
    part = _cut_square(image, square)
    shown = _dim_others(part, box, square) if square.shows_any(others) else part
    return _encode_jpeg(_shrink(shown), quality=KEPT_JPEG_QUALITY)


class _Square(NamedTuple):
    """The part of a picture that is kept of a face, in pixels; `right` and `bottom` lie outside of
    it."""

    left: int
    top: int
    right: int
    bottom: int

    def shows_any(self, boxes: Sequence[BoundingBox]) -> bool:
        """Return whether the middle of one of these faces lies in it."""
        centres = [(box.x + box.width / 2, box.y + box.height / 2) for box in boxes]
        return any(self.left <= x < self.right and self.top <= y < self.bottom for x, y in centres)


def _find_kept_square(image: NDArray[np.uint8], box: BoundingBox) -> _Square:
    square = enclose_box(box, KEPT_FACTOR)
    height, width = image.shape[:2]
    return _Square(
        max(math.floor(square.x), 0),
        max(math.floor(square.y), 0),
        min(math.ceil(square.x + square.side), width),
        min(math.ceil(square.y + square.side), height),
    )


def _cut_square(image: NDArray[np.uint8], square: _Square) -> Image.Image:
    return Image.fromarray(
        np.ascontiguousarray(image[square.top : square.bottom, square.left : square.right])
    )


def _dim_others(part: Image.Image, box: BoundingBox, square: _Square) -> Image.Image:
    """Return the part of a picture in `square` darkened, but for the face in `box`."""
    wide, high = box.width * DIMMED_FACTOR, box.height * DIMMED_FACTOR
    x = box.x + (box.width - wide) / 2 - square.left
    y = box.y + (box.height - high) / 2 - square.top
    left, top, right, bottom = (
        round(side)
        for side in (max(x, 0), max(y, 0), min(x + wide, part.width), min(y + high, part.height))
    )
    bright_area = (left, top, right, bottom)
    dimmed = part.point(lambda value: value * DIMMED)
    dimmed.paste(part.crop(bright_area), bright_area)
    return dimmed


def _shrink(part: Image.Image) -> Image.Image:
    """Return the part with KEPT_SIDE_PX a side at most. The image that is given may be changed."""
    # Its template is as near the picture's as with Lanczos' filter (0.9965 and 0.9961), which takes
    # twice the time.
    part.thumbnail((KEPT_SIDE_PX, KEPT_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return part


def _place_in_square(box: BoundingBox, square: _Square, picture: Image.Image) -> BoundingBox:
    """Return where the face is in the picture of its square, in the picture's pixels."""
    scale = picture.width / (square.right - square.left)
    sides = (box.x - square.left, box.y - square.top, box.width, box.height)
    return BoundingBox(*(round(side * scale, 1) for side in sides))


def make_thumbnail(picture: Image.Image, side_px: int = THUMBNAIL_SIDE_PX) -> bytes:
    """Encode the picture so small that many are shown at once."""
    small = picture.copy()  # averaged by whole blocks first, it takes a quarter of the time
    small.thumbnail((side_px, side_px), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return _encode_jpeg(small, quality=THUMBNAIL_QUALITY)


class _Jpeg(io.BytesIO):
    """A file whose name tells Pillow the format.

    Told by the word JPEG, it imports four others, too.
    """

    name = "face.jpg"


def _encode_jpeg(picture: Image.Image, **options: Any) -> bytes:
    target = _Jpeg()
    picture.save(target, **options)
    return target.getvalue()


HIDDEN_FACTOR = 1.4
"""Sides of what is hidden over those of the face's box, which ends at the forehead."""

HIDDEN_CELLS = 4
"""Cells a side that a hidden face is averaged to: nobody is recognised by 16 colours."""


def hide_faces(image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
    """Encode the whole picture as JPEG with these faces averaged to a few cells, which nothing can
    undo."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    for box in boxes:
        more_x, more_y = (side * (HIDDEN_FACTOR - 1) / 2 for side in (box.width, box.height))
        left, top = max(math.floor(box.x - more_x), 0), max(math.floor(box.y - more_y), 0)
        right = min(math.ceil(box.x + box.width + more_x), picture.width)
        bottom = min(math.ceil(box.y + box.height + more_y), picture.height)
        if left < right and top < bottom:
            region = picture.crop((left, top, right, bottom))
            cells = region.resize((HIDDEN_CELLS, HIDDEN_CELLS), Image.Resampling.BOX)
            picture.paste(cells.resize(region.size, Image.Resampling.BILINEAR), (left, top))
    return _encode_jpeg(picture, quality=KEPT_JPEG_QUALITY)
