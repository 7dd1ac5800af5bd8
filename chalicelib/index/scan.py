"""Exact top-k over canonical templates: a float32 pass over all rows, float64 over those that it cannot rule out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import MAX_TEMPLATES

MAX_LIMIT = 100

_UNIT_ROUNDOFF = 2.0**-24


def require_probes(probes: NDArray[np.float32], limit: int) -> None:
    """Raise InvalidInput unless probes are (n, dimensions) finite numbers and `limit` is 1..100."""
    if probes.ndim != 2:
        raise InvalidInput(f"probes are an array (n, dimensions), not of {probes.ndim} axes")
    if not np.isfinite(probes).all():
        raise InvalidInput("a probe holds a NaN or an infinity: embed the picture again")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"a search returns 1 to {MAX_LIMIT} candidates, not {limit}")


def top_k(
    templates: NDArray[np.float32],
    largest_norm: float,
    faceids: Sequence[str],
    searched: NDArray[np.bool_],
    probe: NDArray[np.float32],
    limit: int,
) -> list[tuple[int, float]]:
    """The `limit` faces with the highest dot product between `probe` and one of their templates, best first.

    Returns each face's best row and its score.

    `templates` (rows, dimensions), the canonical ones, which float32 holds exactly; at most four rows a face;
    `largest_norm`: no row is longer; `faceids` one a row; `searched` (rows,) masks rows.
    Equal to a float64 brute force, ties by faceid: a float32 dot product of n terms is off by at most
    n u / (1 - n u) * |x| |y| (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), so every row whose
    float32 score lies within twice that of the k-th is computed again in float64. The first 4 k rows hold the best row
    of each of the k best faces.
    """
    rows = np.flatnonzero(searched)
    if not len(rows):
        return []
    rough = (templates @ probe)[rows]
    wanted = min(limit * MAX_TEMPLATES, len(rows))
    cut = np.partition(rough, len(rows) - wanted)[len(rows) - wanted]
    near = rows[rough >= cut - 2 * _error_bound(probe, largest_norm)]
    scores = exact_scores(templates[near], probe)
    best: dict[str, tuple[int, float]] = {}
    for row, score in zip(near.tolist(), scores.tolist(), strict=True):
        if faceids[row] not in best or score > best[faceids[row]][1]:
            best[faceids[row]] = (row, score)
    return sorted(best.values(), key=lambda found: (-found[1], faceids[found[0]]))[:limit]


def exact_scores(templates: NDArray[np.float32], probe: NDArray[np.float32]) -> NDArray[np.float64]:
    """(rows,) float64 dot products. Summed row by row, so that equal rows have equal scores wherever they stand."""
    products = templates.astype(np.float64) * probe.astype(np.float64)
    scores: NDArray[np.float64] = products.sum(axis=1)
    return scores


def _error_bound(probe: NDArray[np.float32], largest_norm: float) -> float:
    """Of one float32 dot product; two terms and a hundredth more for the rounding of the norms themselves."""
    nu = (len(probe) + 2) * _UNIT_ROUNDOFF
    return nu / (1 - nu) * float(np.linalg.norm(probe)) * largest_norm * 1.01
