"""The labelled pictures: what a person says of them, and what the pipeline sees in them, once."""

import csv
import pickle
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import DetectedFace, Estimates, PictureRules

ANY_PICTURE = PictureRules(frozenset({"JPEG", "PNG", "BMP"}), 1 << 24, 8192, 8192)


class Label(Struct, frozen=True):
    """One picture's line of labels.csv. `identities` in reading order, () where unknown."""

    file: str
    identities: tuple[str, ...]
    faces: int
    notes: dict[str, str]


class Seen(Struct, frozen=True, eq=False):
    """A picture and its faces, largest first, each with its embedding's row."""

    image: NDArray[np.uint8]
    faces: list[DetectedFace]
    embeddings: NDArray[np.float32]
    estimates: list[Estimates]


class Album:
    """Labels by file name, and the pictures as seen, looked at when first asked for.

    `kept`: what is seen is kept there, so that other processes with the same models need not look
    again.
    """

    def __init__(self, vision: FacePipeline, folder: Path, kept: Path | None = None) -> None:
        self._vision = vision
        self._folder = folder
        self._kept = kept
        self.labels = labels(folder)
        self.seen = cache(self._look)

    def data(self, file: str) -> bytes:
        return (self._folder / file).read_bytes()

    def of(self, kind: str) -> list[Label]:
        """The labels of `people`, `multi` or `noface`."""
        return [label for label in self.labels if label.file.startswith(f"{kind}/")]

    def _look(self, file: str) -> Seen:
        image = self._vision.read_picture(self.data(file), ANY_PICTURE)
        if self._kept is None:
            return Seen(image, *self._found(image))
        place = self._kept / f"{file}.pickle"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as part:
                pickle.dump(self._found(image), part)
            Path(part.name).rename(place)  # whole, for those who look meanwhile
        return Seen(image, *pickle.loads(place.read_bytes()))

    def _found(
        self, image: NDArray[np.uint8]
    ) -> tuple[list[DetectedFace], NDArray[np.float32], list[Estimates]]:
        faces = self._vision.detect(image)
        return faces, self._vision.embed(image, faces), self._vision.describe(image, faces)


def labels(folder: Path) -> list[Label]:
    """The labels of all pictures, without the clips."""
    with (folder / "labels.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if not row["file"].startswith("video/")]
    return [
        Label(
            file=row["file"],
            identities=tuple(name for name in row["identity"].split("|") if name),
            faces=int(row["faces"]),
            notes=dict(note.split("=", 1) for note in row["notes"].split(";") if "=" in note),
        )
        for row in rows
    ]


def reading_order(faces: Sequence[DetectedFace]) -> list[int]:
    """Indices of the faces row by row, left to right; a new row begins half a face below the
    last."""
    if not faces:
        return []
    middles = [face.box.y + face.box.height / 2 for face in faces]
    step = median(face.box.height for face in faces) / 2
    rows, row, last = {}, 0, None
    for index in sorted(range(len(faces)), key=middles.__getitem__):
        if last is not None and middles[index] - last > step:
            row += 1
        rows[index], last = row, middles[index]
    return sorted(rows, key=lambda index: (rows[index], faces[index].box.x))
