"""bench.halves: kinds of people by halves, on made-up faces."""

import numpy as np
import pytest

from chalicelib.domain.rules.decision import ImpostorCurve, OperatingPoint, Population
from regulars_lab.bench.halves import TAIL_PAIRS, estimate_share, find_second_names, measure_kinds
from regulars_lab.measuring.open_set import Rule
from regulars_lab.measuring.pairs import Faces

CURVE = ImpostorCurve(((0.1, 0.1), (0.5, 3e-6)), 0.5, 3e-6, 30.0)
RULE = Rule(OperatingPoint(CURVE), Population(np.zeros((0, 64), np.float32), 0.0))


def test_a_share_that_is_too_rare_to_count_is_that_of_the_tail() -> None:
    margins = np.random.default_rng(0).exponential(0.05, 10_000)
    for share in (1e-4, 1e-6):
        begin = 0.05 * np.log(share)
        assert estimate_share(margins + begin) == pytest.approx(share, rel=1)
    assert estimate_share(np.linspace(0.1, 0.2, 2 * TAIL_PAIRS)) == 1.0


def test_a_kind_is_measured_by_those_who_are_in_no_population_and_could_be_remembered(
    faces: Faces,
) -> None:
    """The first sixty are alike before the camera; the last thirty of all are too poor for it."""
    one_each = faces.select_faces(np.arange(len(faces.found)) % 4 == 0)
    number = np.arange(len(one_each.found))
    alike = one_each.embeddings + np.where(number < 60, 2.0, 0.0)[:, None] * faces.embeddings[-1]
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    fit = number < 570
    looks = {
        "as it is": one_each,
        "camera": Faces(alike, one_each.found, one_each.person_of, fit),
    }
    kinds = {"alike": number < 60, "others": number >= 540, "few": number < 20}
    halves = [(RULE, number % 2 == 0), (RULE, number % 2 == 1)]
    rows = {(row["kind"], row["condition"]): row for row in measure_kinds(looks, kinds, halves)}
    assert {kind for kind, _ in rows} == {"alike", "others"}
    assert rows["alike", "as it is"]["pairs"] == 2 * 30 * 29
    assert rows["others", "camera"]["pairs"] == 2 * 15 * 29
    assert rows["alike", "as it is"]["fpir"] < 0.2 < 0.9 < rows["alike", "camera"]["fpir"]
    assert rows["alike", "camera"]["above"] > rows["alike", "as it is"]["above"]
    assert rows["others", "camera"]["fpir"] < 0.2


def test_a_person_who_is_there_by_two_names_counts_by_the_first(faces: Faces) -> None:
    persons = [f"person {number}" for number in range(600)]
    assert find_second_names(faces, persons) == set()
    embeddings = faces.embeddings.copy()
    embeddings[faces.person_of == 400] = embeddings[faces.person_of == 7]
    twice = Faces(embeddings, faces.found, faces.person_of)
    assert find_second_names(twice, persons) == {"person 400"}
