"""Pictures for tests: each of its own content, made fast."""

import hashlib
import io
import os
import struct
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from PIL import Image

FIRST_MS = 1_760_000_000_123
"""The time of the first picture of a folder; the others follow some seconds apart."""


@cache
def _small(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    picture = Image.new("RGB", (16, 16), colour)
    picture.paste((20, 20, 20), (8, 8, 16, 16))  # one colour alone is a covered lens
    picture.save(out, "JPEG")
    return out.getvalue()


def jpeg(number: int, size: int = 1200, colour: tuple[int, int, int] = (120, 90, 60)) -> bytes:
    """A JPEG that no other number gives; a comment segment makes it different, and as long as
    wanted."""
    small = _small(colour)
    note = f"picture {number} ".encode().ljust(max(24, size - len(small) - 4), b".")[:65_000]
    return small[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + small[2:]


def without_views(data: bytes) -> bytes:
    """Return the first picture of a file of several as it was before they were joined."""
    at = data.find(b"MPF\0") - 4
    if at < 0:
        return data
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    first_entry = at + 8 + 50
    (size,) = struct.unpack_from("<I", data, first_entry + 4)
    return data[:at] + data[at + 2 + length : size]


def jpeg_with_exif(
    number: int, taken: str, offset: str | None = None, subsec: str | None = None
) -> bytes:
    exif = Image.Exif()
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = taken
    if offset:
        inner[0x9011] = offset
    if subsec:
        inner[0x9291] = subsec
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, 0, 0)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def fill(folder: Path, count: int, start: int = 0, size: int = 1200) -> None:
    """Pictures `start` and on, in the folder and two of its sub-folders, each with a time of its
    own."""
    for number in range(start, start + count):
        where = folder / ("", "north", "north/door")[number % 3]
        where.mkdir(parents=True, exist_ok=True)
        put(where / f"{number:06d}.jpg", jpeg(number, size), FIRST_MS + number * 3_000)


def put(path: Path, data: bytes, at_ms: int) -> None:
    """Whole at once, with its time, as a program that writes well does it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.utime(part, ns=(at_ms * 1_000_000, at_ms * 1_000_000))
    part.rename(path)


def expected(folder: Path) -> set[tuple[str, str]]:
    """(sha256, captured_at) of all pictures below `folder`."""
    return {
        (hashlib.sha256(path.read_bytes()).hexdigest(), text(path.stat().st_mtime_ns // 1_000_000))
        for path in folder.rglob("*.jpg")
        if path.is_file()
    }


def there(captures: list[dict[str, object]]) -> list[tuple[str, str]]:
    """(sha256, captured_at) of what a service lists."""
    return [(str(row["sha256"]), _canonical(str(row["captured_at"]))) for row in captures]


def text(at_ms: int) -> str:
    return (
        datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        + f".{at_ms % 1000:03d}Z"
    )


def _canonical(said: str) -> str:
    at = datetime.fromisoformat(said)
    return text(round(at.timestamp() * 1000))
