"""Marks by which people who are gone stay counted: how often, but no longer who.

An erased person's observations lose the id, and only those of one visit keep a name in common. So
nobody can count the person by a name any more. A mark says of one observation in which hour, day,
week, month and year it was the person's first, so that each still counts the person once. It tells
of no other observation: of two such people with visits alike, nobody can say who came again
(docs/decisions/0049).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import combinations, zip_longest
from string import ascii_uppercase
from typing import NamedTuple

from chalicelib.domain.local_time import HOURS_PER_DAY, Granularity, LocalTime, Span
from chalicelib.domain.observations import CameAgain, ObservationFilter, Split


class Unit(IntEnum):
    """A time that counts a person once. A week begins on one of three days."""

    HOUR = 1
    DAY = 2
    WEEK_FROM_MONDAY = 4
    WEEK_FROM_SATURDAY = 8
    WEEK_FROM_SUNDAY = 16
    MONTH = 32
    YEAR = 64


_WEEKS = {0: Unit.WEEK_FROM_MONDAY, 5: Unit.WEEK_FROM_SATURDAY, 6: Unit.WEEK_FROM_SUNDAY}
"""By the number of their first day; 0: Monday."""


def find_unit(local: LocalTime, granularity: Granularity) -> Unit:
    """Return the unit of time that a bucket is."""
    if granularity is Granularity.WEEK:
        return _WEEKS[local.first_weekday]
    return Unit[granularity.name]


PLACES: tuple[frozenset[Split], ...] = (
    frozenset(),
    frozenset({Split.CAMERA}),
    frozenset({Split.GROUP}),
    frozenset({Split.GENDER}),
    frozenset({Split.AGE}),
    frozenset({Split.LABEL_A}),
    frozenset({Split.LABEL_B}),
    frozenset({Split.LABEL_C}),
    frozenset({Split.LABEL_D}),
    frozenset({Split.CAMERA, Split.GROUP}),
    frozenset({Split.CAMERA, Split.GENDER}),
    frozenset({Split.CAMERA, Split.AGE}),
    frozenset({Split.GROUP, Split.GENDER}),
    frozenset({Split.GROUP, Split.AGE}),
    frozenset(Split),
)
"""Values of an observation, of which each set counts its people once: by the order of a mark's
letters. The last one stands for any other set."""

EVERYBODY = 0
"""The place in a mark for people whatever their values are."""


class Of(IntEnum):
    """The observations among which one counts its person: each place has a letter for each."""

    VISITS = 0
    """Those that begin visits."""
    ALL = 1
    KIND = 2
    """Those of one kind: sightings, say."""


LABELS = (Split.LABEL_A, Split.LABEL_B, Split.LABEL_C, Split.LABEL_D)
_SUMS = (
    0,
    Unit.HOUR,
    *(
        Unit.HOUR + Unit.DAY + sum(weeks) + longer
        for count in range(len(_WEEKS) + 1)
        for weeks in combinations(_WEEKS.values(), count)
        for longer in (0, Unit.MONTH, Unit.MONTH + Unit.YEAR)
    ),
)
"""Sums of units in which an observation may be the first: what is the first of a year is the first
of its month, day and hour, too."""
_LETTER_OF_SUM = dict(zip(_SUMS, ascii_uppercase, strict=True))
_SUM_OF_LETTER = dict(zip(ascii_uppercase, _SUMS, strict=True))
_COUNT = len(Of) * len(PLACES)
"""Letters before the one of coming again."""
_LETTER_OF_AGAIN = {CameAgain.YES: "y", CameAgain.NO: "n", CameAgain.OPEN: "o"}
_AGAIN_OF_LETTER = {letter: again for again, letter in _LETTER_OF_AGAIN.items()}
_AGAIN, _STAFF, _FIRST, _LAST_GROUP = range(_COUNT, _COUNT + 4)
"""Places of the letters behind those, and of the beginning of the last group."""
_YES, _NO = "1", "0"


class Counted(NamedTuple):
    """The counted values of an observation. `values`: by the splits that PLACES names."""

    at_ms: int
    hour: int
    """The local hour."""
    gap_s: int
    kind: str
    values: Mapping[Split, str]
    last_group: str
    """Of a stranger: the group that counts a visit instead; "": none does."""
    is_staff: bool


class Visit(NamedTuple):
    """A person's visit: its first and last observation."""

    begin_ms: int
    last_ms: int


