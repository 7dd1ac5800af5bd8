"""Exact top-k over canonical templates: int8 codes rule out most rows, the rest is computed in float64.

The answer equals a float64 brute force in ids, order and scores. A row is skipped only if an upper bound of its score,
proven in `coder`, lies below the score that it would have to reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import InvalidInput
from chalicelib.index.scan.coder import CodedRows, Coder, Query
from chalicelib.index.scan.kernel import Kernel


class BestFaces:
    """The `limit` faces with the highest scores, and all that tie with the last one.

    Faces are numbers; the caller knows their names. Only scores of at least `least` are kept.
    """

    def __init__(self, limit: int, least: float = -math.inf) -> None:
        self.limit = limit
        self.cut = least
        """Rows with a lower score cannot change the answer; one with this score may, by its faceid."""
        self.faces = np.empty(0, dtype=np.int64)
        self.scores = np.empty(0, dtype=np.float64)

    def add(self, faces: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Add faces with their scores, (n,) each; a face keeps its best score."""
        good = scores >= self.cut
        if not good.any():
            return
        faces = np.concatenate((self.faces, faces[good]))
        scores = np.concatenate((self.scores, scores[good]))
        order = np.argsort(-scores, kind="stable")
        _, first = np.unique(faces[order], return_index=True)
        kept = order[np.sort(first)]
        if len(kept) >= self.limit:
            self.cut = max(self.cut, float(scores[kept[self.limit - 1]]))
            kept = kept[scores[kept] >= self.cut]
        self.faces, self.scores = faces[kept], scores[kept]


MAX_LIMIT = 4_097
"""Candidates of one search: as many as a dialect answers at once, and the face itself that is searched with."""

_FIRST_ROWS = 4_096
"""Rows of the first step if there is no score to reach yet."""
_GROWTH = 4
"""Factor from one step to the next: the score to reach rises with each row."""
_MOST_ROWS = 131_072
_TILE_ROWS = 8_192
"""Rows of a step with several probes: few enough to stay in the processor's second cache for all of them."""
_EXACT_ROWS = 8_192
_UNIT_ROUNDOFF = 2.0**-24


def require_probes(probes: NDArray[np.float32], limit: int) -> None:
    """Raise InvalidInput unless probes are (n, dimensions) finite numbers and `limit` is 1..MAX_LIMIT."""
    if probes.ndim != 2:
        raise InvalidInput(f"probes are an array (n, dimensions), not of {probes.ndim} axes")
    if not np.isfinite(probes).all():
        raise InvalidInput("a probe holds a NaN or an infinity: embed the picture again")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"a search returns 1 to {MAX_LIMIT} candidates, not {limit}")


@dataclass(frozen=True)
class Rows:
    """Rows to scan: canonical templates (rows, dimensions), their codes, and the function from rows to faces."""

    templates: NDArray[np.float16]
    coder: Coder
    codes: CodedRows
    face_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]


Allowed = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Mask of the faces that are searched, for an array of faces."""


def scan(rows: Rows, kernel: Kernel, probes: Sequence[tuple[NDArray[np.float32], BestFaces]], allowed: Allowed) -> None:
    """Scan `rows` in one pass over the codes, and add to each probe's best faces."""
    searches = [_Search(rows, kernel, probe, best, allowed) for probe, best in probes]
    begin, end = 0, len(rows.templates)
    given = all(search.has_cut for search in searches)
    while begin < end:
        step = _TILE_ROWS if len(searches) > 1 else _MOST_ROWS
        if not given:
            step = min(step, max(_FIRST_ROWS, _GROWTH * begin))
        for search in searches:
            search.scan(begin, min(begin + step, end))
            if begin == 0:
                search.consider_loose()  # not earlier: they alone may give no score to reach, or a poor one
        begin += step


def pick(
    rows: Rows,
    kernel: Kernel,
    probes: Sequence[tuple[NDArray[np.float32], BestFaces]],
    numbers: NDArray[np.int32],
) -> None:
    """Search the listed rows only, without a check that they are allowed: for a small group of a large gallery."""
    for probe, best in probes:
        search = _Search(rows, kernel, probe, best, everybody)
        search.consider_loose(among=numbers)
        for begin in range(0, len(numbers), _TILE_ROWS):
            search.look_at(numbers[begin : begin + _TILE_ROWS])


