"""Deltas: the changes of a large gallery since its last whole snapshot, its base, so that few
changes write few bytes.

Layout: magic; uint32 CRC-32 of the rest, little-endian; the changes in msgpack, one for each face.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from msgspec import msgpack
from msgspec.structs import replace

from chalicelib.book.search.snapshots.segment import DamagedSnapshot
from chalicelib.domain.model import Edit, JournalEntry

_MAGIC = b"RGDELT01"
_BODY = len(_MAGIC) + 4
"""Offset of the body, in bytes: it follows the magic bytes and the body's CRC-32."""


def fold_changes(model: str, entries: Iterable[JournalEntry]) -> list[JournalEntry] | None:
    """Reduce changes to one for each face that they name, which leads to its last state in a
    gallery of this model.

    A PUT and a MOVE of one face are a PUT in the other group. None: a whole group is dropped, and
    only a gallery knows its faces.
    """
    last_entries: dict[str, JournalEntry] = {}
    for entry in entries:
        if entry.edit is Edit.DROP:
            return None
        templates = tuple(template for template in entry.templates if template.model == model)
        if entry.edit is Edit.MOVE:
            entry_before = last_entries.get(entry.faceid, entry)
            last_entries[entry.faceid] = replace(entry_before, group_id=entry.group_id)
        elif templates or entry.edit is not Edit.EMBED:
            edit = Edit.PUT if templates else Edit.DELETE
            last_entries[entry.faceid] = JournalEntry(edit, entry.faceid, entry.group_id, templates)
    return list(last_entries.values())


def encode(entries: list[JournalEntry]) -> bytes:
    body = msgpack.encode(entries)
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decode(data: bytes) -> list[JournalEntry]:
    """Decode the bytes of `encode`. Raises DamagedSnapshot."""
    body = data[_BODY:]
    if data[:_BODY] != _MAGIC + zlib.crc32(body).to_bytes(4, "little"):
        raise DamagedSnapshot(f"{len(data)} bytes that are no delta, or not a whole one")
    return msgpack.decode(body, type=list[JournalEntry])
