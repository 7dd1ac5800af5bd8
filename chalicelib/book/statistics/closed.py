"""The figures of days, weeks and months as they were when these were closed.

privacy/audit/periods signs, stores and proves them. Doors that show the figures of now read them
here as they lie, to say what came since.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.domain.local_time import DAY_MS, Granularity, Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.periods import CLOSED, Period, span_of_days
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.values import moment

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class ClosedFigures(Struct, frozen=True):
    """The figures of a closed day, week or month, without staff.

    `closed_at`: when it was closed; `entries`: who came in by the counts of cameras, None if none
    counted. `is_kept`: its observations are kept, so it can be counted again.
    """

    closed_at: str
    visits: int
    people: int
    new: int
    returning: int
    known: int
    entries: int | None
    is_kept: bool


class ClosedPeriods(Service["Book"]):
    def list_figures(
        self, tenant: Tenant, by: Granularity, span: Span
    ) -> dict[Period, ClosedFigures]:
        """Return the figures of the closed periods that lie whole in a span, not verified.

        Those that were closed in another time zone are other periods than the span's.
        """
        if by not in CLOSED:
            return {}
        zone, local = ZoneInfo(tenant.time_zone), tenant.local_time
        first, last = (
            Period.holding(by, moment(ms).astimezone(zone).date(), local.first_weekday)
            for ms in (span.first_ms, span.last_ms)
        )
        items = walk_items(
            self.services.items,
            keys.SUMMARIES,
            keys.closed_periods(tenant.name, by),
            between=(first.time, last.time),
        )
        statements = {
            Period.of_time(by, item["day"]): json.loads(item["document"])["statement"]
            for item in items
        }
        whole = {
            period: statement
            for period, statement in statements.items()
            if statement["time_zone"] == tenant.time_zone and span.holds(period.find_span(zone))
        }
        first_days = {period: _find_first_visited(one) for period, one in whole.items()}
        kept_days = self.list_kept(tenant, {day for day in first_days.values() if day})
        return {
            period: ClosedFigures(
                closed_at=statement["at"],
                **statement["total"],
                entries=_count_entries(statement),
                is_kept=first_days[period] is None or first_days[period] in kept_days,
            )
            for period, statement in whole.items()
        }

    def list_kept(self, tenant: Tenant, days: Collection[date]) -> set[date]:
        """Return those of these days, of which each has visits, whose observations are all kept."""
        if not days:
            return set()
        zone = ZoneInfo(tenant.time_zone)
        utc_days = {day: span_of_days(zone, day, 1).utc_days for day in days}
        whole = range(utc_days[min(days)][0], utc_days[max(days)][-1] + 1)
        observed_days = self.services.statistics.calendar.read_days(tenant.name, whole)
        now, kept_days = self.services.clock.now(), tenant.observation_days

        def is_kept(day: date) -> bool:
            ends_at = moment((utc_days[day][0] + 1) * DAY_MS)
            is_due = kept_days is not None and ends_at + timedelta(kept_days) <= now
            return not is_due and any(utc_day in observed_days for utc_day in utc_days[day])

        return {day for day in days if is_kept(day)}


def _find_first_visited(statement: dict[str, list[dict[str, str | int]]]) -> date | None:
    days = (str(day["day"]) for day in statement["days"] if day["visits"])
    first = next(days, None)
    return None if first is None else date.fromisoformat(first)


def _count_entries(statement: dict[str, dict[str, int] | None]) -> int | None:
    from chalicelib.domain.counts import Entries

    entries = statement["entries"]
    return None if entries is None else Entries(**entries).entries
