"""A tenant's gallery in memory: a snapshot and the journal applied to it, searchable while it changes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Candidate, Edit, JournalEntry
from chalicelib.core.templates import vector
from chalicelib.index.scan import top_k
from chalicelib.index.segment import Segment

_NOBODY = -1
_MIN_ROWS = 64
_MIN_DEAD_ROWS = 1_024


@dataclass(frozen=True)
class View:
    """The gallery at `seq`. Nothing in it changes any more; what it shares with later views grows behind `rows`."""

    seq: int
    rows: int
    templates: NDArray[np.float32]
    """(capacity, dimensions), good up to `rows`"""
    row_group: NDArray[np.int32]
    """(rows,) group number, -1: the row's face is gone or has newer templates"""
    faceids: Sequence[str]
    """one a row, good up to `rows`"""
    groups: Mapping[str, int]
    """group number by id"""
    sizes: Mapping[int, int]
    """faces by group number"""
    largest_norm: float

    def search(
        self, probes: NDArray[np.float32], group_ids: Iterable[str] | None, limit: int
    ) -> tuple[int, tuple[tuple[Candidate, ...], ...]]:
        """How many faces were compared, and the candidates of each probe. Raises InvalidInput for other dimensions."""
        if self.rows and probes.shape[1] != self.templates.shape[1]:
            raise InvalidInput(
                f"the gallery's templates have {self.templates.shape[1]} dimensions, the probes {probes.shape[1]}"
            )
        numbers = set(self.groups.values()) if group_ids is None else {self.groups.get(g, _NOBODY) for g in group_ids}
        numbers.discard(_NOBODY)
        searched = np.isin(self.row_group, list(numbers)) if group_ids is not None else self.row_group != _NOBODY
        gallery_size = sum(self.sizes.get(number, 0) for number in numbers)
        return gallery_size, tuple(self._candidates(probe, searched, limit) for probe in probes)

    def _candidates(self, probe: NDArray[np.float32], searched: NDArray[np.bool_], limit: int) -> tuple[Candidate, ...]:
        found = top_k(self.templates[: self.rows], self.largest_norm, self.faceids, searched, probe, limit)
        ids = {number: group_id for group_id, number in self.groups.items()}
        return tuple(Candidate(self.faceids[row], ids[int(self.row_group[row])], score) for row, score in found)


class Gallery:
    """One tenant's faces by one model's templates. Changes come one at a time; a search takes a view, without lock."""

    def __init__(self, model: str, segment: Segment | None) -> None:
        self.model = model
        self.changing = threading.Lock()
        """Held by whoever applies the journal."""
        self._faceids: list[str] = []
        self._rows_of: dict[str, list[int]] = {}
        self._groups: dict[str, int] = {}
        self._sizes: dict[int, int] = {}
        self._row_group = np.empty(0, dtype=np.int32)
        self._templates = np.empty((0, 0), dtype=np.float32)
        self._largest_norm = 0.0
        self.view = self._publish(0)
        if segment is not None:
            self._load(segment)

    @property
    def dead_rows(self) -> int:
        return self.view.rows - sum(len(rows) for rows in self._rows_of.values())

    def apply(self, entries: Iterable[JournalEntry], seq: int) -> View:
        """Follow the journal to `seq` and show the new state; the caller holds `changing`."""
        self._row_group = self._row_group.copy()
        for entry in entries:
            if entry.edit in (Edit.PUT, Edit.REPLACE):
                self._drop(entry.faceid)
                self._add(entry.faceid, entry.group_id, [vector(t) for t in entry.templates if t.model == self.model])
            elif entry.edit is Edit.MOVE:
                self._move(entry.faceid, entry.group_id)
            else:
                self._drop(entry.faceid)
        self.view = self._publish(seq)
        if self.dead_rows > max(_MIN_DEAD_ROWS, self.view.rows // 2):
            self._load(self.segment())
        return self.view

    def segment(self) -> Segment:
        """The present state, for a snapshot."""
        view = self.view
        faceids = sorted(self._rows_of)
        group_ids = sorted(self._groups, key=self._groups.__getitem__)
        rows = [row for faceid in faceids for row in self._rows_of[faceid]]
        return Segment(
            model=self.model,
            seq=view.seq,
            faceids=tuple(faceids),
            group_ids=tuple(group_ids),
            face_group=np.array([self._row_group[self._rows_of[f][0]] for f in faceids], dtype=np.uint32),
            row_face=np.array([number for number, f in enumerate(faceids) for _ in self._rows_of[f]], dtype=np.uint32),
            templates=self._templates[rows].astype(np.float16),
        )

    def _load(self, segment: Segment) -> None:
        rows = len(segment.row_face)
        self._faceids = [segment.faceids[number] for number in segment.row_face]
        self._groups = {group_id: number for number, group_id in enumerate(segment.group_ids)}
        self._rows_of = {}
        for row, faceid in enumerate(self._faceids):
            self._rows_of.setdefault(faceid, []).append(row)
        numbers, faces = np.unique(segment.face_group, return_counts=True)
        self._sizes = dict(zip(numbers.tolist(), faces.tolist(), strict=True))
        self._row_group = segment.face_group[segment.row_face].astype(np.int32)
        self._templates = segment.templates.astype(np.float32)
        self._largest_norm = float(np.linalg.norm(self._templates, axis=1).max()) if rows else 0.0
        self.view = self._publish(segment.seq)

    def _publish(self, seq: int) -> View:
        return View(
            seq,
            len(self._faceids),
            self._templates,
            self._row_group,
            self._faceids,
            dict(self._groups),
            dict(self._sizes),
            self._largest_norm,
        )

    def _add(self, faceid: str, group_id: str, vectors: list[NDArray[np.float32]]) -> None:
        if not vectors:
            return
        number = self._groups.setdefault(group_id, len(self._groups))
        begin = len(self._faceids)
        self._reserve(begin + len(vectors), len(vectors[0]))
        self._templates[begin : begin + len(vectors)] = vectors
        self._row_group = np.append(self._row_group, np.full(len(vectors), number, dtype=np.int32))
        self._faceids += [faceid] * len(vectors)
        self._rows_of[faceid] = list(range(begin, begin + len(vectors)))
        self._sizes[number] = self._sizes.get(number, 0) + 1
        self._largest_norm = max(self._largest_norm, *(float(np.linalg.norm(v)) for v in vectors))

    def _drop(self, faceid: str) -> None:
        rows = self._rows_of.pop(faceid, None)
        if rows:
            self._sizes[int(self._row_group[rows[0]])] -= 1
            self._row_group[rows] = _NOBODY

    def _move(self, faceid: str, group_id: str) -> None:
        rows = self._rows_of.get(faceid)
        if rows:
            number = self._groups.setdefault(group_id, len(self._groups))
            self._sizes[int(self._row_group[rows[0]])] -= 1
            self._sizes[number] = self._sizes.get(number, 0) + 1
            self._row_group[rows] = number

    def _reserve(self, rows: int, dimensions: int) -> None:
        """Room for that many rows; earlier views keep the array that they have."""
        if rows > len(self._templates):
            grown = np.empty((max(_MIN_ROWS, 2 * len(self._templates), rows), dimensions), dtype=np.float32)
            grown[: len(self._faceids)] = self._templates[: len(self._faceids)].reshape(-1, dimensions)
            self._templates = grown
