"""Reading observations one by one, as they are stored: the truth that every count must equal."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core import keys
from chalicelib.core.local_time import DAY_MS, Span
from chalicelib.core.ports import Item, ItemStore
from chalicelib.services.statistics.calendar import ObservedDays

STORABLE = Span(0, keys.LAST_MS)
"""When an observation may be."""


class RawObservations:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def between(self, span: Span, observed: ObservedDays) -> Iterator[Item]:
        """The items of a span, oldest first."""
        for day in observed.within(span.utc_days):
            yield from self._of_day(observed.tenant, day, span)

    def newest_first(self, span: Span, observed: ObservedDays, limit: int, below: str | None = None) -> Iterator[Item]:
        """Up to `limit` items of a span whose `time_id` is less than `below`; hardly more are read."""
        if below is not None:
            span = span.cut(Span(0, keys.parts_of_observation(below)[0]))
        for day in reversed(observed.within(span.utc_days)):
            # One more, since `below` itself may be met.
            for item in self._of_day(observed.tenant, day, span, newest=limit + 1, below=below):
                if below is None or item["time_id"] < below:
                    yield item
                    limit -= 1
                    if not limit:
                        return

    def _of_day(
        self, tenant: str, day: int, span: Span, newest: int | None = None, below: str | None = None
    ) -> Iterator[Item]:
        """All of the day in the span, oldest first; or so many of the newest, newest first, from `below` on."""
        part = span.cut(Span(day * DAY_MS, (day + 1) * DAY_MS - 1)).cut(STORABLE)
        low, high = keys.observation_range(part.first_ms, part.last_ms)
        partition = keys.observations(tenant, day)
        token: str | None = None
        while newest is None or newest > 0:
            page = self._items.query(
                keys.OBSERVATIONS,
                partition,
                low=low,
                high=high if below is None else min(high, below),
                reverse=newest is not None,
                limit=newest,
                token=token,
            )
            yield from page.items
            newest = None if newest is None else newest - len(page.items)
            token = page.token
            if token is None:
                return
