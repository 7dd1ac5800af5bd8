"""Measure who is taken for whom among people of one kind, by press photos and a camera's pictures.

    python -m regulars_lab.bench.halves [--condition camera ...] [--divisions 4] [--groups FILE]
        [--out FOLDER] [--json FILE]

FairFace's people make the population by which scores are judged, so they are divided into halves:
one makes a population and its curve, the other is measured, and then the halves change places. The
kinds are ages and genders, and clusters of people who look alike. FILE has columns `person` and
others, for kinds of people of Labelled Faces in the Wild, who are in no population. Of two names
that are likely one person, the second is left out: three among 168 people tripled the FPIR.

A pair is of a face by which a stranger would be remembered, and of any other one. Those that match
are too few to count. So their share is found by the highest scores, as an exponential tail; FPIR is
that of a gallery of 100.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from chalicelib.domain.rules.decision import (
    SMALLEST_GALLERY,
    ImpostorCurve,
    OperatingPoint,
    Population,
)
from regulars_lab.bench.book import FACES
from regulars_lab.bench.measuring import pack, parser, write
from regulars_lab.conditions import CONDITIONS
from regulars_lab.evaluate.labels import read_groups
from regulars_lab.measuring.curves import PUBLISHED, make_population, measure_model
from regulars_lab.measuring.kinds import FEWEST, ONE_KIND, find_clusters
from regulars_lab.measuring.labelled import LabelledFolder, read_folder
from regulars_lab.measuring.looking import gather_faces, look_at_folder
from regulars_lab.measuring.open_set import Rule
from regulars_lab.measuring.pairs import Faces, score_all_pairs
from regulars_lab.measuring.suspects import choose_one_each, find_suspects
from regulars_lab.studio import FAIRFACE

AS_IT_IS = "as it is"
CLUSTERS = 7
TAIL_SHARE, TAIL_PAIRS = 0.01, 30
"""The pairs that are the tail: this share, and so many at least."""

SECOND_PICTURES = [f"fairface_{number}" for number in ("0180", "0213", "0326", "0384", "0422")]
"""Pictures of FairFace that show somebody who is on another one, as a look at the best pairs
shows."""

Kinds = Mapping[str, NDArray[np.bool_]]
"""By the kind's name, whether each person is of it."""


def main() -> None:
    asked = _parse_options()

    def look_at(folder: LabelledFolder, condition: str) -> Faces:
        change = CONDITIONS.get(condition)
        looked = look_at_folder(folder, pack(), asked.out, Console(), change)
        return gather_faces(folder, looked)

    conditions = (AS_IT_IS, *asked.condition)
    people, press = read_folder(FAIRFACE, alone=True), _read_press()
    press_faces = look_at(press, AS_IT_IS)
    looks = {condition: look_at(people, condition) for condition in conditions}
    named, kinds_of_named = press, {}
    if asked.groups:
        named, kinds_of_named = _choose_named(press, asked.groups)
    looks_at_named = {
        condition: look_at(named, condition) for condition in conditions if kinds_of_named
    }
    once = ~np.isin(people.persons, SECOND_PICTURES)
    rules = [
        (rule, measured & once)
        for rule, measured in _make_rules(
            looks[AS_IT_IS], once, press, press_faces, asked.divisions
        )
    ]
    named_once = ~np.isin(named.persons, [*find_second_names(press_faces, press.persons)])
    of_everybody = [(rule, named_once) for rule, _ in rules]
    rows = [
        *measure_kinds(looks, label_people(people, looks[AS_IT_IS]), rules),
        *measure_kinds(looks_at_named, kinds_of_named, of_everybody),
    ]
    for row in rows:
        print(json.dumps(row))
    write(rows, asked.json)


def _parse_options() -> argparse.Namespace:
    options = parser("halves", __doc__)
    options.add_argument(
        "--condition", nargs="*", choices=CONDITIONS, default=["camera"], help="(default: camera)"
    )
    options.add_argument("--divisions", type=int, default=4, help="(default: %(default)s)")
    options.add_argument("--groups", type=Path, help="kinds of people of LFW: a CSV")
    options.add_argument(
        "--out", type=Path, default=Path("build/halves"), help="(default: %(default)s)"
    )
    return options.parse_args()


def label_people(people: LabelledFolder, faces: Faces) -> Kinds:
    """Return FairFace's kinds: by age and gender, and by clusters of templates."""
    truth = json.loads((FAIRFACE / "ground_truth.json").read_text())
    by_name = {Path(label["filename"]).stem: label for label in truth}
    labels = [by_name[name] for name in people.persons]
    oldest = np.array([int(one["age"].rstrip("+").rpartition("-")[2]) for one in labels])
    male = np.array([one["gender"] == "Male" for one in labels])
    grown = (oldest > 20) & (oldest < 60)
    cluster = np.array(find_clusters(faces.embeddings, CLUSTERS))
    return {
        "0 to 9": oldest < 10,
        "10 to 19": (oldest > 10) & (oldest < 20),
        "over 60": oldest > 60,
        "men of 20 to 59": grown & male,
        "women of 20 to 59": grown & ~male,
        **{f"alike {number + 1}": cluster == str(number + 1) for number in range(CLUSTERS)},
    }


