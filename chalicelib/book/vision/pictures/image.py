"""Conversion of picture bytes to upright RGB pixels; every limit is checked before pixels are
decoded."""

from __future__ import annotations

import importlib
import importlib.util
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from chalicelib.book.vision.pictures.containers import (
    drop_metadata,
    format_of,
    insert_noise,
    name_other_format,
    parse_webp_size,
    scans,
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
    **(
        {}
        if importlib.util.find_spec("pi_heif") is None
        else {"HEIC": ("pi_heif", "HeifImageFile")}
    ),
}
"""The decoders at hand. That of HEIC is a library of its own, the extra `heic`."""


def _import_decoder(file_format: str) -> Callable[[io.BytesIO], ImageFile]:
    """Import a decoder, at the first picture of its kind.

    They are called directly. `Image.open` would try other formats, hand some JPEGs to another
    decoder, and warn of big pictures.
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
_BYTES_A_KEPT_PIXEL = 6
"""Memory of a decoded picture for each pixel, with the copy that is made of it."""
_STEPS = (1, 2, 4, 8)
"""Parts of its size to which a JPEG can be reduced while it is decoded."""
_ON_ITS_SIDE = range(5, 9)
"""EXIF orientations by which width and height change places."""

BACKGROUND = (255, 255, 255)
"""Colour behind transparent pixels, as on a page. The file's own colour there was never meant to be
seen."""


def read_picture(
    data: bytes, rules: PictureRules, decoding: Room = nullcontext
) -> NDArray[np.uint8]:
    """Decode a picture to (height, width, 3) uint8 RGB, upright.

    A picture of more than `rules.most_pixels` is reduced to a half, a quarter or an eighth of its
    sides: a JPEG while it is decoded, which takes less memory, any other one afterwards.
    `decoding`: the room in which its pixels are decoded, by its bytes; entered when all limits are
    checked. Raises Unusable if the picture cannot be used; the message says what was wrong and what
    would be right.
    """
    with _open_picture(data, rules) as (picture, pixels, orientation):
        whole_size = picture.size
        step = _choose_step(whole_size, rules)
        reduced_size = whole_size[0] // step, whole_size[1] // step
        if picture.format == "JPEG":
            picture.draft(None, reduced_size)
            step = 1
        with decoding(_estimate_bytes(picture, pixels, whole_size)):
            picture.load()
            if picture.format == "JPEG" and _is_cut_short(picture, pixels, reduced_size):
                raise ValueError("the data ends before the picture does")
            return _turn_upright(_convert_to_rgb(picture, step), orientation)


def read_size(data: bytes, rules: PictureRules) -> tuple[int, int]:
    """Return the width and height of a picture as it is stored, but upright.

    No pixel is decoded. Raises Unusable.
    """
    with _open_picture(data, rules) as (picture, _, orientation):
        width, height = picture.size
        return (height, width) if orientation in _ON_ITS_SIDE else (width, height)


_Opened = tuple[ImageFile, bytes, int]
"""A picture whose pixels are not decoded yet, its file without metadata, and its orientation."""


@contextmanager
def _open_picture(data: bytes, rules: PictureRules) -> Iterator[_Opened]:
    """Open a picture within the limits.

    Raises Unusable, also in place of the errors of decoders in the block.
    """
    file_format = _require_format(data, rules)
    try:
        pixels, orientation = drop_metadata(data, file_format)
        if file_format == "JPEG" and (count := scans(pixels)) > MAX_SCANS:
            raise Unusable(
                f"the JPG file has {count} scans; save it anew with at most {MAX_SCANS}, as all "
                "programs do"
            )
        # the decoder takes memory for its canvas before it tells the size
        if file_format == "WEBP":
            _check_sides(parse_webp_size(pixels), rules)
        with _import_decoder(file_format)(io.BytesIO(pixels)) as picture:
            _check_sides(picture.size, rules)
            if picture.info.get("compression") in _RLE:
                raise Unusable(
                    "the BMP file is compressed (RLE); save it without compression, or as PNG"
                )
            yield picture, pixels, orientation
    except Unusable:
        raise
    except MemoryError as error:
        raise Unusable(
            "the picture does not fit into memory; send a smaller one, or a JPG file", "bytes"
        ) from error
    except _DECODING_ERRORS as error:
        raise Unusable(
            f"the {_NAMES[file_format]} file is damaged or cut short; send it whole"
        ) from error


def _require_format(data: bytes, rules: PictureRules) -> str:
    """Return the picture's format.

    Raises Unusable if it is too large, or of a format that cannot be sent here.
    """
    wanted_names = " or ".join(_NAMES[name] for name in _DECODERS if name in rules.formats)
    if not data:
        raise Unusable(f"the picture is empty; send a {wanted_names} file")
    if len(data) > rules.max_bytes:
        raise Unusable(
            f"the picture has {len(data)} bytes; send at most {rules.max_bytes}", "bytes"
        )
    file_format = format_of(data)
    if file_format in rules.formats and file_format in _DECODERS:
        return file_format
    name = name_other_format(data) if file_format is None else _NAMES[file_format]
    description = (
        "no picture that can be read"
        if name is None
        else f"{'an' if name[0] in 'AEIOU' else 'a'} {name} file"
    )
    lacks = (
        ", for which this service has no library (the extra `heic`)"
        if file_format in rules.formats
        else ""
    )
    raise Unusable(
        f"this is {description}{lacks}; send a {wanted_names} file",
        "picture" if name is None else "format",
    )


def _choose_step(sides: tuple[int, int], rules: PictureRules) -> int:
    """Return by how much the sides are divided: 1, 2, 4 or 8."""
    width, height = sides
    steps = (
        step
        for step in _STEPS
        if width * height <= (rules.most_pixels or width * height) * step * step
    )
    return next(steps, _STEPS[-1])


def _check_sides(size: tuple[int, int], rules: PictureRules) -> None:
    """Raise Unusable unless the rules allow a picture of these sides.

    `size`: (width, height) in pixels. The rules bound the longer and the shorter side, so a picture
    may be turned.
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