class Mark(NamedTuple):
    """The rest of an erased person in one observation.

    `begin_ms`: when the visit began that it is of; None: it is of none. `text`: three letters for
    each of PLACES, by `Of`, three that say whether the person came again, was staff, and came for
    the first time of all, and the last group.
    """

    begin_ms: int | None
    text: str

    @property
    def without_units(self) -> Mark:
        """Return the mark of what counts the person nowhere."""
        nowhere = _LETTER_OF_SUM[0] * _COUNT
        rest = self.text[_AGAIN:_FIRST] + _NO + self.text[_LAST_GROUP:]
        return self._replace(text=nowhere + rest)


def find_place(wanted: ObservationFilter, split: Split | None) -> int:
    """Return which of PLACES answers a question for people: the index of the values it asks for.

    A place is a set of values, such as camera and gender, by which a person is counted once.
    `wanted` says by what the question filters, and `split` by what it divides. For one camera,
    divided by gender, it is the place of camera and gender. Kinds have no place.

    A set without a place, as a label by gender, is answered by the last one. Then somebody who came
    with two groups may be counted twice.
    """
    labels = zip(LABELS, wanted.labels, strict=True)
    asked = {label for label, value in labels if value}
    if wanted.camera is not None:
        asked.add(Split.CAMERA)
    if wanted.group_name is not None:
        asked.add(Split.GROUP)
    if split not in (None, Split.KIND):
        asked.add(split)
    if asked in PLACES:
        return PLACES.index(frozenset(asked))
    return len(PLACES) - 1


def choose_of(wanted: ObservationFilter, split: Split | None) -> Of:
    """Return which observations count a person by a question: all, or those of one kind."""
    asks_for_kind = wanted.kind is not None or split is Split.KIND
    return Of.KIND if asks_for_kind else Of.ALL


def is_first_in(text: str, unit: Unit, place: int, of: Of) -> bool:
    """Return whether a mark counts its person in a unit of time. `place`: of `find_place`."""
    return bool(_SUM_OF_LETTER[text[len(Of) * place + of]] & unit)


def counts_hour(text: str) -> bool:
    """Return whether an observation counts its person in its hour: without a mark it does."""
    return not text or is_first_in(text, Unit.HOUR, EVERYBODY, Of.ALL)


def read_again(text: str) -> CameAgain:
    """Return whether a mark's person came again within 30 days; OPEN: they were not over."""
    return _AGAIN_OF_LETTER[text[_AGAIN]]


def read_last_group(text: str) -> str:
    """Return the group that counts of a mark's person instead of that of the time; "": none."""
    return text[_LAST_GROUP:]


def was_staff(text: str) -> bool:
    """Return whether a mark's person was staff; "": it is no mark."""
    return text[_STAFF:_FIRST] == _YES


def takes_mark(wanted: ObservationFilter, text: str) -> bool:
    """Return whether a filter takes an observation, as far as its mark says."""
    return not (wanted.without_staff and was_staff(text))


def takes_row(wanted: ObservationFilter, faceid: str, text: str) -> bool:
    """Return whether a filter takes what is of a face, or of somebody who was erased."""
    return wanted.takes_face(faceid) and takes_mark(wanted, text)


def is_first_visit(text: str) -> bool:
    """Return whether a mark is of what began its person's first visit of all; "": it is none."""
    return text[_FIRST:_LAST_GROUP] == _YES


