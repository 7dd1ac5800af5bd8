"""The figures of days, weeks and months as they were when these were closed.

privacy/audit/periods signs, stores and proves them. Doors that show the figures of now read them
here as they lie, to say what came since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.periods import CLOSED, Period, is_ahead
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Item
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


class _Total(Struct, frozen=True):
    visits: int
    people: int
    new: int
    returning: int
    known: int


class _Entered(Struct, frozen=True):
    known: int
    not_known: int
    faceless: int


class _Statement(Struct, frozen=True):
    """A signed statement as far as it is read: a newer version's may say more."""

    at: str
    time_zone: str
    total: _Total
    entries: _Entered | None

    @property
    def entry_count(self) -> int | None:
        """Return how many came in by the counts of cameras; None: none counted."""
        if (entered := self.entries) is None:
            return None
        return entered.known + entered.not_known + entered.faceless


class _Document(Struct, frozen=True):
    statement: _Statement


class ClosedPeriods(Service["Book"]):
    def list_figures(
        self, tenant: Tenant, by: Granularity, span: Span
    ) -> dict[Period, ClosedFigures]:
        """Return the stored figures of the closed periods that lie whole in a span, not verified.

        A period is a day, week or month. Those closed in another time zone, or by a clock that was
        ahead, are left out. So are those that cannot be read.
        """
        if by not in CLOSED:
            return {}
        zone, local, now = ZoneInfo(tenant.time_zone), tenant.local_time, self.services.clock.now()
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
        stored = {Period.of_time(by, item["day"]): parse_closed(item) for item in items}
        whole = {
            period: statement
            for period, statement in stored.items()
            if statement is not None
            and statement.time_zone == tenant.time_zone
            and not is_ahead(statement.at, now)
            and span.holds(period.find_span(zone))
        }
        kept_since = self.services.statistics.expiry.find_kept_since(tenant) if whole else 0
        return {
            period: ClosedFigures(
                closed_at=statement.at,
                **asdict(statement.total),
                entries=statement.entry_count,
                is_kept=not (statement.total.visits or statement.entry_count)
                or period.find_span(zone).utc_days[0] >= kept_since,
            )
            for period, statement in whole.items()
        }


def parse_closed(item: Item) -> _Statement | None:
    """Parse the item of a closed period; None if it is damaged, or in the form of a newer
    version."""
    try:
        return msgspec.json.decode(str(item.get("document")), type=_Document).statement
    except msgspec.MsgspecError:
        return None
