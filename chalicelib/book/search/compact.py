"""A builder of snapshots (galleries as they are stored), which erases old templates.

So a process that begins to search need not read the whole journal, the list of a gallery's changes.
Templates that were deleted or replaced stay in the journal and in snapshots. So a snapshot is built
if the tail (the changes since the last one) holds such a change, however short the tail is. A face
that learnt does not count: that happens all day. When a snapshot is older than the grace time, the
journal that it covers and the snapshots before it go. So does each picture that the changes in that
journal left behind.

Of a large gallery, most snapshots are deltas (snapshots/delta.py). A base is kept as long as a
delta needs it, with the templates that were deleted since. So a whole snapshot is due at the first
sweep after a change that erases, after TAIL_AGE, and when deltas have grown to one in _DELTA_SHARE
of their base.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice, takewhile
from typing import NamedTuple

from chalicelib import telemetry
from chalicelib.book.search.galleries import Galleries
from chalicelib.book.search.journal import GRACE, read_changes
from chalicelib.book.search.snapshots import delta
from chalicelib.book.search.snapshots.loading import (
    read_models,
    read_pointer,
    read_seq,
    read_snapshot_changes,
)
from chalicelib.book.search.snapshots.segment import DamagedSnapshot, encode_segment
from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable
from chalicelib.domain.model import Edit, JournalEntry
from chalicelib.domain.rules.galleries import measure_snapshot_memory
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.pieces import Pieces
from chalicelib.storage.ports import BlobStore, Clock, Delete, Item, ItemStore, Put, absent, equals
from chalicelib.storage.records.faces import journal_entries
from chalicelib.storage.values import milliseconds, nonce
from chalicelib.telemetry import JOURNAL_TAIL, SNAPSHOT_MEMORY

TAIL_LENGTH = 256
"""Transactions since the newest snapshot that make a new one worth it."""

TAIL_AGE = timedelta(hours=24)
"""Age of the oldest of them that makes one worth it: a journal is not kept for ever."""

LARGE = 50_000_000
"""Bytes of a whole snapshot, of some 65,000 faces, from which on deltas are written upon it."""

_DELTA_SHARE = 48
"""Of a million faces, deltas of up to 1/48 of the base write the fewest bytes a change."""

_CLAIMED_FOR = timedelta(minutes=15)
"""Time that one builder has for a whole snapshot of a large gallery: the longest run on Lambda. A
delta that another one writes meanwhile would make it stale."""

_ERASING = (Edit.DELETE, Edit.DROP, Edit.REPLACE)
"""Changes after which templates, or pictures that no face names, are to be erased."""

_APART = timedelta(minutes=10)
"""Least distance of snapshots that are kept, but for the newest: so there are few."""

_ORPHANS_SOUGHT_FOR = timedelta(hours=4)
"""Time after a snapshot in which objects are looked for that no pointer names. A process that was
killed while it wrote one left the reason for a snapshot, so the next one follows."""

_TRIM_CHUNK = 50
"""Entries of the journal that one write deletes."""

_TOLD_SHARE = 0.5
"""Of the memory: a snapshot that takes so much is told to those who watch."""

Forget = Callable[[str, set[str]], object]


class Memory(NamedTuple):
    """The memory that this process may take.

    `read_used`: returns the bytes that are taken now; `remedy`: how one gets more.
    """

    limit_bytes: int
    read_used: Callable[[], int]
    remedy: str


class TooLittleMemory(StorageUnavailable):
    """Error for a whole snapshot that this process has too little memory for."""


class Compactor:
    """The builder of snapshots, which are galleries as they are stored.

    A gallery's pointer is the item that names its snapshots, the newest last. A seq is the number
    of a change; a snapshot covers all changes up to its seq. The tail is the changes behind it. A
    delta is a snapshot that holds only what changed since a whole one, its base.

    `forget(tenant, faceids)`: erases what else faces have left behind that were deleted or given
    other pictures. It is called before the journal's last word of them goes. While a tenant's model
    is being changed, the gallery of the next model gets snapshots too. Snapshots of a tenant's
    former models are deleted.
    """

    def __init__(
        self,
        items: ItemStore,
        blobs: BlobStore,
        galleries: Galleries,
        clock: Clock,
        *,
        forget: Forget = lambda _tenant, _faceids: None,
        large_bytes: int = LARGE,
        memory: Memory | None = None,
    ) -> None:
        """Keep what snapshots are built from.

        `large_bytes`: bytes from which on deltas are written. `memory`: None: there is no limit.
        """
        self._items = items
        self._blobs = blobs
        self._galleries = galleries
        self._clock = clock
        self._forget = forget
        self._large = large_bytes
        self._memory = memory

    def build(self, tenant: str, *, erase: bool = True) -> bool:
        """Write new snapshots if worth it, trim what they replace; return whether any was written.

        A snapshot is a gallery as it is stored. A tenant has a gallery for its face model and,
        while it changes that, for the next. The journal, the list of changes, may go as far as
        snapshots of each have its changes. Templates that are to be erased need a whole snapshot,
        of 0.8 GB if a gallery is large. If `erase` is False, that is left to the next call. A crash
        at any point loses nothing.
        """
        models = read_models(self._items, tenant)
        written, refusals = [], list[TooLittleMemory]()
        for model in models:
            try:
                written.append(self._build(tenant, model, erase=erase))
            except TooLittleMemory as error:
                refusals.append(error)  # the other gallery and the journal are seen to all the same
        limit_ms = milliseconds(self._clock.now() - GRACE)
        # The last change that old enough snapshots have, by gallery; 0: there is none of that age.
        covered_seqs = [self._trim_snapshots(tenant, model, limit_ms) for model in models]
        seq_of_all = min(covered_seqs)
        if seq_of_all:
            self._trim_journal(tenant, seq_of_all, limit_ms)
        self._forget_all_but(tenant, models)
        if refusals:
            raise refusals[0]
        return any(written)

    def purge_before(self, tenant: str, seq: int) -> None:
        """Delete all that is stored of a tenant's galleries from before the change `seq`.

        New snapshots (stored galleries) are written first. Then older ones go, and the journal up
        to `seq`. Galleries in this process's memory are let go, and loads under way begin again.
        Raises Busy if others write snapshots meanwhile; the caller tries again later.
        """
        for model in read_models(self._items, tenant):
            self._build(tenant, model, purged_seq=seq)
            self._delete_snapshots_before(tenant, model, seq)
        now_too_ms = milliseconds(self._clock.now()) + 1  # however young an entry is
        self._trim_journal(tenant, seq, now_too_ms)
        self._galleries.let_go(tenant)

    def _delete_snapshots_before(self, tenant: str, model: str, seq: int) -> None:
        """Delete a gallery's snapshots whose oldest part is from before the change `seq`.

        Raises Busy if the newest is one of them. Then another builder changed the pointer while
        `_build` wrote, so what that wrote was dropped.
        """
        if pointer := read_pointer(self._items, tenant, model):
            if _base_seq_of(pointer["snapshots"][-1]) < seq:
                raise Busy("snapshots of this tenant are being written: they are purged later")
            kept = [key for key in parse_build_times(pointer) if _base_seq_of(key) >= seq]
            self._keep_snapshots(pointer, kept)
        # Then those that no pointer names, since a builder was killed.
        for blob in self._blobs.walk(keys.snapshots(tenant, model)):
            if keys.seq_of_snapshot(blob.key) < seq:
                self._blobs.delete(blob.key)

    def _build(self, tenant: str, model: str, purged_seq: int = 0, *, erase: bool = True) -> bool:
        """Write a snapshot of one gallery if enough has changed; return whether one was written.

        A snapshot is a gallery as it is stored; the pointer is the item that names a gallery's. A
        seq is the number of a change. A snapshot may be a delta upon an older whole one, its base,
        which still has what was erased since. What changes up to number `purged_seq` erased must
        not be left. So if the base lacks one of them, a whole snapshot is written in any case.
        `erase` is as in `build`.
        """
        pointer = read_pointer(self._items, tenant, model)
        covered_seq = int(pointer["seq"]) if pointer else 0  # the newest snapshot's last change
        base_seq = _base_seq_of(pointer["snapshots"][-1]) if pointer else 0
        seq = read_seq(self._items, tenant)
        telemetry.at_least(JOURNAL_TAIL, seq - covered_seq)  # for the alarm on long ones
        if base_seq < purged_seq:
            return self._build_whole(tenant, model, pointer)
        # "bytes": those of the newest whole snapshot. Of a large one, mostly deltas are written.
        if pointer and int(pointer.get("bytes", 0)) >= self._large:
            return self._write_delta_or_snapshot(tenant, model, pointer, seq, erase=erase)
        if seq == covered_seq or not self._is_worth_it(tenant, covered_seq, seq):
            return False
        return self._build_whole(tenant, model, pointer)

    def _write_delta_or_snapshot(
        self, tenant: str, model: str, pointer: Item, seq: int, *, erase: bool
    ) -> bool:
        """Store what changed in a large gallery, as a delta or whole; return whether it did.

        A delta has what changed since the last whole snapshot, its base. Erased templates stay in
        the base until a whole snapshot is written. `pointer` is the item that names the gallery's
        snapshots; its "owes" says that such an erasure is still to do. If `erase` is False, it is
        left to a later call. `seq` numbers the latest change.
        """
        now = milliseconds(self._clock.now())
        if _is_claimed(pointer, now):
            return False  # a delta would make the claimed whole snapshot stale
        covered_seq = int(pointer["seq"])
        entries = read_changes(self._items, tenant, covered_seq, seq)  # None: trimmed meanwhile
        owes_erasure = bool(pointer.get("owes")) or any(map(_is_erasing, entries or ()))
        refusal = self._find_refusal(pointer)
        if owes_erasure and erase and refusal is None:
            return self._claim_and_build_whole(tenant, model, pointer, now)
        is_due = seq - covered_seq >= TAIL_LENGTH or self._is_old(tenant, covered_seq)
        has_entries = is_due and entries is not None
        data = self._make_delta(model, pointer, entries or []) if has_entries else None
        needs_whole = (is_due and data is None) or (owes_erasure and erase)
        if data is not None:
            self._write_delta(tenant, model, pointer, seq, data, owes=owes_erasure)
        if needs_whole and refusal is not None:
            raise refusal
        if needs_whole:
            return self._claim_and_build_whole(tenant, model, pointer, now)
        return data is not None

    def _write_delta(
        self, tenant: str, model: str, pointer: Item, seq: int, data: bytes, *, owes: bool
    ) -> None:
        """Store a delta upon the newest whole snapshot.

        `owes`: whether an erasure is still to do.
        """
        base_key = keys.base_of_snapshot(pointer["snapshots"][-1])
        key = keys.delta(base_key, seq, nonce())
        more = {"bytes": pointer["bytes"], "owes": owes}
        self._write_snapshot(tenant, model, pointer, key, data, more)

    def _claim_and_build_whole(self, tenant: str, model: str, pointer: Item, now: int) -> bool:
        """Write a whole snapshot of a large gallery; return False if another builder was faster.

        That builder has changed the pointer, so nothing is written; the next call looks again. The
        claim, "claimed_at" in the pointer, keeps others from writing deltas meanwhile.
        """
        claimed_pointer = {**pointer, "claimed_at": now}
        is_claimed = self._write_pointer(claimed_pointer, pointer)
        return is_claimed and self._build_whole(tenant, model, claimed_pointer)

    def _make_delta(self, model: str, pointer: Item, entries: list[JournalEntry]) -> bytes | None:
        """Return a delta's bytes: all changes from its base, the last whole snapshot, to `entries`.

        `pointer` names the gallery's snapshots, the newest last. That one may be a delta itself,
        whose changes since the same base are read and come first. None means that a whole snapshot
        is due. Then the base is too old or gone, a group was dropped, or the delta would be large.
        """
        newest = pointer["snapshots"][-1]
        base_built_at = parse_build_times(pointer).get(keys.base_of_snapshot(newest), 0)
        if base_built_at < milliseconds(self._clock.now() - TAIL_AGE):
            return None
        try:
            earlier_changes = read_snapshot_changes(self._blobs, newest)
        except DamagedSnapshot:
            return None
        if earlier_changes is None:  # it was deleted meanwhile
            return None
        changes = delta.fold_changes(model, (*earlier_changes, *entries))
        if changes is None:
            return None
        data = delta.encode(changes)
        is_small = len(data) * _DELTA_SHARE <= int(pointer["bytes"])
        return data if is_small else None

    def _build_whole(self, tenant: str, model: str, pointer: Item | None) -> bool:
        """Write a whole snapshot of the gallery as it is now; return True: one was written.

        Raises TooLittleMemory.
        """
        if pointer and (refusal := self._find_refusal(pointer)) is not None:
            raise refusal
        segment = self._galleries.read_current(tenant, model).view.make_segment(model)
        data = encode_segment(segment)
        key = keys.snapshot(tenant, model, segment.seq, nonce())
        self._write_snapshot(tenant, model, pointer, key, data, {"bytes": data.size})
        return True

    def _find_refusal(self, pointer: Item) -> TooLittleMemory | None:
        """Return the error of a whole snapshot that takes more memory than there is; None: it fits.

        It is reckoned by the bytes of the last one, which the pointer has. From half of the memory
        on the share is told, for the alarm before that: each metric costs.
        """
        stored_bytes = int(pointer.get("bytes", 0))
        if self._memory is None or stored_bytes < self._large:
            return None
        needed_bytes = self._memory.read_used() + measure_snapshot_memory(stored_bytes)
        share = needed_bytes / self._memory.limit_bytes
        if share >= _TOLD_SHARE:
            telemetry.at_least(SNAPSHOT_MEMORY, 100 * share)
        if share <= 1:
            return None
        needed_mb, given_mb = (round(n / 2**20) for n in (needed_bytes, self._memory.limit_bytes))
        return TooLittleMemory(
            f"a snapshot of {stored_bytes / 1e6:,.0f} MB takes {needed_mb:,} MiB of memory in all, "
            f"and there are {given_mb:,}: {self._memory.remedy}. Until then searches get slower, "
            "and what was deleted stays in older snapshots"
        )

    def _write_snapshot(
        self, tenant: str, model: str, old: Item | None, key: str, data: bytes | Pieces, more: Item
    ) -> None:
        """Store a snapshot, then let the gallery's pointer, the item with their names, name it.

        `old` is the pointer as it was read. `more` is what else it is to say: "bytes" of the newest
        whole snapshot, and "owes", whether something is left to be erased. In this order, a crash
        leaves an object that nobody reads, but no name without an object.
        """
        if not self._blobs.put_if_absent(key, data, "application/octet-stream"):
            raise StorageUnavailable(f"a snapshot of the name {key!r} was there before")
        key_and_seq: Item = {
            "tenant": tenant,
            "item": keys.index_item(model),
            "seq": keys.seq_of_snapshot(key),
        }
        self._switch_pointer({**key_and_seq, **more}, old, key)

    def _is_worth_it(self, tenant: str, covered_seq: int, seq: int) -> bool:
        """Tell whether a new snapshot is due, by the changes after number `covered_seq`.

        It is if they are many, if one is old or erases, or if they are not in the journal any more.
        """
        if seq - covered_seq >= TAIL_LENGTH or self._is_old(tenant, covered_seq):
            return True
        entries = read_changes(self._items, tenant, covered_seq, seq)
        return entries is None or any(map(_is_erasing, entries))

    def _is_old(self, tenant: str, covered_seq: int) -> bool:
        """Tell whether the first change behind the snapshot was made TAIL_AGE ago or before."""
        oldest = self._items.query(
            keys.JOURNAL, tenant, low=keys.seq_key(covered_seq + 1), limit=1
        ).items
        limit_ms = milliseconds(self._clock.now() - TAIL_AGE)
        return bool(oldest) and oldest[0]["at"] < limit_ms

    def _switch_pointer(self, key_and_fields: Item, old_pointer: Item | None, new_key: str) -> None:
        """Let the gallery's pointer, the item that names its snapshots, name a new one, too.

        If another builder has changed the pointer since `old_pointer` was read, nothing is stored,
        and the new snapshot is deleted. `key_and_fields` are the pointer's key and what it says of
        the new one.
        """
        now = milliseconds(self._clock.now())
        build_times = parse_build_times(old_pointer) if old_pointer else {}
        # Of snapshots that follow each other fast, the last but one need not be kept.
        too_close = _find_too_close(build_times)
        kept = {key: built_at for key, built_at in build_times.items() if key != too_close}
        pointer: Item = {
            **key_and_fields,
            "built_at": now,
            "snapshots": [*kept, new_key],
            "built": [*kept.values(), now],
        }
        if not self._write_pointer(pointer, old_pointer):
            self._blobs.delete(new_key)
        elif too_close is not None:
            self._blobs.delete(too_close)

    def _write_pointer(self, pointer: Item, old: Item | None) -> bool:
        """Store the item that names a gallery's snapshots; return False if others changed it.

        `old` is the item as it was read, None if there was none. Every builder sets "built_at" with
        a new snapshot, and "claimed_at" when it begins a whole one. So the item is unchanged if
        both are as in `old`. One that `old` lacks must be lacking still, which a condition on None
        says.
        """
        conditions = [absent("pointer-free")]
        if old:
            built_at, claimed_at = old.get("built_at"), old.get("claimed_at")
            conditions = [
                equals("built_at", built_at, "pointer-same"),
                equals("claimed_at", claimed_at, "pointer-same"),
            ]
        try:
            self._items.transact([Put(keys.DIRECTORY, pointer, when=tuple(conditions))])
        except ConditionFailed:
            return False
        return True

    def _trim_snapshots(self, tenant: str, model: str, limit_ms: int) -> int:
        """Delete a gallery's old snapshots; return up to which change the journal may go, too.

        That is the last change in a snapshot built before `limit_ms`, which is known to last; 0 if
        there is none. Older snapshots are deleted. Objects that the pointer, the item with their
        names, does not name were left by a builder that was killed. They are looked for only soon
        after a snapshot.
        """
        now, pointer = self._clock.now(), read_pointer(self._items, tenant, model)
        if pointer is None:
            return 0
        pointer = self._drop_superseded(pointer, limit_ms)
        if pointer["built_at"] > milliseconds(now - _ORPHANS_SOUGHT_FOR):
            for blob in self._blobs.walk(keys.snapshots(tenant, model)):
                if blob.key not in pointer["snapshots"] and blob.stored_at < now - GRACE:
                    self._blobs.delete(blob.key)
        covered_seqs = [
            keys.seq_of_snapshot(key)
            for key, built_at in parse_build_times(pointer).items()
            if built_at < limit_ms
        ]
        return max(covered_seqs, default=0)

    def _drop_superseded(self, pointer: Item, limit_ms: int) -> Item:
        """Delete snapshots before the newest one built before `limit_ms`; return the pointer."""
        build_times = parse_build_times(pointer)
        superseded = [key for key, built_at in build_times.items() if built_at < limit_ms][:-1]
        return self._keep_snapshots(pointer, [key for key in build_times if key not in superseded])

    def _keep_snapshots(self, pointer: Item, kept_keys: Sequence[str]) -> Item:
        """Delete a gallery's snapshots but some; return the pointer, the item that names the rest.

        Kept are `kept_keys`, and whole ones upon which deltas among these build. If another builder
        has changed the pointer meanwhile, it is returned as it was.
        """
        build_times = parse_build_times(pointer)
        needed_keys = {*kept_keys, *map(keys.base_of_snapshot, kept_keys)}
        remaining = {key: at for key, at in build_times.items() if key in needed_keys}
        if len(remaining) == len(build_times):
            return pointer
        for key in build_times.keys() - remaining.keys():
            self._blobs.delete(key)
        new_pointer = {**pointer, "snapshots": list(remaining), "built": list(remaining.values())}
        return new_pointer if self._write_pointer(new_pointer, pointer) else pointer

    def _forget_all_but(self, tenant: str, models: list[str]) -> None:
        """Drop the snapshots of the tenant's former models: nobody searches or updates them."""
        for pointer in walk_items(self._items, keys.DIRECTORY, tenant, between=keys.INDEX_RANGE):
            model = pointer["item"].removeprefix(keys.INDEX_RANGE[0])
            if model not in models:
                for blob in self._blobs.walk(keys.snapshots(tenant, model)):
                    self._blobs.delete(blob.key)
                self._items.transact([Delete(keys.DIRECTORY, (tenant, pointer["item"]))])

    def _trim_journal(self, tenant: str, covered_seq: int, limit_ms: int) -> None:
        """Delete the journal's entries (a gallery's changes) up to `covered_seq`, oldest first.

        It ends at the first one made at `limit_ms` or later. Before each chunk, `_forget` erases
        what the deleted or replaced faces in it left behind. If it is cut off between the two, the
        next call does that chunk again.
        """
        journal = walk_items(
            self._items,
            keys.JOURNAL,
            tenant,
            between=(None, keys.seq_key(covered_seq)),
            page_size=_TRIM_CHUNK,
        )
        old_items = takewhile(lambda item: item["at"] < limit_ms, journal)
        while chunk := list(islice(old_items, _TRIM_CHUNK)):
            entries = [entry for item in chunk for entry in journal_entries(item)]
            faceids = {entry.faceid for entry in entries if entry.edit in _ERASING}
            self._forget(tenant, faceids - {""})  # a dropped group names no face
            self._items.transact(
                [Delete(keys.JOURNAL, (tenant, item["seq_key"])) for item in chunk]
            )


