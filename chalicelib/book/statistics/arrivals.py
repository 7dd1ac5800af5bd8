"""The arrivals of a time, counted: from the presences of its days, which are sealed with them.

Presences of several days that overlap are one arrival (storage/records/presences). So nothing is
remembered of an arrival that another day could change: whether it is its face's first, how long it
lasted, and whether the face came again follows from the presences of all days, at each question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.book.statistics.visitors import kind_of_visit
from chalicelib.domain.captures import captured_ms
from chalicelib.domain.local_time import DAY_MS, HOURS_PER_DAY, Granularity, Span
from chalicelib.domain.model import STRANGER, Tenant
from chalicelib.domain.observations import (
    AGAIN_MS,
    EVERYTHING,
    STAYS,
    CameAgain,
    ObservationFilter,
    Split,
    VisitKind,
)
from chalicelib.domain.rules.ended import (
    Of,
    Unit,
    find_place,
    find_unit,
    find_units,
    is_first_in,
    is_first_visit,
    read_again,
    read_last_group,
    was_staff,
)
from chalicelib.service import Service
from chalicelib.storage.records.columns import UNKNOWN, list_gender_or_age, list_values
from chalicelib.storage.records.presences import Presences, hash_id, join_presences
from chalicelib.storage.values import made_at, milliseconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chalicelib.book.book import Book

    Values = tuple[NDArray[np.intp], tuple[str, ...]]
    """Of each row the index of its value's name, and the names."""

Begin = tuple[int, str]
"""Begin of an arrival in ms, and faceid."""

Amounts = Counter[tuple[int, str]]
"""Numbers by bucket and value of the split."""

LONGEST_GAP_MS = DAY_MS
"""No camera has a longer gap. So a sighting begins an arrival if none of the day before it reaches
it."""

_READ_ON_MS = 2 * AGAIN_MS
"""Time behind a span in which its visits end, and in which those who came again did so."""

MOST_ASKED = 1_500
"""Most presences of a span of which each face's visits say whether it is the first. Of more, all
presences that are kept say so: those of a year with 277 visits a day take 0.1 s."""


class ArrivalReader(Service["Book"]):
    """The reader of arrivals. `most_asked`: as MOST_ASKED."""

    most_asked = MOST_ASKED

    def read_begun(
        self,
        tenant: Tenant,
        span: Span,
        *,
        follows: bool = False,
        finds_first: bool = False,
        takes_old: bool = False,
    ) -> Begun:
        """Read the arrivals that begin in a span.

        `follows`: until they end, and until their faces came again; `finds_first`: as `mark_firsts`
        needs it. `takes_old`: as in `open_span`.
        """
        begin_ms = max(span.first_ms - LONGEST_GAP_MS, 0)
        end_ms = span.last_ms + (_READ_ON_MS if follows else 0)
        days = self.services.statistics.days
        observed = days.open_presences(tenant, Span(begin_ms, end_ms), takes_old=takes_old)
        presences, old_days = observed.read_presences(), observed.old_days
        has_lost = observed.observed.has_lost_a_month
        # visits would say what is true now, not what the old figures of these days follow from
        is_much = sum(map(len, presences)) > self.most_asked or bool(old_days)
        is_whole = finds_first and is_much
        if is_whole and begin_ms:
            before = days.open_presences(tenant, Span(0, begin_ms - 1), takes_old=takes_old)
            presences, old_days = [*before.read_presences(), *presences], old_days | before.old_days
            has_lost |= before.observed.has_lost_a_month
        return Begun(
            self.services,
            tenant,
            span,
            join_presences(presences),
            old_days,
            is_whole=is_whole,
            has_lost=has_lost,
            takes_old=takes_old,
        )

    def find_firsts_kept(
        self, tenant: Tenant, faceids: Set[str], last_ms: int, *, takes_old: bool
    ) -> set[Begin]:
        """Return the first arrivals of these faces, as far back as observations are kept."""
        observed = self.services.statistics.days.open_presences(
            tenant, Span(0, last_ms), takes_old=takes_old
        )
        arrivals = join_presences(observed.read_presences())
        rows = mark_earliest(arrivals).nonzero()[0]
        begins = zip(arrivals.first_ms[rows].tolist(), arrivals.face[rows].tolist(), strict=True)
        return {
            (first_ms, arrivals.faceids[face])
            for first_ms, face in begins
            if arrivals.faceids[face] in faceids
        }


