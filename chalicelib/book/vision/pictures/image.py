"""Picture files as upright RGB pixels; every limit is checked before pixels are decoded."""

from __future__ import annotations

import importlib
import importlib.util
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from chalicelib.book.vision.pictures.containers import (
    count_scans,
    drop_metadata,
    find_format,
    insert_noise,
    name_other_format,
    parse_webp_size,
)
from chalicelib.book.vision.pictures.containers import split_views as split_views
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import PictureRules

_DECODERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),  # the first picture of an animation
}
"""The decoders at hand. That of HEIC is a library of its own, the extra `heic`."""
if importlib.util.find_spec("pi_heif") is not None:
    _DECODERS["HEIC"] = ("pi_heif", "HeifImageFile")


def _import_decoder(file_format: str) -> Callable[[io.BytesIO], ImageFile]:
    """Return the class that decodes a format, imported at the first picture of its kind.

    It is called directly. `Image.open` would try other formats, hand some JPEGs to another decoder,
    and warn of big pictures.
    """
    module, name = _DECODERS[file_format]
    decoder: Callable[[io.BytesIO], ImageFile] = getattr(importlib.import_module(module), name)
    return decoder


_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    struct.error,
    zlib.error,
    RuntimeError,
    Image.DecompressionBombError,  # of a GIF whose first frame is larger than its canvas
)
"""Errors that Pillow's decoders, and that of HEIC, raise for damaged files."""

Room = Callable[[int], AbstractContextManager[object]]
"""Holds so many bytes of memory for the block: vision's pictures wait for each other so."""

_NAMES = {"JPEG": "JPG", "PNG": "PNG", "BMP": "BMP", "WEBP": "WEBP", "HEIC": "HEIC", "GIF": "GIF"}

MAX_SCANS = 40
"""Largest number of scans in a JPEG; a progressive one has about ten. Each scan costs a pass over
the whole picture, however few bytes it has: a megabyte of scans would keep a core busy for a
quarter of an hour."""

_RLE = (1, 2)
"""RLE8 and RLE4, compressions of BMP files that Pillow decodes pixel by pixel in Python: 17 KB take
three seconds."""

_MIDDLE_GREY = (127, 128)
"""Value of each channel; the lower one of channels that are stored inverted (CMYK)."""

_STRIP_ROWS = 64
"""Rows of two pictures that are compared at a time, since copies of whole pictures take memory."""

_BYTES_A_PIXEL = {"WEBP": 28, "HEIF": 18}
_BYTES_A_USUAL_PIXEL = 18
_BYTES_A_CAMERAS_PIXEL = 11
_BYTES_A_KEPT_PIXEL = 6
"""Memory of a decoded picture for each pixel, with the copy that is made of it."""
_STEPS = (1, 2, 4, 8)
"""Parts of its size to which a JPEG can be reduced while it is decoded."""
_ON_ITS_SIDE = range(5, 9)
"""EXIF orientations by which width and height change places."""

BACKGROUND = (255, 255, 255)
"""Colour behind transparent pixels, as on a page; the file's own was not meant to be seen."""


def read_picture(
    data: bytes, rules: PictureRules, decoding: Room = nullcontext
) -> NDArray[np.uint8]:
    """Return a picture's pixels, (height, width, 3) uint8 RGB, upright.

    If it has more than `rules.most_pixels`, its sides are divided by 2, 4 or 8. A JPEG is reduced
    while it is decoded, which takes less memory; any other afterwards. When all limits are checked,
    `decoding` is given the bytes that decoding takes, and waits for so much memory. Raises
    Unusable, with what was wrong and what would be right, if the picture cannot be used.
    """
    with _open_picture(data, rules) as (picture, file, orientation):
        whole_size = picture.size
        step = _choose_step(whole_size, rules)
        reduced_size = whole_size[0] // step, whole_size[1] // step
        step_after_decoding = step
        is_jpeg = picture.format == "JPEG"
        if is_jpeg:
            picture.draft(None, reduced_size)  # the decoder itself divides the sides by the step
            step_after_decoding = 1
        with decoding(_estimate_bytes(picture, file, whole_size)):
            picture.load()
            if is_jpeg and _is_cut_short(picture, file, reduced_size):
                raise _make_damaged_error("JPEG")
            rgb = _convert_to_rgb(picture, step_after_decoding)
            return _turn_upright(rgb, orientation)


