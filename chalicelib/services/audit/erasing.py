"""Erasure in the audit: salt and content of the entries that name somebody go, and the leaves' hashes stay.

So the chain still verifies, and nobody can guess back what stood there. An entry of its own lists the leaves before
anything is erased, in a statement that the tenant's key signs: a bare leaf that no such statement lists is a finding.
For retention the oldest hours' entries go whole, which another statement says; their heads stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from chalicelib.core import acts, keys
from chalicelib.core.audit import (
    ERASED,
    HOUR_MS,
    TRIMMED,
    Entry,
    Leaf,
    absorbed,
    at_ms,
    entry_put,
    new_entry,
    said_signed,
    statement_of,
    with_absorbed,
)
from chalicelib.core.errors import InvalidInput
from chalicelib.core.items import write, write_unless_changed
from chalicelib.core.ports import Put, equals
from chalicelib.core.retention import FEW, OVERDUE, SHARE, is_much
from chalicelib.core.tenant_settings import AUDIT_DAYS
from chalicelib.core.values import milliseconds
from chalicelib.services.audit.chain import Element, Open
from chalicelib.services.rooms import UseCase

_log = logging.getLogger(__name__)

_NOBODY = MappingProxyType[str, datetime]({})
_IN_AN_ENTRY = 1_000


class AuditErasing(UseCase):
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
            waiting = [one for one in self.book.audit.pending.items(tenant) if one.leaf.names(wanted)]
            closed = self._naming(tenant, wanted)
            found = [*(one.leaf for one in waiting), *(leaf for _, leaves in closed for leaf in leaves)]
            again = since()
            hashes = {leaf.hash: None for leaf in found if leaf.names(wanted, again)}
            if not hashes:
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
        closed = (leaf for _, leaves in self._naming(tenant, faceids) for leaf in leaves)
        waiting = (one.leaf for one in self.book.audit.pending.items(tenant))
        return [one.content or {} for one in (*closed, *waiting) if one.names(faceids, since)]

    def with_absorbed(self, tenant: str, faceids: Collection[str], since: Mapping[str, datetime]) -> list[str]:
        """Return these faces and those that became a part of them: a merge is forgotten in 30 days, an entry is not."""
        return with_absorbed(faceids, lambda some: absorbed(self.entries(tenant, some, since), some))

    def nightly(self, tenant: str, days: int | None) -> None:
        """Let entries go that are older than the tenant keeps them (None: for ever), and what cut-off closings left."""
        if days is not None:
            self.trim(tenant, days)
        self.book.audit.chain.tidy(tenant)

    def trim(self, tenant: str, days: int) -> int:
        """Let the entries of hours that ended so many days ago go, and keep their heads; return how many hours.

        Of so many that the clock may be wrong, or the days are new, only the oldest fifth goes at once. An hour that is
        damaged stays, for who asks what happened to it. Raises InvalidInput if the tenant has signed another number of
        days last: nothing goes then.
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
            [one.leaf for one in self.book.audit.pending.items(tenant)],
        )
        kept = [one for one in self.book.audit.chain.elements(tenant, newest_first=True) if one.entries is not None]
        for element, leaves in self.book.audit.chain.each(kept, self.book.audit.chain.intact):
            yield element.head.hour, leaves or []

    def _naming(self, tenant: str, names: Collection[str]) -> list[tuple[Element, list[Leaf]]]:
        """Find the closed hours with entries that name one of these."""
        kept = [one for one in self.book.audit.chain.elements(tenant) if one.entries is not None]
        read = self.book.audit.chain.each(kept, self.book.audit.chain.leaves)
        return [one for one in read if any(leaf.names(names) for leaf in one[1])]

    def _tell(self, tenant: str, what: str, **said: Any) -> None:
        """Write an entry with a signed statement of what goes. Verifying takes the keys from `at` on (verify.py)."""
        act = acts.current()
        entry = new_entry(self.book.clock, what, "regulars" if act is None else act.by)
        write(
            self.book.items, [entry_put(tenant, said_signed(entry, self.book.audit.signing.sign, tenant, what, **said))]
        )

    def _bare(self, one: Open) -> None:
        assert one.item is not None  # noqa: S101 -- `waiting` are items
        item = {"tenant": one.item[0], "id": one.id, "at": one.at_ms, "leaf": one.leaf.hash}
        # it is closed by now
        write_unless_changed(self.book.items, [Put(keys.AUDIT, item, (equals("salt", one.leaf.salt, "entry-same"),))])
