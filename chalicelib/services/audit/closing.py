"""Closing of hours: the entries of each hour that is over become an element of the chain.

It may be cut off at any call and done twice at once. An element counts from one transaction on, which requires that the
chain's end is the one that was read. What was cut off after it (the anchor, items that are closed) is done before the
next hour is closed; what was cut off before it left nothing but a blob that nobody names, which `tidy` deletes.

The heads are given to a witness outside: by one of them `verify` finds a chain that was cut off or made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from chalicelib.core import keys
from chalicelib.core.audit import HOUR_MS, Head, root
from chalicelib.core.items import every, write, write_in_parts
from chalicelib.core.ports import Delete, ItemStore, Put, Witness
from chalicelib.core.signing import canonical
from chalicelib.core.values import milliseconds
from chalicelib.services.audit.chain import Chain, End, Open, element_of
from chalicelib.services.rooms import UseCase

CLOSED_AFTER = timedelta(minutes=10)
"""An hour is closed this long after its end: what is written later than that is late, and says so."""

_BEGIN_DAYS = 2
"""So many days back the first closing of a tenant looks for sightings: before, their captures did not say enough."""


class Closing(UseCase):
    def tenant(self, tenant: str) -> int:
        """Close the hours that are over, the oldest first; return how many. An hour without entries is no element."""
        now = self.book.clock.now()
        end, until = self.book.audit.chain.end(tenant), _first_open(now)
        waiting = list(self.book.audit.pending.items(tenant))
        waiting = self._settled(tenant, end, waiting)
        due = [one for one in waiting if one.at_ms < until]
        since = end.hour if end.number else min([until - _BEGIN_DAYS * 24 * HOUR_MS, *(one.hour for one in due)])
        if until - HOUR_MS <= end.hour:
            return 0
        taken = self.book.audit.chain.taken(tenant, end)
        due += [one for one in self.book.audit.pending.sightings(tenant, since, until) if one.id not in taken]
        closed = 0
        for hour, entries in _by_hour(due, end.hour, until - HOUR_MS):
            after = self._closed(tenant, end, hour, entries)
            if after is None:
                break
            end, closed = after, closed + 1
        return closed

    def _settled(self, tenant: str, end: End, waiting: list[Open]) -> list[Open]:
        """Do what the last closing may have left undone; return the entries that are still to be closed."""
        element = self.book.audit.chain.element(tenant, end.number) if waiting and end.number else None
        if element is None:
            return waiting
        self.book.audit.chain.anchor(element.document)
        taken = self.book.audit.chain.taken(tenant, end)
        done = [one for one in waiting if one.id in taken or one.leaf.hash in taken]
        self._delete(done)
        return [one for one in waiting if one not in done]

    def _closed(self, tenant: str, end: End, hour: int, entries: list[Open]) -> End | None:
        """Close one hour. Return the chain's end then; None if another closing, or an erasure, was first."""
        leaves = [one.leaf for one in entries]
        head = Head(
            tenant=tenant,
            number=end.number + 1,
            hour=hour,
            count=len(leaves),
            root=root(leaf.hash for leaf in leaves),
            before=end.hash,
            closed_at=milliseconds(self.book.clock.now()),
        )
        document = self.book.audit.signing.sign(tenant, head.statement)
        if not self.book.audit.chain.append(end, document, leaves):
            return None
        self.book.audit.chain.anchor(document)
        self._delete(entries)
        return End(head.number, hour, head.hash, end.version)

    def _delete(self, entries: Iterable[Open]) -> None:
        write_in_parts(self.book.items, (Delete(keys.AUDIT, one.item) for one in entries if one.item is not None))


def _first_open(now: datetime) -> int:
    """Return the first millisecond of the first hour that may not be closed yet."""
    return milliseconds(now - CLOSED_AFTER) // HOUR_MS * HOUR_MS


def _by_hour(due: Iterable[Open], closed: int, newest: int) -> list[tuple[int, list[Open]]]:
    """Put entries under the hour that they are closed with: their own, or the newest if theirs is closed already."""

    def hour(one: Open) -> int:
        return one.hour if one.hour > closed else newest

    ordered = sorted(due, key=lambda one: (hour(one), one.at_ms, one.id))
    return [(at, list(entries)) for at, entries in groupby(ordered, hour)]


@dataclass
class Witnessing:
    items: ItemStore
    chain: Chain
    witness: Witness

    def tenant(self, tenant: str) -> int:
        """Give the heads that were not given yet, the oldest first; return how many.

        May be cut off anywhere and repeated. After a restore heads come again, with the hash in the name: both stay.
        Raises StorageUnavailable, Unusable, Busy.
        """
        noted = self.items.get(keys.AUDIT, (tenant, keys.AUDIT_WITNESSED))
        low = keys.audit_number(int(noted["number"]) + 1 if noted else 1)
        given = 0
        for element in map(element_of, every(self.items, keys.AUDIT, keys.audit_heads(tenant), low=low)):
            head = element.head
            name = f"{tenant}/{keys.audit_number(head.number)}-{head.hash[:16]}.json"
            self.witness.keep(name, canonical(element.document))
            item = {"tenant": tenant, "id": keys.AUDIT_WITNESSED, "number": head.number}
            write(self.items, [Put(keys.AUDIT, item)])
            given += 1
        return given
