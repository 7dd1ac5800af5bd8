"""Builds snapshots, so that a cold search function need not read the whole journal, and trims the journal."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import keys, records
from chalicelib.core.errors import ConditionFailed, StorageUnavailable
from chalicelib.core.ids import nonce
from chalicelib.core.ports import BlobStore, Clock, Delete, Item, ItemStore, Put, absent, equals
from chalicelib.index.galleries import Galleries
from chalicelib.index.segment import encode

TAIL_LENGTH = 256
"""Transactions behind the newest snapshot that make a new one worth it."""

JOURNAL_GRACE = timedelta(hours=1)
"""A search that runs beside the trimming finds its tail for this long."""

_KEPT_SNAPSHOTS = 2
_TRIM_CHUNK = 50


class Compactor:
    """Implements core.ports.IndexBuilder for one model."""

    def __init__(self, items: ItemStore, blobs: BlobStore, galleries: Galleries, clock: Clock, model: str) -> None:
        self._items = items
        self._blobs = blobs
        self._galleries = galleries
        self._clock = clock
        self._model = model

    def build(self, tenant: str) -> bool:
        """Write a snapshot if the tail is long enough, switch the pointer, trim; killed anywhere, nothing is lost."""
        pointer = self._items.get(keys.DIRECTORY, (tenant, keys.index_item(self._model)))
        gallery = self._galleries.current(tenant, self._model)
        with gallery.changing:
            segment = gallery.segment()
        covered = int(pointer["seq"]) if pointer else 0
        written = segment.seq - covered >= TAIL_LENGTH
        if written:
            key = keys.snapshot(tenant, self._model, segment.seq, nonce())
            if not self._blobs.put_if_absent(key, encode(segment), "application/octet-stream"):
                raise StorageUnavailable(f"a snapshot of the name {key!r} was there before")
            pointer = self._switch(tenant, pointer, key, segment.seq)
        if pointer:
            self._trim(tenant, pointer)
        return written

    def _switch(self, tenant: str, old: Item | None, key: str, seq: int) -> Item | None:
        """Point at the new snapshot on condition that the pointer is the one that was read."""
        snapshots = [*(old["snapshots"] if old else []), key][-_KEPT_SNAPSHOTS:]
        pointer: Item = {
            "tenant": tenant,
            "item": keys.index_item(self._model),
            "seq": seq,
            "oldest_seq": keys.seq_of_snapshot(tenant, self._model, snapshots[0]),
            "snapshots": snapshots,
        }
        unchanged = equals("seq", old["seq"], "pointer-same") if old else absent("pointer-free")
        try:
            self._items.transact([Put(keys.DIRECTORY, pointer, (unchanged,))])
        except ConditionFailed:
            self._blobs.delete(key)
            return None
        return pointer

    def _trim(self, tenant: str, pointer: Item) -> None:
        """Drop journal items that the oldest kept snapshot covers, after the grace time, and snapshots that none names.

        The oldest, so that the journal still serves behind it where the newest turns out damaged.
        """
        limit = records.milliseconds(self._clock.now() - JOURNAL_GRACE)
        covered = keys.seq_key(int(pointer["oldest_seq"]))
        while True:
            page = self._items.query(keys.JOURNAL, tenant, high=covered, limit=_TRIM_CHUNK)
            old = [item["seq_key"] for item in page.items if item["at"] < limit]
            if not old:
                break
            self._items.transact([Delete(keys.JOURNAL, (tenant, seq_key)) for seq_key in old])
        for blob in self._blobs.list(keys.snapshots(tenant, self._model)):
            if blob.key not in pointer["snapshots"] and blob.stored_at < self._clock.now() - JOURNAL_GRACE:
                self._blobs.delete(blob.key)
