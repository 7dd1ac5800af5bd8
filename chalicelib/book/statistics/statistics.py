"""Numbers of observations, arrivals or persons by month, week, day or hour of the tenant's time
zone.

Beside it the recorder of observations, in the transaction of the event that is observed or on their
own, and their lists, newest first.

A face's visits (domain/rules/visits) tell its first arrival, each stay and whether it came again,
while they are kept. Of a deleted face, and of arrivals that are only counted there any more, the
first is the first in the history that is kept.
"""

from __future__ import annotations

import json
import secrets
from bisect import bisect
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import timedelta
from itertools import chain, groupby
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.book.statistics.calendar import Calendar, Seals
from chalicelib.book.statistics.visitors import Visitors, kind_of_visit
from chalicelib.domain.errors import Busy, ConditionFailed, InvalidInput
from chalicelib.domain.jobs import Job
from chalicelib.domain.local_time import (
    DAY_MS,
    HOURS_PER_DAY,
    LAST_SECOND,
    Granularity,
    LocalTime,
    Span,
    day_text,
    local_hour,
    time_key,
)
from chalicelib.domain.model import STRANGER, Tenant
from chalicelib.domain.names import LONGEST_GROUP_NAME, normalise_name
from chalicelib.domain.observations import (
    EVERYTHING,
    OF_ARRIVALS,
    SIGHTINGS,
    STAYS,
    CameAgain,
    ChangedObservation,
    Measure,
    Observation,
    ObservationFilter,
    ObservationKind,
    Split,
    VisitKind,
)
from chalicelib.domain.rules.usual import WEEKS, Usual, learn_usual
from chalicelib.domain.rules.visits import Arrival, Arrivals
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    PageTokens,
    count_attempts,
    cut_in_parts,
    list_restricted_faceids,
    write,
)
from chalicelib.storage.ports import Action, Item
from chalicelib.storage.records.columns import UNKNOWN
from chalicelib.storage.records.observations import (
    OBSERVATION_NEW,
    days_of,
    make_observation_actions,
    observation_from,
    read_visits_reaching,
    row_from,
)
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book
    from chalicelib.book.statistics.days import DayReader, ObservationExpiry, ObservedSpan, Sealing
    from chalicelib.storage.records.columns import Columns, CountsByHour


class SplitBucket(Struct, frozen=True):
    """The amounts of a month, week, day or hour by value of a split, "" without one; values with 0
    are left out.

    `time`: YYYYMM, YYYYMMDD of a day or of a week's first day, or YYYYMMDDHH.
    """

    time: str
    amounts: Mapping[str, int]


class Question(Struct, frozen=True):
    """A question to the statistics.

    An arrival is in the camera, group and labels of its first sighting. A person is counted once
    for each value of the split with which one of their arrivals began, or, if those who were
    present are asked for, with which they were observed.
    """

    span: Span
    granularity: Granularity
    measure: Measure = Measure.OBSERVATIONS
    split: Split | None = None
    wanted: ObservationFilter = EVERYTHING


_ALWAYS = Span(0, 1000 * LAST_SECOND)

LOOKED_BACK = timedelta(days=200)
"""Time in which closed days are looked for. Visits are kept one by one for half of it."""

Amounts = Counter[tuple[int, str]]
"""Numbers by bucket and value of the split."""


