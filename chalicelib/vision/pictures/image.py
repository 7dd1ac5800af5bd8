"""Conversion of picture bytes to upright RGB pixels; every limit is checked before pixels are decoded."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from chalicelib.core.errors import Unusable
from chalicelib.core.pictures import PictureRules
from chalicelib.vision.pictures.containers import format_of, name_of_other, pixels_and_orientation, scans, with_noise

_DECODERS: Mapping[str, Callable[[io.BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "BMP": BmpImageFile,
}
"""Called directly. `Image.open` would try other formats, hand some JPEGs to another decoder, and warn of big
pictures."""

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
)
"""Errors that Pillow's decoders raise for damaged files."""

Room = Callable[[int], AbstractContextManager[None]]


def _no_limit(_bytes: int) -> AbstractContextManager[None]:
    return nullcontext()


_NAMES = {"JPEG": "JPG", "PNG": "PNG", "BMP": "BMP"}

MAX_SCANS = 40
"""Largest number of scans in a JPEG; a progressive one has about ten. Each scan costs a pass over the whole picture,
however few bytes it has: a megabyte of scans would keep a core busy for a quarter of an hour."""

_RLE = (BmpImageFile.COMPRESSIONS["RLE8"], BmpImageFile.COMPRESSIONS["RLE4"])
"""Compressions of BMP files that Pillow decodes pixel by pixel in Python: 17 KB of them take three seconds."""

_MIDDLE_GREY = (127, 128)
"""Value of each channel; the lower one of channels that are stored inverted (CMYK)."""

_STRIP_ROWS = 64
"""Rows of two pictures that are compared at a time, since copies of whole pictures take memory."""

BACKGROUND = (255, 255, 255)
"""Colour behind transparent pixels, as on a page. The file's own colour there was never meant to be seen."""


def read(data: bytes, rules: PictureRules, decoding: Room = _no_limit) -> NDArray[np.uint8]:
    """Decode a picture to (height, width, 3) uint8 RGB, upright.

    `decoding`: the room in which its pixels are decoded, by its bytes; entered when all limits are checked.
    Raises Unusable if the picture cannot be used; the message says what was wrong and what would be right.
    """
    wanted = " or ".join(_NAMES[name] for name in _DECODERS if name in rules.formats)
    if not data:
        raise Unusable(f"the picture is empty; send a {wanted} file")
    if len(data) > rules.max_bytes:
        raise Unusable(f"the picture has {len(data)} bytes; send at most {rules.max_bytes}")
    file_format = format_of(data)
    if file_format is None or file_format not in rules.formats:
        name = name_of_other(data) if file_format is None else _NAMES[file_format]
        what = "no picture that can be read" if name is None else f"{_article(name)} {name} file"
        raise Unusable(f"this is {what}; send a {wanted} file")
    try:
        pixels, orientation = pixels_and_orientation(data, file_format)
        if file_format == "JPEG" and (count := scans(pixels)) > MAX_SCANS:
            raise Unusable(f"the JPG file has {count} scans; save it anew with at most {MAX_SCANS}, as all programs do")
        with _DECODERS[file_format](io.BytesIO(pixels)) as picture:
            _check_sides(picture.size, rules)
            if picture.info.get("compression") in _RLE:
                raise Unusable("the BMP file is compressed (RLE); save it without compression, or as PNG")
            with decoding(picture.width * picture.height * _bytes_a_pixel(picture, pixels)):
                picture.load()
                if file_format == "JPEG" and _is_cut_short(picture, pixels):
                    raise ValueError("the data ends before the picture does")
                return _upright(_rgb(picture), orientation)
    except Unusable:
        raise
    except MemoryError as error:
        raise Unusable("the picture does not fit into memory; send a smaller one") from error
    except _DECODING_ERRORS as error:
        raise Unusable(f"the {_NAMES[file_format]} file is damaged or cut short; send it whole") from error


def _article(name: str) -> str:
    return "an" if name[0] in "AEIOU" else "a"


def _check_sides(size: tuple[int, int], rules: PictureRules) -> None:
    short, long = sorted(size)
    if short < 1:
        raise Unusable("the picture has no pixels; send one with a face")
    if long > rules.max_long_side_px or short > rules.max_short_side_px:
        allowed = f"{rules.max_long_side_px}x{rules.max_short_side_px}"
        raise Unusable(f"the picture has {size[0]}x{size[1]} pixels; send at most {allowed}, in either orientation")
    if short < rules.min_short_side_px:
        raise Unusable(
            f"the picture's shorter side has {short} pixels; send one with at least {rules.min_short_side_px}"
        )


def _bytes_a_pixel(picture: ImageFile, pixels: bytes) -> int:
    """Return the peak of decoding, measured: the file's pixels, RGB, and the upright copy (see the test of promises).

    A JPEG of one scan, as cameras send it, has no transparency, and no scans that are kept until the last one came.
    """
    is_plain_jpeg = picture.format == "JPEG" and picture.mode != "CMYK" and scans(pixels) == 1
    return 11 if is_plain_jpeg else 18


def _is_cut_short(picture: Image.Image, jpeg: bytes) -> bool:
    """Tell whether a JPEG that decoded without an error lacks pixels at its end, which are then middle grey."""
    last = picture.getpixel((picture.width - 1, picture.height - 1))
    if any(value not in _MIDDLE_GREY for value in (last if isinstance(last, tuple) else (last,))):
        return False
    with JpegImageFile(io.BytesIO(with_noise(jpeg))) as noisy:
        noisy.load()
        strips = ((0, top, picture.width, top + _STRIP_ROWS) for top in range(0, picture.height, _STRIP_ROWS))
        return any(noisy.crop(strip).tobytes() != picture.crop(strip).tobytes() for strip in strips)


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Convert any of Pillow's modes to RGB."""
    if picture.mode.startswith("I"):  # 16-bit grey: its upper byte is what 8-bit grey would have held
        grey = (np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.new("RGB", picture.size, BACKGROUND)
        picture.paste(layer, mask=layer.getchannel("A"))
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo EXIF orientation 1..8 (CIPA DC-008): 5 to 8 are stored on their side, and even ones below 5 are mirrored."""
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
