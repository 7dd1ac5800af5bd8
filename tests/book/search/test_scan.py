import ctypes
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.scan.coder import (
    Call,
    Coder,
    Tier,
    _bound_ordinary,
    _with_tiers,
    describe_coder,
    encode,
    fit,
    row_norms,
)
from chalicelib.book.search.scan.scan import (
    BestFaces,
    Rows,
    load_kernel,
    require_probes,
    scan,
    scan_plain,
    scan_without_kernel,
)
from chalicelib.book.search.snapshots.segment import decode, segment_of_faces
from chalicelib.book.search.snapshots.segment import encode_segment as to_file
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Candidate
from chalicelib.domain.rules.decision import SearchRequest

DIMENSIONS = 24
KINDS = [
    "random",
    "turned",
    "copies",
    "near ties",
    "zeros",
    "constant",
    "outlier",
    "lengths",
    "tiny",
]
Found = list[tuple[int, float]]


class Query(Struct, frozen=True):
    """A probe coded for one tier: score from `begin` on <= step * (row . codes) + slack."""

    codes: NDArray[np.int8]
    step: float
    slack: float
    column_weight: int

    def cut(self, least: float) -> int:
        """Return the lowest integer that a row must reach to be able to reach the score `least`."""
        exact = (least - self.slack) / self.step
        return math.floor(min(max(exact - 1, -(2.0**31)), 2.0**31 - 1))


def queries(coder: Coder, probe: NDArray[np.float32]) -> list[Query]:
    """The probe as the kernel codes it for each tier.

    The first slack covers the errors of rotation and rounding.
    """
    compiled = load_kernel()
    assert compiled is not None, "no kernel was compiled, which codes probes: make kernels"
    room, _ = compiled._run_search(describe_coder(coder), coder, [(probe, BestFaces(0))])
    call = Call.from_buffer(room)
    codes = (
        np.frombuffer(ctypes.string_at(tier.query, tier.width), np.int8) for tier in call.tiers
    )
    tiers = zip(call.tiers[: call.tier_count], codes, strict=False)
    return [Query(query, tier.step, tier.slack, tier.weight) for tier, query in tiers]


def brute_force(
    templates: NDArray[np.float16],
    faces: NDArray[np.int64],
    searched: NDArray[np.bool_],
    probe: NDArray[np.float32],
    limit: int,
    least: float = -math.inf,
) -> Found:
    best: dict[int, float] = {}
    scores = (templates.astype(np.float64) * probe.astype(np.float64)).sum(axis=1)
    counts = searched & (scores >= least)
    for face, score in zip(faces[counts].tolist(), scores[counts].tolist(), strict=True):
        best[face] = max(score, best.get(face, -math.inf))
    return sorted(best.items(), key=lambda found: (-found[1], found[0]))[:limit]


def answer(best: BestFaces) -> Found:
    found = zip(best.faces, best.scores, strict=True)
    return sorted(found, key=lambda one: (-one[1], one[0]))[: best.limit]


def vectors(random: np.random.Generator, kind: str, rows: int) -> NDArray[np.float16]:
    """As a gallery has them, and as only an adversary makes them."""
    made = random.standard_normal((rows, DIMENSIONS))
    if kind == "turned":
        made[:, 8:] *= 0.05
        made @= np.linalg.qr(random.standard_normal((DIMENSIONS, DIMENSIONS)))[0]
    elif kind == "copies":
        made = made[random.integers(0, max(rows // 8, 1), rows)]
    elif kind == "near ties":
        made = made[:1] + random.choice([0, 1e-3, 1e-7], (rows, 1)) * made
    elif kind == "zeros":
        made[random.random(rows) < 0.7] = 0
    elif kind == "constant":
        made[:] = 0.25
    if kind not in ("zeros", "constant"):
        made /= np.linalg.norm(made, axis=1, keepdims=True)
    if kind == "outlier":
        made[random.integers(0, rows)] *= 60_000
    elif kind == "lengths":
        made *= 10.0 ** random.uniform(-6, 3, (rows, 1))
    elif kind == "tiny":
        made *= 1e-6
    return made.astype(np.float16)


def coder_for(random: np.random.Generator, choice: str, templates: NDArray[np.float16]) -> Coder:
    """One that fits; one with two tiers and a rotation, good or bad; one that was made for other
    templates."""
    if choice == "fitted":
        return fit(templates)
    if choice == "of others":
        templates = (random.standard_normal((50, DIMENSIONS)) * 0.3).astype(np.float16)
    rotation = np.linalg.qr(random.standard_normal((DIMENSIONS, DIMENSIONS)))[0].astype(np.float32)
    if choice == "skewed":
        rotation += (random.standard_normal(rotation.shape) * 0.02).astype(np.float32)
    sample = templates.astype(np.float32)
    largest = _bound_ordinary(row_norms(sample))
    ends = sorted(random.integers(1, DIMENSIONS + 1, 2).tolist())
    return _with_tiers(
        Coder(DIMENSIONS, rotation, (), largest), sample, [(0, ends[0]), (ends[0], ends[1])]
    )


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[Rows, NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32], int, float]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, 120))
    templates = vectors(random, draw(st.sampled_from(KINDS)), rows)
    coder = coder_for(
        random, draw(st.sampled_from(["fitted", "two tiers", "skewed", "of others"])), templates
    )
    faces = np.unique(
        np.sort(random.integers(0, draw(st.integers(1, rows)), rows)), return_inverse=True
    )[1]
    searched = (random.random(rows) < draw(st.sampled_from([1.0, 0.5, 0.05, 0.0])))[faces]
    probe = random.standard_normal(DIMENSIONS).astype(np.float32)
    probe = {"row": templates[0].astype(np.float32), "zero": 0 * probe}.get(
        draw(st.sampled_from(["row", "zero", "any", "any"])), probe / np.linalg.norm(probe)
    )
    limit = draw(st.integers(1, 100))
    scores = templates.astype(np.float64) @ probe.astype(np.float64)
    least = draw(
        st.sampled_from(
            [-math.inf, -math.inf, 0.0, float(scores[-1]), float(scores.max()), math.inf]
        )
    )
    of_face = np.zeros(int(faces.max()) + 1, dtype=bool)
    of_face[faces] = searched
    first_row = np.searchsorted(faces, np.arange(len(of_face) + 1)).astype(np.uint32)
    group = np.where(
        of_face, random.integers(0, 2, len(of_face)), random.choice([-1, 2], len(of_face))
    )
    taken = np.array([True, True, False])
    held = Rows(
        templates, coder, encode(coder, templates), first_row, group.astype(np.int32), taken
    )
    return held, faces, searched, probe, limit, least


