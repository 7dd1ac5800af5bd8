"""Parts of a pack's thresholds: the curve of scores of different persons, and a population."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.rules.decision import Population
from chalicelib.storage.box.durable import write_durably
from regulars.errors import NoPictures
from regulars_lab.measuring import pairs
from regulars_lab.measuring.pairs import Faces
from regulars_lab.measuring.suspects import Suspects, choose_one_each, find_suspects

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
"""False match rates at which a curve has a point."""
FEWEST_ABOVE = 10
"""Pairs that must score above a point of the curve."""

TAIL_FMRS, TAIL_PAIRS = (1e-4, 1e-3), 100
"""False match rates at which the exponential tail may begin: the lowest that so many pairs show.

The tail's rate is 1 / (mean excess over that score), the maximum likelihood estimate. Scores fall
faster the higher they are, so a tail from 1e-3 asks for more than strangers reach.
"""

FEWEST_PERSONS = 150
"""Persons that a curve needs: they make some 11,000 pairs, about ten of them in the tail."""


class Recipe(Struct, frozen=True):
    """Numbers by which a population is made.

    `mixed`: the people of whom a row is the mean; `partitions`: how often everybody is in one. If
    the second is less than the first, there are fewer rows than people, and nobody can be computed
    back from all of them. `share`: the part of the nearness to a population that is demanded: its
    rows lie so much nearer to their middle.
    """

    mixed: int
    partitions: int
    share: float


OWN = Recipe(8, 4, 0.75)
"""An operator's own people: as face-pack-3's population. Rows of four tell kinds apart better,
and lie nearer to the people of whom they are (docs/decisions/0060)."""

PUBLISHED = Recipe(4, 3, 0.6)
"""People whose pictures are published: as face-pack-4's population (docs/lab/accuracy.md)."""

MOST_ROWS = 512
"""Averages of people that a population has."""
_TRIES = 40
"""Draws of groups of people, of which the most different are taken."""

USUAL = 0.25
"""Share of the folder's people who are no nearer to the population than is usual: half of a quarter
of all pairs."""

_BLOCK = 512
"""Rows that are compared at a time, to bound memory."""
_MEANING = "fmr(t) = fmr_at * exp(-rate * (t - above)) beyond the last point"


def make_population(people: NDArray[np.float32], recipe: Recipe = OWN) -> NDArray[np.float32]:
    """Make a population's rows of templates (n, dimensions), one a person.

    A row is the mean of `recipe.mixed` near people.

    Raises NoPictures if they are fewer than FEWEST_PERSONS.
    """
    if len(people) < FEWEST_PERSONS:
        raise NoPictures(
            f"a face was found of {len(people)} persons; a population needs {FEWEST_PERSONS} or "
            "more"
        )
    centred = people - people.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    scores, random = centred @ centred.T, np.random.default_rng(0)
    groups = [
        group
        for _ in range(recipe.partitions)
        for group in _cut_in_groups(scores, recipe.mixed, random)
    ]
    templates = people[np.array(groups[:MOST_ROWS])].mean(axis=1)
    middle = templates.mean(axis=0)
    return np.asarray(middle + recipe.share * (templates - middle), np.float16).astype(np.float32)


