"""Lists of observations, newest first, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import DAY_MS, Span
from chalicelib.core.model import Tenant
from chalicelib.core.observations import Observation, ObservationFilter, ObservationKind
from chalicelib.core.page_tokens import PageTokens
from chalicelib.core.ports import Item, ItemStore
from chalicelib.core.records.observations import observation_from, row_from
from chalicelib.services.statistics.amounts import normal
from chalicelib.services.statistics.days import DayReader, ObservedSpan, RawObservations

PAGE_SIZES = range(1, 1001)

_MOST_DAYS = 32
_MORE_FILTERED = 4
"""So many observations are read at once for each that is wanted, if most of them may not be."""


def _visible(tenant: Tenant, item: Item) -> Observation:
    """Return the stored observation without estimates that were switched off since."""
    observation = observation_from(item)
    return replace(observation, estimates=tenant.visible(observation.estimates))


@dataclass(frozen=True)
class ObservationPage:
    """A page, newest first. `next_token`: for the next page; None: it is the last. `total`: of all pages, as of now."""

    observations: list[Observation]
    next_token: str | None
    total: int | None
    """None: nobody asked for it."""


class Observations:
    def __init__(self, items: ItemStore, days: DayReader) -> None:
        self._items = items
        self._days = days
        self._raw = RawObservations(items)

    def query(
        self,
        tenant: Tenant,
        wanted: ObservationFilter,
        start: int,
        end: int,
        page_size: int = 1000,
        page_token: str | None = None,
    ) -> ObservationPage:
        """Return a page of the observations from `start` to `end`, UNIX seconds, both included.

        A token marks a place between two observations, and new observations do not shift it. So the pages together hold
        each observation that was there at the first page exactly once. Raises InvalidInput if the end is before the
        start, a page has none or over 1000, or the token is damaged or of another query.
        """
        return self.page(tenant, wanted, Span.of_seconds(start, end), page_size, page_token, count=True)

    def page(
        self,
        tenant: Tenant,
        wanted: ObservationFilter,
        span: Span,
        page_size: int,
        page_token: str | None = None,
        *,
        count: bool = False,
    ) -> ObservationPage:
        """Return a page as `query` does, but with the total only if it is asked for with `count`."""
        if page_size not in PAGE_SIZES:
            raise InvalidInput(f"a page has {PAGE_SIZES[0]} to {PAGE_SIZES[-1]} observations, not {page_size}")
        wanted = normal(wanted)
        pages = PageTokens(json.dumps([tenant.name, asdict(wanted), asdict(span)]))
        below = pages.place(page_token, _time_id) if page_token is not None else None
        observed = self._days.open(tenant, span, wanted, counts=count)
        empty: set[int] = set()
        total = None
        if count:
            counts = {day: sum(int(n.sum()) for n in by_hour.values()) for day, by_hour in observed.hour_counts()}
            empty, total = {day for day in observed.days if not counts.get(day)}, sum(counts.values())
        items = list(islice(self._newest_first(observed, empty, below, page_size + 1), page_size + 1))
        more = len(items) > page_size
        return ObservationPage(
            [_visible(tenant, item) for item in items[:page_size]],
            pages.token(items[page_size - 1]["time_id"]) if more else None,
            total,
        )

    def _newest_first(self, observed: ObservedSpan, empty: Set[int], below: str | None, at_once: int) -> Iterator[Item]:
        """Yield the wanted items whose `time_id` is less than `below`, newest first. `empty`: days without any."""
        wanted = observed.wanted
        for item in self._candidates(observed, empty, below, at_once):
            row = row_from(item)
            if wanted.takes(row.dimensions) and wanted.faceid in (None, row.faceid):
                yield item

    def _candidates(self, observed: ObservedSpan, empty: Set[int], below: str | None, at_once: int) -> Iterator[Item]:
        """Yield the items of sealed days that the days' columns name, and all of other days."""
        filtered, span = _is_rare(observed.wanted), observed.span
        if below is not None:
            span = span.cut(Span(0, keys.parts_of_observation(below)[0]))
        utc_days = reversed(observed.observed.within(span.utc_days))
        for sealed, group in groupby(utc_days, key=lambda day: filtered and observed.is_sealed(day)):
            days = list(group)
            part = span.cut(Span(days[-1] * DAY_MS, (days[0] + 1) * DAY_MS - 1))
            if sealed:
                found = (key for key in _keys(observed, empty, part, days[::-1]) if below is None or key[1] < below)
                while batch := list(islice(found, at_once)):
                    yield from (item for item in self._items.get_many(keys.OBSERVATIONS, batch) if item is not None)
            else:
                more = _MORE_FILTERED * at_once if filtered else at_once
                yield from self._raw.newest_first(part, observed.observed, more, below)


def _is_rare(wanted: ObservationFilter) -> bool:
    """Return whether most observations may not be wanted. Most are sightings, or searches if there is no camera."""
    return wanted.by_labels or wanted.faceid is not None or wanted.kind is ObservationKind.ENROLMENT


def _time_id(text: str) -> str:
    """Return the key of an observation. Raises ValueError if it is none."""
    keys.parts_of_observation(text)
    return text


def _keys(observed: ObservedSpan, empty: Set[int], span: Span, left: list[int]) -> Iterator[tuple[str, str]]:
    """Yield the keys of the wanted observations of the UTC days `left` in the span, newest first, by columns.

    It goes UTC day by UTC day, since local days may overlap. It reads each local day once: first those of one UTC day,
    then of twice as many each time, in parallel.
    """
    held: dict[int, list[tuple[int, str]]] = {}
    at_once = 1
    while left:
        utc_days, left = left[-at_once:], left[:-at_once]
        at_once = min(2 * at_once, _MOST_DAYS)
        parts = {day: span.cut(Span(day * DAY_MS, (day + 1) * DAY_MS - 1)) for day in utc_days}
        local = {day: [d for d in observed.local.days(parts[day]) if d not in empty] for day in utc_days}
        needed = sorted({d for days in local.values() for d in days})
        held = {day: rows for day, rows in held.items() if day in needed}
        for day, columns in observed.columns([day for day in needed if day not in held]):
            rows = columns.select(observed.wanted, span).tolist()
            held[day] = [(int(columns.at_ms[row]), columns.ids[row]) for row in rows]
        for utc_day in reversed(utc_days):
            found = [(at, id_) for day in local[utc_day] for at, id_ in held[day] if at // DAY_MS == utc_day]
            for at_ms, id_ in sorted(found, reverse=True):
                yield keys.observation(observed.observed.tenant, at_ms, id_)
