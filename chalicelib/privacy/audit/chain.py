"""Storage of the chain: heads as items and as blobs, and the entries of each closed hour as a blob
of their own.

A head's item names the blob of its entries, which is written anew when entries are erased; the head
never changes. The copy of each head among the blobs is its anchor: people who drop the table's
newest items do not reach it.

Entries that are not closed yet are pending: entries that wait as items, and sightings that their
captures tell of.

Closing: the entries of each hour that is over become an element of the chain. It may be cut off at
any call and done twice at once. An element counts from one transaction on, which requires that the
chain's end is the one that was read. What was cut off after it (the anchor, items that are closed)
is done before the next hour is closed; what was cut off before it left nothing but a blob that
nobody names, which `tidy` deletes. Entries of reading are summed up then (privacy/reading); the one
with the numbers lists their ids, so that none is closed twice.

The heads are given to a witness outside: by one of them `verify` finds a chain that was cut off or
made anew.

A tenant's key signs the heads, and what else the tenant proves to others, such as receipts of
erasures. Entries are read newest first, page by page, whether their hour is closed or not.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import astuple, replace

from chalicelib.domain import audit_events
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import InvalidInput, StorageUnavailable
from chalicelib.privacy import signing
from chalicelib.privacy.audit.sightings import CLOSED_WITH, has_item, sighting_entry
from chalicelib.privacy.audit_entries import (
    HOUR_MS,
    READ,
    Document,
    Entry,
    Head,
    Leaf,
    at_ms,
    compute_root,
    head_of,
    is_as_closed,
    leaf_of,
)
from chalicelib.privacy.reading import sum_entries
from chalicelib.privacy.signing import PublicKeys, canonical_json, sign_renewal
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    ListPage,
    PageTokens,
    captures_of,
    cut_in_parts,
    retry_if_changed,
    walk_items,
    write,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.storage.ports import Delete, Item, Put, Witness, absent, equals
from chalicelib.storage.records.captures import capture_from
from chalicelib.storage.values import Codec, milliseconds, moment, nonce, parse_optional, time_text

if TYPE_CHECKING:
    from chalicelib.privacy.audit_entries import EntryFilter
    from chalicelib.services import Services

_JSON = "application/json"
_READ_AT_ONCE = 8
"""Objects that are read in parallel."""
_HOURS_AT_ONCE = 100
"""Hours whose entries are in memory at once."""
_UNCHANGED = "chain-same"
_UNNAMED_AFTER = timedelta(hours=1)
"""Age from which a blob that no head names is what a closing left that was cut off."""
_FIRST_DAYS_MS = 48 * HOUR_MS
"""So long back sightings are looked for before a tenant's first hour is closed."""


Leaves = TypeVar("Leaves")


class Element(Struct, frozen=True):
    """One closed hour.

    `entries`: the key of the blob with its entries; None: they are no longer kept.
    """

    document: Document
    entries: str | None

    @property
    def head(self) -> Head:
        return head_of(self.document)


class ChainEnd(Struct, frozen=True):
    """The end of a tenant's chain.

    `version` rises with each erasure, so that no closing puts back what it erased.
    """

    number: int = 0
    hour: int = -1
    hash: str = ""
    version: int = 0


_END = Codec(ChainEnd)


