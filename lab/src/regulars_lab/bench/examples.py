"""Measure what recognition loses if a face is compared by some of its photos, for each rule that
chooses them.

    python -m regulars_lab.bench.examples [--json FILE] [--faces FOLDER] [--out FOLDER] [--draws 20]

FOLDER has `people`, a folder a person, and `strangers`, with one picture each, as of bench/book.
Each person is enrolled with as many photos as the row says, and a thousand strangers with one. Then
up to three other photos of each person, and the other strangers, are searched, and the service
decides. Nobody there has more than ten photos: four of nine and four of eight stand in for eight of
twenty. `wrong`: one more photo, of somebody else, is given at any place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from rich.console import Console

from chalicelib.domain.model import Picture
from chalicelib.domain.pictures import Estimates
from chalicelib.domain.rules.choice import Chooser
from chalicelib.domain.rules.decision import DEFAULT_FPIR, PAIR_FMR, OperatingPoint
from chalicelib.domain.rules.templates import (
    fuse_embeddings,
    make_template,
    parse_vector,
    reduce_templates,
)
from chalicelib.storage.values import moment
from regulars_lab.bench.book import FACES
from regulars_lab.bench.measuring import pack, parser, write
from regulars_lab.measuring import labelled
from regulars_lab.measuring.looking import look_at_folder
from regulars_lab.measuring.open_set import PROBES_A_PERSON, Rule, search

Rows = NDArray[np.float32]
Choose = Callable[[Sequence[Picture], int], Sequence[Rows]]
"""Makes what a person is compared by of the photos, of which so many are in one mean."""

ENROLLED_STRANGERS = 1_000
CASES = ((9, 8), (9, 4), (8, 4), (6, 3))
"""Photos that are given, and those that are compared."""
WRONG = ((2, 8), (3, 8), (5, 8), (8, 8))


def main() -> None:
    options = parser("examples", __doc__)
    options.add_argument(
        "--faces", type=Path, default=FACES, help="people/ and strangers/ (default: %(default)s)"
    )
    options.add_argument(
        "--out", type=Path, default=Path("build/examples"), help="keeps templates: private"
    )
    options.add_argument("--draws", type=int, default=20)
    arguments = options.parse_args()
    own = pack()
    rule = Rule(
        OperatingPoint(own.manifest.impostor_curve, DEFAULT_FPIR), own.manifest.parse_population()
    )
    model = own.manifest.embedding.model
    people, strangers = (
        _pictures(arguments.faces / name, own, arguments.out) for name in ("people", "strangers")
    )
    measured = []
    for is_wrong, cases in ((False, CASES), (True, WRONG)):
        for given, most in cases:
            for name, choose in _rules(Chooser(model, rule.point.curve, rule.population)).items():
                draws = Draws(people, [one for (one, *_) in strangers], rule, given, is_wrong)
                row = {"given": given, "compared": most, "wrong": is_wrong, "rule": name}
                measured.append(
                    row | draws.figures(lambda one, by=choose, n=most: by(one, n), arguments.draws)
                )
                print(" ".join(f"{key} {value}" for key, value in measured[-1].items()), flush=True)
    write(measured, arguments.json)


def _pictures(folder: Path, own: Any, out: Path) -> list[list[Picture]]:
    """Look at a folder's people; return the pictures of each in which a face was found."""
    found = labelled.read_folder(folder)
    seen = look_at_folder(found, own, out, Console(quiet=True))
    people: dict[str, list[Picture]] = {}
    for number, (file, one) in enumerate(zip(found.files, seen, strict=True)):
        if one.embedding is not None:
            template = make_template(own.manifest.embedding.model, one.embedding)
            estimates = Estimates(quality=one.quality)
            people.setdefault(file.parent.name, []).append(
                Picture(f"{number:032x}", "", moment(0), (template,), estimates)
            )
    return list(people.values())


def _mean(pictures: Sequence[Picture]) -> Rows:
    (template,) = reduce_templates([template for one in pictures for template in one.templates])
    return parse_vector(template)


def _rows(pictures: Sequence[Picture]) -> Rows:
    return np.stack([parse_vector(one.templates[0]) for one in pictures])


