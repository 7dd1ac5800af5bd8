"""Picture files without their metadata (what they say beside the pixels): format and EXIF
orientation are read, everything else is dropped.

Metadata makes decoders warn, inflate data and follow offsets. So this module walks the file by
slicing bytes, and removes what the pixels do not need before Pillow sees the file.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from chalicelib.domain.pictures import MAX_VIEWS, VIEW_RULES

UPRIGHT = 1
_ORIENTATION_TAG = 0x0112
_SHORT = 3

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
"""Chunks that are kept. An animated PNG without acTL and fdAT is its default image."""

_SOI, _SOS, _EOI, _TEM = 0xD8, 0xDA, 0xD9, 0x01
_REFUSED = {
    _SOI: "begins twice",
    _EOI: "ends before its pixels",
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF), "is coded as no camera does it"),
}
"""Markers of a file that is refused. Arithmetic coding takes longest."""
_RESTARTS = range(0xD0, 0xD8)
_APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_EXIF = b"Exif\x00\x00"
_END = bytes((0xFF, _EOI))

_SEGMENT_HEAD = 4
"""Bytes of a JPEG segment's marker and length, before its data."""
_INDEX = b"MPF\x00"
"""Begin of the segment that lists the pictures of a file (Multi-Picture Format, CIPA DC-007)."""
_MP_ENTRY_TAG, _UNDEFINED = 0xB002, 7
_MP_ENTRY, _MP_ENTRY_BYTES = "4xII", 16
"""Fields of a picture in the index: Individual Image Attribute (passed over), Individual Image Size
and Data Offset, and four bytes about dependent pictures, which are not read."""