class Chain(Service["Services"]):
    hours_a_page: int = 200

    def read_end(self, tenant: str) -> ChainEnd:
        return _END.read(self.services.items.get(keys.AUDIT, (tenant, keys.AUDIT_END)) or {})

    def find_element(self, tenant: str, number: int) -> Element | None:
        element_key = keys.audit_heads(tenant), keys.audit_number(number)
        return parse_optional(parse_element, self.services.items.get(keys.AUDIT, element_key))

    def list_elements(
        self, tenant: str, *, behind: int | None = None, newest_first: bool = False
    ) -> Iterator[Element]:
        """Yield the closed hours in order. `behind`: only those after the one of this number."""
        behind_key = None if behind is None else keys.audit_number(behind)
        heads = keys.audit_heads(tenant)
        yield from map(
            parse_element,
            walk_items(
                self.services.items, keys.AUDIT, heads, behind=behind_key, reverse=newest_first
            ),
        )

    def read_leaves(self, element: Element) -> list[Leaf]:
        """Read an hour's entries; none if they are not there.

        Raises ValueError or TypeError if they are damaged.
        """
        data = None if element.entries is None else self.services.storage.blobs.get(element.entries)
        return [Leaf(*json.loads(line)) for line in (data or b"").splitlines()]

    def read_last_hour(self, tenant: str, end: ChainEnd) -> set[str]:
        """Return the ids of the last hour's entries, and the hashes of those that were erased.

        Entries that wait under one of these are closed: the closing was cut off before it was
        deleted.
        """
        element = self.find_element(tenant, end.number) if end.number else None
        if element is None:
            return set()
        leaves = [(leaf.hash, leaf.content) for leaf in self.read_leaves(element)]
        summed = {id_ for _, entry in leaves for id_ in (entry or {}).get("parts", ())}
        return summed | {hashed if entry is None else entry["id"] for hashed, entry in leaves}

    def read_intact_leaves(self, element: Element) -> list[Leaf] | None:
        """Read an hour's entries; None if they are not those that it was closed with."""
        try:
            leaves = self.read_leaves(element)
            return leaves if is_as_closed(element.head, leaves) else None
        except (ValueError, TypeError, AttributeError):
            return None

    def read_each(
        self, elements: Sequence[Element], read: Callable[[Element], Leaves]
    ) -> Iterator[tuple[Element, Leaves]]:
        """Read the entries of hours by `read_leaves` or `read_intact_leaves`, some at once."""
        with ThreadPoolExecutor(_READ_AT_ONCE) as readers:
            for part in cut_in_parts(elements, _HOURS_AT_ONCE):
                yield from zip(part, readers.map(read, part), strict=True)

    def append_hour(self, end: ChainEnd, document: Document, leaves: Sequence[Leaf]) -> bool:
        """Add an hour behind `end`.

        Return False, and change nothing, if the chain has another end by now.
        """
        head = head_of(document)
        entries = self._write_leaves(head.tenant, head.number, leaves)
        end_after = replace(end, number=head.number, hour=head.hour, hash=head.hash)
        element_put = Put(keys.AUDIT, _make_element_item(document, entries), (absent(_UNCHANGED),))
        is_added = write_unless_changed(
            self.services.items, [element_put, _make_end_put(head.tenant, end, end_after)]
        )
        if not is_added:
            self.services.storage.blobs.delete(entries)
        return is_added

    def write_anchor(self, document: Document) -> None:
        """Copy a head to the blobs, if it is not there."""
        head = head_of(document)
        self.services.storage.blobs.put_if_absent(
            keys.audit_anchor(head.tenant, head.number), canonical_json(document), _JSON
        )

    def list_anchors(self, tenant: str) -> Iterator[tuple[int, bytes]]:
        """Yield the copies of heads, with the numbers in their keys."""
        names = [
            blob.key
            for blob in self.services.storage.blobs.walk(keys.audit_folder(tenant))
            if blob.key.endswith(".head")
        ]
        with ThreadPoolExecutor(_READ_AT_ONCE) as readers:
            for key, data in zip(
                names, readers.map(self.services.storage.blobs.get, names), strict=True
            ):
                yield keys.number_of_anchor(key), data or b""

    def stop_closings(self, tenant: str) -> None:
        """Make each started closing fail, since the data that it read may be about to be erased."""
        while not write_unless_changed(
            self.services.items, [self.make_closings_stop(tenant, self.read_end(tenant))]
        ):
            pass

    def make_closings_stop(self, tenant: str, end: ChainEnd) -> Put:
        """Return the action that makes each closing fail that has read this end.

        It requires that nobody was first.
        """
        return _make_end_put(tenant, end, replace(end, version=end.version + 1))

    def replace_leaves(self, element: Element, leaves: Sequence[Leaf] | None) -> None:
        """Put other leaves in the place of an hour's, or none of them; the old ones are deleted."""
        head, old_key = element.head, element.entries
        new_key = None if leaves is None else self._write_leaves(head.tenant, head.number, leaves)
        put = Put(
            keys.AUDIT,
            _make_element_item(element.document, new_key),
            (equals("entries", old_key, _UNCHANGED),),
        )
        unused_key = old_key if write_unless_changed(self.services.items, [put]) else new_key
        if unused_key is not None:
            self.services.storage.blobs.delete(unused_key)

    def send_heads(self, tenant: str, witness: Witness) -> int:
        """Give a witness the heads that it was not given yet, the oldest first; return how many.

        May be cut off anywhere and repeated. After a restore heads come again, with the hash in the
        name: both stay. Raises StorageUnavailable, Unusable, Busy.
        """
        last_given = self.services.items.get(keys.AUDIT, (tenant, keys.AUDIT_WITNESSED))
        given_count = 0
        for element in self.list_elements(
            tenant, behind=int(last_given["number"]) if last_given else None
        ):
            head = element.head
            name = f"{tenant}/{keys.audit_number(head.number)}-{head.hash[:16]}.json"
            witness.keep(name, canonical_json(element.document))
            item = {"tenant": tenant, "id": keys.AUDIT_WITNESSED, "number": head.number}
            write(self.services.items, [Put(keys.AUDIT, item)])
            given_count += 1
        return given_count

    def delete_unnamed_blobs(self, tenant: str) -> None:
        """Delete blobs of entries that no head names: a closing was cut off."""
        limit = self.services.clock.now() - _UNNAMED_AFTER
        blobs = self.services.storage.blobs.walk(keys.audit_folder(tenant))
        old = {
            blob.key for blob in blobs if blob.key.endswith(".entries") and blob.stored_at < limit
        }
        for key in old - {element.entries for element in self.list_elements(tenant)} if old else ():
            self.services.storage.blobs.delete(key)

    def list_pending(
        self, tenant: str, end: ChainEnd, closed_ids: Collection[str], now_ms: int
    ) -> list[PendingEntry]:
        """Return the entries that are not closed, sightings too.

        `closed_ids`: as read_last_hour returns.
        """
        since_ms = end.hour if end.number else now_ms - _FIRST_DAYS_MS
        entries = [*self.list_waiting(tenant), *self.list_sightings(tenant, since_ms, now_ms + 1)]
        return [entry for entry in entries if not entry.is_of(closed_ids)]

    def list_waiting(self, tenant: str) -> Iterator[PendingEntry]:
        """Yield the entries that wait as items, the oldest first."""
        for item in walk_items(self.services.items, keys.AUDIT, tenant, between=keys.AUDIT_OPEN):
            yield _parse_waiting_entry(item)

    def list_sightings(self, tenant: str, since_ms: int, until_ms: int) -> Iterator[PendingEntry]:
        """Yield the entries of sightings that were resolved in a time and have no items, camera by
        camera."""
        items = captures_of(
            self.services.items, tenant, None, since_ms - _REACH_MS, until_ms + _REACH_MS
        )
        for capture in map(capture_from, items):
            for sighting in capture.sightings:
                if sighting.resolved_at is None or has_item(capture.id, sighting):
                    continue
                at_ms = milliseconds(sighting.resolved_at)
                if since_ms <= at_ms < until_ms:
                    entry = sighting_entry(capture, sighting)
                    yield PendingEntry(entry["id"], at_ms, leaf_of(entry))

    def close_hours(self, tenant: str) -> int:
        """Close the hours that are over, the oldest first; return how many.

        An hour without entries is no element.

        First it does the steps that the last closing may have left undone.
        """
        now = self.services.clock.now()
        end = self.read_end(tenant)
        # of the first hour that may not be closed yet
        until_ms = milliseconds(now - CLOSED_AFTER) // HOUR_MS * HOUR_MS
        waiting_entries = list(self.list_waiting(tenant))
        closed_ids = set[str]()
        if waiting_entries and end.number and (element := self.find_element(tenant, end.number)):
            self.write_anchor(element.document)
            closed_ids = self.read_last_hour(tenant, end)
            self._delete_waiting(entry for entry in waiting_entries if entry.is_of(closed_ids))
        due_entries = [
            entry
            for entry in waiting_entries
            if entry.at_ms < until_ms and not entry.is_of(closed_ids)
        ]
        since_ms = (
            end.hour
            if end.number
            else min(
                [until_ms - _BEGIN_DAYS * 24 * HOUR_MS, *(entry.hour for entry in due_entries)]
            )
        )
        if until_ms - HOUR_MS <= end.hour:
            return 0
        if seen_entries := list(self.list_sightings(tenant, since_ms, until_ms)):
            closed_ids = closed_ids or self.read_last_hour(tenant, end)
            due_entries += [entry for entry in seen_entries if entry.id not in closed_ids]
        closed_count = 0
        for hour, entries in _group_by_hour(due_entries, end.hour, until_ms - HOUR_MS):
            end_after = self._close_hour(tenant, end, hour, entries)
            if end_after is None:
                break
            end, closed_count = end_after, closed_count + 1
        return closed_count

    def read_page(
        self, tenant: str, entry_filter: EntryFilter, limit: int = 100, token: str | None = None
    ) -> ListPage[tuple[int | None, Entry]]:
        """Read a page of entries, each with the number of its closed hour (None: it is open).

        A page ends early, even empty, once it has looked through `hours_a_page` hours: few entries
        of a year may pass the filter. Raises InvalidInput.
        """
        tokens = PageTokens(f"audit {tenant} {entry_filter!r}")
        after = tokens.parse_position(token, _parse_position)
        rows: list[tuple[int | None, Entry]] = []
        hours: set[int] = set()
        for position, entry in self._list_from(tenant, after, entry_filter):
            hours.add(position.hour)
            if entry is not None and entry_filter.lets_pass(position.at_ms, entry):
                rows.append((position.hour or None, entry))
            if len(rows) == limit or len(hours) > self.hours_a_page:
                return tokens.make_page(rows, "/".join(map(str, astuple(position))))
        return tokens.make_page(rows, None)

    def walk_entries(self, tenant: str) -> Iterator[Entry]:
        """Yield the entries that are kept, the oldest hour first, and then those that wait."""
        elements = [each for each in self.list_elements(tenant) if each.entries is not None]
        for _, leaves in self.read_each(elements, self.read_intact_leaves):
            yield from (leaf.content for leaf in leaves or () if leaf.content is not None)
        waiting = (entry.leaf.content for entry in self.list_waiting(tenant))
        yield from (content for content in waiting if content is not None)

    def _write_leaves(self, tenant: str, number: int, leaves: Sequence[Leaf]) -> str:
        lines = (
            json.dumps([leaf.hash, leaf.salt, leaf.entry], ensure_ascii=False) for leaf in leaves
        )
        key = keys.audit_entries(tenant, number, nonce())
        if not self.services.storage.blobs.put_if_absent(key, "\n".join(lines).encode(), _JSON):
            raise StorageUnavailable(f"entries of the name {key!r} were there before")
        return key

    def _close_hour(
        self, tenant: str, end: ChainEnd, hour: int, entries: list[PendingEntry]
    ) -> ChainEnd | None:
        """Close one hour.

        Return the chain's end then; None if another closing, or an erasure, was first.
        """
        readings = [
            entry for pending_entry in entries if (entry := pending_entry.reading) is not None
        ]
        leaves = [entry.leaf for entry in entries if entry.reading is None] + [
            leaf_of(entry) for entry in sum_entries(readings)
        ]
        head = Head(
            tenant=tenant,
            number=end.number + 1,
            hour=hour,
            count=len(leaves),
            root=compute_root(leaf.hash for leaf in leaves),
            before=end.hash,
            closed_at=milliseconds(self.services.clock.now()),
        )
        document = self.services.audit.signing.sign_statement(tenant, head.statement)
        if not self.append_hour(end, document, leaves):
            return None
        self.write_anchor(document)
        self._delete_waiting(entries)
        return ChainEnd(head.number, hour, head.hash, end.version)

    def _delete_waiting(self, entries: Iterable[PendingEntry]) -> None:
        write_in_parts(
            self.services.items,
            (Delete(keys.AUDIT, entry.item) for entry in entries if entry.item is not None),
        )

    def _list_from(
        self, tenant: str, after: _Position | None, entry_filter: EntryFilter
    ) -> Iterator[tuple[_Position, Entry | None]]:
        """Yield the entries behind a position, newest first: those that were open at the first
        page, then hour by hour.

        Behind each hour's entries comes its end, without an entry: a page may end there.
        """
        end = self.read_end(tenant)
        last_number = end.number if after is None else after.last
        closed_position = None if after is None or after.is_open else after
        if closed_position is None:
            yield from _list_behind(after, self._list_open_entries(tenant, end, last_number))
        behind = (closed_position.hour if closed_position else last_number) + 1
        for element in self.list_elements(tenant, behind=behind, newest_first=True):
            head = element.head
            if entry_filter.since_ms is not None and head.hour + HOUR_MS <= entry_filter.since_ms:
                return
            is_hour_of_position = (
                closed_position is not None and head.number == closed_position.hour
            )
            yield from _list_behind(
                closed_position if is_hour_of_position else None,
                self._list_closed_entries(element, last_number),
            )
            # behind all entries of the hour
            yield _Position(head.number, last_number, at_ms=-1, id=""), None

    def _list_open_entries(
        self, tenant: str, end: ChainEnd, last: int
    ) -> list[tuple[_Position, Entry]]:
        """Read what is open, or has been closed since the first page: a late entry may be closed
        after newer ones."""
        now, last_hour = milliseconds(self.services.clock.now()), self.read_last_hour(tenant, end)
        entries_by_id = {
            pending_entry.id: (_Position(_OPEN, last, pending_entry.at_ms, pending_entry.id), entry)
            for pending_entry in self.list_pending(tenant, end, last_hour, now)
            if (entry := pending_entry.leaf.content) is not None
        }
        for element in self.list_elements(tenant, newest_first=True):
            if element.head.number <= last:
                break
            entries_by_id |= {
                position.id: (position, entry)
                for position, entry in self._list_closed_entries(element, last)
            }
        return list(entries_by_id.values())

    def _list_closed_entries(self, element: Element, last: int) -> list[tuple[_Position, Entry]]:
        head, leaves = element.head, [leaf.content for leaf in self.read_leaves(element)]
        return [
            (
                _Position(head.number, last, at_ms(entry), entry["id"]),
                {**entry, "late": True} if at_ms(entry) < head.hour else entry,
            )
            for entry in leaves
            if entry
        ]


