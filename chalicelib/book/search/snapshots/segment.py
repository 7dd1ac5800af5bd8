"""A gallery at one seq, ready to be searched, and its bytes: immutable, checked in length, version
and checksums.

Layout, little-endian: magic `RGSNAP02`; uint32 length and uint32 CRC-32 of the header; the header,
JSON; then the body, from the next multiple of 64 on: the sections that the header lists, each at a
multiple of 64. The templates come last: a search reads few of their rows, so they may stay on disk,
while it reads everything before them. The header holds the CRC-32 of each `PART` of the body, so
that parts can be fetched side by side, checked, and put in their place.

CRC-32 suffices because it guards against damage, not forgery: those who can write the bucket can
write anything. It is in the standard library and twice as fast as SHA-256; every part has its own.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from io import BufferedReader
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict, replace
from numpy.typing import NDArray

from chalicelib.book.search.scan.coder import CodedRows, Coder, Tier, fit
from chalicelib.book.search.scan.coder import encode as coded
from chalicelib.storage.pieces import Pieces

_FEW = 4_095
"""Up to so many faceids are kept as strings, too. To make ten takes 0.003 ms, and a search in 1,000
faces 0.04."""
_STRING_BYTES = 90
"""Memory of one id as a Python string, about."""


class FaceIds(Struct, frozen=True, dict=True):
    """The ids of a gallery's faces, packed, in the byte order of their UTF-8 and of Python."""

    text: NDArray[np.uint8]
    """all of them, end to end"""
    offsets: NDArray[np.uint64]
    """(faces + 1,) where each begins"""

    @classmethod
    def of(cls, faceids: Iterable[str]) -> FaceIds:
        """Pack `faceids`, which are in order."""
        encoded = [faceid.encode() for faceid in faceids]
        offsets = np.zeros(len(encoded) + 1, dtype="<u8")
        np.cumsum([len(part) for part in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> str:
        text, offsets = self._views
        return str(text[offsets[number] : offsets[number + 1]], "utf-8")

    @property
    def names(self) -> list[str] | FaceIds:
        """The faceids; as strings if they are few."""
        return self._strings or self

    @cached_property
    def _strings(self) -> list[str]:
        return [self[number] for number in range(len(self))] if len(self) <= _FEW else []

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take when they are searched for."""
        string_bytes = _STRING_BYTES * len(self) if len(self) <= _FEW else 0
        return self.text.nbytes + self.offsets.nbytes + string_bytes

    @cached_property
    def _views(self) -> tuple[memoryview, memoryview]:
        return self.text.data, self.offsets.data  # whose slices take a quarter of an array's time

    def find(self, faceid: str) -> int | None:
        """Return the number of the face of this id; None if it is not there."""
        wanted_bytes, low, high = faceid.encode(), 0, len(self)
        while low < high:  # bisect
            middle = (low + high) // 2
            if self._bytes(middle) < wanted_bytes:
                low = middle + 1
            else:
                high = middle
        is_there = low < len(self) and self._bytes(low) == wanted_bytes
        return low if is_there else None

    def _bytes(self, number: int) -> bytes:
        text, offsets = self._views
        return bytes(text[offsets[number] : offsets[number + 1]])


MAGIC = b"RGSNAP02"
_MAGIC_FAMILY = b"RGSNAP"
_LENGTHS = struct.Struct("<II")
_ALIGNMENT = 64
"""Bytes to whose multiples the arrays of a file begin: a line of the cache."""
PREFIX = len(MAGIC) + _LENGTHS.size
PART = 4 * 1024 * 1024
"""Bytes of the body that share one checksum and are fetched at once."""

_TYPES = {
    "id_offsets": "<u8", "id_text": "u1", "face_group": "<u4", "first_row": "<u4",
    "rotation": "<f4", "tier0": "i1", "tier1": "i1", "loose": "<u4", "templates": "<f2",
}  # fmt: skip


class DamagedSnapshot(ValueError):
    """Error for bytes that are no snapshot (a stored gallery), or an incomplete one; the message
    states the problem."""


class Segment(Struct, frozen=True):
    """A gallery as it was after the change of number `seq`: its faces, their groups and templates,
    ready to be searched.

    A row is one template; a face may have several. Face n has the rows first_row[n]..first_row[n +
    1] and is in group_ids[face_group[n]].
    """

    model: str
    seq: int
    ids: FaceIds
    group_ids: tuple[str, ...]
    face_group: NDArray[np.uint32]
    """(faces,)"""
    first_row: NDArray[np.uint32]
    """(faces + 1,)"""
    templates: NDArray[np.float16]
    """(rows, dimensions)"""
    coder: Coder
    codes: CodedRows
    on_disk: bool = False
    """whether the templates are in a file that is mapped into memory"""

    @property
    def hot_bytes(self) -> int:
        """Bytes of memory that it takes while it can be searched.

        Templates that are in a file on disk do not count.
        """
        arrays_in_memory: list[FaceIds | NDArray[Any]] = [
            self.ids,
            self.face_group,
            self.first_row,
            *self.codes.tiers,
            self.codes.loose,
        ]
        if self.coder.rotation is not None:
            arrays_in_memory.append(self.coder.rotation)
        if not self.on_disk:
            arrays_in_memory.append(self.templates)
        return sum(array.nbytes for array in arrays_in_memory)


class Layout(Struct, frozen=True):
    """Positions of a snapshot's parts, as offsets from the first byte, from its header."""

    header: Mapping[str, Any]
    body_at: int
    size: int
    """of the whole object"""
    cold_at: int
    """start of the templates"""
    checksums: Sequence[int]


def encode_segment(segment: Segment) -> Pieces:
    """Return a segment as a snapshot's file: magic, lengths, header, then its arrays, not copied.

    The header is JSON that says where each array begins in the body, and its shape. Each array
    begins at a multiple of 64 bytes. Each PART of the body has a checksum in the header, and the
    header has one before it.
    """
    sections = {
        name: np.ascontiguousarray(array, _TYPES[name])
        for name, array in _list_sections(segment).items()
    }
    offsets_and_shapes, pieces, offset = {}, list[memoryview | bytes](), 0
    for name, array in sections.items():
        offsets_and_shapes[name] = [offset, *array.shape]
        padding = -array.nbytes % _ALIGNMENT  # up to the next multiple
        if array.size:
            pieces.append(array.reshape(-1).view(np.uint8).data)
        pieces.append(b"\0" * padding)
        offset += array.nbytes + padding
    header = {
        "model": segment.model,
        "seq": segment.seq,
        "group_ids": segment.group_ids,
        "dimensions": segment.coder.dimensions,
        "largest_norm": segment.coder.largest_norm,
        "tiers": [asdict(tier) for tier in segment.coder.tiers],
        "sections": offsets_and_shapes,
        "body": offset,
        "checksums": _sum_parts(Pieces(pieces)),
    }
    text = json.dumps(header).encode()
    text += b" " * (-(PREFIX + len(text)) % _ALIGNMENT)  # so that the body begins at a multiple
    return Pieces([MAGIC, _LENGTHS.pack(len(text), zlib.crc32(text)), text, *pieces])


def _sum_parts(body: Pieces) -> list[int]:
    """Return the checksum of each PART of a snapshot's body."""
    parts = iter(partial(BufferedReader(body).read, PART), b"")
    return [zlib.crc32(part) for part in parts]


def _list_sections(segment: Segment) -> dict[str, NDArray[Any]]:
    """Return the arrays of a segment by name, in the order of the file; the templates come last."""
    sections: dict[str, NDArray[Any]] = {
        "id_offsets": segment.ids.offsets,
        "id_text": segment.ids.text,
        "face_group": segment.face_group,
        "first_row": segment.first_row,
    }
    if segment.coder.rotation is not None:
        sections["rotation"] = segment.coder.rotation
    for number, codes in enumerate(segment.codes.tiers):
        sections[f"tier{number}"] = codes
    return {**sections, "loose": segment.codes.loose, "templates": segment.templates}


def header_length(prefix: bytes) -> int:
    """Return the length of a snapshot's header, from its first `PREFIX` bytes.

    Raises DamagedSnapshot.
    """
    if len(prefix) < PREFIX or not prefix.startswith(_MAGIC_FAMILY):
        raise DamagedSnapshot(f"{len(prefix)} bytes that do not begin as a snapshot does")
    if not prefix.startswith(MAGIC):
        raise DamagedSnapshot(
            f"it is of another version than {MAGIC.decode()}: {prefix[: len(MAGIC)]!r}"
        )
    text_length, _ = _LENGTHS.unpack_from(prefix, len(MAGIC))
    return PREFIX + int(text_length)


def parse_layout(head: bytes, size: int) -> Layout:
    """Return the layout of a snapshot of `size` bytes, after a check of its header.

    `head` is its first bytes, `header_length` at least. Raises DamagedSnapshot.
    """
    body_at = header_length(head)
    _, checksum = _LENGTHS.unpack_from(head, len(MAGIC))
    text = head[PREFIX:body_at]
    # A header of no bytes would pass: its checksum is 0.
    if not text or len(head) < body_at or zlib.crc32(text) != checksum:
        raise DamagedSnapshot("the checksum does not fit the snapshot's header")
    header = json.loads(text)
    told_size = body_at + header["body"]
    if told_size != size:
        raise DamagedSnapshot(f"the header tells of {told_size} bytes, and there are {size}")
    templates_offset = header["sections"]["templates"][0]
    return Layout(
        header=header,
        body_at=body_at,
        size=size,
        cold_at=body_at + templates_offset,
        checksums=header["checksums"],
    )


def check_part(layout: Layout, number: int, part: bytes | memoryview) -> None:
    """Raise DamagedSnapshot unless these are the bytes of the body's part `number`."""
    begin = number * PART
    right_size = min(PART, layout.size - layout.body_at - begin)
    if len(part) != right_size or zlib.crc32(part) != layout.checksums[number]:
        raise DamagedSnapshot(
            f"the checksum does not fit the snapshot's bytes {begin}.. of the body"
        )


def assemble_segment(
    layout: Layout, hot: memoryview, cold: memoryview, *, on_disk: bool = False
) -> Segment:
    """Return the segment, a gallery to be searched, that a snapshot's bytes hold, without a copy.

    `layout` is what its header says. The body comes in two parts. `hot` is all before the
    templates, which every search reads; `cold` is the templates. If `on_disk`, `cold` is a file
    that is mapped into memory.
    """
    header, hot_size = layout.header, layout.cold_at - layout.body_at

    def parse_section(name: str) -> NDArray[Any]:
        """Return an array of the body; the header has its offset there, and its shape."""
        offset, *shape = header["sections"][name]
        source = hot
        if offset >= hot_size:
            source, offset = cold, offset - hot_size
        count = int(np.prod(shape, dtype=np.int64))
        # numpy takes no offset at the end, where an empty section may lie.
        return np.frombuffer(source, _TYPES[name], count, offset if count else 0).reshape(shape)

    rotation = parse_section("rotation") if "rotation" in header["sections"] else None
    tiers = tuple(Tier(**tier) for tier in header["tiers"])
    codes = tuple(parse_section(f"tier{number}") for number in range(len(tiers)))
    return Segment(
        model=header["model"],
        seq=header["seq"],
        ids=FaceIds(parse_section("id_text"), parse_section("id_offsets")),
        group_ids=tuple(header["group_ids"]),
        face_group=parse_section("face_group"),
        first_row=parse_section("first_row"),
        templates=parse_section("templates"),
        coder=Coder(header["dimensions"], rotation, tiers, largest_norm=header["largest_norm"]),
        codes=CodedRows(codes, loose=parse_section("loose")),
        on_disk=on_disk,
    )


def decode(data: bytes) -> Segment:
    """Return the segment of a snapshot's bytes, not copied. Raises DamagedSnapshot."""
    layout = parse_layout(data[: header_length(data[:PREFIX])], len(data))
    body = memoryview(data)[layout.body_at :]
    for number in range(len(layout.checksums)):
        check_part(layout, number, body[number * PART : (number + 1) * PART])
    boundary = layout.cold_at - layout.body_at
    return assemble_segment(layout, body[:boundary], body[boundary:])


def empty_segment(model: str) -> Segment:
    """Return an empty gallery, as it is before its first change: no face, row or code."""
    nothing = np.empty(0, dtype=np.uint32)
    return Segment(
        model=model,
        seq=0,
        ids=FaceIds.of(()),
        group_ids=(),
        face_group=nothing,
        first_row=np.zeros(1, np.uint32),  # its last number is that of all rows
        templates=np.empty((0, 0), dtype=np.float16),
        coder=Coder(dimensions=0, rotation=None, tiers=(), largest_norm=0),
        codes=CodedRows(tiers=(), loose=nothing),
    )


def segment_of_rows(
    model: str,
    seq: int,
    faceids: Sequence[str],
    group_ids: Sequence[str],
    face_group: NDArray[np.integer],
    counts: NDArray[np.integer],
    templates: NDArray[np.float16],
) -> Segment:
    """Return a segment, a gallery to be searched, of faces in the order of their ids.

    `templates` has those of the first face, then those of the second, and so on; `counts`, how many
    each has. `face_group` is each face's place in `group_ids`. Codes of the templates are made
    here.
    """
    if not len(faceids):
        return replace(empty_segment(model), seq=seq)
    first_row = np.zeros(len(faceids) + 1, dtype=np.uint32)
    np.cumsum(counts, out=first_row[1:])
    coder = fit(templates)
    return Segment(
        model=model,
        seq=seq,
        ids=FaceIds.of(faceids),
        group_ids=tuple(group_ids),
        face_group=face_group.astype(np.uint32),
        first_row=first_row,
        templates=templates,
        coder=coder,
        codes=coded(coder, templates),
    )


def segment_of_faces(
    model: str, seq: int, faces: Iterable[tuple[str, str, Sequence[bytes]]]
) -> Segment:
    """Return a segment, a gallery ready to be searched, of (faceid, group id, templates) each.

    They come in any order, and a face without templates is left out. A template is its numbers as
    float16, little-endian.
    """
    with_templates = [(faceid, group_id, vectors) for faceid, group_id, vectors in faces if vectors]
    faces_in_order = sorted(with_templates, key=lambda face: face[0])  # of faceids
    # Groups are numbered in the order in which they come.
    groups: dict[str, int] = {}
    face_group = [groups.setdefault(group_id, len(groups)) for _, group_id, _ in faces_in_order]
    # All templates, those of one face behind those of the other, are the rows of one array.
    data = b"".join(vector for _, _, vectors in faces_in_order for vector in vectors)
    counts = np.array([len(vectors) for _, _, vectors in faces_in_order], dtype=np.int64)
    templates = np.empty((0, 0), np.float16)
    if data:
        templates = np.frombuffer(data, dtype="<f2").reshape(int(counts.sum()), -1)
    return segment_of_rows(
        model=model,
        seq=seq,
        faceids=[faceid for faceid, _, _ in faces_in_order],
        group_ids=list(groups),
        face_group=np.array(face_group),
        counts=counts,
        templates=templates,
    )