def everybody(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.ones(len(faces), dtype=bool)


class _Search:
    """One probe's search through the rows."""

    def __init__(
        self, rows: Rows, kernel: Kernel, probe: NDArray[np.float32], best: BestFaces, allowed: Allowed
    ) -> None:
        self._rows = rows
        self._kernel = kernel
        self._probe = probe
        self._best = best
        self._allowed = allowed
        self._queries: tuple[Query, ...] = rows.coder.queries(probe)

    @property
    def has_cut(self) -> bool:
        return self._best.cut > -math.inf

    def consider_loose(self, among: NDArray[np.int32] | None = None) -> None:
        """Compute the rows that no bound holds for."""
        loose = self._rows.codes.loose
        if among is not None:
            loose = np.intersect1d(loose, among)
        if len(loose):
            self._compute(self._searched(loose.astype(np.int64)))

    def scan(self, begin: int, end: int) -> None:
        query = self._queries[0]
        codes = self._rows.codes.tiers[0]
        numbers, sums = self._kernel.scan(codes, begin, end, query.codes, query.cut(self._best.cut))
        if len(numbers):
            self._narrow(numbers, sums)

    def look_at(self, numbers: NDArray[np.int32]) -> None:
        sums = self._kernel.pick(self._rows.codes.tiers[0], numbers, self._queries[0].codes)
        self._narrow(numbers, sums)

    def _narrow(self, numbers: NDArray[np.int32], sums: NDArray[np.int32]) -> None:
        """Reduce the first tier's survivors by the second tier, and compute the rest."""
        first = self._queries[0]
        upper: NDArray[np.float64] = sums * np.float64(first.step)
        upper += first.slack
        if not self.has_cut:
            numbers, upper = self._compute_best(numbers, upper)
        if len(self._queries) > 1:
            good = upper >= self._best.cut
            numbers, upper = numbers[good], upper[good]
            second = self._queries[1]
            column = self._rows.coder.tiers[0].numbers
            upper -= self._rows.codes.tiers[0][numbers, column] * (first.step * first.column_weight)
            more = self._kernel.pick(self._rows.codes.tiers[1], numbers, second.codes) * second.step
            upper += more
            upper += second.slack
        self._compute_likely(numbers.astype(np.int64), upper)

    def _compute_best(
        self, numbers: NDArray[np.int32], upper: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Compute the most promising rows, to get a score to reach; return the others."""
        searched = self._allowed(self._rows.face_of(numbers.astype(np.int64)))
        numbers, upper = numbers[searched], upper[searched]
        ahead = 32 + 2 * self._best.limit
        if len(numbers) <= ahead:
            return numbers, upper
        order = np.argpartition(-upper, ahead - 1)
        self._compute(numbers[order[:ahead]].astype(np.int64))
        return numbers[order[ahead:]], upper[order[ahead:]]

    def _compute_likely(self, numbers: NDArray[np.int64], upper: NDArray[np.float64]) -> None:
        """Compute the most promising rows first, so that their scores rule out most of the others."""
        likely = 32 + 2 * self._best.limit
        good = upper >= self._best.cut
        numbers, upper = numbers[good], upper[good]
        searched = self._allowed(self._rows.face_of(numbers))
        numbers, upper = numbers[searched], upper[searched]
        while len(numbers):
            ahead = min(likely, len(numbers))
            order = np.argpartition(-upper, ahead - 1)
            self._compute(numbers[order[:ahead]])
            rest = order[ahead:]
            rest = rest[upper[rest] >= self._best.cut]
            numbers, upper = numbers[rest], upper[rest]
            likely = min(4 * likely, _EXACT_ROWS)

    def _searched(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return numbers[self._allowed(self._rows.face_of(numbers))]

    def _compute(self, numbers: NDArray[np.int64]) -> None:
        for begin in range(0, len(numbers), _EXACT_ROWS):
            some = numbers[begin : begin + _EXACT_ROWS]
            scores = exact_scores(self._rows.templates[some], self._probe)
            self._best.add(self._rows.face_of(some), scores)


def scan_plain(
    templates: NDArray[np.float32],
    largest_norm: float,
    faces: NDArray[np.int64],
    probe: NDArray[np.float32],
    best: BestFaces,
) -> None:
    """Scan without codes, for the few rows added lately: in float32, and in float64 those that this cannot rule out.

    A float32 dot product of n terms is off by at most n u / (1 - n u) * |x| |y| (Higham, section 3.1). `faces`:
    (rows,), -1 if not searched. No row is longer than `largest_norm`.
    """
    if not len(faces):
        return
    with np.errstate(over="ignore", invalid="ignore"):
        rough = (templates @ probe).astype(np.float64)
    n = (len(probe) + 2) * _UNIT_ROUNDOFF
    rough += n / (1 - n) * float(np.linalg.norm(probe.astype(np.float64))) * largest_norm * 1.01
    rough[~np.isfinite(rough)] = math.inf
    rough[faces < 0] = -math.inf
    while True:
        near = np.flatnonzero((rough >= best.cut) & (rough > -math.inf))
        if not len(near):
            return
        ahead = min(len(near), 32 + 2 * best.limit)
        near = near[np.argpartition(-rough[near], ahead - 1)[:ahead]]
        best.add(faces[near], exact_scores(templates[near], probe))
        rough[near] = -math.inf


def exact_scores(templates: NDArray[np.floating], probe: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute (rows,) float64 dot products.

    They are summed row by row, so that equal rows have equal scores wherever they stand.
    """
    products = templates.astype(np.float64) * probe.astype(np.float64)
    scores: NDArray[np.float64] = products.sum(axis=1)
    return scores