def find_units(
    local: LocalTime, days: Iterable[int], first_ms: int, largest: Unit
) -> dict[int, Unit]:
    """Return for each local day the unit (month, week, hour) by which its people can be counted.

    A person counts once in a unit of time. Of an erased person only marks are left: one for each
    observation, which says in which units it was the first. So a unit that began before the span,
    which begins at `first_ms`, cannot be used: its first observation may lie before. Then a smaller
    unit is taken. A unit that only ends behind the span does no harm. `largest`: no larger unit is
    returned.

    Example: the span begins on 15 March at noon, and `largest` is a month. The 15th counts by the
    hour, the rest of its week by day, the rest of March by week, and April by month.
    """
    [first_day] = local.days(Span(first_ms, first_ms))
    is_day_cut = local.pieces_of(first_day)[0].first_ms < first_ms  # the span begins within it
    week = find_unit(local, Granularity.WEEK)
    units = [unit for unit in (Unit.YEAR, Unit.MONTH, week) if unit <= largest]
    # The span may begin in the middle of a year, month or week, which then cannot be used. By unit:
    # the number of that one. If it holds the day before the span, it began before.
    cut_buckets = {}
    for unit in units:
        bucket = _find_bucket(local, first_day, unit)
        if is_day_cut or bucket == _find_bucket(local, first_day - 1, unit):
            cut_buckets[unit] = bucket

    def choose_unit(day: int) -> Unit:
        if largest is Unit.HOUR or (is_day_cut and day == first_day):
            return Unit.HOUR
        for unit in units:  # the largest first
            if _find_bucket(local, day, unit) != cut_buckets.get(unit):
                return unit
        return Unit.DAY

    return {day: choose_unit(day) for day in days}


def _find_bucket(local: LocalTime, day: int, unit: Unit) -> int:
    """Return the number of the week, month or year that a local day is in."""
    for weekday, week in _WEEKS.items():
        if unit is week:
            # day 0, 1970-01-01, is a Thursday
            return (day + 3 - weekday) // 7
    month = local.bucket_of(Granularity.MONTH, day * HOURS_PER_DAY)
    return month // 12 if unit is Unit.YEAR else month


def list_visits(observations: Sequence[Counted]) -> list[Visit]:
    """Return the visits that a person's observations, given by time, make up.

    An observation lasts for its gap (`gap_s`). One that falls into the gap of an earlier one
    belongs to the same visit; else a new one begins. Without a gap it belongs to none.
    """
    visits: list[Visit] = []
    until_ms = -1
    for observation in observations:
        if not observation.gap_s:
            continue
        at_ms = observation.at_ms
        if at_ms >= until_ms:
            visits.append(Visit(begin_ms=at_ms, last_ms=at_ms))
        else:
            visits[-1] = visits[-1]._replace(last_ms=at_ms)
        until_ms = max(until_ms, at_ms + 1000 * observation.gap_s)
    return visits


def mark_observations(
    observations: Sequence[Counted],
    local: LocalTime,
    find_again: Callable[[Visit, int | None], CameAgain],
    *,
    first_ms: int | None,
) -> list[Mark]:
    """Return a mark for each of a person's observations, which are given by time.

    A mark is what stays of an erased person in an observation. It says in which hour, day, month
    and so on the observation was the person's first, so that each of these still counts the person
    once. Its text has letters for that (`_write_firsts`), three more letters, and a group's name.

    `find_again` is given a visit and when the next one began (None: there is none). It says whether
    the person came again. `first_ms` is when the person came for the first time of all; None: in
    the first of these visits.
    """
    visits = list_visits(observations)
    next_begins = (visit.begin_ms for visit in visits[1:])
    again_by_begin = {
        visit.begin_ms: _LETTER_OF_AGAIN[find_again(visit, next_begin)]
        for visit, next_begin in zip_longest(visits, next_begins)
    }
    noted: set[tuple[object, ...]] = set()  # the values and times that have counted the person
    unbegun, begin_ms = {*again_by_begin}, None  # visits that are to come; begin of the present one
    marks: list[Mark] = []
    for observation in observations:
        begins_visit = bool(observation.gap_s) and observation.at_ms in unbegun
        if begins_visit:
            begin_ms = observation.at_ms
            unbegun.remove(begin_ms)  # another one of the same ms begins nothing
        firsts = _write_firsts(noted, local, observation, begins_visit=begins_visit)
        visit_ms = begin_ms if observation.gap_s else None  # without a gap it is of no visit
        again = _LETTER_OF_AGAIN[CameAgain.NO] if visit_ms is None else again_by_begin[visit_ms]
        staff = _YES if observation.is_staff else _NO
        is_first = begins_visit and _is_earliest(visits[0], observation.at_ms, first_ms)
        first = _YES if is_first else _NO
        marks.append(Mark(visit_ms, firsts + again + staff + first + observation.last_group))
    return marks