class Statistics(Service["Book"]):
    """The numbers of observations, and their writes.

    Beside it their lists, and the days that are sealed.
    """

    most_amounts = 100_000
    """Most amounts of an answer: a split has a value for each camera, group or label."""

    @lazy
    def observations(self) -> Observations:
        return Observations(self.services)

    @lazy
    def days(self) -> DayReader:
        from chalicelib.book.statistics.days import DayReader

        return DayReader(self.services)

    @lazy
    def sealing(self) -> Sealing:
        from chalicelib.book.statistics.days import Sealing

        return Sealing(self.services)

    @lazy
    def expiry(self) -> ObservationExpiry:
        from chalicelib.book.statistics.days import ObservationExpiry

        return ObservationExpiry(self.services)

    @lazy
    def seals(self) -> Seals:
        from chalicelib.book.statistics.calendar import Seals

        return Seals(self.services)

    @lazy
    def visitors(self) -> Visitors:
        from chalicelib.book.statistics.visitors import Visitors

        return Visitors(self.services)

    @lazy
    def calendar(self) -> Calendar:
        return Calendar(self.services.items)

    def count_by_time(
        self,
        tenant: Tenant,
        observation_filter: ObservationFilter,
        start: int,
        end: int,
        granularity: Granularity,
        *,
        fill: bool = False,
        distinct: bool = False,
    ) -> dict[str, int]:
        """Return amounts from `start` to `end`, UNIX seconds, both included, by a SplitBucket's
        time, ascending.

        `distinct`: count those who were present in place of observations. `fill` and errors: as in
        `list_buckets`.
        """
        measure = Measure.PRESENT if distinct else Measure.OBSERVATIONS
        question = Question(
            Span.of_seconds(start, end), granularity, measure, wanted=observation_filter
        )
        return {
            bucket.time: sum(bucket.amounts.values())
            for bucket in self.list_buckets(tenant, question, fill=fill)
        }

    def list_buckets(
        self, tenant: Tenant, question: Question, *, fill: bool = False
    ) -> list[SplitBucket]:
        """Return the amounts asked for, ascending by time.

        They equal a recount of all observations as of this call.

        If the span cuts a bucket, the bucket counts its part inside. `fill`: include empty buckets.
        Raises InvalidInput if over 10,000 buckets are to be filled, or a split has too many values.
        """
        question = replace(question, wanted=normalise_filter(question.wanted))
        granularity = question.granularity
        bucket_numbers = tenant.local_time.list_buckets(granularity, question.span) if fill else []
        buckets: dict[int, dict[str, int]] = {number: {} for number in bucket_numbers}
        amounts = self._count_amounts(tenant, question)
        if len(amounts) > self.most_amounts and question.split is not None:
            raise InvalidInput(
                f"these are {len(amounts)} amounts, and {self.most_amounts} is the most: choose a "
                "shorter time, "
                f"longer buckets, or do not split by {question.split}"
            )
        for (number, value), amount in sorted(amounts.items()):
            buckets.setdefault(number, {})[value] = amount
        return [
            SplitBucket(time_key(granularity, number), buckets[number])
            for number in sorted(buckets)
        ]

    def _count_amounts(self, tenant: Tenant, question: Question) -> Amounts:
        """Count what a question asks for.

        Raises InvalidInput for a split that its measure does not have.
        """
        span, observation_filter, split = question.span, question.wanted, question.split
        if split in OF_ARRIVALS and question.measure is not Measure.ARRIVALS:
            raise InvalidInput(
                f"only arrivals are split by {split}, not {question.measure}: choose "
                "measure=arrivals"
            )
        match question.measure:
            case Measure.OBSERVATIONS:
                return _count_observations(
                    self.days.open_span(tenant, span, observation_filter, split, counts=True),
                    question,
                )
            case Measure.PRESENT:
                observed_span = self.days.open_span(tenant, span, observation_filter)
                return _count_persons(
                    observed_span.local, question, _list_observed_rows(observed_span, question)
                )
            case Measure.ARRIVALS | Measure.PERSONS:
                observed_span = self.days.open_looking_back(tenant, span, observation_filter)
                if (
                    observation_filter.group_name is None
                    and split is not Split.GROUP
                    and split not in OF_ARRIVALS
                ):
                    rows = _list_begun_rows(observed_span, question)
                    if question.measure is Measure.PERSONS:
                        return _count_persons(observed_span.local, question, rows)
                    return _count_arrivals(observed_span.local, question, rows)
                arrivals = self._list_begun_arrivals(
                    tenant, observed_span, span, observation_filter, split
                )
                values = self._name_values(tenant, arrivals, split)
                counted = [
                    (
                        tenant.local_time.bucket_of(question.granularity, beginning.hour),
                        values[beginning.begin],
                        beginning.faceid,
                    )
                    for beginning in arrivals
                ]
                if question.measure is Measure.PERSONS:
                    counted = [*{*counted}]
                return Counter((bucket, value) for bucket, value, _ in counted)

    def count_totals(
        self, tenant: Tenant, span: Span, observation_filter: ObservationFilter, uncertain: Set[str]
    ) -> Totals:
        """Count the arrivals that began in the span and whose first sighting the filter takes.

        `uncertain`: ids of the sightings that wait for a review of their match.
        """
        observation_filter = normalise_filter(observation_filter)
        observed_span = self.days.open_looking_back(tenant, span, observation_filter)
        arrivals_with_staff = (
            self._list_begun_arrivals(tenant, observed_span, span, observation_filter.with_all())
            if observation_filter.leaves_out
            else None
        )
        arrivals = self._list_begun_arrivals(tenant, observed_span, span, observation_filter)
        first_arrivals = self.find_firsts(tenant, [beginning.begin for beginning in arrivals])
        return Totals(
            arrivals=len(arrivals),
            persons=len({beginning.faceid for beginning in arrivals}),
            first=len(first_arrivals),
            uncertain=sum(beginning.id in uncertain for beginning in arrivals),
            groups=Counter(beginning.group for beginning in arrivals),
            kinds=Counter(self._find_kinds(tenant, arrivals, first_arrivals).values()),
            staff=0 if arrivals_with_staff is None else len(arrivals_with_staff) - len(arrivals),
        )

    def count_staff(self, tenant: Tenant, question: Question) -> int:
        """Count what a question leaves out since it is of staff, over all buckets."""
        visitors = replace(question, split=None, wanted=normalise_filter(question.wanted))
        if not visitors.wanted.leaves_out:
            return 0
        everybody = replace(visitors, wanted=visitors.wanted.with_all())
        return (
            self._count_amounts(tenant, everybody).total()
            - self._count_amounts(tenant, visitors).total()
        )

    def count_arrivals_of_cameras(
        self, tenant: Tenant, span: Span
    ) -> tuple[Counter[tuple[int, str]], Counter[tuple[int, str]]]:
        """Count the arrivals that began in a span by local hour and camera: those of people whom we
        know, and those of staff."""
        known, staff = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
        who_is_staff = self.visitors.read_staff(tenant)
        observed_span = self.days.open_looking_back(tenant, span, SIGHTINGS)
        for arrival in self._list_begun_arrivals(
            tenant, observed_span, span, SIGHTINGS, Split.CAMERA
        ):
            if who_is_staff.has(arrival.group, arrival.faceid):
                staff[arrival.hour, arrival.value] += 1
            elif arrival.group != STRANGER:
                known[arrival.hour, arrival.value] += 1
        return known, staff

    def _list_begun_arrivals(
        self,
        tenant: Tenant,
        observed_span: ObservedSpan,
        span: Span,
        observation_filter: ObservationFilter,
        split: Split | None = None,
    ) -> list[_Begun]:
        """List the first sightings of the arrivals that the filter takes, each with its visit's
        group."""
        beginnings = list(
            _list_begins(observed_span, span, replace(observation_filter, group_name=None), split)
        )
        strangers = {beginning.faceid for beginning in beginnings if beginning.group == STRANGER}
        present_groups = self.visitors.read_present_groups(tenant, strangers) if strangers else {}
        arrivals = (
            beginning._replace(group=present_groups.get(beginning.faceid, STRANGER))
            if beginning.group == STRANGER
            else beginning
            for beginning in beginnings
        )
        return [
            arrival
            for arrival in arrivals
            if observation_filter.group_name in (None, arrival.group)
        ]

    def _name_values(
        self, tenant: Tenant, beginnings: Sequence[_Begun], split: Split | None
    ) -> Mapping[Begin, str]:
        """Return the value of each arrival by a split."""
        begins = [beginning.begin for beginning in beginnings]
        match split:
            case Split.VISIT:
                return self._find_kinds(tenant, beginnings, self.find_firsts(tenant, begins))
            case Split.STAY | Split.AGAIN:
                return self.find_values(tenant, begins, split)
            case Split.GROUP:
                return {beginning.begin: beginning.group for beginning in beginnings}
        return {beginning.begin: beginning.value for beginning in beginnings}

    def _find_kinds(
        self, tenant: Tenant, beginnings: Sequence[_Begun], first: Set[Begin]
    ) -> Mapping[Begin, VisitKind]:
        staff = self.visitors.read_staff(tenant)
        return {
            beginning.begin: kind_of_visit(
                beginning.group,
                is_first=beginning.begin in first,
                is_staff=staff.has(beginning.group, beginning.faceid),
            )
            for beginning in beginnings
        }

    def find_usual(self, tenant: Tenant) -> Usual | None:
        """Return the usual week of the tenant's visits, without staff; None: too little is
        known."""
        observation_filter = self.visitors.read_staff(tenant).leave_out(EVERYTHING)
        people = self._count_hours(
            tenant, Question(_ALWAYS, Granularity.HOUR, Measure.ARRIVALS, wanted=observation_filter)
        )
        return learn_usual(people.get("", {}), self._find_today(tenant))

    def find_usual_of_cameras(self, tenant: Tenant) -> dict[str, Usual]:
        """Return the usual week of each camera, by its id, if enough is known: of the people that
        it sees in an hour.

        Each person counts once an hour, at every camera that saw them.
        """
        question = Question(_ALWAYS, Granularity.HOUR, Measure.PRESENT, Split.CAMERA, SIGHTINGS)
        today, people = self._find_today(tenant), self._count_hours(tenant, question)
        usual_of_camera = {camera: learn_usual(counts, today) for camera, counts in people.items()}
        return {camera: usual for camera, usual in usual_of_camera.items() if usual}

    def _count_hours(self, tenant: Tenant, question: Question) -> Mapping[str, Mapping[int, int]]:
        """Count the local hours of the last weeks, by value of the split."""
        now_ms = milliseconds(self.services.clock.now())
        span = Span(max(now_ms - (7 * WEEKS + 1) * DAY_MS, 0), now_ms)
        counts_of_value: dict[str, dict[int, int]] = {}
        for (hour, value), count in self._count_amounts(
            tenant, replace(question, span=span)
        ).items():
            counts_of_value.setdefault(value, {})[hour] = count
        return counts_of_value

    def _find_today(self, tenant: Tenant) -> int:
        """Return the tenant's local day, counted since 1970."""
        return (
            int(local_hour(self.services.clock.now(), ZoneInfo(tenant.time_zone))) // HOURS_PER_DAY
        )

    def find_first_day(self, tenant: Tenant) -> str | None:
        """Return the local day of the first sighting that is kept, as YYYYMMDD; None: there is
        none."""
        always = range(milliseconds(self.services.clock.now()) // DAY_MS + 2)
        for utc_day in self.calendar.read_days(tenant.name, always).list_within(always):
            span = Span(utc_day * DAY_MS, (utc_day + 1) * DAY_MS - 1)
            observed_span = self.days.open_span(tenant, span, SIGHTINGS)
            for day, columns in observed_span.read_columns(observed_span.days):
                if len(columns.select_rows(SIGHTINGS, span)):
                    return day_text(day)
        return None

    def list_days_without_anybody(self, tenant: Tenant) -> list[int]:
        """Return the tenant's local days since 1970 on which nobody was seen, as on Sundays,
        ascending.

        They are those behind the first day of the last LOOKED_BACK on which somebody was seen;
        today is one until somebody comes.
        """
        now_ms = milliseconds(self.services.clock.now())
        span = Span(max(now_ms - LOOKED_BACK // timedelta(milliseconds=1), 0), now_ms)
        question = Question(span, Granularity.DAY, Measure.OBSERVATIONS)
        days_with_people = {day for day, _ in self._count_amounts(tenant, question)}
        return [
            day
            for day in tenant.local_time.days(span)
            if days_with_people and min(days_with_people) < day not in days_with_people
        ]

    def find_firsts(self, tenant: Tenant, begins: Collection[Begin]) -> set[Begin]:
        """Return those of these arrivals that are their faces' first."""
        first: set[Begin] = set()
        untold: set[Begin] = set()
        for begin, arrivals, kept_arrival in self._read_arrivals(tenant, begins):
            if kept_arrival is None:
                untold.add(begin)
            elif not arrivals.folded and kept_arrival == arrivals.recent[0]:
                first.add(begin)
        return first | (self._of_history(tenant, untold) if untold else set())

    def find_values(
        self, tenant: Tenant, begins: Collection[Begin], split: Split
    ) -> Mapping[Begin, str]:
        """Return the value of each arrival by split STAY or AGAIN; UNKNOWN if its visit is not
        kept."""
        now_ms = milliseconds(self.services.clock.now())
        values: dict[Begin, str] = {}
        for begin, arrivals, kept_arrival in self._read_arrivals(tenant, begins):
            if kept_arrival is None:
                values[begin] = UNKNOWN
            else:
                values[begin] = (
                    find_stay(kept_arrival)
                    if split is Split.STAY
                    else came_again(arrivals, kept_arrival, now_ms)
                )
        return values

    def make_actions(
        self,
        tenant: str,
        observations: Sequence[Observation],
        changes: Sequence[ChangedObservation] = (),
    ) -> list[Action]:
        """Make the actions that store and change observations.

        Reads the months of the calendar that they touch.
        """
        months = self.calendar.read_months(tenant, days_of(observations, changes))
        return make_observation_actions(
            tenant, observations, changes, months, self.services.clock.now()
        )

    def store_observations(self, tenant: str, observations: Sequence[Observation]) -> None:
        """Store observations, up to 80 in one transaction.

        Raises ConditionFailed if one is stored already.
        """
        for part in cut_in_parts(observations, _A_TRANSACTION):
            self._store_part(tenant, part)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("seals", lambda context: self.sealing.seal_tenant(context.tenant)),
            Job(
                "seal objects",
                lambda context: self.sealing.tidy(context.tenant),
                nightly=self.services.storage.expires_items,
            ),
        )

    def _of_history(self, tenant: Tenant, begins: Set[Begin]) -> set[Begin]:
        faceids = {faceid for _, faceid in begins}
        observed_span = self.days.open_span(
            tenant, Span(0, max(at_ms for at_ms, _ in begins)), EVERYTHING
        )
        earliest: dict[str, int] = {}
        for _, columns in observed_span.read_columns(observed_span.days):
            for face in (face for face, faceid in enumerate(columns.faceids) if faceid in faceids):
                rows = ((columns.face == face) & (columns.gap_s > 0)).nonzero()[0]
                if len(rows):
                    at_ms, faceid = int(columns.at_ms[rows[0]]), columns.faceids[face]
                    earliest[faceid] = min(at_ms, earliest.get(faceid, at_ms))
        return {begin for begin in begins if earliest.get(begin[1]) == begin[0]}

    def _read_arrivals(
        self, tenant: Tenant, begins: Collection[Begin]
    ) -> Iterator[tuple[Begin, Arrivals, Arrival | None]]:
        """Yield each begin with its face's arrivals, and the one of them that begins so, if it is
        kept."""
        of_face = read_visits_reaching(self.services.items, tenant.name, begins)
        for begin in begins:
            arrivals = of_face[begin[1]].arrivals
            yield begin, arrivals, arrivals.find_around(begin[0])

    def _store_part(self, tenant: str, observations: Sequence[Observation]) -> None:
        for _ in count_attempts():
            try:
                write(self.services.items, self.make_actions(tenant, observations))
                return self.calendar.note_days(tenant, days_of(observations))
            except ConditionFailed as error:
                if OBSERVATION_NEW in error.names:
                    raise
        raise Busy(
            "the calendar is changed by others all the time: send the request again in a moment"
        )


def normalise_filter(observation_filter: ObservationFilter) -> ObservationFilter:
    """Return the filter with the group's name in the form in which names are stored."""
    return replace(
        observation_filter,
        group_name=observation_filter.group_name
        and normalise_name(observation_filter.group_name, LONGEST_GROUP_NAME),
    )


def _count_observations(observed_span: ObservedSpan, question: Question) -> Amounts:
    amounts: Amounts = Counter()
    for day, counts in observed_span.count_hours():
        amounts.update(_by_bucket(observed_span.local, question.granularity, day, counts))
    return amounts


RowsOfDay = tuple[int, "Columns", "NDArray[np.intp]"]
"""A local day, its columns, and those of their rows that a question is about."""


def _list_observed_rows(observed_span: ObservedSpan, question: Question) -> Iterator[RowsOfDay]:
    for day, columns in observed_span.read_columns(observed_span.days):
        yield day, columns, columns.select_rows(question.wanted, question.span)


def _list_begun_rows(observed_span: ObservedSpan, question: Question) -> Iterator[RowsOfDay]:
    """Yield the sightings at which wanted arrivals begin.

    The span is one of `open_looking_back`.
    """
    import numpy as np

    for day, columns, begin_rows in observed_span.find_begins():
        wanted_rows = columns.select_rows(question.wanted, question.span)
        yield day, columns, np.intersect1d(begin_rows, wanted_rows, assume_unique=True)


def _count_arrivals(local: LocalTime, question: Question, begun: Iterable[RowsOfDay]) -> Amounts:
    """Count the arrivals that the question asks for, by bucket and by what it splits by.

    An arrival counts in the local hour of its first sighting. A bucket is an hour, day, week or
    month.
    """
    amounts: Amounts = Counter()
    for day, columns, rows in begun:
        hours = local.find_hours(columns.at_ms[rows]) - day * HOURS_PER_DAY
        amounts.update(
            _by_bucket(
                local, question.granularity, day, columns.count_by_hour(rows, hours, question.split)
            )
        )
    return amounts


def _by_bucket(
    local: LocalTime, granularity: Granularity, day: int, counts: CountsByHour
) -> Amounts:
    amounts: Amounts = Counter()
    for value, by_hour in counts.items():
        for hour in by_hour.nonzero()[0].tolist():
            bucket = local.bucket_of(granularity, day * HOURS_PER_DAY + hour)
            amounts[bucket, value] += int(by_hour[hour])
    return amounts


def _count_persons(local: LocalTime, question: Question, rows: Iterable[RowsOfDay]) -> Amounts:
    """Count the persons of these rows, each once for a bucket and value of the split.

    Memory holds the persons of one bucket at a time; if buckets are hours, those of one day.
    """
    by_hour = question.granularity is Granularity.HOUR

    def group_of(day: int) -> int:
        return day if by_hour else local.bucket_of(question.granularity, day * HOURS_PER_DAY)

    amounts: Amounts = Counter()
    for group, days in groupby(rows, key=lambda entry: group_of(entry[0])):
        persons: set[tuple[int, str, str]] = set()
        for rows_of_day in days:
            persons_of_day = _list_persons(local, question.split, rows_of_day, by_hour=by_hour)
            first_hour = rows_of_day[0] * HOURS_PER_DAY
            persons.update(
                (first_hour + hour if by_hour else group, value, faceid)
                for hour, value, faceid in persons_of_day
            )
        amounts.update((bucket, value) for bucket, value, _ in persons)
    return amounts


def _list_persons(
    local: LocalTime, split: Split | None, rows_of_day: RowsOfDay, *, by_hour: bool
) -> Iterator[tuple[int, str, str]]:
    """Yield (hour of the day, value of the split, faceid) of a day's rows, each once.

    Without `by_hour`, each hour is 0. The three are packed into one number, so that numpy finds
    each once.
    """
    import numpy as np

    day, columns, rows = rows_of_day
    hours = (
        local.find_hours(columns.at_ms[rows]) - day * HOURS_PER_DAY
        if by_hour
        else np.zeros(len(rows), int)
    )
    values, value_names = columns.list_values(split)
    faceids = columns.faceids
    packed = np.unique(
        (hours * len(value_names) + values[rows]) * len(faceids) + columns.face[rows]
    )
    hours_and_values, faces = np.divmod(packed, max(len(faceids), 1))
    hours, values = np.divmod(hours_and_values, max(len(value_names), 1))
    for hour, value, face in zip(hours.tolist(), values.tolist(), faces.tolist(), strict=True):
        yield hour, value_names[value], faceids[face]


_A_TRANSACTION = 80
"""Observations that one transaction changes: with their day's counts, they fit DynamoDB's 100
actions."""


def new_id() -> str:
    """Return 48 random bits: two ids of one tenant in one millisecond are the same once in 10^14
    times."""
    return secrets.token_hex(6)


PAGE_SIZES = range(1, 1001)
"""How many observations a page of the list may have."""

_MOST_DAYS = 32
_MORE_FILTERED = 4
"""So many observations are read at once for each that is wanted, if most of them may not be."""


def _parse_visible(tenant: Tenant, item: Item) -> Observation:
    """Return the stored observation without estimates that were switched off since."""
    observation = observation_from(item)
    return replace(observation, estimates=tenant.visible(observation.estimates))


class ObservationPage(Struct, frozen=True):
    """A page, newest first.

    `next_token`: for the next page; None: it is the last. `total`: of all pages, as of now.
    """

    observations: list[Observation]
    next_token: str | None
    total: int | None
    """None: nobody asked for it."""


class Observations(Service["Book"]):
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

        A token marks a position between two observations, and new observations do not shift it. So
        the pages together hold each observation that was there at the first page exactly once.
        Raises InvalidInput if the end is before the start, or the token is damaged or of another
        query.
        """
        return self.read_page(
            tenant, wanted, Span.of_seconds(start, end), page_size, page_token, count=True
        )

    def read_page(
        self,
        tenant: Tenant,
        observation_filter: ObservationFilter,
        span: Span,
        page_size: int,
        page_token: str | None = None,
        *,
        count: bool = False,
    ) -> ObservationPage:
        """Return a page as `query` does, but with the total only if it is asked for with `count`.

        The total counts restricted faces, and no page shows them. So a page may have fewer rows
        than `page_size`.
        """
        observation_filter = normalise_filter(observation_filter)
        pages = PageTokens(
            json.dumps([tenant.name, observation_filter.text_for_tokens, asdict(span)])
        )
        below = pages.parse_position(page_token, time_id)
        observed_span = self.services.statistics.days.open_span(
            tenant, span, observation_filter, counts=count
        )
        empty_days: set[int] = set()
        total = None
        if count:
            counts = {
                day: sum(int(counts_of_hour.sum()) for counts_of_hour in by_hour.values())
                for day, by_hour in observed_span.count_hours()
            }
            empty_days = {day for day in observed_span.days if not counts.get(day)}
            total = sum(counts.values())
        items = self._newest_first(observed_span, empty_days, below, page_size + 1)
        page = pages.make_first_page(items, page_size, lambda item: str(item["time_id"]))
        restricted_faceids = {*list_restricted_faceids(self.services.items, tenant.name)}
        shown_observations = [
            _parse_visible(tenant, item)
            for item in page.rows
            if item["faceid"] not in restricted_faceids
        ]
        return ObservationPage(shown_observations, page.next_token, total)

    def _newest_first(
        self, observed_span: ObservedSpan, empty: Set[int], below: str | None, at_once: int
    ) -> Iterator[Item]:
        """Yield the wanted items whose `time_id` is less than `below`, newest first.

        `empty`: days without any.
        """
        observation_filter = observed_span.wanted
        for item in self._read_candidates(observed_span, empty, below, at_once):
            row = row_from(item)
            if observation_filter.lets_pass(row.dimensions) and observation_filter.takes_face(
                row.faceid
            ):
                yield item

    def _read_candidates(
        self, observed_span: ObservedSpan, empty_days: Set[int], below: str | None, at_once: int
    ) -> Iterator[Item]:
        """Yield the items of sealed days that the days' columns name, and all of other days, newest
        first.

        They are of the span, and their `time_id` is less than `below`. A caller still has to filter
        them.
        """
        observation_filter, span = observed_span.wanted, observed_span.span
        # Most observations are sightings, or searches if there is no camera: then columns would
        # name nearly all.
        takes_few = (
            observation_filter.by_labels
            or observation_filter.by_face
            or observation_filter.kind is ObservationKind.ENROLMENT
        )
        if below is not None:
            span = span.cut(Span(0, keys.parts_of_observation(below)[0]))
        utc_days = reversed(observed_span.observed.list_within(span.utc_days))
        for uses_columns, group in groupby(
            utc_days, key=lambda day: takes_few and observed_span.is_sealed(day)
        ):
            days = list(group)
            part = span.cut(Span(days[-1] * DAY_MS, (days[0] + 1) * DAY_MS - 1))
            if uses_columns:
                wanted_keys = (
                    key
                    for key in _list_wanted_keys(observed_span, empty_days, part, days[::-1])
                    if below is None or key[1] < below
                )
                for batch in cut_in_parts(wanted_keys, at_once):
                    yield from (
                        item
                        for item in self.services.items.get_many(keys.OBSERVATIONS, batch)
                        if item is not None
                    )
            else:
                yield from observed_span.newest_first(
                    part, _MORE_FILTERED * at_once if takes_few else at_once, below
                )


def time_id(text: str) -> str:
    """Return the key of an observation. Raises ValueError if it is none."""
    keys.parts_of_observation(text)
    return text


def _list_wanted_keys(
    observed_span: ObservedSpan, empty_days: Set[int], span: Span, remaining_days: list[int]
) -> Iterator[tuple[str, str]]:
    """Yield the keys of the wanted observations of the UTC days `remaining_days` in the span,
    newest first, by columns.

    It goes UTC day by UTC day, since local days may overlap. It reads each local day once: first
    those of one UTC day, then of twice as many each time, in parallel.
    """
    # time in ms and id of each wanted one, by local day
    wanted_by_day: dict[int, list[tuple[int, str]]] = {}
    at_once = 1
    while remaining_days:
        utc_days, remaining_days = remaining_days[-at_once:], remaining_days[:-at_once]
        at_once = min(2 * at_once, _MOST_DAYS)
        local_days = {
            day: _list_local_days(observed_span, span, day, empty_days) for day in utc_days
        }
        needed_days = sorted({day for days in local_days.values() for day in days})
        wanted_by_day = {day: wanted for day, wanted in wanted_by_day.items() if day in needed_days}
        for day, columns in observed_span.read_columns(
            [day for day in needed_days if day not in wanted_by_day]
        ):
            rows = columns.select_rows(observed_span.wanted, span).tolist()
            wanted_by_day[day] = [(int(columns.at_ms[row]), columns.ids[row]) for row in rows]
        for utc_day in reversed(utc_days):
            of_local_days = chain.from_iterable(wanted_by_day[day] for day in local_days[utc_day])
            of_utc_day = [
                (at_ms, id_) for at_ms, id_ in of_local_days if at_ms // DAY_MS == utc_day
            ]
            for at_ms, id_ in sorted(of_utc_day, reverse=True):
                yield keys.observation(observed_span.observed.tenant, at_ms, id_)


def _list_local_days(
    observed_span: ObservedSpan, span: Span, utc_day: int, empty: Set[int]
) -> list[int]:
    """Return the local days that a UTC day touches within the span, without the empty ones."""
    part = span.cut(Span(utc_day * DAY_MS, (utc_day + 1) * DAY_MS - 1))
    return [day for day in observed_span.local.days(part) if day not in empty]


Begin = tuple[int, str]
"""Begin of an arrival in ms, and faceid."""

AGAIN_MS = 30 * DAY_MS
"""Time in which a visit counts as coming again, in ms: 30 days after the visit before it."""


class Totals(Struct, frozen=True):
    """The arrivals of a time.

    `first`: how many are their faces' first; `uncertain`: how many wait for a review.
    """

    arrivals: int
    persons: int
    first: int
    uncertain: int
    groups: Mapping[str, int]
    """By the visit's group."""
    kinds: Mapping[VisitKind, int]
    """All arrivals, each once."""
    staff: int = 0
    """How many more are left out, since they are of staff."""


class _Begun(NamedTuple):
    """The first sighting of an arrival."""

    at_ms: int
    faceid: str
    id: str
    group: str
    hour: int
    value: str
    """By the split that it was listed with, unless that is of OF_ARRIVALS."""

    @property
    def begin(self) -> Begin:
        return self.at_ms, self.faceid


def find_stay(arrival: Arrival) -> str:
    """Return the largest of STAYS that an arrival reaches."""
    return str(STAYS[bisect(STAYS, (arrival.last_ms - arrival.first_ms) / 60_000) - 1])


def came_again(arrivals: Arrivals, arrival: Arrival, now_ms: int) -> CameAgain:
    """Return whether another of the arrivals began within 30 days after this one."""
    end_ms = arrival.last_ms + AGAIN_MS
    following = bisect(arrivals.recent, arrival.first_ms, key=lambda later: later.first_ms)
    if any(
        next_arrival.first_ms <= end_ms
        for next_arrival in arrivals.recent[following : following + 1]
    ):
        return CameAgain.YES
    return CameAgain.OPEN if now_ms <= end_ms else CameAgain.NO


def _list_begins(
    observed_span: ObservedSpan,
    span: Span,
    observation_filter: ObservationFilter,
    split: Split | None,
) -> Iterator[_Begun]:
    """Yield the arrivals that begin in the span, day by day, each with its group, hour and value of
    the split."""
    import numpy as np

    for _, columns, begin_rows in observed_span.find_begins():
        rows = np.intersect1d(
            begin_rows, columns.select_rows(observation_filter, span), assume_unique=True
        )
        groups, group_names = columns.list_values(Split.GROUP)
        value_numbers, value_names = columns.list_values(None if split in OF_ARRIVALS else split)
        hours = observed_span.local.find_hours(columns.at_ms[rows])
        for row, hour in zip(rows.tolist(), hours.tolist(), strict=True):
            faceid = columns.faceids[columns.face[row]]
            group, value = group_names[groups[row]], value_names[value_numbers[row]]
            yield _Begun(int(columns.at_ms[row]), faceid, columns.ids[row], group, hour, value)