def read_size(data: bytes, rules: PictureRules) -> tuple[int, int]:
    """Return the width and height that a picture has when it is upright; no pixel is decoded.

    Raises Unusable.
    """
    with _open_picture(data, rules) as (picture, _, orientation):
        width, height = picture.size
        return (height, width) if orientation in _ON_ITS_SIDE else (width, height)


class _Opened(NamedTuple):
    """A picture whose pixels are not decoded yet, its file without metadata, and how it is to be
    turned (EXIF's orientation, 1..8)."""

    picture: ImageFile
    file: bytes
    orientation: int


@contextmanager
def _open_picture(data: bytes, rules: PictureRules) -> Iterator[_Opened]:
    """Open a picture within the limits, and close it after the block.

    Raises Unusable if it is not within them. An error of a decoder becomes Unusable, too, also one
    in the block.
    """
    file_format = _require_format(data, rules)
    try:
        file, orientation = drop_metadata(data, file_format)
        if file_format == "JPEG" and (count := count_scans(file)) > MAX_SCANS:
            raise Unusable(
                f"the JPG file has {count} scans; save it anew with at most {MAX_SCANS}, as all "
                "programs do"
            )
        # This decoder takes memory for its canvas before it tells the size.
        if file_format == "WEBP":
            _check_sides(parse_webp_size(file), rules)
        with _import_decoder(file_format)(io.BytesIO(file)) as picture:
            _check_sides(picture.size, rules)
            if picture.info.get("compression") in _RLE:
                raise Unusable(
                    "the BMP file is compressed (RLE); save it without compression, or as PNG"
                )
            yield _Opened(picture, file, orientation)
    except Unusable:
        raise
    except MemoryError as error:
        raise Unusable(
            "the picture does not fit into memory; send a smaller one, or a JPG file", "bytes"
        ) from error
    except _DECODING_ERRORS as error:
        raise _make_damaged_error(file_format) from error


def _make_damaged_error(file_format: str) -> Unusable:
    return Unusable(f"the {_NAMES[file_format]} file is damaged or cut short; send it whole")


def _require_format(data: bytes, rules: PictureRules) -> str:
    """Return the format of a picture that may be sent, such as "JPEG".

    Raises Unusable if the file is empty or too large. Raises it, too, if the rules do not allow its
    format, or no decoder of it is installed. The message then names the format, if it is one of
    _NAMES or `name_other_format` knows it.
    """
    wanted_names = " or ".join(_NAMES[name] for name in _DECODERS if name in rules.formats)
    if not data:
        raise Unusable(f"the picture is empty; send a {wanted_names} file")
    if len(data) > rules.max_bytes:
        raise Unusable(
            f"the picture has {len(data)} bytes; send at most {rules.max_bytes}", "bytes"
        )
    file_format = find_format(data)  # by its first bytes; None: it is in none that rules allow
    if file_format in rules.formats and file_format in _DECODERS:
        return file_format
    # It is refused. What is it?
    name = name_other_format(data) if file_format is None else _NAMES[file_format]
    if name is None:
        text = f"this is no picture that can be read; send a {wanted_names} file"
        raise Unusable(text, "picture")
    article = "an" if name[0] in "AEIOU" else "a"
    description = f"{article} {name} file"
    if file_format in rules.formats:
        description += ", for which this service has no library (the extra `heic`)"
    raise Unusable(f"this is {description}; send a {wanted_names} file", "format")


def _choose_step(sides: tuple[int, int], rules: PictureRules) -> int:
    """Return by how much the sides are divided to have few enough pixels: 1, 2, 4 or 8."""
    width, height = sides
    most_pixels = rules.most_pixels or width * height
    for step in _STEPS:
        if width * height <= most_pixels * step * step:
            return step
    return _STEPS[-1]


