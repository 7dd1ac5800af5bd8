"""What judging a score by cohorts gains, and whether thresholds hold: strangers and regulars made up.

    python -m bench.cohorts [--persons 1000] [--searches 20000]

No large set of faces comes with the project, so scores are drawn, by a model with three numbers that are not known: how
much probes differ in how they look like anybody (`probes`, standard deviation of what is added to all scores of a
probe), how much enrolled faces do (`enrolled`, likewise), and how much of that is in the score with the own face too
(`own`). For each spread the rest, a normal distribution and a tail of exponential excess, was fitted so that all
together have the shipped curve's ten points, within 5 %. Own scores are normal, 0.70 and 0.14, which loses about as
many at the plain threshold as real ones do (docs/accuracy.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.decision import DEFAULT_FPIR, OperatingPoint
from chalicelib.vision.packs import packs
from regulars.evaluate.open_set import nearest

OWN_MEAN, OWN_SPREAD = 0.70, 0.14
SEARCHES_A_GALLERY = 2_000
"""A few enrolled faces make most of one gallery's false matches: figures of one would be theirs."""


@dataclass(frozen=True)
class Population:
    """`share` of pairs: normal about `tail_at`, plus an exponential excess; the others: normal about 0. The spread of
    those enrolled is a part of `body` and of `tail_body`."""

    probes: float
    enrolled: float
    own: float
    body: float
    tail_body: float
    share: float = 0.237
    tail_at: float = 0.0042
    rate: float = 60.0


POPULATIONS = (
    Population(0.030, 0.000, 0.0, 0.0785, 0.1136),
    Population(0.030, 0.030, 0.0, 0.0785, 0.1136),
    Population(0.035, 0.000, 0.0, 0.0764, 0.1121),
    Population(0.035, 0.000, 0.7, 0.0764, 0.1121),
    Population(0.035, 0.020, 0.7, 0.0764, 0.1121),
    Population(0.035, 0.035, 0.0, 0.0764, 0.1121),
    Population(0.035, 0.035, 0.7, 0.0764, 0.1121),
    Population(0.045, 0.000, 0.0, 0.0710, 0.1085),
    Population(0.045, 0.045, 0.0, 0.0710, 0.1085),
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("bench.cohorts", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--persons", type=int, default=1_000, help="enrolled (default: %(default)s)")
    parser.add_argument("--searches", type=int, default=20_000, help="of strangers, and of regulars")
    arguments = parser.parse_args(argv)
    decides = OperatingPoint(packs.at().manifest.impostor_curve)
    print(f"{arguments.persons} enrolled; FNIR at FPIR {DEFAULT_FPIR:g} and 0.01; FPIR at the threshold of the service")
    print(f"{'probes':>7}{'enrolled':>9}{'own':>5}{'plain':>19}{'by the probe':>21}{'by both':>21}")
    for population in POPULATIONS:
        report(population, decides, arguments.persons, arguments.searches)
    return 0


def report(population: Population, decides: OperatingPoint, persons: int, searches: int) -> None:
    strangers, regulars = searched(population, decides, persons, searches)
    cells = []
    for way in range(3):
        less, own = strangers[:, way], regulars[:, way]
        missed = [np.mean(own < np.quantile(less, 1 - fpir)) for fpir in (DEFAULT_FPIR, 0.01)]
        limit = decides.threshold_by(persons, 0.0) if way else decides.threshold(persons)
        cells.append(f"{missed[0]:6.3f} {missed[1]:.3f} {np.mean(less >= limit):.4f}")
    print(f"{population.probes:7.3f}{population.enrolled:9.3f}{population.own:5.1f} " + "  ".join(cells))


def searched(
    population: Population, decides: OperatingPoint, persons: int, searches: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (searches, 3) scores of strangers with their best candidate, of regulars with themselves: plain, less the
    offset by the probe's cohort, and by both cohorts."""
    random = np.random.default_rng(0)
    strangers: list[tuple[float, ...]] = []
    regulars: list[tuple[float, ...]] = []
    while len(strangers) < searches:
        shifts = random.normal(0, population.enrolled, persons).astype(np.float32)
        of_enrolled = cohorts_of_enrolled(population, random, shifts, decides)
        count = min(searches - len(strangers), SEARCHES_A_GALLERY)
        own_shifts = random.normal(0, population.probes, count).astype(np.float32)
        scores = drawn(population, random, (count, persons), population.enrolled) + own_shifts[:, None] + shifts
        who = random.integers(persons, size=count)
        own = random.normal(OWN_MEAN, OWN_SPREAD, count) + population.own * (own_shifts + shifts[who])
        candidates, rows = scores.argmax(axis=1).tolist(), nearest(scores)
        for row, candidate, mine, myself in zip(rows, candidates, own.tolist(), who.tolist(), strict=True):
            cohort, among_others = decides.cohort(row[0], row, persons), decides.cohort(1.0, row, persons)
            strangers.append(three(decides, persons, row[0], cohort, of_enrolled[candidate]))
            regulars.append(three(decides, persons, mine, among_others, of_enrolled[myself]))
    return np.array(strangers), np.array(regulars)


def three(
    decides: OperatingPoint, persons: int, score: float, cohort: tuple[float, ...], of_candidate: tuple[float, ...]
) -> tuple[float, float, float]:
    return score, score - decides.offset(cohort, (), persons), score - decides.offset(cohort, of_candidate, persons)


def cohorts_of_enrolled(
    population: Population, random: np.random.Generator, shifts: NDArray[np.float32], decides: OperatingPoint
) -> list[tuple[float, ...]]:
    """Pairs of enrolled faces have the spread of one of them twice, that of a probe not at all."""
    persons = len(shifts)
    less = np.sqrt(max(2 * population.enrolled**2 - population.probes**2, 0.0))
    scores = np.triu(drawn(population, random, (persons, persons), float(less)), 1)
    scores += scores.T + shifts[:, None] + shifts
    np.fill_diagonal(scores, 1.0)
    return [decides.candidates_cohort(row, persons) for row in nearest(scores)]


def drawn(
    population: Population, random: np.random.Generator, shape: tuple[int, int], less: float
) -> NDArray[np.float32]:
    """Scores with other persons but for what is the probe's and the enrolled face's own, of the spread `less`."""
    body, tail_body = (np.sqrt(spread**2 - less**2) for spread in (population.body, population.tail_body))
    scores = random.standard_normal(shape, dtype=np.float32) * np.float32(body)
    tail = random.random(shape, dtype=np.float32) < population.share
    excess = random.exponential(1 / population.rate, int(tail.sum()))
    scores[tail] = population.tail_at + random.normal(0, tail_body, len(excess)) + excess
    return scores


if __name__ == "__main__":
    raise SystemExit(main())
