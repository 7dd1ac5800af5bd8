from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.cohorts import (
    COHORT,
    COHORT_GALLERY,
    LARGEST_DEMAND,
    LARGEST_RELIEF,
    SHARE,
    SMALLEST_COHORT_GALLERY,
    sample_level,
)
from chalicelib.core.decision import (
    JOIN_PICTURES,
    ImpostorCurve,
    OperatingPoint,
    Verdict,
    is_one_person,
    visit_verdict,
)
from chalicelib.core.model import Candidate, Decision
from chalicelib.core.search import SearchAnswer, verdicts

CALIBRATION = Path(__file__).resolve().parents[2] / "chalicelib" / "model_packs" / "face-pack-1" / "calibration.json"
CURVE = ImpostorCurve.from_calibration(json.loads(CALIBRATION.read_text())["face_reid_0095+flip"])


TAIL = {"above": 0.05, "fmr_at": 0.2, "rate": 30}


def test_threshold_of_a_thousand_faces_is_that_of_the_measurement() -> None:
    assert 0.53 <= CURVE.identify_threshold(1_000, 0.003) <= 0.56


def test_threshold_of_twenty_faces_is_about_two_fifths() -> None:
    assert CURVE.identify_threshold(20, 0.003) == pytest.approx(0.41, abs=0.01)


def test_small_gallery_is_decided_as_one_of_a_thousand_faces() -> None:
    assert CURVE.operating_threshold(0) == CURVE.operating_threshold(28) == CURVE.identify_threshold(1_000)
    assert CURVE.operating_threshold(30_000) == CURVE.identify_threshold(30_000)


def test_measured_points_are_kept_where_they_rest_on_many_pairs() -> None:
    assert CURVE.threshold_at(0.001) == pytest.approx(0.3414)
    assert CURVE.threshold_at(0.1) == pytest.approx(0.1251)
    assert CURVE.threshold_at(0.5) == pytest.approx(0.1251)


def test_a_point_counts_if_thirty_pairs_are_above_it_and_the_tail_begins_beyond_the_last_such_point() -> None:
    measured = CURVE.normalised
    assert measured is not None
    assert measured.threshold_at(3e-6) == pytest.approx(0.5185)  # 60 of 20 million pairs
    assert measured.threshold_at(1e-6) > 0.5409  # 20 pairs: the tail asks for more
    plain = {"points": [{"fmr": 0.1, "threshold": 0.1}, {"fmr": 0.01, "threshold": 0.2}], "tail": TAIL}
    for pairs, begins in ((3_000, 0.2), (2_999, 0.1), (299, 0.05)):
        assert ImpostorCurve.from_calibration({**plain, "impostor_pairs": pairs}).tail_above == begins
    assert ImpostorCurve.from_calibration(plain).tail_above == 0.05


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


PLAIN = ImpostorCurve(CURVE.points, CURVE.tail_above, CURVE.tail_fmr, CURVE.tail_rate)
POINT = OperatingPoint(CURVE)
SIZES = st.integers(SMALLEST_COHORT_GALLERY, 10**7)


def usual_cohort(size: int, shift: float = 0.0) -> tuple[float, ...]:
    return (POINT.expected(size) + shift,) * COHORT


def best(score: float) -> Candidate:
    return Candidate("f", "g", score)


def test_the_shipped_curve_is_calibrated_for_normalised_scores_too() -> None:
    assert CURVE.normalised is not None
    assert 0.51 <= POINT.threshold(1_000, usual_cohort(1_000)) <= 0.53


def test_a_probe_that_looks_like_anybody_has_to_score_higher_and_one_like_nobody_lower() -> None:
    usual = POINT.threshold(1_000, usual_cohort(1_000))
    assert POINT.threshold(1_000, usual_cohort(1_000, 0.04)) == pytest.approx(usual + SHARE * 0.04)
    assert POINT.threshold(1_000, usual_cohort(1_000, -0.04)) == pytest.approx(usual - SHARE * 0.04)


