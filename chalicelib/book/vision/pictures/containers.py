"""Picture files without their metadata: format and EXIF orientation are read, everything else is
dropped.

Metadata makes decoders warn, inflate data and follow offsets. So this module walks the file by
slicing bytes, and removes what the pixels do not need before Pillow sees the file.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterator
from contextlib import suppress

from chalicelib.domain.pictures import MAX_VIEWS, VIEW_RULES

UPRIGHT = 1
_ORIENTATION_TAG = 0x0112
_SHORT = 3

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
"""Chunks that are kept. An animated PNG without acTL and fdAT is its default image."""

_SOI, _SOS, _EOI, _TEM = 0xD8, 0xDA, 0xD9, 0x01
_TWICE = {_SOI: "begins twice", _EOI: "ends before its pixels"}
_RESTARTS = range(0xD0, 0xD8)
_APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_EXIF = b"Exif\x00\x00"
_END = bytes((0xFF, _EOI))

_INDEX = b"MPF\x00"
"""Begin of the segment that lists the pictures of a file (Multi-Picture Format, CIPA DC-007)."""
_INDEX_TAG, _UNDEFINED = 0xB002, 7

_ANY_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Marker that ends a scan."""

_NOISE = random.Random(1).randbytes(512).replace(b"\xff", b"\x55")
"""Random bytes without markers."""

MAX_PARTS = 20_000
"""Largest number of segments or chunks, dropped ones too. A file with more is taken as an attempt
to waste our time."""