def _rules(chooser: Chooser) -> dict[str, Choose]:
    def chosen(pictures: Sequence[Picture], most: int) -> Sequence[Rows]:
        new = (pictures[0], *(replace(one, spare=True) for one in pictures[1:]))
        return [_mean([one for one in chooser.choose_pictures(new, most) if not one.spare])]

    def looks(pictures: Sequence[Picture], most: int) -> Sequence[Rows]:
        """Lay each photo to the face that it is most like and that has room, or to another one, as
        it was before."""
        found: list[list[Picture]] = []
        for one in pictures:
            row, likes = _rows([one])[0], []
            for number, face in enumerate(found):
                mean = _mean(face)
                likes += (
                    [(float(mean @ row) - chooser.population.compute_demand(row, mean), number)]
                    if len(face) < most
                    else []
                )
            if likes and max(likes)[0] >= chooser.curve.threshold_at(PAIR_FMR):
                found[max(likes)[1]].append(one)
            else:
                found.append([one])
        return list(map(_mean, found))

    def central(pictures: Sequence[Picture], most: int) -> Sequence[Rows]:
        near = _rows(pictures) @ fuse_embeddings(_rows(pictures))
        return [_mean([pictures[number] for number in np.argsort(-near, kind="stable")[:most]])]

    def cover(pictures: Sequence[Picture], most: int) -> Sequence[Rows]:
        scores = _rows(pictures) @ _rows(pictures).T
        own = [int(scores.sum(axis=1).argmax())]
        while len(own) < min(most, len(pictures)):
            own.append(
                int(
                    np.where(
                        np.isin(np.arange(len(pictures)), own), np.inf, scores[own].max(axis=0)
                    ).argmin()
                )
            )
        return [_mean([pictures[number] for number in own])]

    def quality(pictures: Sequence[Picture], most: int) -> Sequence[Rows]:
        return [_mean(sorted(pictures, key=lambda one: -(one.estimates.quality or 0.0))[:most])]

    return {
        "all kept and compared": lambda pictures, _: [_mean(pictures)],
        "several faces": looks,
        "nearest to the mean of all": chosen,
        "the first": lambda pictures, most: [_mean(pictures[:most])],
        "the best quality": quality,
        "the most central": central,
        "those that cover best": cover,
    }


class Draws(Struct, frozen=True):
    """Galleries and searches, drawn from these people and strangers."""

    people: list[list[Picture]]
    strangers: list[Picture]
    rule: Rule
    given: int
    is_wrong: bool

    def figures(
        self, choose: Callable[[Sequence[Picture]], Sequence[Rows]], draws: int
    ) -> dict[str, Any]:
        missed, searches, false, others = (
            sum(each) for each in zip(*(self._one(choose, n) for n in range(draws)), strict=True)
        )
        return {
            "fnir": round(missed / searches, 4),
            "searches": searches,
            "fpir": round(false / others, 4),
        }

    def _one(
        self, choose: Callable[[Sequence[Picture]], Sequence[Rows]], seed: int
    ) -> tuple[int, int, int, int]:
        random = np.random.default_rng(seed)
        known, unknown = self.strangers[:ENROLLED_STRANGERS], self.strangers[ENROLLED_STRANGERS:]
        gallery, owners = list(_rows(known)), [-1] * len(known)
        probes: list[Picture] = []
        whose: list[int] = []
        for person, pictures in enumerate(self.people):
            own = [pictures[number] for number in random.permutation(len(pictures))]
            if len(own) > self.given:
                probes += own[self.given :][:PROBES_A_PERSON]
                whose += [person] * len(own[self.given :][:PROBES_A_PERSON])
                own = own[: self.given]
                if self.is_wrong:
                    own.insert(
                        int(random.integers(1, len(own) + 1)),
                        unknown[int(random.integers(len(unknown)))],
                    )
                rows = choose(own)
            else:
                rows = [_mean(own)]
            gallery += rows
            owners += [person] * len(rows)
        mated, non_mated = (
            search(np.stack(gallery), _rows(some), self.rule) for some in (probes, unknown)
        )
        right = mated.matches & (np.array(owners)[mated.best] == np.array(whose))
        return int((~right).sum()), len(probes), int(non_mated.matches.sum()), len(unknown)


if __name__ == "__main__":
    main()
