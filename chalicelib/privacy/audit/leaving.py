"""Removal of entries from the audit log, by signed statements: for an erasure, or when retention
ends.

Erasure: salt and content of the entries that name somebody go, and the leaves' hashes stay; of an
entry of reading that is not closed, the name alone. So the chain still verifies, and nobody can
guess the text back. An entry of its own lists the leaves before anything is erased, in a statement
that the tenant's key signs: a bare leaf that no such statement lists is a finding (verifying). For
retention the oldest hours' entries go whole, which another statement says; their heads stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain import audit_events
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tenant_settings import AUDIT_DAYS
from chalicelib.privacy.audit.chain import Element, PendingEntry
from chalicelib.privacy.audit_entries import (
    ERASED,
    HOUR_MS,
    TRIMMED,
    Entry,
    Leaf,
    at_ms,
    entry_item,
    entry_put,
    list_absorbed_faces,
    new_entry,
    said_signed,
    statement_of,
    with_absorbed,
)
from chalicelib.privacy.reading import leave_out_people
from chalicelib.privacy.retention import LEAST_A_SWEEP, ONE_IN_A_SWEEP, OVERDUE_AFTER, is_too_many
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import write, write_unless_changed
from chalicelib.storage.ports import Put, equals
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services

_log = logging.getLogger(__name__)

_NOBODY = MappingProxyType[str, datetime]({})
_IN_AN_ENTRY = 1_000
"""Hashes of erased entries that one statement names."""


class _Found(Struct, frozen=True):
    """Entries that name some faces.

    `closed`: all leaves of the hours that have some; `hashes`: of leaves to erase.
    """

    waiting: list[PendingEntry]
    closed: list[tuple[Element, list[Leaf]]]
    hashes: list[str]

    @property
    def is_empty(self) -> bool:
        return not self.hashes and all(entry.reading is None for entry in self.waiting)


class AuditErasing(Service["Services"]):
    def erase(
        self,
        tenant: str,
        faceids: Collection[str],
        erasure: str,
        since: Callable[[], Mapping[str, datetime]] = lambda: _NOBODY,
    ) -> list[str]:
        """Erase the entries that are about one of these faces; return the hashes of their leaves.

        `erasure`: the id that the receipt has; `since` reads when somebody else was enrolled with
        an id. Captures that name a face are to be changed before: sightings that are not closed yet
        are read from them. It may be cut off and done again: then the leaves that are left are
        erased, and listed. Raises StorageUnavailable if the key that signs the list cannot be read:
        nothing is erased then.
        """
        wanted_faceids, erased = set(faceids), list[str]()
        while True:
            found = self._find_named(tenant, wanted_faceids, since)
            for entry in found.waiting:
                if entry.reading is not None:
                    self._reduce(entry, wanted_faceids)
            if found.is_empty:
                self.services.audit.chain.delete_unnamed_blobs(tenant)
                return erased
            for begin in range(0, len(found.hashes), _IN_AN_ENTRY):
                leaves = found.hashes[begin : begin + _IN_AN_ENTRY]
                self._sign_statement(tenant, ERASED, erasure=erasure, leaves=leaves)
            self._erase_found(found)
            erased += found.hashes

    def _find_named(
        self,
        tenant: str,
        wanted_faceids: Collection[str],
        since: Callable[[], Mapping[str, datetime]],
    ) -> _Found:
        """Find the entries that name one of these faces, and stop closings until they are
        erased."""
        chain = self.services.audit.chain
        chain.stop_closings(tenant)
        maybe_waiting = [
            entry for entry in chain.list_waiting(tenant) if entry.leaf.names_one_of(wanted_faceids)
        ]
        closed = self._find_leaves_that_name(tenant, wanted_faceids)
        enrolled_at = since()
        waiting = [
            entry for entry in maybe_waiting if entry.leaf.names_one_of(wanted_faceids, enrolled_at)
        ]
        leaves = [
            *(entry.leaf for entry in waiting if entry.reading is None),
            *(
                leaf
                for _, leaves in closed
                for leaf in leaves
                if leaf.names_one_of(wanted_faceids, enrolled_at)
            ),
        ]
        return _Found(waiting, closed, list(dict.fromkeys(leaf.hash for leaf in leaves)))

    def _erase_found(self, found: _Found) -> None:
        hashes = set(found.hashes)
        for entry in found.waiting:
            if entry.leaf.hash in hashes:
                self._erase_open(entry)
        for element, leaves in found.closed:
            new_leaves = [leaf.without_entry if leaf.hash in hashes else leaf for leaf in leaves]
            if new_leaves != leaves:
                self.services.audit.chain.replace_leaves(element, new_leaves)

    def read_entries(
        self, tenant: str, faceids: Collection[str], since: Mapping[str, datetime] = _NOBODY
    ) -> list[Entry]:
        """Read the entries about one of these faces, those of closed hours first; captures lead to
        those of open sightings.

        `since`: when somebody else was enrolled with an id.
        """
        closed_leaves = (
            leaf for _, leaves in self._find_leaves_that_name(tenant, faceids) for leaf in leaves
        )
        waiting_leaves = (entry.leaf for entry in self.services.audit.chain.list_waiting(tenant))
        return [
            leaf.content or {}
            for leaf in (*closed_leaves, *waiting_leaves)
            if leaf.names_one_of(faceids, since)
        ]

    def with_absorbed(
        self, tenant: str, faceids: Collection[str], since: Mapping[str, datetime]
    ) -> list[str]:
        """Return these faces and those that became a part of them: a merge is forgotten in 30 days,
        an entry is not."""
        return with_absorbed(
            faceids, lambda part: list_absorbed_faces(self.read_entries(tenant, part, since), part)
        )

    def trim_nightly(self, tenant: str, days: int | None) -> None:
        """Remove entries whose retention is over (None: kept for ever), and remains of interrupted
        closings."""
        if days is not None:
            self.trim(tenant, days)
        self.services.audit.chain.delete_unnamed_blobs(tenant)

    def trim(self, tenant: str, days: int) -> int:
        """Delete the entries of hours that ended `days` ago, but keep the hours' heads; return how
        many hours.

        An hour that is damaged stays, for people who ask what happened to it. If more than a fifth
        of all hours are overdue, the clock may be wrong, or `days` is new: then only the oldest
        fifth of all hours goes at once. Raises InvalidInput if the tenant has signed another number
        of days last: nothing goes then.
        """
        limit_ms = milliseconds(self.services.clock.now() - timedelta(days=days)) - HOUR_MS
        hours_with_entries = [
            hour
            for hour in self.services.audit.chain.list_elements(tenant)
            if hour.entries is not None
        ]
        intact_leaves_by_hour = self.services.audit.chain.read_each(
            [hour for hour in hours_with_entries if hour.head.hour <= limit_ms],
            self.services.audit.chain.read_intact_leaves,
        )
        checked_hours = [(hour, leaves is not None) for hour, leaves in intact_leaves_by_hour]
        if damaged := [hour.head.name for hour, is_intact in checked_hours if not is_intact]:
            _log.warning(
                "the audit of tenant %s is damaged, and these hours stay: %s",
                tenant,
                ", ".join(damaged),
            )
        intact_hours = [hour for hour, is_intact in checked_hours if is_intact]
        overdue_count = sum(
            hour.head.hour <= limit_ms - OVERDUE_AFTER // timedelta(milliseconds=1)
            for hour in intact_hours
        )
        most = len(intact_hours)
        if is_too_many(overdue_count, len(hours_with_entries)):
            most = max(LEAST_A_SWEEP, len(hours_with_entries) // ONE_IN_A_SWEEP)
            _log.warning(
                "tenant %s keeps %d hours of the audit no longer, more than a fifth: a night lets "
                "a fifth go. Look at "
                "clock and audit_days",
                tenant,
                overdue_count,
            )
        old_hours = intact_hours[:most]
        if not old_hours:
            return 0
        if (signed_days := self._read_signed_days(tenant)) != days:
            raise InvalidInput(
                f"audit_days of tenant {tenant!r} is {days}, and the tenant has signed "
                f"{signed_days}: somebody changed "
                f"it beside the service. Set it again by `regulars tenants set {tenant} "
                "--set audit_days=DAYS`"
            )
        self._sign_statement(
            tenant, TRIMMED, audit_days=days, upto=max(hour.head.number for hour in old_hours)
        )
        for hour in old_hours:
            self.services.audit.chain.replace_leaves(hour, None)
        return len(old_hours)

    def _read_signed_days(self, tenant: str) -> int | str:
        """Return the signed days: the `audit_days` by which the tenant said last how long its audit
        stays.

        The tenant signs them in a statement, an entry of the audit, when somebody changes them and
        when old hours go. If it has signed none, they are those of new tenants.

        The audit is a chain of hours. Each has leaves, the places of its entries; a leaf without
        content was erased. What a damaged hour says does not count.
        """
        known_public_keys = self.services.audit.signing.read_public_keys(tenant)
        now = milliseconds(self.services.clock.now())
        newest_ms = -1
        days: int | str = AUDIT_DAYS
        for hour, leaves in self._newest_first(tenant):
            if hour + HOUR_MS <= newest_ms:
                break  # an entry is of the hour that it is closed with, or of an earlier one
            for entry in (leaf.content or {} for leaf in leaves):
                # Most entries are no statement, and one with a wrong signature is worth nothing.
                with suppress(InvalidInput, ValueError, KeyError, TypeError, AttributeError):
                    statement = statement_of(entry, tenant, known_public_keys, hour)
                    if "audit_days" in statement and newest_ms < at_ms(entry) <= now:
                        newest_ms, days = at_ms(entry), statement["audit_days"]
        return days

    def _newest_first(self, tenant: str) -> Iterator[tuple[int, list[Leaf]]]:
        """Yield what waits, and the entries of each hour that is intact, each with the hour that
        statements need."""
        yield (
            self.services.audit.chain.read_end(tenant).hour + HOUR_MS,
            [entry.leaf for entry in self.services.audit.chain.list_waiting(tenant)],
        )
        kept_elements = [
            element
            for element in self.services.audit.chain.list_elements(tenant, newest_first=True)
            if element.entries is not None
        ]
        for element, leaves in self.services.audit.chain.read_each(
            kept_elements, self.services.audit.chain.read_intact_leaves
        ):
            yield element.head.hour, leaves or []

    def _find_leaves_that_name(
        self, tenant: str, names: Collection[str]
    ) -> list[tuple[Element, list[Leaf]]]:
        """Find the closed hours with entries that name one of these."""
        kept_elements = [
            element
            for element in self.services.audit.chain.list_elements(tenant)
            if element.entries is not None
        ]
        read = self.services.audit.chain.read_each(
            kept_elements, self.services.audit.chain.read_leaves
        )
        return [
            element_and_leaves
            for element_and_leaves in read
            if any(leaf.names_one_of(names) for leaf in element_and_leaves[1])
        ]

    def _sign_statement(self, tenant: str, what: str, **fields: Any) -> None:
        """Write an entry with a signed statement of what goes.

        Verifying takes the keys from `at` on.
        """
        act = audit_events.current()
        entry = new_entry(self.services.clock, what, "regulars" if act is None else act.by)
        write(
            self.services.items,
            [
                entry_put(
                    tenant,
                    said_signed(
                        entry, self.services.audit.signing.sign_statement, tenant, what, **fields
                    ),
                )
            ],
        )

    def _reduce(self, pending_entry: PendingEntry, faceids: Collection[str]) -> None:
        """Take people out of an entry of reading that is not closed: the others stay, and the
        number."""
        item = entry_item(
            str(pending_entry.item and pending_entry.item[0]),
            leave_out_people(pending_entry.reading or {}, faceids),
        )
        write_unless_changed(
            self.services.items,
            [Put(keys.AUDIT, item, (equals("salt", pending_entry.leaf.salt, "entry-same"),))],
        )

    def _erase_open(self, pending_entry: PendingEntry) -> None:
        # The caller passes entries that wait, and these are stored as items.
        assert pending_entry.item is not None  # noqa: S101
        item = {
            "tenant": pending_entry.item[0],
            "id": pending_entry.id,
            "at": pending_entry.at_ms,
            "leaf": pending_entry.leaf.hash,
        }
        # it is closed by now
        write_unless_changed(
            self.services.items,
            [Put(keys.AUDIT, item, (equals("salt", pending_entry.leaf.salt, "entry-same"),))],
        )
