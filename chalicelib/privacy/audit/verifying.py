"""Verification of the audit's chain: finds and names each entry that was changed, dropped or
swapped since it was closed.

Each hour must be signed by the key of its time: a renewal records up to which head an old key
signed. A renewal must have an entry, and an entry its renewal. With the tenant's key, anybody can
verify an export in the same way (`verify_export_lines`).

It cannot find an entry that is added, changed or removed before its hour is closed; nor a chain
that was rebuilt with the tenant's key, the table and the blobs, unless a head was kept elsewhere
(`kept`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.privacy import signing
from chalicelib.privacy.audit.chain import CLOSED_AFTER, ChainEnd, Element, PendingEntry
from chalicelib.privacy.audit_entries import (
    ERASED,
    HOUR_MS,
    TRIMMED,
    Document,
    Entry,
    Head,
    Leaf,
    Verified,
    at_ms,
    compute_root,
    head_of,
    statement_of,
)
from chalicelib.privacy.signing import PublicKeys, Renewal, renewal_of
from chalicelib.service import Service
from chalicelib.storage.values import format_count, milliseconds, moment, time_text

if TYPE_CHECKING:
    from chalicelib.services import Services


class _Statements(Struct):
    """Statements of entries: which leaves were erased, which hours let go, and how the key was
    renewed.

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
                self._parse_permission(entry, closed.hour if closed else self.last_hour + HOUR_MS)
            except (InvalidInput, ValueError, KeyError, TypeError, AttributeError) as error:
                yield (
                    f"entry {entry.get('id')} says {entry.get('what')!r}, and the tenant has "
                    f"not signed that: {error}"
                )

    def _parse_permission(self, entry: Entry, hour: int) -> None:
        """Read a statement by which entries go, or will go.

        Raises InvalidInput as `statement_of`.
        """
        statement = statement_of(entry, self.tenant, self.keys, hour)
        if entry["what"] == ERASED:
            self.erased |= dict.fromkeys(statement["leaves"], statement["erasure"])
        elif entry["what"] == TRIMMED:
            days = statement["audit_days"]
            self.trims.append(
                (days, statement["upto"], at_ms(entry) - days * 24 * HOUR_MS - HOUR_MS)
            )


class _ErasedLeaf(NamedTuple):
    """A leaf whose entry was erased.

    `name`: of the leaf in findings, such as an hour's head and the entry's number.
    """

    name: str
    hash: str