def format_of(data: bytes) -> str | None:
    """Return "JPEG", "PNG", "BMP", "WEBP", "HEIC", "GIF" or None from the first bytes; its name
    plays no part."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(_PNG):
        return "PNG"
    if data.startswith(_RIFF) and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if _find_brand(data) == "HEIC":
        return "HEIC"
    return "BMP" if data.startswith(b"BM") else None


_OTHERS = ((b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"), (b"%PDF-", "PDF"))
_RIFF, _FTYP = b"RIFF", b"ftyp"
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)
"""Major brands of ISO base media files (ISO/IEC 14496-12) that are pictures: AVIF's, and HEIF's
(ISO/IEC 23008-12)."""


def name_other_format(data: bytes) -> str | None:
    """Name a format that Regulars does not decode, such as "AVIF"; None if it is not one that
    people usually send."""
    return _find_brand(data) or next(
        (name for begin, name in _OTHERS if data.startswith(begin)), None
    )


def _find_brand(data: bytes) -> str | None:
    """Return "HEIC" or "AVIF" for an ISO base media file that is such a picture, else None."""
    if data[4:8] != _FTYP:
        return None
    compatible = {
        data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4], "big"), 64), 4)
    }
    brand = _BRANDS.get(data[8:12])
    return "AVIF" if brand == "HEIC" and b"avif" in compatible else brand


def drop_metadata(data: bytes, file_format: str) -> tuple[bytes, int]:
    """Return the file without metadata, and its EXIF orientation, 1..8 (1 if it has none or an
    invalid one).

    Raises ValueError if the file has more than MAX_PARTS parts.
    """
    if file_format == "JPEG":
        return _drop_from_jpeg(data)
    if file_format == "PNG":
        return _drop_from_png(data)
    if file_format == "WEBP":
        return _drop_from_webp(data)
    # a HEIC file's decoder turns it upright, by the file's own boxes and not by its EXIF
    return data, UPRIGHT


def scans(jpeg: bytes) -> int:
    """Count how often a decoder goes over the whole picture: once, or about ten times if the JPEG
    is progressive."""
    return jpeg.count(bytes((0xFF, _SOS)))


def insert_noise(jpeg: bytes) -> bytes:
    """Insert noise at the end of each scan; it shows only if pixels are missing.

    A decoder whose data ends before the picture does leaves the rest grey without an error.
    """
    parts, copied_until, position = [], 0, jpeg.find(bytes((0xFF, _SOS)))
    for _ in _count_parts():
        if (
            position < 0
            or position + 4 > len(jpeg)
            or jpeg[position] != 0xFF
            or jpeg[position + 1] == _EOI
        ):
            break
        begin = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if jpeg[position + 1] != _SOS:
            position = begin
            continue
        end = _MARKER.search(jpeg, begin)
        if end is None:
            break
        position = end.start()
        restarts = sum(jpeg.count(bytes((0xFF, marker)), begin, position) for marker in _RESTARTS)
        restart = bytes((0xFF, _RESTARTS[restarts % len(_RESTARTS)])) if restarts else b""
        parts += [jpeg[copied_until:position], restart, _NOISE]
        copied_until = position
    return b"".join([*parts, jpeg[copied_until:]])


def split_views(data: bytes) -> list[bytes]:
    """Return the further pictures that a JPEG file holds behind its first one, without metadata.

    They are the first MAX_VIEWS of its index; one that is listed several times counts once. One
    that has too many bytes, or is no JPEG, is empty. A file of another format has none.
    """
    if format_of(data) != "JPEG":
        return []
    return [_cut_view(data, begin, size) for begin, size in _list_views(data)]


def _cut_view(data: bytes, begin: int, size: int) -> bytes:
    view = data[begin : begin + min(size, VIEW_RULES.max_bytes)]
    if size <= VIEW_RULES.max_bytes and format_of(view) == "JPEG":
        with suppress(ValueError):
            return _drop_from_jpeg(view)[0]
    return b""


def _list_views(jpeg: bytes) -> list[tuple[int, int]]:
    """Return where the further pictures of a file begin, and their bytes, as its first index
    says."""
    with suppress(ValueError):  # the file ends before its pixels
        for marker, begin, end in _walk_segments(jpeg):
            if marker == _APP2 and (places := _parse_index(jpeg[begin:end])):
                return [(begin + at, size) for at, size in places]
    return []


def _parse_index(segment: bytes) -> list[tuple[int, int]]:
    """Read where each further picture begins, from the segment's begin, and its bytes.

    The segment's first entry is of the file's first picture. One that is no index has none.
    """
    base = 4 + len(_INDEX)
    tiff = segment[base:]
    entry = _find_entry(tiff, _INDEX_TAG, _UNDEFINED) if segment[4:base] == _INDEX else None
    if entry is None:
        return []
    order, size, place = entry
    try:
        (table,) = struct.unpack_from(f"{order}I", tiff, place)
        entries = [
            struct.unpack_from(f"{order}4xII", tiff, table + at)
            for at in range(16, min(size, 16 + 16 * MAX_VIEWS), 16)
        ]
    except struct.error:  # cut short
        return []
    sizes = {base + begin: picture_size for picture_size, begin in entries}
    return list(sizes.items())


def _drop_from_jpeg(data: bytes) -> tuple[bytes, int]:
    """Drop comments and all application segments except JFIF's and Adobe's, which say how colours
    are stored.

    Padding, junk between segments and markers without a length are dropped too. Decoders skip them,
    and would read the metadata behind them. So are the further pictures of an index.
    """
    kept_parts, orientation, end_of_first = [data[:2]], UPRIGHT, len(data)
    for marker, begin, end in _walk_segments(data):
        if marker == _SOS:
            kept_parts.append(data[begin:end_of_first])
        elif marker in (_APP0, _APP14) or not (_APP0 < marker <= _APP15 or marker == _COMMENT):
            kept_parts.append(data[begin:end])
        elif marker == _APP1 and data.startswith(_EXIF, begin + 4) and orientation == UPRIGHT:
            orientation = _parse_orientation(data[begin + 4 + len(_EXIF) : end])
        elif marker == _APP2 and end_of_first == len(data):
            begins = [begin + at for at, _ in _parse_index(data[begin:end])]
            whole_until = (at for at in begins if data.endswith(_END, end, at))
            end_of_first = min(whole_until, default=end_of_first)
    return b"".join(kept_parts), orientation


def _walk_segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, begin and end of each segment; the last one is SOS, which ends with the
    file.

    Raises ValueError if the file ends before, or is no JPEG.
    """
    position = 2
    for _ in _count_parts():
        marker_match = _ANY_MARKER.search(jpeg, position)
        if marker_match is None:
            break
        position, marker = marker_match.start(), jpeg[marker_match.start() + 1]
        if marker == _SOS:
            yield marker, position, len(jpeg)
            return
        if marker in _TWICE:
            raise ValueError(f"the file {_TWICE[marker]}")
        if marker == _TEM or marker in _RESTARTS:
            position += 2
            continue
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if length < 2:  # the length counts its own two bytes
            raise ValueError("a segment has no length")
        yield marker, position, position + 2 + length
        position += 2 + length
    raise ValueError("the file ends before its pixels")


