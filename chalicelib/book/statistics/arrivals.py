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
    Among,
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
        """Return the arrivals that start in a span.

        An arrival is made of sightings of a face that follow each other closely. `follows` has
        later days read, too, until they end and their faces came again. `finds_first` has earlier
        days read, if `mark_firsts` needs them. `takes_old` takes old figures of days that are being
        counted again.
        """
        begin_ms = max(span.first_ms - LONGEST_GAP_MS, 0)  # earlier ones may reach into the span
        end_ms = span.last_ms + (_READ_ON_MS if follows else 0)
        days = self.services.statistics.days
        observed = days.open_presences(tenant, Span(begin_ms, end_ms), takes_old=takes_old)
        presences, old_days = observed.read_presences(), observed.old_days
        has_lost = observed.observed.has_lost_a_month
        # `mark_firsts` asks each face's stored visits, unless that is much work. Of old days it
        # cannot, for visits say what is true now. In both cases all days before are read instead.
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
        """Return the first arrival of each of these faces, as far back as observations are kept.

        Each is given as (begin in ms, faceid). Nothing after `last_ms` is read. With `takes_old`,
        days that are being counted again give the figures before the change.
        """
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
    """The arrivals read for a span, of which only those that start in it count.

    An arrival is a row of the arrays in `arrivals`; methods take and return the rows' numbers. An
    erased person has no id. Each of its rows has a mark instead, a text that says what still counts
    of the person.

    `old_days`: days whose figures are those before a change. `is_whole`: the arrivals before the
    span were read, too. `has_lost`: the observations of a whole month have gone. `present_groups`:
    a cache by faceid of strangers, with the present group of one who has a name by now, else None.
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
        """Return the rows that start in the span and whose first sighting passes the filter.

        The filter asks for camera, labels, face and group. The group is asked last and of few rows,
        since that of a stranger who got a name since has to be read (`list_groups`).
        """
        arrivals = self.arrivals
        is_wanted = (arrivals.first_ms >= self.span.first_ms) & (
            arrivals.first_ms <= self.span.last_ms
        )
        of_any_group = replace(wanted, group_name=None)
        # Camera, group and labels of a row are an entry of `dimensions`: each is asked once.
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
        """Return the group of each row, as indexes, and the names for these indexes.

        It is the group that the face had then. A stranger who got a name since counts in the group
        of now. Of an erased stranger, the mark says the last group. For example, [0, 1, 0] and
        ("stranger", "staff") are three arrivals, of which one is of staff.
        """
        arrivals = self.arrivals
        group_of_dimension, names = list_values(arrivals.dimensions, Split.GROUP)
        groups = group_of_dimension[arrivals.dimension[rows]]
        if STRANGER not in names:
            return groups, names
        stranger = names.index(STRANGER)
        # By face, the index of the group of now; a stranger without a name stays one.
        strangers = np.unique(arrivals.face[rows[groups == stranger]])
        present_groups = self._read_present_groups(strangers)
        # A name that no row had then gets the next index.
        numbers = {name: number for number, name in enumerate(names)}
        present = np.full(len(arrivals.faceids), stranger)
        for face, name in present_groups.items():
            present[face] = numbers.setdefault(name, len(numbers))
        # By row: erased people by their marks, others by their faces.
        marks = arrivals.marks.pick(rows)
        last_groups = [read_last_group(text) or STRANGER for text in marks.texts]
        last = np.array([numbers.setdefault(name, len(numbers)) for name in last_groups])
        now = np.where(marks.is_marked, last[marks.text], present[arrivals.face[rows]])
        return np.where(groups == stranger, now, groups), tuple(numbers)

    def mark_firsts(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return for each row whether it is the first arrival of its face ever.

        Of an erased person the row's mark says so. Of others, the visits stored with the face say
        it, or else the earliest observation that is kept.
        """
        marks = self.arrivals.marks.pick(rows)
        is_first_erased = marks.find(is_first_visit, default=False)
        return is_first_erased | self._mark_firsts_of_present(rows, ~marks.is_marked)

    def _mark_firsts_of_present(
        self, rows: NDArray[np.intp], is_present: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return for each row whether it is the first arrival of a face that was not erased.

        `is_present` tells which rows are of such faces; the others get False. If all arrivals
        before the span were read (`is_whole`), only the earliest of a face can be its first. It is
        looked up only if older observations may be gone. Else each row is looked up.
        """
        is_first = is_present.copy()
        if self.is_whole:
            is_first &= mark_earliest(self.arrivals)[rows]
        # What remains may be first; `find_firsts` returns those of the asked that are.
        begins = [*self._list_begins(rows[is_first])]
        # (begin in ms, faceid) of those to look up.
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

        That can be if older observations have gone, and the face is older than those that are kept.
        An id of digits holds the time when it was made; any other id may be old.
        """
        faceid, kept_since_ms = begin[1], self._kept_since_ms
        return kept_since_ms is not None and not (
            faceid.isascii() and faceid.isdigit() and milliseconds(made_at(faceid)) >= kept_since_ms
        )

    @cached_property
    def _kept_since_ms(self) -> int | None:
        """Return the time since which all observations are kept, in ms; None if none have gone.

        They expire after the tenant's `observation_days`. Those of a face under legal hold stay
        longer, so the oldest one that is there does not tell the time alone.
        """
        kept_days, now = self.tenant.observation_days, self.services.clock.now()
        first_ms = int(self.arrivals.first_ms.min())
        if kept_days is None:
            return first_ms if self.has_lost else None
        # The tenant is too young for any to have expired.
        if not self.has_lost and now - self.tenant.created_at <= timedelta(kept_days):
            return None
        return max(first_ms, milliseconds(now) - kept_days * DAY_MS)

    def list_values(self, rows: NDArray[np.intp], split: Split | None) -> Values:
        """Return the value of each row by a split, as indexes, and the names for these indexes.

        A split is what arrivals are divided by. By camera, [0, 1, 0] and ("door", "till") are three
        arrivals, of which two began at the door. Without a split, all have the value "".
        """
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
        """Return the kind of each row's visit, as indexes, and the names for these indexes.

        It is staff, new, returning or known (VisitKind). `is_first` tells of each row whether it is
        its face's first.
        """
        groups, names = self.list_groups(rows)
        is_staff = self._mark_staff(rows)
        # Group, first and staff decide. They are packed into one number, so that each combination
        # is asked once.
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

        The face is in a group of staff now, or the group at the time is one now, or somebody was
        staff when they were erased. The last group of an erased stranger does not count: no earlier
        visit becomes one of staff by it.
        """
        arrivals = self.arrivals
        # Each face, and each combination of values with a group, is asked once.
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
        """Count arrivals by bucket (the hour, day, week or month) and value of the split."""
        return _count_packed(*self._pack_buckets(rows, granularity, split))

    def count_people(
        self,
        rows: NDArray[np.intp],
        wanted: ObservationFilter,
        granularity: Granularity,
        split: Split | None,
    ) -> Amounts:
        """Count the faces of arrivals, each once for a bucket and value of the split.

        A bucket is an hour, day, week or month. An erased person has another name for each visit,
        so its marks say which of its rows counts it (`_count_once`). `wanted` is the filter that
        chose the rows.
        """
        # The largest unit that may count somebody erased is the bucket itself.
        largest = find_unit(self.tenant.local_time, granularity)
        counted_rows = rows[self._count_once(rows, find_place(wanted, split), largest)]
        packed, names = self._pack_buckets(counted_rows, granularity, split)
        face_count = len(self.arrivals.faceids)
        # Bucket, value and face in one number, of which each is taken once.
        faces = np.unique(packed * face_count + self.arrivals.face[counted_rows])
        return _count_packed(faces // face_count, names)

    def _pack_buckets(
        self, rows: NDArray[np.intp], granularity: Granularity, split: Split | None
    ) -> Values:
        """Return for each row its bucket and value in one number, and the values' names.

        A bucket is an hour, day, week or month, counted since 1970. The number is bucket * count of
        values + value. Of day 20605 and value 1 of 3, it is 61816.
        """
        values, names = self.list_values(rows, split)
        # Each hour that occurs is asked once for its bucket.
        hours, hour_of_row = np.unique(self._find_hours(rows), return_inverse=True)
        numbers = [self.tenant.local_time.bucket_of(granularity, hour) for hour in hours.tolist()]
        buckets = np.array(numbers, np.int64)[hour_of_row]
        return buckets * len(names) + values, names

    def count_faces(self, rows: NDArray[np.intp], wanted: ObservationFilter) -> int:
        """Count the faces of arrivals, each once. `wanted` is the filter that chose the rows.

        An erased person counts once in the span if that is a year, a month, a week or a day. Else
        the person counts once in each of the largest of these that lie whole in it, so the count
        may be too high.
        """
        counted_rows = rows[self._count_once(rows, find_place(wanted, None), Unit.YEAR)]
        return len(np.unique(self.arrivals.face[counted_rows]))

    def _count_once(self, rows: NDArray[np.intp], place: int, largest: Unit) -> NDArray[np.bool_]:
        """Return for each row whether it counts its person, where each counts once.

        Rows of faces in the book all say yes, and the caller drops repeats by faceid. An erased
        person has another name for each visit, so repeats cannot be told. Its marks say instead in
        which hours, days, weeks and so on a visit was its first. The largest of these, up to
        `largest`, that the span's beginning does not cut is asked. `place` says which letters of a
        mark answer, those by camera for example.
        """
        counts = np.ones(len(rows), bool)
        marked = self.arrivals.marks.pick(rows).is_marked.nonzero()[0]
        if not len(marked):
            return counts
        days = self._find_hours(rows[marked]) // HOURS_PER_DAY
        local, first_ms = self.tenant.local_time, self.span.first_ms
        # By local day, the unit of time that is asked: a day, say, where the span cuts its week.
        unit_of_day = find_units(local, {*days.tolist()}, first_ms, largest)
        marks = self.arrivals.marks.pick(rows[marked])
        pairs = zip(days.tolist(), marks.text.tolist(), strict=True)
        counts[marked] = [
            is_first_in(marks.texts[text], unit_of_day[day], place, Among.VISITS)
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
        """Count the rows whose first sighting is one of these.

        Rows have no id of a sighting, only its time and a hash of its id.
        """
        wanted = {(captured_ms(id_), hash_id(id_)) for id_ in sighting_ids}
        times = self.arrivals.first_ms[rows].tolist()
        hashes = self.arrivals.sighting[rows].tolist()
        return sum(pair in wanted for pair in zip(times, hashes, strict=True))

    def divide_by_kind(self, rows: NDArray[np.intp]) -> dict[VisitKind, NDArray[np.intp]]:
        """Return the rows of each kind of visit: staff, known or returning.

        No visit is taken for a first one here, so none is of the kind NEW. To ask for that would
        take more reads.
        """
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
        """Return for each row how long the face stayed, as the index of one of STAYS.

        STAYS are lengths in minutes, and the largest that the stay reaches is taken.
        """
        lengths_ms = self.arrivals.last_ms[rows] - self.arrivals.first_ms[rows]
        return np.searchsorted(np.array(STAYS) * 60_000, lengths_ms, side="right") - 1

    def _list_again(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for each row whether its face came again, as an index of CameAgain's members.

        It did (YES) if another arrival of it began within 30 days after this one ended. It may
        still (OPEN) while these days are not over. Of an erased person, the mark says it.
        """
        # Rows are by face, then time: the row after one may be the next arrival of its face.
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
        # The 0 is for rows without a mark, and is not used.
        says_again = [names.index(read_again(text)) if text else 0 for text in marks.texts]
        return np.where(marks.is_marked, np.array(says_again)[marks.text], answers[rows])

    def _with_unknown(
        self, rows: NDArray[np.intp], values: NDArray[np.intp], names: tuple[str, ...]
    ) -> Values:
        """Return the rows' values, as indexes into the returned names, with UNKNOWN as a last one.

        UNKNOWN is for rows whose face is there no more, merged or deleted, since the person may
        have come again as another. Of an erased person the mark says the value. Only that it may
        still come again (OPEN) becomes UNKNOWN, since nobody can tell any more.
        """
        faces, marks = self.arrivals.face[rows], self.arrivals.marks.pick(rows)
        faceids = {
            self.arrivals.faceids[face] for face in np.unique(faces[~marks.is_marked]).tolist()
        }
        # Marked rows are of erased people, of whom no face is there.
        existing = self.services.statistics.visitors.list_existing(self.tenant, faceids)
        exists = np.array([faceid in existing for faceid in self.arrivals.faceids], bool)
        is_told = marks.find(
            lambda text: names != tuple(CameAgain) or read_again(text) is not CameAgain.OPEN,
            default=False,
        )
        return np.where(exists[faces] | is_told, values, len(names)), (*names, UNKNOWN)

    def _read_present_groups(self, faces: NDArray[np.uint32]) -> dict[int, str]:
        """Return the name of the present group of those of these faces that have a name.

        `faces` are indexes into the arrivals' faceids, and so are the keys. What is read is
        remembered in `present_groups`.
        """
        faceids = {face: self.arrivals.faceids[face] for face in faces.tolist()}
        unread = {faceid for faceid in faceids.values() if faceid not in self.present_groups}
        if unread:
            found = self.services.statistics.visitors.read_present_groups(self.tenant, unread)
            self.present_groups.update({faceid: found.get(faceid) for faceid in unread})
        groups = {face: self.present_groups[faceid] for face, faceid in faceids.items()}
        return {face: group for face, group in groups.items() if group is not None}


def _count_packed(packed: NDArray[np.intp], names: Sequence[str]) -> Amounts:
    """Count the rows of each bucket and value. `packed`: as `_pack_buckets` returns them."""
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
    """Return for each arrival whether it is the earliest of its face among these: (n,).

    Rows are by face, then time, so it is where the face is another than in the row before.
    """
    face = arrivals.face
    return np.r_[True, face[1:] != face[:-1]] if len(face) else np.zeros(0, bool)
