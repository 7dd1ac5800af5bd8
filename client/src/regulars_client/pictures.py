"""Pictures as the service takes them: not too large. What is larger is shrunk."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from regulars_client.errors import PictureTooLarge

MAX_BYTES = 3_000_000
"""What fits into every request, in base64, also through API Gateway to a function."""

SHRUNK_SIDE_PX = 3_000
"""Of a shrunk picture. A face that is too small in it would be too small in the service, too."""

_QUALITIES = (92, 85, 70)
"""Qualities of a JPEG that are tried in turn until the picture is small enough."""
_PILLOW = "`pip install Pillow` brings it"

Picture = bytes | Path
"""A picture's bytes, or its file."""


def in_base64(picture: Picture) -> str:
    """Encode a picture for a body of JSON. Raises PictureTooLarge."""
    return base64.b64encode(
        shrink_to_fit(picture if isinstance(picture, bytes) else picture.read_bytes())
    ).decode()


def shrink_to_fit(data: bytes) -> bytes:
    """Return the picture as it is if the service takes it, else as a smaller JPEG.

    Raises PictureTooLarge.
    """
    return shrink(data) if len(data) > MAX_BYTES else data


def shrink(data: bytes) -> bytes:
    """Make an upright JPEG of up to SHRUNK_SIDE_PX a side.

    Raises PictureTooLarge if Pillow is not there, does not read the picture, or finds no way to
    make it small enough.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise PictureTooLarge(
            f"the picture has {len(data):,} bytes, and {MAX_BYTES:,} are taken; {_PILLOW}, which "
            "makes it smaller"
        ) from error
    try:
        with Image.open(io.BytesIO(data)) as opened:
            # a large JPEG is decoded smaller at once
            opened.draft("RGB", (SHRUNK_SIDE_PX, SHRUNK_SIDE_PX))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except UnidentifiedImageError as error:  # its text names an object of Python
        raise PictureTooLarge(
            f"it has {len(data):,} bytes, and is no picture that can be made smaller"
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureTooLarge(
            f"the picture cannot be read, so it cannot be made smaller: {error}"
        ) from error
    picture.thumbnail((SHRUNK_SIDE_PX, SHRUNK_SIDE_PX), Image.Resampling.LANCZOS)
    for quality in _QUALITIES:
        target = io.BytesIO()
        picture.save(target, "JPEG", quality=quality)
        if target.tell() <= MAX_BYTES:
            return target.getvalue()
    raise PictureTooLarge(
        f"the picture has more than {MAX_BYTES:,} bytes at {SHRUNK_SIDE_PX} pixels a side, too"
    )
