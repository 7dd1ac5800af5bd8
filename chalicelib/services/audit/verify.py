"""Verification: is the chain what was closed? What was changed, dropped or swapped is found, and said which.

What it cannot find: changes of the hours that are not closed yet; and a chain that somebody made anew who has the
tenant's key, the table and the blobs, unless a head was kept elsewhere (`kept`). Each hour must be signed by the key of
its time: a renewal says up to which head an old key signed. A renewal must have an entry, and an entry its renewal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.core import signing
from chalicelib.core.audit import HOUR_MS, Document, Head, Leaf, head_of, root
from chalicelib.core.errors import InvalidInput
from chalicelib.core.signing import PublicKeys, Renewal, renewal_of
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.services.audit.chain import Chain, Element, End, Pending
from chalicelib.services.audit.erasing import ERASED, TRIMMED

_HOURS_AT_ONCE = 100


@dataclass
class Verified:
    """The result of a check. `findings`: faults, none if it is empty; `last`: the newest head; `entries`: all there;
    `renewals`: those of the signing key, the oldest first."""

    findings: list[str] = field(default_factory=list)
    renewals: list[Renewal] = field(default_factory=list)
    last: Document | None = None
    hours: int = 0
    entries: int = 0
    erased: int = 0
    trimmed: int = 0


@dataclass
class _Told:
    """Statements of entries: which leaves were erased, up to which hour all were let go, how the key was renewed."""

    leaves: set[str] = field(default_factory=set)
    upto: int = 0
    renewals: list[Document] = field(default_factory=list)

    def note(self, leaf: Leaf) -> None:
        entry = leaf.content or {}
        if "renewal" in entry:
            self.renewals.append(entry["renewal"])
        if entry.get("what") == ERASED:
            self.leaves.update(entry.get("leaves", ()))
        elif entry.get("what") == TRIMMED:
            self.upto = max(self.upto, int(entry.get("upto", 0)))


@dataclass
class Verifying:
    chain: Chain
    pending: Pending
    public_keys: Callable[[str], PublicKeys]

    def tenant(self, tenant: str, kept: Document | None = None) -> Verified:
        """Verify a tenant's chain. `kept`: a head that was kept elsewhere, which must be in the chain as it is.

        Raises InvalidInput if that is no head.
        """
        seen, told = Verified(), _Told()
        for one in self.pending.items(tenant):
            told.note(one.leaf)
        try:
            elements = [one for one in self.chain.elements(tenant) if one.head]
            public_keys = self.public_keys(tenant) if elements or told.renewals else PublicKeys(b"")
        except (InvalidInput, ValueError, KeyError, TypeError) as error:
            seen.findings.append(f"a head, or the record of the signing keys, cannot be read: {error}")
            return seen
        bare = self._entries(elements, seen, told)
        seen.findings += [
            f"{_named(head)}: entry {place} was erased, and no entry says so: leaf {leaf}"
            for head, place, leaf in bare
            if leaf not in told.leaves
        ]
        seen.erased = len(bare)
        for element in elements:
            if element.entries is None:
                seen.trimmed += 1
                if element.head.number > told.upto:
                    seen.findings.append(f"{_named(element.head)}: its entries are gone, and no entry says so")
        seen.findings += _renewals(tenant, public_keys, seen, told)
        seen.findings += self._heads(tenant, elements, seen, public_keys.current)
        seen.findings += self._anchors(tenant, elements)
        if kept is not None:
            seen.findings += _kept(tenant, elements, kept)
        return seen

    def _heads(self, tenant: str, elements: list[Element], seen: Verified, current: bytes) -> Iterator[str]:
        """Follow the heads from the first to the end."""
        before: Head | None = None
        for element in elements:
            head, number = element.head, before.number + 1 if before else 1
            if head.number != number:
                yield f"hour {number} is missing: {_named(head)} comes next"
            elif head.before != (before.hash if before else ""):
                yield f"{_named(head)}: does not hold the hash of the hour before it"
            if before is not None and head.hour <= before.hour:
                yield f"{_named(head)}: is not later than the hour before it"
            if head.tenant != tenant:
                yield f"{_named(head)}: is of another tenant"
            key = next((one.old for one in seen.renewals if head.number <= one.heads), current)
            if why := _signed_otherwise(element.document, key):
                yield f"{_named(head)}: {why}"
            before = head
            seen.hours, seen.last = seen.hours + 1, element.document
        last = End() if before is None else End(before.number, before.hour, before.hash)
        end = self.chain.end(tenant)
        if (end.number, end.hash) != (last.number, last.hash):
            ends = f"the chain ends at hour {last.number}, and its end says hour {end.number}"
            yield f"{ends}: hours were dropped or swapped"

    def _entries(self, elements: list[Element], seen: Verified, told: _Told) -> list[tuple[Head, int, str]]:
        """Hold the entries against their heads; return the bare leaves."""
        bare: list[tuple[Head, int, str]] = []
        ids: dict[str, int] = {}
        kept = [one for one in elements if one.entries is not None]
        for begin in range(0, len(kept), _HOURS_AT_ONCE):
            for element in kept[begin : begin + _HOURS_AT_ONCE]:
                head = element.head
                try:
                    leaves = self.chain.leaves(element)
                    seen.findings += _judged(head, leaves, ids)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    seen.findings.append(f"{_named(head)}: its entries cannot be read: {type(error).__name__}")
                    continue
                for place, leaf in enumerate(leaves, 1):
                    if leaf.is_whole and leaf.entry is not None:
                        told.note(leaf)
                        seen.entries += 1
                    elif leaf.is_whole:
                        bare.append((head, place, leaf.hash))
        return bare

    def _anchors(self, tenant: str, elements: list[Element]) -> Iterator[str]:
        """Hold the heads against their copies. The newest may still lack its own."""
        by_number = {element.head.number: element for element in elements}
        there = set()
        for number, data in self.chain.anchors(tenant):
            there.add(number)
            element = by_number.get(number)
            if element is None:
                yield f"hour {number} was closed and is gone: its anchor is there"
            elif data != signing.canonical(element.document):
                yield f"{_named(element.head)}: is not what was anchored"
        last = max(by_number, default=0)
        for number, element in by_number.items():
            if number not in there and number != last:
                yield f"{_named(element.head)}: its anchor is gone"


def _renewals(tenant: str, public_keys: PublicKeys, seen: Verified, told: _Told) -> Iterator[str]:
    """Follow the signing key from the first to the one in use. An entry that retention let go cannot be asked for."""
    try:
        seen.renewals = [renewal_of(one) for one in public_keys.renewals]
    except InvalidInput as error:
        yield f"a renewal of the signing key cannot be read: {error}"
        return
    followers = [*(one.old for one in seen.renewals), public_keys.current][1:]
    for document, one, follower in zip(public_keys.renewals, seen.renewals, followers, strict=True):
        renewal = f"the renewal of the signing key after hour {one.heads}"
        if (one.tenant, one.new) != (tenant, follower):
            yield f"{renewal} does not lead to the next key: {signing.fingerprint(follower)[:16]}"
        if document not in told.renewals and told.upto <= one.heads:
            yield f"{renewal} has no entry"
    if any(one not in public_keys.renewals for one in told.renewals):
        yield "an entry tells of a renewal of the signing key that the record of the keys lacks"


def _judged(head: Head, leaves: list[Leaf], ids: dict[str, int]) -> Iterator[str]:
    if len(leaves) != head.count:
        yield f"{_named(head)}: has {len(leaves)} entries, not {head.count}"
    elif root(leaf.hash for leaf in leaves) != head.root:
        yield f"{_named(head)}: its entries are not those that it was closed with, or in another order"
    for place, leaf in enumerate(leaves, 1):
        if not leaf.is_whole:
            yield f"{_named(head)}: entry {place} was changed"
        elif (entry := leaf.content) is not None:
            yield from _in_its_hour(head, place, entry)
            if entry["id"] in ids:
                yield f"{_named(head)}: entry {entry['id']} stands in hour {ids[entry['id']]}, too"
            ids[entry["id"]] = head.number


def _in_its_hour(head: Head, place: int, entry: Mapping[str, Any]) -> Iterator[str]:
    hour = milliseconds(datetime.fromisoformat(entry["at"])) // HOUR_MS * HOUR_MS
    if (hour < head.hour) != bool(entry.get("late")) or hour > head.hour:
        late = "late" if entry.get("late") else "not late"
        yield f"{_named(head)}: entry {place} says {entry['at']} and {late}"


def _signed_otherwise(document: Document, key: bytes) -> str:
    """Say what is wrong with a head's signature; "" if nothing is."""
    try:
        _, by = signing.verified(document)
    except InvalidInput as error:
        return str(error)
    return "" if by == key else f"is signed by another key: {signing.fingerprint(by)[:16]}"


def _kept(tenant: str, elements: list[Element], kept: Document) -> Iterator[str]:
    head = head_of(kept)
    if head.tenant != tenant:
        raise InvalidInput(f"the head that was kept is of tenant {head.tenant!r}, not of {tenant!r}")
    here = next((one for one in elements if one.head.number == head.number), None)
    if here is None:
        yield f"{_named(head)}: was kept elsewhere, and the chain does not reach it: it was cut off"
    elif here.head.hash != head.hash:
        yield f"{_named(head)}: is not the one that was kept elsewhere: the chain was made anew"
    elif here.document != kept:
        yield f"{_named(head)}: is signed by another key than the one that was kept elsewhere"


def _named(head: Head) -> str:
    return f"hour {head.number} ({time_text(moment(head.hour))[:13]})"
