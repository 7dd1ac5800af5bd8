"""The rows of a gallery that are searched, and the faces that a search keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.scan.coder import Call, CodedRows, Coder, at, of_coder


@dataclass(frozen=True)
class Rows:
    """Canonical templates (rows, dimensions) and their codes. Face n has the rows
    first_row[n]..first_row[n + 1], one at least.
    """

    templates: NDArray[np.float16]
    coder: Coder
    codes: CodedRows
    first_row: NDArray[np.uint32]
    """(faces + 1,)"""
    group: NDArray[np.int32]
    """(faces,) group number, -1: the face is gone"""
    taken: NDArray[np.bool_]
    """by group number: whether it is searched"""
    numbers: NDArray[np.int32] | None = None
    """the rows to look at, ascending, if they are few: a small group of a large gallery; None: all"""

    def searched(self, numbers: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the faces of these rows, (rows,); -1 if a face is not searched."""
        if len(self.first_row) == len(self.templates) + 1:
            faces = numbers.astype(np.int64)
        else:
            faces = np.searchsorted(self.first_row, numbers, side="right").astype(np.int64) - 1
        group = self.group[faces]
        return np.where((group >= 0) & self.taken[group], faces, -1)

    @cached_property
    def call(self) -> Call:
        """Tell the kernel of these rows, once for all searches."""
        call, alone = of_coder(self.coder), len(self.first_row) == len(self.templates) + 1
        for tier, codes in zip(call.tiers, self.codes.tiers, strict=False):
            tier.codes = at(codes)
        call.rows, call.faces = len(self.templates), len(self.first_row) - 1
        call.templates, call.group, call.taken = at(self.templates), at(self.group), at(self.taken)
        call.first_row = None if alone else at(self.first_row)
        if self.numbers is not None:
            call.numbers, call.rows = at(self.numbers), len(self.numbers)
        return call


class BestFaces:
    """The `limit` faces with the highest scores, and all that tie with the last one.

    Faces are numbers; the caller knows their names. Only scores of at least `least` are kept. The best face is first,
    and of those that tie the one with the lowest number.
    """

    __slots__ = ("cut", "faces", "limit", "scores")

    def __init__(self, limit: int, least: float = -math.inf) -> None:
        self.limit = limit
        self.cut = least
        """Rows with a lower score cannot change the answer; one with this score may, by its faceid."""
        self.faces: Sequence[int] = ()
        self.scores: Sequence[float] = ()

    def add_ranked(self, faces: Sequence[int], scores: Sequence[float]) -> None:
        """Add faces of which each is there once, the best first, `limit` at most."""
        if self.faces:
            self.add(np.array(faces, np.int64), np.array(scores))
            return
        self.faces, self.scores = faces, scores
        if len(faces) == self.limit:
            self.cut = max(self.cut, scores[-1])

    def add(self, faces: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Add faces with their scores, (n,) each; a face keeps its best score."""
        good = scores >= self.cut
        if not good.any():
            return
        faces = np.concatenate((np.array(self.faces, np.int64), faces[good]))
        scores = np.concatenate((self.scores, scores[good]))
        order = np.lexsort((faces, -scores))
        _, first = np.unique(faces[order], return_index=True)
        kept = order[np.sort(first)]
        if len(kept) >= self.limit:
            self.cut = max(self.cut, float(scores[kept[self.limit - 1]]))
            kept = kept[scores[kept] >= self.cut]
        self.faces, self.scores = faces[kept].tolist(), scores[kept].tolist()

    def rank(self, name_of: Callable[[int], str]) -> None:
        """Keep only `limit` faces, those that tie in the order of their names."""
        order = sorted(zip(self.scores, self.faces, strict=True), key=lambda found: (-found[0], name_of(found[1])))[
            : self.limit
        ]
        self.scores, self.faces = [score for score, _ in order], [face for _, face in order]


Found = Sequence[tuple[NDArray[np.float32], BestFaces]]
"""Probes, each with the best faces so far, to which a scan adds."""


def exact_scores(templates: NDArray[np.floating], probe: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute (rows,) float64 dot products.

    They are summed row by row, so that equal rows have equal scores wherever they stand.
    """
    products = templates.astype(np.float64) * probe.astype(np.float64)
    scores: NDArray[np.float64] = products.sum(axis=1)
    return scores