@pytest.mark.parametrize("scan_rows", [scan, scan_without_kernel])
@settings(deadline=None, max_examples=400)
@given(case=cases())
def test_the_answer_equals_float64_brute_force_in_ids_order_and_scores(
    scan_rows: Callable[..., None],
    case: tuple[Rows, NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32], int, float],
) -> None:
    rows, faces, searched, probe, limit, least = case
    wanted = brute_force(rows.templates, faces, searched, probe, limit, least)

    scanned, picked, plain, among_others = (BestFaces(limit, least) for _ in range(4))
    scan_rows(rows, [(probe, scanned)])
    scan_rows(replace(rows, numbers=np.flatnonzero(searched).astype(np.int32)), [(probe, picked)])
    norm = float(np.linalg.norm(rows.templates.astype(np.float64), axis=1).max())
    scan_plain(rows.templates.astype(np.float32), norm, np.where(searched, faces, -1), probe, plain)
    others = [(-probe, BestFaces(3)), (probe, among_others), (probe, BestFaces(1))]
    scan_rows(rows, others)

    assert [answer(best) for best in (scanned, picked, plain, among_others)] == [wanted] * 4


@settings(deadline=None, max_examples=300)
@given(case=cases())
def test_no_row_scores_above_its_bound(
    case: tuple[Rows, NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32], int, float],
) -> None:
    rows, _, _, probe, _, _ = case
    scores = rows.templates.astype(np.float64) @ probe.astype(np.float64)
    bound = np.zeros(len(scores))
    column = 0
    for tier, query, codes in zip(
        rows.coder.tiers, queries(rows.coder, probe), rows.codes.tiers, strict=True
    ):
        bound -= column
        sums = codes.astype(np.int64) @ query.codes.astype(np.int64)
        bound += sums * query.step + query.slack
        sure = np.setdiff1d(np.arange(len(scores)), rows.codes.loose)
        assert (scores[sure] <= bound[sure]).all()
        least = float(np.median(scores))
        if tier.begin == 0:
            assert (sums[sure] >= query.cut(least))[scores[sure] >= least].all()
        column = codes[:, tier.numbers] * (query.step * query.column_weight) if tier.columns else 0


def test_ordinary_rows_are_never_loose_and_an_outlier_is() -> None:
    random = np.random.default_rng(3)
    templates = vectors(random, "random", 5_000)
    templates[77] *= 1_000
    assert encode(coder := fit(templates), templates).loose.tolist() == [77]
    assert coder.rotation is None, "random vectors have no direction that is worth a rotation"


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_the_largest_codes_do_not_overflow(rows: int) -> None:
    signs = np.random.default_rng(rows).choice([-1, 1], (rows, 256))
    templates = (signs / 16).astype(np.float16)
    coder = Coder(256, None, (Tier(0, 256, 0, 1 / 16 / 127, 1.0, 1.001, 1e-6),), 1.001)
    gallery = one_picture_each(templates, coder)
    assert np.abs(gallery.codes.tiers[0]).min() == 127
    assert not len(gallery.codes.loose)
    for number, probe in enumerate(templates.astype(np.float32)):
        alike, opposite = BestFaces(1, 1.0), BestFaces(rows)
        scan(gallery, [(probe, alike), (-probe, opposite)])
        assert answer(alike) == [(number, 1.0)]
        assert answer(opposite)[-1] == (number, -1.0)


