"""Choice of a coder for a gallery from the gallery itself: the rotation, and how much of it a first pass reads.

The rotation's rows are the eigenvectors of the templates' second moment, largest eigenvalue first: no other rotation
puts more of the templates' energy into its leading numbers. It is estimated from a sample of the templates that will be
searched. So it needs no other pictures, fits the model and population that made them, and is stored in the snapshot.
Answers never depend on it: `coder` bounds everything that it leaves out.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.scan.coder import COLUMNS, Coder, Tier, norms_up, row_norms, turned_rows

ROTATED_FROM = 4_096
"""Fewest rows for which a rotation is worth its bytes; fewer are held by one tier, unrotated."""

_SAMPLE = 8_192
_PROBES = 32
_FIRST_BYTES = (64, 96, 128)
_PICK_BYTES = 500
"""Cost of reading one row that survived the first tier, in bytes that the first pass reads in that time."""
_BEST = 10
"""The first tier is chosen for a search for the ten best faces."""
_NOTHING = 1e-4
"""Share of energy behind the last tier that is not worth a byte."""
_MARGIN = 1.25
_TOP = 127


def fit(templates: NDArray[np.float16]) -> Coder:
    """Choose a coder for (rows, dimensions) canonical templates."""
    rows, dimensions = templates.shape
    sample = _sample(templates)
    largest = float(_cap(row_norms(sample)))
    plain = Coder(dimensions, None, (), largest)
    if rows < ROTATED_FROM:
        return _with_tiers(plain, sample, [(0, dimensions)])
    turned = Coder(dimensions, _rotation(sample), (), largest)
    first, last = _spans(turned, sample, _BEST / rows)
    if first == dimensions:
        return _with_tiers(plain, sample, [(0, dimensions)])
    return _with_tiers(turned, sample, [(0, first), (first, last)])


def _sample(templates: NDArray[np.float16]) -> NDArray[np.float32]:
    """Take rows at even distances, so that the same gallery always gets the same coder."""
    step = max(1, len(templates) // _SAMPLE)
    sample = templates[::step].astype(np.float32)
    return sample[np.isfinite(sample).all(axis=1)]


def _cap(values: NDArray[np.float64]) -> float:
    """Return a bound for all ordinary values that a few outliers do not raise much."""
    if not len(values):
        return 1.0
    return min(float(values.max()) * 1.08, float(np.quantile(values, 0.999)) * _MARGIN) + 1e-9


def _rotation(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    wide = sample.astype(np.float64)
    _, vectors = np.linalg.eigh(wide.T @ wide)
    return np.ascontiguousarray(vectors[:, ::-1].T.astype(np.float32))


def _spans(coder: Coder, sample: NDArray[np.float32], share: float) -> tuple[int, int]:
    """Choose where the first tier ends, by the bytes that a search would read, and the last.

    For each size of a first tier, count the pairs that its Cauchy-Schwarz bound cannot rule out. The score to reach is
    the one that only `share` of the pairs reach, if scores are normally distributed. The alternative is one tier of all
    dimensions.
    """
    turned, _ = turned_rows(coder, sample.astype(np.float16))
    energy = np.cumsum((turned.astype(np.float64) ** 2).mean(axis=0))
    last = min(int(np.searchsorted(energy, energy[-1] * (1 - _NOTHING))) + 1, coder.dimensions)
    probes, rows = turned[:: max(1, len(turned) // _PROBES)][:_PROBES], turned[1 :: max(1, len(turned) // 2048)]
    scores = probes @ rows.T
    least = float(scores.mean() + NormalDist().inv_cdf(1 - share) * scores.std())
    costs = {coder.dimensions: float(coder.dimensions)}
    for size in _FIRST_BYTES:
        end = size - COLUMNS
        if end < last:
            behind = np.outer(np.linalg.norm(probes[:, end:], axis=1), np.linalg.norm(rows[:, end:], axis=1))
            survivors = float((probes[:, :end] @ rows[:, :end].T + behind + 0.02 >= least).mean())
            costs[end] = size + survivors * _PICK_BYTES
    first = min(costs, key=lambda end: costs[end])
    behind_all = coder.dimensions - last < COLUMNS
    return first, coder.dimensions if behind_all else last


def _with_tiers(coder: Coder, sample: NDArray[np.float32], spans: list[tuple[int, int]]) -> Coder:
    turned, off = turned_rows(coder, sample.astype(np.float16))
    return Coder(
        coder.dimensions,
        coder.rotation,
        tuple(_tier(turned, off, begin, end) for begin, end in spans if begin < end),
        coder.largest_norm,
    )


def _tier(turned: NDArray[np.float32], off: float, begin: int, end: int) -> Tier:
    """Compute scale and bounds of one tier from the sample."""
    part, dimensions = turned[:, begin:end], turned.shape[1]
    peaks = np.abs(part).max(axis=1, initial=0.0).astype(np.float64)
    scale = float(np.float32(max(_cap(peaks) / _TOP, 1e-30)))
    rebuilt = np.clip(np.rint(part / np.float32(scale)), -_TOP, _TOP) * np.float32(scale)
    length, error = norms_up(part, rebuilt.astype(np.float32))
    norms = row_norms(turned)
    return Tier(
        begin=begin,
        end=end,
        columns=COLUMNS if end < dimensions else 0,
        scale=scale,
        unit=max(_cap(row_norms(turned[:, end:]) + norms * off) / _TOP, 1e-30),
        code_norm=_cap(length),
        error_norm=_cap(error + norms * off),
    )
