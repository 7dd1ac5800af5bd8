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
from itertools import combinations
from string import ascii_uppercase
from typing import NamedTuple

from chalicelib.domain.local_time import HOURS_PER_DAY, Granularity, LocalTime, Span
from chalicelib.domain.observations import CameAgain, ObservationFilter, Split


class Unit(IntEnum):
    """A period in which a person counts once. A week starts on one of three days."""

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


class Among(IntEnum):
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
_COUNT = len(Among) * len(PLACES)
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
    each of PLACES, by `Among`; three that say whether the person came again, was staff, and came
    for the first time of all; and the last group.
    """

    begin_ms: int | None
    text: str

    @property
    def without_units(self) -> Mark:
        """Return the mark for observations that count the person in no period."""
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


def choose_among(wanted: ObservationFilter, split: Split | None) -> Among:
    """Return among which observations a question counts a person: all, or those of one kind."""
    asks_for_kind = wanted.kind is not None or split is Split.KIND
    return Among.KIND if asks_for_kind else Among.ALL


def is_first_in(text: str, unit: Unit, place: int, among: Among) -> bool:
    """Return whether a mark counts its person in a unit of time. `place`: of `find_place`."""
    return bool(_SUM_OF_LETTER[text[len(Among) * place + among]] & unit)


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
    """Return whether an observation passes a filter, as far as its mark shows."""
    return not (wanted.without_staff and was_staff(text))


def takes_row(wanted: ObservationFilter, faceid: str, text: str) -> bool:
    """Return whether a row of a face, or of an erased person, passes a filter."""
    return wanted.takes_face(faceid) and takes_mark(wanted, text)


def is_first_visit(text: str) -> bool:
    """Return whether a mark is of the start of its person's first visit of all; "" is none."""
    return text[_FIRST:_LAST_GROUP] == _YES


def find_units(
    local: LocalTime, days: Iterable[int], first_ms: int, largest: Unit
) -> dict[int, Unit]:
    """Return for each local day the unit of time in which an erased person is counted once.

    Of an erased person only marks are left: one for each observation, which says in which units
    (hour, day, week, month, year) it was the first. A unit that began before the span, which begins
    at `first_ms`, cannot be used: its first observation may lie before. Then a smaller one is
    taken. A unit that ends behind the span does no harm. None is larger than `largest`.

    Example: the span begins on 15 March at noon, and `largest` is a month. The 15th counts by the
    hour, the rest of its week by day, the rest of March by week, and April by month.
    """
    [first_day] = local.days(Span(first_ms, first_ms))
    is_first_day_cut = local.pieces_of(first_day)[0].first_ms < first_ms
    first_whole_day = first_day + 1 if is_first_day_cut else first_day
    longer_units = (Unit.YEAR, Unit.MONTH, find_unit(local, Granularity.WEEK))
    # The year, month and week of the day before: each of these began before the span.
    begun_before = {
        unit: _find_bucket(local, first_whole_day - 1, unit)
        for unit in longer_units
        if unit <= largest
    }
    unit_of_day = {}
    for day in days:
        if largest is Unit.HOUR or day < first_whole_day:
            unit_of_day[day] = Unit.HOUR
        else:
            unit_of_day[day] = _find_unit_begun_within(local, day, begun_before)
    return unit_of_day


def _find_unit_begun_within(local: LocalTime, day: int, begun_before: Mapping[Unit, int]) -> Unit:
    """Return the largest unit of time around a local day that began within a span.

    `begun_before` has units, the largest first. Each has the number of the month, say, that began
    before the span. A day by itself always began within it.
    """
    for unit, number in begun_before.items():
        if _find_bucket(local, day, unit) != number:
            return unit
    return Unit.DAY


def _find_bucket(local: LocalTime, day: int, unit: Unit) -> int:
    """Return the number of the week, month or year that a local day is in."""
    for weekday, week in _WEEKS.items():
        if unit is week:
            # day 0, 1970-01-01, is a Thursday
            return (day + 3 - weekday) // 7
    month = local.bucket_of(Granularity.MONTH, day * HOURS_PER_DAY)
    return month // 12 if unit is Unit.YEAR else month


class _InVisit(NamedTuple):
    """The visit that an observation is of, by its number among the person's; None: it is of none.

    `is_begin`: the observation begins that visit.
    """

    number: int | None
    is_begin: bool


def _divide_in_visits(observations: Sequence[Counted]) -> list[_InVisit]:
    """Return for each of a person's observations, given by time, which visit it is of.

    An observation lasts for its gap (`gap_s`). One that falls into the gap of an earlier one is of
    the same visit; else it begins the next. Without a gap it is of none. With gaps of 30 minutes,
    10:00, 10:20 and 11:00 are visits 0, 0 and 1.
    """
    in_visits: list[_InVisit] = []
    number, until_ms = -1, -1  # of the latest visit: none yet
    for observation in observations:
        if not observation.gap_s:
            in_visits.append(_InVisit(None, is_begin=False))
            continue
        is_begin = observation.at_ms >= until_ms
        number += is_begin
        in_visits.append(_InVisit(number, is_begin))
        until_ms = max(until_ms, observation.at_ms + 1000 * observation.gap_s)
    return in_visits