def _drop_from_png(data: bytes) -> tuple[bytes, int]:
    kept_parts, orientation, position = [_PNG], UPRIGHT, len(_PNG)
    for _ in _count_parts():
        if position + 8 > len(data) or kept_parts[-1][4:8] == b"IEND":
            break
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind in _PNG_KEPT:
            kept_parts.append(data[position:end])
        elif kind == b"eXIf":
            orientation = _parse_orientation(data[position + 8 : end - 4])
        position = end
    return b"".join(kept_parts), orientation


_WEBP_HEAD = 12
_HAS_ALPHA, _MOVES = 0x10, 0x02
"""Flags of an extended WebP file (VP8X, RFC 9649, 2.7), whose chunk then is the first."""


def _drop_from_webp(data: bytes) -> tuple[bytes, int]:
    """Keep the picture and its transparency, of an animation the first picture.

    Without these, VP8X is needless.
    """
    kept_chunks: dict[bytes, bytes] = {}
    orientation, position = UPRIGHT, _WEBP_HEAD
    for _ in _count_parts():
        if position + 8 > len(data):
            break
        kind = data[position : position + 4]
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        if kind in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"):
            kept_chunks.setdefault(kind, data[position : end + end % 2])
        elif kind == b"EXIF":
            orientation = _parse_orientation(data[position + 8 : end].removeprefix(_EXIF))
        position = end + end % 2
    head = kept_chunks.pop(b"VP8X", b"")
    chunks = [*kept_chunks.values()]
    if b"ANMF" in kept_chunks:
        chunks = [
            head[:8],
            bytes((head[8] & (_HAS_ALPHA | _MOVES),)),
            head[9:],
            kept_chunks[b"ANIM"],
            kept_chunks[b"ANMF"],
        ]
    elif b"ALPH" in kept_chunks:
        chunks = [
            head[:8],
            bytes((_HAS_ALPHA,)),
            head[9:],
            kept_chunks.pop(b"ALPH"),
            *kept_chunks.values(),
        ]
    body = b"WEBP" + b"".join(chunks)
    return _RIFF + len(body).to_bytes(4, "little") + body, orientation


def parse_webp_size(data: bytes) -> tuple[int, int]:
    """Read the width and height of a WebP file without metadata (RFC 9649).

    Raises ValueError, struct.error.
    """
    kind, begin = data[_WEBP_HEAD : _WEBP_HEAD + 4], _WEBP_HEAD + 8
    if kind == b"VP8X":
        wide, high = data[begin + 4 : begin + 7], data[begin + 7 : begin + 10]
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, begin + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind != b"VP8 ":
        raise ValueError("the file has no picture")
    wide, high = struct.unpack_from("<HH", data, begin + 6)
    return wide & 0x3FFF, high & 0x3FFF


def _count_parts() -> Iterator[int]:
    """Count the parts of a file. Raises ValueError if there are more than MAX_PARTS."""
    yield from range(MAX_PARTS)
    raise ValueError(f"the file has more than {MAX_PARTS} parts")


def _parse_orientation(tiff: bytes) -> int:
    """Read tag 0x0112 of the first directory (TIFF 6.0; CIPA DC-008)."""
    entry = _find_entry(tiff, _ORIENTATION_TAG, _SHORT)
    if entry is None or entry[1] != 1:
        return UPRIGHT
    (value,) = struct.unpack_from(f"{entry[0]}H", tiff, entry[2])
    return value if 1 <= value <= 8 else UPRIGHT


def _find_entry(tiff: bytes, wanted_tag: int, wanted_kind: int) -> tuple[str, int, int] | None:
    """Return an entry of the first directory: the byte order, its count of values, and where it
    has its value, or the value's place; None: there is none."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(entries):
            begin = directory + 2 + 12 * entry
            tag, kind, count, _ = struct.unpack_from(f"{order}HHIH", tiff, begin)
            if (tag, kind) == (wanted_tag, wanted_kind):
                return order, count, begin + 8
    except struct.error:  # cut short
        return None
    return None
