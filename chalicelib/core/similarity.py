"""Similarity of 0..100: what a score says in a collection of a given size, on one scale for all sizes and models.

80 is the score that decides a match; above it, each step is an expected number of strangers who score as high.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from chalicelib.core.decision import DEFAULT_FPIR, SMALLEST_GALLERY, ImpostorCurve

MATCH = 80.0
_JUST_NO_MATCH = 79.9999
_ALIKE = 0.1
"""The false match rate below which two faces begin to look alike."""

_STEPS = ((1.0, MATCH), (1 / 3, 90.0), (1 / 10, 95.0), (1 / 100, 99.0))
"""Parts of the FPIR target, and the similarity at which so many strangers are expected."""


def similarity(score: float, curve: ImpostorCurve, faces: int, fpir_target: float = DEFAULT_FPIR) -> float:
    """Return the similarity of a score among so many faces, with four decimals.

    `faces`: how many the probe was compared with; fewer than SMALLEST_GALLERY count as so many, as in decisions.
    """
    points = _points(curve, max(faces, SMALLEST_GALLERY), fpir_target)
    right = bisect_right(points, (score, math.inf))
    if right == 0:
        return 0.0
    if right == len(points):
        return 100.0
    (low, below), (high, above) = points[right - 1], points[right]
    return round(below + (above - below) * (score - low) / (high - low), 4)


def judged(similar: float, *, match: bool) -> float:
    """Move a similarity to the side of MATCH on which the decision is, which knows more than the score."""
    return max(similar, MATCH) if match else min(similar, _JUST_NO_MATCH)


@lru_cache(maxsize=256)
def _points(curve: ImpostorCurve, faces: int, fpir_target: float) -> Sequence[tuple[float, float]]:
    """Return (score, similarity), both rising. Points at scores of 1 or more are left out."""
    expected = [(curve.identify_threshold(faces, fpir_target * part), level) for part, level in _STEPS]
    points = [(0.0, 0.0), (curve.threshold_at(_ALIKE), 10.0), (curve.threshold_at(1 / faces), 50.0), *expected]
    rising = [points[0]]
    for score, level in points[1:]:
        if rising[-1][0] < score < 1:
            rising.append((score, level))
    return (*rising, (1.0, 100.0))
