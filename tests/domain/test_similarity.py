"""The scale of similarities: one meaning at every size, on the side of 80 on which the decision
is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.rules.decision import (
    DEFAULT_FPIR,
    MATCH,
    ImpostorCurve,
    fit_similarity,
    rate_similarity,
)

CURVE = ImpostorCurve(((0.1, 0.2), (0.3, 1e-2), (0.45, 1e-4), (0.55, 1e-6)), 0.45, 1e-4, 46.0)
sizes = st.integers(0, 5_000_000)
scores = st.floats(-1, 1.001)


@given(sizes, scores, scores)
def test_a_higher_score_is_no_less_similar(faces: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= rate_similarity(low, CURVE, faces) <= rate_similarity(high, CURVE, faces) <= 100


@given(sizes)
def test_80_is_where_the_service_says_the_same_person(faces: int) -> None:
    threshold = CURVE.operating_threshold(faces)
    assert rate_similarity(threshold, CURVE, faces) == pytest.approx(MATCH, abs=1e-4)
    assert rate_similarity(threshold - 1e-3, CURVE, faces) < MATCH


@pytest.mark.parametrize(
    ("strangers", "level"), [(0.003, 80), (0.001, 90), (0.0003, 95), (0.00003, 99), (1 - 1e-9, 50)]
)
@pytest.mark.parametrize("faces", [1_000, 30_000, 1_000_000])
def test_a_similarity_says_how_many_strangers_are_expected(
    strangers: float, level: float, faces: int
) -> None:
    fmr = 1 / faces if level == 50 else 1 - (1 - strangers) ** (1 / faces)
    assert rate_similarity(CURVE.threshold_at(fmr), CURVE, faces) == pytest.approx(level, abs=1e-3)


@given(scores)
def test_up_to_a_thousand_faces_are_alike_and_more_make_it_smaller(score: float) -> None:
    assert rate_similarity(score, CURVE, 1) == rate_similarity(score, CURVE, 1_000)
    assert rate_similarity(score, CURVE, 1_000_000) <= rate_similarity(score, CURVE, 1_000)


def test_the_ends() -> None:
    assert rate_similarity(-0.2, CURVE, 5) == 0
    assert rate_similarity(0.0, CURVE, 5) == 0
    assert rate_similarity(0.1, CURVE, 5) < 50
    assert rate_similarity(1.0, CURVE, 5) == rate_similarity(1.0005, CURVE, 5) == 100


def test_another_target_moves_the_points_from_80_on() -> None:
    assert rate_similarity(
        CURVE.operating_threshold(5_000, 0.01), CURVE, 5_000, 0.01
    ) == pytest.approx(80, abs=1e-4)
    assert rate_similarity(
        CURVE.operating_threshold(5_000, 0.001), CURVE, 5_000, 0.01
    ) == pytest.approx(95, abs=1e-4)


@given(scores, sizes)
def test_a_point_at_a_score_of_one_or_more_is_left_out(score: float, faces: int) -> None:
    poor = ImpostorCurve(((0.5, 0.2), (0.9, 1e-2)), 0.9, 1e-2, 5.0)
    assert 0 <= rate_similarity(score, poor, faces, DEFAULT_FPIR) <= 100


def test_the_decision_has_the_last_word() -> None:
    assert fit_similarity(99.0, match=False) == 79.9999
    assert fit_similarity(60.0, match=True) == 80
    assert fit_similarity(85.5, match=True) == 85.5
    assert fit_similarity(12.0, match=False) == 12
