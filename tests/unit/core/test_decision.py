from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.decision import ImpostorCurve

CALIBRATION = Path(__file__).resolve().parents[3] / "chalicelib" / "packs" / "face-pack-1" / "calibration.json"
CURVE = ImpostorCurve.from_calibration(json.loads(CALIBRATION.read_text())["face_reid_0095"])


def test_threshold_of_a_thousand_faces_is_that_of_the_measurement() -> None:
    assert 0.53 <= CURVE.identify_threshold(1_000, 0.003) <= 0.56


def test_threshold_of_twenty_faces_is_about_two_fifths() -> None:
    assert CURVE.identify_threshold(20, 0.003) == pytest.approx(0.40, abs=0.01)


def test_small_gallery_is_decided_as_one_of_a_thousand_faces() -> None:
    assert CURVE.operating_threshold(0) == CURVE.operating_threshold(28) == CURVE.identify_threshold(1_000)
    assert CURVE.operating_threshold(30_000) == CURVE.identify_threshold(30_000)


def test_measured_points_are_kept_where_they_rest_on_many_pairs() -> None:
    assert CURVE.threshold_at(0.001) == pytest.approx(0.3351)
    assert CURVE.threshold_at(0.1) == pytest.approx(0.1232)
    assert CURVE.threshold_at(0.5) == pytest.approx(0.1232)


def test_empty_gallery_counts_as_one_face() -> None:
    assert CURVE.identify_threshold(0, 0.003) == CURVE.identify_threshold(1, 0.003) == CURVE.threshold_at(0.003)


@given(st.integers(0, 10**8), st.integers(0, 10**8), st.floats(1e-6, 0.4), st.floats(1e-6, 0.4))
def test_bigger_gallery_and_lower_rate_never_need_a_lower_score(n: int, m: int, f: float, g: float) -> None:
    assert CURVE.identify_threshold(max(n, m), f) >= CURVE.identify_threshold(min(n, m), f)
    assert CURVE.identify_threshold(n, min(f, g)) >= CURVE.identify_threshold(n, max(f, g))


@given(st.floats(math.log(1e-12), math.log(0.09)))
def test_rate_at_the_threshold_is_the_rate_asked_for(log_fmr: float) -> None:
    fmr = math.exp(log_fmr)
    assert CURVE.fmr_at(CURVE.threshold_at(fmr)) == pytest.approx(fmr, rel=0.35)
    assert CURVE.threshold_at(CURVE.fmr_at(CURVE.threshold_at(fmr))) == pytest.approx(CURVE.threshold_at(fmr), abs=1e-6)


def test_thresholds_have_no_jump() -> None:
    rates = [10 ** (-exponent / 200) for exponent in range(210, 1600)]
    thresholds = [CURVE.threshold_at(rate) for rate in rates]
    assert max(b - a for a, b in itertools.pairwise(thresholds)) < 0.01


@pytest.mark.parametrize(("size", "fpir"), [(-1, 0.003), (10, 0.0), (10, 1.0), (10, -1.0), (10, math.nan)])
def test_senseless_targets_are_refused(size: int, fpir: float) -> None:
    with pytest.raises(ValueError, match="not"):
        CURVE.identify_threshold(size, fpir)


@pytest.mark.parametrize("points", [((0.1, 0.1),), ((0.2, 0.1), (0.1, 0.01)), ((0.1, 0.01), (0.2, 0.1))])
def test_curve_that_does_not_fall_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="impostor curve"):
        ImpostorCurve(points, 0.3, 0.001, 30.0)