def find_second_names(faces: Faces, persons: Sequence[str]) -> set[str]:
    """Find names of people who seem to be there by another name, too."""
    mated = score_all_pairs(faces).mated
    return {other for _, other, _ in find_suspects(*choose_one_each(faces, persons), mated).pairs}


def measure_kinds(
    looks: Mapping[str, Faces], kinds: Kinds, rules: Sequence[tuple[Rule, NDArray[np.bool_]]]
) -> Iterator[dict[str, Any]]:
    """Yield the FPIR of each kind in each condition, of both pictures.

    `looks`: by condition, a picture of each person. `rules`: each with the people who are measured
    by it.
    """
    for kind, members in kinds.items():
        for condition, faces in looks.items():
            margins = np.concatenate(
                [_measure_margins(faces, members & measured, rule) for rule, measured in rules]
            )
            if members.sum() < FEWEST or len(margins) <= TAIL_PAIRS:
                continue
            yield {
                "kind": kind,
                "condition": condition,
                "people": int(members.sum()),
                "pairs": len(margins),
                "above": int((margins >= 0).sum()),
                "fpir": round(1 - (1 - estimate_share(margins)) ** ONE_KIND, 5),
            }


def estimate_share(margins: NDArray[np.float64]) -> float:
    """Return the share of margins that are 0 or more, by an exponential tail of the highest."""
    count = min(max(TAIL_PAIRS, int(TAIL_SHARE * len(margins))), len(margins) - 1)
    falling = np.sort(margins)[::-1]
    begin = float(falling[count])
    if begin >= 0:
        return float(np.mean(margins >= 0))
    excess = float(np.mean(falling[:count])) - begin
    return count / len(margins) * float(np.exp(begin / excess))


def _measure_margins(faces: Faces, chosen: NDArray[np.bool_], rule: Rule) -> NDArray[np.float64]:
    """Return by how much each pair of two of these people is above its threshold."""
    founders, probes = np.flatnonzero(chosen & faces.fit), np.flatnonzero(chosen & faces.found)
    gallery, searched = faces.embeddings[founders], faces.embeddings[probes]
    margins = gallery @ searched.T - rule.population.compute_demands(gallery, searched)
    others = faces.person_of[founders][:, None] != faces.person_of[probes]
    return np.asarray(margins[others] - rule.point.find_threshold(SMALLEST_GALLERY))


def _make_rules(
    people: Faces,
    once: NDArray[np.bool_],
    press: LabelledFolder,
    press_faces: Faces,
    divisions: int,
) -> Iterator[tuple[Rule, NDArray[np.bool_]]]:
    """Yield the rule of each half, and who is measured by it: the people of the other half."""
    for division in range(divisions):
        order = np.random.default_rng(division).permutation(len(people.found))
        for half in np.array_split(order, 2):
            makes = np.zeros(len(order), bool)
            makes[half] = True
            rows = make_population(people.embeddings[makes & people.found & once], PUBLISHED)
            entry, _ = measure_model(press_faces, press.persons, rows)
            point = OperatingPoint(ImpostorCurve.from_calibration(entry))
            yield Rule(point, Population(rows, entry["usual"])), ~makes


def _read_press() -> LabelledFolder:
    """Read everybody of Labelled Faces in the Wild."""
    people, strangers = (read_folder(FACES / name) for name in ("people", "strangers"))
    further = (len(people.persons) + owner for owner in strangers.person_of)
    return LabelledFolder(
        FACES,
        people.persons + strangers.persons,
        people.files + strangers.files,
        (*people.person_of, *further),
    )


def _choose_named(press: LabelledFolder, groups: Path) -> tuple[LabelledFolder, Kinds]:
    """Return those whom the file puts into a kind by their first picture, and their kinds."""
    columns = read_groups(groups, press).values()
    _, first = np.unique(press.person_of, return_index=True)
    chosen = [number for number in first.tolist() if any(column[number] for column in columns)]
    named = LabelledFolder(
        press.folder,
        tuple(press.persons[press.person_of[number]] for number in chosen),
        tuple(press.files[number] for number in chosen),
        tuple(range(len(chosen))),
    )
    values = {value for column in columns for value in column if value}
    kinds = {
        value: np.array([any(column[number] == value for column in columns) for number in chosen])
        for value in sorted(values)
    }
    return named, kinds


if __name__ == "__main__":
    main()