def _make_element_item(document: Document, entries: str | None) -> Item:
    head = head_of(document)
    element_key = {"tenant": keys.audit_heads(head.tenant), "id": keys.audit_number(head.number)}
    return {
        **element_key,
        "document": canonical_json(document).decode(),
        **({} if entries is None else {"entries": entries}),
    }


def parse_element(item: Item) -> Element:
    return Element(json.loads(item["document"]), item.get("entries"))


def _make_end_put(tenant: str, before: ChainEnd, after: ChainEnd) -> Put:
    same = (
        equals("number", before.number, _UNCHANGED),
        equals("version", before.version, _UNCHANGED),
    )
    item = {"tenant": tenant, "id": keys.AUDIT_END, **_END.write(after)}
    return Put(keys.AUDIT, item, same if before != ChainEnd() else (absent(_UNCHANGED),))


_REACH_MS = int(CLOSED_WITH.total_seconds() * 1000)


class PendingEntry(Struct, frozen=True):
    """An entry that is not closed. `item`: its key, if it waits as an item."""

    id: str
    at_ms: int
    leaf: Leaf
    item: tuple[str, str] | None = None

    @property
    def hour(self) -> int:
        return self.at_ms // HOUR_MS * HOUR_MS

    @property
    def reading(self) -> Entry | None:
        """Return the entry if it is one of reading, which is closed with the others of its
        caller."""
        entry = self.leaf.content if f'"{READ}"' in (self.leaf.entry or "") else None
        return entry if entry is not None and entry["what"] == READ else None

    def is_of(self, closed_ids: Collection[str]) -> bool:
        """Tell whether the entry is closed already. `closed_ids`: as read_last_hour returns."""
        return self.id in closed_ids or self.leaf.hash in closed_ids


