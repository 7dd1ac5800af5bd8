"""A shop's statistics: how many observations, arrivals or persons by month, week, day or hour.

An observation is the record that a face was seen or enrolled. An arrival begins a visit: further
sightings of the face, without a long gap, belong to it. Beside it the recorder of observations, in
the transaction of the event that is observed or on their own, and their lists, newest first.

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
    choose_among,
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
    """A query of the statistics: what to count, in which time, and the split.

    An arrival, which begins a visit, is in the camera, group and labels of its first sighting. A
    person is counted once for each value of the split with which one of their arrivals began. If
    those who were present are asked for, it is each value with which they were observed.
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
    """The numbers of observations (records of a seen face), visits and people by time.

    Beside it the writes of observations, and the days that are sealed: counted for good and stored.
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
        """Return how many observations there were in each month, week, day or hour, ascending.

        They are of `start` to `end`, UNIX seconds, both included. Keys are texts, `20260131` of a
        day and `202601` of a month. `distinct` counts instead the people who were present, each
        once in each bucket. `fill` gives those with 0, too. Raises InvalidInput as `list_buckets`
        does.
        """
        measure = Measure.PRESENT if distinct else Measure.OBSERVATIONS
        span = Span.of_seconds(start, end)
        question = Question(span, granularity, measure, wanted=observation_filter)
        buckets = self.list_buckets(tenant, question, fill=fill)
        return {bucket.time: sum(bucket.amounts.values()) for bucket in buckets}

    def list_buckets(
        self, tenant: Tenant, question: Question, *, fill: bool = False
    ) -> list[SplitBucket]:
        """Return the amounts asked for, a bucket for each month, week, day or hour, ascending.

        They equal a recount of all observations as of this call. If the question's span cuts a
        bucket, only its part inside counts. `fill` gives empty buckets, too. Raises InvalidInput
        for over 10,000 buckets to fill, and for a split with too many values or of another measure.
        """
        amounts = self._count_amounts(tenant, question)
        return self._make_buckets(tenant, question, fill, amounts)

    def answer(self, tenant: Tenant, question: Question, *, fill: bool = False) -> Answer:
        """Return the amounts asked for, and how many are left out since they are of staff.

        After a change of many days, their stored counts are made anew in the background. Until then
        the old counts are taken, and the answer says of how many days. Raises InvalidInput as
        `list_buckets` does.
        """
        # One read serves all: two further questions, with staff and without, tell the difference.
        questions = [question, *_list_staff_questions(question)]
        (amounts, *staff_amounts), old_days = self._count_all(tenant, questions, takes_old=True)
        return Answer(
            buckets=self._make_buckets(tenant, question, fill, amounts),
            staff=_count_left_out(staff_amounts),
            days_counted_again=self._count_again(tenant, old_days),
        )

    def _make_buckets(
        self, tenant: Tenant, question: Question, fill: bool, amounts: Amounts
    ) -> list[SplitBucket]:
        """Return amounts as buckets (months, weeks, days or hours), ascending.

        Amounts are by number of the bucket and value of the split. {(20605, "door"): 3} is of day
        20605 since 1970, by camera. With `fill`, the span's buckets without an amount come, too.
        Raises InvalidInput if a split has too many values.
        """
        granularity = question.granularity
        bucket_numbers = tenant.local_time.list_buckets(granularity, question.span) if fill else []
        buckets: dict[int, dict[str, int]] = {number: {} for number in bucket_numbers}
        if len(amounts) > self.most_amounts and question.split is not None:
            raise InvalidInput(
                f"these are {len(amounts)} amounts, and {self.most_amounts} is the most: choose a "
                f"shorter time, longer buckets, or do not split by {question.split}"
            )
        for (number, value), amount in sorted(amounts.items()):
            buckets.setdefault(number, {})[value] = amount
        return [
            SplitBucket(time_key(granularity, number), buckets[number])
            for number in sorted(buckets)
        ]

    def _count_amounts(self, tenant: Tenant, question: Question) -> Amounts:
        """Count what a question asks for, by number of the bucket and value of the split.

        Raises InvalidInput for a split that its measure does not have.
        """
        (amounts,), _ = self._count_all(tenant, [question])
        return amounts

    def _count_all(
        self, tenant: Tenant, questions: Sequence[Question], *, takes_old: bool = False
    ) -> tuple[list[Amounts], frozenset[int]]:
        """Return the amounts of each question, and the days whose old figures were taken.

        The questions differ in filter and split only, so one read of arrivals serves all. The first
        one's split decides what is read. With `takes_old`, days that are being counted again after
        a change give the figures before it. Raises InvalidInput for a split that their measure does
        not have.
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
            _, old_days = counted[0]
            return [amounts for amounts, _ in counted], old_days

        # Arrivals, and the persons who arrived, are counted from the arrivals that began.
        begun = self.arrivals.read_begun(
            tenant,
            span,
            # how long they stayed and whether they came again shows after the span only
            follows=split in (Split.STAY, Split.AGAIN),
            # a split by visit divides faces' first arrivals from later ones
            finds_first=split is Split.VISIT,
            takes_old=takes_old,
        )
        all_amounts = []
        for question in questions:
            wanted = self.visitors.normalise_filter(tenant, question.wanted)
            all_amounts.append(_count_begun(begun, question, wanted))
        return all_amounts, begun.old_days

    def _count_observed(
        self, tenant: Tenant, question: Question, *, takes_old: bool
    ) -> tuple[Amounts, frozenset[int]]:
        """Count observations, or the people who were present, by bucket and value of the split.

        Return also the days whose old figures were taken. With `takes_old`, days that are being
        counted again after a change give the figures before it.
        """
        wanted = self.visitors.normalise_filter(tenant, question.wanted)
        question = replace(question, wanted=wanted)
        if question.measure is Measure.OBSERVATIONS:
            # Past days' counts are stored, so their observations need not be read.
            observed_span = self.days.open_span(
                tenant, question.span, wanted, question.split, counts=True, takes_old=takes_old
            )
            return _count_observations(observed_span, question), observed_span.old_days

        # Counts of days cannot be added up to people: one may come on two of them.
        observed_span = self.days.open_span(tenant, question.span, wanted, takes_old=takes_old)
        rows = _list_observed_rows(observed_span, question)
        return _count_persons(observed_span.local, question, rows), observed_span.old_days

    def count_totals(
        self, tenant: Tenant, span: Span, observation_filter: ObservationFilter, uncertain: Set[str]
    ) -> Totals:
        """Count the arrivals (visits that started in a span), and their people, groups and kinds.

        An arrival counts if the filter takes its first sighting. `uncertain` has the ids of
        sightings whose match waits for somebody's review. Days that are being counted again after a
        change give the figures before it; `days_counted_again` tells how many.
        """
        wanted = self.visitors.normalise_filter(tenant, observation_filter)
        begun = self.arrivals.read_begun(tenant, span, finds_first=True, takes_old=True)
        rows = begun.select_rows(wanted)
        is_first = begun.mark_firsts(rows)  # for each row, whether it is its face's first
        staff = 0
        if wanted.leaves_out:  # the filter leaves staff out: with them, there are so many more
            staff = len(begun.select_rows(wanted.with_all())) - len(rows)
        return Totals(
            arrivals=len(rows),
            persons=begun.count_faces(rows, wanted),
            first=int(is_first.sum()),
            uncertain=begun.count_uncertain(rows, uncertain),
            groups=begun.count_groups(rows),
            kinds=begun.count_kinds(rows, is_first),
            staff=staff,
            days_counted_again=self._count_again(tenant, begun.old_days),
        )

    def _count_again(self, tenant: Tenant, old_days: Set[int]) -> int:
        """Return the number of days whose old figures were told, and have them counted anew.

        To seal a day is to count it and store the counts. A small change, such as one of ten merges
        in the last hour, has no day sealed by itself.
        """
        if old_days:
            with suppress(RegularsError):  # the hour's sweep seals them, too
                self.sealing.request_once(tenant)
        return len(old_days)

    def count_arrivals_of_cameras(self, tenant: Tenant, span: Span) -> tuple[Amounts, Amounts]:
        """Count arrivals (visits that started in the span) of known people, and of staff.

        Known are those in a group other than strangers, without staff. Each of the two counts is by
        local hour and camera.
        """
        begun = self.arrivals.read_begun(tenant, span)
        # SIGHTINGS: who was seen, not who was only enrolled.
        rows_of_kind = begun.divide_by_kind(begun.select_rows(SIGHTINGS))
        known = begun.count(rows_of_kind[VisitKind.KNOWN], Granularity.HOUR, Split.CAMERA)
        staff = begun.count(rows_of_kind[VisitKind.STAFF], Granularity.HOUR, Split.CAMERA)
        return known, staff

    def find_usual(self, tenant: Tenant) -> Usual | None:
        """Return the usual week of the tenant's visits, or None if too little is known.

        It says how many begin in which hour, without staff.
        """
        without_staff = self.visitors.read_staff(tenant).leave_out(EVERYTHING)
        question = Question(_ALWAYS, Granularity.HOUR, Measure.ARRIVALS, wanted=without_staff)
        # There is no split, so all are of the value "".
        count_of_hour = self._count_hours(tenant, question).get("", {})
        return learn_usual(count_of_hour, self._find_today(tenant))

    def find_usual_of_cameras(self, tenant: Tenant) -> dict[str, Usual]:
        """Return the usual week of each camera, by its id: how many people it sees in which hour.

        Each person counts once an hour, at every camera that saw them. Cameras of which too little
        is known are left out.
        """
        question = Question(_ALWAYS, Granularity.HOUR, Measure.PRESENT, Split.CAMERA, SIGHTINGS)
        today = self._find_today(tenant)
        usual_of_camera: dict[str, Usual] = {}
        for camera, count_of_hour in self._count_hours(tenant, question).items():
            if usual := learn_usual(count_of_hour, today):  # None: too little is known
                usual_of_camera[camera] = usual
        return usual_of_camera

    def _count_hours(self, tenant: Tenant, question: Question) -> Mapping[str, Mapping[int, int]]:
        """Return how many there were in each local hour of the last weeks, by value of the split.

        By camera it is {"door": {494530: 3}}, where 494530 is an hour counted since 1970. Without a
        split, all are of "". The question's own span is not used.
        """
        now_ms = milliseconds(self.services.clock.now())
        # A day more: so the first local day of the weeks is whole.
        first_ms = max(now_ms - (7 * WEEKS + 1) * DAY_MS, 0)
        question_of_weeks = replace(question, span=Span(first_ms, now_ms))
        counts_of_value: dict[str, dict[int, int]] = {}
        for (hour, value), count in self._count_amounts(tenant, question_of_weeks).items():
            counts_of_value.setdefault(value, {})[hour] = count
        return counts_of_value

    def _find_today(self, tenant: Tenant) -> int:
        """Return the tenant's local day, counted since 1970."""
        return (
            int(local_hour(self.services.clock.now(), ZoneInfo(tenant.time_zone))) // HOURS_PER_DAY
        )

    def find_first_day(self, tenant: Tenant) -> str | None:
        """Return the local day of the first sighting that is kept, as YYYYMMDD.

        It is None if no sighting is kept.
        """
        # The calendar tells on which UTC days something was observed, but not whether somebody was
        # seen then, or only enrolled. So the days' observations are read until a sighting is found.
        tomorrow = milliseconds(self.services.clock.now()) // DAY_MS + 1
        days_until_tomorrow = range(tomorrow + 1)  # counted from 1970
        calendar = self.calendar.read_days(tenant.name, days_until_tomorrow)
        for utc_day in calendar.list_within(days_until_tomorrow):
            span = Span(utc_day * DAY_MS, (utc_day + 1) * DAY_MS - 1)
            observed_span = self.days.open_span(tenant, span, SIGHTINGS)
            # A UTC day touches one or two local days.
            for local_day, columns in observed_span.read_columns(observed_span.days):
                if len(columns.select_rows(SIGHTINGS, span)):
                    return day_text(local_day)
        return None

    def list_days_without_anybody(self, tenant: Tenant) -> list[int]:
        """Return the tenant's local days without any visitor, such as Sundays, ascending.

        Days are counted since 1970, and are of the last 200 (LOOKED_BACK). Days before the first on
        which somebody was seen are left out. Today counts as empty until somebody comes.
        """
        now_ms = milliseconds(self.services.clock.now())
        span = Span(max(now_ms - LOOKED_BACK // timedelta(milliseconds=1), 0), now_ms)
        question = Question(span, Granularity.DAY, Measure.OBSERVATIONS)
        days_with_people = {day for day, _ in self._count_amounts(tenant, question)}
        if not days_with_people:
            return []
        first_day, all_days = min(days_with_people), tenant.local_time.days(span)
        return [day for day in all_days if day > first_day and day not in days_with_people]

    def find_firsts(
        self, tenant: Tenant, begins: Collection[Begin], *, takes_old: bool = False
    ) -> set[Begin]:
        """Return those of these arrivals (beginnings of visits) that are their faces' first.

        Each is given as (time in ms, faceid). A face keeps its recent arrivals one by one, and only
        counts older ones (`folded`). Of an arrival that is not kept with its face, the kept
        observations tell. With `takes_old`, days that are being counted again give the counts
        before.
        """
        firsts: set[Begin] = set()
        not_kept: set[Begin] = set()
        for begin, arrivals, kept_arrival in self._read_arrivals(tenant, begins):
            if kept_arrival is None:
                not_kept.add(begin)
            # `recent` is in order of time; one that is only counted was before all of them.
            elif not arrivals.folded and kept_arrival == arrivals.recent[0]:
                firsts.add(begin)
        if not not_kept:
            return firsts

        faceids = {faceid for _, faceid in not_kept}
        last_ms = max(at_ms for at_ms, _ in not_kept)
        observed = self.arrivals.find_firsts_kept(tenant, faceids, last_ms, takes_old=takes_old)
        return firsts | (not_kept & observed)

    def make_actions(
        self,
        tenant: str,
        observations: Sequence[Observation],
        changes: Sequence[ChangedObservation] = (),
    ) -> list[Action]:
        """Return the writes that store observations and change others, for one transaction.

        They also put the observations' days into the calendar, the list of days that have any. It
        has an item for each month, so those of these days are read first.
        """
        now = self.services.clock.now()
        months = self.calendar.read_months(tenant, days_of(observations, changes))
        return make_observation_actions(tenant, observations, changes, months, now)

    def store_observations(self, tenant: str, observations: Sequence[Observation]) -> None:
        """Store observations, up to 80 in one transaction.

        Raises ConditionFailed if one is stored already.
        """
        for part in cut_in_parts(observations, _A_TRANSACTION):
            self._store_part(tenant, part)

    def request_seals(self, tenant: Tenant, utc_days: Collection[int], *jobs: str) -> None:
        """Request a job that seals (counts and stores) changed days again, if these are many.

        Few days need none: each question counts them anew. `jobs`: names of others of the hourly
        sweep that are to run before; with any, the request is made in each case.
        """
        if jobs or len(utc_days) > FEW_DAYS:
            self.services.request_jobs(tenant.name, [*jobs, SEALS])

    def list_jobs(self) -> tuple[Job, ...]:
        """Return the jobs of the hourly sweep: seal past days, and delete what seals leave behind.

        A seal is a day's counts, stored, so that questions need not count its observations. What
        does not fit into a run's time is left to the next one (`make_unfinished`). Where storage
        deletes what has expired by itself, the second job is needed each night only.
        """
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
        """Yield each begin (time in ms, faceid) with its face's arrivals and the one around it.

        That one is None if it is not kept one by one any more.
        """
        visits_of_face = read_visits_reaching(self.services.items, tenant.name, begins)
        for at_ms, faceid in begins:
            arrivals = visits_of_face[faceid].arrivals
            yield (at_ms, faceid), arrivals, arrivals.find_around(at_ms)

    def _store_part(self, tenant: str, observations: Sequence[Observation]) -> None:
        """Store observations in one transaction, with their days in the calendar.

        The calendar lists the days that have any. If others changed it since it was read, all is
        tried again. Raises ConditionFailed if an observation is stored already, Busy if others win
        each time.
        """
        for _ in count_attempts():  # sleeps between two tries
            try:
                # make_actions reads the calendar anew
                write(self.services.items, self.make_actions(tenant, observations))
            except ConditionFailed as error:
                if OBSERVATION_NEW in error.names:  # a further try would fail, too
                    raise
            else:
                self.calendar.note_days(tenant, days_of(observations))
                return
        raise Busy(
            "the calendar is changed by others all the time: send the request again in a moment"
        )


def _list_staff_questions(question: Question) -> list[Question]:
    """Return two questions whose totals differ by those of staff, with staff and without.

    The list is empty if the question's filter leaves nobody out.
    """
    if not question.wanted.leaves_out:
        return []
    without_staff = replace(question, split=None)
    with_staff = replace(without_staff, wanted=question.wanted.with_all())
    return [with_staff, without_staff]


def _count_left_out(amounts: Sequence[Amounts]) -> int:
    """Return how many are of staff, by the amounts with staff and without; 0 if there are none."""
    return amounts[0].total() - amounts[1].total() if amounts else 0


def _count_begun(begun: Begun, question: Question, wanted: ObservationFilter) -> Amounts:
    rows = begun.select_rows(wanted)
    if question.measure is Measure.PERSONS:
        return begun.count_people(rows, wanted, question.granularity, question.split)
    return begun.count(rows, question.granularity, question.split)


def _count_observations(observed_span: ObservedSpan, question: Question) -> Amounts:
    amounts: Amounts = Counter()
    for day, counts in observed_span.count_hours():
        amounts.update(_sum_by_bucket(observed_span.local, question.granularity, day, counts))
    return amounts


RowsOfDay = tuple[int, "Columns", "NDArray[np.intp]"]
"""A local day, its columns, and those of their rows that a question is about."""


def _list_observed_rows(observed_span: ObservedSpan, question: Question) -> Iterator[RowsOfDay]:
    """Yield, by local day, the observations by which a question about people counts them.

    Of somebody in the book all are yielded, since the caller counts each faceid once. An erased
    person's observations have no faceid in common. Each has a mark instead, a text that says in
    which hours, days, weeks and so on it was the person's first. Of these, only the first in a
    bucket is yielded.
    """
    # A mark tells this for each place (all, a camera, a group ...), and for all observations or one
    # kind of them: the question's filter and split say which is meant.
    place = find_place(question.wanted, question.split)
    among = choose_among(question.wanted, question.split)
    # The unit is the bucket's; a smaller one where the span's beginning cuts a week or month.
    local, largest = observed_span.local, find_unit(observed_span.local, question.granularity)
    unit_of_day = find_units(local, observed_span.days, question.span.first_ms, largest)
    for day, columns in observed_span.read_columns(observed_span.days):
        rows = columns.select_rows(question.wanted, question.span)
        is_first_by_mark = partial(is_first_in, unit=unit_of_day[day], place=place, among=among)
        # The default is for rows without a mark: of somebody in the book.
        is_counted = columns.marks.pick(rows).find(is_first_by_mark, default=True)
        yield day, columns, rows[is_counted]


def _sum_by_bucket(
    local: LocalTime, granularity: Granularity, day: int, counts: CountsByHour
) -> Amounts:
    """Return a local day's counts by bucket (month, week, day or hour) and value of the split.

    `counts` has, by value, an array of 24 numbers, one for each hour of the day.
    """
    amounts: Amounts = Counter()
    for value, by_hour in counts.items():
        for hour in by_hour.nonzero()[0].tolist():  # the hours that have any
            bucket = local.bucket_of(granularity, day * HOURS_PER_DAY + hour)
            amounts[bucket, value] += int(by_hour[hour])
    return amounts


def _count_persons(local: LocalTime, question: Question, rows: Iterable[RowsOfDay]) -> Amounts:
    """Count the people of these observations, each once for a bucket and value of the split.

    `rows` come by local day, ascending, so the days of one bucket (week, month) follow each other.
    Memory holds the people of one bucket at a time, and those of one day if buckets are hours.
    """
    by_hour = question.granularity is Granularity.HOUR
    find_bucket = partial(_find_day_or_bucket, local, question.granularity)
    amounts: Amounts = Counter()
    for day_or_bucket, days in groupby(rows, key=find_bucket):
        persons: set[tuple[int, str, str]] = set()  # bucket, value of the split, faceid
        for rows_of_day in days:
            for hour, value, faceid in _list_persons(
                local, question.split, rows_of_day, by_hour=by_hour
            ):
                bucket = day_or_bucket
                if by_hour:  # it is a day: its hours are the buckets, counted since 1970
                    bucket = day_or_bucket * HOURS_PER_DAY + hour
                persons.add((bucket, value, faceid))
        amounts.update((bucket, value) for bucket, value, _ in persons)
    return amounts


def _find_day_or_bucket(local: LocalTime, granularity: Granularity, rows_of_day: RowsOfDay) -> int:
    """Return the bucket that a day lies in; if buckets are hours, the day itself."""
    day, *_ = rows_of_day
    if granularity is Granularity.HOUR:
        return day
    return local.bucket_of(granularity, day * HOURS_PER_DAY)


def _list_persons(
    local: LocalTime, split: Split | None, rows_of_day: RowsOfDay, *, by_hour: bool
) -> Iterator[tuple[int, str, str]]:
    """Yield (hour of the day, value of the split, faceid) of a day's observations, each once.

    Without `by_hour`, each hour is 0. `rows_of_day` is the day, its columns (arrays with one value
    an observation), and which of their rows count. For speed, numpy drops the repeats. The three
    are packed into one number, ((hour * values) + value) * faces + face, and unpacked again.
    """
    import numpy as np

    day, columns, rows = rows_of_day
    hours = np.zeros(len(rows), int)
    if by_hour:
        hours = local.find_hours(columns.at_ms[rows]) - day * HOURS_PER_DAY
    values, value_names = columns.list_values(split)
    faceids = columns.faceids

    hours_and_values = hours * len(value_names) + values[rows]
    packed = np.unique(hours_and_values * len(faceids) + columns.face[rows])
    # Unpack: max(..., 1), since a day without rows has neither names nor faces.
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
    """The lists of observations, the records that a face was seen or enrolled, newest first."""

    def query(
        self,
        tenant: Tenant,
        wanted: ObservationFilter,
        start: int,
        end: int,
        page_size: int = 1000,
        page_token: str | None = None,
    ) -> ObservationPage:
        """Return a page of the observations from `start` to `end`, newest first, and their total.

        Both ends are UNIX seconds, and included. `page_token` is the `next_token` of the page
        before; None is the first page. It stands for a place between two observations, which new
        ones do not shift. So the pages together hold each observation that was there at the first
        page exactly once. Raises InvalidInput if the end is before the start, or the token is
        damaged or of another query.
        """
        span = Span.of_seconds(start, end)
        return self.read_page(tenant, wanted, span, page_size, page_token, count=True)

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
        """Return a page of a span's observations, newest first, and with `count` their total.

        Those of restricted faces, which are kept and used for nothing, do not say whose they are.
        """
        statistics = self.services.statistics
        # the group's name as it is stored; a face that may not be shown becomes nobody
        wanted = statistics.visitors.normalise_filter(tenant, observation_filter)
        pages = PageTokens(json.dumps([tenant.name, wanted.text_for_tokens, asdict(span)]))
        # The key (time and id) of the last observation of the page before: the next are below it.
        below = pages.parse_position(page_token, time_id)
        observed_span = statistics.days.open_span(tenant, span, wanted, counts=count)

        total, empty_days = None, set[int]()  # local days that need not be read
        if count:
            count_of_day = _count_days(observed_span)
            total = sum(count_of_day.values())
            empty_days = {day for day in observed_span.days if not count_of_day.get(day)}
        elif wanted.kind is not None:
            empty_days = observed_span.list_days_without(wanted.kind)

        # One more than a page has shows that there is a next page.
        items = self._newest_first(observed_span, empty_days, below, page_size + 1)
        page = pages.make_first_page(items, page_size, lambda item: str(item["time_id"]))
        restricted_faceids = {*list_restricted_faceids(self.services.items, tenant.name)}
        observations = [_parse_visible(tenant, item) for item in page.rows]
        shown = statistics.visitors.hide_restricted(tenant, observations, restricted_faceids)
        return ObservationPage(shown, page.next_token, total)

    def _newest_first(
        self, observed_span: ObservedSpan, empty_days: Set[int], below: str | None, at_once: int
    ) -> Iterator[Item]:
        """Yield the stored observations of the span that its filter takes, newest first.

        `below` is the key (`time_id`) of the last one of the page before, and the next are below
        it; None is the first page. `empty_days` are local days that need not be read. `at_once` is
        how many the caller needs, and so how many a read asks for.
        """
        wanted = observed_span.wanted
        for item in self._read_candidates(observed_span, empty_days, below, at_once):
            row = row_from(item)
            # An erased person has no faceid any more, but a mark that says who was staff.
            takes_person = takes_row(wanted, row.faceid, row.mark)
            if takes_person and wanted.lets_pass(row.dimensions):  # group, camera, labels, kind
                yield item

    def _read_candidates(
        self, observed_span: ObservedSpan, empty_days: Set[int], below: str | None, at_once: int
    ) -> Iterator[Item]:
        """Yield stored observations that the filter may take, newest first; the caller filters.

        They are of the span, and their key `time_id` is less than `below`. There are two ways to
        read a day. If the filter takes few of its observations, their keys are found first, and
        those alone are read. Else all are read. Neighbouring days of one way are read together.
        """
        span = observed_span.span
        if below is not None:
            below_ms, _ = keys.parts_of_observation(below)
            span = span.cut(Span(0, below_ms))
        newest_days = reversed(observed_span.observed.list_within(span.utc_days))
        is_by_columns = partial(_finds_few_by_columns, observed_span)
        for finds_few, group in groupby(newest_days, key=is_by_columns):
            days = list(group)  # descending
            part = span.cut(Span(days[-1] * DAY_MS, (days[0] + 1) * DAY_MS - 1))
            if finds_few:
                wanted_keys = _list_wanted_keys(observed_span, empty_days, part, days)
                yield from self._read_below(wanted_keys, below, at_once)
            else:
                # Most may not be wanted: then more are read at once.
                factor = _MORE_FILTERED if _takes_few(observed_span.wanted) else 1
                yield from observed_span.newest_first(part, factor * at_once, below)

    def _read_below(
        self, wanted_keys: Iterator[tuple[str, str]], below: str | None, at_once: int
    ) -> Iterator[Item]:
        """Yield the stored observations of these keys that are below the key `below`.

        `at_once` are read at a time. One that was deleted meanwhile is left out.
        """
        keys_below = (key for key in wanted_keys if below is None or key[1] < below)
        for batch in cut_in_parts(keys_below, at_once):
            items = self.services.items.get_many(keys.OBSERVATIONS, batch)
            yield from (item for item in items if item is not None)


def _takes_few(wanted: ObservationFilter) -> bool:
    """Return whether a filter takes few of the observations of any day."""
    is_of_enrolments = wanted.kind is ObservationKind.ENROLMENT
    return wanted.by_labels or wanted.by_face or is_of_enrolments


def _finds_few_by_columns(observed_span: ObservedSpan, utc_day: int) -> bool:
    """Return whether a day's wanted observations are few, and its columns tell which they are.

    A sealed day, one that was counted for good, has the counted values of all its observations in
    columns (arrays), with their keys. Two things make the wanted ones few. The filter takes few on
    any day, or it takes a kind that is rare on this one.
    """
    if not observed_span.is_sealed(utc_day):
        return False
    kind = observed_span.wanted.kind
    return _takes_few(observed_span.wanted) or (
        kind is not None and observed_span.is_rare(utc_day, kind)
    )


def _count_days(observed_span: ObservedSpan) -> dict[int, int]:
    """Return by local day how many observations of the span its filter takes."""
    return {
        day: sum(int(count_by_hour.sum()) for count_by_hour in counts.values())
        for day, counts in observed_span.count_hours()
    }


def time_id(text: str) -> str:
    """Return the key of an observation. Raises ValueError if it is none."""
    keys.parts_of_observation(text)
    return text


_TimeAndId = tuple[int, str]
"""When an observation was made, in ms, and its id: its key is made of these."""


def _list_wanted_keys(
    observed_span: ObservedSpan, empty_days: Set[int], span: Span, newest_days: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """Yield the keys of the observations that the filter wants, newest first.

    Columns tell the keys: a local day's observations as arrays. `newest_days` are the UTC days to
    list, descending, and `empty_days` local days that need not be read. Keys begin with the time in
    UTC, so they are listed UTC day by UTC day. In Berlin, the UTC day of 5 May has hours of the
    local days 5 and 6 May, and each of these reaches into two UTC days.
    """
    found: dict[int, list[_TimeAndId]] = {}  # by local day
    for utc_days in _double_batches(newest_days):
        local_days_of = {
            day: _list_local_days(observed_span, span, day, empty_days) for day in utc_days
        }
        needed_days = {day for days in local_days_of.values() for day in days}
        found = _find_in_columns(observed_span, span, needed_days, found)
        for utc_day in utc_days:
            of_local_days = chain.from_iterable(found[day] for day in local_days_of[utc_day])
            of_utc_day = [(at, id_) for at, id_ in of_local_days if at // DAY_MS == utc_day]
            for at_ms, id_ in sorted(of_utc_day, reverse=True):
                yield keys.observation(observed_span.observed.tenant, at_ms, id_)


def _double_batches(days: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield days in batches of 1, 2, 4 and so on, _MOST_DAYS at most.

    A batch is read in parallel. The caller may stop early, so the first ones are small.
    """
    begin, size = 0, 1
    while begin < len(days):
        yield days[begin : begin + size]
        begin, size = begin + size, min(2 * size, _MOST_DAYS)


def _find_in_columns(
    observed_span: ObservedSpan,
    span: Span,
    needed_days: Set[int],
    found_before: Mapping[int, list[_TimeAndId]],
) -> dict[int, list[_TimeAndId]]:
    """Return by local day the observations that the filter wants, as its columns list them.

    A day that was found before is not read again. Days that are not needed any more are left out,
    so that memory holds few.
    """
    found = {day: found_before[day] for day in needed_days & found_before.keys()}
    missing_days = sorted(needed_days - found_before.keys())
    for day, columns in observed_span.read_columns(missing_days):
        rows = columns.select_rows(observed_span.wanted, span).tolist()
        found[day] = [(int(columns.at_ms[row]), columns.ids[row]) for row in rows]
    return found


def _list_local_days(
    observed_span: ObservedSpan, span: Span, utc_day: int, empty_days: Set[int]
) -> list[int]:
    """Return the local days that a UTC day touches within the span, without the empty ones."""
    part = span.cut(Span(utc_day * DAY_MS, (utc_day + 1) * DAY_MS - 1))
    return [day for day in observed_span.local.days(part) if day not in empty_days]


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
