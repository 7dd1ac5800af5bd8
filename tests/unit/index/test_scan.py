from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.core.errors import InvalidInput
from chalicelib.index.scan import require_probes, top_k

DIMENSIONS = 16


def brute_force(
    templates: NDArray[np.float32], faceids: list[str], searched: NDArray[np.bool_], probe: NDArray[np.float32], k: int
) -> list[tuple[str, float]]:
    best: dict[str, float] = {}
    for row, faceid in enumerate(faceids):
        if searched[row]:
            score = float((templates[row].astype(np.float64) * probe.astype(np.float64)).sum())
            best[faceid] = max(score, best.get(faceid, -np.inf))
    return sorted(best.items(), key=lambda found: (-found[1], found[0]))[:k]


@st.composite
def galleries(draw: st.DrawFn) -> tuple[NDArray[np.float32], list[str], NDArray[np.bool_], NDArray[np.float32], int]:
    """Vectors as a gallery has them, and as only an adversary makes them: copies, near ties, zeros, a huge outlier."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, 120))
    kind = draw(st.sampled_from(["random", "copies", "near ties", "zeros", "constant", "outlier"]))
    vectors = random.standard_normal((rows, DIMENSIONS))
    if kind == "copies":
        vectors = vectors[random.integers(0, max(rows // 8, 1), rows)]
    elif kind == "near ties":
        vectors = vectors[:1] + random.choice([0, 1e-3, 1e-7], (rows, 1)) * vectors
    elif kind == "zeros":
        vectors[random.random(rows) < 0.7] = 0
    elif kind == "constant":
        vectors[:] = 0.25
    if kind not in ("zeros", "constant"):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if kind == "outlier":
        vectors[random.integers(0, rows)] *= 60_000
    faces = draw(st.integers((rows + 3) // 4, rows))
    faceids = [str(n % faces) for n in random.permutation(rows)]
    searched = random.random(rows) < draw(st.sampled_from([1.0, 0.5, 0.05, 0.0]))
    probe = random.standard_normal(DIMENSIONS).astype(np.float32)
    probe = vectors[0].astype(np.float32) if draw(st.booleans()) else probe / np.linalg.norm(probe)
    return vectors.astype(np.float16).astype(np.float32), faceids, searched, probe, draw(st.integers(1, 100))


@settings(deadline=None, max_examples=300)
@given(galleries())
def test_top_k_equals_float64_brute_force_in_ids_order_and_scores(
    gallery: tuple[NDArray[np.float32], list[str], NDArray[np.bool_], NDArray[np.float32], int],
) -> None:
    templates, faceids, searched, probe, k = gallery
    largest = float(np.linalg.norm(templates, axis=1).max())

    found = top_k(templates, largest, faceids, searched, probe, k)

    assert [(faceids[row], score) for row, score in found] == brute_force(templates, faceids, searched, probe, k)


def test_a_large_gallery_equals_brute_force_too() -> None:
    random = np.random.default_rng(1)
    templates = random.standard_normal((20_000, 256)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    templates[10_000:10_100] = templates[0]
    templates = templates.astype(np.float16).astype(np.float32)
    faceids = [str(n) for n in range(20_000)]
    searched = np.ones(20_000, dtype=bool)

    found = top_k(templates, 1.01, faceids, searched, templates[0], 50)

    assert [(faceids[row], score) for row, score in found] == brute_force(
        templates, faceids, searched, templates[0], 50
    )


@pytest.mark.parametrize(
    ("probes", "limit", "complaint"),
    [
        (np.zeros(4), 1, "axes"),
        (np.full((1, 4), np.nan), 1, "NaN"),
        (np.full((1, 4), np.inf), 1, "infinity"),
        (np.zeros((1, 4)), 0, "1 to 100"),
        (np.zeros((1, 4)), 101, "1 to 100"),
    ],
)
def test_probes_that_cannot_be_searched_are_refused(probes: NDArray[np.float32], limit: int, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        require_probes(probes, limit)
