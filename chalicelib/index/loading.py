"""Where a gallery begins: at the newest whole snapshot, or, if that is lost, at the faces themselves."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from chalicelib.core import keys, records
from chalicelib.core.errors import TenantNotFound
from chalicelib.core.model import Edit, Face, JournalEntry
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.index.gallery import Gallery
from chalicelib.index.segment import DamagedSnapshot, decode

_log = logging.getLogger(__name__)


def seq_of(items: ItemStore, tenant: str) -> int:
    """The gallery's seq now. Raises TenantNotFound."""
    item = items.get(keys.DIRECTORY, (tenant, keys.TENANT_ITEM))
    if item is None:
        raise TenantNotFound(f"there is no tenant {tenant!r}")
    return int(item["seq"])


def from_snapshot(items: ItemStore, blobs: BlobStore, tenant: str, model: str) -> Gallery:
    """At the newest snapshot; a damaged one is passed over for the one before it; empty, at seq 0, without any."""
    pointer = items.get(keys.DIRECTORY, (tenant, keys.index_item(model)))
    for key in reversed(pointer["snapshots"] if pointer else []):
        data = blobs.get(key)
        try:
            if data is not None:
                return Gallery(model, decode(data))
            _log.error("snapshot %s of tenant %s is missing", key, tenant)
        except DamagedSnapshot as error:
            _log.error("snapshot %s of tenant %s is damaged: %s", key, tenant, error)
    return Gallery(model, None)


def from_faces(items: ItemStore, tenant: str, model: str) -> Gallery:
    """At the faces' own templates, read one by one: slow, and right where no snapshot and journal reach.

    The seq is read first, so what changes while the faces are read is in the journal behind it and comes once more.
    """
    _log.warning("the gallery of tenant %s is made anew from its faces: no snapshot and journal cover it", tenant)
    seq = seq_of(items, tenant)
    gallery = Gallery(model, None)
    entries = (JournalEntry(Edit.PUT, f.faceid, f.group_id, f.templates) for f in _faces(items, tenant))
    with gallery.changing:
        gallery.apply(entries, seq)
    return gallery


def _faces(items: ItemStore, tenant: str) -> Iterator[Face]:
    token: str | None = None
    while True:
        page = items.query(keys.FACES, tenant, token=token)
        yield from map(records.face_from, page.items)
        token = page.token
        if token is None:
            return
