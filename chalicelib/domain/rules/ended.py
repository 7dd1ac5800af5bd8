"""Marks by which people who are gone stay counted: how often, but no longer who.

An erased person's observations lose the id, and only those of one visit keep a name in common. So
nobody can count the person by a name any more. A mark says of one observation in which hour, day,
week, month and year it was the person's first, so that each still counts the person once. It tells
of no other observation: of two such people with visits alike, nobody can say who came again
(docs/decisions/0049).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, IntFlag
from itertools import zip_longest
from typing import NamedTuple

from chalicelib.domain.local_time import HOURS_PER_DAY, Granularity, LocalTime, Span
from chalicelib.domain.observations import CameAgain, ObservationFilter, Split


class Unit(IntFlag):
    """A time that counts a person once."""

    HOUR = 1
    DAY = 2
    WEEK = 4
    MONTH = 8
    YEAR = 16
    EVER = 32


UNIT_OF = {
    Granularity.HOUR: Unit.HOUR,
    Granularity.DAY: Unit.DAY,
    Granularity.WEEK: Unit.WEEK,
    Granularity.MONTH: Unit.MONTH,
}

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
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Of each sum of units the letter that stands for it."""
_COUNT = len(Of) * len(PLACES)
"""Letters before the one of coming again."""
_LETTER_OF_AGAIN = {CameAgain.YES: "y", CameAgain.NO: "n", CameAgain.OPEN: "o"}
_AGAIN_OF_LETTER = {letter: again for again, letter in _LETTER_OF_AGAIN.items()}


class Counted(NamedTuple):
    """The counted values of an observation. `values`: by the splits that PLACES names."""

    at_ms: int
    hour: int
    """The local hour."""
    gap_s: int
    kind: str
    values: Mapping[Split, str]
    last_group: str
    """The group that counts instead of that of its time; "": none does."""
    is_staff: bool


class Visit(NamedTuple):
    """A person's visit: its first and last observation."""

    begin_ms: int
    last_ms: int


class Mark(NamedTuple):
    """The rest of an erased person in one observation.

    `begin_ms`: when the visit began that it is of; None: it is of none. `text`: three letters for
    each of PLACES, by `Of`, one that says whether the person came again, and the last group.
    """

    begin_ms: int | None
    text: str

    @property
    def without_units(self) -> Mark:
        """Return the mark of what counts the person nowhere."""
        return self._replace(text=_LETTERS[0] * _COUNT + self.text[_COUNT:])


def find_place(wanted: ObservationFilter, split: Split | None) -> int:
    """Return the place in a mark that answers a question, whatever kind that asks for.

    A question for a label by gender asks for two values that have no place. Who came with two
    groups may be counted twice then.
    """
    labels = zip(LABELS, wanted.labels, strict=True)
    asked = {label for label, value in labels if value}
    if wanted.camera is not None:
        asked.add(Split.CAMERA)
    if wanted.group_name is not None:
        asked.add(Split.GROUP)
    if split not in (None, Split.KIND):
        asked.add(split)
    return PLACES.index(frozenset(asked)) if asked in PLACES else len(PLACES) - 1


def choose_of(wanted: ObservationFilter, split: Split | None) -> Of:
    """Return what counts a person by a question for observations."""
    return Of.ALL if wanted.kind is None and split is not Split.KIND else Of.KIND


def is_first_in(text: str, unit: Unit, place: int, of: Of) -> bool:
    """Return whether a mark counts its person in a unit of time. `place`: of `find_place`."""
    units = _LETTERS.index(text[len(Of) * place + of])
    return bool(units & unit)


def counts_hour(text: str) -> bool:
    """Return whether an observation counts its person in its hour: without a mark it does."""
    return not text or is_first_in(text, Unit.HOUR, EVERYBODY, Of.ALL)


def read_again(text: str) -> CameAgain:
    """Return whether a mark's person came again within 30 days; OPEN: they were not over."""
    return _AGAIN_OF_LETTER[text[_COUNT]]


def read_last_group(text: str) -> str:
    """Return the group that counts of a mark's person instead of that of the time; "": none."""
    return text[_COUNT + 1 :]


def takes_row(wanted: ObservationFilter, faceid: str, mark: str) -> bool:
    """Return whether a filter takes what is of a face, or of somebody who was erased."""
    return wanted.takes_face(faceid) and (not mark or read_last_group(mark) not in wanted.without)


def is_first_visit(text: str) -> bool:
    """Return whether a mark is of what began its person's first visit of all; "": it is none."""
    return bool(text) and is_first_in(text, Unit.EVER, EVERYBODY, Of.VISITS)


