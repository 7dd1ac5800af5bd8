import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.model import Candidate, Decision
from chalicelib.domain.rules.decision import (
    JOIN_PICTURES,
    SAME_PICTURE,
    ImpostorCurve,
    OperatingPoint,
    Verdict,
    is_match,
    is_one_person,
    judge_in_visit,
    subtract_demand,
)
from tests.support.closeness import CURVE

TAIL = {"above": 0.05, "fmr_at": 0.2, "rate": 30}


def test_threshold_of_a_thousand_faces_is_that_of_the_measurement() -> None:
    assert 0.49 <= CURVE.identify_threshold(1_000, 0.003) <= 0.52


def test_threshold_of_twenty_faces_is_about_two_fifths() -> None:
    assert CURVE.identify_threshold(20, 0.003) == pytest.approx(0.42, abs=0.01)


def test_small_gallery_is_decided_as_one_of_a_thousand_faces() -> None:
    assert (
        CURVE.operating_threshold(0)
        == CURVE.operating_threshold(28)
        == CURVE.identify_threshold(1_000)
    )
    assert CURVE.operating_threshold(30_000) == CURVE.identify_threshold(30_000)


def test_measured_points_are_kept_where_they_rest_on_many_pairs() -> None:
    assert CURVE.threshold_at(0.001) == pytest.approx(0.3623)
    assert CURVE.threshold_at(0.1) == pytest.approx(0.1569)
    assert CURVE.threshold_at(0.5) == pytest.approx(0.1569)


def test_a_point_counts_if_thirty_pairs_are_above_it_and_the_tail_begins_beyond_the_last_such_point() -> (  # noqa: E501
    None
):
    assert CURVE.threshold_at(1e-5) == pytest.approx(0.4873)  # 40 of 4 million pairs
    assert CURVE.threshold_at(3e-6) > 0.5078  # 12 pairs: the tail asks for more
    plain = {
        "points": [{"fmr": 0.1, "threshold": 0.1}, {"fmr": 0.01, "threshold": 0.2}],
        "tail": TAIL,
    }
    for pairs, begins in ((3_000, 0.2), (2_999, 0.1), (299, 0.05)):
        assert (
            ImpostorCurve.from_calibration({**plain, "impostor_pairs": pairs}).tail_above == begins
        )
    assert ImpostorCurve.from_calibration(plain).tail_above == 0.05


def test_empty_gallery_counts_as_one_face() -> None:
    assert (
        CURVE.identify_threshold(0, 0.003)
        == CURVE.identify_threshold(1, 0.003)
        == CURVE.threshold_at(0.003)
    )


@given(st.integers(0, 10**8), st.integers(0, 10**8), st.floats(1e-6, 0.4), st.floats(1e-6, 0.4))
def test_bigger_gallery_and_lower_rate_never_need_a_lower_score(
    n: int, m: int, f: float, g: float
) -> None:
    assert CURVE.identify_threshold(max(n, m), f) >= CURVE.identify_threshold(min(n, m), f)
    assert CURVE.identify_threshold(n, min(f, g)) >= CURVE.identify_threshold(n, max(f, g))


@given(st.floats(math.log(1e-12), math.log(0.09)))
def test_rate_at_the_threshold_is_the_rate_asked_for(log_fmr: float) -> None:
    fmr = math.exp(log_fmr)
    assert CURVE.fmr_at(CURVE.threshold_at(fmr)) == pytest.approx(fmr, rel=0.35)
    assert CURVE.threshold_at(CURVE.fmr_at(CURVE.threshold_at(fmr))) == pytest.approx(
        CURVE.threshold_at(fmr), abs=1e-6
    )


def test_thresholds_have_no_jump() -> None:
    rates = [10 ** (-exponent / 200) for exponent in range(210, 1600)]
    thresholds = [CURVE.threshold_at(rate) for rate in rates]
    assert max(b - a for a, b in itertools.pairwise(thresholds)) < 0.01


@pytest.mark.parametrize(
    ("size", "fpir"), [(-1, 0.003), (10, 0.0), (10, 1.0), (10, -1.0), (10, math.nan)]
)
def test_senseless_targets_are_refused(size: int, fpir: float) -> None:
    with pytest.raises(ValueError, match="not"):
        CURVE.identify_threshold(size, fpir)


@pytest.mark.parametrize(
    "points", [((0.1, 0.1),), ((0.2, 0.1), (0.1, 0.01)), ((0.1, 0.01), (0.2, 0.1))]
)
def test_curve_that_does_not_fall_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="impostor curve"):
        ImpostorCurve(points, 0.3, 0.001, 30.0)


POINT = OperatingPoint(CURVE)
SIZES = st.integers(0, 10**7)


def best(score: float) -> Candidate:
    return Candidate("f", "g", score)


@given(SIZES, st.floats(-2, 2), st.floats(1e-6, 0.1))
def test_a_demand_moves_a_threshold_but_never_above_the_same_picture(
    size: int, demand: float, fpir: float
) -> None:
    point = OperatingPoint(CURVE, fpir)
    usual, asked = point.find_threshold(size), point.find_threshold(size, demand)
    assert usual == CURVE.operating_threshold(size, fpir)
    if demand < 0:
        assert asked == usual + demand
    else:
        assert asked == max(usual, min(usual + demand, SAME_PICTURE))


