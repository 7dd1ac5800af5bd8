"""Age, gender and emotion, with the models that the pack has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import DetectedFace, Gender
from chalicelib.vision import align
from chalicelib.vision.crop import about_box, batch, cut, cut_inside
from chalicelib.vision.manifest import CropRole
from chalicelib.vision.session import Sessions

BATCH = 4
"""Crops a run: 8 take 5 % longer each, since their activations leave the cache."""
OLDEST = 120.0
LEAST_PROBABILITY = 1e-9

Looks = NDArray[np.float32]
"""(looks, values): what a role's model says of a face and, where the role asks for it, of its mirror image."""

_Crop = tuple[str, float, float, int, str, bool]


class CropModels:
    """Runs the roles that look at square crops; roles of one file and crop share one run of all faces."""

    def __init__(self, sessions: Sessions, roles: Mapping[str, CropRole]) -> None:
        self._sessions = sessions
        self._roles = roles

    def outputs(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Mapping[str, Looks]]:
        """For each face, every role's values by the role's name."""
        crops: dict[_Crop, NDArray[np.float32]] = {}
        runs: dict[tuple[str, _Crop], Mapping[str, NDArray[np.float32]]] = {}
        answers: dict[str, NDArray[np.float32]] = {}
        for name, role in self._roles.items():
            crop = (role.crop, role.crop_factor, role.crop_below, role.size_px, role.channels, role.mirrored)
            if crop not in crops:
                crops[crop] = _crops(image, faces, role)
            if (role.file, crop) not in runs:
                runs[role.file, crop] = self._run(role.file, crops[crop])
            values = np.concatenate([runs[role.file, crop][output] for output in role.outputs], axis=1)
            answers[name] = values.reshape(len(faces), -1, values.shape[1])
        return [{name: rows[face] for name, rows in answers.items()} for face in range(len(faces))]

    def _run(self, file: str, crops: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        parts = [self._sessions.run(file, crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _crops(image: NDArray[np.uint8], faces: Sequence[DetectedFace], role: CropRole) -> NDArray[np.float32]:
    crops = []
    for face in faces:
        crop = _crop(image, face, role)
        crops += [crop, crop[:, ::-1]] if role.mirrored else [crop]
    return batch(crops, role.channels)


def _crop(image: NDArray[np.uint8], face: DetectedFace, role: CropRole) -> NDArray[np.uint8]:
    if role.crop == "landmarks":
        return align.upright(image, face.landmarks, role.crop_factor, role.crop_below, role.size_px)
    if role.crop == "inside":
        return cut_inside(image, face.box, role.crop_factor, role.size_px)
    return cut(image, about_box(face.box, role.crop_factor), role.size_px)


def age(looks: Looks, scale: float = 1.0) -> float:
    """Years, within a life."""
    return min(max(float(looks.mean()) * scale, 0.0), OLDEST)


def gender(looks: Looks, labels: Sequence[str]) -> tuple[Gender, float]:
    """The more probable gender and its probability."""
    probabilities = looks.mean(axis=0)
    best = int(np.argmax(probabilities))
    return Gender(labels[best]), float(probabilities[best])


def emotion(looks: Looks, role: CropRole) -> tuple[str, float]:
    """The most probable label, and how probable it is.

    The geometric mean of the looks, at the role's temperature (Guo et al. 2017, arXiv 1706.04599); then what happy and
    neutral have between them is shared out by their corrected odds. The other labels keep what they have.
    """
    logs = np.log(np.maximum(looks, LEAST_PROBABILITY).astype(np.float64)).mean(axis=0)
    odds = role.smile_odds
    tempered = np.exp((logs - logs.max()) / role.temperature)
    probabilities = tempered / tempered.sum()
    if odds and {"happy", "neutral"} <= set(role.labels):
        happy, neutral = role.labels.index("happy"), role.labels.index("neutral")
        both = probabilities[happy] + probabilities[neutral]
        probabilities[neutral] = both / (1 + np.exp((logs[happy] - logs[neutral] + odds) / role.temperature))
        probabilities[happy] = both - probabilities[neutral]
    best = int(np.argmax(probabilities))
    return role.labels[best], float(probabilities[best])