def _write_firsts(
    noted: set[tuple[object, ...]], local: LocalTime, observation: Counted, *, begins_visit: bool
) -> str:
    """Return the letters of a mark that say where and when an observation is its person's first.

    Each set of values in PLACES, such as camera and gender, has three letters: among visits, among
    all observations, and among those of its kind. A letter stands for the units of time (hour, day
    and so on) in which the observation is the first with these values. One that begins no visit is
    none's first. `noted` has the values and times of earlier observations, and gets these.
    """
    times = _list_times(local, observation.hour)
    times_of = {Of.VISITS: times if begins_visit else [], Of.ALL: times, Of.KIND: times}
    letters = [
        _note_units(noted, times_of[of], (place, of, *values))
        for place, splits in enumerate(PLACES)
        for of, values in _list_values(observation, splits)
    ]
    return "".join(letters)


def _is_earliest(visit: Visit, begin_ms: int, first_ms: int | None) -> bool:
    """Return whether the person's visit that begins at `begin_ms` is the first of all.

    `visit`: the first that is kept. `first_ms`: when the person came first of all; None: in it.
    """
    if begin_ms != visit.begin_ms:
        return False
    return first_ms is None or visit.begin_ms <= first_ms <= visit.last_ms


def _list_times(local: LocalTime, hour: int) -> list[tuple[int, int]]:
    """Return each unit of time (its bit) with the number of the one that holds a local hour.

    `hour`: in hours since 1970. `(2, 20000)`: day 20,000 since 1970.
    """
    day = hour // HOURS_PER_DAY
    longer_units = (*_WEEKS.values(), Unit.MONTH, Unit.YEAR)
    longer = [(unit.value, _find_bucket(local, day, unit)) for unit in longer_units]
    return [(Unit.HOUR.value, hour), (Unit.DAY.value, day), *longer]


def _list_values(
    observation: Counted, splits: frozenset[Split]
) -> Iterator[tuple[Of, tuple[object, ...]]]:
    """Yield an observation's values of these `splits` three times: among visits, all, its kind.

    Of camera and gender the values are `(False, "door", "female")`, for example. The first value
    tells staff, who are counted apart. Among visits, a stranger's group is the one that counts the
    visit instead (`last_group`). Among those of a kind, the kind comes last.
    """
    values = {split: value for split, value in observation.values.items() if split in splits}
    values_of_visit = dict(values)
    if Split.GROUP in values and observation.last_group:
        values_of_visit[Split.GROUP] = observation.last_group
    of_all = (observation.is_staff, *values.values())
    yield Of.VISITS, (observation.is_staff, *values_of_visit.values())
    yield Of.ALL, of_all
    yield Of.KIND, (*of_all, observation.kind)


def _note_units(
    noted: set[tuple[object, ...]],
    times: Sequence[tuple[int, int]],
    of_what: tuple[object, ...],
) -> str:
    """Return a letter for the units of time in which these values come for the first time.

    `of_what` are the values. `times` has each unit (its bit) with the number of the hour, day and
    so on. `noted` has what came before, and gets this. "A" is the first in no unit, and "B" the
    first in its hour only.
    """
    first_units = 0  # the sum of their bits, which _LETTER_OF_SUM writes as one letter
    for unit, bucket in times:
        entry = (*of_what, unit, bucket)
        if entry not in noted:
            noted.add(entry)
            first_units |= unit
    return _LETTER_OF_SUM[first_units]
