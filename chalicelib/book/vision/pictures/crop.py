"""Square crops about a face, for models and to be kept; pictures as float32 planes, which models
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
    """Do the work for one part after the other: the plain `Spread`."""
    for part in parts:
        work(part)


def is_plain(side: float, size_px: int) -> bool:
    """Tell whether plain interpolation is good enough to show a square of this side in `size_px`
    pixels.

    PLAIN says why not always.
    """
    return size_px <= side <= PLAIN * size_px


def make_planes(image: NDArray[np.uint8]) -> Planes:
    """Return a (height, width, 3) RGB picture as planes: (3, height, width), float32."""
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel in range(3):  # plane by plane is several times faster than one transposed copy
        planes[channel] = image[:, :, channel]
    return planes


def resize_picture(
    image: NDArray[np.uint8], size: tuple[int, int], spread: Spread = in_turn
) -> Planes:
    """Return a picture, resized to (width, height), as planes.

    Interpolation reads two pixels a side, so it may at most halve the sides. A picture that shrinks
    more is averaged by blocks before. From 1000 pixels to 300, blocks of 3 leave 334. `spread` may
    do the three colours side by side.
    """
    long_side, wanted_long_side = max(image.shape[:2]), max(size)
    if wanted_long_side > long_side:
        # Pillow rounds to whole levels, else than onnxruntime. Small pictures are enlarged, and
        # whether a face in them is found depends on that.
        whole = Image.fromarray(np.ascontiguousarray(image))
        return make_planes(np.asarray(whole.resize(size, Image.Resampling.BILINEAR)))
    # The largest block that leaves more pixels than wanted: 3 if it shrinks 3.3 times, or 4 times.
    block_px = max(1, math.ceil(long_side / wanted_long_side) - 1)
    if block_px > 1:
        image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).reduce(block_px))
    if size == image.shape[1::-1]:
        return make_planes(image)
    return _interpolate_planes(image.transpose(2, 0, 1), size, spread)


def _interpolate_planes(planes: NDArray[np.uint8], size: tuple[int, int], spread: Spread) -> Planes:
    """Return the three colours of a picture resized to (width, height), bilinearly, by onnxruntime.

    `planes` is (3, rows, columns), 0 to 255. `spread` does the colours in turn or side by side.
    """
    session = _load_interpolation("sides")
    width, height = size
    sides = (1, 1, height, width)
    resized = np.empty((3, height, width), np.float32)

    def fill(colour: int) -> None:
        plane = np.ascontiguousarray(planes[colour], np.float32)[None, None]
        binding = session.io_binding()
        binding.bind_cpu_input("planes", plane)
        binding.bind_cpu_input("sides", np.array(sides, np.int64))
        # Straight into its place: a copy would take a third more of the time.
        binding.bind_output("resized", "cpu", 0, np.float32, sides, resized[colour].ctypes.data)
        session.run_with_iobinding(binding)

    spread(fill, range(3))
    return resized


def cut_planes_of_square(image: NDArray[np.uint8], square: Square, size_px: int) -> Planes:
    """Return a square's contents as planes, `size_px` a side; black outside the picture.

    A square that is little larger than its planes (`is_plain`) is interpolated by onnxruntime,
    which is faster. Then it has to begin at a whole pixel, as `frame_box` lets it. One of 300
    pixels is cut with a pixel more, 301 a side, since the last ones are interpolated with that.
    Scaled by 224 / 300, these are 224.7, of which the first 224 are returned.
    """
    if not is_plain(square.side, size_px):
        return make_planes(cut(image, square, size_px))
    left, top, side = int(square.x), int(square.y), math.ceil(square.side) + 1
    region = make_planes(cut_out(image, left, top, left + side, top + side))
    scale = size_px / square.side
    # Of each axis: one picture, its three colours, height and width.
    scales = np.array([1, 1, scale, scale], np.float32)
    inputs = {"planes": region[None], "scales": scales}
    (resized,) = _load_interpolation("scales").run(None, inputs)
    return np.asarray(resized[0, :, :size_px, :size_px], np.float32)


def stack_planes(
    pictures: Sequence[Planes], channels: str, multiple_of: int
) -> NDArray[np.float32]:
    """Return planes of one size as one batch, (n, 3, height, width).

    `channels` is the order of the colours, "RGB" or "BGR". Sides are filled up with zeros, right
    and bottom, to a multiple of `multiple_of`.
    """
    height, width = pictures[0].shape[1:]
    whole_height = math.ceil(height / multiple_of) * multiple_of
    whole_width = math.ceil(width / multiple_of) * multiple_of
    filled = np.empty((len(pictures), 3, whole_height, whole_width), np.float32)
    filled[:, :, height:] = 0
    filled[:, :, :height, width:] = 0
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
    """Return the square about a box, with sides of `factor` times its longer one."""
    side = factor * max(box.width, box.height)
    return Square(box.x + (box.width - side) / 2, box.y + (box.height - side) / 2, side)


def cut(image: NDArray[np.uint8], square: Square, size_px: int) -> NDArray[np.uint8]:
    """Return a square's contents, (size_px, size_px, 3), antialiased, black outside `image`."""
    # The whole pixels about it, one at least, and the square's exact place in them.
    x0, y0 = math.floor(square.x), math.floor(square.y)
    x1 = max(math.ceil(square.x + square.side), x0 + 1)
    y1 = max(math.ceil(square.y + square.side), y0 + 1)
    region = Image.fromarray(np.ascontiguousarray(cut_out(image, x0, y0, x1, y1)))
    left, top = square.x - x0, square.y - y0
    exact = (left, top, left + square.side, top + square.side)
    # With the gap, Pillow averages whole blocks first where it shrinks much: that is faster.
    return np.asarray(
        region.resize((size_px, size_px), Image.Resampling.BILINEAR, box=exact, reducing_gap=1.0)
    )


