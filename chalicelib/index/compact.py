"""Builds snapshots, so that a cold search function need not read the whole journal, and forgets what is deleted.

A deleted face's template is in the journal and in snapshots still. Where the tail holds such a change, a snapshot is
built however short the tail is; an hour later the journal behind it and the snapshot before it are gone.
"""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import keys, records
from chalicelib.core.errors import ConditionFailed, StorageUnavailable
from chalicelib.core.ids import nonce
from chalicelib.core.model import Edit
from chalicelib.core.ports import BlobStore, Clock, Delete, Item, ItemStore, Put, absent, equals
from chalicelib.index.galleries import Galleries
from chalicelib.index.journal import tail
from chalicelib.index.segment import encode

TAIL_LENGTH = 256
"""Transactions behind the newest snapshot that make a new one worth it."""

GRACE = timedelta(hours=1)
"""How long the snapshot before the newest, and the journal behind the newest, are kept: in case it is damaged."""

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
        """Write a snapshot if the tail is worth it, switch the pointer, trim; killed anywhere, nothing is lost."""
        pointer = self._items.get(keys.DIRECTORY, (tenant, keys.index_item(self._model)))
        gallery = self._galleries.current(tenant, self._model)
        with gallery.changing:
            segment = gallery.segment()
        written = self._is_worth_it(tenant, int(pointer["seq"]) if pointer else 0, segment.seq)
        if written:
            key = keys.snapshot(tenant, self._model, segment.seq, nonce())
            if not self._blobs.put_if_absent(key, encode(segment), "application/octet-stream"):
                raise StorageUnavailable(f"a snapshot of the name {key!r} was there before")
            pointer = self._switch(tenant, pointer, key, segment.seq)
        if pointer:
            self._trim(tenant, pointer)
        return written

    def _is_worth_it(self, tenant: str, covered: int, seq: int) -> bool:
        if seq - covered >= TAIL_LENGTH:
            return True
        entries = tail(self._items, tenant, covered, seq)
        return entries is None or any(entry.edit in (Edit.DELETE, Edit.REPLACE) for entry in entries)

    def _switch(self, tenant: str, old: Item | None, key: str, seq: int) -> Item | None:
        """Point at the new snapshot on condition that the pointer is the one that was read."""
        pointer: Item = {
            "tenant": tenant,
            "item": keys.index_item(self._model),
            "seq": seq,
            "built_at": records.milliseconds(self._clock.now()),
            "snapshots": [*(old["snapshots"][-1:] if old else []), key],
        }
        if not self._stored(pointer, old):
            self._blobs.delete(key)
            return None
        return pointer

    def _stored(self, pointer: Item, old: Item | None) -> bool:
        unchanged = equals("built_at", old["built_at"], "pointer-same") if old else absent("pointer-free")
        try:
            self._items.transact([Put(keys.DIRECTORY, pointer, (unchanged,))])
        except ConditionFailed:
            return False
        return True

    def _trim(self, tenant: str, pointer: Item) -> None:
        """After the grace time, drop the snapshot before the newest and the journal that the newest covers."""
        limit = records.milliseconds(self._clock.now() - GRACE)
        if pointer["built_at"] >= limit:
            return
        if len(pointer["snapshots"]) > 1:
            alone = {**pointer, "snapshots": pointer["snapshots"][-1:]}
            if not self._stored(alone, pointer):
                return
            pointer = alone
        self._trim_journal(tenant, int(pointer["seq"]), limit)
        for blob in self._blobs.list(keys.snapshots(tenant, self._model)):
            if blob.key not in pointer["snapshots"] and blob.stored_at < self._clock.now() - GRACE:
                self._blobs.delete(blob.key)

    def _trim_journal(self, tenant: str, covered: int, limit: int) -> None:
        while True:
            page = self._items.query(keys.JOURNAL, tenant, high=keys.seq_key(covered), limit=_TRIM_CHUNK)
            old = [item["seq_key"] for item in page.items if item["at"] < limit]
            if not old:
                return
            self._items.transact([Delete(keys.JOURNAL, (tenant, seq_key)) for seq_key in old])
