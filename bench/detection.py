"""Precision and recall of detection on the labelled pictures, by face size.

    python -m bench.detection [--json FILE] [--photos FOLDER]

Two tables. The first holds the pictures as they are against labels.csv, which says how many faces a person counts. The
second knows where each face is: portraits are shrunk until the face has so many pixels (the shorter side of its box),
and 24 of them are laid on pictures without a face, in a picture of 1920x1080 and one of 4096x4096; a portrait that
fills the picture and more is the other end. A face is found by a box that overlaps it by half (intersection over
union); every box that finds none is a false one.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.measuring import pack, parser, write
from chalicelib.core.pictures import DetectedFace, PictureRules
from chalicelib.vision.detect.detect import iou
from chalicelib.vision.pipeline import FacePipeline

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "faces"
RULES = PictureRules(frozenset({"JPEG", "PNG", "BMP"}), 1 << 24, 4096, 4096)
SIZES_PX = (10, 12, 15, 20, 30, 50, 100)
CANVASES = {"1920x1080": (1920, 1080), "4096x4096": (4096, 4096)}
FILLING = (0.7, 1.0, 1.3)
"""Longer side of a portrait's face over the longer side of the picture that is cut out of it."""
FOUND_IOU = 0.5
GRID = (8, 3)
"""Columns and rows of a crowd."""
HEAD = 1.5
"""Side of the square that is laid on a background, over the longer side of its face's box."""

Picture = NDArray[np.uint8]
Boxes = NDArray[np.float32]


@dataclass
class Tally:
    """Faces that there are, those found, and boxes that are on none."""

    faces: int = 0
    found: int = 0
    false: int = 0

    @property
    def recall(self) -> float:
        return self.found / self.faces if self.faces else 1.0

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    def add(self, truth: Boxes, faces: Sequence[DetectedFace]) -> None:
        """Each face is found once at most."""
        free = list(range(len(truth)))
        for row in boxes_of(faces):
            overlaps = iou(row, truth[free]) if free else np.zeros(0, np.float32)
            if len(overlaps) and overlaps.max() >= FOUND_IOU:
                free.pop(int(overlaps.argmax()))
            else:
                self.false += 1
        self.faces += len(truth)
        self.found += len(truth) - len(free)


@dataclass(frozen=True)
class Portrait:
    """A picture of one person, and its face's box as it is found in it."""

    image: Picture
    box: Boxes


def main() -> None:
    options = parser("detection", __doc__)
    options.add_argument("--photos", type=Path, default=PHOTOS, help="the labelled pictures (default: %(default)s)")
    arguments = options.parse_args()
    vision = FacePipeline(pack())
    figures = {**labelled(vision, arguments.photos), **sized(vision, arguments.photos)}
    report(figures)
    rates = {name: {"recall": tally.recall, "precision": tally.precision} for name, tally in figures.items()}
    write({name: asdict(tally) | rates[name] for name, tally in figures.items()}, arguments.json)


def labelled(vision: FacePipeline, photos: Path) -> dict[str, Tally]:
    """Return the pictures as they are, by folder. If a label only counts faces, the surest so many are right."""
    tallies: dict[str, Tally] = {}
    with (photos / "labels.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if not row["file"].startswith("video/")]
    for row in rows:
        tally = tallies.setdefault(f"{row['file'].partition('/')[0]}/ as they are", Tally())
        found = len(vision.detect(vision.read((photos / row["file"]).read_bytes(), RULES)))
        faces = int(row["faces"])
        tally.faces += faces
        tally.found += min(found, faces)
        tally.false += max(found - faces, 0)
    return tallies


def sized(vision: FacePipeline, photos: Path) -> dict[str, Tally]:
    """Portraits at known places and sizes."""
    portraits = list(portraits_of(vision, photos))
    heads = [head_of(portrait) for portrait in portraits]
    backgrounds = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((photos / "noface").glob("*.jpg"))]
    tallies: dict[str, Tally] = {}
    for name, size in CANVASES.items():
        empty = tallies.setdefault(f"{name}, no face", Tally())
        for background in backgrounds:
            empty.add(np.zeros((0, 4), np.float32), vision.detect(spread(background, size)))
        for size_px in SIZES_PX:
            tally = tallies.setdefault(f"{name}, {size_px:3} px", Tally())
            for turn in range(2):
                picture, truth = crowd(heads[turn::2], backgrounds[turn % len(backgrounds)], size, size_px)
                tally.add(truth, vision.detect(picture))
    for share in FILLING:
        tally = tallies.setdefault(f"portrait, face {share:.0%} of the picture", Tally())
        for portrait in portraits:
            picture, truth = filling(portrait, share)
            tally.add(truth, vision.detect(picture))
    return tallies


