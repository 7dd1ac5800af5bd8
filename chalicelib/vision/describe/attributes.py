"""Age, gender and emotion, with the models that the pack has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.pictures import DetectedFace, Gender
from chalicelib.vision.detect import align
from chalicelib.vision.packs.manifest import WHITE, Crop, CropModel, CropRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import about_box, batch, brightened, cut, cut_inside

BATCH = 4
"""Crops a run: 8 take 5 % longer each, since their activations leave the cache."""
OLDEST = 120.0
LEAST_PROBABILITY = 1e-9

Looks = NDArray[np.float32]
"""(looks, values): what a model says of a face and, where its crop asks for it, of its mirror image."""


class CropModels:
    """Runs the models that look at square crops; those of one file and crop share one run of all faces."""

    def __init__(self, sessions: Sessions, roles: Mapping[str, CropRole]) -> None:
        self._sessions = sessions
        self._roles = roles

    def outputs(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Mapping[str, Sequence[Looks]]]:
        """For each face, by the role's name, what each of its models says, in the order of the role's labels."""
        crops: dict[Crop, NDArray[np.float32]] = {}
        runs: dict[tuple[str, Crop], Mapping[str, NDArray[np.float32]]] = {}
        answers: dict[str, list[NDArray[np.float32]]] = {}
        for name, role in self._roles.items():
            for model in role.models:
                run = (model.file, model.crop)
                if model.crop not in crops:
                    crops[model.crop] = _crops(image, faces, model.crop)
                if run not in runs:
                    runs[run] = self._run(model.file, crops[model.crop])
                values = np.concatenate([runs[run][output] for output in model.outputs], axis=1)
                if model.labels != role.labels:
                    values = values[:, [model.labels.index(label) for label in role.labels]]
                answers.setdefault(name, []).append(values.reshape(len(faces), -1, values.shape[1]))
        return [{name: [rows[face] for rows in each] for name, each in answers.items()} for face in range(len(faces))]

    def _run(self, file: str, crops: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        parts = [self._sessions.run(file, crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
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
    """All models' looks as those of one, of which the mean counts."""
    return np.concatenate(looks)


def age(looks: Looks, scale: float = 1.0) -> float:
    """Years, within a life."""
    return min(max(float(looks.mean()) * scale, 0.0), OLDEST)


def gender(looks: Looks, labels: Sequence[str]) -> tuple[Gender, float]:
    """The more probable gender and its probability."""
    probabilities = looks.mean(axis=0)
    best = int(np.argmax(probabilities))
    return Gender(labels[best]), float(probabilities[best])


def emotion(looks: Sequence[Looks], models: Sequence[CropModel]) -> tuple[str, float]:
    """The most probable label, and how probable it is, by each model's looks (values in the first one's order).

    The geometric mean of a model's looks, at its temperature (Guo et al. 2017, arXiv 1706.04599), and of the models:
    the mean of their log-odds. Then what happy and neutral have between them is shared out by their corrected odds, in
    which a model counts by its own certainty: the surer one sees smiles better. The other labels keep what they have.
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
    best = int(np.argmax(probabilities))
    return labels[best], float(probabilities[best])
