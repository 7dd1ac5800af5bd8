"""Days, weeks and months of a tenant's calendar, which are closed when they have ended. Pure."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from chalicelib.domain.jobs import SEAL_AFTER
from chalicelib.domain.local_time import Granularity, Span, begin_of_week
from chalicelib.domain.model import Tenant
from chalicelib.storage.values import milliseconds, moment_of_text

CLOSED = (Granularity.DAY, Granularity.WEEK, Granularity.MONTH)
"""The kinds of periods that are closed when they have ended."""


_SKEW = timedelta(minutes=1)
"""So far the clocks of two machines may be apart."""


class Period(Struct, frozen=True):
    """A day, a week or a month. `first`: its first day."""

    by: Granularity
    first: date

    @classmethod
    def holding(cls, by: Granularity, day: date, first_weekday: int) -> Period:
        """Make the one that holds a day. `first_weekday`: the first day of a week; 0: Monday."""
        match by:
            case Granularity.MONTH:
                return cls(by, day.replace(day=1))
            case Granularity.WEEK:
                return cls(by, begin_of_week(day, first_weekday))
        return cls(by, day)

    @classmethod
    def of_time(cls, by: Granularity, time: str) -> Period:
        """Make the one of a TIME (see `time`)."""
        return cls(by, date(int(time[:4]), int(time[4:6]), int(time[6:] or 1)))

    @property
    def name(self) -> str:
        """Name for people: 2026-03 of a month, else its first day."""
        return f"{self.first:%Y-%m}" if self.by == Granularity.MONTH else f"{self.first}"

    @property
    def time(self) -> str:
        """TIME in statistics: YYYYMM of a month, YYYYMMDD of a day or of a week's first."""
        return self.name.replace("-", "")

    @property
    def day_count(self) -> int:
        match self.by:
            case Granularity.MONTH:
                return monthrange(self.first.year, self.first.month)[1]
            case Granularity.WEEK:
                return 7
        return 1

    def find_span(self, zone: ZoneInfo) -> Span:
        """Return its instants in a time zone."""
        return span_of_days(zone, self.first, self.day_count)


def find_last_period(by: Granularity, tenant: Tenant, now: datetime) -> Period:
    """Return the last one that has ended, an hour behind its end."""
    day = (now - SEAL_AFTER).astimezone(ZoneInfo(tenant.time_zone)).date()
    going_on = Period.holding(by, day, tenant.first_weekday)
    return Period.holding(by, going_on.first - timedelta(1), tenant.first_weekday)


def is_ahead(signed_at: str, now: datetime) -> bool:
    """Tell whether figures were signed by a clock that was ahead: their period may have gone on."""
    return moment_of_text(signed_at) > now + _SKEW


def span_of_days(zone: ZoneInfo, first: date, days: int) -> Span:
    """Return the instants of a number of days of a time zone."""
    begin, end = (datetime.combine(first + timedelta(day), time(), zone) for day in (0, days))
    return Span(milliseconds(begin), milliseconds(end) - 1)
