"""A gallery at one seq, which a search reads without a lock while the gallery changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Candidate
from chalicelib.core.search import SearchAnswer, SearchRequest
from chalicelib.core.templates import fused
from chalicelib.core.users import is_users
from chalicelib.index.scan.rows import BestFaces, Found, Rows
from chalicelib.index.scan.scan import scan, scan_plain
from chalicelib.index.snapshots import build_segment
from chalicelib.index.snapshots.segment import Segment

NOBODY = -1
_FEW = 8
"""Rows are looked up one by one if fewer than one in so many faces is searched."""
_REMEMBERED = 4
"""Choices of groups that a view remembers."""


@dataclass(frozen=True)
class Chosen:
    """The faces of a view that are in the groups which a search names."""

    size: int
    rows: Rows


@dataclass(frozen=True)
class Tail:
    """Rows that were added since the segment, in order. Views share the arrays, which may grow beyond `rows`."""

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


@dataclass(frozen=True)
class View:
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
    _chosen: dict[tuple[str, ...] | None, Chosen] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def rows(self) -> int:
        return len(self.base.templates) + self.tail.rows

    @property
    def faces(self) -> int:
        return sum(self.sizes.values())

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Search these faces, which are of the request's model, as core.search.FaceSearch says.

        Raises InvalidInput for other dimensions.
        """
        probes, point = request.probes, request.operating_point
        self._require_dimensions(probes)
        chosen = self._choose(request.group_ids)
        gallery_size = chosen.size
        cut = -math.inf if point is None else point.threshold(gallery_size)
        best = self._best(probes, chosen, (request.limit, cut))
        candidates = tuple([self._candidates(one) for one in best])
        templates = tuple([tuple(map(self._template, one.faces)) for one in best]) if request.templates else ()
        return SearchAnswer(self.seq, gallery_size, candidates, templates)

    def _choose(self, asked: Sequence[str] | None) -> Chosen:
        """Find the faces in these groups; None: in all but those of users."""
        key = None if asked is None else tuple(asked)
        if chosen := self._chosen.get(key):
            return chosen
        named = self.groups if asked is None else [group_id for group_id in asked if group_id in self.groups]
        searched = {self.groups[group_id] for group_id in named if asked is not None or not is_users(group_id)}
        size = sum(self.sizes.get(number, 0) for number in searched)
        taken = np.zeros(len(self.groups) + 1, dtype=bool)  # the last one is that of NOBODY, -1
        taken[list(searched)] = True
        base, group = self.base, self.base_group
        few = size * _FEW < len(base.ids)
        numbers = self._rows_of(taken[group]) if few else None
        chosen = Chosen(size, Rows(base.templates, base.coder, base.codes, base.first_row, group, taken, numbers))
        if len(self._chosen) >= _REMEMBERED:
            self._chosen.clear()
        self._chosen[key] = chosen
        return chosen

    def _best(self, probes: NDArray[np.float32], chosen: Chosen, limit_and_cut: tuple[int, float]) -> list[BestFaces]:
        """Find each probe's best faces among the chosen ones."""
        found = [(probe, BestFaces(*limit_and_cut)) for probe in probes]
        if chosen.size and found:
            if len(self.base.templates):
                scan(chosen.rows, found)
            if self.tail.rows:  # afterwards, since few of its rows then have a score that counts
                self._search_tail(found, chosen.rows.taken)
        return [best for _, best in found]

    def _search_tail(self, found: Found, taken: NDArray[np.bool_]) -> None:
        tail = self.tail
        faces = np.where(taken[tail.row_group], tail.first_row[: tail.rows] + len(self.base.ids), NOBODY)
        for probe, best in found:
            scan_plain(tail.templates[: tail.rows], tail.largest_norm, faces, probe, best)

    def _rows_of(self, of_face: NDArray[np.bool_]) -> NDArray[np.int32]:
        """List the base's rows whose faces are searched, in order."""
        if len(self.base.templates) == len(self.base.ids):
            return np.flatnonzero(of_face).astype(np.int32)
        return np.flatnonzero(np.repeat(of_face, np.diff(self.base.first_row))).astype(np.int32)

    def _candidates(self, best: BestFaces) -> tuple[Candidate, ...]:
        """Put the best faces into the order of an answer, and name them."""
        if self.tail.rows or len(best.faces) > best.limit:  # else they are, since numbers are in the order of faceids
            best.rank(self._faceid)
        found, groups = zip(best.faces, best.scores, strict=True), self._group_ids
        if self.tail.rows:
            return tuple([Candidate(self._faceid(face), groups[self._group(face)], score) for face, score in found])
        names, group, new = self.base.ids.names, self.base_group.data, tuple.__new__  # half of Candidate's time
        return tuple([new(Candidate, (names[face], groups[group[face]], score)) for face, score in found])

    def _faceid(self, face: int) -> str:
        behind = face - len(self.base.ids)
        return self.base.ids.names[face] if behind < 0 else self.tail.faceids[behind]

    def _group(self, face: int) -> int:
        behind = face - len(self.base.ids)
        return int(self.base_group[face] if behind < 0 else self.tail.row_group[behind])

    @cached_property
    def _group_ids(self) -> dict[int, str]:
        """Group ids by number."""
        return {number: group_id for group_id, number in self.groups.items()}

    def _template(self, face: int) -> bytes:
        """Return the face's template, or the mean if it has several."""
        behind = face - len(self.base.ids)
        if behind >= 0:
            (numbers,) = np.nonzero(self.tail.first_row[: self.tail.rows] == behind)
            rows = self._templates(numbers + len(self.base.templates))
        else:
            rows = self.base.templates[self.base.first_row[face] : self.base.first_row[face + 1]]
        row = rows[0] if len(rows) == 1 else fused(rows.astype(np.float32))
        return np.asarray(row, dtype="<f2").tobytes()

    def _require_dimensions(self, probes: NDArray[np.float32]) -> None:
        if probes.shape[1] != self._dimensions and self.rows:
            raise InvalidInput(
                f"the gallery's templates have {self._dimensions} dimensions, the probes {probes.shape[1]}"
            )

    @cached_property
    def _dimensions(self) -> int:
        return int((self.base.templates if len(self.base.templates) else self.tail.templates).shape[1])

    def segment(self, model: str) -> Segment:
        """Make a new segment of this view's faces."""
        base, tail = self.base, self.tail
        if not tail.rows and np.array_equal(self.base_group, base.face_group):
            return build_segment.at(base, self.seq)
        alive = np.flatnonzero(self.base_group >= 0)
        behind = np.flatnonzero((tail.row_group >= 0) & (tail.first_row[: tail.rows] == np.arange(tail.rows)))
        faces = [(base.ids[face], int(face)) for face in alive.tolist()]
        faces += [(tail.faceids[row], len(base.ids) + row) for row in behind.tolist()]
        faces.sort()
        of_tail = np.bincount(tail.first_row[: tail.rows], minlength=tail.rows)
        counts: NDArray[np.int64] = np.concatenate((np.diff(base.first_row.astype(np.int64)), of_tail))
        firsts: NDArray[np.int64] = np.concatenate(
            (base.first_row[:-1].astype(np.int64), len(base.templates) + np.arange(tail.rows))
        )
        order = np.array([face for _, face in faces], dtype=np.int64)
        groups: NDArray[np.int32] = np.concatenate((self.base_group, tail.row_group))
        return build_segment.from_rows(
            model,
            self.seq,
            [faceid for faceid, _ in faces],
            sorted(self.groups, key=self.groups.__getitem__),
            groups[order],
            counts[order],
            self._templates(_spread(firsts[order], counts[order])),
        )

    def _templates(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Copy the templates of these rows, (rows, dimensions). The tail's rows are numbered after the base's."""
        base = self.base.templates
        made = np.empty((len(rows), self._dimensions), dtype=np.float16)
        behind = rows >= len(base)
        made[~behind] = base[rows[~behind]] if len(base) else 0
        made[behind] = self.tail.templates[rows[behind] - len(base)]
        return made


def _spread(firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """List first, first + 1, .. for each face, one number for each of its rows."""
    begins = np.cumsum(counts) - counts
    return np.repeat(firsts - begins, counts) + np.arange(int(counts.sum()))