def portraits_of(vision: FacePipeline, photos: Path) -> Iterator[Portrait]:
    for path in sorted((photos / "people").glob("london_*.jpg")):
        image = vision.read(path.read_bytes(), RULES)
        yield Portrait(image, boxes_of(vision.detect(image)[:1])[0])


def head_of(portrait: Portrait) -> Portrait:
    picture, truth = filling(portrait, 1 / HEAD)
    return Portrait(picture, truth[0])


def crowd(
    portraits: Sequence[Portrait],
    background: Picture,
    size: tuple[int, int],
    size_px: int,
    grid: tuple[int, int] = GRID,
) -> tuple[Picture, Boxes]:
    """Place the portraits evenly over the background, each with a face of `size_px` pixels; return the places too."""
    canvas = spread(background, size)
    truth = []
    columns, rows = grid
    for place, portrait in enumerate(portraits[: columns * rows]):
        scale = size_px / float(portrait.box[2:4].min())
        height, width = (round(side * scale) for side in portrait.image.shape[:2])
        small = Image.fromarray(portrait.image).resize((width, height), Image.Resampling.BOX)
        x = int((place % columns + 0.5) * size[0] / columns - width / 2)
        y = int((place // columns + 0.5) * size[1] / rows - height / 2)
        canvas[y : y + height, x : x + width] = np.asarray(small)
        truth.append(portrait.box * scale + np.array([x, y, 0, 0], np.float32))
    return canvas, np.array(truth, np.float32)


def spread(background: Picture, size: tuple[int, int]) -> Picture:
    """Stretch the background to a picture of this size."""
    return np.array(Image.fromarray(background).resize(size, Image.Resampling.BICUBIC))


def filling(portrait: Portrait, share: float) -> tuple[Picture, Boxes]:
    """Cut out a square about the face; the face's longer side has `share` of the square's."""
    x, y, width, height = (float(value) for value in portrait.box)
    side = max(width, height) / share
    left, top = max(round(x + width / 2 - side / 2), 0), max(round(y + height / 2 - side / 2), 0)
    picture = np.ascontiguousarray(portrait.image[top : top + round(side), left : left + round(side)])
    seen = np.array([[x - left, y - top, width, height]], np.float32)
    return picture, seen


def boxes_of(faces: Sequence[DetectedFace]) -> Boxes:
    rows = [(face.box.x, face.box.y, face.box.width, face.box.height) for face in faces]
    return np.array(rows, np.float32).reshape(-1, 4)


def report(figures: dict[str, Tally]) -> None:
    print(f"{'pictures':36} {'faces':>6} {'found':>6} {'false':>6} {'recall':>7} {'precision':>9}")
    for name, tally in figures.items():
        print(f"{name:36} {tally.faces:6} {tally.found:6} {tally.false:6} {tally.recall:7.3f} {tally.precision:9.3f}")
    total = Counter[str]()
    for tally in figures.values():
        total.update(asdict(tally))
    print(f"{'all':36} {total['faces']:6} {total['found']:6} {total['false']:6}")


if __name__ == "__main__":
    main()
