"""Reading of the audit: its entries, newest first, page by page, whether their hour is closed or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass

from chalicelib.core.audit import HOUR_MS, Entry, at_ms
from chalicelib.core.page_tokens import ListPage, PageTokens
from chalicelib.core.values import milliseconds
from chalicelib.services.audit.audit import Wanted
from chalicelib.services.audit.chain import Element, End
from chalicelib.services.rooms import UseCase

_OPEN = 0


@dataclass(frozen=True)
class _Place:
    """An entry's place. `hour`: its closed hour's number, or _OPEN; `last`: that of the newest at the first page."""

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


class AuditReading(UseCase):
    hours_a_page: int = 200

    def page(
        self, tenant: str, wanted: Wanted, limit: int = 100, token: str | None = None
    ) -> ListPage[tuple[int | None, Entry]]:
        """Read a page of entries, each with the number of its closed hour (None: it is open). Raises InvalidInput.

        It may end early, even empty, when many hours were looked through.
        """
        tokens = PageTokens(f"audit {tenant} {wanted!r}")
        after = tokens.place(token, _place_from)
        found: list[tuple[int | None, Entry]] = []
        hours: set[int] = set()
        for place, entry in self._from(tenant, after, wanted):
            hours.add(place.hour)
            if entry is not None and wanted.takes(place.at_ms, entry):
                found.append((place.hour or None, entry))
            if len(found) == limit or len(hours) > self.hours_a_page:
                return tokens.page(found, "/".join(map(str, astuple(place))))
        return tokens.page(found, None)

    def _from(self, tenant: str, after: _Place | None, wanted: Wanted) -> Iterator[tuple[_Place, Entry | None]]:
        end = self.book.audit.chain.end(tenant)
        last = end.number if after is None else after.last
        closed = None if after is None or after.is_open else after
        if closed is None:
            yield from _below(after, self._open(tenant, end, last))
        behind = (closed.hour if closed else last) + 1
        for element in self.book.audit.chain.elements(tenant, behind=behind, newest_first=True):
            head = element.head
            if wanted.since_ms is not None and head.hour + HOUR_MS <= wanted.since_ms:
                return
            again = closed is not None and head.number == closed.hour
            yield from _below(closed if again else None, self._closed(element, last))
            yield _Place(head.number, last, -1, ""), None

    def _open(self, tenant: str, end: End, last: int) -> list[tuple[_Place, Entry]]:
        """Read what is open, or has been closed since the first page: a late entry may be closed after newer ones."""
        now, taken = milliseconds(self.book.clock.now()), self.book.audit.chain.taken(tenant, end)
        found = {
            one.id: (_Place(_OPEN, last, one.at_ms, one.id), entry)
            for one in self.book.audit.pending.all(tenant, end, taken, now)
            if (entry := one.leaf.content) is not None
        }
        for element in self.book.audit.chain.elements(tenant, newest_first=True):
            if element.head.number <= last:
                break
            found |= {place.id: (place, entry) for place, entry in self._closed(element, last)}
        return list(found.values())

    def _closed(self, element: Element, last: int) -> list[tuple[_Place, Entry]]:
        head, leaves = element.head, [leaf.content for leaf in self.book.audit.chain.leaves(element)]
        return [
            (_Place(head.number, last, at_ms(one), one["id"]), {**one, "late": True} if at_ms(one) < head.hour else one)
            for one in leaves
            if one
        ]


def _below(after: _Place | None, entries: list[tuple[_Place, Entry]]) -> Iterator[tuple[_Place, Entry]]:
    """Yield entries, the newest first, those only that come after a place."""
    for place, entry in sorted(entries, key=lambda one: one[0].order, reverse=True):
        if after is None or place.order < after.order:
            yield place, entry


def _place_from(text: str) -> _Place:
    hour, last, at_ms, id_ = text.split("/", 3)
    return _Place(int(hour), int(last), int(at_ms), id_)