def cut_inside(
    image: NDArray[np.uint8], box: BoundingBox, factor: float, size_px: int
) -> NDArray[np.uint8]:
    """Return the box and its surroundings, as (size_px, size_px, 3), all from inside the picture.

    The box is enlarged `factor` times, then shrunk and shifted until it lies inside. Its
    proportions change, as they did when MiniFASNet was trained
    (minivision-ai/Silent-Face-Anti-Spoofing, CropImage).
    """
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    # Shrunk: enlarged by less, if else it were larger than the picture.
    most_across, most_down = last_column / max(box.width, 1), last_row / max(box.height, 1)
    fitting_factor = min(factor, most_across, most_down)
    wide, high = max(box.width * fitting_factor, 1.0), max(box.height * fitting_factor, 1.0)
    # Shifted: about the box's centre, or as near to that as lies inside.
    left = min(max(box.x + (box.width - wide) / 2, 0.0), max(last_column - wide, 0.0))
    top = min(max(box.y + (box.height - high) / 2, 0.0), max(last_row - high, 0.0))
    region = image[int(top) : int(top + high) + 1, int(left) : int(left + wide) + 1]
    part = Image.fromarray(np.ascontiguousarray(region))
    return np.asarray(part.resize((size_px, size_px), Image.Resampling.BILINEAR, reducing_gap=1.0))


