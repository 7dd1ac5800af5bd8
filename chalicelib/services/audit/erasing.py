"""Erasure in the audit: salt and content of the entries that name somebody go, and the leaves' hashes stay.

So the chain still verifies, and nobody can guess back what stood there. An entry of its own lists the leaves, before
anything is erased: a bare leaf that no such entry lists is a finding. For retention the oldest hours' entries go
whole, which an entry says, too; their heads stay.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import acts, keys
from chalicelib.core.audit import HOUR_MS, Entry, Leaf
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import write
from chalicelib.core.ports import Clock, ItemStore, Put, equals
from chalicelib.core.records.audit import entry_put, new_entry
from chalicelib.core.values import milliseconds
from chalicelib.services.audit.chain import Chain, Element, Open, Pending

ERASED, TRIMMED = "audit erased", "audit trimmed"
_IN_AN_ENTRY = 1_000
_HOURS_AT_ONCE = 100


@dataclass
class AuditErasing:
    items: ItemStore
    chain: Chain
    pending: Pending
    clock: Clock

    def erase(self, tenant: str, faceids: Collection[str], erasure: str = "") -> list[str]:
        """Erase the entries that are about one of these faces; return the hashes of their leaves.

        `erasure`: the id that the receipt has. Captures that name a face are to be changed before: sightings that are
        not closed yet are read from them. It may be cut off and done again: then the leaves that are left are erased,
        and listed.
        """
        wanted = set(faceids)
        erased: list[str] = []
        while True:
            self.chain.hold_up(tenant)
            waiting = [one for one in self.pending.items(tenant) if one.leaf.names(wanted)]
            closed = self._naming(tenant, wanted)
            found = [*(one.leaf for one in waiting), *(leaf for _, leaves in closed for leaf in leaves)]
            hashes = [leaf.hash for leaf in found if leaf.names(wanted)]
            if not hashes:
                self.chain.tidy(tenant)
                return erased
            self._tell(tenant, hashes, erasure)
            for one in waiting:
                self._bare(one)
            for element, leaves in closed:
                self.chain.rewrite(element, [one.bare if one.names(wanted) else one for one in leaves])
            erased += hashes

    def entries(self, tenant: str, faceids: Collection[str]) -> list[Entry]:
        """Read the entries about one of these faces, those of closed hours first; of open sightings, captures tell."""
        closed = (leaf for _, leaves in self._naming(tenant, faceids) for leaf in leaves)
        waiting = (one.leaf for one in self.pending.items(tenant))
        return [one.content or {} for one in (*closed, *waiting) if one.names(faceids)]

    def nightly(self, tenant: str, days: int | None) -> None:
        """Let entries go that are older than the tenant keeps them (None: for ever), and what cut-off closings left."""
        if days is not None:
            self.trim(tenant, self.clock.now() - timedelta(days=days))
        self.chain.tidy(tenant)

    def trim(self, tenant: str, before: datetime) -> int:
        """Let the entries of hours that ended before this time go, and keep their heads; return how many hours."""
        limit = milliseconds(before) - HOUR_MS
        old = [one for one in self.chain.elements(tenant) if one.entries is not None and one.head.hour <= limit]
        if old:
            upto = max(one.head.number for one in old)
            write(self.items, [entry_put(tenant, new_entry(self.clock, TRIMMED, self._by(), upto=upto))])
        for element in old:
            self.chain.rewrite(element, None)
        return len(old)

    def _naming(self, tenant: str, names: Collection[str]) -> list[tuple[Element, list[Leaf]]]:
        """Find the closed hours with entries that name one of these."""
        kept = [one for one in self.chain.elements(tenant) if one.entries is not None]
        found = []
        for begin in range(0, len(kept), _HOURS_AT_ONCE):
            for element, leaves in self.chain.leaves_of(kept[begin : begin + _HOURS_AT_ONCE]):
                if any(leaf.names(names) for leaf in leaves):
                    found.append((element, leaves))
        return found

    def _tell(self, tenant: str, hashes: Sequence[str], erasure: str) -> None:
        for begin in range(0, len(hashes), _IN_AN_ENTRY):
            leaves = hashes[begin : begin + _IN_AN_ENTRY]
            entry = new_entry(self.clock, ERASED, self._by(), erasure=erasure, leaves=leaves)
            write(self.items, [entry_put(tenant, entry)])

    def _bare(self, one: Open) -> None:
        assert one.item is not None  # noqa: S101 -- `waiting` are items
        item = {"tenant": one.item[0], "id": one.id, "at": one.at_ms, "leaf": one.leaf.hash}
        with suppress(ConditionFailed):  # it is closed by now
            write(self.items, [Put(keys.AUDIT, item, (equals("salt", one.leaf.salt, "entry-same"),))])

    def _by(self) -> str:
        act = acts.current()
        return "regulars" if act is None else act.by
