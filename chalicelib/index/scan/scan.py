"""Exact top-k over canonical templates: int8 codes rule out what they can, the rest is computed in float64.

The answer equals a float64 brute force, ids, order and scores: a row is passed over only where an upper bound of its
score, proven in `coder`, lies below the score that it would have to reach.
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
    """Keeps the `limit` faces with the highest scores, each with its best row, and all that tie with the last one.

    Faces and rows are numbers; what they are called is the caller's. Only scores of at least `least` are kept.
    """

    def __init__(self, limit: int, least: float = -math.inf) -> None:
        self.limit = limit
        self.cut = least
        """No row below it can change the answer; one that equals it may, by its faceid."""
        self.faces = np.empty(0, dtype=np.int64)
        self.rows = np.empty(0, dtype=np.int64)
        self.scores = np.empty(0, dtype=np.float64)

    def add(self, faces: NDArray[np.int64], rows: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        good = scores >= self.cut
        if not good.any():
            return
        faces = np.concatenate((self.faces, faces[good]))
        rows = np.concatenate((self.rows, rows[good]))
        scores = np.concatenate((self.scores, scores[good]))
        order = np.lexsort((rows, -scores))
        _, first = np.unique(faces[order], return_index=True)
        kept = order[np.sort(first)]
        if len(kept) >= self.limit:
            self.cut = max(self.cut, float(scores[kept[self.limit - 1]]))
            kept = kept[scores[kept] >= self.cut]
        self.faces, self.rows, self.scores = faces[kept], rows[kept], scores[kept]


MAX_LIMIT = 100

_FIRST_ROWS = 4_096
"""Where there is no score to reach yet, so few rows are looked at first, to have one."""
_GROWTH = 4
"""Then so many times more each time: the score to reach rises as more is seen."""
_MOST_ROWS = 131_072
_TILE_ROWS = 8_192
"""With several probes: rows that stay in the processor's second cache while each probe looks at them."""
_EXACT_ROWS = 8_192
_UNIT_ROUNDOFF = 2.0**-24


def require_probes(probes: NDArray[np.float32], limit: int) -> None:
    """Raise InvalidInput unless probes are (n, dimensions) finite numbers and `limit` is 1..100."""
    if probes.ndim != 2:
        raise InvalidInput(f"probes are an array (n, dimensions), not of {probes.ndim} axes")
    if not np.isfinite(probes).all():
        raise InvalidInput("a probe holds a NaN or an infinity: embed the picture again")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"a search returns 1 to {MAX_LIMIT} candidates, not {limit}")


@dataclass(frozen=True)
class Rows:
    """What is scanned: canonical templates (rows, dimensions), their codes, and the number of each row's face."""

    templates: NDArray[np.float16]
    coder: Coder
    codes: CodedRows
    face_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]


Allowed = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Which faces of some are searched."""


def scan(rows: Rows, kernel: Kernel, probes: Sequence[tuple[NDArray[np.float32], BestFaces]], allowed: Allowed) -> None:
    """Add to each probe's best faces what `rows` holds, in one pass over the codes."""
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
                search.consider_loose()  # now, since before there may be no score to reach, or a poor one by them
        begin += step


def pick(
    rows: Rows,
    kernel: Kernel,
    probes: Sequence[tuple[NDArray[np.float32], BestFaces]],
    numbers: NDArray[np.int32],
) -> None:
    """As `scan`, of the rows that are named, which all are searched: for a small group of a large gallery."""
    for probe, best in probes:
        search = _Search(rows, kernel, probe, best, everybody)
        search.consider_loose(among=numbers)
        for begin in range(0, len(numbers), _TILE_ROWS):
            search.look_at(numbers[begin : begin + _TILE_ROWS])


def everybody(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.ones(len(faces), dtype=bool)


class _Search:
    """One probe's way through the rows."""

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
        """The rows that no bound holds for."""
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
        """From the first tier's survivors, by the second, to those that have to be computed."""
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
        """Compute those that promise most, to have a score to reach; the others are returned."""
        searched = self._allowed(self._rows.face_of(numbers.astype(np.int64)))
        numbers, upper = numbers[searched], upper[searched]
        ahead = 32 + 2 * self._best.limit
        if len(numbers) <= ahead:
            return numbers, upper
        order = np.argpartition(-upper, ahead - 1)
        self._compute(numbers[order[:ahead]].astype(np.int64))
        return numbers[order[ahead:]], upper[order[ahead:]]

    def _compute_likely(self, numbers: NDArray[np.int64], upper: NDArray[np.float64]) -> None:
        """The most promising rows first, so that their scores rule out most of the others."""
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
            self._best.add(self._rows.face_of(some), some, scores)


def scan_plain(
    templates: NDArray[np.float32],
    largest_norm: float,
    faces: NDArray[np.int64],
    probe: NDArray[np.float32],
    best: BestFaces,
) -> None:
    """The same without codes, for the few rows that came lately: float32, and float64 for what that cannot rule out.

    A float32 dot product of n terms is off by at most n u / (1 - n u) * |x| |y| (Higham, section 3.1). `faces` (rows,),
    -1: not searched; no row is longer than `largest_norm`.
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
        best.add(faces[near], near.astype(np.int64), exact_scores(templates[near], probe))
        rough[near] = -math.inf


def exact_scores(templates: NDArray[np.floating], probe: NDArray[np.float32]) -> NDArray[np.float64]:
    """(rows,) float64 dot products. Summed row by row, so that equal rows have equal scores wherever they stand."""
    products = templates.astype(np.float64) * probe.astype(np.float64)
    scores: NDArray[np.float64] = products.sum(axis=1)
    return scores
