"""A tenant's gallery, the faces among which a search looks, in memory and searchable while it
changes.

It is a segment (what was loaded, the base) and a tail (rows that the journal, the list of the
gallery's edits, added since). A row is one template of a face, the numbers that stand for how it
looks; a face may have several.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.search.scan.scan import BestFaces, ProbesAndBest, Rows, scan, scan_plain
from chalicelib.book.search.snapshots.segment import Segment, empty_segment, segment_of_rows
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Candidate, Edit, JournalEntry
from chalicelib.domain.rules.decision import SearchAnswer, SearchRequest
from chalicelib.domain.rules.templates import fuse_embeddings, is_face_set, parse_vector

NOBODY = -1
"""In place of a group, for a row or face that has left the gallery."""
_FACES_PER_LOOKUP = 8
"""Rows are looked up one by one if less than one face in so many is searched, else all."""
_REMEMBERED = 4
"""Choices of groups that a view remembers."""


class Chosen(Struct, frozen=True):
    """The faces of a view that are in the groups which a search names: how many, and their rows."""

    size: int
    rows: Rows


class Tail(Struct, frozen=True):
    """Rows (a template each) that were added since the segment was loaded, in order.

    Views share the arrays, which may grow beyond `rows`.
    """

    rows: int
    templates: NDArray[np.float32]
    """(capacity, dimensions), valid up to `rows`"""
    faceids: Sequence[str]
    """one for each row, valid up to `rows`"""
    first_row: NDArray[np.int64]
    """(capacity,) the first row of each row's face, valid up to `rows`"""
    row_group: NDArray[np.int32]
    """(rows,) group number, -1: the row's face is gone or has newer templates"""
    largest_norm: float