def test_the_same_picture_loses_nothing_by_its_demand() -> None:
    assert subtract_demand(0.995, 0.1) == 0.995
    assert subtract_demand(0.995, -0.1) == pytest.approx(1.095)
    assert (subtract_demand(0.6, 0.1), subtract_demand(0.6, -0.1)) == (
        pytest.approx(0.5),
        pytest.approx(0.7),
    )


def test_a_verdict_says_who_and_by_what() -> None:
    usual = POINT.find_threshold(1_000)
    nobody, match = POINT.judge_candidate(None, 1_000), POINT.judge_candidate(best(usual), 1_000)
    assert (nobody.match, nobody.candidate, nobody.decision) == (
        False,
        None,
        Decision(None, usual, 1_000),
    )
    assert (match.match, match.decision.threshold, match.decision.gallery_size) == (
        True,
        usual,
        1_000,
    )
    assert match.decision.false_match_probability == pytest.approx(0.003, rel=0.01)
    alike = POINT.judge_candidate(best(usual), 1_000, 0.01)
    assert (alike.match, alike.decision.threshold) == (False, pytest.approx(usual + 0.01))
    assert (alike.decision.false_match_probability or 0.0) > 0.003
    more = POINT.judge_candidate(best(usual + 0.01), 1_000, 0.01)
    assert more.decision.false_match_probability == pytest.approx(
        match.decision.false_match_probability
    )


@pytest.mark.parametrize(
    ("score", "qualities", "match"),
    [
        (0.6, (), True),
        (0.5, (80.0,), True),
        (0.49999, (80.0,), False),
        (0.6, (None,), True),
        (0.6, (5.0, 80.0), True),
        (0.6, (80.0, 5.0), True),
        (0.6, (5.0, None), True),
        (0.6, (5.0, 19.9), False),
        (0.6, (5.0,), False),
        (SAME_PICTURE, (5.0, 5.0), True),
        (0.4, (80.0, 80.0), False),
    ],
)
def test_two_faces_that_are_both_poor_match_only_as_the_same_picture(
    score: float, qualities: tuple[float | None, ...], match: bool
) -> None:
    assert is_match(score, 0.5, *qualities) == match


def test_two_faces_are_one_person_above_the_threshold_and_by_more_than_a_photo_each() -> None:
    sure = Decision(0.6, 0.6, 500)
    unsure = Decision(0.59, 0.6, 500)
    nobody = Decision(None, 0.6, 500)
    assert is_one_person(sure, 1, JOIN_PICTURES, is_enrolled=False, has_lead=False)
    assert not is_one_person(sure, 1, JOIN_PICTURES - 1, is_enrolled=False, has_lead=False)
    assert is_one_person(sure, 1, JOIN_PICTURES - 1, is_enrolled=True, has_lead=False)
    for pictures, given_by_a_person in ((1, True), (8, True), (8, False)):
        assert not is_one_person(unsure, 1, pictures, is_enrolled=given_by_a_person, has_lead=False)
        assert not is_one_person(nobody, 1, pictures, is_enrolled=given_by_a_person, has_lead=False)


def test_a_lead_tells_whose_a_single_picture_is_and_nothing_of_two_faces_with_several() -> None:
    unsure = Decision(0.5, 0.6, 500)
    assert is_one_person(unsure, 1, JOIN_PICTURES, is_enrolled=False, has_lead=True)
    assert not is_one_person(unsure, 1, 1, is_enrolled=False, has_lead=True)
    assert not is_one_person(unsure, JOIN_PICTURES, JOIN_PICTURES, is_enrolled=False, has_lead=True)


@given(SIZES, st.floats(-0.2, 0.6), st.floats(0, 0.3))
def test_the_lead_over_the_next_best_counts_as_much_as_the_score(
    size: int, next_best: float, more: float
) -> None:
    threshold = POINT.threshold_of_leader(size, next_best)
    assert POINT.threshold_of_leader(size, next_best + more) == pytest.approx(threshold + more / 2)
    usual = CURVE.threshold_at(math.log(2) / 2 / max(size, 1))
    assert POINT.threshold_of_leader(size, usual) == pytest.approx(POINT.find_threshold(size))


def test_in_a_visit_a_score_is_judged_as_in_a_gallery_of_the_few_who_were_there() -> None:
    def verdict(score: float, demand: float = 0.0, *, same_track: bool) -> Verdict:
        candidate = Candidate("ann", "regular", score)
        return judge_in_visit(
            CURVE,
            candidate,
            demand,
            same_track=same_track,
            beside_sighting="a-0",
            gallery_size=1_280,
        )

    in_a_minute, on_a_track = verdict(0.5, same_track=False), verdict(0.5, same_track=True)
    assert (
        CURVE.identify_threshold(10)
        == on_a_track.decision.threshold
        < in_a_minute.decision.threshold
        < 0.5
    )
    assert (in_a_minute.match, in_a_minute.decision.by, in_a_minute.decision.gallery_size) == (
        True,
        "a-0",
        1_280,
    )
    just = verdict(in_a_minute.decision.threshold, same_track=False)
    assert just.match
    assert just.decision.false_match_probability == pytest.approx(0.003, rel=0.01)
    assert not verdict(in_a_minute.decision.threshold - 0.001, same_track=False).match
    assert verdict(in_a_minute.decision.threshold - 0.001, same_track=True).match
    asks_more = verdict(0.5, 0.1, same_track=False)
    assert asks_more.decision.threshold == pytest.approx(in_a_minute.decision.threshold + 0.1)
    assert not asks_more.match
