"""The cohorts of a search, of probes and candidates, for the probes whose best score alone does not decide.

A candidate's cohort is found like a probe's: its template is searched for in the same sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.cohorts import COHORT_LOOKED_AT
from chalicelib.core.decision import OperatingPoint
from chalicelib.core.search import SearchAnswer

WIDER = 1 + COHORT_LOOKED_AT
"""Number of candidates among which a cohort is found."""

Nearest = Callable[[NDArray[np.float32]], Sequence[Sequence[float]]]
"""A search of rows in the sample of the searched faces: for each row its WIDER best scores, falling."""


def with_cohorts(
    answer: SearchAnswer,
    probes: NDArray[np.float32],
    templates: Callable[[int], Sequence[bytes]],
    point: OperatingPoint,
    nearest: Nearest,
) -> SearchAnswer:
    """Add the cohorts to an answer. `templates`: gives the templates of a probe's candidates, by the probe's number."""
    size = answer.gallery_size
    of_probes: list[tuple[float, ...]] = [()] * len(answer.candidates)
    of_candidates: list[tuple[tuple[float, ...], ...]] = [()] * len(answer.candidates)
    open_ones = point.open_ones(answer.candidates, size)
    if open_ones:
        theirs = [[_row(template) for template in templates(number)] for number in open_ones]
        rows = [row for number, own in zip(open_ones, theirs, strict=True) for row in (probes[number], *own)]
        found = iter(nearest(np.stack(rows)))
        for number, own in zip(open_ones, theirs, strict=True):
            of_probes[number] = point.cohort(answer.candidates[number][0].score, next(found), size)
            of_candidates[number] = tuple(point.candidates_cohort(next(found), size) for _ in own)
    return SearchAnswer(answer.seq, size, answer.candidates, tuple(of_probes), tuple(of_candidates))


def _row(template: bytes) -> NDArray[np.float32]:
    return np.frombuffer(template, dtype="<f2").astype(np.float32)
