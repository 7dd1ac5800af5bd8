"""Cohorts: the same from a brute force, a segment, a tail and shards; found only where they decide."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.adapters.aws import search as remote_search
from chalicelib.core.cohorts import COHORT, sample_level
from chalicelib.core.decision import ImpostorCurve, OperatingPoint
from chalicelib.core.model import Edit, JournalEntry, Template
from chalicelib.core.search import SearchAnswer, SearchRequest, verdicts
from chalicelib.core.templates import fused
from chalicelib.index.gallery import Gallery
from chalicelib.index.sample import in_sample, mix
from chalicelib.index.scan.scan import exact_scores
from chalicelib.index.sharded import ShardedSearch
from chalicelib.index.snapshots.build_segment import from_faces
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
    answer = stored.view.search(SearchRequest("m", probes, operating_point=POINT))
    assert answer.cohorts == wanted
    assert answer.candidates == tuple(
        tuple(one for one in found if one.score >= POINT.floor(size))
        for found in stored.view.search(SearchRequest("m", probes)).candidates
    )

    half = Gallery("m", from_faces("m", 1, faces[::2]))
    half.apply([JournalEntry(Edit.PUT, f, g, (Template("m", v),)) for f, g, (v,) in faces[1::2][:900]], 2)
    rest = Gallery("m", from_faces("m", 1, faces[::2] + faces[1::2][:900]))
    request = SearchRequest("m", probes, operating_point=POINT)
    assert half.view.search(request).cohorts == rest.view.search(request).cohorts


def brute_force_of(faces: list[tuple[str, str, list[bytes]]], faceid: str) -> tuple[float, ...]:
    """The cohort of an enrolled face."""
    rows = {f: [np.frombuffer(vector, np.float16) for vector in vectors] for f, _, vectors in faces}
    own = rows[faceid]
    row = own[0] if len(own) == 1 else fused(np.stack(own).astype(np.float32)).astype(np.float16)
    level = sample_level(len(faces))
    sample = [f for f in rows if in_sample(np.array([mix(f)], np.uint64), level)[0]]
    scores = [float(exact_scores(np.stack(rows[f]), row.astype(np.float32)).max()) for f in sample]
    falling = sorted((score for score in scores if score < POINT.threshold(len(faces))), reverse=True)[:COHORT]
    return tuple(falling) if len(falling) == COHORT else ()


@pytest.mark.parametrize("size", [300, 3_000])
def test_the_cohort_of_a_candidate_is_that_of_its_template(size: int) -> None:
    faces, probes = gallery_of(size)
    answer = Gallery("m", from_faces("m", 1, faces)).view.search(
        SearchRequest("m", probes, limit=3, operating_point=POINT)
    )
    assert any(answer.candidate_cohorts)
    for found, cohort, theirs in zip(answer.candidates, answer.cohorts, answer.candidate_cohorts, strict=True):
        assert theirs == (tuple(brute_force_of(faces, one.faceid) for one in found) if cohort else ())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(200, 500), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_every_layout_gives_the_same_verdicts(seed: int, size: int, limit: int, number: int, several: bool) -> None:
    """One segment, a segment and a tail, shards of each, and shards behind the wire; faces of one or more templates."""
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((size, 1, DIMENSIONS)) + random.standard_normal((size, 3, DIMENSIONS)) * 0.3)
    counts = random.integers(1, 4, size) if several else np.ones(size, int)
    faces = [
        (f"f{n:04d}", "gh"[n % 2], [row.astype(np.float16).tobytes() for row in vectors[n, : counts[n]]])
        for n in range(size)
    ]
    likeness = random.uniform(0.2, 0.6, (6, 1))
    noise = unit(random.standard_normal((6, DIMENSIONS)))
    probes = unit(vectors[:6, 0] * likeness + noise * np.sqrt(1 - likeness**2))
    wanted = Gallery("m", from_faces("m", 1, faces)).view.search(
        SearchRequest("m", probes, limit=limit, operating_point=POINT)
    )
    for found, theirs in zip(wanted.candidates, wanted.candidate_cohorts, strict=True):
        assert theirs in ((), tuple(brute_force_of(faces, one.faceid) for one in found))

    class Layout:
        def __init__(self, in_segment: int) -> None:
            self.in_segment = in_segment

        def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
            mine = [face for face in faces if request.shard.holds(face[0])]
            gallery = Gallery("m", from_faces("m", 1, [face for face in mine if face[0] < f"f{self.in_segment:04d}"]))
            tail = [face for face in mine if face[0] >= f"f{self.in_segment:04d}"]
            gallery.apply([JournalEntry(Edit.PUT, f, g, tuple(Template("m", v) for v in vs)) for f, g, vs in tail], 1)
            return gallery.view.search(request)

    class Wire:
        def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
            event = remote_search.event_of(tenant, request)
            reply = remote_search.answer(json.loads(json.dumps(event)), Layout(size // 2))
            return remote_search._answer_from_wire(json.dumps(reply).encode())

    for search in (Layout(size), Layout(size // 2), Layout(0), Wire()):
        for of in (1, number):
            sharded = ShardedSearch(search, lambda _, of=of: of)  # type: ignore[misc]
            answer = sharded.search("t", SearchRequest("m", probes, limit=limit, operating_point=POINT))
            assert answer == wanted
            assert verdicts(answer, POINT, [80.0] * 6) == verdicts(wanted, POINT, [80.0] * 6)


@pytest.mark.parametrize("size", [300, 9_000])
@pytest.mark.parametrize("group_ids", [None, ["g"]])
def test_shards_find_the_cohorts_of_the_whole(size: int, group_ids: list[str] | None) -> None:
    faces, probes = gallery_of(size)

    class Split:
        def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
            view = Gallery("m", from_faces("m", 1, [face for face in faces if request.shard.holds(face[0])])).view
            return view.search(request)

    request = SearchRequest("m", probes, group_ids, operating_point=POINT)
    whole, split = (ShardedSearch(Split(), lambda _, of=of: of).search("t", request) for of in (1, 3))  # type: ignore[misc]
    assert split == whole
    assert size == 300 or any(whole.cohorts)


def test_a_cohort_is_of_the_groups_that_are_searched() -> None:
    faces, probes = gallery_of(1_000)
    ours = [face for face in faces if face[1] == "g"]
    answer = Gallery("m", from_faces("m", 1, faces)).view.search(
        SearchRequest("m", probes, ["g"], operating_point=POINT)
    )
    assert answer.cohorts == tuple(brute_force(ours, probe) for probe in probes)