@cache
def turned_gallery(rows: int) -> NDArray[np.float16]:
    """256 dimensions, of which the leading ones of a hidden basis hold almost everything; with
    copies."""
    random = np.random.default_rng(1)
    basis = np.linalg.qr(random.standard_normal((256, 256)))[0]
    made = (random.standard_normal((rows, 256)) * np.exp(-np.arange(256) / 40)) @ basis
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    made[rows // 2 : rows // 2 + 100] = made[0]
    return made.astype(np.float16)


@cache
def turned_coder() -> Coder:
    return fit(turned_gallery(20_000))


def one_picture_each(templates: NDArray[np.float16], coder: Coder) -> Rows:
    first_row = np.arange(len(templates) + 1, dtype=np.uint32)
    group = np.zeros(len(templates), dtype=np.int32)
    return Rows(
        templates, coder, encode(coder, templates), first_row, group, np.ones(1, dtype=bool)
    )


@pytest.mark.parametrize("limit", [1, 10, 50, 100, 4_097])
def test_a_large_gallery_is_turned_and_equals_brute_force(limit: int) -> None:
    templates, coder = turned_gallery(20_000), turned_coder()
    assert coder.rotation is not None
    assert len(coder.tiers) == 2
    everyone = np.ones(20_000, dtype=bool)
    rows = one_picture_each(templates, coder)
    for probe in templates[[0, 5, 19_999]].astype(np.float32):
        best = BestFaces(limit)
        scan(rows, [(probe, best)])
        assert answer(best) == brute_force(templates, np.arange(20_000), everyone, probe, limit)


def test_a_threshold_leaves_almost_nothing_to_compute() -> None:
    templates, coder = turned_gallery(20_000), turned_coder()
    codes = encode(coder, templates)
    query = queries(coder, templates[5].astype(np.float32))[0]
    sums = codes.tiers[0].astype(np.int64) @ query.codes.astype(np.int64)
    assert (sums >= query.cut(0.9)).sum() < 200


@pytest.mark.parametrize("order", [1, -1])
def test_more_faces_than_the_kernel_has_room_for_are_found(order: int) -> None:
    """Rising scores all count when they come; of equal ones, every one belongs to the answer."""
    lengths = np.sort(np.linspace(0.1, 1, 20_000).round(3))[::order]
    templates = (np.full((20_000, 32), 1 / 32**0.5) * lengths[:, None]).astype(np.float16)
    probe = np.full(32, 1 / 32**0.5, np.float32)
    rows = one_picture_each(templates, fit(templates))
    for limit in (1, 30):
        best = BestFaces(limit)
        scan(rows, [(probe, best)])
        everyone = np.ones(20_000, dtype=bool)
        assert answer(best) == brute_force(templates, np.arange(20_000), everyone, probe, limit)
        assert len(best.faces) >= limit


@pytest.mark.parametrize("templates_each", [1, 4])
def test_a_gallery_out_of_a_snapshot_answers_with_faceids_that_tie_in_their_order(
    templates_each: int,
) -> None:
    templates = turned_gallery(6_000)
    faces = [
        (
            f"f{n}",
            "g" if n % 2 else "h",
            [row.tobytes() for row in templates[n : n + templates_each]],
        )
        for n in range(0, 6_000, templates_each)
    ]
    segment = decode(to_file(segment_of_faces("m", 7, faces)).readall())
    answer = Gallery("m", segment).view.search(
        SearchRequest("m", templates[:1].astype(np.float32), limit=100)
    )
    size, (found,) = answer.gallery_size, answer.candidates

    best = sorted(
        (
            -max(
                float(
                    (
                        np.frombuffer(t, "<f2").astype(np.float64) * templates[0].astype(np.float64)
                    ).sum()
                )
                for t in ts
            ),
            f,
            g,
        )
        for f, g, ts in faces
    )
    assert size == len(faces)
    assert found == tuple(Candidate(faceid, group, -score) for score, faceid, group in best[:100])


@pytest.mark.parametrize(
    ("probes", "limit", "complaint"),
    [
        (np.zeros(4), 1, "axes"),
        (np.full((1, 4), np.nan), 1, "NaN"),
        (np.full((1, 4), np.inf), 1, "infinity"),
        (np.zeros((1, 4)), 0, "1 to 4097"),
        (np.zeros((1, 4)), 4_098, "1 to 4097"),
    ],
)
def test_probes_that_cannot_be_searched_are_refused(
    probes: NDArray[np.float32], limit: int, complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        require_probes(probes, limit)
