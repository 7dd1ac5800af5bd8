"""How close two faces are, 0 to 1: 0.5 is the match at every size, and a client's threshold says
what it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.rules.decision import DEFAULT_FPIR, SMALLEST_GALLERY, rate_closeness
from tests.support.closeness import CURVE

sizes = st.integers(SMALLEST_GALLERY, 5_000_000)
scores = st.floats(-1, 1.001)


@given(sizes, scores, scores)
def test_a_higher_score_is_no_less_close(faces: int, one: float, other: float) -> None:
    low, high = (
        rate_closeness(score, CURVE, faces, DEFAULT_FPIR) for score in sorted((one, other))
    )
    assert 0 <= low <= high <= 1
    assert round(high, 5) == high


@given(sizes)
def test_one_half_is_where_the_service_says_the_same_person(faces: int) -> None:
    threshold = CURVE.operating_threshold(faces)
    assert rate_closeness(threshold + 1e-6, CURVE, faces, DEFAULT_FPIR) >= 0.5
    assert rate_closeness(threshold - 1e-6, CURVE, faces, DEFAULT_FPIR) < 0.5
    assert rate_closeness(threshold - 0.1, CURVE, faces, DEFAULT_FPIR, match=True) == 0.5
    assert rate_closeness(threshold + 0.1, CURVE, faces, DEFAULT_FPIR, match=False) == 0.49999


@pytest.mark.parametrize(
    ("threshold", "strangers"), [(0.5, 0.003), (0.8, 0.0015), (0.9, 0.001), (0.97, 0.000528)]
)
@pytest.mark.parametrize("faces", [1_000, 30_000, 1_000_000])
def test_a_threshold_says_how_many_strangers_are_named(
    threshold: float, strangers: float, faces: int
) -> None:
    score = CURVE.threshold_at(1 - (1 - strangers) ** (1 / faces))
    assert rate_closeness(score + 1e-6, CURVE, faces, DEFAULT_FPIR) == pytest.approx(
        threshold, abs=2e-3
    )


def test_a_face_that_is_too_poor_or_was_turned_down_is_below_every_clients_threshold() -> None:
    assert rate_closeness(0.9, CURVE, is_fit=False) == 0.3
