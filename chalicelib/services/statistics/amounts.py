"""Numbers of observations, persons or arrivals by month, week, day or hour of the tenant's time zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import HOURS, Granularity, LocalTime, Span, bucket_of, time_key
from chalicelib.core.model import Tenant
from chalicelib.core.names import LONGEST_GROUP_NAME, composed
from chalicelib.core.observations import EVERYTHING, Measure, ObservationFilter, Split
from chalicelib.services.statistics.arrivals import arrivals_begun, looking_back
from chalicelib.services.statistics.days import DayReader, ObservedSpan

if TYPE_CHECKING:
    from chalicelib.core.records.columns import CountsByHour

MAX_AMOUNTS = 100_000
"""Most amounts of an answer: a split has a value for each camera, group or label."""


@dataclass(frozen=True)
class Bucket:
    """The amount of a month, week, day or hour. `time`: YYYYMM, the Monday's YYYYMMDD, YYYYMMDD or YYYYMMDDHH."""

    time: str
    amount: int


@dataclass(frozen=True)
class SplitBucket:
    """The amounts of a month, week, day or hour by value of a split, "" without one; values with 0 are left out."""

    time: str
    amounts: Mapping[str, int]


@dataclass(frozen=True)
class Question:
    """A question to the statistics.

    An arrival is in the camera, group and labels of its first sighting. A person is counted once for each value of the
    split with which he was observed.
    """

    span: Span
    granularity: Granularity
    measure: Measure = Measure.OBSERVATIONS
    split: Split | None = None
    wanted: ObservationFilter = EVERYTHING


Amounts = Counter[tuple[int, str]]
"""Numbers by bucket and value of the split."""


class Statistics:
    def __init__(self, days: DayReader, *, most_amounts: int = MAX_AMOUNTS) -> None:
        self._days = days
        self._most_amounts = most_amounts

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

        `distinct`: count persons (faceids) in place of observations. As `amounts` otherwise.
        """
        measure = Measure.PERSONS if distinct else Measure.OBSERVATIONS
        question = Question(Span.of_seconds(start, end), granularity, measure, wanted=wanted)
        return [
            Bucket(bucket.time, sum(bucket.amounts.values())) for bucket in self.amounts(tenant, question, fill=fill)
        ]

    def amounts(self, tenant: Tenant, question: Question, *, fill: bool = False) -> list[SplitBucket]:
        """Return the amounts asked for, ascending by time. They equal a recount of all observations as of this call.

        If the span cuts a bucket, the bucket counts its part inside. `fill`: include empty buckets. Raises InvalidInput
        if over 10,000 buckets are to be filled, or a split has too many values.
        """
        question = replace(question, wanted=normal(question.wanted))
        granularity = question.granularity
        every = LocalTime(tenant.time_zone).buckets(granularity, question.span) if fill else []
        buckets: dict[int, dict[str, int]] = {number: {} for number in every}
        counted = self._counted(tenant, question)
        if len(counted) > self._most_amounts and question.split is not None:
            raise InvalidInput(
                f"these are {len(counted)} amounts, and {self._most_amounts} is the most: choose a shorter time, "
                f"longer buckets, or do not split by {question.split}"
            )
        for (number, value), amount in sorted(counted.items()):
            buckets.setdefault(number, {})[value] = amount
        return [SplitBucket(time_key(granularity, number), buckets[number]) for number in sorted(buckets)]

    def _counted(self, tenant: Tenant, question: Question) -> Amounts:
        span, wanted, split = question.span, question.wanted, question.split
        match question.measure:
            case Measure.OBSERVATIONS:
                return _observations(self._days.open(tenant, span, wanted, split, counts=True), question)
            case Measure.PERSONS:
                return Counter(dict(_persons(self._days.open(tenant, span, wanted), question)))
            case Measure.ARRIVALS:
                return _arrivals(self._days.open(tenant, looking_back(span), wanted), question)


def normal(wanted: ObservationFilter) -> ObservationFilter:
    """Return the filter with the group's name in the form in which names are stored."""
    return replace(wanted, group_name=wanted.group_name and composed(wanted.group_name, LONGEST_GROUP_NAME))


def _observations(observed: ObservedSpan, question: Question) -> Amounts:
    amounts: Amounts = Counter()
    for day, counts in observed.hour_counts():
        amounts.update(_by_bucket(question.granularity, day, counts))
    return amounts


def _arrivals(observed: ObservedSpan, question: Question) -> Amounts:
    import numpy as np

    amounts: Amounts = Counter()
    for day, columns, begun in arrivals_begun(observed):
        rows = np.intersect1d(begun, columns.select(question.wanted, question.span), assume_unique=True)
        hours = observed.local.hours(columns.at_ms[rows]) - day * HOURS
        amounts.update(_by_bucket(question.granularity, day, columns.counts_by_hour(rows, hours, question.split)))
    return amounts


def _by_bucket(granularity: Granularity, day: int, counts: CountsByHour) -> Amounts:
    amounts: Amounts = Counter()
    for value, by_hour in counts.items():
        for hour in by_hour.nonzero()[0].tolist():
            amounts[bucket_of(granularity, day * HOURS + hour), value] += int(by_hour[hour])
    return amounts


def _persons(observed: ObservedSpan, question: Question) -> Iterator[tuple[tuple[int, str], int]]:
    """Yield numbers of persons bucket by bucket, so that memory holds the persons of one bucket only."""
    import numpy as np

    by_hour = question.granularity is Granularity.HOUR

    def bucket(day: int) -> int:
        return day if by_hour else bucket_of(question.granularity, day * HOURS)

    for _, days in groupby(observed.columns(observed.days), key=lambda entry: bucket(entry[0])):
        persons: set[tuple[int, str, str]] = set()
        for day, columns in days:
            rows = columns.select(question.wanted, question.span)
            hours = observed.local.hours(columns.at_ms[rows]) - day * HOURS if by_hour else np.zeros(len(rows), int)
            places, names = columns.values(question.split)
            faceids = columns.faceids
            found = np.unique((hours * len(names) + places[rows]) * len(faceids) + columns.face[rows])
            hour_and_place, face = np.divmod(found, max(len(faceids), 1))
            hour, place = np.divmod(hour_and_place, max(len(names), 1))
            times = (day * HOURS + hour).tolist() if by_hour else [bucket(day)] * len(found)
            persons.update(
                (time, names[p], faceids[f]) for time, p, f in zip(times, place.tolist(), face.tolist(), strict=True)
            )
        yield from Counter((time, value) for time, value, _ in persons).items()