class Verifying(Service["Services"]):
    def verify_tenant(self, tenant: str, document: Document | None = None) -> Verified:
        """Verify a tenant's chain.

        `document`: a head that was kept elsewhere, which must be in the chain as it is.

        Raises InvalidInput if that is no head.
        """
        verified = Verified()
        waiting_entries = self._read_waiting(tenant, verified)
        try:
            elements = [
                element
                for element in self.services.audit.chain.list_elements(tenant)
                if element.head
            ]
            has_signed = elements or any(
                {"renewal", "signed"} & (entry.leaf.content or {}).keys()
                for entry in waiting_entries
            )
            public_keys = (
                self.services.audit.signing.read_public_keys(tenant)
                if has_signed
                else PublicKeys(b"")
            )
        except (InvalidInput, ValueError, KeyError, TypeError) as error:
            verified.findings.append(
                f"a head, or the record of the signing keys, cannot be read: {error}"
            )
            return verified
        statements = _Statements(
            tenant, max((element.head.hour for element in elements), default=-HOUR_MS), public_keys
        )
        erased_leaves = [
            _ErasedLeaf("an entry that waits", entry.leaf.hash)
            for entry in waiting_entries
            if entry.leaf.entry is None
        ]
        for entry in waiting_entries:
            verified.findings += statements.note(entry.leaf)
        _compare_all(
            elements, self.services.audit.chain.read_leaves, erased_leaves, verified, statements
        )
        verified.findings += self._verify_end(tenant, verified)
        verified.findings += self._verify_anchors(tenant, elements)
        if not elements:
            verified.findings += self._verify_waiting(tenant, waiting_entries)
        if document is not None:
            verified.findings += _verify_kept_head(tenant, elements, document)
        return verified

    def _read_waiting(self, tenant: str, verified: Verified) -> list[PendingEntry]:
        """Read what is not closed, before what is: so nothing is missed that is closed
        meanwhile."""
        end = self.services.audit.chain.read_end(tenant)
        # `_verify_entries` says which cannot be read
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            pending = self.services.audit.chain.list_pending(
                tenant,
                end,
                self.services.audit.chain.read_last_hour(tenant, end),
                milliseconds(self.services.clock.now()),
            )
            verified.waiting = len(pending)
            if pending:
                verified.closes_at = (
                    moment(min(entry.hour for entry in pending) + HOUR_MS) + CLOSED_AFTER
                )
        return list(self.services.audit.chain.list_waiting(tenant))

    def _verify_waiting(
        self, tenant: str, waiting_entries: Sequence[PendingEntry]
    ) -> Iterator[str]:
        """Look if an audit without a closed hour can be all that there was.

        Its first signature is soon an entry.
        """
        made_ms = self.services.audit.signing.read_key_time_ms(tenant)
        if made_ms is not None and all(
            entry.at_ms >= made_ms + HOUR_MS for entry in waiting_entries
        ):
            made_at = time_text(moment(made_ms))[:16]
            yield (
                "no hour is closed, and no entry is as old as the tenant's signing key "
                f"({made_at}): all were removed, "
                "unless nothing was done until now"
            )

    def _verify_end(self, tenant: str, verified: Verified) -> Iterator[str]:
        """Hold the newest head against the item that says how long the chain is."""
        head = None if verified.last is None else head_of(verified.last)
        last = ChainEnd() if head is None else ChainEnd(head.number, head.hour, head.hash)
        end = self.services.audit.chain.read_end(tenant)
        if (end.number, end.hash) != (last.number, last.hash):
            ends = f"the chain ends at hour {last.number}, and its end says hour {end.number}"
            yield f"{ends}: hours were dropped or swapped"

    def _verify_anchors(self, tenant: str, elements: list[Element]) -> Iterator[str]:
        """Hold the heads against their copies. The newest may still lack its own."""
        by_number = {element.head.number: element for element in elements}
        anchored_numbers = set()
        for number, data in self.services.audit.chain.list_anchors(tenant):
            anchored_numbers.add(number)
            element = by_number.get(number)
            if element is None:
                yield f"hour {number} was closed and is gone: its anchor is there"
            elif data != signing.canonical_json(element.document):
                yield f"{element.head.name}: is not what was anchored"
        last_number = max(by_number, default=0)
        for number, element in by_number.items():
            if number not in anchored_numbers and number != last_number:
                yield f"{element.head.name}: its anchor is gone"


def verify_export_lines(
    lines: Iterable[str], key_of: Callable[[str], str]
) -> tuple[Verified, list[Entry]]:
    """Verify the lines of an export (`regulars audit export`); return the entries of its closed
    hours, too.

    `key_of`: gives the fingerprint of a tenant's public key. Statements that the service alone
    holds are left out: its anchors, and the end that it notes. Raises InvalidInput if this is no
    export.
    """
    elements = list[Element]()
    leaves = dict[str, list[Leaf]]()
    entries = list[Entry]()
    waiting_leaves = list[Leaf]()
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line)
            if "statement" in document:
                elements.append(Element(document, f"{head_of(document).number} of line {number}"))
                continue
            leaf = Leaf(**document.get("open", document))
            entry = dict((leaf.content or {}).items())
            if "open" in document:
                waiting_leaves.append(leaf)
            else:
                leaves.setdefault(elements[-1].entries or "", []).append(leaf)
                if entry:
                    entries.append(entry)
        except (
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
            RecursionError,
            InvalidInput,
        ) as error:
            text = (
                f"line {number} is none of an export of an audit: `regulars audit export` "
                "writes one"
            )
            raise InvalidInput(text) from error
    if not elements:
        raise InvalidInput("this export has no closed hour, so there is nothing to verify")
    signer = signing.public_key_from(elements[-1].document.get("public_key"))
    public_keys = PublicKeys(signer, [entry["renewal"] for entry in entries if "renewal" in entry])
    verified, last_head = Verified(), elements[-1].head
    key = key_of(last_head.tenant)
    if signing.fingerprint(signer) != key.lower():
        verified.findings.append(
            f"the newest hour is signed by key {signing.fingerprint(signer)}, not by {key}"
        )
    kept_elements = [
        element if element.entries in leaves else replace(element, entries=None)
        for element in elements
    ]
    statements = _Statements(last_head.tenant, last_head.hour, public_keys)
    for leaf in waiting_leaves:
        verified.findings += statements.note(leaf)
    _compare_all(
        kept_elements, lambda element: leaves[element.entries or ""], [], verified, statements
    )
    return verified, entries