class View(Struct, frozen=True, dict=True):
    """The gallery as it was at the edit of number `seq`; it never changes.

    Faces have numbers: those of the base, which was loaded, come first. A face of the tail, which
    was added since, has the number of its first row there, behind them.
    """

    seq: int
    base: Segment
    base_group: NDArray[np.int32]
    """(faces of the base,) group number, -1: the face is gone or is in the tail"""
    tail: Tail
    groups: Mapping[str, int]
    """group number by id"""
    sizes: Mapping[int, int]
    """faces by group number"""
    _chosen: dict[tuple[str, ...] | None, Chosen] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.base.templates) + self.tail.rows

    @property
    def faces(self) -> int:
        return sum(self.sizes.values())

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Return, for each probe (a template that is searched for), the faces most like it.

        They are the best of the groups that the request names, as many as its limit. Each has at
        least the score of `_compute_least_scores`. Raises InvalidInput for probes of a wrong
        length.
        """
        probes = request.probes
        if probes.shape[1] != self._dimensions and self.rows:
            raise InvalidInput(
                f"the gallery's templates have {self._dimensions} dimensions, the probes "
                f"{probes.shape[1]}"
            )
        chosen = self._choose_faces(request.group_ids)
        least_scores = _compute_least_scores(request, chosen.size)
        best_of_probe = self._find_best(probes, chosen, request.limit, least_scores)
        candidates = tuple([self._name_candidates(best) for best in best_of_probe])
        templates: tuple[tuple[bytes, ...], ...] = ()
        if request.templates:
            templates = tuple(
                [tuple(map(self._read_template, best.faces)) for best in best_of_probe]
            )
        return SearchAnswer(self.seq, chosen.size, candidates, templates)

    def _choose_faces(self, asked_groups: Sequence[str] | None) -> Chosen:
        """Return the faces to search, those in the groups of these ids, and how many there are.

        None stands for all groups but those of face sets. The last few choices are remembered,
        since most searches ask for the same groups.
        """
        key = None if asked_groups is None else tuple(asked_groups)
        if chosen := self._chosen.get(key):
            return chosen
        if asked_groups is None:
            asked_groups = [group_id for group_id in self.groups if not is_face_set(group_id)]
        group_numbers = list({self.groups[each] for each in asked_groups if each in self.groups})
        size = sum(self.sizes.get(number, 0) for number in group_numbers)
        # By group number. The last one is that of NOBODY, -1, and stays False.
        is_searched = np.zeros(len(self.groups) + 1, dtype=bool)
        is_searched[group_numbers] = True
        base, base_group = self.base, self.base_group
        row_numbers = None  # look at all rows, one after another, which is fast
        if size * _FACES_PER_LOOKUP < len(base_group):
            row_numbers = self._list_rows_of_faces(is_searched[base_group])
        rows = Rows(
            templates=base.templates,
            coder=base.coder,
            codes=base.codes,
            first_row=base.first_row,
            group=base_group,
            is_group_searched=is_searched,
            numbers=row_numbers,
        )
        if len(self._chosen) >= _REMEMBERED:
            self._chosen.clear()
        self._chosen[key] = chosen = Chosen(size, rows)
        return chosen  # not what is remembered: another thread may clear that

    def _find_best(
        self, probes: NDArray[np.float32], chosen: Chosen, limit: int, least_scores: Sequence[float]
    ) -> list[BestFaces]:
        """Return each probe's `limit` best faces among the chosen ones, searching base and tail.

        A probe is a template that is searched for. `least_scores` has for each the lowest score
        that counts.
        """
        bests = [
            (probe, BestFaces(limit, least_score))
            for probe, least_score in zip(probes, least_scores, strict=True)
        ]
        if chosen.size and bests:
            if len(self.base.templates):
                scan(chosen.rows, bests)
            if self.tail.rows:  # afterwards, since few of its rows then have a score that counts
                self._search_tail(bests, chosen.rows.is_group_searched)
        return [best for _, best in bests]

    def _search_tail(self, bests: ProbesAndBest, is_group_searched: NDArray[np.bool_]) -> None:
        """Add to each probe's best faces those of the tail, rows added since the base was loaded.

        A probe is a template that is searched for. `is_group_searched` is by group number. A row
        whose face is gone has the group NOBODY, -1, for which that says False at its end.
        """
        tail = self.tail
        # A face of the tail has the number of its first row there, behind all faces of the base.
        face_of_row = len(self.base_group) + tail.first_row[: tail.rows]
        is_row_searched = is_group_searched[tail.row_group]
        faces = np.where(is_row_searched, face_of_row, NOBODY)  # NOBODY's rows are passed over
        for probe, best in bests:
            scan_plain(tail.templates[: tail.rows], tail.largest_norm, faces, probe, best)

    def _list_rows_of_faces(self, is_face_searched: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the numbers of the base's rows whose faces are searched, in order."""
        is_row_searched = is_face_searched
        has_one_row_each = len(self.base.templates) == len(self.base_group)
        if not has_one_row_each:
            is_row_searched = np.repeat(is_face_searched, np.diff(self.base.first_row))
        return np.flatnonzero(is_row_searched).astype(np.int32)

    def _name_candidates(self, best: BestFaces) -> tuple[Candidate, ...]:
        """Return the best faces as an answer has them, with id, group and score, the best first.

        Faces of the same score are in the order of their ids.
        """
        # The base's are so already, since its numbers are in the order of the ids. More than the
        # limit are there if several tie with the last one.
        if self.tail.rows or len(best.faces) > best.limit:
            best.rank(self._faceid)
        faces_and_scores, groups = zip(best.faces, best.scores, strict=True), self._group_ids
        if self.tail.rows:
            return tuple(
                [
                    Candidate(self._faceid(face), groups[self._group(face)], score)
                    for face, score in faces_and_scores
                ]
            )
        # All are the base's. A NamedTuple made by its base class takes half of the time.
        names, group, make_tuple = self.base.ids.names, self.base_group.data, tuple.__new__
        return tuple(
            [
                make_tuple(Candidate, (names[face], groups[group[face]], score))
                for face, score in faces_and_scores
            ]
        )

    def _faceid(self, face: int) -> str:
        """Return the id of the face of this number; the tail's come after the base's."""
        in_tail = face - len(self.base_group)
        return self.base.ids.names[face] if in_tail < 0 else self.tail.faceids[in_tail]

    def _group(self, face: int) -> int:
        """Return the number of a face's group; the tail's faces come after the base's."""
        in_tail = face - len(self.base_group)
        return int(self.base_group[face] if in_tail < 0 else self.tail.row_group[in_tail])

    @cached_property
    def _group_ids(self) -> dict[int, str]:
        """Group ids by number."""
        return {number: group_id for group_id, number in self.groups.items()}

    def _read_template(self, face: int) -> bytes:
        """Return the template of the face of this number; of several, their mean.

        Faces are numbered through the base, which was loaded, and then the tail, which was added
        since. A face of the tail has the number of its first row there.
        """
        in_tail = face - len(self.base_group)
        if in_tail < 0:
            rows = self.base.templates[self.base.first_row[face] : self.base.first_row[face + 1]]
        else:
            (tail_rows,) = np.nonzero(self.tail.first_row[: self.tail.rows] == in_tail)
            rows = self._copy_templates(tail_rows + len(self.base.templates))
        row = rows[0] if len(rows) == 1 else fuse_embeddings(rows.astype(np.float32))
        return np.asarray(row, dtype="<f2").tobytes()

    @cached_property
    def _dimensions(self) -> int:
        """How many numbers a template has."""
        templates = self.base.templates if len(self.base.templates) else self.tail.templates
        return int(templates.shape[1])

    def make_segment(self, model: str) -> Segment:
        """Return a segment, the form of a gallery that is stored or searched, of all faces here.

        A view is the base, which was loaded, and the tail, rows that were added since. The segment
        has the faces of both in the order of their ids, and nobody who is gone.
        """
        base, tail = self.base, self.tail
        if not tail.rows and np.array_equal(self.base_group, base.face_group):
            return replace(base, seq=self.seq)  # nothing has changed
        # Who is still here? A face of the tail is numbered behind the base's, by its first row.
        is_first_row = tail.first_row[: tail.rows] == np.arange(tail.rows)
        base_faces = np.flatnonzero(self.base_group >= 0).tolist()
        tail_rows = np.flatnonzero((tail.row_group >= 0) & is_first_row).tolist()
        ids_and_numbers = [(base.ids[face], face) for face in base_faces]
        ids_and_numbers += [(tail.faceids[row], len(base.ids) + row) for row in tail_rows]
        ids_and_numbers.sort()
        order = np.array([face for _, face in ids_and_numbers], dtype=np.int64)
        # Where are their rows? These three have a number for each face, gone or not.
        base_begins = base.first_row.astype(np.int64)
        tail_counts = np.bincount(tail.first_row[: tail.rows], minlength=tail.rows)
        tail_begins = len(base.templates) + np.arange(tail.rows)
        row_counts: NDArray[np.int64] = np.concatenate((np.diff(base_begins), tail_counts))
        first_rows: NDArray[np.int64] = np.concatenate((base_begins[:-1], tail_begins))
        groups: NDArray[np.int32] = np.concatenate((self.base_group, tail.row_group))
        rows = _list_rows(first_rows[order], row_counts[order])
        return segment_of_rows(
            model=model,
            seq=self.seq,
            faceids=[faceid for faceid, _ in ids_and_numbers],
            group_ids=sorted(self.groups, key=self.groups.__getitem__),
            face_group=groups[order],
            counts=row_counts[order],
            templates=self._copy_templates(rows),
        )

    def _copy_templates(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return a copy of these rows (a template each), (rows, dimensions).

        Rows are numbered through the base, which was loaded, and then the tail, which was added
        since.
        """
        base, tail = self.base.templates, self.tail.templates
        templates = np.empty((len(rows), self._dimensions), dtype=np.float16)
        for begin in range(0, len(rows), _COPIED_AT_ONCE):  # else numpy copies all of them twice
            block = slice(begin, begin + _COPIED_AT_ONCE)
            target, is_tail = templates[block], rows[block] >= len(base)
            if len(base):  # an empty base has no dimensions either
                target[~is_tail] = base[rows[block][~is_tail]]
            target[is_tail] = tail[rows[block][is_tail] - len(base)]
        return templates


_COPIED_AT_ONCE = 16_384
"""Rows of templates."""


def _compute_least_scores(request: SearchRequest, gallery_size: int) -> list[float]:
    """Return for each probe of a search the score that a face has to reach to be a candidate.

    That is a threshold, 0.45 say, and more in a larger gallery. The request's operating point is
    the rule for it. A pair of faces whom many people resemble demands more, 0.03 say. Which pairs
    there are is not known yet. So only the least that the probe demands with anybody is added, and
    the caller judges each candidate by its own. Without an operating point, all are candidates.
    """
    point, probe_count = request.operating_point, len(request.probes)
    if point is None:
        return [-math.inf] * probe_count
    least_demands = request.least_demands or [0.0] * probe_count
    return [point.find_threshold(gallery_size, least) for least in least_demands]


def _list_rows(firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of each face, one behind the other.

    Firsts 7 and 2 with counts 2 and 3 give 7 8 2 3 4.
    """
    begins = np.cumsum(counts) - counts
    return np.repeat(firsts - begins, counts) + np.arange(int(counts.sum()))


_MIN_ROWS = 64
"""Rows for which room is made at first; it doubles when they are full."""
_LONG_TAIL = 1_024
"""Rows after the segment that make a new segment worth it, if they are also one in `_TAIL_SHARE` of
all. It is also the number of changes after which a gallery that stayed slow may be loaded again."""
_TAIL_SHARE = 32
"""See `_LONG_TAIL`: rows of the segment for each row after it."""
_QUICK = 4_096
"""Faces up to which a new segment is made at once; a larger gallery's holder loads the newest
snapshot instead."""


class Gallery:
    """A tenant's faces with one model's templates, kept up to date by the journal, the list of its
    edits.

    Changes come one at a time; a search takes a view without a lock. `_base...` is of the segment
    that was loaded, which faces may leave or change groups in; `_tail...` of the rows that came
    since. Groups have numbers, in the order in which they came.
    """

    def __init__(self, model: str, segment: Segment | None) -> None:
        self.model = model
        self.changing = threading.Lock()
        """The thread that applies the journal holds it."""
        self.loaded_at = 0
        """The seq that it had when its holder began to search in it."""
        self._tail_group_by_row: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._begin_from(segment or empty_segment(model))

    @property
    def is_long(self) -> bool:
        """True if so many faces were added or removed that a new segment would make searches
        faster."""
        view = self.view
        limit = max(_LONG_TAIL, len(view.base.templates) // _TAIL_SHARE)
        most_gone = max(limit, len(view.base_group) // 2)
        return view.tail.rows > limit or self._base_faces_gone > most_gone

    def is_slow_at(self, seq: int) -> bool:
        """Tell whether a freshly loaded copy of the gallery is likely to be faster.

        It is if the tail is long, and so many changes came since this one was loaded. `seq`: the
        number of the latest change.
        """
        return self.is_long and seq - self.loaded_at >= _LONG_TAIL

    @property
    def hot_bytes(self) -> int:
        """Bytes that the gallery keeps in memory for searches."""
        view = self.view
        tail = view.tail.templates.nbytes + view.tail.first_row.nbytes + 120 * view.tail.rows
        return view.base.hot_bytes + view.base_group.nbytes + tail

    def apply_entries(self, entries: Iterable[JournalEntry], seq: int) -> View:
        """Apply edits of the journal, let searches see them, and return the gallery as it then is.

        A search takes a view, which never changes. So edits change copies of what views share, and
        a new view follows at the end. `seq` is the number of the last edit. The caller holds the
        lock `changing`. A small gallery with many new rows behind its base begins again from a new
        base.
        """
        # Views that searches hold share the groups of both. Those of the tail are copied now, those
        # of the base, which may have a million faces, when one of it changes.
        self._tail_group_by_row = self._tail_group_by_row.copy()
        self._are_base_groups_shared = True
        for entry in entries:
            self._apply_entry(entry)
        self.view = self._publish_view(seq)
        if self.is_long and self.view.faces <= _QUICK:
            self._begin_from(self.view.make_segment(self.model))
        return self.view

    def _apply_entry(self, entry: JournalEntry) -> None:
        """Do what one edit of the journal says: add, move or remove a face, or drop a group.

        A face that is added again replaces itself. Templates of other face models are left out.
        """
        if entry.edit is Edit.DROP:
            self._remove_group(entry.group_id)
        elif entry.edit is Edit.MOVE:
            self._move_face(entry.faceid, entry.group_id)
        elif entry.edit is Edit.DELETE:
            self._remove_face(entry.faceid)
        else:
            vectors = [
                parse_vector(template)
                for template in entry.templates
                if template.model == self.model
            ]
            # EMBED gives a face one model's templates; that of another changes nothing here.
            if vectors or entry.edit is not Edit.EMBED:
                self._remove_face(entry.faceid)
                self._add_face(entry.faceid, entry.group_id, vectors)

    def _begin_from(self, segment: Segment) -> None:
        """Take a segment, a gallery as it was loaded, for the base, and begin an empty tail.

        The tail has rows of faces that come later. Views that searches hold stay as they are.
        """
        self._base = segment
        self._number_by_group_id = {
            group_id: number for number, group_id in enumerate(segment.group_ids)
        }
        self._base_group_by_face = segment.face_group.astype(np.int32)
        group_numbers, face_counts = np.unique(self._base_group_by_face, return_counts=True)
        self._face_count_by_group = dict(
            zip(group_numbers.tolist(), face_counts.tolist(), strict=True)
        )
        self._are_base_groups_shared = True
        self._base_faces_gone = 0
        self._tail_faceids: list[str] = []
        self._tail_rows_by_faceid: dict[str, range] = {}
        self._tail_first_rows = np.empty(0, dtype=np.int64)
        self._tail_group_by_row = np.empty(0, dtype=np.int32)
        self._tail_templates = np.empty((0, segment.templates.shape[1]), dtype=np.float32)
        self._tail_largest_norm = 0.0
        self.view = self._publish_view(segment.seq)

    def _publish_view(self, seq: int) -> View:
        """Return a view, the gallery as it is now, which later edits do not change.

        `seq` is the number of the last edit that is applied. The base is what was loaded, the tail
        what was added since.
        """
        # Base and tail may have a million rows, so they are not copied. The tail's lists only grow,
        # behind the rows of this view; arrays of groups are copied before an edit changes them.
        row_count = len(self._tail_faceids)
        tail = Tail(
            rows=row_count,
            templates=self._tail_templates,
            faceids=self._tail_faceids,
            first_row=self._tail_first_rows,
            row_group=self._tail_group_by_row[:row_count],
            largest_norm=self._tail_largest_norm,
        )
        return View(
            seq=seq,
            base=self._base,
            base_group=self._base_group_by_face,
            tail=tail,
            groups=dict(self._number_by_group_id),
            sizes=dict(self._face_count_by_group),
        )

    def _add_face(self, faceid: str, group_id: str, vectors: list[NDArray[np.float32]]) -> None:
        """Add a face that is not here, with a row for each of its templates (`vectors`).

        The rows go to the end of the tail, which has what came since the base was loaded. Nothing
        is done if there is no template.
        """
        if not vectors:
            return
        group_number = self._find_group_number(group_id)
        begin = len(self._tail_faceids)
        rows = range(begin, begin + len(vectors))
        self._reserve_rows(rows.stop, len(vectors[0]))
        self._tail_templates[begin : rows.stop] = vectors
        self._tail_first_rows[begin : rows.stop] = begin
        self._tail_group_by_row[begin : rows.stop] = group_number
        self._tail_faceids += [faceid] * len(vectors)
        self._tail_rows_by_faceid[faceid] = rows
        self._face_count_by_group[group_number] = self._face_count_by_group.get(group_number, 0) + 1
        norms = [float(np.linalg.norm(vector)) for vector in vectors]
        self._tail_largest_norm = max(self._tail_largest_norm, *norms)

    def _find_group_number(self, group_id: str) -> int:
        """Return the number of a group; a new group gets the next one."""
        return self._number_by_group_id.setdefault(group_id, len(self._number_by_group_id))

    def _remove_face(self, faceid: str) -> None:
        """Let a face leave the gallery; one that is not here stays away."""
        self._regroup(faceid, NOBODY)
        self._tail_rows_by_faceid.pop(faceid, None)

    def _remove_group(self, group_id: str) -> None:
        """Let all faces of a group leave the gallery.

        Their rows stay, since views that searches hold share them, and then belong to NOBODY. Some
        are in the base (what was loaded), others in the tail, which was added since.
        """
        group_number = self._number_by_group_id.get(group_id)
        if group_number is None:
            return
        is_tail_row = self._tail_group_by_row == group_number
        for row in np.flatnonzero(is_tail_row).tolist():
            self._tail_rows_by_faceid.pop(self._tail_faceids[row], None)
        self._tail_group_by_row[is_tail_row] = NOBODY
        is_base_face = self._base_group_by_face == group_number
        self._base_faces_gone += int(np.count_nonzero(is_base_face))
        # A new array: earlier views keep theirs.
        self._base_group_by_face = np.where(
            is_base_face, np.int32(NOBODY), self._base_group_by_face
        )
        self._are_base_groups_shared = False
        self._face_count_by_group[group_number] = 0

    def _move_face(self, faceid: str, group_id: str) -> None:
        """Put a face into another group; one that is not here stays away."""
        is_here = faceid in self._tail_rows_by_faceid or self._find_in_base(faceid) is not None
        if is_here:
            self._regroup(faceid, self._find_group_number(group_id))

    def _regroup(self, faceid: str, group_number: int) -> None:
        """Put a face into the group of this number, or NOBODY; do nothing for one that is not here.

        It is in the base (what was loaded) or in the tail, the rows that were added since. Its old
        group's count falls, and the new one's rises.
        """
        tail_rows, base_face = self._tail_rows_by_faceid.get(faceid), self._find_in_base(faceid)
        if tail_rows is not None:
            old_number = int(self._tail_group_by_row[tail_rows.start])
            self._tail_group_by_row[tail_rows.start : tail_rows.stop] = group_number
        elif base_face is not None:
            old_number = int(self._base_group_by_face[base_face])
            if self._are_base_groups_shared:  # a view that searches hold shares it: change a copy
                self._base_group_by_face = self._base_group_by_face.copy()
                self._are_base_groups_shared = False
            self._base_group_by_face[base_face] = group_number
            self._base_faces_gone += group_number == NOBODY
        else:
            return
        counts = self._face_count_by_group
        counts[old_number] -= 1
        if group_number != NOBODY:
            counts[group_number] = counts.get(group_number, 0) + 1

    def _find_in_base(self, faceid: str) -> int | None:
        """Return the face's number in the segment that was loaded; None if it has left that."""
        face = self._base.ids.find(faceid)
        if face is None or self._base_group_by_face[face] == NOBODY:
            return None
        return face

    def _reserve_rows(self, rows: int, dimensions: int) -> None:
        """Make room in the tail for `rows` rows in all, by larger arrays if they do not fit.

        The rows filled so far are copied. Earlier views keep their arrays.
        """
        if rows <= len(self._tail_templates):
            return
        row_count = len(self._tail_faceids)  # those that are filled
        room = max(_MIN_ROWS, 2 * len(self._tail_templates), rows)
        templates = np.empty((room, dimensions), dtype=np.float32)
        templates[:row_count] = self._tail_templates[:row_count].reshape(-1, dimensions)
        first_rows = np.empty(room, dtype=np.int64)
        first_rows[:row_count] = self._tail_first_rows[:row_count]
        groups = np.full(room, NOBODY, dtype=np.int32)
        groups[:row_count] = self._tail_group_by_row[:row_count]
        self._tail_templates = templates
        self._tail_first_rows = first_rows
        self._tail_group_by_row = groups
