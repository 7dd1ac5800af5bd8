"""The bytes of a snapshot: a gallery at one seq, immutable, checked in length, version and checksum.

Layout, little-endian: magic `RGSNAP01`; uint32 length of the header; the header, JSON (model, seq, dimensions, group
ids, faceids, rows); the rows' face number, uint32; the faces' group number, uint32; the templates, float16 (rows,
dimensions); SHA-256 of all before it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"RGSNAP01"
_LENGTH = struct.Struct("<I")
_CHECKSUM_BYTES = 32
_INDEX = np.dtype("<u4")
_FLOAT16 = np.dtype("<f2")


class DamagedSnapshot(ValueError):
    """The bytes are no snapshot, or not whole; the message says what is wrong."""


@dataclass(frozen=True)
class Segment:
    """A gallery at `seq`. Row r is a template of face `faceids[row_face[r]]`, in group `group_ids[face_group[...]]`."""

    model: str
    seq: int
    faceids: tuple[str, ...]
    group_ids: tuple[str, ...]
    face_group: NDArray[np.uint32]
    """(faces,)"""
    row_face: NDArray[np.uint32]
    """(rows,)"""
    templates: NDArray[np.float16]
    """(rows, dimensions)"""


def encode(segment: Segment) -> bytes:
    rows, dimensions = segment.templates.shape
    header = json.dumps(
        {
            "model": segment.model,
            "seq": segment.seq,
            "dimensions": dimensions,
            "rows": rows,
            "group_ids": segment.group_ids,
            "faceids": segment.faceids,
        }
    ).encode()
    body = b"".join(
        (
            _MAGIC,
            _LENGTH.pack(len(header)),
            header,
            segment.row_face.astype(_INDEX).tobytes(),
            segment.face_group.astype(_INDEX).tobytes(),
            segment.templates.astype(_FLOAT16).tobytes(),
        )
    )
    return body + hashlib.sha256(body).digest()


def decode(data: bytes) -> Segment:
    """The inverse of `encode`. Raises DamagedSnapshot."""
    if len(data) < len(_MAGIC) + _LENGTH.size + _CHECKSUM_BYTES or not data.startswith(_MAGIC):
        raise DamagedSnapshot(f"{len(data)} bytes that do not begin as a snapshot of this version does")
    body = memoryview(data)[:-_CHECKSUM_BYTES]
    if hashlib.sha256(body).digest() != data[-_CHECKSUM_BYTES:]:
        raise DamagedSnapshot("the checksum does not fit the snapshot's bytes")
    begin = len(_MAGIC) + _LENGTH.size
    (header_length,) = _LENGTH.unpack_from(body, len(_MAGIC))
    header = json.loads(bytes(body[begin : begin + header_length]))
    rows, dimensions, faces = header["rows"], header["dimensions"], len(header["faceids"])
    row_face_at = begin + header_length
    face_group_at = row_face_at + rows * _INDEX.itemsize
    templates_at = face_group_at + faces * _INDEX.itemsize
    expected = templates_at + rows * dimensions * _FLOAT16.itemsize
    if expected != len(body):
        raise DamagedSnapshot(f"the header tells of {expected} bytes, and there are {len(body)}")
    return Segment(
        model=header["model"],
        seq=header["seq"],
        faceids=tuple(header["faceids"]),
        group_ids=tuple(header["group_ids"]),
        face_group=np.frombuffer(body, _INDEX, faces, face_group_at),
        row_face=np.frombuffer(body, _INDEX, rows, row_face_at),
        templates=np.frombuffer(body, _FLOAT16, rows * dimensions, templates_at).reshape(rows, dimensions),
    )
