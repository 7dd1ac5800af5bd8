"""Properties of a picture file: its type, its digest, the time in its EXIF data."""

from __future__ import annotations

import hashlib
import re
import struct
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

TimeBy = Literal["clock", "exif", "name", "file", "film"]
"""What says when a picture was taken: this machine's clock, the picture, the file's name or its own
time, a film."""

JPEG, PNG = "image/jpeg", "image/png"
_MAGIC = {b"\xff\xd8\xff": JPEG, b"\x89PNG\r\n\x1a\n": PNG}
HEAD_BYTES = 8
"""Bytes by which the kind of a picture is known."""
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND\xaeB`\x82"

_EXIF_IFD = 0x8769
_TIME_TAGS = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012), (0x0132, 0x9290, 0x9010))
"""DateTimeOriginal, DateTimeDigitized and DateTime, each with its subseconds and its offset from
UTC (EXIF 2.31)."""

EARLIEST_MS = round(datetime(2000, 1, 2, tzinfo=UTC).timestamp()) * 1000
"""Clocks that were never set say 1970 or the first of January 2000: no time is better than that
one."""
LATEST_MS = round(datetime(9998, 12, 31, tzinfo=UTC).timestamp()) * 1000
"""Dates end a year later; times of files do not."""

_NAME_FIELDS = {
    "%Y": r"\d{4}",
    "%f": r"\d{1,6}",
    **dict.fromkeys(("%y", "%m", "%d", "%H", "%M", "%S"), r"\d\d"),
}


@dataclass(frozen=True)
class Content:
    """The bytes' identity."""

    sha256: bytes
    size: int
    content_type: str


def find_content_type(head: bytes) -> str | None:
    """Of a file's first 8 bytes, not of its name; None for what is neither JPEG nor PNG."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def ends_whole(kind: str, data: bytes, last: int = 64) -> bool:
    """Tell whether the format's end is within the `last` bytes of a file; compressed pixels never
    look like it."""
    return (_JPEG_END if kind == JPEG else _PNG_END) in data[-last:]


def end_picture(data: bytes) -> bytes:
    """Return a whole picture with its end's mark, without which some cameras send JPEGs, and
    decoders take none."""
    ended = not data.startswith(b"\xff\xd8") or ends_whole(JPEG, data, TAIL_BYTES)
    return data if ended else data + _JPEG_END


def join_pictures(first: bytes, others: Sequence[bytes]) -> bytes:
    """Return one file of several JPEGs, by the Multi-Picture Format (CIPA DC-007), of which other
    programs show the first; that alone if it is no JPEG.

    Pillow's writer would encode the first one anew.
    """
    if not others or find_content_type(first[:HEAD_BYTES]) != JPEG:
        return first
    at = 2
    while first[at : at + 2] in (b"\xff\xe0", b"\xff\xe1"):  # JFIF's and EXIF's come first
        at += 2 + int.from_bytes(first[at + 2 : at + 4], "big")
    count = 1 + len(others)
    length = 2 + 4 + _INDEX_BYTES + 16 * count
    whole = end_picture(first)
    first_size = len(whole) + 2 + length
    begins = accumulate(map(len, others), initial=first_size - at - 8)  # from behind "MPF"
    places = [(0, len(other), begin) for other, begin in zip(others, begins, strict=False)]
    entries = [struct.pack("<IIII", *place, 0) for place in ((0x030000, first_size, 0), *places)]
    tags = (
        (0xB000, 7, 4, b"0100"),
        (0xB001, 4, 1, struct.pack("<I", count)),
        (0xB002, 7, 16 * count, struct.pack("<I", _INDEX_BYTES)),
    )
    directory = b"".join(struct.pack("<HHI4s", *tag) for tag in tags)
    index = struct.pack("<4sIH", b"II*", 8, len(tags)) + directory + bytes(4) + b"".join(entries)
    segment = b"\xff\xe2" + length.to_bytes(2, "big") + b"MPF\0" + index
    return b"".join((whole[:at], segment, whole[at:], *others))


_INDEX_BYTES = 50
"""Of an index without its entries."""

TAIL_BYTES = 4_096
"""Some cameras write some bytes of their own behind a picture's end."""
LARGEST_PX = 40_000_000
"""Of a picture that is looked at here (8K has 33 million): a few bytes may claim to be a picture of
any size."""
WHOLE_PX = 16_000_000
"""A larger JPEG is looked at in half its size, which takes a quarter of the memory; a larger PNG
cannot be."""
PROGRESSIVE_BYTES = 100_000_000
"""Of a progressive JPEG's coefficients, which are all held to decode it at whatever size."""
DECODING = threading.Lock()
"""One picture at a time is decoded, however many cameras there are."""


def open_picture(data: bytes) -> Image:
    """Open a picture.

    Raises OSError for what is none, and for one that would take too much memory to decode.
    """
    from PIL import Image

    try:
        picture = Image.open(BytesIO(data), formats=("JPEG", "PNG"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise OSError(str(error)) from error
    pixels = picture.width * picture.height
    if pixels > LARGEST_PX:
        advice = ""
    elif picture.format == "PNG" and pixels > WHOLE_PX:
        advice = " for a PNG: let the camera make JPEGs"
    elif picture.info.get("progressive") and _count_coefficient_bytes(picture) > PROGRESSIVE_BYTES:
        advice = " for a progressive JPEG: let the camera make baseline ones"
    else:
        return picture
    raise OSError(f"{picture.width} x {picture.height} pixels are too many{advice}")


def _count_coefficient_bytes(picture: Image) -> int:
    """Return what all coefficients of a JPEG take, two bytes each; some parts may have fewer than
    there are pixels."""
    # Pillow sets `layer` when it opens a JPEG, and its types do not name it.
    parts: list[tuple[int, int]] = [(across, down) for _, across, down, _ in picture.layer]  # type: ignore[attr-defined]
    finest = max(across for across, _ in parts) * max(down for _, down in parts)
    return (
        2 * picture.width * picture.height * sum(across * down for across, down in parts) // finest
    )


def is_whole(kind: str, data: bytes) -> bool:
    """Tell whether nothing is missing: it ends as its format does, or else a decoder gets to its
    last line."""
    return ends_whole(kind, data) or decodes_whole(data)


def decodes_whole(data: bytes) -> bool:
    """Tell whether a decoder gets to the last line; of a baseline JPEG, also if its end's mark is
    missing.

    Then whatever follows changes no pixel: a decoder would make missing ones of it.
    """
    if _decode_thumbnail(data) is not None:
        return True
    ended = [
        _decode_thumbnail(data + filler * 4_096 + _JPEG_END) for filler in (b"", b"\x55", b"\xaa")
    ]
    return (
        ended[0] is not None
        and not ended[0].info.get("progressive")
        and all(each == ended[0] for each in ended)
    )


def _decode_thumbnail(data: bytes) -> Image | None:
    try:
        picture = open_picture(data)
        # a JPEG is decoded at an eighth of its size, and is read to its end all the same
        picture.draft("L", (1, 1))
        with DECODING:
            picture.load()
    except Exception:  # whatever a broken file makes of a parser, it is no whole picture
        return None
    return picture


def parse_content(data: bytes) -> Content | None:
    """Return type, size and digest; None for what is neither JPEG nor PNG."""
    kind = find_content_type(data[:HEAD_BYTES])
    return Content(hashlib.sha256(data).digest(), len(data), kind) if kind else None


def parse_exif_ms(data: bytes, zone: tzinfo | None, now_ms: int) -> int | None:
    """Return when the picture was taken by its EXIF data, in ms since 1970; None if it does not say
    or cannot be right.

    Times without an offset are local time: of `zone`, or of the machine's zone if that is None.
    """
    try:
        tags = _parse_time_tags(data)
    except Exception:  # whatever a broken file makes of a parser, it is a picture without a time
        return None
    for text, fraction, offset in tags:
        at_ms = _parse_ms(text, fraction, offset, zone)
        if at_ms is not None and _is_likely(at_ms, now_ms):
            return at_ms
    return None


class NameTime:
    """The time that a file's name says, by a pattern of strftime's fields that is searched in the
    path."""

    def __init__(self, pattern: str) -> None:
        """Take a pattern of %Y or %y, %m, %d, %H, %M, perhaps %S and %f.

        Raises ValueError for another.
        """
        fields = re.findall("%.?", pattern)
        if not set(fields) <= set(_NAME_FIELDS) or not {"%m", "%d", "%H", "%M"} <= set(fields):
            raise ValueError(
                "write it as %Y%m%d%H%M%S, with %Y or %y, %m, %d, %H, %M, perhaps %S and %f"
            )
        self._pattern = pattern
        text = re.sub("%.", lambda found: _NAME_FIELDS[found[0]], re.escape(pattern))
        self._regex = re.compile(rf"(?<!\d){text}" if pattern.startswith("%") else text)

    def find_ms(self, path: Path, zone: tzinfo | None) -> int | None:
        """Return the last time that the path says, in ms since 1970; in `zone`, or the machine's if
        that is None."""
        for found in reversed(self._regex.findall(path.as_posix())):
            with suppress(ValueError, OverflowError, OSError):
                return round(
                    datetime.strptime(found, self._pattern).replace(tzinfo=zone).timestamp() * 1000
                )
        return None


def find_stated_time(
    data: bytes, path: Path, in_name: NameTime | None, zone: tzinfo | None, now_ms: int
) -> tuple[int, TimeBy] | None:
    """Return when the picture was taken by what it says of itself, and what says so: its EXIF data,
    else its name."""
    at_ms = parse_exif_ms(data, zone, now_ms)
    if at_ms is not None:
        return at_ms, "exif"
    at_ms = None if in_name is None else in_name.find_ms(path, zone)
    return (at_ms, "name") if at_ms is not None and _is_likely(at_ms, now_ms) else None


def _is_likely(at_ms: int, now_ms: int) -> bool:
    """Tell whether a picture may have been taken then, if this machine's clock says so much."""
    return at_ms >= EARLIEST_MS and (at_ms <= now_ms + 86_400_000 or now_ms < EARLIEST_MS)


def turn_upright(picture: Image) -> Image:
    """Turn the pixels as the EXIF data say."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except OSError:
        raise
    # whatever a broken file makes of a parser, it is a picture that says no direction
    except Exception:
        return picture


def _parse_time_tags(data: bytes) -> list[tuple[str, str, str]]:
    from PIL import Image  # only who reads EXIF pays for it

    with warnings.catch_warnings():
        # a huge picture is the server's to judge; nothing is decoded here
        warnings.simplefilter("ignore")
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
            top = image.getexif()
            said = {**top, **top.get_ifd(_EXIF_IFD)}
    rows = [[_clean_text(said.get(tag)) for tag in tags] for tags in _TIME_TAGS]
    return [(at, fraction, offset) for at, fraction, offset in rows if at]


def _clean_text(value: object) -> str:
    return value.strip("\0 \t") if isinstance(value, str) else ""


def _parse_ms(text: str, fraction: str, offset: str, zone: tzinfo | None) -> int | None:
    try:
        at = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the zone follows
        if offset:
            at = datetime.fromisoformat(at.isoformat() + offset.replace(" ", ""))
        elif zone is not None:
            at = at.replace(tzinfo=zone)
        whole_ms = round(at.timestamp()) * 1000  # a naive time is the machine's local one
    except (ValueError, OverflowError, OSError):
        return None
    return whole_ms + (int((fraction + "000")[:3]) if fraction.isdecimal() else 0)


def format_rfc3339(at_ms: int) -> str:
    """2026-01-02T03:04:05.678Z"""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def format_minute(at_ms: int) -> str:
    """2026-01-02T03:04:00Z"""
    return format_rfc3339(at_ms).replace(".000Z", "Z")


def parse_rfc3339(text: str) -> int:
    """Return the ms since 1970 of a time with an offset; 0 if it is none."""
    with suppress(ValueError):
        at = datetime.fromisoformat(text)
        return round(at.timestamp() * 1000) if at.tzinfo else 0
    return 0