def _estimate_bytes(picture: ImageFile, pixels: bytes, whole: tuple[int, int]) -> int:
    """Return the peak of decoding, measured: the file's pixels, RGB, and the upright copy (see the
    test of promises).

    A JPEG of one scan, as cameras send it, has no transparency, and no scans that are kept until
    the last one came. `whole`: its size before it was reduced. The scans of a progressive one are
    kept at that size.
    """
    of_each = picture.width * picture.height
    if picture.format != "JPEG":
        return of_each * _BYTES_A_PIXEL.get(picture.format or "", 18)
    if picture.mode != "CMYK" and scans(pixels) == 1:
        return of_each * 11
    return of_each * 18 + (whole[0] * whole[1] - of_each) * _BYTES_A_KEPT_PIXEL


def _is_cut_short(picture: Image.Image, jpeg: bytes, reduced: tuple[int, int]) -> bool:
    """Tell whether a JPEG that decoded without an error lacks pixels at its end, which are then
    middle grey."""
    last = picture.getpixel((picture.width - 1, picture.height - 1))
    if any(value not in _MIDDLE_GREY for value in (last if isinstance(last, tuple) else (last,))):
        return False
    with _import_decoder("JPEG")(io.BytesIO(insert_noise(jpeg))) as noisy:
        noisy.draft(None, reduced)
        noisy.load()
        strips = (
            (0, top, picture.width, top + _STRIP_ROWS)
            for top in range(0, picture.height, _STRIP_ROWS)
        )
        return any(noisy.crop(strip).tobytes() != picture.crop(strip).tobytes() for strip in strips)


def _convert_to_rgb(picture: Image.Image, step: int) -> NDArray[np.uint8]:
    """Convert any of Pillow's modes to RGB, and divide the sides by `step`."""
    # 16-bit grey: its upper byte is what 8-bit grey would have held
    if picture.mode.startswith("I"):
        grey = (np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(grey)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.new("RGB", picture.size, BACKGROUND)
        picture.paste(layer, mask=layer.getchannel("A"))
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    return np.asarray(picture if step == 1 else picture.reduce(step))


def _turn_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo EXIF orientation 1..8 (CIPA DC-008): 5 to 8 are stored on their side, and even ones
    below 5 are mirrored."""
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
