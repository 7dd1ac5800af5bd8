"""Exact top-k over canonical templates: int8 codes rule out most rows, the rest is computed in float64.

The answer equals a float64 brute force in ids, order and scores. A row is skipped only if an upper bound of its score,
proven in `coder`, lies below the score that it would have to reach.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import InvalidInput
from chalicelib.index.scan.coder import row_norms
from chalicelib.index.scan.kernel import kernel
from chalicelib.index.scan.rows import BestFaces, Found, Rows, exact_scores

MAX_LIMIT = 4_097
"""Candidates of one search: as many as a dialect answers at once, and the face itself that is searched with."""

_TILE_ROWS = 8_192
"""Rows of a step: few enough to stay in the processor's second cache for several probes."""
_UNIT_ROUNDOFF = 2.0**-24


def require_probes(probes: NDArray[np.float32], limit: int) -> None:
    """Raise InvalidInput unless probes are (n, dimensions) finite numbers and `limit` is 1..MAX_LIMIT."""
    if probes.ndim != 2:
        raise InvalidInput(f"probes are an array (n, dimensions), not of {probes.ndim} axes")
    if not np.isfinite(probes).all():
        raise InvalidInput("a probe holds a NaN or an infinity: embed the picture again")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"a search returns 1 to {MAX_LIMIT} candidates, not {limit}")


def scan(rows: Rows, probes: Found) -> None:
    """Scan the rows in one pass."""
    compiled = kernel()
    if compiled is None:
        scan_without_kernel(rows, probes)
        return
    compiled.search(rows, probes)
    loose = rows.codes.loose
    if len(loose):
        loose = loose if rows.numbers is None else np.intersect1d(loose, rows.numbers)
        faces = rows.searched(loose)
        templates = rows.templates[loose[faces >= 0]]
        for probe, best in probes:
            best.add(faces[faces >= 0], exact_scores(templates, probe))


def scan_without_kernel(rows: Rows, probes: Found) -> None:
    """Do the same by the templates themselves: slowly, on a machine for which no kernel was compiled."""
    every = np.arange(len(rows.templates)) if rows.numbers is None else rows.numbers
    for begin in range(0, len(every), _TILE_ROWS):
        some = every[begin : begin + _TILE_ROWS]
        templates, faces = rows.templates[some].astype(np.float32), rows.searched(some)
        longest = float(row_norms(templates).max())
        for probe, best in probes:
            scan_plain(templates, longest, faces, probe, best)


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
