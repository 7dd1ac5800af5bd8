"""A tenant's gallery in memory: a segment and the journal applied to it, searchable while it
changes."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.search.scan.scan import BestFaces, Found, Rows, scan, scan_plain
from chalicelib.book.search.snapshots.segment import Segment, empty_segment, segment_of_rows
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Candidate, Edit, JournalEntry
from chalicelib.domain.rules.decision import SearchAnswer, SearchRequest
from chalicelib.domain.rules.templates import fuse_embeddings, is_users, parse_vector

NOBODY = -1
"""In place of a group, for a row or face that has left the gallery."""
_FACES_PER_LOOKUP = 8
"""Rows are looked up one by one if less than one face in so many is searched; else all are
scanned."""
_REMEMBERED = 4
"""Choices of groups that a view remembers."""


class Chosen(Struct, frozen=True):
    """The faces of a view that are in the groups which a search names."""

    size: int
    rows: Rows


class Tail(Struct, frozen=True):
    """Rows that were added since the segment, in order.

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
    """The gallery at `seq`, which never changes."""

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
        """Search these faces, which are of the request's model, as FaceSearch says
        (domain/rules/decision).

        A probe's demand is by how much more than the usual threshold a face must score, since many
        people resemble the two. A search takes the least demand that the probe has with any face;
        its caller then judges each candidate by the candidate's own. Raises InvalidInput for other
        dimensions.
        """
        probes, point = request.probes, request.operating_point
        if probes.shape[1] != self._dimensions and self.rows:
            raise InvalidInput(
                f"the gallery's templates have {self._dimensions} dimensions, the probes "
                f"{probes.shape[1]}"
            )
        chosen = self._choose_faces(request.group_ids)
        gallery_size = chosen.size
        least_demands = request.least_demands or (0.0,) * len(probes)
        least_scores = [
            -math.inf if point is None else point.find_threshold(gallery_size, least_demand)
            for least_demand in least_demands
        ]
        best_of_probe = self._find_best(probes, chosen, request.limit, least_scores)
        candidates = tuple([self._name_candidates(best) for best in best_of_probe])
        templates: tuple[tuple[bytes, ...], ...] = ()
        if request.templates:
            templates = tuple(
                [tuple(map(self._read_template, best.faces)) for best in best_of_probe]
            )
        return SearchAnswer(self.seq, gallery_size, candidates, templates)

    def _choose_faces(self, asked_groups: Sequence[str] | None) -> Chosen:
        """Find the faces in the groups that a search asks for.

        None: in all groups but those whose entries are users.

        A user is an entry for several faces of one person. The last few choices are remembered. If
        few faces are chosen, their rows are listed for the scan.
        """
        key = None if asked_groups is None else tuple(asked_groups)
        if chosen := self._chosen.get(key):
            return chosen
        if asked_groups is None:
            group_numbers = [
                number for group_id, number in self.groups.items() if not is_users(group_id)
            ]
        else:
            group_numbers = list(
                {self.groups[group_id] for group_id in asked_groups if group_id in self.groups}
            )
        size = sum(self.sizes.get(number, 0) for number in group_numbers)
        # the last one is that of NOBODY, -1
        group_mask = np.zeros(len(self.groups) + 1, dtype=bool)
        group_mask[group_numbers] = True
        base, base_group = self.base, self.base_group
        is_small = size * _FACES_PER_LOOKUP < len(base_group)
        row_numbers = self._list_rows_of_faces(group_mask[base_group]) if is_small else None
        chosen = Chosen(
            size,
            Rows(
                templates=base.templates,
                coder=base.coder,
                codes=base.codes,
                first_row=base.first_row,
                group=base_group,
                is_group_searched=group_mask,
                numbers=row_numbers,
            ),
        )
        if len(self._chosen) >= _REMEMBERED:
            self._chosen.clear()
        self._chosen[key] = chosen
        return chosen

    def _find_best(
        self, probes: NDArray[np.float32], chosen: Chosen, limit: int, least_scores: Sequence[float]
    ) -> list[BestFaces]:
        """Find each probe's best faces among the chosen ones.

        `least_scores`: the lowest that counts, by probe.
        """
        bests = [
            (probe, BestFaces(limit, score))
            for probe, score in zip(probes, least_scores, strict=True)
        ]
        if chosen.size and bests:
            if len(self.base.templates):
                scan(chosen.rows, bests)
            if self.tail.rows:  # afterwards, since few of its rows then have a score that counts
                self._search_tail(bests, chosen.rows.is_group_searched)
        return [best for _, best in bests]

    def _search_tail(self, bests: Found, group_mask: NDArray[np.bool_]) -> None:
        tail = self.tail
        faces = np.where(
            group_mask[tail.row_group], tail.first_row[: tail.rows] + len(self.base_group), NOBODY
        )
        for probe, best in bests:
            scan_plain(tail.templates[: tail.rows], tail.largest_norm, faces, probe, best)

    def _list_rows_of_faces(self, of_face: NDArray[np.bool_]) -> NDArray[np.int32]:
        """List the base's rows whose faces are searched, in order."""
        if len(self.base.templates) == len(self.base_group):
            return np.flatnonzero(of_face).astype(np.int32)
        return np.flatnonzero(np.repeat(of_face, np.diff(self.base.first_row))).astype(np.int32)

    def _name_candidates(self, best: BestFaces) -> tuple[Candidate, ...]:
        """Put the best faces into the order of an answer, and name them."""
        # else they are, since numbers are in the order of faceids
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
        # half of Candidate's time
        names, group, make_tuple = self.base.ids.names, self.base_group.data, tuple.__new__
        return tuple(
            [
                make_tuple(Candidate, (names[face], groups[group[face]], score))
                for face, score in faces_and_scores
            ]
        )

    def _faceid(self, face: int) -> str:
        behind = face - len(self.base_group)
        return self.base.ids.names[face] if behind < 0 else self.tail.faceids[behind]

    def _group(self, face: int) -> int:
        behind = face - len(self.base_group)
        return int(self.base_group[face] if behind < 0 else self.tail.row_group[behind])

    @cached_property
    def _group_ids(self) -> dict[int, str]:
        """Group ids by number."""
        return {number: group_id for group_id, number in self.groups.items()}

    def _read_template(self, face: int) -> bytes:
        """Return the face's template, or the mean if it has several."""
        behind = face - len(self.base_group)
        if behind >= 0:
            (numbers,) = np.nonzero(self.tail.first_row[: self.tail.rows] == behind)
            rows = self._copy_templates(numbers + len(self.base.templates))
        else:
            rows = self.base.templates[self.base.first_row[face] : self.base.first_row[face + 1]]
        row = rows[0] if len(rows) == 1 else fuse_embeddings(rows.astype(np.float32))
        return np.asarray(row, dtype="<f2").tobytes()

    @cached_property
    def _dimensions(self) -> int:
        return int(
            (self.base.templates if len(self.base.templates) else self.tail.templates).shape[1]
        )

    def make_segment(self, model: str) -> Segment:
        """Make a new segment of this view's faces, in the order of their faceids: those of the base
        and of the tail.

        A face of the tail is numbered behind the base's, by its first row.
        """
        base, tail = self.base, self.tail
        if not tail.rows and np.array_equal(self.base_group, base.face_group):
            return replace(base, seq=self.seq)
        is_first_row = tail.first_row[: tail.rows] == np.arange(tail.rows)
        base_faces = np.flatnonzero(self.base_group >= 0).tolist()
        tail_rows = np.flatnonzero((tail.row_group >= 0) & is_first_row).tolist()
        ids_and_numbers = [(base.ids[face], face) for face in base_faces]
        ids_and_numbers += [(tail.faceids[row], len(base.ids) + row) for row in tail_rows]
        ids_and_numbers.sort()
        tail_counts = np.bincount(tail.first_row[: tail.rows], minlength=tail.rows)
        row_counts: NDArray[np.int64] = np.concatenate(
            (np.diff(base.first_row.astype(np.int64)), tail_counts)
        )
        first_rows: NDArray[np.int64] = np.concatenate(
            (base.first_row[:-1].astype(np.int64), len(base.templates) + np.arange(tail.rows))
        )
        order = np.array([face for _, face in ids_and_numbers], dtype=np.int64)
        groups: NDArray[np.int32] = np.concatenate((self.base_group, tail.row_group))
        return segment_of_rows(
            model,
            self.seq,
            [faceid for faceid, _ in ids_and_numbers],
            sorted(self.groups, key=self.groups.__getitem__),
            groups[order],
            row_counts[order],
            self._copy_templates(_list_rows(first_rows[order], row_counts[order])),
        )

    def _copy_templates(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Copy the templates of these rows, (rows, dimensions).

        The tail's rows are numbered after the base's.
        """
        base = self.base.templates
        templates = np.empty((len(rows), self._dimensions), dtype=np.float16)
        behind = rows >= len(base)
        templates[~behind] = base[rows[~behind]] if len(base) else 0
        templates[behind] = self.tail.templates[rows[behind] - len(base)]
        return templates


def _list_rows(firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """List the rows of each face, one behind the other: of firsts 7 and 2, counts 2 and 3, they are
    7 8 2 3 4."""
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
    """A tenant's faces with one model's templates.

    Changes come one at a time; a search takes a view without a lock.
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
        """True if so many faces came or went since the segment that a new one would make searches
        faster."""
        view = self.view
        limit = max(_LONG_TAIL, len(view.base.templates) // _TAIL_SHARE)
        return view.tail.rows > limit or self._base_faces_gone > max(
            limit, len(view.base_group) // 2
        )

    def is_slow_at(self, seq: int) -> bool:
        """Tell if a gallery loaded anew is likely to be faster: the tail is long, and was not so
        from the beginning."""
        return self.is_long and seq - self.loaded_at >= _LONG_TAIL

    @property
    def hot_bytes(self) -> int:
        """Bytes that the gallery keeps in memory for searches."""
        view = self.view
        tail = view.tail.templates.nbytes + view.tail.first_row.nbytes + 120 * view.tail.rows
        return view.base.hot_bytes + view.base_group.nbytes + tail

    def apply_entries(self, entries: Iterable[JournalEntry], seq: int) -> View:
        """Apply journal entries up to `seq` and publish the new view; the caller holds the lock
        `changing`.

        A small gallery that has grown long begins from a new segment.
        """
        self._tail_group_by_row = self._tail_group_by_row.copy()
        self._view_uses_base = True
        for entry in entries:
            if entry.edit is Edit.DROP:
                self._remove_group(entry.group_id)
            elif entry.edit in (Edit.PUT, Edit.REPLACE, Edit.EMBED):
                vectors = [
                    parse_vector(template)
                    for template in entry.templates
                    if template.model == self.model
                ]
                # that of another model changes nothing here
                if vectors or entry.edit is not Edit.EMBED:
                    self._remove_face(entry.faceid)
                    self._add_face(entry.faceid, entry.group_id, vectors)
            elif entry.edit is Edit.MOVE:
                self._move_face(entry.faceid, entry.group_id)
            else:
                self._remove_face(entry.faceid)
        self.view = self._publish_view(seq)
        if self.is_long and self.view.faces <= _QUICK:
            self._begin_from(self.view.make_segment(self.model))
        return self.view

    def _begin_from(self, segment: Segment) -> None:
        """Begin with the faces of a segment, the base.

        The tail is empty: it takes the faces that are added later.

        Groups have numbers, in the order in which they came.
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
        self._view_uses_base = True
        self._base_faces_gone = 0
        self._tail_faceids: list[str] = []
        self._tail_rows_by_faceid: dict[str, range] = {}
        self._tail_first_rows = np.empty(0, dtype=np.int64)
        self._tail_group_by_row = np.empty(0, dtype=np.int32)
        self._tail_templates = np.empty((0, segment.templates.shape[1]), dtype=np.float32)
        self._tail_largest_norm = 0.0
        self.view = self._publish_view(segment.seq)

    def _publish_view(self, seq: int) -> View:
        """Make a view of the gallery as it is now, which later edits do not change.

        `seq`: the number of the last edit that is applied. The base is the segment that was loaded;
        a face of it that has gone since has the group NOBODY. The tail has the rows that were added
        since.
        """
        # Base and tail may have a million rows, so they are not copied. The tail's lists only grow,
        # behind the rows of this view; arrays of groups are copied before an edit changes them.
        tail = Tail(
            len(self._tail_faceids),
            self._tail_templates,
            self._tail_faceids,
            self._tail_first_rows,
            self._tail_group_by_row[: len(self._tail_faceids)],
            self._tail_largest_norm,
        )
        return View(
            seq,
            self._base,
            self._base_group_by_face,
            tail,
            dict(self._number_by_group_id),
            dict(self._face_count_by_group),
        )

    def _add_face(self, faceid: str, group_id: str, vectors: list[NDArray[np.float32]]) -> None:
        """Add the rows of a face that is not here, behind all others.

        Do nothing if it has no template.
        """
        if not vectors:
            return
        number = self._number_by_group_id.setdefault(group_id, len(self._number_by_group_id))
        begin = len(self._tail_faceids)
        rows = range(begin, begin + len(vectors))
        self._reserve_rows(rows.stop, len(vectors[0]))
        self._tail_templates[begin : rows.stop] = vectors
        self._tail_first_rows[begin : rows.stop] = begin
        self._tail_group_by_row[begin : rows.stop] = number
        self._tail_faceids += [faceid] * len(vectors)
        self._tail_rows_by_faceid[faceid] = rows
        self._face_count_by_group[number] = self._face_count_by_group.get(number, 0) + 1
        self._tail_largest_norm = max(
            self._tail_largest_norm, *(float(np.linalg.norm(v)) for v in vectors)
        )

    def _remove_face(self, faceid: str) -> None:
        self._regroup(faceid, NOBODY)
        self._tail_rows_by_faceid.pop(faceid, None)

    def _remove_group(self, group_id: str) -> None:
        number = self._number_by_group_id.get(group_id)
        if number is None:
            return
        for row in np.flatnonzero(self._tail_group_by_row == number).tolist():
            self._tail_rows_by_faceid.pop(self._tail_faceids[row], None)
        self._tail_group_by_row[self._tail_group_by_row == number] = NOBODY
        self._base_faces_gone += int(np.count_nonzero(self._base_group_by_face == number))
        self._base_group_by_face = np.where(
            self._base_group_by_face == number, np.int32(NOBODY), self._base_group_by_face
        )
        self._view_uses_base = False
        self._face_count_by_group[number] = 0

    def _move_face(self, faceid: str, group_id: str) -> None:
        if faceid in self._tail_rows_by_faceid or self._in_base(faceid) is not None:
            self._regroup(
                faceid, self._number_by_group_id.setdefault(group_id, len(self._number_by_group_id))
            )

    def _regroup(self, faceid: str, number: int) -> None:
        """Put a face into the group of this number, or NOBODY; one that is not here stays away.

        Earlier views share the base's groups, so these are copied before their first change.
        """
        rows, face = self._tail_rows_by_faceid.get(faceid), self._in_base(faceid)
        if rows is not None:
            old_number = int(self._tail_group_by_row[rows.start])
            self._tail_group_by_row[rows.start : rows.stop] = number
        elif face is not None:
            old_number = int(self._base_group_by_face[face])
            if self._view_uses_base:
                self._base_group_by_face = self._base_group_by_face.copy()
                self._view_uses_base = False
            self._base_group_by_face[face] = number
            self._base_faces_gone += number == NOBODY
        else:
            return
        self._face_count_by_group[old_number] -= 1
        if number != NOBODY:
            self._face_count_by_group[number] = self._face_count_by_group.get(number, 0) + 1

    def _in_base(self, faceid: str) -> int | None:
        """Return the face's number in the segment; None if it is not there any more."""
        face = self._base.ids.find(faceid)
        return face if face is not None and self._base_group_by_face[face] != NOBODY else None

    def _reserve_rows(self, rows: int, dimensions: int) -> None:
        """Make room for so many rows. Earlier views keep their arrays."""
        if rows > len(self._tail_templates):
            row_count = len(self._tail_faceids)
            room = max(_MIN_ROWS, 2 * len(self._tail_templates), rows)
            grown = np.empty((room, dimensions), dtype=np.float32)
            grown[:row_count] = self._tail_templates[:row_count].reshape(-1, dimensions)
            firsts = np.empty(room, dtype=np.int64)
            firsts[:row_count] = self._tail_first_rows[:row_count]
            groups = np.full(room, NOBODY, dtype=np.int32)
            groups[:row_count] = self._tail_group_by_row[:row_count]
            self._tail_templates = grown
            self._tail_first_rows = firsts
            self._tail_group_by_row = groups