def _check_sides(size: tuple[int, int], rules: PictureRules) -> None:
    """Raise Unusable unless a picture of this (width, height) in pixels is allowed.

    The rules bound the longer and the shorter side, so a picture may be turned.
    """
    short, long = sorted(size)
    if short < 1:
        raise Unusable("the picture has no pixels; send one with a face")
    if long > rules.max_long_side_px or short > rules.max_short_side_px:
        allowed = f"{rules.max_long_side_px}x{rules.max_short_side_px}"
        text = (
            f"the picture has {size[0]}x{size[1]} pixels; send at most {allowed}, in either "
            "orientation"
        )
        raise Unusable(text, "largest side", size)
    if short < rules.min_short_side_px:
        text = (
            f"the picture's shorter side has {short} pixels; send one with at least "
            f"{rules.min_short_side_px}"
        )
        raise Unusable(text, "least side", size)


def _estimate_bytes(picture: ImageFile, file: bytes, whole: tuple[int, int]) -> int:
    """Return how much memory decoding takes at most, in bytes, with RGB and the upright copy.

    The bytes a pixel are measured (see the test of promises). `file` is the picture's, `whole` the
    size before it was reduced. A progressive JPEG keeps its scans at that size until the last one
    came. A JPEG of one scan, as cameras send it, keeps none, and has no transparency.
    """
    pixel_count = picture.width * picture.height
    if picture.format != "JPEG":
        return pixel_count * _BYTES_A_PIXEL.get(picture.format or "", _BYTES_A_USUAL_PIXEL)
    if picture.mode != "CMYK" and count_scans(file) == 1:
        return pixel_count * _BYTES_A_CAMERAS_PIXEL
    pixels_left_out = whole[0] * whole[1] - pixel_count  # when it was reduced
    return pixel_count * _BYTES_A_USUAL_PIXEL + pixels_left_out * _BYTES_A_KEPT_PIXEL


def _is_cut_short(picture: Image.Image, jpeg: bytes, reduced: tuple[int, int]) -> bool:
    """Tell whether a JPEG that was decoded without an error lacks pixels at its end.

    Lacking ones are middle grey. So a picture that ends in that grey is decoded again, with noise
    behind its data. If it looks different, noise has filled what was lacking. `reduced` is the size
    to which it was decoded.
    """
    last = picture.getpixel((picture.width - 1, picture.height - 1))
    channels = last if isinstance(last, tuple) else (last,)  # a number if there is one channel
    if any(value not in _MIDDLE_GREY for value in channels):
        return False
    with _import_decoder("JPEG")(io.BytesIO(insert_noise(jpeg))) as noisy:
        noisy.draft(None, reduced)
        noisy.load()
        for top in range(0, picture.height, _STRIP_ROWS):
            strip = (0, top, picture.width, top + _STRIP_ROWS)
            if noisy.crop(strip).tobytes() != picture.crop(strip).tobytes():
                return True
    return False


def _convert_to_rgb(picture: Image.Image, step: int) -> NDArray[np.uint8]:
    """Return the pixels as RGB, of any of Pillow's modes, with the sides divided by `step`."""
    if picture.mode.startswith("I"):  # 16-bit grey: its upper byte is what 8-bit grey would have
        upper_bytes = np.asarray(picture).astype(np.uint32) >> 8
        picture = Image.fromarray(upper_bytes.clip(0, 255).astype(np.uint8))
    is_transparent = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    if is_transparent or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.new("RGB", picture.size, BACKGROUND)
        picture.paste(layer, mask=layer.getchannel("A"))
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    return np.asarray(picture if step == 1 else picture.reduce(step))


def _turn_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return the pixels upright, whose EXIF orientation is 1..8 (CIPA DC-008).

    Pictures of 5 to 8 are stored on their side, and some are mirrored.
    """
    turned = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: image[::-1].transpose(1, 0, 2),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: image[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    return np.ascontiguousarray(turned)
