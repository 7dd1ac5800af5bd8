"""Deltas: what has changed in a large gallery since it was last stored whole (its base), so that
few changes write few bytes.

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
    """Return one change for each changed face, with its state after all of them.

    A PUT of a face into one group and a MOVE to another become a PUT into the other. A face that
    has no template of this model any more becomes a DELETE. None means that the changes drop a
    whole group, whose faces only a gallery knows.
    """
    last_entries: dict[str, JournalEntry] = {}
    for entry in entries:
        if entry.edit is Edit.DROP:
            return None
        if entry.edit is Edit.MOVE:  # its templates are those of the change before
            entry_before = last_entries.get(entry.faceid, entry)
            last_entries[entry.faceid] = replace(entry_before, group_id=entry.group_id)
            continue
        templates = tuple(template for template in entry.templates if template.model == model)
        if not templates and entry.edit is Edit.EMBED:  # it adds those of another model
            continue
        edit = Edit.PUT if templates else Edit.DELETE  # without templates nobody can find it
        last_entries[entry.faceid] = JournalEntry(edit, entry.faceid, entry.group_id, templates)
    return list(last_entries.values())


def encode(entries: list[JournalEntry]) -> bytes:
    """Return the changes as bytes, with a checksum."""
    body = msgpack.encode(entries)
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decode(data: bytes) -> list[JournalEntry]:
    """Return the changes of `encode`'s bytes. Raises DamagedSnapshot."""
    body = data[_BODY:]
    if data[:_BODY] != _MAGIC + zlib.crc32(body).to_bytes(4, "little"):
        raise DamagedSnapshot(f"{len(data)} bytes that are no delta, or not a whole one")
    return msgpack.decode(body, type=list[JournalEntry])
