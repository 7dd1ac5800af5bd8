"""A tenant's gallery in memory: a segment and the journal applied to it, searchable while it changes."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import Edit, JournalEntry
from chalicelib.core.templates import vector
from chalicelib.index.snapshots import build_segment
from chalicelib.index.snapshots.segment import Segment
from chalicelib.index.view import NOBODY, Tail, View

_MIN_ROWS = 64
_LONG_TAIL = 1_024
"""Rows after the segment that make a new segment worth it, if they are also one in `_TAIL_SHARE` of all. It is also the
number of changes after which a gallery that stayed slow may be loaded again."""
_TAIL_SHARE = 32
_QUICK = 4_096
"""Faces up to which a new segment is made at once; a larger gallery's holder loads the newest snapshot instead."""


class Gallery:
    """A tenant's faces with one model's templates. Changes come one at a time; a search takes a view without a lock."""

    def __init__(self, model: str, segment: Segment | None) -> None:
        self.model = model
        self.changing = threading.Lock()
        """The thread that applies the journal holds it."""
        self.loaded_at = 0
        """The seq that it had when its holder began to search in it."""
        self._row_group: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._load(segment or build_segment.empty(model))

    @property
    def is_long(self) -> bool:
        """True if so many faces came or went since the segment that a new one would make searches faster."""
        view = self.view
        limit = max(_LONG_TAIL, len(view.base.templates) // _TAIL_SHARE)
        return view.tail.rows > limit or self._gone > max(limit, len(view.base.ids) // 2)

    def is_slow_at(self, seq: int) -> bool:
        """Tell if a gallery loaded anew is likely to be faster: the tail is long, and was not so from the beginning."""
        return self.is_long and seq - self.loaded_at >= _LONG_TAIL

    @property
    def hot_bytes(self) -> int:
        """Bytes that the gallery keeps in memory for searches."""
        view = self.view
        tail = view.tail.templates.nbytes + view.tail.first_row.nbytes + 120 * view.tail.rows
        return view.base.hot_bytes + view.base_group.nbytes + tail

    def apply(self, entries: Iterable[JournalEntry], seq: int) -> View:
        """Apply journal entries up to `seq` and publish the new view; the caller holds `changing`."""
        self._row_group = self._row_group.copy()
        self._base_is_shared = True
        for entry in entries:
            if entry.edit is Edit.DROP:
                self._drop_group(entry.group_id)
            elif entry.edit in (Edit.PUT, Edit.REPLACE, Edit.EMBED):
                vectors = [vector(t) for t in entry.templates if t.model == self.model]
                if vectors or entry.edit is not Edit.EMBED:
                    self._drop(entry.faceid)
                    self._add(entry.faceid, entry.group_id, vectors)
            elif entry.edit is Edit.MOVE:
                self._move(entry.faceid, entry.group_id)
            else:
                self._drop(entry.faceid)
        self.view = self._publish(seq)
        if self.is_long and self.view.faces <= _QUICK:
            self._load(self.view.segment(self.model))
        return self.view

    def segment(self) -> Segment:
        """Make a segment of the present state, for a snapshot; takes no lock."""
        return self.view.segment(self.model)

    def _load(self, segment: Segment) -> None:
        self._base = segment
        self._groups = {group_id: number for number, group_id in enumerate(segment.group_ids)}
        self._base_group = segment.face_group.astype(np.int32)
        numbers, faces = np.unique(self._base_group, return_counts=True)
        self._sizes = dict(zip(numbers.tolist(), faces.tolist(), strict=True))
        self._base_is_shared = True
        self._gone = 0
        self._faceids: list[str] = []
        self._rows_of: dict[str, range] = {}
        self._first_row = np.empty(0, dtype=np.int64)
        self._row_group = np.empty(0, dtype=np.int32)
        self._templates = np.empty((0, segment.templates.shape[1]), dtype=np.float32)
        self._largest_norm = 0.0
        self.view = self._publish(segment.seq)

    def _publish(self, seq: int) -> View:
        tail = Tail(
            len(self._faceids),
            self._templates,
            self._faceids,
            self._first_row,
            self._row_group,
            self._largest_norm,
        )
        return View(seq, self._base, self._base_group, tail, dict(self._groups), dict(self._sizes))

    def _add(self, faceid: str, group_id: str, vectors: list[NDArray[np.float32]]) -> None:
        if not vectors:
            return
        number = self._groups.setdefault(group_id, len(self._groups))
        begin = len(self._faceids)
        rows = range(begin, begin + len(vectors))
        self._reserve(rows.stop, len(vectors[0]))
        self._templates[begin : rows.stop] = vectors
        self._first_row[begin : rows.stop] = begin
        self._row_group = np.append(self._row_group, np.full(len(vectors), number, dtype=np.int32))
        self._faceids += [faceid] * len(vectors)
        self._rows_of[faceid] = rows
        self._sizes[number] = self._sizes.get(number, 0) + 1
        self._largest_norm = max(self._largest_norm, *(float(np.linalg.norm(v)) for v in vectors))

    def _drop(self, faceid: str) -> None:
        self._regroup(faceid, NOBODY)
        self._rows_of.pop(faceid, None)

    def _drop_group(self, group_id: str) -> None:
        number = self._groups.get(group_id)
        if number is None:
            return
        for row in np.flatnonzero(self._row_group == number).tolist():
            self._rows_of.pop(self._faceids[row], None)
        self._row_group[self._row_group == number] = NOBODY
        self._gone += int(np.count_nonzero(self._base_group == number))
        self._base_group = np.where(self._base_group == number, np.int32(NOBODY), self._base_group)
        self._base_is_shared = False
        self._sizes[number] = 0

    def _move(self, faceid: str, group_id: str) -> None:
        if faceid in self._rows_of or self._in_base(faceid) is not None:
            self._regroup(faceid, self._groups.setdefault(group_id, len(self._groups)))

    def _regroup(self, faceid: str, number: int) -> None:
        rows, face = self._rows_of.get(faceid), self._in_base(faceid)
        if rows is not None:
            old = int(self._row_group[rows.start])
            self._row_group[rows.start : rows.stop] = number
        elif face is not None:
            old = int(self._base_group[face])
            if self._base_is_shared:
                self._base_group = self._base_group.copy()
                self._base_is_shared = False
            self._base_group[face] = number
            self._gone += number == NOBODY
        else:
            return
        self._sizes[old] -= 1
        if number != NOBODY:
            self._sizes[number] = self._sizes.get(number, 0) + 1

    def _in_base(self, faceid: str) -> int | None:
        """Return the face's number in the segment; None if it is not there any more."""
        face = self._base.ids.find(faceid)
        return face if face is not None and self._base_group[face] != NOBODY else None

    def _reserve(self, rows: int, dimensions: int) -> None:
        """Make room for so many rows. Earlier views keep their arrays."""
        if rows > len(self._templates):
            held, room = len(self._faceids), max(_MIN_ROWS, 2 * len(self._templates), rows)
            grown = np.empty((room, dimensions), dtype=np.float32)
            grown[:held] = self._templates[:held].reshape(-1, dimensions)
            firsts = np.empty(room, dtype=np.int64)
            firsts[:held] = self._first_row[:held]
            self._templates, self._first_row = grown, firsts
