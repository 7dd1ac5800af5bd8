"""Numbers of observations, or of persons, by month, week, day or hour of the tenant's time zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from chalicelib.core.local_time import Granularity, LocalTime, Span, bucket_of, time_key
from chalicelib.core.model import Tenant
from chalicelib.core.names import GROUP_NAME_LENGTH, composed
from chalicelib.core.observations import ObservationFilter
from chalicelib.services.statistics.days import DayReader, ObservedSpan

if TYPE_CHECKING:
    from chalicelib.core.records.columns import Columns

EVERYTHING = ObservationFilter()


@dataclass(frozen=True)
class Bucket:
    """The amount of a month, week, day or hour. `time`: YYYYMM, the Monday's YYYYMMDD, YYYYMMDD or YYYYMMDDHH."""

    time: str
    amount: int


class Statistics:
    def __init__(self, days: DayReader) -> None:
        self._days = days

    def analysis(
        self,
        tenant: Tenant,
        wanted: ObservationFilter,
        start: int,
        end: int,
        granularity: Granularity,
        *,
        fill: bool = False,
        distinct: bool = False,
    ) -> list[Bucket]:
        """Return amounts from `start` to `end`, UNIX seconds, both included; ascending by time.

        If the range cuts a bucket, the bucket counts its part inside. `fill`: include empty buckets. `distinct`: count
        persons (faceids), each once a bucket. The result equals a recount of all observations as of this call. Raises
        InvalidInput if the end is before the start or over 10,000 buckets are to be filled.
        """
        span = Span.of_seconds(start, end)
        every = LocalTime(tenant.time_zone).buckets(granularity, span) if fill else []
        observed = self._days.open(tenant, span, normal(wanted))
        amounts = dict.fromkeys(every, 0)
        amounts |= dict(_persons(observed, granularity)) if distinct else _observations(observed, granularity)
        return [Bucket(time_key(granularity, number), amount) for number, amount in sorted(amounts.items())]


def normal(wanted: ObservationFilter) -> ObservationFilter:
    """Return the filter with the group's name in the form in which names are stored."""
    return replace(wanted, group_name=wanted.group_name and composed(wanted.group_name, GROUP_NAME_LENGTH))


def _observations(observed: ObservedSpan, granularity: Granularity) -> Counter[int]:
    amounts: Counter[int] = Counter()
    for day, by_hour in observed.hour_counts():
        for hour in by_hour.nonzero()[0]:
            amounts[bucket_of(granularity, day * 24 + int(hour))] += int(by_hour[hour])
    return amounts


def _persons(observed: ObservedSpan, granularity: Granularity) -> Iterator[tuple[int, int]]:
    """Yield numbers of persons bucket by bucket, so that memory holds the persons of one bucket only."""
    days = observed.columns(observed.days)
    if granularity is Granularity.HOUR:
        for _, columns in days:
            yield from _persons_by_hour(observed, columns)
        return
    for bucket, group in groupby(days, key=lambda entry: bucket_of(granularity, entry[0] * 24)):
        persons: set[str] = set()
        for _, columns in group:
            rows = columns.select(observed.wanted, observed.span)
            faceids = columns.faceids
            persons.update(faceids[face] for face in set(columns.face[rows].tolist()))
        if persons:
            yield bucket, len(persons)


def _persons_by_hour(observed: ObservedSpan, columns: Columns) -> Iterator[tuple[int, int]]:
    rows = columns.select(observed.wanted, observed.span)
    hours = observed.local.hours(columns.at_ms[rows])
    seen = set(zip(hours.tolist(), columns.face[rows].tolist(), strict=True))
    yield from Counter(hour for hour, _ in seen).items()