def cut_turned(
    image: NDArray[np.uint8], square: Square, turn: float, size_px: int
) -> NDArray[np.uint8]:
    """Return the contents of a square turned clockwise about its centre by `turn` radians.

    It is (size_px, size_px, 3), and black outside the picture. Turning averages nothing. So the
    upright region about the square is averaged by blocks before. Of a square of 440 pixels shown in
    200, blocks of 2 leave 220. A pixel of the result then is 1.1 of the region's.
    """
    block_px = max(round(square.side / size_px), 1)
    half = square.side / 2
    centre_x, centre_y = square.x + half, square.y + half
    # The upright square about the turned one, and a block more on each side.
    reach = half * (abs(math.cos(turn)) + abs(math.sin(turn))) + block_px
    left, top = math.floor(centre_x - reach), math.floor(centre_y - reach)
    side = math.ceil(2 * reach / block_px + 1) * block_px  # whole blocks
    upright = cut_out(image, left, top, left + side, top + side)
    region = Image.fromarray(np.ascontiguousarray(upright)).reduce(block_px)
    # A step to the right in the result is (across, down) in the region, one down (-down, across).
    scale = square.side / size_px / block_px
    across, down = scale * math.cos(turn), scale * math.sin(turn)
    # The result's corner in the region: from the centre half of all steps back.
    corner_x = (centre_x - left) / block_px - (across - down) * size_px / 2
    corner_y = (centre_y - top) / block_px - (across + down) * size_px / 2
    matrix = (across, -down, corner_x, down, across, corner_y)
    turned = region.transform(
        (size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(turned)


LARGEST_GAIN = 10.0
"""Largest gain of `brighten_crop`: beyond it only the camera's noise gets brighter."""


def cut_out(image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
    """Return columns x0..x1 and rows y0..y1 of the picture, black outside it.

    It is a view of the picture if all of them lie inside, else a copy.
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
    """Return the (n, n, 3) crop so bright that the mean of its middle is `least_mean`, or as it is.

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
    """Return RGB pictures of one size as one batch, (n, channels, height, width), 0..255.

    `channels` is the order of the colours, such as "BGR". L is the luminance of ITU-R 601.
    """
    filled = np.empty((len(pictures), len(channels), *pictures[0].shape[:2]), np.float32)
    for target, picture in zip(filled, pictures, strict=True):
        # Plane by plane is several times faster than one transposed copy.
        for place, channel in enumerate(channels):
            if channel == "L":
                target[place] = _luminance(picture)
            else:
                target[place] = picture[:, :, "RGB".index(channel)]
    return filled


def _luminance(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).convert("L"))


KEPT_FACTOR = 2.4
"""Side of a kept picture over the box's longer side: enough for a second look of the detector
(book/vision/detect/detect.py)."""

KEPT_SIDE_PX = 640
"""Longest side of a face's kept picture, in pixels; networks look at 112 to 224 of them."""
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
    """Return the pictures that are kept of a face, as JPEG: one for models, and a thumbnail.

    They show the square about the box as far as it is inside the picture, at most KEPT_SIDE_PX a
    side. `others` are the boxes of the picture's other faces. If one is in the square, too, the
    thumbnail darkens all but the face, and the result says where that is.
    """
    square = _find_kept_square(image, box)
    picture = _shrink(_cut_square(image, square))
    shown, place = picture, None
    if square.shows_any(others):
        place = _place_in_square(box, square, picture)
        shown = _shrink(_dim_others(_cut_square(image, square), box, square))
    thumbnail = make_thumbnail(shown)
    data = _encode_jpeg(picture, quality=KEPT_JPEG_QUALITY, subsampling="4:4:4")
    return FaceJpeg(data, thumbnail, sides=Sides(*picture.size), meant=place)


def show_face(image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]) -> bytes:
    """Return a JPEG of the face for people to look at, of the part that `encode_face` keeps.

    If one of the others is in it, all but the face that is meant is darker.
    """
    square = _find_kept_square(image, box)
    part = _cut_square(image, square)
    shown = _dim_others(part, box, square) if square.shows_any(others) else part
    return _encode_jpeg(_shrink(shown), quality=KEPT_JPEG_QUALITY)


class _Square(NamedTuple):
    """The part of a picture that is kept of a face; `right` and `bottom` lie outside of it."""

    left: int
    top: int
    right: int
    bottom: int

    def shows_any(self, boxes: Sequence[BoundingBox]) -> bool:
        """Return whether the middle of one of these faces lies in it."""
        centres = [(box.x + box.width / 2, box.y + box.height / 2) for box in boxes]
        return any(self.left <= x < self.right and self.top <= y < self.bottom for x, y in centres)


def _find_kept_square(image: NDArray[np.uint8], box: BoundingBox) -> _Square:
    """Return what is kept of a face: the square about it, as far as the picture reaches."""
    square = enclose_box(box, KEPT_FACTOR)
    height, width = image.shape[:2]
    return _Square(
        left=max(math.floor(square.x), 0),
        top=max(math.floor(square.y), 0),
        right=min(math.ceil(square.x + square.side), width),
        bottom=min(math.ceil(square.y + square.side), height),
    )


def _cut_square(image: NDArray[np.uint8], square: _Square) -> Image.Image:
    return Image.fromarray(
        np.ascontiguousarray(image[square.top : square.bottom, square.left : square.right])
    )


def _dim_others(part: Image.Image, box: BoundingBox, square: _Square) -> Image.Image:
    """Return `part`, what `square` shows of a picture, darkened but for the face in `box`.

    `box` is in the picture's pixels; somewhat more than it stays bright.
    """
    wide, high = box.width * DIMMED_FACTOR, box.height * DIMMED_FACTOR
    # Where that begins in the part, and which of its pixels it has.
    x = box.x + (box.width - wide) / 2 - square.left
    y = box.y + (box.height - high) / 2 - square.top
    left, top = round(max(x, 0)), round(max(y, 0))
    right, bottom = round(min(x + wide, part.width)), round(min(y + high, part.height))
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
    """Return where the face is in the picture of its square, in that picture's pixels."""
    scale = picture.width / (square.right - square.left)
    in_square = (box.x - square.left, box.y - square.top, box.width, box.height)
    return BoundingBox(*(round(value * scale, 1) for value in in_square))


def make_thumbnail(picture: Image.Image, side_px: int = THUMBNAIL_SIDE_PX) -> bytes:
    """Return the picture as a JPEG so small that many are shown at once."""
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
    """Return the whole picture as JPEG, in which these faces are averaged to a few cells each.

    Nothing can undo that.
    """
    picture = Image.fromarray(np.ascontiguousarray(image))
    for box in boxes:
        more_x, more_y = box.width * (HIDDEN_FACTOR - 1) / 2, box.height * (HIDDEN_FACTOR - 1) / 2
        left, top = max(math.floor(box.x - more_x), 0), max(math.floor(box.y - more_y), 0)
        right = min(math.ceil(box.x + box.width + more_x), picture.width)
        bottom = min(math.ceil(box.y + box.height + more_y), picture.height)
        if left < right and top < bottom:  # else it lies outside the picture
            region = picture.crop((left, top, right, bottom))
            cells = region.resize((HIDDEN_CELLS, HIDDEN_CELLS), Image.Resampling.BOX)
            picture.paste(cells.resize(region.size, Image.Resampling.BILINEAR), (left, top))
    return _encode_jpeg(picture, quality=KEPT_JPEG_QUALITY)
