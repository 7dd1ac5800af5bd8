"""A gallery as it was at an earlier seq, as long as a snapshot and the journal reach back to it."""

from __future__ import annotations

from chalicelib.core import keys
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.index.gallery import Gallery
from chalicelib.index.journal import tail
from chalicelib.index.snapshots.fetch import fetch
from chalicelib.index.snapshots.loading import pointer_of
from chalicelib.index.snapshots.scratch import Scratch
from chalicelib.index.snapshots.segment import DamagedSnapshot, Segment
from chalicelib.index.view import View


def past(items: ItemStore, blobs: BlobStore, tenant: str, model: str, seq: int) -> View | None:
    """Return a tenant's whole gallery as it was at `seq`; None if what it was made of is no longer kept."""
    pointer = pointer_of(items, tenant, model)
    names = [key for key in (pointer["snapshots"] if pointer else ()) if keys.seq_of_snapshot(key) <= seq]
    for key in reversed(names):
        segment = _read(blobs, key)
        if segment is not None and (view := _followed(items, tenant, Gallery(model, segment), seq)) is not None:
            return view
    return _followed(items, tenant, Gallery(model, None), seq)


def earliest(items: ItemStore, tenant: str, model: str) -> int:
    """Return the lowest seq from which on the gallery can be made as it was."""
    pointer = pointer_of(items, tenant, model)
    kept = [0, *(keys.seq_of_snapshot(key) for key in (pointer["snapshots"] if pointer else ()))]
    return next((seq for seq in kept if tail(items, tenant, seq, kept[-1]) is not None), kept[-1])


def _followed(items: ItemStore, tenant: str, gallery: Gallery, seq: int) -> View | None:
    entries = tail(items, tenant, gallery.view.seq, seq)
    if entries is None:
        return None
    with gallery.changing:
        return gallery.apply(entries, seq)


def _read(blobs: BlobStore, key: str) -> Segment | None:
    try:
        return fetch(blobs, key, Scratch().file)
    except DamagedSnapshot:
        return None
