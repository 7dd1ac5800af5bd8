"""All figures of one folder, as plain values for the table, the page and the JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from regulars_lab.evaluate import verification
from regulars_lab.evaluate.labels import Pair
from regulars_lab.evaluate.passages import PassageFigures, list_figures
from regulars_lab.evaluate.verification import Accuracy
from regulars_lab.measuring import open_set
from regulars_lab.measuring.kinds import CLUSTER, Kind, find_clusters, measure_kinds
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.looking import gather_faces
from regulars_lab.measuring.memory import PictureResult
from regulars_lab.measuring.open_set import Rule, Searches
from regulars_lab.measuring.pairs import Faces, PairScores, list_bin_edges, score_all_pairs
from regulars_lab.measuring.suspects import Suspects, choose_one_each, find_suspects

FMRS = (1e-3, 1e-4)
FPIRS = (0.003, 0.01, 0.1)
AS_IT_IS = "as it is"
PHOTOS = (1, 3)
"""Numbers of pictures that a person is enrolled from."""


class Group(Struct, frozen=True):
    """Rates of the pictures with one value in one column of the labels, at the whole folder's
    threshold of FMR 1e-3.

    `failures`: share of pictures without a face. A rate is None if there are too few pictures to
    say.
    """

    column: str
    value: str
    pictures: int
    failures: float
    fnmr: float | None
    fmr: float | None
    """Rate among pairs of different persons who both belong to the group."""


class Condition(Struct, frozen=True):
    """Searches by pictures in a poorer condition, for people enrolled by one photo each.

    `refused`: share of these pictures whose face is too poor to be enrolled or remembered.
    """

    name: str
    refused: float
    searches: Searches
    kinds: tuple[Kind, ...]
    """Of faces that are both in this condition, and good enough to be remembered."""


class Figures(Struct, frozen=True):
    pictures: int
    persons: int
    failed: tuple[tuple[str, str], ...]
    """Name and reason of each picture that gave no face."""
    suspects: Suspects
    accuracy: Accuracy | None
    own_pairs: bool
    pairs: PairScores
    searches: Mapping[int, Searches]
    """By the number of pictures that a person is enrolled from (PHOTOS)."""
    decides: Rule
    groups: tuple[Group, ...]
    kinds: tuple[Kind, ...]
    conditions: tuple[Condition, ...]
    """The first row is of the pictures as they are; it is there only with other rows."""
    stages_ms: Mapping[str, float]
    passages: Mapping[str, PassageFigures]
    """By the camera before which they are drawn."""

    @property
    def failures(self) -> float:
        return len(self.failed) / self.pictures

    def json(self) -> dict[str, Any]:
        """Return the figures for the JSON file.

        Rates are fractions, and None if there are too few pictures to say.
        """
        one = self.searches[PHOTOS[0]]
        return {
            "pictures": self.pictures,
            "persons": self.persons,
            "failures": self.failures,
            "failed_pictures": [
                {"picture": name, "reason": reason} for name, reason in self.failed
            ],
            "likely_label_errors": [
                {"persons": [one, other], "score": score}
                for one, other, score in self.suspects.pairs
            ],
            "verification_accuracy": self.accuracy.mean if self.accuracy else None,
            "verification_standard_error": self.accuracy.standard_error if self.accuracy else None,
            "verification_folds": self.accuracy.folds if self.accuracy else 0,
            "verification_pairs": self.accuracy.pairs if self.accuracy else 0,
            "pairs_from": "file" if self.own_pairs else "drawn",
            "mated_pairs": len(self.pairs.mated),
            "non_mated_pairs": self.pairs.non_mated_pairs,
            "fnmr": {str(fmr): self.pairs.measure_fnmr(fmr) for fmr in FMRS},
            "fnir": {str(fpir): one.measure_fnir(fpir) for fpir in FPIRS},
            "identification": {
                str(photos): _identification(found) for photos, found in self.searches.items()
            },
            "fpir_target": self.decides.point.fpir_target,
            "groups": [asdict(group) for group in self.groups],
            "kinds": [asdict(kind) for kind in self.kinds],
            "conditions": [
                {
                    "condition": condition.name,
                    "refused_for_quality": condition.refused,
                    **_identification(condition.searches),
                    "kinds": [asdict(kind) for kind in condition.kinds],
                }
                for condition in self.conditions
            ],
            "passages": {name: list_figures(found) for name, found in self.passages.items()},
            "stages_ms": dict(self.stages_ms),
        }


def _identification(found: Searches) -> dict[str, Any]:
    rates = {"fnir": False, "fnir_plain_score": True}
    by_rate = {
        name: {str(fpir): found.measure_fnir(fpir, plain=plain) for fpir in FPIRS}
        for name, plain in rates.items()
    }
    return {
        "gallery_size": found.gallery_size,
        "mated_searches": len(found.mated),
        "non_mated_searches": len(found.non_mated),
        "stranger_pictures": found.stranger_pictures,
        **by_rate,
        "as_the_service_decides": {"fpir": found.fpir, "fnir": found.fnir},
    }


def measure_figures(
    labelled: LabelledFolder,
    seen: Sequence[PictureResult],
    decides: Rule,
    pairs: Sequence[Pair] | None,
    groups: Mapping[str, Sequence[str | None]],
    seen_so: Mapping[str, Sequence[PictureResult]] = MappingProxyType({}),
    passages: Mapping[str, PassageFigures] = MappingProxyType({}),
) -> Figures:
    """Measure all figures; `seen_so`: the pictures in poorer conditions, by the condition's
    name."""
    faces = gather_faces(labelled, seen)
    scores = score_all_pairs(faces)
    called = list(pairs) if pairs is not None else verification.drawn_pairs(faces)
    stages = sorted({stage for one in seen for stage in one.stages_ms}, key=_ORDER.index)
    return Figures(
        pictures=len(seen),
        persons=len(labelled.persons),
        failed=tuple(
            (labelled.name(i), one.failure) for i, one in enumerate(seen) if one.embedding is None
        ),
        suspects=find_suspects(*choose_one_each(faces, labelled.persons), scores.mated),
        accuracy=verification.accuracy(verification.pair_scores(faces, called), called),
        own_pairs=pairs is not None,
        pairs=scores,
        searches={photos: open_set.run_searches(faces, decides, photos) for photos in PHOTOS},
        decides=decides,
        groups=tuple(_groups(faces, scores, groups)),
        kinds=tuple(kinds_of(faces, groups, decides)),
        conditions=tuple(
            _measure_condition(name, faces, gather_faces(labelled, results), decides, groups)
            for name, results in ({AS_IT_IS: seen, **seen_so} if seen_so else {}).items()
        ),
        stages_ms={
            stage: float(np.mean([one.stages_ms[stage] for one in seen if stage in one.stages_ms]))
            for stage in stages
        },
        passages=passages,
    )


def _measure_condition(
    name: str,
    faces: Faces,
    probes: Faces,
    decides: Rule,
    groups: Mapping[str, Sequence[str | None]],
) -> Condition:
    refused = float(1 - np.mean(probes.fit[probes.found])) if probes.found.any() else 0.0
    fit = Faces(probes.embeddings, probes.fit, probes.person_of)
    return Condition(
        name,
        refused,
        open_set.run_searches(faces, decides, 1, probes=probes),
        tuple(kinds_of(fit, {**groups, CLUSTER: _label_clusters(faces)}, decides)),
    )


def _label_clusters(faces: Faces) -> list[str | None]:
    """Return the cluster of each picture's person, by each person's first picture; None: no
    picture shows a face."""
    chosen = _choose_first(faces)
    own = find_clusters(faces.embeddings[chosen]) if len(chosen) else []
    cluster_of = dict(zip(faces.person_of[chosen].tolist(), own, strict=True))
    return [cluster_of.get(person) for person in faces.person_of.tolist()]


_ORDER = ("decode", "detect", "align", "embed", "quality")


def kinds_of(faces: Faces, labels: Mapping[str, Sequence[str | None]], decides: Rule) -> list[Kind]:
    """Measure the FPIR of each kind of people, by each person's first picture.

    `labels`: by column, of each picture.
    """
    chosen = _choose_first(faces)
    if not len(chosen):
        return []
    own = {
        column: [values[picture] for picture in chosen.tolist()]
        for column, values in labels.items()
    }
    return measure_kinds(faces.embeddings[chosen], own, decides)


def _choose_first(faces: Faces) -> NDArray[np.intp]:
    """Return the first picture with a face of each person."""
    found = np.flatnonzero(faces.found)
    _, first = np.unique(faces.person_of[found], return_index=True)
    return found[first]


def _groups(
    faces: Faces, scores: PairScores, groups: Mapping[str, Sequence[str | None]]
) -> list[Group]:
    threshold = scores.find_threshold(FMRS[0])
    found = []
    for column, values in groups.items():
        for value in sorted({value for value in values if value}):
            own = faces.select_faces(np.array([one == value for one in values], bool))
            pairs = score_all_pairs(own)
            fnmr = fmr = None
            if threshold is not None:
                fnmr = float(np.mean(pairs.mated < threshold)) if len(pairs.mated) else None
                edge = int(np.searchsorted(list_bin_edges(), threshold))
                fmr = float(pairs.compute_fmr()[edge]) if pairs.non_mated_pairs else None
            found.append(
                Group(column, value, len(own.found), float(1 - np.mean(own.found)), fnmr, fmr)
            )
    return found