@given(SIZES, st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_a_candidate_who_looks_like_anybody_is_as_doubtful_as_such_a_probe(size: int, one: float, other: float) -> None:
    usual = POINT.threshold(size, usual_cohort(size))
    pair = POINT.threshold(size, usual_cohort(size, one), usual_cohort(size, other))
    assert pair == pytest.approx(POINT.threshold(size, usual_cohort(size, other), usual_cohort(size, one)))
    assert pair == pytest.approx(usual + SHARE * (one + other))


def test_the_template_itself_and_who_may_be_the_same_person_are_not_of_a_candidates_cohort() -> None:
    others = tuple(0.3 - n / 1000 for n in range(COHORT))
    assert POINT.candidates_cohort([1.0, 0.8, *others], 1_000) == others
    assert POINT.candidates_cohort([1.0, 0.8, *others[1:]], 1_000) == ()


@given(SIZES, st.floats(-1, 1), st.floats(1e-6, 0.1))
def test_no_cohorts_move_a_threshold_out_of_floor_and_ceiling(size: int, shift: float, fpir: float) -> None:
    point = OperatingPoint(CURVE, fpir)
    threshold = point.threshold(size, usual_cohort(size, shift), usual_cohort(size, shift))
    assert point.floor(size) - 1e-12 <= threshold <= point.ceiling(size) + 1e-12
    assert point.ceiling(size) - point.floor(size) == pytest.approx(LARGEST_RELIEF + LARGEST_DEMAND)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_what_a_part_of_a_gallery_holds_back_no_larger_gallery_would_have_matched(part: int, more: int) -> None:
    assert POINT.lowest_floor(part) <= POINT.floor(part + more)


@pytest.mark.parametrize("size", [0, 1, 30, SMALLEST_COHORT_GALLERY - 1])
def test_a_small_gallery_decides_by_the_plain_score(size: int) -> None:
    assert POINT.threshold(size, (0.0,) * COHORT) == POINT.floor(size) == POINT.ceiling(size) == POINT.threshold(size)
    assert POINT.threshold(size) == CURVE.identify_threshold(1_000)


def test_a_pack_without_a_curve_for_normalised_scores_decides_by_the_plain_score() -> None:
    point = OperatingPoint(PLAIN)
    assert point.threshold(5_000, usual_cohort(5_000, 0.05)) == point.floor(5_000) == PLAIN.identify_threshold(5_000)
    assert point.open_ones([[best(0.6)]], 5_000) == []


def test_who_may_be_the_same_person_and_the_best_are_not_of_the_cohort() -> None:
    """A regular who was enrolled under thirty faceids does not look like anybody."""
    again, others = [0.8] * 15, tuple(0.3 - n / 1000 for n in range(COHORT))
    assert POINT.cohort(0.9, [0.9, *again, *others], 1_000) == others
    assert POINT.cohort(0.9, [0.9, *again, *others[1:]], 1_000) == ()
    assert POINT.cohort(0.3, [0.3, 0.3, *others[1:], 0.2], 1_000) == (*others[1:], 0.2)


def test_probes_are_open_whose_best_score_the_cohort_decides_about() -> None:
    scores = [POINT.floor(1_000) - 0.01, POINT.floor(1_000), POINT.ceiling(1_000) - 0.01, POINT.ceiling(1_000)]
    assert POINT.open_ones([[best(score)] for score in scores] + [[]], 1_000) == [1, 2]
    assert POINT.open_ones([[best(0.53)]], SMALLEST_COHORT_GALLERY - 1) == []


def test_verdicts_say_who_and_by_what() -> None:
    usual = POINT.threshold(1_000, usual_cohort(1_000))
    sure = POINT.ceiling(1_000) + 0.1
    found = ((), (best(usual),), (best(usual),), (best(usual),), (best(sure),), (best(sure),))
    cohorts = ((), usual_cohort(1_000), usual_cohort(1_000, 0.01), usual_cohort(1_000), (), ())
    of_candidates = ((), (), (usual_cohort(1_000),), (usual_cohort(1_000, 0.02),), (), ())
    answer = SearchAnswer(1, 1_000, found, cohorts, of_candidates)
    judged = verdicts(answer, POINT, [None, None, 80.0, 80.0, 80.0, 5.0])
    nobody, match, hub, known_by_a_hub, certain, poor = (one for (one,) in judged)
    assert (nobody.match, nobody.candidate, nobody.decision.false_match_probability) == (False, None, None)
    assert (match.match, match.decision.threshold, match.decision.gallery_size) == (True, usual, 1_000)
    assert match.decision.false_match_probability == pytest.approx(0.003, rel=0.01)
    assert (hub.match, hub.decision.threshold) == (False, pytest.approx(usual + SHARE * 0.01))
    assert (known_by_a_hub.match, known_by_a_hub.decision.threshold) == (False, pytest.approx(usual + SHARE * 0.02))
    assert hub.decision.false_match_probability is not None
    assert hub.decision.false_match_probability > 0.003
    assert (certain.match, certain.decision.threshold) == (True, POINT.ceiling(1_000))
    assert certain.decision.false_match_probability is not None
    assert certain.decision.false_match_probability < 0.003
    assert (poor.match, poor.candidate) == (False, best(sure))


def test_every_candidate_is_judged_by_the_probes_cohort_and_by_the_plain_score_where_nobody_looked_for_one() -> None:
    usual, sure = POINT.threshold(1_000, usual_cohort(1_000, 0.03)), POINT.ceiling(1_000) + 0.1
    plain = POINT.threshold(1_000)
    found = ((best(usual + 0.01), best(usual)), (best(sure), best(plain)))
    answer = SearchAnswer(1, 1_000, found, (usual_cohort(1_000, 0.03), ()))
    (first, second), (certain, third) = verdicts(answer, POINT, [None, None])
    assert (first.match, first.decision.threshold) == (second.match, second.decision.threshold) == (True, usual)
    assert (certain.match, third.match, third.decision.threshold) == (True, True, plain)


@given(st.integers(0, 10**9))
def test_a_sample_has_so_many_faces(size: int) -> None:
    sampled = size / 2 ** sample_level(size)
    assert sampled < COHORT_GALLERY
    assert size < COHORT_GALLERY or sampled >= COHORT_GALLERY / 2


def test_two_faces_are_one_person_above_the_threshold_and_by_more_than_a_photo_each() -> None:
    sure, unsure, nobody = Decision(0.6, 0.6, 500), Decision(0.59, 0.6, 500), Decision(None, 0.6, 500)
    assert is_one_person(sure, 1, JOIN_PICTURES, given=False, leads=False)
    assert not is_one_person(sure, 1, JOIN_PICTURES - 1, given=False, leads=False)
    assert is_one_person(sure, 1, JOIN_PICTURES - 1, given=True, leads=False)
    for pictures, given_by_a_person in ((1, True), (8, True), (8, False)):
        assert not is_one_person(unsure, 1, pictures, given=given_by_a_person, leads=False)
        assert not is_one_person(nobody, 1, pictures, given=given_by_a_person, leads=False)


def test_a_lead_tells_whose_a_single_picture_is_and_nothing_of_two_faces_with_several() -> None:
    unsure = Decision(0.5, 0.6, 500)
    assert is_one_person(unsure, 1, JOIN_PICTURES, given=False, leads=True)
    assert not is_one_person(unsure, 1, 1, given=False, leads=True)
    assert not is_one_person(unsure, JOIN_PICTURES, JOIN_PICTURES, given=False, leads=True)


@given(SIZES, st.floats(-0.2, 0.6), st.floats(0, 0.3))
def test_the_lead_over_the_next_best_counts_as_much_as_the_score(size: int, next_best: float, more: float) -> None:
    threshold = POINT.threshold_of_leader(size, next_best)
    assert POINT.threshold_of_leader(size, next_best + more) == pytest.approx(threshold + more / 2)
    usual = CURVE.threshold_at(math.log(2) / 2 / (size >> sample_level(size)))
    assert POINT.threshold_of_leader(size, usual) == pytest.approx(POINT.threshold_by(size, 0.0))


def test_in_a_visit_a_score_is_judged_as_in_a_gallery_of_the_few_who_were_there() -> None:
    def verdict(score: float, *, same_track: bool) -> Verdict:
        candidate = Candidate("ann", "regular", score)
        return visit_verdict(CURVE, candidate, same_track=same_track, beside="a-0", gallery_size=1_280)

    in_a_minute, on_a_track = verdict(0.5, same_track=False), verdict(0.5, same_track=True)
    assert CURVE.identify_threshold(10) == on_a_track.decision.threshold < in_a_minute.decision.threshold < 0.5
    assert (in_a_minute.match, in_a_minute.decision.by, in_a_minute.decision.gallery_size) == (True, "a-0", 1_280)
    just = verdict(in_a_minute.decision.threshold, same_track=False)
    assert just.match
    assert just.decision.false_match_probability == pytest.approx(0.003, rel=0.01)
    assert not verdict(in_a_minute.decision.threshold - 0.001, same_track=False).match
    assert verdict(in_a_minute.decision.threshold - 0.001, same_track=True).match
