"""How many are missed who smile, or wear a mask or sunglasses, and who is taken for another then.

    python -m regulars_lab.bench.covered [--json FILE]

Enrolled by one photo: FairFace's 540, everybody of Labelled Faces in the Wild who has several, and
24 portraits of a studio. The masks and sunglasses are drawn. FairFace has one picture a person, so
there the same picture is searched for, which misses fewer than another would.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import DetectedFace
from chalicelib.domain.rules.decision import OperatingPoint
from regulars_lab import studio
from regulars_lab.bench.book import FACES
from regulars_lab.bench.measuring import pack, parser, write
from regulars_lab.measuring.looking import ANY_PICTURE, choose_main_face

Picture = NDArray[np.uint8]
MASK, BLACK = (176, 204, 214), (18, 18, 20)
_OUTLINE = (
    (-1.0, 0.35),
    (-0.3, 0.5),
    (0, 0.3),
    (0.3, 0.5),
    (1.0, 0.35),
    (0.9, 1.2),
    (0.5, 1.8),
    (-0.5, 1.8),
    (-0.9, 1.2),
)
"""A mask from the nose's bridge to below the chin: in distances from eye to eye, and from the eyes
to the mouth."""


def main() -> None:
    arguments = parser("covered", __doc__).parse_args()
    rows = figures(FacePipeline(pack()))
    for row in rows:
        print(
            f"{row['people']}, {row['searched by']}: {row['searches']} searches, {row['no face']} "
            "without a face, "
            f"FNIR {row['fnir']:.3f}, another's name {row['false']}"
        )
    write(rows, arguments.json)


def draw_mask(image: Picture, face: DetectedFace) -> Picture:
    return _draw_shapes(image, face, [_OUTLINE], MASK)


def draw_sunglasses(image: Picture, face: DetectedFace) -> Picture:
    turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    lenses = [
        [(side + 0.4 * np.cos(turn), 0.05 + 0.36 * np.sin(turn)) for turn in turns]
        for side in (-0.5, 0.5)
    ]
    return _draw_shapes(
        image, face, [*lenses, [(-0.9, -0.1), (0.9, -0.1), (0.9, 0), (-0.9, 0)]], BLACK
    )


WAYS: Mapping[str, Callable[[Picture, DetectedFace], Picture]] = {
    "as it is": lambda image, _: image,
    "a mask": draw_mask,
    "sunglasses": draw_sunglasses,
}


def _draw_shapes(
    image: Picture, face: DetectedFace, shapes: Sequence[Sequence[tuple[float, float]]], colour: Any
) -> Picture:
    """Fill the shapes, whose places are relative to the middle of the eyes."""
    left, right, _, *mouth = (np.array(point) for point in face.landmarks)
    eyes = (left + right) / 2
    across, down = right - left, sum(mouth) / 2 - eyes
    picture = Image.fromarray(image)
    for shape in shapes:
        ImageDraw.Draw(picture).polygon(
            [tuple(eyes + x * across + y * down) for x, y in shape], fill=colour
        )
    return np.asarray(picture)


def _pictures() -> Mapping[str, list[tuple[Path, Path]]]:
    """Return by kind of people the photo of each that is enrolled, and the one that is searched
    for."""
    several = (sorted(folder.iterdir()) for folder in sorted((FACES / "people").iterdir()))
    return {
        "FairFace, the same picture": [
            (file, file) for file in sorted(studio.FAIRFACE.glob("*.jpg"))
        ],
        "LFW, another photo": [(first, second) for first, second, *_ in several],
        "studio, smiling": [
            (studio.FOLDER / first, studio.FOLDER / second) for first, second in studio.PAIRS
        ],
    }


def figures(vision: FacePipeline) -> list[dict[str, Any]]:
    def find_face(file: Path) -> tuple[Picture, DetectedFace | None]:
        image = vision.read_picture(file.read_bytes(), ANY_PICTURE)
        found = vision.detect(image)
        return image, choose_main_face(found, image.shape[1], image.shape[0]) if found else None

    def embed_face(image: Picture, face: DetectedFace | None) -> NDArray[np.float32] | None:
        return None if face is None else vision.embed(image, [face])[0]

    def embed_covered_face(file: Path, way: str) -> NDArray[np.float32] | None:
        image, face = find_face(file)
        if face is None or way == "as it is":
            return embed_face(image, face)
        changed = WAYS[way](image, face)
        found = vision.detect(changed)
        return (
            embed_face(changed, choose_main_face(found, image.shape[1], image.shape[0]))
            if found
            else None
        )

    pictures, gallery, own = _pictures(), [], {}
    for enrolled, _ in itertools.chain(*pictures.values()):
        if (row := embed_face(*find_face(enrolled))) is not None:
            own[enrolled] = len(gallery)
            gallery.append(row)
    rows, point = np.array(gallery), OperatingPoint(vision.impostor_curve)

    def found_by(pairs: Sequence[tuple[Path, Path]], way: str) -> Iterator[tuple[bool, bool, bool]]:
        """Yield of each search whether a face was found, the right person, and whether another
        would have been."""
        for enrolled, searched in pairs:
            row = embed_covered_face(searched, way)
            if row is None or enrolled not in own:
                yield row is not None, False, False
                continue
            above = (rows @ row)[None] - vision.population.compute_demands(
                row[None], rows
            ) >= point.find_threshold(len(rows))
            scores = np.where(above[0], rows @ row, -1.0)
            right = bool(scores.argmax() == own[enrolled] and scores.max() > -1)
            scores[own[enrolled]] = -1.0
            yield True, right, bool(scores.max() > -1)

    made = []
    for people, pairs in pictures.items():
        for way in WAYS if pairs[0][0] != pairs[0][1] else ("a mask", "sunglasses"):
            faces, right, other = zip(*found_by(pairs, way), strict=True)
            made.append(
                {
                    "people": people,
                    "searched by": way,
                    "searches": len(pairs),
                    "no face": faces.count(False),
                    "fnir": right.count(False) / len(right),
                    "false": other.count(True),
                }
            )
    return made


if __name__ == "__main__":
    main()