def _parse_waiting_entry(item: Item) -> PendingEntry:
    key = (item["tenant"], item["id"])
    if "leaf" in item:
        return PendingEntry(item["id"], int(item["at"]), Leaf(item["leaf"]), key)
    return PendingEntry(
        item["id"], int(item["at"]), leaf_of(json.loads(item["entry"]), item["salt"]), key
    )


CLOSED_AFTER = timedelta(minutes=10)
"""An hour is closed this long after its end: what is written later than that is late, and says
so."""

_BEGIN_DAYS = 2
"""So many days back the first closing of a tenant looks for sightings: before, their captures did
not say enough."""


def _group_by_hour(
    pending_entries: Iterable[PendingEntry], closed_hour: int, newest_hour: int
) -> list[tuple[int, list[PendingEntry]]]:
    """Put entries under the hour that they are closed with: their own, or the newest if theirs is
    closed already."""

    def hour(pending_entry: PendingEntry) -> int:
        return pending_entry.hour if pending_entry.hour > closed_hour else newest_hour

    ordered = sorted(pending_entries, key=lambda entry: (hour(entry), entry.at_ms, entry.id))
    return [(at, list(entries)) for at, entries in groupby(ordered, hour)]


_RENEWALS = "renewals"

_FACE_KEY = "face_key"
"""Not sealed: receipts must name their faces after a restore, too, when what sealed may be gone."""


