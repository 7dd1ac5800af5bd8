"""Precision and recall of detection on the labelled pictures, by face size.

    python -m regulars_lab.bench.detection [--json FILE] [--photos FOLDER] [--canvas 1920x1080]

Two tables. The first holds the pictures as they are against labels.csv, which says how many faces a
person counts. The second knows where each face is: portraits are shrunk until the face has so many
pixels (the shorter side of its box), and 24 of them are laid on pictures without a face, in a
picture of 1920x1080 and one of 4096x4096; a portrait that fills the picture and more is the other
end. A face is found by a box that overlaps it by half (intersection over union); every box that
finds none is a false one.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import asdict
from PIL import Image

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import PictureRules
from regulars_lab.bench.measuring import SHARED, pack, parser, write
from tests.support.pictures.crowds import Portrait, Tally, boxes_of, crowd, filling, head_of, spread

PHOTOS = SHARED / "data" / "faces"
RULES = PictureRules(frozenset({"JPEG", "PNG", "BMP"}), 1 << 24, 4096, 4096)
SIZES_PX = (10, 12, 15, 20, 30, 50, 100)
CANVASES = {"1920x1080": (1920, 1080), "4096x4096": (4096, 4096)}
FILLING = (0.7, 1.0, 1.3)
"""Longer side of a portrait's face over the longer side of the picture that is cut out of it."""


def main() -> None:
    options = parser("detection", __doc__)
    options.add_argument(
        "--photos", type=Path, default=PHOTOS, help="the labelled pictures (default: %(default)s)"
    )
    options.add_argument(
        "--canvas", action="append", choices=CANVASES, help="size of pictures (default: each)"
    )
    arguments = options.parse_args()
    vision = FacePipeline(pack())
    figures = {
        **tally_labelled_pictures(vision, arguments.photos),
        **tally_sized_portraits(vision, arguments.photos, arguments.canvas or CANVASES),
    }
    report(figures)
    rates = {
        name: {"recall": tally.recall, "precision": tally.precision}
        for name, tally in figures.items()
    }
    write({name: asdict(tally) | rates[name] for name, tally in figures.items()}, arguments.json)


def tally_labelled_pictures(vision: FacePipeline, photos: Path) -> dict[str, Tally]:
    """Return the pictures as they are, by folder.

    If a label only counts faces, the surest so many are right.
    """
    tallies: dict[str, Tally] = {}
    with (photos / "labels.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if not row["file"].startswith("video/")]
    for row in rows:
        tally = tallies.setdefault(f"{row['file'].partition('/')[0]}/ as they are", Tally())
        found = len(vision.detect(vision.read_picture((photos / row["file"]).read_bytes(), RULES)))
        faces = int(row["faces"])
        tally.faces += faces
        tally.found += min(found, faces)
        tally.false += max(found - faces, 0)
    return tallies


def tally_sized_portraits(
    vision: FacePipeline, photos: Path, canvases: Iterable[str]
) -> dict[str, Tally]:
    """Portraits at known places and sizes, in pictures of the sizes of these names."""
    portraits = list(portraits_of(vision, photos))
    heads = [head_of(portrait) for portrait in portraits]
    backgrounds = [
        np.asarray(Image.open(path).convert("RGB"))
        for path in sorted((photos / "noface").glob("*.jpg"))
    ]
    tallies: dict[str, Tally] = {}
    for name in canvases:
        size = CANVASES[name]
        empty = tallies.setdefault(f"{name}, no face", Tally())
        for background in backgrounds:
            empty.add(np.zeros((0, 4), np.float32), vision.detect(spread(background, size)))
        for size_px in SIZES_PX:
            tally = tallies.setdefault(f"{name}, {size_px:3} px", Tally())
            for turn in range(2):
                picture, truth = crowd(
                    heads[turn::2], backgrounds[turn % len(backgrounds)], size, size_px
                )
                tally.add(truth, vision.detect(picture))
    for share in FILLING:
        tally = tallies.setdefault(f"portrait, face {share:.0%} of the picture", Tally())
        for portrait in portraits:
            picture, truth = filling(portrait, share)
            tally.add(truth, vision.detect(picture))
    return tallies


def portraits_of(vision: FacePipeline, photos: Path) -> Iterator[Portrait]:
    for path in sorted((photos / "people").glob("london_*.jpg")):
        image = vision.read_picture(path.read_bytes(), RULES)
        yield Portrait(image, boxes_of(vision.detect(image)[:1])[0])


def report(figures: dict[str, Tally]) -> None:
    print(f"{'pictures':36} {'faces':>6} {'found':>6} {'false':>6} {'recall':>7} {'precision':>9}")
    for name, tally in figures.items():
        print(
            f"{name:36} {tally.faces:6} {tally.found:6} {tally.false:6} {tally.recall:7.3f} "
            f"{tally.precision:9.3f}"
        )
    total = Counter[str]()
    for tally in figures.values():
        total.update(asdict(tally))
    print(f"{'all':36} {total['faces']:6} {total['found']:6} {total['false']:6}")


if __name__ == "__main__":
    main()
