"""Acts and reads of one caller, from closed and open audit entries, and what these cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from chalicelib.privacy.audit_entries import HOUR_MS, Entry, Leaf, at_ms, is_by
from chalicelib.privacy.reading import Data, Tally
from chalicelib.service import Service
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services


class Breach(Struct):
    """Summary of the data that a caller received since a time, and of what is unknown.

    `erased`: entries, of whomever, that an erasure took; `let_go`: hours whose entries are not kept
    any more; `unreadable`: hours that are damaged; `begins_ms`: when the first entry that is kept
    was written; None: none is. `entries`: how many entries there are of the caller. `did`: what the
    caller did besides, the subjects of each effect (domain/effects).
    """

    tally: Tally
    did: dict[str, dict[str, None]] = field(default_factory=dict)
    entries: int = 0
    erased: int = 0
    let_go: int = 0
    unreadable: int = 0
    begins_ms: int | None = None


class Breaches(Service["Services"]):
    def find_reads(
        self, tenant: str, caller: str, since_ms: int, reads: Mapping[str, tuple[Data, ...]]
    ) -> Breach:
        """Return the data of people that a caller received since a time: from the entries of the
        open hour, which wait to be closed, and then from those of each closed hour.

        `caller`: its name in the audit (privacy/reading); `reads`: what each act tells, also of
        dialects. `let_go` counts hours whose entries are not kept any more.
        """
        breach, chain = Breach(Tally(reads)), self.services.audit.chain
        chain_end = chain.read_end(tenant)
        now_ms = milliseconds(self.services.clock.now())
        waiting_leaves = [
            entry.leaf
            for entry in chain.list_pending(
                tenant, chain_end, chain.read_last_hour(tenant, chain_end), now_ms
            )
        ]
        self._note(breach, waiting_leaves, caller, since_ms)
        elements = [
            element
            for element in chain.list_elements(tenant)
            if element.head.hour + HOUR_MS > since_ms
        ]
        breach.let_go = sum(element.entries is None for element in elements)
        for _, leaves in chain.read_each(
            [element for element in elements if element.entries is not None],
            chain.read_intact_leaves,
        ):
            if leaves is None:
                breach.unreadable += 1
            else:
                self._note(breach, leaves, caller, since_ms)
        return breach

    def _note(self, breach: Breach, leaves: list[Leaf], caller: str, since_ms: int) -> None:
        """Add to the breach what these entries of the audit say of the caller since a time.

        A leaf is a place in the audit; without content its entry was erased, which is counted.
        `breach`: the result, which is changed in place; it learns the oldest entry's time, too.
        """
        entries: list[Entry] = []
        for leaf in leaves:
            entry = leaf.content
            if entry is None:
                breach.erased += 1
                continue
            breach.begins_ms = min(
                at_ms(entry), at_ms(entry) if breach.begins_ms is None else breach.begins_ms
            )
            if at_ms(entry) >= since_ms and is_by(entry, caller):
                entries.append(entry)
        breach.entries += len(entries)
        breach.tally.add(entries)
        for entry in entries:
            for effect, subjects in entry.get("does", {}).items():
                breach.did.setdefault(effect, {}).update(dict.fromkeys(subjects))
