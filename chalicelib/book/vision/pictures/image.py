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
from msgspec import Struct
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
from chalicelib.domain.pictures import MAX_PICTURE_BYTES, PictureRules

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


class Most(Struct, frozen=True):
    """The most that a file of a format may have, whatever a dialect allows.

    Within it, a picture is read in a second of a core, and in 200 MB. JPEGs of one scan may have
    more pixels, since they are reduced while they are decoded.
    """

    pixels: int
    size: int = MAX_PICTURE_BYTES
    """Bytes of the file."""


MOST = {
    "JPEG": Most(8192 * 8192),
    "PNG": Most(4096 * 4096),
    "BMP": Most(4096 * 4096),
    "WEBP": Most(4032 * 3024, 4 * 2**20),
    "HEIC": Most(5712 * 4284, 8 * 2**20),
    "GIF": Most(4096 * 4096),
}
"""Limits by format. Phones write HEIC of 24 million pixels."""

MOST_OF_TRANSPARENT_HEIC = 4096 * 4096
"""Most pixels of a HEIC file with transparency, as no phone writes it."""

MOST_OF_SCANS = 4096 * 3072
"""Most pixels of a JPEG of several scans, all of which are kept until the last one came."""

MAX_SCANS = 40
"""Largest number of scans in a JPEG; a progressive one has about ten. Each scan costs a pass over
the whole picture, however few bytes it has."""
SCANS_OF_LARGEST = 10
"""Scans of a picture of MOST_OF_SCANS; a smaller one may have more."""

_RLE = (1, 2)
"""RLE8 and RLE4, compressions of BMP files that Pillow decodes pixel by pixel in Python: 17 KB take
three seconds."""

_MIDDLE_GREY = (127, 128)
"""Value of each channel; the lower one of channels that are stored inverted (CMYK)."""

_STRIP_ROWS = 64
"""Rows that are converted at a time, since copies of whole pictures take memory."""

_BYTES_A_PIXEL = {"WEBP": 18, "HEIF": 10}
_BYTES_A_USUAL_PIXEL = 8
_BYTES_A_KEPT_PIXEL = {"L": 2, "RGB": 6, "CMYK": 8}
"""Memory of a decoded picture for each pixel, with its upright copy; and of the scans of a JPEG."""
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
            upright = _copy_upright(picture, step_after_decoding, orientation)
            if is_jpeg and _ends_grey(picture):
                strips = list(_hash_strips(picture))
                picture.close()  # two pictures at once take memory
                if _is_cut_short(strips, file, reduced_size):
                    raise _make_damaged_error("JPEG")
            return upright


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
        # This decoder takes memory for its canvas before it tells the size.
        if file_format == "WEBP":
            _check_sides(parse_webp_size(file), rules)
        with _import_decoder(file_format)(io.BytesIO(file)) as picture:
            _check_sides(picture.size, rules)
            _check_pixels(picture, file_format)
            if file_format == "JPEG":
                _check_scans(picture.size, count_scans(file))
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
    file_format = find_format(data)  # by its first bytes; None: it is in none that rules allow
    most_bytes = rules.max_bytes
    if file_format in rules.formats:
        most_bytes = min(most_bytes, MOST[file_format].size)
    if len(data) > most_bytes:
        raise Unusable(f"the picture has {len(data)} bytes; send at most {most_bytes}", "bytes")
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
    for step in _STEPS:
        if width * height <= rules.most_pixels * step * step:
            return step
    return _STEPS[-1]


