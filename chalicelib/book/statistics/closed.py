"""The figures of days, weeks and months as they were when these were closed.

privacy/audit/periods signs, stores and proves them. Doors that show the figures of now read them
here as they lie, to say what came since.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.periods import CLOSED, Period
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.values import moment

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class ClosedFigures(Struct, frozen=True):
    """The figures of a closed day, week or month, without staff.

    `closed_at`: when it was closed; `entries`: who came in by the counts of cameras, None if none
    counted. `is_kept`: it can be counted again, since all its observations are kept, or since it
    had none.
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
        kept_since = self.services.statistics.expiry.find_kept_since(tenant) if whole else 0
        return {
            period: ClosedFigures(
                closed_at=statement["at"],
                **statement["total"],
                entries=_count_entries(statement),
                is_kept=not _has_figures(statement)
                or period.find_span(zone).utc_days[0] >= kept_since,
            )
            for period, statement in whole.items()
        }


def _has_figures(statement: dict[str, Any]) -> bool:
    return bool(statement["total"]["visits"] or _count_entries(statement))


def _count_entries(statement: dict[str, Any]) -> int | None:
    from chalicelib.domain.counts import Entries

    entries = statement["entries"]
    return None if entries is None else Entries(**entries).entries
