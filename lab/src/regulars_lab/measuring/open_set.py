"""1:N figures: half of the persons are enrolled, the others are strangers, and pictures of all are
searched for.

Scores and decisions are the service's: the best face of the gallery, its score less the demand of
the two (domain/rules/decision), over templates as they are stored. FNIR counts a mated search if
its best face is another person's, if its score is too low, if its picture shows no face, or if all
of the person's pictures are too poor to be enrolled. FPIR counts a non-mated search if it finds
somebody (ISO/IEC 19795-1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from chalicelib.domain.rules.decision import OperatingPoint, Population
from chalicelib.domain.rules.templates import fuse_embeddings
from regulars_lab.measuring.pairs import Faces

TRIALS = 10
"""Random choices of the enrolled persons; the searches of all trials count together."""

PROBES_A_PERSON = 3
"""Limit, so that a person with many pictures does not dominate the figures."""

_BLOCK = 512
"""Probes that are searched for at a time, to bound memory."""

NEVER = -4.0
"""The score of a mated search that found nobody, or somebody else."""


class Rule(Struct, frozen=True):
    """The rule by which the service decides: an operating point, and the population by which scores
    are judged."""

    point: OperatingPoint
    population: Population


class Searches(Struct, frozen=True):
    """Scores of searches, less the demand of the best pair; and of their nearest face, as they are
    (`mated_plain`).

    `mated_accepted`, `non_mated_accepted`: whether the service finds the right person, or anybody.
    """

    gallery_size: int
    mated: NDArray[np.float64]
    non_mated: NDArray[np.float64]
    mated_plain: NDArray[np.float64]
    non_mated_plain: NDArray[np.float64]
    mated_accepted: NDArray[np.bool_]
    non_mated_accepted: NDArray[np.bool_]
    strangers: NDArray[np.intp]
    """Index of the picture of each non-mated search. Several trials may search for the same
    picture."""

    @property
    def stranger_pictures(self) -> int:
        """Number of different pictures among the non-mated searches."""
        return len(np.unique(self.strangers))

    @property
    def fpir(self) -> float | None:
        """Rate as the service decides; None if there are no such searches, or nobody is enrolled
        who could be found."""
        if not self.gallery_size or not len(self.non_mated_accepted):
            return None
        return float(np.mean(self.non_mated_accepted))

    @property
    def fnir(self) -> float | None:
        """Rate as the service decides; None if there are no such searches."""
        return float(1 - np.mean(self.mated_accepted)) if len(self.mated_accepted) else None

    def measure_fnir(self, fpir: float, *, plain: bool = False) -> float | None:
        """Return the FNIR at the threshold that gives this FPIR; None if there are too few
        strangers to say."""
        mated, non_mated = (
            (self.mated_plain, self.non_mated_plain) if plain else (self.mated, self.non_mated)
        )
        if not len(mated) or self.stranger_pictures * fpir < 1:
            return None
        return float(np.mean(mated <= find_score_threshold(non_mated, fpir)))


def find_score_threshold(non_mated: NDArray[np.float64], fpir: float) -> float:
    """Return the score that at most a share `fpir` of the strangers exceed."""
    falling = np.sort(non_mated)[::-1]
    return float(falling[min(int(fpir * len(falling)), len(falling) - 1)])


def run_searches(
    faces: Faces, rule: Rule, photos: int, trials: int = TRIALS, probes: Faces | None = None
) -> Searches:
    """Enrol half of the persons by `photos` pictures each.

    Search for their other pictures and for strangers. `probes`: the pictures in a poorer condition,
    by which is searched instead.

    A known person with `photos` pictures or fewer is not searched for: all pictures but one are
    enrolled, or the only one.
    """
    return join_searches(
        [_run_trial(faces, probes or faces, rule, photos, seed) for seed in range(trials)]
    )


def join_searches(parts: Sequence[Searches]) -> Searches:
    """Count the searches of several galleries together; the gallery's size is the mean."""
    return Searches(
        round(float(np.mean([part.gallery_size for part in parts]))),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in Searches.__struct_fields__[1:]
        ),
    )


