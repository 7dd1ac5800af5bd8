"""The figures on made-up faces, against plain counts."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.snapshots.segment import segment_of_faces
from chalicelib.domain.rules.decision import (
    ImpostorCurve,
    OperatingPoint,
    Population,
    SearchRequest,
    judge_candidates,
)
from regulars_lab.evaluate import figures, table
from regulars_lab.evaluate.labels import Pair
from regulars_lab.evaluate.verification import (
    accuracy,
    best_threshold,
    drawn_pairs,
    pair_scores,
)
from regulars_lab.measuring import curves, open_set
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.memory import PictureResult
from regulars_lab.measuring.open_set import Rule
from regulars_lab.measuring.pairs import NO_FACE, Faces, score_all_pairs

NO_ROWS = np.zeros((0, 64), np.float32)
SHAPE = ((0.1, 0.1), (0.25, 1e-2), (0.33, 1e-3), (0.4, 1e-4))
CURVE = ImpostorCurve(SHAPE, 0.33, 1e-3, 30.0)


@pytest.fixture(scope="module")
def decides(faces: Faces) -> Rule:
    rows = curves.make_population(faces.embeddings[3:1200:4])
    usual = float(np.median(Population(rows, 0.0).measure_nearness(faces.embeddings[::4])))
    return Rule(OperatingPoint(CURVE), Population(rows, usual))


def small(faces: Faces, persons: int) -> Faces:
    return faces.select_faces(faces.person_of < persons)


def without(faces: Faces, *pictures: int) -> Faces:
    """As if these showed no face."""
    found, rows = faces.found.copy(), faces.embeddings.copy()
    found[list(pictures)] = False
    rows[list(pictures)] = 0
    return Faces(rows, found, faces.person_of)


def test_every_pair_is_counted_once(faces: Faces) -> None:
    """Over more than one block of the matrix, and with pictures that show no face."""
    few = without(small(faces, 300), 0, 5)
    found = score_all_pairs(few)
    wanted_mated, wanted_others = [], 0
    for i, j in combinations(range(len(few.found)), 2):
        same = few.person_of[i] == few.person_of[j]
        if few.found[i] and few.found[j]:
            wanted_others += not same
            if same:
                wanted_mated.append(float(few.embeddings[i] @ few.embeddings[j]))
        elif same:
            wanted_mated.append(NO_FACE)
    assert found.non_mated_pairs == wanted_others
    assert np.sort(found.mated) == pytest.approx(np.sort(wanted_mated), abs=1e-5)


def test_rates_are_those_of_the_counted_pairs(faces: Faces) -> None:
    few = small(faces, 60)
    scores = few.embeddings @ few.embeddings.T
    others = scores[np.triu(few.person_of[:, None] != few.person_of[None], 1)]
    found = score_all_pairs(few)
    threshold = found.find_threshold(1e-3)
    assert np.mean(others >= threshold) <= 1e-3 < np.mean(others >= threshold - 2e-4)
    assert found.measure_fnmr(1e-3) == np.mean(found.mated < threshold)


def test_a_rate_that_too_few_pairs_could_show_is_not_told(faces: Faces) -> None:
    few = score_all_pairs(small(faces, 10))
    assert few.non_mated_pairs == 720
    assert (few.find_threshold(1e-3), few.measure_fnmr(1e-4)) == (None, None)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_calls_more_pairs_rightly(found: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in found], float)
    mated = np.array([mate for _, mate in found])
    chosen = best_threshold(scores, mated)
    assert np.sum((scores >= chosen) == mated) == max(
        np.sum((scores >= limit) == mated) for limit in [*scores.tolist(), 9.0]
    )


def test_a_fold_is_called_by_the_threshold_of_the_others() -> None:
    """Each fold's own best threshold would be right everywhere; the other fold's is wrong for one
    pair in two."""
    pairs = [Pair(0, 1, True, 0), Pair(0, 2, False, 0), Pair(0, 1, True, 1), Pair(0, 2, False, 1)]
    found = accuracy(np.array([0.9, 0.5, 0.4, 0.1]), pairs)
    assert (found.mean, found.folds, found.pairs) == (0.5, 2, 4)
    assert accuracy(np.array([0.9, 0.5]), pairs[:2]) is None


def test_drawn_pairs_are_as_many_mated_as_not_and_no_person_is_in_two_folds(faces: Faces) -> None:
    pairs = drawn_pairs(faces)
    assert pairs == drawn_pairs(faces)
    assert len(pairs) == 6_000
    assert sum(pair.mated for pair in pairs) == 3_000
    folds: dict[int, set[int]] = {}
    for pair in pairs:
        owners = {int(faces.person_of[pair.one]), int(faces.person_of[pair.other])}
        assert (len(owners) == 1) == pair.mated
        assert pair.one != pair.other
        for owner in owners:
            folds.setdefault(owner, set()).add(pair.fold)
    assert all(len(found) == 1 for found in folds.values())


def test_a_picture_without_a_face_is_one_of_nobody(faces: Faces) -> None:
    few = without(faces, 0)
    scores = pair_scores(few, [Pair(0, 1, True, 0), Pair(0, 9, False, 0), Pair(1, 2, True, 0)])
    assert scores[:2].tolist() == [NO_FACE, NO_FACE]
    assert scores[2] == pytest.approx(float(few.embeddings[1] @ few.embeddings[2]), abs=1e-6)


def test_a_search_of_the_evaluation_is_the_search_of_the_service(
    faces: Faces, decides: Rule
) -> None:
    """The same best face, and the same decision, from plain numpy and from the index."""
    gallery = faces.embeddings[: 4 * 400 : 4].astype(np.float16).astype(np.float32)
    stored = [
        (f"f{n:04d}", "g", [row.astype(np.float16).tobytes()]) for n, row in enumerate(gallery)
    ]
    probes = np.concatenate((faces.embeddings[1:400:4], faces.embeddings[-200:]))
    view = Gallery("m", segment_of_faces("m", 1, stored)).view
    least = decides.population.bound_demands(probes)
    answer = view.search(SearchRequest("m", probes, None, 5, decides.point, least, templates=True))
    found = open_set.search(gallery, probes, decides)
    decided = judge_candidates(answer, decides.point, decides.population, probes)
    assert (found.demands > 0).any()
    assert (found.demands < 0).any()
    for number in range(len(probes)):
        verdict = max(
            decided[number],
            key=lambda one: -1 if one.candidate is None else one.candidate.score - one.demand,
        )
        assert verdict.match == found.matches[number]
        if verdict.candidate is not None and verdict.match:
            assert verdict.candidate.faceid == f"f{found.best[number]:04d}"
            assert verdict.candidate.score - verdict.demand == pytest.approx(
                found.scores[number], abs=1e-5
            )
    assert 50 < found.matches.sum() < 150


def test_half_of_the_persons_are_strangers(faces: Faces, decides: Rule) -> None:
    found = open_set.run_searches(faces, decides, photos=1, trials=2)
    assert found.gallery_size == 300
    assert len(found.mated) == len(found.non_mated) == 2 * 300 * 3
    fnirs = [found.measure_fnir(fpir) for fpir in (0.003, 0.01, 0.1)]
    assert None not in fnirs
    assert fnirs == sorted(fnirs, reverse=True)  # type: ignore[type-var]
    assert found.fpir < 0.02


def test_rates_are_counted_at_the_threshold_that_so_many_strangers_pass(
    faces: Faces, decides: Rule
) -> None:
    found = open_set.run_searches(faces, decides, photos=1, trials=1)
    threshold = open_set.find_score_threshold(found.non_mated, 0.01)
    assert np.mean(found.non_mated > threshold) <= 0.01 < np.mean(found.non_mated >= threshold)
    assert found.measure_fnir(0.01) == np.mean(found.mated <= threshold)
    assert found.measure_fnir(1e-4) is None


def test_a_rate_that_too_few_pictures_of_strangers_could_show_is_not_told(
    faces: Faces, decides: Rule
) -> None:
    """Ten draws search for the same few pictures again and again; that makes them no more."""
    two = open_set.run_searches(small(faces, 2), decides, photos=1)
    assert len(two.non_mated) == 30
    assert two.stranger_pictures <= 8
    assert (two.measure_fnir(0.1), two.measure_fnir(0.1, plain=True)) == (None, None)
    three = open_set.run_searches(small(faces, 3), decides, photos=1)
    assert three.stranger_pictures >= 10
    assert three.measure_fnir(0.1) is not None


def test_three_photos_are_better_than_one_and_whoever_has_too_few_is_not_searched_for(
    faces: Faces, decides: Rule
) -> None:
    one, three = (open_set.run_searches(faces, decides, photos, trials=1) for photos in (1, 3))
    assert len(three.mated) == 300
    assert np.median(three.mated) > np.median(one.mated) + 0.05
    few = faces.select_faces(np.arange(len(faces.found)) % 4 < 3)
    assert len(open_set.run_searches(few, decides, 3, trials=1).mated) == 0


def test_a_person_whose_pictures_show_no_face_is_missed(faces: Faces, decides: Rule) -> None:
    few = small(faces, 40)
    blind = without(few, *range(len(few.found)))
    found = open_set.run_searches(blind, decides, 1, trials=1)
    assert found.fnir == 1.0
    assert found.fpir is None, "nobody is enrolled"


def test_a_person_whose_pictures_are_all_too_poor_is_missed(faces: Faces, decides: Rule) -> None:
    """Half of the persons have no picture that is good enough for an enrolment."""
    few = small(faces, 40)
    poor = Faces(few.embeddings, few.found, few.person_of, few.person_of % 2 == 0)
    found = open_set.run_searches(poor, decides, 1, trials=4)
    good = open_set.run_searches(few, decides, 1, trials=4)
    assert found.gallery_size == pytest.approx(10, abs=3)
    assert len(found.mated) == len(good.mated)
    assert found.fnir is not None
    assert good.fnir is not None
    assert found.fnir > 0.3
    assert found.fnir > good.fnir


def test_pictures_in_a_poorer_condition_are_searched_for_and_not_enrolled(
    faces: Faces, decides: Rule
) -> None:
    few = small(faces, 40)
    good = open_set.run_searches(few, decides, 1, trials=2)
    blind = without(few, *range(len(few.found)))
    found = open_set.run_searches(few, decides, 1, trials=2, probes=blind)
    assert (found.gallery_size, found.fnir, found.fpir) == (20, 1.0, 0.0)
    assert open_set.run_searches(few, decides, 1, trials=2, probes=few).fnir == good.fnir


def test_people_of_one_kind_whom_a_condition_makes_alike_are_told(
    faces: Faces, decides: Rule
) -> None:
    few = small(faces, 120)
    kind_of = ["alike" if person < 60 else "others" for person in few.person_of.tolist()]
    blur = np.where(np.array(kind_of) == "alike", 3.0, 0.0)[:, None] * few.embeddings[-1]
    blurred = few.embeddings + blur
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    folder = LabelledFolder(
        Path("people"),
        tuple(f"p{number}" for number in range(120)),
        tuple(Path(f"{number}.jpg") for number in range(len(few.found))),
        tuple(few.person_of.tolist()),
    )
    seen, seen_so = (
        [PictureResult("", 1, 80.0, {"embed": 1.0}, row) for row in rows]
        for rows in (few.embeddings, blurred)
    )
    found = figures.measure_figures(
        folder, seen, decides, None, {"kind": kind_of}, {"camera": seen_so}
    )
    as_it_is, camera = (
        {one.value: one.fpir for one in condition.kinds if one.column == "kind"}
        for condition in found.conditions
    )
    assert as_it_is["alike"] < 0.1
    assert camera["others"] < 0.1 < 0.5 < camera["alike"]
    told = dict(table.sections(found))
    assert any("both camera" in title for title in told)


class TestCalibration:
    def test_the_measured_curve_has_the_measured_rates(self, faces: Faces) -> None:
        entry, suspects = curves.measure_model(faces, [f"p{n}" for n in range(600)], NO_ROWS)
        curve = ImpostorCurve.from_calibration(entry)
        first = faces.embeddings[::4]
        others = (first @ first.T)[np.triu_indices(len(first), 1)]
        assert suspects.pairs == ()
        assert (entry["persons"], entry["impostor_pairs"]) == (600, 600 * 599 // 2)
        for rate in (0.1, 0.01, 0.001):
            assert np.mean(others >= curve.threshold_at(rate)) == pytest.approx(rate, rel=0.05)
        begins = entry["tail"]["above"]
        tail = others[others > begins] - begins
        assert curve.tail_rate == pytest.approx(1 / tail.mean(), rel=0.02)
        assert entry["points"][-1]["fmr"] * entry["impostor_pairs"] >= 10

    def test_strangers_pass_the_curve_no_more_often_than_aimed_at(self, faces: Faces) -> None:
        """A tenth, since there are few to count."""
        rows = curves.make_population(faces.embeddings[3:1200:4])
        entry, _ = curves.measure_model(faces, [str(n) for n in range(600)], rows)
        rule = Rule(
            OperatingPoint(ImpostorCurve.from_calibration(entry), 0.1),
            Population(rows, entry["usual"]),
        )
        found = open_set.run_searches(faces, rule, 1, trials=4)
        counted = open_set.find_score_threshold(found.non_mated, 0.1)
        assert rule.point.curve.identify_threshold(300, 0.1) == pytest.approx(counted, abs=0.02)

    @pytest.mark.parametrize("recipe", [curves.OWN, curves.PUBLISHED])
    def test_a_population_is_of_nobody(self, recipe: curves.Recipe, faces: Faces) -> None:
        """Each row is the mean of several people, and no person is nearer to it than these are."""
        people = faces.embeddings[:1600:4]
        rows = curves.make_population(people, recipe)
        assert len(rows) == min(len(people) // recipe.mixed * recipe.partitions, curves.MOST_ROWS)
        assert len(rows) < len(people)
        assert (rows == curves.make_population(people, recipe)).all()
        others = np.sort(people @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T, axis=0)[
            ::-1
        ]
        assert (others[0] - others[recipe.mixed - 1] < 0.6).all()
        assert (others[0] < 0.9).all()

    def test_one_person_under_two_names_is_left_out_and_named(self, faces: Faces) -> None:
        rows = faces.embeddings.copy()
        rows[4] = rows[0]
        entry, suspects = curves.measure_model(
            Faces(rows, faces.found, faces.person_of), [f"p{n}" for n in range(600)], NO_ROWS
        )
        assert [pair[:2] for pair in suspects.pairs] == [("p0", "p1")]
        assert entry["left_out_as_label_errors"] == 1
        assert entry["impostor_pairs"] == 600 * 599 // 2 - 1

    def test_too_few_persons_make_no_curve(self, faces: Faces) -> None:
        with pytest.raises(curves.NoPictures, match="of 149 persons"):
            curves.measure_model(small(faces, 149), [str(n) for n in range(149)], NO_ROWS)
