"""The rule by which face-pack-4 tells a mask, learnt again of FairFace's pictures: `python -m
regulars_lab.models.masks FAIRFACE [--write FILE]`.

FAIRFACE is the folder of the 540 pictures (docs/decisions/0060). Masks in many styles are drawn
into them; bare faces, sunglasses, blur and dark rooms are what is no mask. It prints how often the
rule is right for people of whom it did not learn, and how far it is from the pack's file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import DetectedFace
from regulars_lab.conditions import CONDITIONS, Picture
from regulars_lab.evaluate.figures import AS_IT_IS
from regulars_lab.measuring.looking import ANY_PICTURE, choose_main_face


def mirror(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])


def cut_top_row(picture: Picture) -> Picture:
    """Return the same picture, in which another mask is drawn."""
    return picture[1:]


LOOKS: Mapping[str, tuple[Callable[[Picture], Picture], Sequence[str]]] = {
    AS_IT_IS: (np.asarray, ()),
    "sunglasses": (np.asarray, ("sunglasses",)),
    "blur": (np.asarray, ("blur",)),
    "dark": (np.asarray, ("dark",)),
    "dark, mirrored": (mirror, ("dark",)),
    "mask": (np.asarray, ("mask",)),
    "mask, mirrored": (mirror, ("mask",)),
    "another mask": (cut_top_row, ("mask",)),
    "mask in the dark": (np.asarray, ("mask", "dark")),
}
"""Looks of a picture that the rule learns: how the picture is turned, and the conditions that are
drawn into it."""
RIDGE = 1.0
"""Of the squares of the weights: 0.3 is as good."""
LEAST = 0.6
"""The value of the rule from which on a face wears a mask, if the pack names none."""
HALVES = 2


def main() -> None:
    options = argparse.ArgumentParser(prog="masks", description=__doc__)
    options.add_argument("fairface", type=Path)
    options.add_argument("--write", type=Path, help="File of the rule.")
    arguments = options.parse_args()
    pack = packs.find(None)
    faces = embed_conditions(FacePipeline(pack), sorted(arguments.fairface.glob("*.jpg")))
    shipped = pack.manifest.parse_population().mask_rule
    least = LEAST if shipped is None else shipped.least
    for name, share in hold_out(faces, least).items():
        print(f"{name}: {share:.4f} of people of whom it did not learn are said to wear a mask")
    rule = learn_rule(faces)
    if shipped is not None:
        print(f"weights differ from the pack's by {np.abs(rule - shipped.weights).max():.4f}")
    if arguments.write:
        np.save(arguments.write, rule)


def embed_conditions(
    vision: FacePipeline, files: Sequence[Path]
) -> Mapping[str, NDArray[np.float32]]:
    """Return the templates of each condition, one a file in their order; NaN where no face was
    found."""
    nobody = np.full(vision.dimensions, np.nan, np.float32)
    templates: dict[str, list[NDArray[np.float32]]] = {name: [] for name in LOOKS}
    for file in files:
        image = vision.read_picture(file.read_bytes(), ANY_PICTURE)
        for name, (turn, conditions) in LOOKS.items():
            template = _embed_changed(vision, turn(image), conditions)
            templates[name].append(nobody if template is None else template)
    return {name: np.array(rows) for name, rows in templates.items()}


def _embed_changed(
    vision: FacePipeline, picture: Picture, conditions: Sequence[str]
) -> NDArray[np.float32] | None:
    """Return the template of the picture's main face, with these conditions; None: no face is
    found."""
    face = _find_main_face(vision, picture)
    if face is not None and conditions:
        for condition in conditions:
            picture = CONDITIONS[condition](picture, face)
        face = _find_main_face(vision, picture)
    return None if face is None else np.asarray(vision.embed(picture, [face])[0])


def _find_main_face(vision: FacePipeline, picture: Picture) -> DetectedFace | None:
    faces = vision.detect(picture)
    return choose_main_face(faces, picture.shape[1], picture.shape[0]) if faces else None


def learn_rule(faces: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Fit 1 to masks and 0 to the others by ridge regression: (dimensions + 1,), the constant
    last."""
    rows = np.concatenate([rows[~np.isnan(rows).any(axis=1)] for rows in faces.values()])
    is_mask = np.concatenate(
        [
            np.full(int((~np.isnan(rows).any(axis=1)).sum()), "mask" in LOOKS[name][1], float)
            for name, rows in faces.items()
        ]
    )
    mean, share = rows.mean(axis=0, dtype=np.float64), is_mask.mean()
    centred = rows - mean
    weights = np.linalg.solve(
        centred.T @ centred + RIDGE * np.eye(rows.shape[1]), centred.T @ (is_mask - share)
    )
    return np.array([*weights, share - mean @ weights], np.float32)


def hold_out(faces: Mapping[str, NDArray[np.float32]], least: float) -> Mapping[str, float]:
    """Return of each condition the share that is told as a mask, each half of the people by the
    rule of the other."""
    told: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in faces}
    for half in range(HALVES):
        rule = learn_rule({name: rows[1 - half :: HALVES] for name, rows in faces.items()})
        for name, rows in faces.items():
            own = rows[half::HALVES]
            own = own[~np.isnan(own).any(axis=1)]
            told[name].append(own @ rule[:-1] + rule[-1] >= least)
    return {name: float(np.concatenate(parts).mean()) for name, parts in told.items()}


if __name__ == "__main__":
    main()
