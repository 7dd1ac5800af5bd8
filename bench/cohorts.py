"""What judging a score by its probe's cohort gains, and whether thresholds hold: strangers and regulars made up.

    python -m bench.cohorts [--persons 1000] [--searches 20000]

No large set of faces comes with the project, so scores are drawn, by a model with two numbers that are not known: how
much probes differ in how they look like anybody (`spread`, standard deviation of what is added to all scores of a
probe), and how much of that is in the score with the own face too. For each spread the rest, a normal distribution and
a tail of exponential excess, was fitted so that all together have the shipped curve's ten points, within 5 %. Own
scores are normal, 0.70 and 0.14, which loses about as many at the plain threshold as real ones do (docs/accuracy.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.decision import COHORT_LOOKED_AT, DEFAULT_FPIR, OperatingPoint
from chalicelib.vision import packs

OWN_MEAN, OWN_SPREAD = 0.70, 0.14
_BLOCK = 20_000_000


@dataclass(frozen=True)
class Population:
    """`share` of pairs: normal about `tail_at`, plus an exponential excess; the others: normal about 0."""

    spread: float
    share: float
    tail_at: float
    body: float
    rate: float
    tail_body: float
    own: float


POPULATIONS = (
    Population(0.030, 0.237, 0.0042, 0.0785, 60, 0.1136, 0.0),
    Population(0.035, 0.237, 0.0042, 0.0764, 60, 0.1121, 0.0),
    Population(0.035, 0.237, 0.0042, 0.0764, 60, 0.1121, 0.7),
    Population(0.045, 0.237, 0.0042, 0.0710, 60, 0.1085, 0.0),
    Population(0.050, 0.237, 0.0042, 0.0675, 60, 0.1063, 0.0),
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("bench.cohorts", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--persons", type=int, default=1_000, help="enrolled (default: %(default)s)")
    parser.add_argument("--searches", type=int, default=20_000, help="of strangers, and of regulars")
    arguments = parser.parse_args(argv)
    decides = OperatingPoint(packs.at(()).manifest.impostor_curve)
    print(f"{arguments.persons} enrolled; FNIR at FPIR {DEFAULT_FPIR:g} and 0.01; FPIR at the threshold of the service")
    print(f"{'spread':>8} {'own':>5} {'plain':>15} {'by cohort':>15} {'plain':>9} {'by cohort':>9}")
    for population in POPULATIONS:
        report(population, decides, arguments.persons, arguments.searches)
    return 0


def report(population: Population, decides: OperatingPoint, persons: int, searches: int) -> None:
    strangers, own, offsets, own_offsets = searched(population, decides, persons, searches)
    rates = (DEFAULT_FPIR, 0.01)
    plain = [float(np.mean(own < np.quantile(strangers, 1 - fpir))) for fpir in rates]
    less, own_less = strangers - offsets, own - own_offsets
    judged = [float(np.mean(own_less < np.quantile(less, 1 - fpir))) for fpir in rates]
    passed = np.mean(strangers >= decides.threshold(persons)), np.mean(less >= decides.threshold_by(persons, 0.0))
    print(
        f"{population.spread:8.3f} {population.own:5.1f} {plain[0]:7.3f} {plain[1]:7.3f} {judged[0]:7.3f} "
        f"{judged[1]:7.3f} {passed[0]:9.4f} {passed[1]:9.4f}"
    )


def searched(
    population: Population, decides: OperatingPoint, persons: int, searches: int
) -> tuple[NDArray[np.float64], ...]:
    """Best scores of strangers, own scores of regulars, and their offsets."""
    random = np.random.default_rng(0)
    found: list[tuple[float, float, float, float]] = []
    while len(found) < searches:
        count = min(searches - len(found), max(_BLOCK // persons, 1))
        shifts = random.normal(0, population.spread, count)
        best = top(population, random, count, persons) + shifts[:, None]
        own = random.normal(OWN_MEAN, OWN_SPREAD, count) + population.own * shifts
        for row, mine in zip(best.tolist(), own.tolist(), strict=True):
            stranger = decides.offset(decides.cohort(row[0], row, persons), persons)
            found.append((row[0], mine, stranger, decides.offset(decides.cohort(1.0, row, persons), persons)))
    return tuple(np.array(column) for column in zip(*found, strict=True))


def top(population: Population, random: np.random.Generator, count: int, persons: int) -> NDArray[np.float32]:
    """(count, 1 + COHORT_LOOKED_AT) the best scores with other persons, falling."""
    scores = random.standard_normal((count, persons), dtype=np.float32) * np.float32(population.body)
    tail = random.random((count, persons), dtype=np.float32) < population.share
    excess = random.exponential(1 / population.rate, int(tail.sum()))
    scores[tail] = population.tail_at + random.normal(0, population.tail_body, len(excess)) + excess
    kept = 1 + COHORT_LOOKED_AT
    return -np.sort(np.partition(-scores, kept, axis=1)[:, :kept], axis=1)


if __name__ == "__main__":
    raise SystemExit(main())
