"""Frames that show their own number, as black and white fields: so a test knows when a frame was
taken."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from regulars_edge.sources.video import DecodedFrame
from regulars_edge.spool.model import Stamp

RATE = 15
SIZE_PX = (160, 120)
_SIDE, _BITS = 4, 16


def numbered(number: int) -> Image.Image:
    fields = Image.new("L", (_SIDE, _SIDE))
    fields.putdata([255 * (number >> bit & 1) for bit in range(_BITS)])
    return fields.resize(SIZE_PX, Image.Resampling.NEAREST).convert("RGB")


def encoded(
    path: Path,
    pictures: Sequence[Image.Image],
    rate: int = 10,
    *,
    codec: str = "mpeg4",
    options: dict[str, str] | None = None,
    pixel: int = 1,
) -> Path:
    """Make a film of these pictures; `pixel`: how wide one is, in shares of its height."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        (stream.width, stream.height), stream.pix_fmt = pictures[0].size, "yuv420p"
        stream.options = options or {}
        stream.codec_context.sample_aspect_ratio = Fraction(pixel)
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def decoded(picture: Image.Image, stamp: Stamp) -> DecodedFrame:
    """A frame as a decoder gives it."""
    import av

    return DecodedFrame(av.VideoFrame.from_image(picture), stamp)


def number_of(image: Image.Image) -> int:
    fields = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()
    return sum((value > 127) << bit for bit, value in enumerate(fields))


def video(path: Path, frames: int = 40, still: int = 10) -> Path:
    """Ten frames a second; a square moves after `still` frames."""
    pytest.importorskip("av")
    pictures = [Image.new("RGB", (160, 120), (60, 60, 60)) for _ in range(frames)]
    for number, picture in enumerate(pictures):
        x = 20 if number < still else 20 + 4 * (number - still)
        ImageDraw.Draw(picture).rectangle((x, 30, x + 30, 80), (220, 220, 220))
    return encoded(path, pictures)