def _compare_all(
    elements: list[Element],
    leaves_of: Callable[[Element], list[Leaf]],
    erased_leaves: list[_ErasedLeaf],
    verified: Verified,
    statements: _Statements,
) -> None:
    """Hold entries against their heads, heads against each other, and statements against what is
    gone.

    `erased_leaves`: those that are known already.
    """
    renewal_findings = list(_follow_renewals(statements.tenant, statements.keys, verified))
    leaves = erased_leaves + _verify_entries(elements, leaves_of, verified, statements)
    verified.findings += [
        f"{leaf.name} was erased, and no signed entry says so: leaf {leaf.hash}"
        for leaf in leaves
        if leaf.hash not in statements.erased
    ]
    verified.erased = Counter(
        statements.erased[leaf.hash] for leaf in leaves if leaf.hash in statements.erased
    )
    verified.findings += _find_unexplained_gaps(elements, verified, statements)
    verified.findings += [
        *renewal_findings,
        *_verify_renewals(statements.keys, verified, statements),
    ]
    verified.findings += _verify_heads(
        statements.tenant, elements, verified, statements.keys.current
    )


def _verify_heads(
    tenant: str, elements: list[Element], verified: Verified, current: bytes
) -> Iterator[str]:
    """Follow the heads from the first to the last."""
    head_before: Head | None = None
    for element in elements:
        head, number = element.head, head_before.number + 1 if head_before else 1
        if head.number != number:
            yield f"hour {number} is missing: {head.name} comes next"
        elif head.before != (head_before.hash if head_before else ""):
            yield f"{head.name}: does not hold the hash of the hour before it"
        if head_before is not None and head.hour <= head_before.hour:
            yield f"{head.name}: is not later than the hour before it"
        if head.tenant != tenant:
            yield f"{head.name}: is of another tenant"
        key = next(
            (renewal.old for renewal in verified.renewals if head.number <= renewal.heads), current
        )
        if why := _find_signature_fault(element.document, key):
            yield f"{head.name}: {why}"
        head_before = head
        verified.hours, verified.last = verified.hours + 1, element.document


def _verify_entries(
    elements: list[Element],
    leaves_of: Callable[[Element], list[Leaf]],
    verified: Verified,
    statements: _Statements,
) -> list[_ErasedLeaf]:
    """Hold the entries against their heads; return the erased leaves."""
    erased_leaves: list[_ErasedLeaf] = []
    hours_by_id: dict[str, int] = {}
    for element in (element for element in elements if element.entries is not None):
        head = element.head
        try:
            leaves = leaves_of(element)
            verified.findings += _verify_leaves(head, leaves, hours_by_id)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            verified.findings.append(
                f"{head.name}: its entries cannot be read: {type(error).__name__}"
            )
            continue
        for leaf_number, leaf in enumerate(leaves, 1):
            if leaf.is_whole:
                verified.findings += statements.note(leaf, head)
                verified.entries += 1
                if leaf.entry is None:
                    erased_leaves.append(
                        _ErasedLeaf(f"{head.name}: entry {leaf_number}", leaf.hash)
                    )
    return erased_leaves


