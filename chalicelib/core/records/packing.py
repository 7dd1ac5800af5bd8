"""Named arrays and a header as bytes, compressed and checked in length and checksum.

Layout, little-endian: eight bytes that name the kind and its version; zlib of (uint32 length of the header; the header,
JSON, with the arrays' names, types and lengths; the arrays one after another); SHA-256 of all before it.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_MAGIC_BYTES = 8
_CHECKSUM_BYTES = 32


class DamagedData(ValueError):
    """Bytes of a wrong format, or incomplete ones; the message says what is wrong."""


def pack(magic: bytes, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack a JSON header and arrays of one dimension. `magic`: eight bytes."""
    columns = [(name, array.astype(array.dtype.newbyteorder("<"))) for name, array in arrays.items()]
    head = json.dumps(
        {**header, "arrays": [[name, array.dtype.str, len(array)] for name, array in columns]}, ensure_ascii=False
    ).encode()
    body = b"".join((_LENGTH.pack(len(head)), head, *(array.tobytes() for _, array in columns)))
    packed = magic + zlib.compress(body)
    return packed + hashlib.sha256(packed).digest()


def unpack(magic: bytes, data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Invert `pack`. Raises DamagedData."""
    import numpy as np

    if len(data) < _MAGIC_BYTES + _CHECKSUM_BYTES or not data.startswith(magic):
        raise DamagedData(f"{len(data)} bytes that do not begin with {magic!r}")
    packed = memoryview(data)[:-_CHECKSUM_BYTES]
    if hashlib.sha256(packed).digest() != data[-_CHECKSUM_BYTES:]:
        raise DamagedData("the checksum does not fit the bytes")
    body = zlib.decompress(packed[_MAGIC_BYTES:])
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    header: dict[str, Any] = json.loads(body[_LENGTH.size : at])
    arrays = {}
    for name, dtype, count in header.pop("arrays"):
        kind = np.dtype(dtype)
        if at + count * kind.itemsize > len(body):
            raise DamagedData(f"the header tells of more than the {len(body)} bytes that there are")
        arrays[name] = np.frombuffer(body, kind, count, at)
        at += count * kind.itemsize
    if at != len(body):
        raise DamagedData(f"the header tells of {at} bytes, and there are {len(body)}")
    return header, arrays