class Signing(Service["Services"]):
    """The signing keys, one a tenant.

    It is made when it is first needed; the vault seals its private half.
    """

    def read_public_keys(self, tenant: str) -> PublicKeys:
        """Return the public half, 32 bytes, and the renewals of those before.

        Raises Busy, StorageUnavailable.
        """
        item = self._read_or_make_key(tenant)
        return PublicKeys(
            bytes(item["public_key"]), [json.loads(text) for text in item.get(_RENEWALS, ())]
        )

    def read_key_time_ms(self, tenant: str) -> int | None:
        """Return when the key in use was made; None: there is none yet."""
        item = self.services.items.get(keys.TENANTS, keys.signing_key(tenant))
        return None if item is None else int(item["created_at"])

    def sign_statement(self, tenant: str, statement: Mapping[str, Any]) -> dict[str, Any]:
        """Return the signed statement (privacy/signing). Raises Busy, StorageUnavailable."""
        return signing.sign_statement(
            statement, self._unseal_private_key(tenant, self._read_or_make_key(tenant))
        )

    def read_face_key(self, tenant: str) -> bytes:
        """Return the key by which receipts hash the ids of faces.

        It stays, whatever the signing key becomes.

        Raises Busy, StorageUnavailable.
        """
        return bytes(self._read_or_make_key(tenant)[_FACE_KEY])

    @retry_if_changed("the audit of this tenant changes all the time: try again in a moment")
    def renew_key(self, tenant: str, *, is_lost: bool = False) -> Document:
        """Replace the key; return the signed renewal, which the public keys and the act's entry
        hold, too.

        Closings that have begun begin again: so the old key signs no head after those that the
        renewal counts. `is_lost`: the renewal may go without the old key's signature, if that key
        cannot be read. Raises InvalidInput if there is no key, StorageUnavailable if it cannot be
        read and is not said to be lost, Busy.
        """
        end = self.services.audit.chain.read_end(tenant)  # before the key: another renewal moves it
        old_item = self.services.items.get(keys.TENANTS, keys.signing_key(tenant))
        if old_item is None:
            raise InvalidInput(
                f"tenant {tenant!r} has no signing key to renew: it gets one when it first signs"
            )
        private_key, new_item = self._make_key(tenant)
        statement = {
            "tenant": tenant,
            "old": base64.b64encode(bytes(old_item["public_key"])).decode(),
            "new": base64.b64encode(new_item["public_key"]).decode(),
            "since": time_text(moment(old_item["created_at"])),
            "until": time_text(moment(new_item["created_at"])),
            "heads": end.number,
        }
        document = sign_renewal(
            statement, self._unseal_old_key(tenant, old_item, is_lost=is_lost), private_key
        )
        new_item[_RENEWALS] = [
            *old_item.get(_RENEWALS, ()),
            signing.canonical_json(document).decode(),
        ]
        new_item[_FACE_KEY] = old_item[_FACE_KEY]
        audit_events.add_details(renewal=document)
        put = Put(keys.TENANTS, new_item, does=((Effect.SETS, "signing key"),))
        write(self.services.items, [put, self.services.audit.chain.make_closings_stop(tenant, end)])
        return document

    def _unseal_old_key(self, tenant: str, item: Item, *, is_lost: bool) -> str | None:
        """Return the private half that is about to be replaced; None if it is lost."""
        try:
            return self._unseal_private_key(tenant, item)
        except StorageUnavailable as error:
            if is_lost:
                return None
            raise StorageUnavailable(
                f"the signing key of tenant {tenant!r} cannot be read: {error}. If that passes, as "
                "an outage or a "
                "missing permission does, wait. If what sealed it is gone, say so with --lost: "
                "nothing of the old key "
                "then signs the new one, and the audit says so"
            ) from error

    def _unseal_private_key(self, tenant: str, item: Item) -> str:
        return self.services.storage.vault.unseal(bytes(item["sealed"]), _make_seal_context(tenant))

    @retry_if_changed("the tenant's signing key is being made: send the request again in a moment")
    def _read_or_make_key(self, tenant: str) -> Item:
        item = self.services.items.get(keys.TENANTS, keys.signing_key(tenant))
        if item is None:
            item = self._make_key(tenant)[1]
            # another may be first
            write(self.services.items, [Put(keys.TENANTS, item, (absent("none-yet"),))])
        return item

    def _make_key(self, tenant: str) -> tuple[str, dict[str, Any]]:
        """Make a key: its private half, and the item that holds it sealed."""
        private, public_key = signing.new_key()
        kind, id_ = keys.signing_key(tenant)
        item = {
            "kind": kind,
            "id": id_,
            "sealed": self.services.storage.vault.seal(private, _make_seal_context(tenant)),
            "public_key": public_key,
            "created_at": milliseconds(self.services.clock.now()),
            _FACE_KEY: secrets.token_bytes(32),
        }
        return private, item


def _make_seal_context(tenant: str) -> str:
    return f"{tenant}/signing"


_OPEN = 0
"""In place of an hour's number, for an entry whose hour is not closed."""


class _Position(Struct, frozen=True):
    """The position of an entry in a list. `hour`: the number of its closed hour, or _OPEN.

    `last`: the number of the newest closed hour at the first page."""

    hour: int
    last: int
    at_ms: int
    id: str

    @property
    def is_open(self) -> bool:
        """True if the entry was open at the first page."""
        return self.hour == _OPEN or self.hour > self.last

    @property
    def order(self) -> tuple[int, str]:
        return self.at_ms, self.id


def _list_behind(
    after: _Position | None, entries: list[tuple[_Position, Entry]]
) -> Iterator[tuple[_Position, Entry]]:
    """Yield the entries that come after a position, the newest first."""
    for position, entry in sorted(entries, key=lambda pair: pair[0].order, reverse=True):
        if after is None or position.order < after.order:
            yield position, entry


def _parse_position(text: str) -> _Position:
    hour, last, at_ms, id_ = text.split("/", 3)
    return _Position(int(hour), int(last), int(at_ms), id_)