def _find_unexplained_gaps(
    elements: Sequence[Element], verified: Verified, statements: _Statements
) -> Iterator[str]:
    """Find hours whose entries are gone, and which no statement lets go."""
    for head in (element.head for element in elements if element.entries is None):
        days = next(
            (
                days
                for days, upto, hour in statements.trims
                if head.number <= upto and head.hour <= hour
            ),
            None,
        )
        if days is None:
            yield f"{head.name}: its entries are gone, and no signed entry lets them go"
        else:
            verified.trimmed[days] += 1


def _follow_renewals(tenant: str, public_keys: PublicKeys, verified: Verified) -> Iterator[str]:
    """Follow the signing key from the first to the one in use."""
    try:
        verified.renewals = [renewal_of(document) for document in public_keys.renewals]
    except InvalidInput as error:
        yield f"a renewal of the signing key cannot be read: {error}"
        return
    followers = [*(renewal.old for renewal in verified.renewals), public_keys.current][1:]
    for renewal, follower in zip(verified.renewals, followers, strict=True):
        if (renewal.tenant, renewal.new) != (tenant, follower):
            yield (
                f"{_name_renewal(renewal)} does not lead to the next key: "
                f"{signing.fingerprint(follower)[:16]}"
            )


def _verify_renewals(
    public_keys: PublicKeys, verified: Verified, statements: _Statements
) -> Iterator[str]:
    """Hold renewals against their entries. One that retention let go cannot be asked for."""
    upto = max((upto for _, upto, _ in statements.trims), default=0)
    for document, renewal in zip(public_keys.renewals, verified.renewals, strict=False):
        if document not in statements.renewals and upto <= renewal.heads:
            yield f"{_name_renewal(renewal)} has no entry"
    if any(document not in public_keys.renewals for document in statements.renewals):
        yield "an entry tells of a renewal of the signing key that the record of the keys lacks"


def _name_renewal(renewal: Renewal) -> str:
    return f"the renewal of the signing key after hour {renewal.heads}"


def _verify_leaves(head: Head, leaves: list[Leaf], hours_by_id: dict[str, int]) -> Iterator[str]:
    """Yield what is wrong with an hour's entries.

    `hours_by_id`: the hours of the entries seen so far; it grows.
    """
    if len(leaves) != head.count:
        yield f"{head.name}: has {format_count(len(leaves), 'entry', 'entries')}, not {head.count}"
    elif compute_root(leaf.hash for leaf in leaves) != head.root:
        yield f"{head.name}: its entries are not those that it was closed with, or in another order"
    for leaf_number, leaf in enumerate(leaves, 1):
        if not leaf.is_whole:
            yield f"{head.name}: entry {leaf_number} was changed"
        elif (entry := leaf.content) is not None:
            if at_ms(entry) >= head.hour + HOUR_MS:
                yield f"{head.name}: entry {leaf_number} says {entry['at']}, which is later"
            if entry["id"] in hours_by_id:
                yield (
                    f"{head.name}: entry {entry['id']} stands in hour "
                    f"{hours_by_id[entry['id']]}, too"
                )
            hours_by_id[entry["id"]] = head.number


def _find_signature_fault(document: Document, key: bytes) -> str:
    """Name the fault of a head's signature; "" if nothing is."""
    try:
        _, by = signing.verify_statement(document)
    except InvalidInput as error:
        return str(error)
    return "" if by == key else f"is signed by another key: {signing.fingerprint(by)[:16]}"


def _verify_kept_head(tenant: str, elements: list[Element], document: Document) -> Iterator[str]:
    head = head_of(document)
    if head.tenant != tenant:
        raise InvalidInput(
            f"the head that was kept is of tenant {head.tenant!r}, not of {tenant!r}"
        )
    here = next((element for element in elements if element.head.number == head.number), None)
    if here is None:
        yield f"{head.name}: was kept elsewhere, and the chain does not reach it: it was cut off"
    elif here.head.hash != head.hash:
        yield f"{head.name}: is not the one that was kept elsewhere: the chain was made anew"
    elif here.document != document:
        yield f"{head.name}: is signed by another key than the one that was kept elsewhere"
