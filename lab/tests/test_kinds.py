"""Strangers of one kind: who looks alike to the model is found and measured by itself."""

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.domain.rules.decision import ImpostorCurve, OperatingPoint, Population
from regulars_lab.measuring import curves
from regulars_lab.measuring.kinds import FEWEST, ONE_KIND, find_clusters, measure_kinds
from regulars_lab.measuring.open_set import Rule

DIMENSIONS = 64
CURVE = ImpostorCurve(((0.1, 0.2), (0.3, 0.01), (0.45, 1e-4)), 0.45, 1e-4, 40.0)
POINT = OperatingPoint(CURVE)
PLAIN = Rule(POINT, Population(np.zeros((0, DIMENSIONS), np.float32), 0.0))


def crowd(seed: int) -> NDArray[np.float32]:
    """Four hundred people, of whom the last hundred share more than half of a template."""
    random = np.random.default_rng(seed)
    own = random.standard_normal((400, DIMENSIONS))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    shared = np.random.default_rng(0).standard_normal(DIMENSIONS)
    own[300:] = 0.55 * own[300:] + 0.75 * shared / np.linalg.norm(shared)
    return np.asarray(own / np.linalg.norm(own, axis=1, keepdims=True), np.float32)


LABELS = {
    "kind": ["others"] * 300 + ["alike"] * 100,
    "few": ["x"] * (FEWEST - 1) + [None] * (401 - FEWEST),
}


def test_people_who_look_alike_are_one_cluster_and_taken_for_each_other() -> None:
    rows = crowd(1)
    numbers = find_clusters(rows)
    assert len({*numbers}) == 2
    assert len({*numbers[300:]}) == 1
    found = measure_kinds(rows, LABELS, PLAIN)
    rates = {one.value: one for one in found if one.column == "kind"}
    assert [one.fpir for one in found] == sorted((one.fpir for one in found), reverse=True)
    assert "few" not in {one.column for one in found}
    assert rates["alike"].fpir > 0.3
    assert rates["alike"].low <= rates["alike"].fpir <= rates["alike"].high
    assert (rates["alike"].gallery_size, rates["others"].gallery_size) == (50, ONE_KIND)
    assert rates["others"].fpir < 0.05


def test_a_make_population_other_people_keeps_strangers_of_each_kind_unknown() -> None:
    rows = curves.make_population(crowd(2))
    usual = float(np.quantile(Population(rows, 0.0).measure_nearness(crowd(3)), curves.USUAL))
    rates = {
        one.value: one
        for one in measure_kinds(crowd(1), LABELS, Rule(POINT, Population(rows, usual)))
    }
    assert rates["alike"].fpir < 0.05
    nobody = rates["alike"] if rates["alike"].fpir == 0 else rates["others"]
    if nobody.fpir == 0:
        assert (nobody.low, nobody.high) == (0.0, pytest.approx(3 / nobody.people))
