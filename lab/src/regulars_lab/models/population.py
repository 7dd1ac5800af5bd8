"""The population of face-pack-4, made again of FairFace's pictures: `python -m
regulars_lab.models.population FAIRFACE`.

FAIRFACE is the folder of the 540 pictures (docs/decisions/0060). It prints by how much any value
differs from the pack's file, and returns 1 if that is more than rounding.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from regulars_lab.measuring.curves import PUBLISHED, make_population
from regulars_lab.measuring.looking import look

ROUNDING = 0.002
"""Of float16, and of what another processor computes."""


def main(folder: Path) -> int:
    """Make the rows again; return 1 if they are not the pack's."""
    pack = packs.find(None)
    rows, shipped = make_rows(pack, folder), pack.manifest.parse_population().rows
    if rows.shape != shipped.shape:
        print(f"{len(rows)} rows; the pack has {len(shipped)}")
        return 1
    largest = float(np.abs(rows - shipped).max())
    print(f"{len(rows)} rows, which differ from the pack's by {largest:.4f} at most")
    return int(largest > ROUNDING)


def make_rows(pack: packs.Pack, folder: Path) -> NDArray[np.float32]:
    """Return the population's rows, of a folder with one picture a person."""
    vision = FacePipeline(pack)
    results = [look(vision, file.read_bytes()) for file in sorted(folder.glob("*.jpg"))]
    people = [result.embedding for result in results if result.embedding is not None]
    return make_population(np.array(people), PUBLISHED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
