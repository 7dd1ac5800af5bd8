"""The similarity that the Rekognition dialect tells, on labelled pictures: of one person, and of two.

    python -m bench.similarity [--images FOLDER] [--each 2] [--json FILE]

All pairs of pictures are compared as in collections of each size, before quality has its say.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.measuring import pack, parser, write
from chalicelib.core.decision import MATCH, similarity
from chalicelib.vision.pipeline import FacePipeline
from regulars.demo import album
from regulars.evaluate.faces import look

PICTURES = Path(__file__).parents[2] / "shared" / "data" / "faces"
SIZES = (1_000, 30_000, 1_000_000)


def main() -> None:
    options = parser("similarity", __doc__)
    options.add_argument("--images", type=Path, default=PICTURES, help="as for regulars demo (default: %(default)s)")
    options.add_argument("--each", type=int, default=2, help="pictures of a person at most (default: %(default)s)")
    arguments = options.parse_args()
    vision = FacePipeline(pack())
    rows, owners = [], []
    for person in album.read(arguments.images).people:
        for photo in person.photos[: arguments.each]:
            embedding = look(vision, photo.read()).embedding
            if embedding is not None:
                rows.append(embedding)
                owners.append(person.name)
    unit = np.array(rows)
    scores, names = unit @ unit.T - vision.population.demands(unit, unit), np.array(owners)
    once = np.triu(np.ones_like(scores, dtype=bool), 1)
    mated = once & (names[:, None] == names)
    print(f"{len(unit)} pictures of {len(set(owners))} people; similarity: lowest, median, highest; share from 80 on")
    figures = {}
    for size in SIZES:
        for what, pairs in (("one person", scores[mated]), ("two people", scores[once & ~mated])):
            told = np.array([similarity(float(score), vision.impostor_curve, size) for score in pairs])
            found = (told.min(), float(np.median(told)), told.max(), float(np.mean(told >= MATCH)))
            figures[f"{what}, {size} faces"] = [len(told), *map(float, found)]
            low, median, high, share = found
            print(f"{what:11} {size:9,} faces {len(told):7,} pairs {low:6.1f} {median:6.1f} {high:6.1f} {share:9.3%}")
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