def parse_build_times(pointer: Item) -> dict[str, int]:
    """Return when each snapshot that the pointer names was built, in ms, the newest last."""
    return dict(zip(pointer["snapshots"], map(int, pointer["built"]), strict=True))


def _is_claimed(pointer: Item, now: int) -> bool:
    """Tell whether another builder has begun a whole snapshot, and may still be writing it."""
    claim_age_ms = now - int(pointer.get("claimed_at", 0))
    return claim_age_ms < _CLAIMED_FOR // timedelta(milliseconds=1)


def _is_erasing(entry: JournalEntry) -> bool:
    """Tell whether a change leaves something to be erased, other than a face that learnt."""
    return entry.edit in _ERASING and not entry.learnt


def _base_seq_of(key: str) -> int:
    """Return the number of the last change in a snapshot's base, the whole one that it builds upon.

    A whole snapshot is its own base.
    """
    return keys.seq_of_snapshot(keys.base_of_snapshot(key))


def _find_too_close(built_at: dict[str, int]) -> str | None:
    """Return the last snapshot but one if it may go; None: it stays.

    It may if the snapshots before and after it were built less than _APART apart. One that a delta
    builds upon stays. `built_at` has the times in ms by snapshot, the newest last.
    """
    if len(built_at) < 3:
        return None
    before, candidate, last = list(built_at)[-3:]
    others = [key for key in built_at if key != candidate]
    is_base = any(keys.base_of_snapshot(key) == candidate for key in others)
    is_close = built_at[last] - built_at[before] < _APART // timedelta(milliseconds=1)
    return candidate if is_close and not is_base else None