def _check_scans(size: tuple[int, int], count: int) -> None:
    """Raise Unusable if a JPEG of so many scans has too many, or too many pixels for them."""
    width, height = size
    if count > 1 and width * height > MOST_OF_SCANS:
        raise Unusable(
            f"the JPG file has several scans and {width}x{height} pixels; send at most "
            f"{MOST_OF_SCANS / 1e6:.1f} million, or save it anew without 'progressive'",
            "bytes",
        )
    most_scans = min(MAX_SCANS, SCANS_OF_LARGEST * MOST_OF_SCANS // (width * height))
    if count > most_scans:
        raise Unusable(
            f"the JPG file has {count} scans; save it anew with at most {most_scans}, as all "
            "programs do"
        )


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


def _check_pixels(picture: ImageFile, file_format: str) -> None:
    """Raise Unusable if a picture has more pixels than its format may have."""
    most_pixels = MOST[file_format].pixels
    if file_format == "HEIC" and picture.mode == "RGBA":
        most_pixels = MOST_OF_TRANSPARENT_HEIC
    if picture.width * picture.height > most_pixels:
        raise Unusable(
            f"the {_NAMES[file_format]} file has {picture.width}x{picture.height} pixels; send at "
            f"most {most_pixels / 1e6:.1f} million, or save it as JPG",
            "bytes",
        )


def _estimate_bytes(picture: ImageFile, file: bytes, whole: tuple[int, int]) -> int:
    """Return how much memory decoding takes at most, in bytes, with the upright copy.

    The bytes a pixel are measured (see the test of promises). `file` is the picture's, `whole` the
    size before it was reduced. A JPEG of several scans, such as a progressive one, keeps them at
    that size until the last one came.
    """
    pixel_count = picture.width * picture.height
    if picture.format != "JPEG":
        return pixel_count * _BYTES_A_PIXEL.get(picture.format or "", _BYTES_A_USUAL_PIXEL)
    kept_bytes = 0
    if count_scans(file) > 1:
        kept_bytes = whole[0] * whole[1] * _BYTES_A_KEPT_PIXEL.get(picture.mode, 8)
    return pixel_count * _BYTES_A_USUAL_PIXEL + kept_bytes


def _ends_grey(picture: Image.Image) -> bool:
    """Tell whether a JPEG ends in middle grey, which a decoder leaves where pixels are lacking."""
    last = picture.getpixel((picture.width - 1, picture.height - 1))
    channels = last if isinstance(last, tuple) else (last,)  # a number if there is one channel
    return all(value in _MIDDLE_GREY for value in channels)


def _hash_strips(picture: Image.Image) -> Iterator[int]:
    for top in range(0, picture.height, _STRIP_ROWS):
        strip = picture.crop((0, top, picture.width, top + _STRIP_ROWS))
        yield zlib.crc32(strip.tobytes())


def _is_cut_short(strips: list[int], jpeg: bytes, reduced: tuple[int, int]) -> bool:
    """Tell whether a JPEG that was decoded without an error lacks pixels at its end.

    It is decoded again, with noise behind its data. If it looks different, noise has filled what
    was lacking. `strips` are the hashes of what it looked like, `reduced` is the size to which it
    was decoded.
    """
    with _import_decoder("JPEG")(io.BytesIO(insert_noise(jpeg))) as noisy:
        noisy.draft(None, reduced)
        noisy.load()
        return any(one != other for one, other in zip(strips, _hash_strips(noisy), strict=True))


def _copy_upright(picture: Image.Image, step: int, orientation: int) -> NDArray[np.uint8]:
    """Return the pixels as RGB, of any of Pillow's modes, upright, with the sides divided by
    `step`.

    Strips of the picture are converted one by one, since copies of whole pictures take memory.
    """
    width, height = (-(-side // step) for side in picture.size)
    is_on_its_side = orientation in _ON_ITS_SIDE
    sides = (width, height) if is_on_its_side else (height, width)
    upright = np.empty((*sides, 3), np.uint8)
    as_stored = _turn(upright, _TURNED_BACK.get(orientation, orientation))
    for top in range(0, picture.height, _STRIP_ROWS):
        strip = (0, top, picture.width, min(top + _STRIP_ROWS, picture.height))
        rgb = _convert_to_rgb(picture.crop(strip))
        reduced = rgb if step == 1 else rgb.reduce(step)
        first_row = top // step
        as_stored[first_row : first_row + reduced.height] = np.asarray(reduced)
    return upright


def _convert_to_rgb(picture: Image.Image) -> Image.Image:
    """Return a picture of any of Pillow's modes as RGB."""
    if picture.mode.startswith("I"):  # 16-bit grey: its upper byte is what 8-bit grey would have
        upper_bytes = np.asarray(picture).astype(np.uint32) >> 8
        picture = Image.fromarray(upper_bytes.clip(0, 255).astype(np.uint8))
    is_transparent = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    if is_transparent or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        paper = Image.new("RGB", picture.size, BACKGROUND)
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    return picture if picture.mode == "RGB" else picture.convert("RGB")


_TURNED_BACK = {6: 8, 8: 6}
"""EXIF orientations that are not undone by themselves, and by which they are."""


def _turn(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return a view of the pixels upright, whose EXIF orientation is 1..8 (CIPA DC-008).

    Pictures of 5 to 8 are stored on their side, and some are mirrored.
    """
    return {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: image[::-1].transpose(1, 0, 2),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: image[:, ::-1].transpose(1, 0, 2),
    }[orientation]