def find_units(local: LocalTime, days: Iterable[int], span: Span) -> dict[int, Unit]:
    """Return of each local day the largest unit of time around it that lies whole in a span."""
    [first], [last] = (local.days(Span(at_ms, at_ms)) for at_ms in (span.first_ms, span.last_ms))
    if local.pieces_of(first)[0].first_ms < span.first_ms:
        first += 1
    if local.pieces_of(last)[-1].last_ms > span.last_ms:
        last -= 1
    cut_buckets = {
        (unit, _find_bucket(local, inside, unit))
        for unit in (Unit.YEAR, Unit.MONTH, Unit.WEEK)
        for inside, outside in ((first, first - 1), (last, last + 1))
        if _find_bucket(local, inside, unit) == _find_bucket(local, outside, unit)
    }

    def find_unit(day: int) -> Unit:
        if not first <= day <= last:
            return Unit.DAY
        units = (Unit.YEAR, Unit.MONTH, Unit.WEEK)
        whole = (u for u in units if (u, _find_bucket(local, day, u)) not in cut_buckets)
        return next(whole, Unit.DAY)

    return {day: find_unit(day) for day in days}


def _find_bucket(local: LocalTime, day: int, unit: Unit) -> int:
    hour = day * HOURS_PER_DAY
    if unit is Unit.WEEK:
        return local.bucket_of(Granularity.WEEK, hour)
    month = local.bucket_of(Granularity.MONTH, hour)
    return month // 12 if unit is Unit.YEAR else month


def list_visits(observations: Sequence[Counted]) -> list[Visit]:
    """Return the visits of a person's observations, which are given by time.

    An observation begins a visit if none before reaches it by its gap.
    """
    visits: list[Visit] = []
    until_ms = -1
    for observation in observations:
        if not observation.gap_s:
            continue
        at_ms = observation.at_ms
        begin_ms = at_ms if at_ms >= until_ms else visits.pop().begin_ms
        visits.append(Visit(begin_ms, at_ms))
        until_ms = max(until_ms, at_ms + 1000 * observation.gap_s)
    return visits


def mark_observations(
    observations: Sequence[Counted],
    local: LocalTime,
    find_again: Callable[[Visit, int | None], CameAgain],
    *,
    came_before: bool,
) -> list[Mark]:
    """Return the marks of all of a person's observations, which are given by time.

    `find_again`: given a visit and when the next one began, whether the person came again.
    `came_before`: the person came before these observations, too.
    """
    visits = list_visits(observations)
    next_begins = (visit.begin_ms for visit in visits[1:])
    again_of_begin = {
        visit.begin_ms: _LETTER_OF_AGAIN[find_again(visit, next_begin)]
        for visit, next_begin in zip_longest(visits, next_begins)
    }
    begins = sorted(again_of_begin, reverse=True)
    noted: set[tuple[object, ...]] = set()
    open_begins, begin_ms, marks = [*begins], None, list[Mark]()
    for observation in observations:
        begins_visit = bool(
            observation.gap_s and open_begins and open_begins[-1] == observation.at_ms
        )
        if begins_visit:
            begin_ms = open_begins.pop()
        times = [*_list_times(local, observation.hour)]
        if begins_visit and begin_ms == visits[0].begin_ms and not came_before:
            times.append((Unit.EVER, 0))
        times_of = {Of.VISITS: times if begins_visit else [], Of.ALL: times, Of.KIND: times}
        letters = [
            _note_units(noted, times_of[of], (place, of, *values))
            for place, splits in enumerate(PLACES)
            for of, values in _list_values(observation, splits)
        ]
        visit_ms = begin_ms if observation.gap_s else None
        again = _LETTER_OF_AGAIN[CameAgain.NO] if visit_ms is None else again_of_begin[visit_ms]
        marks.append(Mark(visit_ms, "".join([*letters, again, observation.last_group])))
    return marks


def _list_times(local: LocalTime, hour: int) -> Iterator[tuple[Unit, int]]:
    """Yield each unit of time with the number of the one that holds a local hour."""
    day = hour // HOURS_PER_DAY
    yield Unit.HOUR, hour
    yield Unit.DAY, day
    for unit in (Unit.WEEK, Unit.MONTH, Unit.YEAR):
        yield unit, _find_bucket(local, day, unit)


def _list_values(
    observation: Counted, splits: frozenset[Split]
) -> Iterator[tuple[Of, tuple[object, ...]]]:
    """Yield the values by which an observation counts. Staff are counted apart."""
    values = {split: value for split, value in observation.values.items() if split in splits}
    of_all = (observation.is_staff, *values.values())
    if Split.GROUP in values and observation.last_group:
        values[Split.GROUP] = observation.last_group
    yield Of.VISITS, (observation.is_staff, *values.values())
    yield Of.ALL, of_all
    yield Of.KIND, (*of_all, observation.kind)


def _note_units(
    noted: set[tuple[object, ...]],
    times: Sequence[tuple[Unit, int]],
    of_what: tuple[object, ...],
) -> str:
    """Note a value in these times; return the letter of the units that had not noted it before."""
    units = 0
    for unit, bucket in times:
        entry = (*of_what, unit, bucket)
        if entry not in noted:
            noted.add(entry)
            units |= unit
    return _LETTERS[units]
