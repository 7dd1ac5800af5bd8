"""The cohorts of a search, of probes and of candidates, for the probes whose best score leaves open who they are.

A candidate's cohort is found as a probe's is: its template is searched for among the same sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.cohorts import COHORT_LOOKED_AT
from chalicelib.core.decision import OperatingPoint
from chalicelib.core.search import SearchAnswer

WIDER = 1 + COHORT_LOOKED_AT
"""Candidates among which a cohort is found."""

Nearest = Callable[[NDArray[np.float32]], Sequence[Sequence[float]]]
"""The WIDER best scores, falling, of each row among the sample of the faces that were searched."""


def with_cohorts(
    answer: SearchAnswer,
    probes: NDArray[np.float32],
    templates: Callable[[int], Sequence[bytes]],
    least: OperatingPoint,
    nearest: Nearest,
) -> SearchAnswer:
    """The answer with its cohorts. `templates`: those of a probe's candidates, by the probe's number."""
    size = answer.gallery_size
    of_probes: list[tuple[float, ...]] = [()] * len(answer.candidates)
    of_candidates: list[tuple[tuple[float, ...], ...]] = [()] * len(answer.candidates)
    open_ones = least.open_ones(answer.candidates, size)
    if open_ones:
        theirs = [[_row(template) for template in templates(number)] for number in open_ones]
        rows = [row for number, own in zip(open_ones, theirs, strict=True) for row in (probes[number], *own)]
        found = iter(nearest(np.stack(rows)))
        for number, own in zip(open_ones, theirs, strict=True):
            of_probes[number] = least.cohort(answer.candidates[number][0].score, next(found), size)
            of_candidates[number] = tuple(least.candidates_cohort(next(found), size) for _ in own)
    return SearchAnswer(answer.seq, size, answer.candidates, tuple(of_probes), tuple(of_candidates))


def _row(template: bytes) -> NDArray[np.float32]:
    return np.frombuffer(template, dtype="<f2").astype(np.float32)
