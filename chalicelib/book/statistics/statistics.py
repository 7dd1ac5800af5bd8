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
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.book.statistics.calendar import FEW_DAYS, Calendar, Seals
from chalicelib.book.statistics.visitors import Visitors
from chalicelib.domain.errors import Busy, ConditionFailed, InvalidInput, RegularsError
from chalicelib.domain.jobs import SEALS, Job, make_unfinished
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
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    OF_ARRIVALS,
    SIGHTINGS,
    ChangedObservation,
    Measure,
    Observation,
    ObservationFilter,
    ObservationKind,
    Split,
    VisitKind,
)
from chalicelib.domain.rules.ended import (
    choose_of,
    find_place,
    find_unit,
    find_units,
    is_first_in,
    takes_row,
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
    from chalicelib.book.statistics.arrivals import Amounts, ArrivalReader, Begin, Begun
    from chalicelib.book.statistics.closed import ClosedPeriods
    from chalicelib.book.statistics.days import DayReader, ObservationExpiry, ObservedSpan, Sealing
    from chalicelib.storage.records.columns import Columns, CountsByHour


class SplitBucket(Struct, frozen=True):
    """The amounts of a month, week, day or hour by value of a split, "" without one; values with 0
    are left out.

    `time`: YYYYMM, YYYYMMDD of a day or of a week's first day, or YYYYMMDDHH.
    """

    time: str
    amounts: Mapping[str, int]


class Answer(Struct, frozen=True):
    """The buckets of a question, and how many are left out of all of them since they are of staff.

    `days_counted_again`: the number of days whose figures are still those before a change. They
    are being counted again.
    """

    buckets: list[SplitBucket]
    staff: int
    days_counted_again: int


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
    def arrivals(self) -> ArrivalReader:
        from chalicelib.book.statistics.arrivals import ArrivalReader

        return ArrivalReader(self.services)

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
    def closed(self) -> ClosedPeriods:
        from chalicelib.book.statistics.closed import ClosedPeriods

        return ClosedPeriods(self.services)

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
        return self._make_buckets(tenant, question, fill, self._count_amounts(tenant, question))

    def answer(self, tenant: Tenant, question: Question, *, fill: bool = False) -> Answer:
        """Return what `list_buckets` and `count_staff` do, by one read.

        Where many days are being counted again, it takes their old figures and says so. Raises
        InvalidInput as `list_buckets` does.
        """
        questions = [question, *_list_staff_questions(question)]
        (amounts, *of_staff), old_days = self._count_all(tenant, questions, takes_old=True)
        return Answer(
            self._make_buckets(tenant, question, fill, amounts),
            _count_left_out(of_staff),
            self._count_again(tenant, old_days),
        )

    def _make_buckets(
        self, tenant: Tenant, question: Question, fill: bool, amounts: Amounts
    ) -> list[SplitBucket]:
        granularity = question.granularity
        bucket_numbers = tenant.local_time.list_buckets(granularity, question.span) if fill else []
        buckets: dict[int, dict[str, int]] = {number: {} for number in bucket_numbers}
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
        (amounts,), _ = self._count_all(tenant, [question])
        return amounts

    def _count_all(
        self, tenant: Tenant, questions: Sequence[Question], *, takes_old: bool = False
    ) -> tuple[list[Amounts], frozenset[int]]:
        """Count what questions ask for that have one span, granularity and measure.

        Return also the days whose old figures were taken. Raises InvalidInput for a split that
        their measure does not have.
        """
        span, measure, split = questions[0].span, questions[0].measure, questions[0].split
        if split in OF_ARRIVALS and measure is not Measure.ARRIVALS:
            raise InvalidInput(
                f"only arrivals are split by {split}, not {measure}: choose measure=arrivals"
            )
        if measure not in (Measure.ARRIVALS, Measure.PERSONS):
            counted = [
                self._count_observed(tenant, question, takes_old=takes_old)
                for question in questions
            ]
            return [amounts for amounts, _ in counted], counted[0][1]
        begun = self.arrivals.read_begun(
            tenant,
            span,
            follows=split in (Split.STAY, Split.AGAIN),
            finds_first=split is Split.VISIT,
            takes_old=takes_old,
        )
        return [
            _count_begun(begun, question, self.visitors.normalise_filter(tenant, question.wanted))
            for question in questions
        ], begun.old_days

    def _count_observed(
        self, tenant: Tenant, question: Question, *, takes_old: bool
    ) -> tuple[Amounts, frozenset[int]]:
        """Count observations, or those who were present, and return the days whose old figures were
        taken."""
        is_of_observations = question.measure is Measure.OBSERVATIONS
        wanted = self.visitors.normalise_filter(tenant, question.wanted)
        question = replace(question, wanted=wanted)
        observed_span = self.days.open_span(
            tenant,
            question.span,
            question.wanted,
            question.split if is_of_observations else None,
            counts=is_of_observations,
            takes_old=takes_old,
        )
        if is_of_observations:
            return _count_observations(observed_span, question), observed_span.old_days
        rows = _list_observed_rows(observed_span, question)
        return _count_persons(observed_span.local, question, rows), observed_span.old_days

    def count_totals(
        self, tenant: Tenant, span: Span, observation_filter: ObservationFilter, uncertain: Set[str]
    ) -> Totals:
        """Count the arrivals that began in the span and whose first sighting the filter takes.

        `uncertain`: ids of the sightings that wait for a review of their match. Where many days are
        being counted again, it takes their old figures and says so.
        """
        observation_filter = self.visitors.normalise_filter(tenant, observation_filter)
        begun = self.arrivals.read_begun(tenant, span, finds_first=True, takes_old=True)
        rows = begun.select_rows(observation_filter)
        is_first = begun.mark_firsts(rows)
        staff = 0
        if observation_filter.leaves_out:
            staff = len(begun.select_rows(observation_filter.with_all())) - len(rows)
        return Totals(
            arrivals=len(rows),
            persons=begun.count_faces(rows, observation_filter),
            first=int(is_first.sum()),
            uncertain=begun.count_uncertain(rows, uncertain),
            groups=begun.count_groups(rows),
            kinds=begun.count_kinds(rows, is_first),
            staff=staff,
            days_counted_again=self._count_again(tenant, begun.old_days),
        )

    def _count_again(self, tenant: Tenant, old_days: Set[int]) -> int:
        """Have the days sealed anew whose old figures were told. Return the number of these days.

        A small change, such as one of ten merges in the last hour, has no day sealed by itself.
        """
        if old_days:
            with suppress(RegularsError):  # the hour's sweep seals them, too
                self.sealing.request_once(tenant)
        return len(old_days)

    def count_staff(self, tenant: Tenant, question: Question) -> int:
        """Count what a question leaves out since it is of staff, over all buckets."""
        questions = _list_staff_questions(question)
        return _count_left_out(self._count_all(tenant, questions)[0] if questions else [])

    def count_arrivals_of_cameras(self, tenant: Tenant, span: Span) -> tuple[Amounts, Amounts]:
        """Count the arrivals that began in a span by local hour and camera: those of people whom we
        know, and those of staff."""
        begun = self.arrivals.read_begun(tenant, span)
        rows_of_kind = begun.divide_by_kind(begun.select_rows(SIGHTINGS))
        known, staff = (
            begun.count(rows_of_kind[kind], Granularity.HOUR, Split.CAMERA)
            for kind in (VisitKind.KNOWN, VisitKind.STAFF)
        )
        return known, staff

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

    def find_firsts(
        self, tenant: Tenant, begins: Collection[Begin], *, takes_old: bool = False
    ) -> set[Begin]:
        """Return those of these arrivals that are their faces' first.

        `takes_old`: as in `DayReader.open_span`, for those that are not kept with their faces.
        """
        first: set[Begin] = set()
        untold: set[Begin] = set()
        for begin, arrivals, kept_arrival in self._read_arrivals(tenant, begins):
            if kept_arrival is None:
                untold.add(begin)
            elif not arrivals.folded and kept_arrival == arrivals.recent[0]:
                first.add(begin)
        if not untold:
            return first
        faceids = {faceid for _, faceid in untold}
        last_ms = max(at_ms for at_ms, _ in untold)
        kept_firsts = self.arrivals.find_firsts_kept(tenant, faceids, last_ms, takes_old=takes_old)
        return first | (untold & kept_firsts)

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

    def request_seals(self, tenant: Tenant, utc_days: Collection[int], *jobs: str) -> None:
        """Have days sealed anew at once, behind this request, if an act changed more of them than
        each question counts anew.

        `jobs`: those of the sweep that come before, whatever the days are.
        """
        if jobs or len(utc_days) > FEW_DAYS:
            self.services.request_jobs(tenant.name, [*jobs, SEALS])

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(
                SEALS,
                lambda context: make_unfinished(
                    self.sealing.seal_within(context.tenant, context.remaining_s)
                ),
            ),
            Job(
                "seal objects",
                lambda context: self.sealing.tidy(context.tenant),
                nightly=self.services.storage.expires_items,
            ),
        )

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


