"""Entries that leave the audit: by which signed statements, and whether nothing else has left it.

Erasure: salt and content of the entries that name somebody go, and the leaves' hashes stay; of an entry of reading that
is not closed, the name alone. So the chain still verifies, and nobody can guess the text back. An entry of its own
lists the leaves before anything is erased, in a statement that the tenant's key signs: a bare leaf that no such
statement lists is a finding. For retention the oldest hours' entries go whole, which another statement says; their
heads stay.

Verification: is the chain what was closed? It finds and names each entry that was changed, dropped or swapped. Each
hour must be signed by the key of its time: a renewal says up to which head an old key signed. A renewal must have an
entry, and an entry its renewal. With the tenant's key, anybody verifies an export in the same way
(`verify_export_lines`).

What it cannot find: an entry that somebody adds, changes or removes before its hour is closed; and a chain made anew by
somebody with the tenant's key, the table and the blobs, unless a head was kept elsewhere (`kept`).
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.book.words import acts, keys
from chalicelib.book.words.errors import InvalidInput
from chalicelib.book.words.items import write, write_unless_changed
from chalicelib.book.words.ports import Put, equals
from chalicelib.book.words.tenant_settings import AUDIT_DAYS
from chalicelib.book.words.values import format_count, milliseconds, moment, time_text
from chalicelib.rights.audit.chain import CLOSED_AFTER, Element, End, Open
from chalicelib.rights.outside import Outside
from chalicelib.rights.words import signing
from chalicelib.rights.words.audit import (
    ERASED,
    HOUR_MS,
    TRIMMED,
    Document,
    Entry,
    Head,
    Leaf,
    Verified,
    at_ms,
    entry_item,
    entry_put,
    head_of,
    list_absorbed_faces,
    new_entry,
    root,
    said_signed,
    statement_of,
    with_absorbed,
)
from chalicelib.rights.words.reading import without
from chalicelib.rights.words.retention import FEW, OVERDUE, SHARE, is_much
from chalicelib.rights.words.signing import PublicKeys, Renewal, renewal_of

_log = logging.getLogger(__name__)

_NOBODY = MappingProxyType[str, datetime]({})
_IN_AN_ENTRY = 1_000


class AuditErasing(Outside):
    def erase(
        self,
        tenant: str,
        faceids: Collection[str],
        erasure: str,
        since: Callable[[], Mapping[str, datetime]] = lambda: _NOBODY,
    ) -> list[str]:
        """Erase the entries that are about one of these faces; return the hashes of their leaves.

        `erasure`: the id that the receipt has; `since` reads when somebody else was enrolled with an id. Captures that
        name a face are to be changed before: sightings that are not closed yet are read from them. It may be cut off
        and done again: then the leaves that are left are erased, and listed. Raises StorageUnavailable if the key that
        signs the list cannot be read: nothing is erased then.
        """
        wanted = set(faceids)
        erased: list[str] = []
        while True:
            self.book.audit.chain.hold_up(tenant)
            waiting = [one for one in self.book.audit.chain.waiting(tenant) if one.leaf.names(wanted)]
            closed = self._find_leaves_that_name(tenant, wanted)
            again = since()
            waiting = [one for one in waiting if one.leaf.names(wanted, again)]
            read = [one for one in waiting if one.reading is not None]
            found = [
                *(one.leaf for one in waiting if one.reading is None),
                *(leaf for _, own in closed for leaf in own),
            ]
            hashes = {leaf.hash: None for leaf in found if leaf.names(wanted, again)}
            for one in read:
                self._reduce(one, wanted)
            if not hashes and not read:
                self.book.audit.chain.tidy(tenant)
                return erased
            for begin in range(0, len(hashes), _IN_AN_ENTRY):
                self._tell(tenant, ERASED, erasure=erasure, leaves=[*hashes][begin : begin + _IN_AN_ENTRY])
            for one in waiting:
                if one.leaf.hash in hashes:
                    self._bare(one)
            for element, leaves in closed:
                bare = [one.bare if one.hash in hashes else one for one in leaves]
                if bare != leaves:
                    self.book.audit.chain.rewrite(element, bare)
            erased += hashes

    def entries(self, tenant: str, faceids: Collection[str], since: Mapping[str, datetime] = _NOBODY) -> list[Entry]:
        """Read the entries about one of these faces, those of closed hours first; of open sightings, captures tell.

        `since`: when somebody else was enrolled with an id.
        """
        closed = (leaf for _, leaves in self._find_leaves_that_name(tenant, faceids) for leaf in leaves)
        waiting = (one.leaf for one in self.book.audit.chain.waiting(tenant))
        return [one.content or {} for one in (*closed, *waiting) if one.names(faceids, since)]

    def with_absorbed(self, tenant: str, faceids: Collection[str], since: Mapping[str, datetime]) -> list[str]:
        """Return these faces and those that became a part of them: a merge is forgotten in 30 days, an entry is not."""
        return with_absorbed(faceids, lambda some: list_absorbed_faces(self.entries(tenant, some, since), some))

    def nightly(self, tenant: str, days: int | None) -> None:
        """Let entries go that are older than the tenant keeps them (None: for ever), and what cut-off closings left."""
        if days is not None:
            self.trim(tenant, days)
        self.book.audit.chain.tidy(tenant)

    def trim(self, tenant: str, days: int) -> int:
        """Let the entries of hours that ended so many days ago go, and keep their heads; return how many hours.

        Of so many that the clock may be wrong, or the days are new, only the oldest fifth goes at once. An hour that is
        damaged stays, for people who ask what happened to it. Raises InvalidInput if the tenant has signed another
        number of days last: nothing goes then.
        """
        limit = milliseconds(self.book.clock.now() - timedelta(days=days)) - HOUR_MS
        kept = [one for one in self.book.audit.chain.elements(tenant) if one.entries is not None]
        read = self.book.audit.chain.each([one for one in kept if one.head.hour <= limit], self.book.audit.chain.intact)
        due = [(element, leaves is not None) for element, leaves in read]
        if damaged := [one.head.name for one, is_intact in due if not is_intact]:
            _log.warning("the audit of tenant %s is damaged, and these hours stay: %s", tenant, ", ".join(damaged))
        old = [element for element, is_intact in due if is_intact]
        overdue = sum(one.head.hour <= limit - OVERDUE // timedelta(milliseconds=1) for one in old)
        if is_much(overdue, len(kept)):
            old = old[: max(FEW, len(kept) // SHARE)]
            _log.warning(
                "tenant %s keeps %d hours of the audit no longer, more than a fifth: a night lets a fifth go. Look at "
                "clock and audit_days",
                tenant,
                overdue,
            )
        if not old:
            return 0
        if (signed := self._days_signed(tenant)) != days:
            raise InvalidInput(
                f"audit_days of tenant {tenant!r} is {days}, and the tenant has signed {signed}: somebody changed it "
                f"beside the service. Set it again by `regulars tenants set {tenant} --audit-days`"
            )
        self._tell(tenant, TRIMMED, audit_days=days, upto=max(one.head.number for one in old))
        for element in old:
            self.book.audit.chain.rewrite(element, None)
        return len(old)

    def _days_signed(self, tenant: str) -> int | str:
        """Return the `audit_days` that the tenant has signed last, by a change or as hours went.

        If it has signed none, those of new tenants. What an hour says that is damaged does not count.
        """
        known, now, newest = self.book.audit.signing.public_keys(tenant), milliseconds(self.book.clock.now()), -1
        days: int | str = AUDIT_DAYS
        for hour, leaves in self._newest_first(tenant):
            if hour + HOUR_MS <= newest:
                break  # an entry is of the hour that it is closed with, or of an earlier one
            for entry in (leaf.content or {} for leaf in leaves):
                with suppress(InvalidInput, ValueError, KeyError, TypeError, AttributeError):
                    said = statement_of(entry, tenant, known, hour)
                    if "audit_days" in said and newest < at_ms(entry) <= now:
                        newest, days = at_ms(entry), said["audit_days"]
        return days

    def _newest_first(self, tenant: str) -> Iterator[tuple[int, list[Leaf]]]:
        """Yield what waits, and the entries of each hour that is intact, each with the hour that statements need."""
        yield (
            self.book.audit.chain.end(tenant).hour + HOUR_MS,
            [one.leaf for one in self.book.audit.chain.waiting(tenant)],
        )
        kept = [one for one in self.book.audit.chain.elements(tenant, newest_first=True) if one.entries is not None]
        for element, leaves in self.book.audit.chain.each(kept, self.book.audit.chain.intact):
            yield element.head.hour, leaves or []

    def _find_leaves_that_name(self, tenant: str, names: Collection[str]) -> list[tuple[Element, list[Leaf]]]:
        """Find the closed hours with entries that name one of these."""
        kept = [one for one in self.book.audit.chain.elements(tenant) if one.entries is not None]
        read = self.book.audit.chain.each(kept, self.book.audit.chain.leaves)
        return [one for one in read if any(leaf.names(names) for leaf in one[1])]

    def _tell(self, tenant: str, what: str, **said: Any) -> None:
        """Write an entry with a signed statement of what goes. Verifying takes the keys from `at` on."""
        act = acts.current()
        entry = new_entry(self.book.clock, what, "regulars" if act is None else act.by)
        write(
            self.book.items, [entry_put(tenant, said_signed(entry, self.book.audit.signing.sign, tenant, what, **said))]
        )

    def _reduce(self, one: Open, faceids: Collection[str]) -> None:
        """Take people out of an entry of reading that is not closed: the others stay, and the number."""
        item = entry_item(str(one.item and one.item[0]), without(one.reading or {}, faceids))
        write_unless_changed(self.book.items, [Put(keys.AUDIT, item, (equals("salt", one.leaf.salt, "entry-same"),))])

    def _bare(self, one: Open) -> None:
        assert one.item is not None  # noqa: S101 -- `waiting` are items
        item = {"tenant": one.item[0], "id": one.id, "at": one.at_ms, "leaf": one.leaf.hash}
        # it is closed by now
        write_unless_changed(self.book.items, [Put(keys.AUDIT, item, (equals("salt", one.leaf.salt, "entry-same"),))])


class _Statements(Struct):
    """Statements of entries: which leaves were erased, which hours let go, and how the key was renewed.

    `erased`: erasures by leaf; `trims`: `audit_days`, newest hour's number and begin of each.
    """

    tenant: str
    last_hour: int
    keys: PublicKeys
    erased: dict[str, str] = field(default_factory=dict)
    trims: list[tuple[int, int, int]] = field(default_factory=list)
    renewals: list[Document] = field(default_factory=list)

    def note(self, leaf: Leaf, closed: Head | None = None) -> Iterator[str]:
        """Take what a leaf says. `closed`: the head that it stands under; None: it is open."""
        entry = leaf.content or {}
        if "renewal" in entry:
            self.renewals.append(entry["renewal"])
        if "signed" in entry or entry.get("what") in (ERASED, TRIMMED):
            try:
                self._permit(entry, closed.hour if closed else self.last_hour + HOUR_MS)
            except (InvalidInput, ValueError, KeyError, TypeError, AttributeError) as error:
                yield f"entry {entry.get('id')} says {entry.get('what')!r}, and the tenant has not signed that: {error}"

    def _permit(self, entry: Entry, hour: int) -> None:
        """Read a statement by which entries go, or will go. Raises InvalidInput as `statement_of`."""
        said = statement_of(entry, self.tenant, self.keys, hour)
        if entry["what"] == ERASED:
            self.erased |= dict.fromkeys(said["leaves"], said["erasure"])
        elif entry["what"] == TRIMMED:
            days = said["audit_days"]
            self.trims.append((days, said["upto"], at_ms(entry) - days * 24 * HOUR_MS - HOUR_MS))


class Verifying(Outside):
    def tenant(self, tenant: str, kept: Document | None = None) -> Verified:
        """Verify a tenant's chain. `kept`: a head that was kept elsewhere, which must be in the chain as it is.

        Raises InvalidInput if that is no head.
        """
        verified = Verified()
        waiting = self._waiting(tenant, verified)
        try:
            elements = [one for one in self.book.audit.chain.elements(tenant) if one.head]
            signs = elements or any({"renewal", "signed"} & (one.leaf.content or {}).keys() for one in waiting)
            public_keys = self.book.audit.signing.public_keys(tenant) if signs else PublicKeys(b"")
        except (InvalidInput, ValueError, KeyError, TypeError) as error:
            verified.findings.append(f"a head, or the record of the signing keys, cannot be read: {error}")
            return verified
        statements = _Statements(tenant, max((one.head.hour for one in elements), default=-HOUR_MS), public_keys)
        bare = [("an entry that waits", one.leaf.hash) for one in waiting if one.leaf.entry is None]
        for one in waiting:
            verified.findings += statements.note(one.leaf)
        _compare_all(elements, self.book.audit.chain.leaves, bare, verified, statements)
        verified.findings += self._verify_end(tenant, verified)
        verified.findings += self._verify_anchors(tenant, elements)
        if not elements:
            verified.findings += self._verify_waiting(tenant, waiting)
        if kept is not None:
            verified.findings += _verify_kept_head(tenant, elements, kept)
        return verified

    def _waiting(self, tenant: str, verified: Verified) -> list[Open]:
        """Read what is not closed, before what is: so nothing is missed that is closed meanwhile."""
        end = self.book.audit.chain.end(tenant)
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # `_verify_entries` says which cannot be read
            waiting = self.book.audit.chain.pending(
                tenant, end, self.book.audit.chain.read_last_hour(tenant, end), milliseconds(self.book.clock.now())
            )
            verified.waiting = len(waiting)
            if waiting:
                verified.closes_at = moment(min(one.hour for one in waiting) + HOUR_MS) + CLOSED_AFTER
        return list(self.book.audit.chain.waiting(tenant))

    def _verify_waiting(self, tenant: str, waiting: Sequence[Open]) -> Iterator[str]:
        """Look if an audit without a closed hour can be all that there was. Its first signature is soon an entry."""
        made_ms = self.book.audit.signing.since_ms(tenant)
        if made_ms is not None and all(one.at_ms >= made_ms + HOUR_MS for one in waiting):
            made = time_text(moment(made_ms))[:16]
            yield (
                f"no hour is closed, and no entry is as old as the tenant's signing key ({made}): all were removed, "
                "unless nothing was done until now"
            )

    def _verify_end(self, tenant: str, verified: Verified) -> Iterator[str]:
        """Hold the newest head against the item that says how long the chain is."""
        head = None if verified.last is None else head_of(verified.last)
        last = End() if head is None else End(head.number, head.hour, head.hash)
        end = self.book.audit.chain.end(tenant)
        if (end.number, end.hash) != (last.number, last.hash):
            ends = f"the chain ends at hour {last.number}, and its end says hour {end.number}"
            yield f"{ends}: hours were dropped or swapped"

    def _verify_anchors(self, tenant: str, elements: list[Element]) -> Iterator[str]:
        """Hold the heads against their copies. The newest may still lack its own."""
        by_number = {element.head.number: element for element in elements}
        there = set()
        for number, data in self.book.audit.chain.anchors(tenant):
            there.add(number)
            element = by_number.get(number)
            if element is None:
                yield f"hour {number} was closed and is gone: its anchor is there"
            elif data != signing.canonical_json(element.document):
                yield f"{element.head.name}: is not what was anchored"
        last = max(by_number, default=0)
        for number, element in by_number.items():
            if number not in there and number != last:
                yield f"{element.head.name}: its anchor is gone"


def verify_export_lines(lines: Iterable[str], key_of: Callable[[str], str]) -> tuple[Verified, list[Entry]]:
    """Verify the lines of an export (`regulars audit export`); return the entries of its closed hours, too.

    `key_of`: gives the fingerprint of a tenant's public key. Statements that the service alone holds are left out: its
    anchors, and the end that it notes. Raises InvalidInput if this is no export.
    """
    elements, leaves, entries, waiting = list[Element](), dict[str, list[Leaf]](), list[Entry](), list[Leaf]()
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            if "statement" in said:
                elements.append(Element(said, f"{head_of(said).number} of line {number}"))
                continue
            leaf = Leaf(**said.get("open", said))
            entry = dict((leaf.content or {}).items())
            if "open" in said:
                waiting.append(leaf)
            else:
                leaves.setdefault(elements[-1].entries or "", []).append(leaf)
                if entry:
                    entries.append(entry)
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError, InvalidInput) as error:
            text = f"line {number} is none of an export of an audit: `regulars audit export` writes one"
            raise InvalidInput(text) from error
    if not elements:
        raise InvalidInput("this export has no closed hour, so there is nothing to verify")
    signer = signing.public_key_from(elements[-1].document.get("public_key"))
    public_keys = PublicKeys(signer, [one["renewal"] for one in entries if "renewal" in one])
    verified, last = Verified(), elements[-1].head
    key = key_of(last.tenant)
    if signing.fingerprint(signer) != key.lower():
        verified.findings.append(f"the newest hour is signed by key {signing.fingerprint(signer)}, not by {key}")
    kept = [one if one.entries in leaves else replace(one, entries=None) for one in elements]
    statements = _Statements(last.tenant, last.hour, public_keys)
    for leaf in waiting:
        verified.findings += statements.note(leaf)
    _compare_all(kept, lambda one: leaves[one.entries or ""], [], verified, statements)
    return verified, entries


def _compare_all(
    elements: list[Element],
    leaves_of: Callable[[Element], list[Leaf]],
    bare: list[tuple[str, str]],
    verified: Verified,
    statements: _Statements,
) -> None:
    """Hold entries against their heads, heads against each other, and statements against what is gone."""
    followed = list(_follow_renewals(statements.tenant, statements.keys, verified))
    bare = bare + _verify_entries(elements, leaves_of, verified, statements)
    verified.findings += [
        f"{named} was erased, and no signed entry says so: leaf {leaf}"
        for named, leaf in bare
        if leaf not in statements.erased
    ]
    verified.erased = Counter(statements.erased[leaf] for _, leaf in bare if leaf in statements.erased)
    verified.findings += _find_unexplained_gaps(elements, verified, statements)
    verified.findings += [*followed, *_verify_renewals(statements.keys, verified, statements)]
    verified.findings += _verify_heads(statements.tenant, elements, verified, statements.keys.current)


def _verify_heads(tenant: str, elements: list[Element], verified: Verified, current: bytes) -> Iterator[str]:
    """Follow the heads from the first to the last."""
    before: Head | None = None
    for element in elements:
        head, number = element.head, before.number + 1 if before else 1
        if head.number != number:
            yield f"hour {number} is missing: {head.name} comes next"
        elif head.before != (before.hash if before else ""):
            yield f"{head.name}: does not hold the hash of the hour before it"
        if before is not None and head.hour <= before.hour:
            yield f"{head.name}: is not later than the hour before it"
        if head.tenant != tenant:
            yield f"{head.name}: is of another tenant"
        key = next((one.old for one in verified.renewals if head.number <= one.heads), current)
        if why := _signed_otherwise(element.document, key):
            yield f"{head.name}: {why}"
        before = head
        verified.hours, verified.last = verified.hours + 1, element.document


def _verify_entries(
    elements: list[Element], leaves_of: Callable[[Element], list[Leaf]], verified: Verified, statements: _Statements
) -> list[tuple[str, str]]:
    """Hold the entries against their heads; return the bare leaves, each after its name."""
    bare: list[tuple[str, str]] = []
    ids: dict[str, int] = {}
    for element in (one for one in elements if one.entries is not None):
        head = element.head
        try:
            leaves = leaves_of(element)
            verified.findings += _verify_leaves(head, leaves, ids)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            verified.findings.append(f"{head.name}: its entries cannot be read: {type(error).__name__}")
            continue
        for place, leaf in enumerate(leaves, 1):
            if leaf.is_whole:
                verified.findings += statements.note(leaf, head)
                verified.entries += 1
                bare += [(f"{head.name}: entry {place}", leaf.hash)] if leaf.entry is None else []
    return bare


def _find_unexplained_gaps(elements: Sequence[Element], verified: Verified, statements: _Statements) -> Iterator[str]:
    """Find hours whose entries are gone, and which no statement lets go."""
    for head in (one.head for one in elements if one.entries is None):
        days = next((days for days, upto, hour in statements.trims if head.number <= upto and head.hour <= hour), None)
        if days is None:
            yield f"{head.name}: its entries are gone, and no signed entry lets them go"
        else:
            verified.trimmed[days] += 1


def _follow_renewals(tenant: str, public_keys: PublicKeys, verified: Verified) -> Iterator[str]:
    """Follow the signing key from the first to the one in use."""
    try:
        verified.renewals = [renewal_of(one) for one in public_keys.renewals]
    except InvalidInput as error:
        yield f"a renewal of the signing key cannot be read: {error}"
        return
    followers = [*(one.old for one in verified.renewals), public_keys.current][1:]
    for one, follower in zip(verified.renewals, followers, strict=True):
        if (one.tenant, one.new) != (tenant, follower):
            yield f"{_renewal(one)} does not lead to the next key: {signing.fingerprint(follower)[:16]}"


def _verify_renewals(public_keys: PublicKeys, verified: Verified, statements: _Statements) -> Iterator[str]:
    """Hold renewals against their entries. One that retention let go cannot be asked for."""
    upto = max((upto for _, upto, _ in statements.trims), default=0)
    for document, one in zip(public_keys.renewals, verified.renewals, strict=False):
        if document not in statements.renewals and upto <= one.heads:
            yield f"{_renewal(one)} has no entry"
    if any(one not in public_keys.renewals for one in statements.renewals):
        yield "an entry tells of a renewal of the signing key that the record of the keys lacks"


def _renewal(one: Renewal) -> str:
    return f"the renewal of the signing key after hour {one.heads}"


def _verify_leaves(head: Head, leaves: list[Leaf], ids: dict[str, int]) -> Iterator[str]:
    if len(leaves) != head.count:
        yield f"{head.name}: has {format_count(len(leaves), 'entry', 'entries')}, not {head.count}"
    elif root(leaf.hash for leaf in leaves) != head.root:
        yield f"{head.name}: its entries are not those that it was closed with, or in another order"
    for place, leaf in enumerate(leaves, 1):
        if not leaf.is_whole:
            yield f"{head.name}: entry {place} was changed"
        elif (entry := leaf.content) is not None:
            if at_ms(entry) >= head.hour + HOUR_MS:
                yield f"{head.name}: entry {place} says {entry['at']}, which is later"
            if entry["id"] in ids:
                yield f"{head.name}: entry {entry['id']} stands in hour {ids[entry['id']]}, too"
            ids[entry["id"]] = head.number


def _signed_otherwise(document: Document, key: bytes) -> str:
    """Name the fault of a head's signature; "" if nothing is."""
    try:
        _, by = signing.verify_statement(document)
    except InvalidInput as error:
        return str(error)
    return "" if by == key else f"is signed by another key: {signing.fingerprint(by)[:16]}"


def _verify_kept_head(tenant: str, elements: list[Element], kept: Document) -> Iterator[str]:
    head = head_of(kept)
    if head.tenant != tenant:
        raise InvalidInput(f"the head that was kept is of tenant {head.tenant!r}, not of {tenant!r}")
    here = next((one for one in elements if one.head.number == head.number), None)
    if here is None:
        yield f"{head.name}: was kept elsewhere, and the chain does not reach it: it was cut off"
    elif here.head.hash != head.hash:
        yield f"{head.name}: is not the one that was kept elsewhere: the chain was made anew"
    elif here.document != kept:
        yield f"{head.name}: is signed by another key than the one that was kept elsewhere"
