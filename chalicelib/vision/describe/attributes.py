"""Age, gender and emotion from the pack's models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.pictures import DetectedFace, Gender
from chalicelib.vision.cpu_slots import Work
from chalicelib.vision.detect import align
from chalicelib.vision.packs.manifest import WHITE, Crop, CropModel, CropRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import about_box, batch, brightened, cut, cut_inside

FACES = 2
"""Faces in one run, with their mirror images. In runs of 8 crops, each takes 5 % longer, because the activations no
longer fit the cache."""
OLDEST = 120.0
LEAST_PROBABILITY = 1e-9

Looks = NDArray[np.float32]
"""(looks, values): a model's outputs for a face and, if its crop is `mirrored`, for the mirror image."""

_Run = tuple[str, Crop]
"""A model's file and the crop that it takes."""


class CropModels:
    """Models that take square crops. Those with the same file and crop share one run over all faces."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def outputs(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], roles: Mapping[str, CropRole]
    ) -> Work[list[Mapping[str, Sequence[Looks]]]]:
        """Run these roles' models; answer, by face and role, each model's outputs in the order of the role's labels."""
        runs = list(dict.fromkeys((model.file, model.crop) for role in roles.values() for model in role.models))
        groups = [faces[start : start + FACES] for start in range(0, len(faces), FACES)]

        def run(file: str, crop: Crop, group: Sequence[DetectedFace]) -> Mapping[str, NDArray[np.float32]]:
            return self._sessions.run(file, _crops(image, group, crop))

        def by_face(ran: list[Mapping[str, NDArray[np.float32]]]) -> list[Mapping[str, Sequence[Looks]]]:
            parts = iter(ran)
            found = {each: _joined([next(parts) for _ in groups]) for each in runs}
            answers = {name: _of_role(role, found, len(faces)) for name, role in roles.items()}
            return [{name: [rows[at] for rows in each] for name, each in answers.items()} for at in range(len(faces))]

        return Work([partial(run, *each, group) for each in runs for group in groups], by_face)


def _of_role(role: CropRole, found: Mapping[_Run, Mapping[str, NDArray[np.float32]]], faces: int) -> list[Looks]:
    """Return the outputs of each of the role's models: (faces, looks, values), in the order of the role's labels."""
    outputs = []
    for model in role.models:
        values = np.concatenate([found[model.file, model.crop][output] for output in model.outputs], axis=1)
        if model.labels != role.labels:
            values = values[:, [model.labels.index(label) for label in role.labels]]
        outputs.append(values.reshape(faces, -1, values.shape[1]))
    return outputs


def _joined(parts: Sequence[Mapping[str, NDArray[np.float32]]]) -> Mapping[str, NDArray[np.float32]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _crops(image: NDArray[np.uint8], faces: Sequence[DetectedFace], crop: Crop) -> NDArray[np.float32]:
    pictures = []
    for face in faces:
        picture = brightened(_picture(image, face, crop), crop.least_brightness)
        pictures += [picture, picture[:, ::-1]] if crop.mirrored else [picture]
    black, white = crop.pixels
    return batch(pictures, crop.channels) * np.float32((white - black) / WHITE) + np.float32(black)


def _picture(image: NDArray[np.uint8], face: DetectedFace, crop: Crop) -> NDArray[np.uint8]:
    if crop.kind == "landmarks":
        return align.upright(image, face.landmarks, crop.factor, crop.below, crop.size_px)
    if crop.kind == "inside":
        return cut_inside(image, face.box, crop.factor, crop.size_px)
    return cut(image, about_box(face.box, crop.factor), crop.size_px)


def together(looks: Sequence[Looks]) -> Looks:
    """Join the looks of all models as those of one; callers use their mean."""
    return np.concatenate(looks)


def age(looks: Looks, scale: float = 1.0) -> float:
    """Return the mean age in years, times `scale`, within 0..OLDEST."""
    return min(max(float(looks.mean()) * scale, 0.0), OLDEST)


def genders(looks: Looks, role: CropRole) -> tuple[tuple[Gender, float], ...]:
    """Return both genders and their probabilities, falling.

    A look has the probabilities of the role's two labels and, if `odds_a_year` changes them, the years behind them.
    """
    first, second, *years = looks.mean(axis=0).tolist()
    first *= math.exp(role.odds_a_year * sum(years))
    shares = [
        (Gender(label), each / (first + second)) for label, each in zip(role.labels, (first, second), strict=True)
    ]
    return tuple(sorted(shares, key=lambda share: -share[1]))


def emotions(looks: Sequence[Looks], models: Sequence[CropModel]) -> tuple[tuple[str, float], ...]:
    """Return the labels and their probabilities, falling, from each model's looks (values in the first model's order).

    A model's looks are combined by their geometric mean, at the model's temperature (Guo et al. 2017, arXiv
    1706.04599), and models by the mean of their log-odds. Then the probability that happy and neutral have together is
    divided between them by their corrected odds. There each model counts by its own certainty, because the more certain
    one recognises smiles better. The other labels keep their probability.
    """
    labels = models[0].labels
    logs = [np.log(np.maximum(each, LEAST_PROBABILITY).astype(np.float64)).mean(axis=0) for each in looks]
    temperatures = [model.temperature for model in models]
    tempered = np.mean([log / temperature for log, temperature in zip(logs, temperatures, strict=True)], axis=0)
    probabilities = np.exp(tempered - tempered.max())
    probabilities /= probabilities.sum()
    if any(model.smile_odds for model in models) and {"happy", "neutral"} <= set(labels):
        happy, neutral = labels.index("happy"), labels.index("neutral")
        smile = sum(log[happy] - log[neutral] + model.smile_odds for log, model in zip(logs, models, strict=True))
        both = probabilities[happy] + probabilities[neutral]
        probabilities[neutral] = both / (1 + np.exp(smile / sum(temperatures)))
        probabilities[happy] = both - probabilities[neutral]
    falling = np.argsort(-probabilities, kind="stable")
    return tuple((labels[index], float(probabilities[index])) for index in falling)
