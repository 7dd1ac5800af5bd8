"""A builder of snapshots, so that a cold search function need not read the whole journal; it also erases old templates.

Templates that were deleted or replaced stay in the journal and in snapshots. So a snapshot is built if the tail holds
such a change, however short the tail is. An hour later, the journal that it covers and the snapshot before it are gone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import islice, takewhile

from chalicelib.core import keys, telemetry
from chalicelib.core.errors import ConditionFailed, StorageUnavailable
from chalicelib.core.ids import nonce
from chalicelib.core.items import every, every_blob
from chalicelib.core.model import Edit
from chalicelib.core.ports import BlobStore, Clock, Delete, Item, ItemStore, Put, absent, equals
from chalicelib.core.records.values import milliseconds
from chalicelib.core.shards import Shard, shards
from chalicelib.core.telemetry import JOURNAL_TAIL
from chalicelib.index.galleries import Galleries
from chalicelib.index.journal import GRACE, tail
from chalicelib.index.snapshots.loading import models_of, pointer_of, pointers
from chalicelib.index.snapshots.segment import encode

TAIL_LENGTH = 256
"""Transactions since the newest snapshot that make a new one worth it."""

TAIL_AGE = timedelta(hours=24)
"""Age of the oldest of them that makes one worth it, however few they are: a journal is not kept for ever."""

_TRIM_CHUNK = 50


class Compactor:
    """The IndexBuilder port. `shards_of`: gives the number of shards of a tenant's gallery.

    While a tenant's model is being changed, the gallery of the next model gets snapshots too. Snapshots of a tenant's
    former models are deleted.
    """

    def __init__(
        self,
        items: ItemStore,
        blobs: BlobStore,
        galleries: Galleries,
        clock: Clock,
        shards_of: Callable[[str], int] = lambda _: 1,
    ) -> None:
        self._items = items
        self._blobs = blobs
        self._galleries = galleries
        self._clock = clock
        self._shards_of = shards_of

    def build(self, tenant: str) -> bool:
        """Write a snapshot of each shard whose tail is worth it, switch its pointer, then trim.

        A crash at any point loses nothing.
        """
        current = shards(self._shards_of(tenant))
        models = models_of(self._items, tenant)
        written = [self._build(tenant, model, shard) for model in models for shard in current]
        limit = milliseconds(self._clock.now() - GRACE)
        covered = [self._trim(tenant, model, current, limit) for model in models]
        if None not in covered:
            self._trim_journal(tenant, min(seq for seq in covered if seq is not None), limit)
        self._forget_all_but(tenant, models)
        return any(written)

    def _build(self, tenant: str, model: str, shard: Shard) -> bool:
        pointer = pointer_of(self._items, tenant, model, shard)
        gallery = self._galleries.current(tenant, model, shard)
        view = gallery.view
        telemetry.at_least(JOURNAL_TAIL, view.seq - (int(pointer["seq"]) if pointer else 0))
        if not self._is_worth_it(tenant, int(pointer["seq"]) if pointer else 0, view.seq, shard):
            return False
        segment = view.segment(model)
        key = keys.snapshot(tenant, model, segment.seq, nonce())
        if not self._blobs.put_if_absent(key, encode(segment), "application/octet-stream"):
            raise StorageUnavailable(f"a snapshot of the name {key!r} was there before")
        self._switch(tenant, keys.index_item(model, str(shard)), pointer, key, segment.seq)
        return True

    def _is_worth_it(self, tenant: str, covered: int, seq: int, shard: Shard) -> bool:
        if seq - covered >= TAIL_LENGTH or self._is_old(tenant, covered):
            return True
        entries = tail(self._items, tenant, covered, seq)
        if entries is None:
            return True
        return any(entry.edit in (Edit.DELETE, Edit.REPLACE) and shard.holds(entry.faceid) for entry in entries)

    def _is_old(self, tenant: str, covered: int) -> bool:
        oldest = self._items.query(keys.JOURNAL, tenant, low=keys.seq_key(covered + 1), limit=1).items
        limit = milliseconds(self._clock.now() - TAIL_AGE)
        return bool(oldest) and oldest[0]["at"] < limit

    def _switch(self, tenant: str, item: str, old: Item | None, key: str, seq: int) -> None:
        """Point at the new snapshot if the pointer has not changed since it was read; otherwise delete the snapshot."""
        pointer: Item = {
            "tenant": tenant,
            "item": item,
            "seq": seq,
            "built_at": milliseconds(self._clock.now()),
            "snapshots": [*(old["snapshots"][-1:] if old else []), key],
        }
        if not self._stored(pointer, old):
            self._blobs.delete(key)

    def _stored(self, pointer: Item, old: Item | None) -> bool:
        unchanged = equals("built_at", old["built_at"], "pointer-same") if old else absent("pointer-free")
        try:
            self._items.transact([Put(keys.DIRECTORY, pointer, (unchanged,))])
        except ConditionFailed:
            return False
        return True

    def _trim(self, tenant: str, model: str, of: tuple[Shard, ...], limit: int) -> int | None:
        """Drop a gallery's older snapshots after the grace time; return the seq that all the newest ones cover.

        Drop also pointers of another number of shards, once every present shard has had its own for the grace time.
        Until then, return None.
        """
        current = {keys.index_item(model, str(shard)) for shard in of}
        found = {pointer["item"]: pointer for pointer in pointers(self._items, tenant, model)}
        settled = [found[item] for item in current if item in found and found[item]["built_at"] < limit]
        kept = [
            self._with_newest_only(pointer) if pointer["built_at"] < limit else pointer for pointer in found.values()
        ]
        if len(settled) == len(current):
            for pointer in kept:
                if pointer["item"] not in current:
                    self._items.transact([Delete(keys.DIRECTORY, (tenant, pointer["item"]))])
            kept = [pointer for pointer in kept if pointer["item"] in current]
        if kept and all(pointer["built_at"] < limit for pointer in kept):
            named = {key for pointer in kept for key in pointer["snapshots"]}
            for blob in every_blob(self._blobs, keys.snapshots(tenant, model)):
                if blob.key not in named and blob.stored_at < self._clock.now() - GRACE:
                    self._blobs.delete(blob.key)
        return min(int(pointer["seq"]) for pointer in kept) if len(settled) == len(current) else None

    def _forget_all_but(self, tenant: str, models: list[str]) -> None:
        """Drop the snapshots of the tenant's former models: nobody searches or updates them."""
        low, high = keys.INDEX_RANGE
        for pointer in every(self._items, keys.DIRECTORY, tenant, low=low, high=high):
            model = keys.model_of_index(pointer["item"])
            if model not in models:
                for blob in every_blob(self._blobs, keys.snapshots(tenant, model)):
                    self._blobs.delete(blob.key)
                self._items.transact([Delete(keys.DIRECTORY, (tenant, pointer["item"]))])

    def _with_newest_only(self, pointer: Item) -> Item:
        if len(pointer["snapshots"]) == 1:
            return pointer
        alone = {**pointer, "snapshots": pointer["snapshots"][-1:]}
        return alone if self._stored(alone, pointer) else pointer

    def _trim_journal(self, tenant: str, covered: int, limit: int) -> None:
        journal = every(self._items, keys.JOURNAL, tenant, high=keys.seq_key(covered), page_size=_TRIM_CHUNK)
        old = takewhile(lambda item: item["at"] < limit, journal)
        while chunk := list(islice(old, _TRIM_CHUNK)):
            self._items.transact([Delete(keys.JOURNAL, (tenant, item["seq_key"])) for item in chunk])