def _list_visits(observations: Sequence[Counted], in_visits: Sequence[_InVisit]) -> list[Visit]:
    """Return a person's visits, each from its first observation to its last.

    `in_visits` says of each observation which visit it is of.
    """
    visits: list[Visit] = []
    for observation, in_visit in zip(observations, in_visits, strict=True):
        if in_visit.is_begin:
            visits.append(Visit(begin_ms=observation.at_ms, last_ms=observation.at_ms))
        elif in_visit.number is not None:
            visits[-1] = visits[-1]._replace(last_ms=observation.at_ms)
    return visits


def mark_observations(
    observations: Sequence[Counted],
    local: LocalTime,
    find_again: Callable[[Visit, int | None], CameAgain],
    *,
    first_ms: int | None,
) -> list[Mark]:
    """Return a mark for each of a person's observations, which are given by time.

    A mark is what stays of an erased person in an observation. Its text begins with letters that
    say in which hour, day, month and so on the observation was the person's first
    (`_FirstsWriter`). Then come three letters and the name of a group: whether the person came
    again after this visit, was staff, and came here for the first time of all.

    `find_again` is given a visit and when the next one began (None: there is none). It says whether
    the person came again. `first_ms` is when the person came for the first time of all; None: in
    the first of these visits.
    """
    in_visits = _divide_in_visits(observations)
    visits = _list_visits(observations, in_visits)
    next_begins = [*(visit.begin_ms for visit in visits[1:]), None]
    again_of_visit = [
        find_again(visit, next_begin)
        for visit, next_begin in zip(visits, next_begins, strict=False)
    ]
    writer = _FirstsWriter(local)
    marks: list[Mark] = []
    for observation, (number, is_begin) in zip(observations, in_visits, strict=True):
        begin_ms, again, is_first_of_all = None, CameAgain.NO, False
        if number is not None:
            begin_ms, again = visits[number].begin_ms, again_of_visit[number]
            begins_first_visit = is_begin and number == 0
            is_first_of_all = begins_first_visit and _holds(visits[0], first_ms)
        firsts = writer.write_next(observation, begins_visit=is_begin)
        staff = _YES if observation.is_staff else _NO
        first = _YES if is_first_of_all else _NO
        rest = _LETTER_OF_AGAIN[again] + staff + first + observation.last_group
        marks.append(Mark(begin_ms, firsts + rest))
    return marks


def _holds(visit: Visit, first_ms: int | None) -> bool:
    """Return whether somebody's first time of all lies in a visit; None: it does."""
    return first_ms is None or visit.begin_ms <= first_ms <= visit.last_ms


class _FirstsWriter:
    """The writer of the letters that say where and when an observation is its person's first.

    It is given one person's observations by time, and remembers what came before.
    """

    def __init__(self, local: LocalTime) -> None:
        self._local = local
        self._seen: set[tuple[object, ...]] = set()  # values, each with a unit of time and number

    def write_next(self, observation: Counted, *, begins_visit: bool) -> str:
        """Return the letters of the next observation, three for each set of values in PLACES.

        Such a set is camera and gender, for example. The three are among visits, among all
        observations, and among those of its kind. A letter stands for the units of time (hour, day
        and so on) in which the observation is the first with these values. One that begins no visit
        is no visits' first.
        """
        times = _list_times(self._local, observation.hour)
        letters = []
        for place, splits in enumerate(PLACES):
            for among, values in _list_values(observation, splits):
                is_left_out = among is Among.VISITS and not begins_visit
                counted_times = [] if is_left_out else times
                letters.append(self._write_letter((place, among, *values), counted_times))
        return "".join(letters)

    def _write_letter(self, values: tuple[object, ...], times: Sequence[tuple[int, int]]) -> str:
        """Return a letter for the units of time in which these values come for the first time.

        `times` has each unit (its bit) with the number of the hour, day and so on. "A" is the first
        in no unit, and "B" the first in its hour only.
        """
        first_units = 0  # the sum of their bits, which _LETTER_OF_SUM writes as one letter
        for unit, number in times:
            entry = (*values, unit, number)
            if entry not in self._seen:
                self._seen.add(entry)
                first_units |= unit
        return _LETTER_OF_SUM[first_units]


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
) -> Iterator[tuple[Among, tuple[object, ...]]]:
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
    yield Among.VISITS, (observation.is_staff, *values_of_visit.values())
    yield Among.ALL, of_all
    yield Among.KIND, (*of_all, observation.kind)