def _list_staff_questions(question: Question) -> list[Question]:
    """Return the questions for everybody and for visitors alone; none if nobody is left out."""
    if not question.wanted.leaves_out:
        return []
    visitors = replace(question, split=None)
    return [replace(visitors, wanted=visitors.wanted.with_all()), visitors]


def _count_left_out(amounts: Sequence[Amounts]) -> int:
    return amounts[0].total() - amounts[1].total() if amounts else 0


def _count_begun(begun: Begun, question: Question, wanted: ObservationFilter) -> Amounts:
    rows = begun.select_rows(wanted)
    if question.measure is Measure.PERSONS:
        return begun.count_people(rows, wanted, question.granularity, question.split)
    return begun.count(rows, question.granularity, question.split)


def _count_observations(observed_span: ObservedSpan, question: Question) -> Amounts:
    amounts: Amounts = Counter()
    for day, counts in observed_span.count_hours():
        amounts.update(_by_bucket(observed_span.local, question.granularity, day, counts))
    return amounts


RowsOfDay = tuple[int, "Columns", "NDArray[np.intp]"]
"""A local day, its columns, and those of their rows that a question is about."""


def _list_observed_rows(observed_span: ObservedSpan, question: Question) -> Iterator[RowsOfDay]:
    """Yield the rows of each day. Of an erased person only the first one of a bucket counts the
    person."""
    place = find_place(question.wanted, question.split)
    of = choose_of(question.wanted, question.split)
    local, largest = observed_span.local, find_unit(observed_span.local, question.granularity)
    unit_of_day = find_units(local, observed_span.days, question.span.first_ms, largest)
    for day, columns in observed_span.read_columns(observed_span.days):
        rows = columns.select_rows(question.wanted, question.span)
        counts_person = columns.marks.pick(rows).find(
            partial(is_first_in, unit=unit_of_day[day], place=place, of=of), default=True
        )
        yield day, columns, rows[counts_person]


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

        Those of restricted faces are shown as somebody's.
        """
        visitors = self.services.statistics.visitors
        observation_filter = visitors.normalise_filter(tenant, observation_filter)
        pages = PageTokens(
            json.dumps([tenant.name, observation_filter.text_for_tokens, asdict(span)])
        )
        below = pages.parse_position(page_token, time_id)
        observed_span = self.services.statistics.days.open_span(
            tenant, span, observation_filter, counts=count
        )
        kind, total = observation_filter.kind, None
        empty_days = set[int]() if kind is None else observed_span.list_days_without(kind)
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
        observations = [_parse_visible(tenant, item) for item in page.rows]
        shown_observations = visitors.hide_restricted(tenant, observations, restricted_faceids)
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
            takes_face = takes_row(observation_filter, row.faceid, row.mark)
            if takes_face and observation_filter.lets_pass(row.dimensions):
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
        kind = observation_filter.kind
        takes_few = (
            observation_filter.by_labels
            or observation_filter.by_face
            or kind is ObservationKind.ENROLMENT
        )

        def are_named_by_columns(utc_day: int) -> bool:
            """Return whether columns name the day's wanted items: they would name nearly all of a
            kind that most are of."""
            return observed_span.is_sealed(utc_day) and (
                takes_few or (kind is not None and observed_span.is_rare(utc_day, kind))
            )

        if below is not None:
            span = span.cut(Span(0, keys.parts_of_observation(below)[0]))
        utc_days = reversed(observed_span.observed.list_within(span.utc_days))
        for uses_columns, group in groupby(utc_days, key=are_named_by_columns):
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


class Totals(Struct, frozen=True):
    """The arrivals of a time.

    `first`: how many are their faces' first; `uncertain`: how many wait for a review.
    `days_counted_again`: the number of days whose figures are still those before a change. They
    are being counted again.
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
    days_counted_again: int = 0
