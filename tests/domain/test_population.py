import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.domain.model import MASK
from chalicelib.domain.rules.decision import NEAREST, NO_ADDITION, MaskRule, Population

DIMENSIONS = 32
NOBODY = Population(np.zeros((0, DIMENSIONS), np.float32), 0.0)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def people(
    seed: int, count: int, kind: int | None = None, share: float = 0.7
) -> NDArray[np.float32]:
    """Templates of people; those of one kind share a direction."""
    random = np.random.default_rng(seed)
    own = unit(random.standard_normal((count, DIMENSIONS)))
    if kind is None:
        return own
    shared = unit(np.random.default_rng(1_000 + kind).standard_normal(DIMENSIONS))
    return unit(share * shared + np.sqrt(1 - share**2) * own)


@pytest.fixture(scope="module")
def population() -> Population:
    rows = np.concatenate([people(1, 200), people(2, 40, kind=1)])
    return Population(
        rows, float(np.quantile(Population(rows, 0.0).measure_nearness(people(3, 200)), 0.25))
    )


@pytest.fixture(scope="module")
def masking(population: Population) -> Population:
    """A population beside which a mask counts: one person in three wears one."""
    direction = people(12, 1)[0]
    values = people(13, 300) @ direction
    bare, least = np.quantile(values + 0.1, (0.5, 2 / 3)).tolist()
    weights = np.append(direction, np.float32(0.1))
    rule = MaskRule(weights, least, bare, 2 * least, ((0.0, -0.05),), ((0.0, 0.02),))
    return replace(population, mask_rule=rule)


@given(seed=st.integers(0, 2**32), masks=st.booleans())
def test_a_demand_is_the_same_from_either_side(
    population: Population, masking: Population, seed: int, masks: bool
) -> None:
    ones, others = people(seed, 4, kind=seed % 3 or None), people(seed + 1, 5)
    population = masking if masks else population
    demands = population.compute_demands(ones, others)
    assert demands.shape == (4, 5)
    assert demands == pytest.approx(population.compute_demands(others, ones).T)
    # a mask's sum is one of float32, which is rounded otherwise for one pair alone
    alone = population.compute_demand(ones[2], others[3])
    assert demands[2, 3] == pytest.approx(alone, abs=1e-6)


def test_a_demand_goes_both_ways(population: Population) -> None:
    alike, others = people(7, 30, kind=1), people(8, 30)
    assert population.compute_demands(alike, alike).min() > 0
    assert np.quantile(population.compute_demands(others, others), 0.1) < 0


def test_a_mask_counts_by_how_much_the_other_is_masked(
    population: Population, masking: Population
) -> None:
    """Nothing is added to two bare faces, the least to a masked and a bare one, the most to two
    masked ones, and something between them to one and the mean of both kinds."""
    rule = masking.mask_rule
    assert rule is not None
    faces = people(14, 200)
    sums = faces @ rule.weights[:-1] + rule.weights[-1]
    order = np.argsort(sums)
    added = masking.compute_demands(faces, faces) - population.compute_demands(faces, faces)
    bare, masked = sums <= rule.bare, sums >= rule.masked
    assert added[np.ix_(bare, bare)] == pytest.approx(0.0)
    assert added[np.ix_(bare, masked)] == pytest.approx(-0.05)
    assert added[np.ix_(masked, masked)] == pytest.approx(0.02)
    assert (np.diff(added[order[-1]][order]) >= -1e-6).all()
    middle = (sums > rule.bare) & ~masked
    assert ((added[order[-1], middle] > -0.05) & (added[order[-1], middle] < 0.02)).all()
    conditions = [masking.find_condition(face) for face in faces]
    assert conditions == [MASK if one >= rule.least else None for one in sums]
    assert population.find_condition(faces[0]) is None


def test_a_mask_lowers_a_high_score_by_less(population: Population, masking: Population) -> None:
    assert masking.mask_rule is not None
    rule = replace(masking.mask_rule, one=((0.1, -0.05), (0.3, 0.01)), both=NO_ADDITION)
    judging, faces = replace(masking, mask_rule=rule), people(15, 400)
    sums = faces @ rule.weights[:-1] + rule.weights[-1]
    bare, masked = faces[sums <= rule.bare], faces[sums >= rule.least]
    likeness = population.compute_demands(bare, masked)
    added = judging.compute_demands(bare, masked) - likeness
    scores = bare @ masked.T - likeness
    assert added == pytest.approx(np.interp(scores, (0.1, 0.3), (-0.05, 0.01)))
    assert (added.min(), added.max()) == pytest.approx((-0.05, 0.01))


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), masks=st.booleans())
def test_no_demand_is_less_than_its_bound(
    population: Population,
    masking: Population,
    seed: int,
    share: float,
    *,
    masks: bool,
) -> None:
    """Whoever the other is: anybody, one who looks like nobody of the population, and those behind
    its middle."""
    judging = masking if masks else population
    middle = judging.rows.mean(axis=0)
    _, _, directions = np.linalg.svd(judging.rows - middle)
    others = np.concatenate(
        (
            people(seed, 20, kind=seed % 3 or None, share=share),
            directions,
            -directions,
            unit(middle)[None],
        )
    )
    stored = np.concatenate((others, -unit(middle)[None])).astype(np.float16).astype(np.float32)
    probes = np.concatenate((people(seed + 1, 5), stored[-2:]))
    least = judging.bound_demands(probes)
    assert (judging.compute_demands(probes, stored) >= np.array(least)[:, None]).all()


def test_people_who_look_like_many_ask_for_more(population: Population) -> None:
    alike, others = people(7, 30, kind=1), people(8, 30)
    of_alike = population.compute_demands(alike, alike)[np.triu_indices(30, 1)]
    of_others = population.compute_demands(others, others)[np.triu_indices(30, 1)]
    assert np.median(of_alike) > np.median(of_others) + 0.2


def test_scores_of_strangers_of_a_kind_are_as_low_as_anybodys_once_their_demand_is_taken_off(
    population: Population,
) -> None:
    def highest(faces: NDArray[np.float32], *, judged: bool) -> float:
        scores = faces @ faces.T - (population.compute_demands(faces, faces) if judged else 0.0)
        return float(np.quantile(scores[np.triu_indices(len(faces), 1)], 0.99))

    alike, others = people(9, 100, kind=1), people(10, 100)
    assert highest(alike, judged=False) > highest(others, judged=False) + 0.2
    assert highest(alike, judged=True) < highest(others, judged=True) + 0.02


def test_nearness_is_the_mean_of_the_best_scores_with_the_rows_less_their_middle(
    population: Population,
) -> None:
    face = people(11, 1)
    middle = population.rows.mean(axis=0)
    scores = np.sort((population.rows - middle) @ unit(face - middle)[0])[::-1]
    assert population.measure_nearness(face)[0] == pytest.approx(scores[:NEAREST].mean(), abs=1e-5)


def test_without_rows_nothing_is_asked_for() -> None:
    assert NOBODY.compute_demands(people(1, 3), people(2, 2)).tolist() == [[0.0, 0.0]] * 3
    assert NOBODY.bound_demands(people(1, 3)) == [0.0] * 3


def test_without_rows_a_mask_still_counts(masking: Population) -> None:
    judging = replace(masking, rows=NOBODY.rows)
    ones, others = people(16, 20), people(17, 20)
    demands = judging.compute_demands(ones, others)
    assert (demands.min(), demands.max() > 0) == (-0.05, True)
    assert judging.bound_demands(ones) == [-0.05] * 20
