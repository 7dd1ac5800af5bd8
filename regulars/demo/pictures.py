"""Operations on pictures: reduced for the camera's API or the page, side by side, darkened."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageEnhance, ImageOps

from regulars.errors import NoPictures

MAX_BYTES, MAX_LONG_PX, MAX_SHORT_PX = 1024 * 1024, 1920, 1080
"""Limits of the camera's API."""

_STRIP_HEIGHT_PX = 480


def prepared(data: bytes) -> bytes:
    """Return the picture itself if the camera's API takes it, else a smaller JPEG. Raises NoPictures if it is none."""
    picture = opened(data)
    fits = max(picture.size) <= MAX_LONG_PX and min(picture.size) <= MAX_SHORT_PX
    if fits and len(data) <= MAX_BYTES and picture.format in ("JPEG", "PNG"):
        return data
    return jpeg(upright(picture), side_px=1080)


def opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except OSError as error:
        raise NoPictures(f"a file among the pictures is none: {error}") from error


def upright(picture: Image.Image) -> Image.Image:
    turned: Image.Image = ImageOps.exif_transpose(picture)
    return turned.convert("RGB")


def jpeg(picture: Image.Image, *, side_px: int, quality: int = 88) -> bytes:
    """Encode a JPEG of at most `side_px` in width and height."""
    small = picture.copy()
    small.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def side_by_side(photos: Sequence[bytes]) -> bytes:
    """Make one JPEG of the pictures in a row, cropped to portraits of equal size. The crop keeps the top: the heads."""
    tiles = [
        ImageOps.fit(upright(opened(data)), (_STRIP_HEIGHT_PX * 4 // 5, _STRIP_HEIGHT_PX), centering=(0.5, 0.0))
        for data in photos
    ]
    strip = Image.new("RGB", (sum(tile.width for tile in tiles), _STRIP_HEIGHT_PX))
    for index, tile in enumerate(tiles):
        strip.paste(tile, (index * tile.width, 0))
    return jpeg(strip, side_px=MAX_LONG_PX)


def wide(data: bytes) -> bytes:
    """Make a JPEG of the picture as wide as a camera's, with grey at its sides."""
    width, height = MAX_LONG_PX, MAX_SHORT_PX
    return jpeg(ImageOps.pad(upright(opened(data)), (width, height), color="#777"), side_px=width)


def darkened(data: bytes) -> bytes:
    """Make the picture darker, and compress it again."""
    return jpeg(ImageEnhance.Brightness(upright(opened(data))).enhance(0.6), side_px=MAX_SHORT_PX, quality=60)