def _run_trial(faces: Faces, probes: Faces, rule: Rule, photos: int, seed: int) -> Searches:
    """Enrol one random half of the persons by `photos` pictures each.

    Search for their other ones, and for strangers, as `probes` has them.

    PROBES_A_PERSON pictures of each person are searched for. A person whose pictures show no face,
    or are all too poor, is not enrolled.
    """
    random = np.random.default_rng(seed)
    persons = random.permutation(np.unique(faces.person_of))
    enrolled_persons = set(persons[: len(persons) // 2].tolist())
    gallery: list[NDArray[np.float32]] = []
    owners: list[int] = []
    mated: list[int] = []
    strangers: list[int] = []
    for person in persons.tolist():
        own_pictures = random.permutation(np.flatnonzero(faces.person_of == person))
        if person not in enrolled_persons:
            strangers += own_pictures[:PROBES_A_PERSON].tolist()
            continue
        fit_pictures = own_pictures[faces.fit[own_pictures]]
        enrolled_pictures = fit_pictures[: min(photos, max(len(own_pictures) - 1, 1))]
        if len(enrolled_pictures):
            gallery.append(
                fuse_embeddings(faces.embeddings[enrolled_pictures])
                .astype(np.float16)
                .astype(np.float32)
            )
            owners.append(person)
        if len(own_pictures) > photos:
            mated += [index for index in own_pictures.tolist() if index not in enrolled_pictures][
                :PROBES_A_PERSON
            ]
    gallery_and_owners = (
        (np.stack(gallery), np.array(owners))
        if gallery
        else (np.zeros((0, 1), np.float32), np.zeros(0, np.intp))
    )
    return _search_gallery(
        probes, rule, gallery_and_owners, np.array(mated, np.intp), np.array(strangers, np.intp)
    )


def _search_gallery(
    faces: Faces,
    rule: Rule,
    gallery_and_owners: tuple[NDArray[np.float32], NDArray[np.intp]],
    mated: NDArray[np.intp],
    strangers: NDArray[np.intp],
) -> Searches:
    """Search the gallery for people who are in it (`mated`) and for strangers.

    `gallery_and_owners`: templates (n, dimensions), and whose each is (n,). `mated`, `strangers`:
    numbers of pictures.
    """
    gallery, owners = gallery_and_owners
    probes = np.concatenate((mated, strangers))
    scores, plain_scores = np.full(len(probes), NEVER), np.full(len(probes), NEVER)
    accepted, right, right_plain = (np.zeros(len(probes), bool) for _ in range(3))
    searchable = np.flatnonzero(faces.found[probes]) if len(gallery) else np.zeros(0, np.intp)
    for begin in range(0, len(searchable), _BLOCK):
        block = searchable[begin : begin + _BLOCK]
        answer = search(gallery, faces.embeddings[probes[block]], rule)
        plain_scores[block], scores[block] = answer.plain, answer.scores
        accepted[block] = answer.matches
        right[block] = owners[answer.best] == faces.person_of[probes[block]]
        right_plain[block] = owners[answer.nearest] == faces.person_of[probes[block]]
    mated_part, stranger_part = slice(0, len(mated)), slice(len(mated), None)
    return Searches(
        gallery_size=len(gallery),
        mated=np.where(right[mated_part], scores[mated_part], NEVER),
        non_mated=scores[stranger_part],
        mated_plain=np.where(right_plain[mated_part], plain_scores[mated_part], NEVER),
        non_mated_plain=plain_scores[stranger_part],
        mated_accepted=accepted[mated_part] & right[mated_part],
        non_mated_accepted=accepted[stranger_part],
        strangers=strangers,
    )


class Answer(Struct, frozen=True):
    """Results by probe: the best row of the gallery, its score less the demand, and whether it is a
    match.

    `nearest`, `plain`: the row of the highest score as it is, and that score.
    """

    best: NDArray[np.intp]
    scores: NDArray[np.float64]
    demands: NDArray[np.float64]
    matches: NDArray[np.bool_]
    nearest: NDArray[np.intp]
    plain: NDArray[np.float64]


def search(gallery: NDArray[np.float32], probes: NDArray[np.float32], rule: Rule) -> Answer:
    """Search for each probe in the gallery, and decide as the service does: by the score less the
    pair's demand.

    `gallery`, `probes`: embeddings, one a row.
    """
    plain_scores = (probes @ gallery.T).astype(np.float64)
    demands = rule.population.compute_demands(probes, gallery)
    best = (plain_scores - demands).argmax(axis=1)
    demand_of_best, top_scores = (
        np.take_along_axis(values, best[:, None], axis=1)[:, 0]
        for values in (demands, plain_scores)
    )
    thresholds = [
        rule.point.find_threshold(len(gallery), demand) for demand in demand_of_best.tolist()
    ]
    return Answer(
        best=best,
        scores=top_scores - demand_of_best,
        demands=demand_of_best,
        matches=top_scores >= thresholds,
        nearest=plain_scores.argmax(axis=1),
        plain=plain_scores.max(axis=1),
    )
