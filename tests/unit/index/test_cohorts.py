"""Cohorts: the same from a brute force, a segment, a tail and shards; found only where they decide."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.core.decision import COHORT, ImpostorCurve, OperatingPoint, sample_level
from chalicelib.core.model import Edit, JournalEntry, Template
from chalicelib.core.ports import SearchAnswer
from chalicelib.core.shards import WHOLE
from chalicelib.index.build_segment import from_faces
from chalicelib.index.gallery import Gallery
from chalicelib.index.sample import in_sample, mix
from chalicelib.index.scan import exact_scores
from chalicelib.index.sharded import ShardedSearch
from tests.fakes import DIMENSIONS

POINTS = ((0.1, 0.1), (0.2, 0.01), (0.3, 1e-3), (0.4, 1e-5))
PLAIN = ImpostorCurve(POINTS, 0.3, 1e-3, 46.0)
POINT = OperatingPoint(ImpostorCurve(POINTS, 0.3, 1e-3, 46.0, PLAIN))


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def gallery_of(size: int) -> tuple[list[tuple[str, str, list[bytes]]], NDArray[np.float32]]:
    """Faces, and probes that are more and more like one of them."""
    random = np.random.default_rng(size)
    vectors = unit(random.standard_normal((size, DIMENSIONS)))
    faces = [(f"f{n:06d}", "gh"[n % 2], [row.astype(np.float16).tobytes()]) for n, row in enumerate(vectors)]
    likeness = np.linspace(0, 0.95, 24)[:, None]
    noise = unit(random.standard_normal((24, DIMENSIONS)))
    return faces, unit(vectors[:24] * likeness + noise * np.sqrt(1 - likeness**2))


def brute_force(faces: list[tuple[str, str, list[bytes]]], probe: NDArray[np.float32]) -> tuple[float, ...]:
    """The cohort, or () where the best score does not hang on it."""
    rows = np.stack([np.frombuffer(vector, np.float16) for _, _, (vector,) in faces])
    scores = dict(zip([faceid for faceid, _, _ in faces], exact_scores(rows, probe).tolist(), strict=True))
    best = max(scores, key=scores.__getitem__)
    size = len(faces)
    if not POINT.floor(size) <= scores[best] < POINT.ceiling(size):
        return ()
    level = sample_level(size)
    chosen = [f for f in scores if f != best and in_sample(np.array([mix(f)], np.uint64), level)[0]]
    falling = sorted((scores[f] for f in chosen if scores[f] < POINT.threshold(size)), reverse=True)
    return tuple(falling[:COHORT])


@pytest.mark.parametrize("size", [150, 300, 9_000])
def test_cohorts_are_those_of_a_brute_force_however_the_gallery_is_stored(size: int) -> None:
    faces, probes = gallery_of(size)
    wanted = tuple(brute_force(faces, probe) for probe in probes)
    assert any(wanted) == (size >= 200)
    assert not all(wanted)

    stored = Gallery("m", from_faces("m", 1, faces))
    answer = stored.view.search(probes, None, 1, POINT)
    assert answer.cohorts == wanted
    assert answer.candidates == tuple(
        tuple(one for one in found if one.score >= POINT.floor(size))
        for found in stored.view.search(probes, None, 1).candidates
    )

    half = Gallery("m", from_faces("m", 1, faces[::2]))
    half.apply([JournalEntry(Edit.PUT, f, g, (Template("m", v),)) for f, g, (v,) in faces[1::2][:900]], 2)
    rest = Gallery("m", from_faces("m", 1, faces[::2] + faces[1::2][:900]))
    assert half.view.search(probes, None, 1, POINT).cohorts == rest.view.search(probes, None, 1, POINT).cohorts


@pytest.mark.parametrize("size", [300, 9_000])
@pytest.mark.parametrize("group_ids", [None, ["g"]])
def test_shards_find_the_cohorts_of_the_whole(size: int, group_ids: list[str] | None) -> None:
    faces, probes = gallery_of(size)

    class Split:
        def search(  # type: ignore[no-untyped-def]
            self, tenant, model, probes, *, group_ids=None, limit=1, least=None, shard=WHOLE, sample_of=None
        ) -> SearchAnswer:
            view = Gallery("m", from_faces("m", 1, [face for face in faces if shard.holds(face[0])])).view
            return view.search(probes, group_ids, limit, least, part=shard != WHOLE, sample_of=sample_of)

    whole, split = (
        ShardedSearch(Split(), lambda _, of=of: of).search("t", "m", probes, group_ids=group_ids, least=POINT)  # type: ignore[misc]
        for of in (1, 3)
    )
    assert split == whole
    assert size == 300 or any(whole.cohorts)


def test_a_cohort_is_of_the_groups_that_are_searched() -> None:
    faces, probes = gallery_of(1_000)
    ours = [face for face in faces if face[1] == "g"]
    answer = Gallery("m", from_faces("m", 1, faces)).view.search(probes, ["g"], 1, POINT)
    assert answer.cohorts == tuple(brute_force(ours, probe) for probe in probes)