_ANY_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Marker that ends a scan."""

_NOISE = random.Random(1).randbytes(512).replace(b"\xff", b"\x55")
"""Random bytes without markers."""

MAX_PARTS = 20_000
"""Most segments or chunks; a file with more is taken as an attempt to waste our time."""


def find_format(data: bytes) -> str | None:
    """Return "JPEG", "PNG", "BMP", "WEBP", "HEIC", "GIF" or None from a file's first bytes; its
    name plays no part."""
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
    """Return the name of a format that Regulars does not decode, such as "AVIF"; None: unknown."""
    if brand := _find_brand(data):
        return brand
    return next((name for begin, name in _OTHERS if data.startswith(begin)), None)


def _find_brand(data: bytes) -> str | None:
    """Return "HEIC" or "AVIF" for an ISO base media file that is such a picture, else None.

    It begins with a box of brands: the major one, and behind it those that it is compatible with.
    """
    if data[4:8] != _FTYP:
        return None
    brand = _BRANDS.get(data[8:12])
    box_end = min(int.from_bytes(data[:4], "big"), 64)
    compatible = {data[at : at + 4] for at in range(16, box_end, 4)}
    return "AVIF" if brand == "HEIC" and b"avif" in compatible else brand


def drop_metadata(data: bytes, file_format: str) -> tuple[bytes, int]:
    """Return the file without metadata, and its EXIF orientation, 1..8.

    That is 1, upright, if it has none or an invalid one. Raises ValueError for a file of more than
    MAX_PARTS parts, or for a damaged one.
    """
    if file_format == "JPEG":
        return _drop_from_jpeg(data)
    if file_format == "PNG":
        return _drop_from_png(data)
    if file_format == "WEBP":
        return _drop_from_webp(data)
    # a HEIC file's decoder turns it upright, by the file's own boxes and not by its EXIF
    return data, UPRIGHT


def count_scans(jpeg: bytes) -> int:
    """Return how often a decoder goes over the picture: about ten times if progressive."""
    return jpeg.count(bytes((0xFF, _SOS)))


def insert_noise(jpeg: bytes) -> bytes:
    """Return the JPEG with noise at the end of each scan, which shows only if pixels are missing.

    A scan is a part of the file that codes pixels. A decoder that finds too few of them leaves the
    rest grey without an error, but makes it of the noise if there is some.
    """
    # A segment is 0xFF, its kind, its length without these two (two bytes), and its data. Behind
    # one of kind SOS comes a scan, the pixels, up to the next marker.
    parts, copied_until, position = [], 0, jpeg.find(bytes((0xFF, _SOS)))
    for _ in _count_parts():
        is_segment = 0 <= position <= len(jpeg) - _SEGMENT_HEAD and jpeg[position] == 0xFF
        if not is_segment or jpeg[position + 1] == _EOI:
            break
        begin = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if jpeg[position + 1] != _SOS:
            position = begin  # between two scans stand tables
            continue
        end = _MARKER.search(jpeg, begin)
        if end is None:
            break
        position = end.start()
        # If the scan counts its restarts (0 to 7 and again), the noise begins with the next one.
        restarts = sum(jpeg.count(bytes((0xFF, marker)), begin, position) for marker in _RESTARTS)
        restart = bytes((0xFF, _RESTARTS[restarts % len(_RESTARTS)])) if restarts else b""
        parts += [jpeg[copied_until:position], restart, _NOISE]
        copied_until = position
    return b"".join([*parts, jpeg[copied_until:]])


def split_views(data: bytes) -> list[bytes]:
    """Return the views of a JPEG file: the further pictures behind its first one, without metadata.

    They are the first MAX_VIEWS of its index. One that has too many bytes, or is no JPEG, is empty
    (b""). A file of another format has none.
    """
    if find_format(data) != "JPEG":
        return []
    return [_cut_view(data, begin, size) for begin, size in _list_views(data)]


def _cut_view(data: bytes, begin: int, size: int) -> bytes:
    """Return the picture of `size` bytes from `begin` on, without metadata, or b"" if unusable."""
    view = data[begin : begin + min(size, VIEW_RULES.max_bytes)]
    if size <= VIEW_RULES.max_bytes and find_format(view) == "JPEG":
        with suppress(ValueError):
            return _drop_from_jpeg(view)[0]
    return b""


class _Place(NamedTuple):
    """Place of a picture in a file: its first byte, and how many bytes it has."""

    begin: int
    size: int


def _list_views(jpeg: bytes) -> list[_Place]:
    """Return the places of the further pictures of a file, as its first index says."""
    with suppress(ValueError):  # the file ends before its pixels
        for marker, begin, end in _walk_segments(jpeg):
            if marker == _APP2 and (places := _parse_index(jpeg, begin, end)):
                return places
    return []


def _parse_index(jpeg: bytes, begin: int, end: int) -> list[_Place]:
    """Return where the further pictures lie that an index lists; none if it is no index.

    The index is the segment of the file from `begin` to `end` (CIPA DC-007): a head, `MPF` and a
    small TIFF file. The TIFF file's value "MP Entry" is a table, with a record of 16 bytes for each
    picture. The first one, of the file's first picture, is left out. A record tells a picture's
    size, and its offset from the TIFF file's begin. If that is byte 30 of the file, offset 5000 is
    byte 5030.
    """
    segment, tiff_in_segment = jpeg[begin:end], _SEGMENT_HEAD + len(_INDEX)
    if segment[_SEGMENT_HEAD:tiff_in_segment] != _INDEX:
        return []
    tiff = segment[tiff_in_segment:]
    entry = _find_entry(tiff, _MP_ENTRY_TAG, _UNDEFINED)
    if entry is None:
        return []
    # The entry counts the table's bytes. At most the first record and MAX_VIEWS more are read.
    table_bytes = min(entry.value_count, (1 + MAX_VIEWS) * _MP_ENTRY_BYTES)
    try:
        (table,) = struct.unpack_from(f"{entry.order}I", tiff, entry.place)
        sizes_and_offsets = [
            struct.unpack_from(f"{entry.order}{_MP_ENTRY}", tiff, table + record)
            for record in range(_MP_ENTRY_BYTES, table_bytes, _MP_ENTRY_BYTES)
        ]
    except struct.error:  # cut short
        return []
    # One that is listed twice counts once.
    size_by_offset = {offset: size for size, offset in sizes_and_offsets}
    tiff_begin = begin + tiff_in_segment
    return [_Place(tiff_begin + offset, size) for offset, size in size_by_offset.items()]


def _drop_from_jpeg(data: bytes) -> tuple[bytes, int]:
    """Return a JPEG without metadata and further pictures, and its orientation.

    A JPEG is segments, then the pixels. Of application segments only JFIF's and Adobe's are kept,
    which say how colours are stored. Padding, junk between segments and markers without a length
    are dropped. Decoders skip them, and would read the metadata behind them.
    """
    kept_parts, orientation, end_of_first = [data[:2]], UPRIGHT, len(data)
    for marker, begin, end in _walk_segments(data):
        is_application = _APP0 <= marker <= _APP15
        if marker == _SOS:
            kept_parts.append(data[begin:end_of_first])
        elif marker in (_APP0, _APP14) or not (is_application or marker == _COMMENT):
            kept_parts.append(data[begin:end])
        elif marker == _APP1 and data.startswith(_EXIF, begin + _SEGMENT_HEAD):
            if orientation == UPRIGHT:  # the first one that says something counts
                tiff_begin = begin + _SEGMENT_HEAD + len(_EXIF)
                orientation = _parse_orientation(data[tiff_begin:end])
        elif marker == _APP2 and end_of_first == len(data):
            # The first picture ends where another begins, if it is whole until there.
            begins = [place.begin for place in _parse_index(data, begin, end)]
            whole_until = [at for at in begins if data.endswith(_END, end, at)]
            end_of_first = min(whole_until, default=end_of_first)
    return b"".join(kept_parts), orientation


def _walk_segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker (which says what it is), begin and end of each segment of a JPEG.

    The last one is SOS, the pixels, which ends with the file. Raises ValueError if the file ends
    before that, or is no JPEG.
    """
    position = 2
    for _ in _count_parts():
        marker_match = _ANY_MARKER.search(jpeg, position)
        if marker_match is None:
            break
        position = marker_match.start()
        marker = jpeg[position + 1]
        if marker == _SOS:
            yield marker, position, len(jpeg)
            return
        if marker in _REFUSED:
            raise ValueError(f"the file {_REFUSED[marker]}")
        if marker == _TEM or marker in _RESTARTS:  # these have no length
            position += 2
            continue
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if length < 2:  # the length counts its own two bytes
            raise ValueError("a segment has no length")
        end = position + 2 + length
        yield marker, position, end
        position = end
    raise ValueError("the file ends before its pixels")


