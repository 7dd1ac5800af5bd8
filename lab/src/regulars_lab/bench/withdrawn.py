"""Measure how many strangers who withdrew are known by all their pictures, and how many others are
taken for them.

    python -m regulars_lab.bench.withdrawn [--json FILE] [--faces FOLDER] [--out FOLDER] [--draws 5]
        [--condition press|near|typical|dark] [--photos 1]

FOLDER has `people`, a folder a person, as of bench/book. Each person withdraws, enrolled by one
photo. A stranger is some other photos of a person, drawn by lot. `erased` and `kept back` are the
shares of those that are taken for the person, by either threshold. `missed before` counts those of
whom no photo alone is. `wrongly erased` and `wrongly kept back` are the shares of those that are
taken for one of so many others. Then people come six times, and it counts how many are regulars, by
the threshold that a further sighting of a stranger asks for.

With `--condition` it only measures the share of pictures that keep a template of somebody who
withdrew: those that are good enough for a stranger, and are not recognised by the mean of so many
press photos.
`press` takes pictures as they are; the others are drawn as a camera takes them (camera.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.captures import DEFAULT_STRANGER_QUALITY
from chalicelib.domain.model import PromotionSettings
from chalicelib.domain.rules.decision import (
    DEFAULT_FPIR,
    OperatingPoint,
    StrangerThresholds,
    is_comparable,
)
from chalicelib.domain.rules.templates import fuse_embeddings
from regulars_lab.bench.book import FACES
from regulars_lab.bench.measuring import pack, parser, write
from regulars_lab.camera import CAMERAS, Frame
from regulars_lab.measuring import labelled
from regulars_lab.measuring.looking import PictureResult, look_at_folder

PICTURES, WITHDRAWN, VISITS = (1, 2, 3, 4, 6), (1, 10, 100), 6
Scores = NDArray[np.float64]


def main() -> None:
    options = parser("withdrawn", __doc__)
    options.add_argument("--faces", type=Path, default=FACES, help="default: %(default)s")
    options.add_argument(
        "--out", type=Path, default=Path("build/examples"), help="keeps templates: private"
    )
    options.add_argument("--draws", type=int, default=5)
    options.add_argument("--condition", choices=("press", *CAMERAS))
    options.add_argument("--photos", type=int, default=1)
    arguments = options.parse_args()
    own = pack()
    found = labelled.read_folder(arguments.faces / "people")
    looks = look_at_folder(found, own, arguments.out, Console(quiet=True))
    if arguments.condition is not None:
        change = None if arguments.condition == "press" else Frame(arguments.condition)
        seen_looks = look_at_folder(found, own, arguments.out, Console(quiet=True), change)
        missed = measure_missed(
            found, looks, seen_looks, own, photos=arguments.photos, draws=arguments.draws
        )
        row = {"condition": arguments.condition, "photos": arguments.photos, **missed}
        print(" ".join(f"{key} {value}" for key, value in row.items()))
        write([row], arguments.json)
        return
    seen = [
        (file.parent.name, look.embedding)
        for file, look in zip(found.files, looks, strict=True)
        if look.embedding is not None and is_comparable(look.quality)
    ]
    rows = np.stack([row for _, row in seen])
    demands = own.manifest.parse_population().compute_demands(rows, rows)
    scores = rows.astype(np.float64) @ rows.T.astype(np.float64) - demands
    names = np.array([name for name, _ in seen])
    people = [np.flatnonzero(names == name) for name in np.unique(names)]
    point = OperatingPoint(own.manifest.impostor_curve, DEFAULT_FPIR)
    measured = [
        measure(
            scores, people, point, pictures=pictures, withdrawn=withdrawn, draws=arguments.draws
        )
        for pictures in PICTURES
        for withdrawn in WITHDRAWN
    ]
    for row in (*measured, *count_regulars(rows, scores, people, point, own, arguments.draws)):
        print(" ".join(f"{key} {value}" for key, value in row.items()))
    write(measured, arguments.json)


def measure_missed(
    found: labelled.LabelledFolder,
    enrolled: Sequence[PictureResult],
    seen: Sequence[PictureResult],
    own: Pack,
    *,
    photos: int,
    draws: int,
) -> dict[str, Any]:
    """Count the pictures of people who withdrew that keep a template.

    `enrolled`, `seen`: what was found in each picture as it is, and as a camera takes it. Each
    person is enrolled by drawn photos, and comes once by each of the others.
    """
    random, counts = np.random.default_rng(7), Counter[str]()
    population = own.manifest.parse_population()
    threshold = OperatingPoint(own.manifest.impostor_curve, DEFAULT_FPIR).find_newcomer_threshold(1)
    owners = np.array(found.person_of)
    good = np.array([_is_good(look) for look in enrolled])
    for person in [*range(len(found.persons))] * draws:
        own_pictures = random.permutation(np.flatnonzero((owners == person) & good))
        chosen, others = own_pictures[:photos], own_pictures[photos:]
        if len(chosen) < photos:
            continue
        mean = fuse_embeddings(np.stack([_read_embedding(enrolled[number]) for number in chosen]))
        for number in others:
            look = seen[number]
            counts["pictures"] += look.embedding is not None
            if look.embedding is not None and (look.quality or 0) >= DEFAULT_STRANGER_QUALITY:
                face = _read_embedding(look)
                score = float(mean @ face) - population.compute_demand(face, mean)
                counts["kept"] += score < threshold
    return {**counts, "share": round(counts["kept"] / counts["pictures"], 4)}


def _is_good(look: PictureResult) -> bool:
    return look.embedding is not None and is_comparable(look.quality)


def _read_embedding(look: PictureResult) -> NDArray[np.float32]:
    assert look.embedding is not None
    return look.embedding


def measure(
    scores: Scores,
    people: list[NDArray[np.intp]],
    point: OperatingPoint,
    *,
    pictures: int,
    withdrawn: int,
    draws: int,
) -> dict[str, Any]:
    """Count by drawn strangers of so many pictures, among so many who withdrew.

    `scores`: of each two pictures, less their demand; `people`: the pictures of each.
    """
    random = np.random.default_rng(7)
    newcomer = point.find_newcomer_threshold(withdrawn)
    thresholds = point.find_stranger_thresholds(pictures, withdrawn)
    counts = Counter[str]()
    enough = [number for number, one in enumerate(people) if len(one) > pictures]
    tries = len(enough) * draws
    for number in enough * draws:
        enrolled, *chosen = random.permutation(people[number])[: pictures + 1]
        own = scores[chosen, enrolled]
        others = random.choice(
            [other for other in range(len(people)) if other != number], withdrawn, replace=False
        )
        like_others = max(scores[chosen, random.choice(people[other])].mean() for other in others)
        fate, fate_by_mistake = (find_fate(mean, thresholds) for mean in (own.mean(), like_others))
        counts[fate] += 1
        counts[f"wrongly {fate_by_mistake}"] += 1
        if own.max() < newcomer:
            counts["missed before"] += 1
            counts[f"of these {fate}"] += 1
    shares = ("erased", "kept back", "wrongly erased", "wrongly kept back")
    return {
        "pictures": pictures,
        "withdrawn": withdrawn,
        "strangers": tries,
        **{share: round(counts[share] / tries, 5) for share in shares},
        **{
            name: counts[name]
            for name in ("missed before", "of these erased", "of these kept back")
        },
    }


def find_fate(mean: float, thresholds: StrangerThresholds) -> str:
    """Return what becomes of a stranger, by the mean of its scores with somebody who withdrew."""
    if mean >= thresholds.forgotten:
        return "erased"
    return "kept back" if mean >= thresholds.kept_back else "free"


def count_regulars(
    rows: NDArray[np.float32],
    scores: Scores,
    people: list[NDArray[np.intp]],
    point: OperatingPoint,
    own: Pack,
    draws: int,
) -> Iterator[dict[str, Any]]:
    """Let each person with enough pictures come on six days, as often as drawn; yield how many are
    strangers, and how many regulars.

    A missed sighting is a stranger's that it matches, or a new one.
    """
    population, newcomer = own.manifest.parse_population(), point.find_newcomer_threshold(1)
    match = point.find_threshold(1)
    for later in (match, newcomer):
        random, visits = np.random.default_rng(5), list[int]()
        for one in [one for one in people if len(one) > VISITS] * draws:
            enrolled, *seen = random.permutation(one)[: VISITS + 1]
            strangers: list[list[int]] = []
            for picture in seen:
                means = [(fuse_embeddings(rows[stranger]), stranger) for stranger in strangers]
                likes = [
                    (
                        float(mean @ rows[picture])
                        - population.compute_demand(rows[picture], mean),
                        stranger,
                    )
                    for mean, stranger in means
                ]
                best, stranger = max(likes, default=(-1.0, []))
                is_found = best >= match
                if scores[picture, enrolled] >= (later if is_found else newcomer):
                    continue
                if is_found:
                    stranger.append(picture)
                else:
                    strangers.append([picture])
            visits += map(len, strangers)
        regulars = sum(number >= PromotionSettings().arrive_times for number in visits)
        yield {"threshold": round(later, 3), "strangers": len(visits), "regulars": regulars}


if __name__ == "__main__":
    main()