class Begun(Struct, frozen=True, dict=True):
    """The arrivals that were read of a time, of which those count that begin in the span.

    Rows are numbers of arrivals. `is_whole`: the arrivals before the span were read, too;
    `has_lost`: the observations of a whole month have gone. `present_groups`: what was read of the
    strangers, by face: the present group of a stranger who has a name by now, else None.
    """

    services: Book
    tenant: Tenant
    span: Span
    arrivals: Presences
    old_days: frozenset[int]
    is_whole: bool
    has_lost: bool
    takes_old: bool
    present_groups: dict[str, str | None] = field(default_factory=dict)

    def select_rows(self, wanted: ObservationFilter) -> NDArray[np.intp]:
        """Return the rows in the span whose first sighting the filter takes."""
        arrivals = self.arrivals
        is_wanted = (arrivals.first_ms >= self.span.first_ms) & (
            arrivals.first_ms <= self.span.last_ms
        )
        of_any_group = replace(wanted, group_name=None)
        if of_any_group.by_dimensions:
            lets_pass = [of_any_group.lets_pass(values) for values in arrivals.dimensions]
            is_wanted &= np.array(lets_pass, bool)[arrivals.dimension]
        is_wanted &= arrivals.marks.takes(wanted)
        if wanted.by_face:
            takes_face = [wanted.takes_face(faceid) for faceid in arrivals.faceids]
            is_wanted &= np.array(takes_face, bool)[arrivals.face]
        rows = is_wanted.nonzero()[0]
        if wanted.group_name is None:
            return rows
        groups, names = self.list_groups(rows)
        is_of_group = np.array([name == wanted.group_name for name in names], bool)
        return np.asarray(rows[is_of_group[groups]])

    def list_begins(self) -> Iterator[Begin]:
        return self._list_begins(self.select_rows(EVERYTHING))

    def list_groups(self, rows: NDArray[np.intp]) -> Values:
        """Return the group of each row: that of its time; of a stranger who has a name since, that
        of now."""
        arrivals = self.arrivals
        group_of_dimension, names = list_values(arrivals.dimensions, Split.GROUP)
        groups = group_of_dimension[arrivals.dimension[rows]]
        if STRANGER not in names:
            return groups, names
        stranger = names.index(STRANGER)
        strangers = np.unique(arrivals.face[rows[groups == stranger]])
        present_groups = self._read_present_groups(strangers)
        numbers = {name: number for number, name in enumerate(names)}
        present = np.full(len(arrivals.faceids), stranger)
        for face, name in present_groups.items():
            present[face] = numbers.setdefault(name, len(numbers))
        marks = arrivals.marks.pick(rows)
        last_groups = [read_last_group(text) or STRANGER for text in marks.texts]
        last = np.array([numbers.setdefault(name, len(numbers)) for name in last_groups])
        now = np.where(marks.is_marked, last[marks.text], present[arrivals.face[rows]])
        return np.where(groups == stranger, now, groups), tuple(numbers)

    def mark_firsts(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return for each row whether it is its face's first arrival.

        Visits that are kept with a face say so. Else it is the first in the history that is kept.
        """
        marks = self.arrivals.marks.pick(rows)
        is_first_erased = marks.find(is_first_visit, default=False)
        return is_first_erased | self._mark_firsts_of_present(rows, ~marks.is_marked)

    def _mark_firsts_of_present(
        self, rows: NDArray[np.intp], is_present: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return the same for those that are not erased, and False for others."""
        is_first = is_present.copy()
        if self.is_whole:
            is_first &= mark_earliest(self.arrivals)[rows]
        begins = [*self._list_begins(rows[is_first])]
        asked_begins = [*filter(self._may_be_later, begins)] if self.is_whole else begins
        if asked_begins:
            firsts = self.services.statistics.find_firsts(
                self.tenant, asked_begins, takes_old=self.takes_old
            )
            later = {begin for begin in asked_begins if begin not in firsts}
            is_first[is_first] = [begin not in later for begin in begins]
        return is_first

    def _may_be_later(self, begin: Begin) -> bool:
        """Return whether a face may have come before its earliest arrival that is kept.

        The face may, if some observations have gone and the face's id is old. An id is old if it
        was made before the time since which all observations are kept.
        """
        faceid, kept_since_ms = begin[1], self._kept_since_ms
        return kept_since_ms is not None and not (
            faceid.isascii() and faceid.isdigit() and milliseconds(made_at(faceid)) >= kept_since_ms
        )

    @cached_property
    def _kept_since_ms(self) -> int | None:
        """Return since when all observations are kept; None: none have gone.

        Those of a face under legal hold stay, and say nothing of others.
        """
        kept_days, now = self.tenant.observation_days, self.services.clock.now()
        first_ms = int(self.arrivals.first_ms.min())
        if kept_days is None:
            return first_ms if self.has_lost else None
        if not self.has_lost and now - self.tenant.created_at <= timedelta(kept_days):
            return None
        return max(first_ms, milliseconds(now) - kept_days * DAY_MS)

    def list_values(self, rows: NDArray[np.intp], split: Split | None) -> Values:
        """Return the value of each row by a split."""
        arrivals = self.arrivals
        match split:
            case Split.GROUP:
                return self.list_groups(rows)
            case Split.VISIT:
                return self.list_kinds(rows, self.mark_firsts(rows))
            case Split.STAY:
                return self._with_unknown(rows, self._list_stays(rows), tuple(map(str, STAYS)))
            case Split.AGAIN:
                return self._with_unknown(rows, self._list_again(rows), tuple(CameAgain))
            case Split.GENDER | Split.AGE:
                return list_gender_or_age(arrivals.gender[rows], arrivals.decade[rows], split)
        value_of_dimension, names = list_values(arrivals.dimensions, split)
        return value_of_dimension[arrivals.dimension[rows]], names

    def list_kinds(self, rows: NDArray[np.intp], is_first: NDArray[np.bool_]) -> Values:
        """Return the kind of each row's visit, by VisitKind."""
        groups, names = self.list_groups(rows)
        is_staff = self._mark_staff(rows)
        packed, place = np.unique((groups * 2 + is_first) * 2 + is_staff, return_inverse=True)
        kinds = tuple(VisitKind)
        kind_of_place = [
            kinds.index(
                kind_of_visit(
                    names[number // 4],
                    is_first=bool(number // 2 % 2),
                    is_staff=bool(number % 2),
                )
            )
            for number in packed.tolist()
        ]
        return np.array(kind_of_place, np.intp)[place], kinds

    def _mark_staff(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return for each row whether its visit is of staff.

        Its face is in a group of staff now, the group of its time is one, or the face was erased
        and was staff then. A group that an erased stranger had at last counts for no visit of an
        earlier time: whether that person would be staff now, nobody can say.
        """
        arrivals = self.arrivals
        staff = self.services.statistics.visitors.read_staff(self.tenant)
        is_face_staff = np.array([faceid in staff.faces for faceid in arrivals.faceids], bool)
        group_of_dimension, names = list_values(arrivals.dimensions, Split.GROUP)
        is_group_staff = np.array([name in staff.groups for name in names], bool)
        groups = group_of_dimension[arrivals.dimension[rows]]
        is_staff_erased = arrivals.marks.pick(rows).find(was_staff, default=False)
        is_staff: NDArray[np.bool_] = is_face_staff[arrivals.face[rows]] | is_group_staff[groups]
        return is_staff | is_staff_erased

    def count(
        self, rows: NDArray[np.intp], granularity: Granularity, split: Split | None
    ) -> Amounts:
        """Count arrivals by bucket and value."""
        return _count_packed(*self._pack_buckets(rows, granularity, split))

    def count_people(
        self,
        rows: NDArray[np.intp],
        wanted: ObservationFilter,
        granularity: Granularity,
        split: Split | None,
    ) -> Amounts:
        """Count the faces of arrivals, each once for a bucket and value.

        `wanted`: the filter that chose the rows.
        """
        largest = find_unit(self.tenant.local_time, granularity)
        counted_rows = rows[self._count_once(rows, find_place(wanted, split), largest)]
        packed, names = self._pack_buckets(counted_rows, granularity, split)
        face_count = len(self.arrivals.faceids)
        faces = np.unique(packed * face_count + self.arrivals.face[counted_rows])
        return _count_packed(faces // face_count, names)

    def _pack_buckets(
        self, rows: NDArray[np.intp], granularity: Granularity, split: Split | None
    ) -> Values:
        """Return bucket and value of each row in one number, and the values' names."""
        values, names = self.list_values(rows, split)
        hours, hour_of_row = np.unique(self._find_hours(rows), return_inverse=True)
        numbers = [self.tenant.local_time.bucket_of(granularity, hour) for hour in hours.tolist()]
        buckets = np.array(numbers, np.int64)[hour_of_row]
        return buckets * len(names) + values, names

    def count_faces(self, rows: NDArray[np.intp], wanted: ObservationFilter) -> int:
        """Count the faces of arrivals. `wanted`: the filter that chose the rows.

        Of erased people each counts once in the span if that is a year, a month, a week or a day.
        Else they count once in the largest of these that lies whole in it: so they may be too many.
        """
        counted_rows = rows[self._count_once(rows, find_place(wanted, None), Unit.YEAR)]
        return len(np.unique(self.arrivals.face[counted_rows]))

    def _count_once(self, rows: NDArray[np.intp], place: int, largest: Unit) -> NDArray[np.bool_]:
        """Return for each row whether it counts its person: of erased people, who have a name for
        each visit, the first in the largest unit of time that the span does not cut before."""
        counts = np.ones(len(rows), bool)
        marked = self.arrivals.marks.pick(rows).is_marked.nonzero()[0]
        if not len(marked):
            return counts
        days = self._find_hours(rows[marked]) // HOURS_PER_DAY
        local, first_ms = self.tenant.local_time, self.span.first_ms
        unit_of_day = find_units(local, {*days.tolist()}, first_ms, largest)
        marks = self.arrivals.marks.pick(rows[marked])
        pairs = zip(days.tolist(), marks.text.tolist(), strict=True)
        counts[marked] = [
            is_first_in(marks.texts[text], unit_of_day[day], place, Of.VISITS)
            for day, text in pairs
        ]
        return counts

    def count_groups(self, rows: NDArray[np.intp]) -> Counter[str]:
        return _count_values(*self.list_groups(rows))

    def count_kinds(
        self, rows: NDArray[np.intp], is_first: NDArray[np.bool_]
    ) -> Counter[VisitKind]:
        kinds = _count_values(*self.list_kinds(rows, is_first))
        return Counter({VisitKind(kind): count for kind, count in kinds.items()})

    def count_uncertain(self, rows: NDArray[np.intp], sighting_ids: Set[str]) -> int:
        """Count the rows whose first sighting is one of these."""
        wanted = {(captured_ms(id_), hash_id(id_)) for id_ in sighting_ids}
        times = self.arrivals.first_ms[rows].tolist()
        hashes = self.arrivals.sighting[rows].tolist()
        return sum(pair in wanted for pair in zip(times, hashes, strict=True))

    def divide_by_kind(self, rows: NDArray[np.intp]) -> dict[VisitKind, NDArray[np.intp]]:
        """Return the rows of each kind, without asking whether a visit is the first."""
        kinds, names = self.list_kinds(rows, np.zeros(len(rows), bool))
        return {
            kind: rows[np.array([name == kind for name in names], bool)[kinds]]
            for kind in VisitKind
        }

    def _find_hours(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        return self.tenant.local_time.find_hours(self.arrivals.first_ms[rows])

    def _list_begins(self, rows: NDArray[np.intp]) -> Iterator[Begin]:
        faces = self.arrivals.face[rows].tolist()
        for first_ms, face in zip(self.arrivals.first_ms[rows].tolist(), faces, strict=True):
            yield first_ms, self.arrivals.faceids[face]

    def _list_stays(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for each row the index of the largest of STAYS that it reaches."""
        lengths_ms = self.arrivals.last_ms[rows] - self.arrivals.first_ms[rows]
        return np.searchsorted(np.array(STAYS) * 60_000, lengths_ms, side="right") - 1

    def _list_again(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for each row the index of a CameAgain: whether another arrival of its face began
        within 30 days after it."""
        face, first_ms = self.arrivals.face, self.arrivals.first_ms
        ends_ms = self.arrivals.last_ms + AGAIN_MS
        is_again = np.r_[(face[1:] == face[:-1]) & (first_ms[1:] <= ends_ms[:-1]), False]
        is_open = ends_ms >= milliseconds(self.services.clock.now())
        names = tuple(CameAgain)
        answers = np.where(
            is_again,
            names.index(CameAgain.YES),
            np.where(is_open, names.index(CameAgain.OPEN), names.index(CameAgain.NO)),
        )
        marks = self.arrivals.marks.pick(rows)
        says_again = [names.index(read_again(text)) if text else 0 for text in marks.texts]
        return np.where(marks.is_marked, np.array(says_again)[marks.text], answers[rows])

    def _with_unknown(
        self, rows: NDArray[np.intp], values: NDArray[np.intp], names: tuple[str, ...]
    ) -> Values:
        """Return the values, and UNKNOWN for faces that are not there any more: they may have come
        again as others. Of those who were erased the marks say it, if they could."""
        faces, marks = self.arrivals.face[rows], self.arrivals.marks.pick(rows)
        faceids = {
            self.arrivals.faceids[face] for face in np.unique(faces[~marks.is_marked]).tolist()
        }
        existing = self.services.statistics.visitors.list_existing(self.tenant, faceids)
        exists = np.array([faceid in existing for faceid in self.arrivals.faceids], bool)
        is_told = marks.find(
            lambda text: names != tuple(CameAgain) or read_again(text) is not CameAgain.OPEN,
            default=False,
        )
        return np.where(exists[faces] | is_told, values, len(names)), (*names, UNKNOWN)

    def _read_present_groups(self, faces: NDArray[np.uint32]) -> dict[int, str]:
        faceids = {face: self.arrivals.faceids[face] for face in faces.tolist()}
        unread = {faceid for faceid in faceids.values() if faceid not in self.present_groups}
        if unread:
            found = self.services.statistics.visitors.read_present_groups(self.tenant, unread)
            self.present_groups.update({faceid: found.get(faceid) for faceid in unread})
        groups = {face: self.present_groups[faceid] for face, faceid in faceids.items()}
        return {face: group for face, group in groups.items() if group is not None}


def _count_packed(packed: NDArray[np.intp], names: Sequence[str]) -> Amounts:
    """Count the rows of each bucket and value."""
    found, counts = np.unique(packed, return_counts=True)
    return Counter(
        {
            (number // len(names), names[number % len(names)]): count
            for number, count in zip(found.tolist(), counts.tolist(), strict=True)
        }
    )


def _count_values(numbers: NDArray[np.intp], names: Sequence[str]) -> Counter[str]:
    """Count the rows of each value."""
    counts = np.bincount(numbers, minlength=len(names)).tolist()
    return Counter({name: count for name, count in zip(names, counts, strict=True) if count})


def mark_earliest(arrivals: Presences) -> NDArray[np.bool_]:
    """Return for each arrival whether it is the earliest of its face among these: (n,)."""
    face = arrivals.face
    return np.r_[True, face[1:] != face[:-1]] if len(face) else np.zeros(0, bool)