def _drop_from_png(data: bytes) -> tuple[bytes, int]:
    """Return a PNG with only the chunks that its pixels need, and its orientation.

    A chunk is the length of its data, its kind, the data, and a checksum, of four bytes each but
    the data.
    """
    kept_parts, orientation, position = [_PNG], UPRIGHT, len(_PNG)
    for _ in _count_parts():
        data_begin = position + 8
        is_at_end = data_begin > len(data) or kept_parts[-1][4:8] == b"IEND"
        if is_at_end:
            break
        data_length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : data_begin]
        data_end = data_begin + data_length
        end = data_end + 4  # behind the checksum
        if kind in _PNG_KEPT:
            kept_parts.append(data[position:end])
        elif kind == b"eXIf":
            orientation = _parse_orientation(data[data_begin:data_end])
        position = end
    return b"".join(kept_parts), orientation


_WEBP_HEAD = 12
_HAS_ALPHA, _MOVES = 0x10, 0x02
"""Flags of an extended WebP file (VP8X, RFC 9649, 2.7), whose chunk then is the first."""


def _drop_from_webp(data: bytes) -> tuple[bytes, int]:
    """Return a WebP file of its picture and transparency alone, and its orientation.

    Of an animation the first picture is kept. A file is chunks. A chunk is its kind, the length of
    its data (four bytes each), and the data, filled up to an even length.
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
    # VP8X says what else there is; without transparency and animation it is needless.
    head = kept_chunks.pop(b"VP8X", b"")
    if b"ANMF" in kept_chunks:
        flags = bytes((head[8] & (_HAS_ALPHA | _MOVES),))  # the first byte of its data
        first_picture = [kept_chunks[b"ANIM"], kept_chunks[b"ANMF"]]
        chunks = [head[:8], flags, head[9:], *first_picture]
    elif b"ALPH" in kept_chunks:
        alpha = kept_chunks.pop(b"ALPH")  # it comes before the picture
        chunks = [head[:8], bytes((_HAS_ALPHA,)), head[9:], alpha, *kept_chunks.values()]
    else:
        chunks = [*kept_chunks.values()]
    body = b"WEBP" + b"".join(chunks)
    return _RIFF + len(body).to_bytes(4, "little") + body, orientation


def parse_webp_size(data: bytes) -> tuple[int, int]:
    """Return the width and height of a WebP file without metadata (RFC 9649).

    Its first chunk says so. That is VP8X if it has transparency or moves, else the picture, coded
    without loss (VP8L) or with (VP8). Raises ValueError or struct.error if the file is damaged.
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
    """Count the parts of a file that is walked: yield 0, 1 and so on.

    Raises ValueError when there are more than MAX_PARTS.
    """
    yield from range(MAX_PARTS)
    raise ValueError(f"the file has more than {MAX_PARTS} parts")


def _parse_orientation(tiff: bytes) -> int:
    """Return how EXIF says the picture is to be turned, 1..8; UPRIGHT, 1, if it does not (TIFF 6.0;
    CIPA DC-008)."""
    entry = _find_entry(tiff, _ORIENTATION_TAG, _SHORT)
    if entry is None or entry.value_count != 1:
        return UPRIGHT
    (value,) = struct.unpack_from(f"{entry.order}H", tiff, entry.place)
    return value if 1 <= value <= 8 else UPRIGHT


class _Entry(NamedTuple):
    """An entry of a TIFF directory, a table of values by tag (a number that says what each is).

    `order`: the byte order, "<" or ">". `place`: where the value stands or, if it has more than
    four bytes, where its own place does.
    """

    order: str
    value_count: int
    place: int


def _find_entry(tiff: bytes, wanted_tag: int, wanted_kind: int) -> _Entry | None:
    """Return the entry of this tag, with values of this kind, in a TIFF file's first directory.

    None means that there is none, or that the file is cut short. A directory is a table of values
    by tag. It has the number of its entries (two bytes), then the entries of twelve bytes. An entry
    has its tag, the kind of its values, how many, and in its last four bytes the value or its
    place.
    """
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])  # little-endian or big-endian
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entry_count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for number in range(entry_count):
            begin = directory + 2 + 12 * number
            # H at the end: two bytes of the value, without which the entry is cut short.
            tag, kind, value_count, _ = struct.unpack_from(f"{order}HHIH", tiff, begin)
            if (tag, kind) == (wanted_tag, wanted_kind):
                return _Entry(order, value_count, place=begin + 8)
    except struct.error:
        return None
    return None
