"""Whether age, gender and BEAUTY say the same of one person's pictures: a measure that needs no label but the person.

    python -m bench.agreement [--json FILE] [--people FOLDER]

FOLDER has a folder a person: a part of Labelled Faces in the Wild, which stands beside the checkout and is for
measuring only. Nobody's age is known there, so this does not measure errors. But of two crops, that is the better whose
answers differ less between one person's pictures than between persons. `between` is the share of all variance that lies
between persons (the intraclass correlation ICC(1), Shrout & Fleiss 1979, doi 10.1037/0033-2909.86.2.420): 1 if a
person's pictures all get one answer, 0 if they differ as much as those of different persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.measuring import pack, parser, write
from chalicelib.core.pictures import DetectedFace, Estimates, Gender, PictureRules
from chalicelib.vision.describe import attributes
from chalicelib.vision.packs.manifest import CropRole
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import about_box, cut
from chalicelib.vision.pipeline import FacePipeline

PEOPLE = Path(__file__).parents[2] / "shared" / "data" / "lfw" / "people"
RULES = PictureRules(frozenset({"JPEG", "PNG"}), 1 << 24, 4096, 4096)
MOST_PICTURES = 6
FACTORS = (2.0, 2.2, 2.4, 2.5, 2.6, 2.8, 3.1)
BELOW = (0.1, 0.3, 0.5, 0.6, 0.7)
TIGHT = (0.85, 1.05)
"""Side of a tightly cut picture over the longer side of the face's box."""
TIGHT_PX = 200

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One picture of a person: the face nearest to its middle."""

    person: str
    image: Picture
    face: DetectedFace
    estimates: Estimates


def main() -> None:
    options = parser("agreement", __doc__)
    options.add_argument("--people", type=Path, default=PEOPLE, help="a folder a person (default: %(default)s)")
    arguments = options.parse_args()
    models = pack()
    vision = FacePipeline(models)
    shown = list(_shown(vision, arguments.people))
    figures = {"pictures": len(shown), **_estimates(shown), **_crops(models, shown), **_tight(vision, shown)}
    for name, figure in figures.items():
        print(f"{name:32} {figure:8.3f}" if isinstance(figure, float) else f"{name:32} {figure:8}")
    write(figures, arguments.json)


def between(values: NDArray[np.float64], persons: Sequence[str]) -> float:
    """Return the share of the values' variance that lies between persons, ICC(1); below 0 if there is none."""
    _, person, pictures = np.unique(persons, return_inverse=True, return_counts=True)
    means = np.bincount(person, values) / pictures
    many, all_pictures = len(pictures), len(values)
    within = float(((values - means[person]) ** 2).sum()) / (all_pictures - many)
    each = (all_pictures - float((pictures**2).sum()) / all_pictures) / (many - 1)
    among = (float((pictures * (means - values.mean()) ** 2).sum()) / (many - 1) - within) / each
    return among / (among + within)


def _shown(vision: FacePipeline, people: Path) -> Sequence[Shown]:
    found = []
    for person in sorted(people.iterdir()):
        for file in sorted(person.iterdir())[:MOST_PICTURES]:
            image = vision.read(file.read_bytes(), RULES)
            if faces := vision.detect(image):
                middle = min(faces, key=lambda face: _off_centre(image, face))
                found.append(Shown(person.name, image, middle, vision.describe(image, [middle])[0]))
    return found


def _off_centre(image: Picture, face: DetectedFace) -> float:
    box, (height, width) = face.box, image.shape[:2]
    return abs(box.x + box.width / 2 - width / 2) + abs(box.y + box.height / 2 - height / 2)


def _estimates(shown: Sequence[Shown]) -> Mapping[str, float]:
    """Look at the answers as they are; BEAUTY of those faces only that look ahead."""
    ahead = [one for one in shown if one.estimates.beauty is not None]
    ages = np.array([one.estimates.age or 0.0 for one in shown])
    male = np.array([float(one.estimates.gender is Gender.MALE) for one in shown])
    return {
        "years, mean": float(ages.mean()),
        "years, between": between(ages, [one.person for one in shown]),
        "gender, between": between(male, [one.person for one in shown]),
        "BEAUTY, faces": len(ahead),
        "BEAUTY, between": between(np.array([one.estimates.beauty for one in ahead]), [one.person for one in ahead]),
    }


def _crops(models: Pack, shown: Sequence[Shown]) -> Mapping[str, float]:
    """Ask the age's model about other crops, by their side and their middle below the eyes."""
    role = models.manifest.crops["age"]
    roles = {f"{factor}, {below}": _with_crop(role, factor, below) for factor in FACTORS for below in BELOW}
    crops = attributes.CropModels(Sessions(models))
    outputs = [crops.outputs(one.image, [one.face], roles).done()[0] for one in shown]
    persons = [one.person for one in shown]
    figures: dict[str, float] = {}
    for name in roles:
        looks = np.array([attributes.together(output[name])[:, 0] for output in outputs], np.float64)
        figures[f"crop {name}: years, between"] = between(looks.mean(axis=1), persons)
        figures[f"crop {name}: mirror image off by"] = float(np.abs(looks[:, 0] - looks[:, 1]).mean())
    return figures


def _with_crop(role: CropRole, factor: float, below: float) -> CropRole:
    models = [
        replace(model, crop=replace(model.crop, factor=factor, below=below, mirrored=True)) for model in role.models
    ]
    return replace(role, models=tuple(models))


def _tight(vision: FacePipeline, shown: Sequence[Shown]) -> Mapping[str, float]:
    """Cut the pictures to squares that hardly hold the face, and compare the years with those before."""
    figures: dict[str, float] = {}
    for share in TIGHT:
        changes = []
        for one in shown:
            picture = cut(one.image, about_box(one.face.box, share), TIGHT_PX)
            for estimates in vision.describe(picture, vision.detect(picture)[:1]):
                changes.append((estimates.age or 0.0) - (one.estimates.age or 0.0))
        figures[f"cut to {share} boxes: faces"] = len(changes)
        figures[f"cut to {share} boxes: years, mean"] = float(np.mean(changes))
        figures[f"cut to {share} boxes: years, off by"] = float(np.mean(np.abs(changes)))
    return figures


if __name__ == "__main__":
    main()