def _cut_in_groups(
    scores: NDArray[np.float32], mixed: int, random: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Put everybody into one group of `mixed` people who are near to each other; fewer than `mixed`
    are left over.

    `scores`: of each pair of people, (n, n). The best of several random tries is returned.
    """

    def draw_groups() -> list[NDArray[np.intp]]:
        is_free, groups = np.ones(len(scores), bool), list[NDArray[np.intp]]()
        for person in random.permutation(len(scores)).tolist():
            if is_free[person] and is_free.sum() >= mixed:
                is_free[person] = False
                nearest = np.argsort(-np.where(is_free, scores[person], -2.0), kind="stable")[
                    : mixed - 1
                ]
                is_free[nearest] = False
                groups.append(np.array([person, *nearest]))
        return groups

    def sum_scores(groups: list[NDArray[np.intp]]) -> float:
        return float(sum(scores[group[0], group[1:]].sum() for group in groups))

    return max((draw_groups() for _ in range(_TRIES)), key=sum_scores)


def measure_model(
    faces: Faces, persons: Sequence[str], population: NDArray[np.float32]
) -> tuple[dict[str, Any], Suspects]:
    """Compute a model's entry of calibration.json, and the pairs that it leaves out as likely label
    errors.

    Raises NoPictures if fewer than FEWEST_PERSONS have a picture with a face.
    """
    mated = pairs.score_all_pairs(faces).mated
    embeddings, names = choose_one_each(faces, persons)
    if len(embeddings) < FEWEST_PERSONS:
        raise NoPictures(
            f"a face was found of {len(embeddings)} persons; a curve needs {FEWEST_PERSONS} or "
            "more, and thousands to "
            "be good"
        )
    left_out = find_suspects(embeddings, names, mated)
    usual_nearness = (
        float(np.quantile(Population(population, 0.0).measure_nearness(embeddings), USUAL))
        if len(population)
        else 0.0
    )
    plain_scores, scores_less_demand = _score_non_mated(
        embeddings, left_out.limit, Population(population, round(usual_nearness, 4))
    )
    entry: dict[str, Any] = {
        "score": "cosine, less the demand of the pair",
        "usual": round(usual_nearness, 4),
        "persons": len(embeddings),
        "impostor_pairs": len(scores_less_demand),
        "left_out_as_label_errors": len(left_out.pairs),
        "impostor_mean": round(float(plain_scores.mean()), 4),
        "impostor_std": round(float(plain_scores.std()), 4),
        "mated_pairs": len(mated),
        "mated_mean": round(float(mated[mated > pairs.NO_FACE].mean()), 4) if len(mated) else None,
        **_measure_curve(scores_less_demand),
    }
    return entry, left_out


def write_curve(
    folder: Path,
    pack: Pack,
    source: str,
    entry: dict[str, Any],
    population: NDArray[np.float32] | None,
) -> Path:
    """Write a pack's curve into a folder, and its population if it was made anew.

    Return the curve's file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if population is not None:
        np.save(folder / packs.BESIDE_A_CURVE, population.astype(np.float16))
    document = {
        "source": f"{source}, one picture a person compared",
        "pipeline": f"{pack.manifest.name}: the face that the picture is of, as `regulars "
        "evaluate` takes it",
        pack.manifest.embedding.model: entry,
    }
    file = folder / packs.CALIBRATION
    write_durably(file, json.dumps(document, indent=1) + "\n", mode=0o666)
    return file


def _score_non_mated(
    embeddings: NDArray[np.float32], limit: float, population: Population
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of all pairs of different persons below `limit`, and less their demands,
    the highest first."""
    plain_scores, scores_less_demand = [], []
    for begin in range(0, len(embeddings), _BLOCK):
        block, later = embeddings[begin : begin + _BLOCK], embeddings[begin:]
        scores = (block @ later.T).astype(np.float64)
        counts = np.triu(scores < limit, 1)
        plain_scores.append(scores[counts])
        scores_less_demand.append((scores - population.compute_demands(block, later))[counts])
    return np.concatenate(plain_scores), np.sort(np.concatenate(scores_less_demand))[::-1]


def _measure_curve(falling_scores: NDArray[np.float64]) -> dict[str, Any]:
    """Compute the points and the exponential tail of the curve.

    A point is left out if fewer than FEWEST_ABOVE pairs are above its threshold. `falling_scores`:
    of pairs of different persons, the highest first.
    """
    points: list[dict[str, float]] = []
    for rate in RATES:
        index = int(rate * len(falling_scores))
        if index < FEWEST_ABOVE:
            break
        threshold = round(float(falling_scores[index]), 4)
        if not points or threshold > points[-1]["threshold"]:
            points.append({"fmr": rate, "threshold": threshold})
    tail_fmr = next(
        (fmr for fmr in TAIL_FMRS if fmr * len(falling_scores) >= TAIL_PAIRS), TAIL_FMRS[-1]
    )
    tail_begin = falling_scores[int(tail_fmr * len(falling_scores))]
    excess = falling_scores[falling_scores > tail_begin] - tail_begin
    tail = {
        "above": round(float(tail_begin), 4),
        "fmr_at": tail_fmr,
        "rate": round(float(1 / excess.mean()), 2),
        "meaning": _MEANING,
    }
    return {"points": points, "tail": tail}
