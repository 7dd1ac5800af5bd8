"""Age, gender and emotion, with the models that the pack has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.model import DetectedFace, Gender
from chalicelib.vision.crop import about_box, about_landmarks, batch, cut
from chalicelib.vision.manifest import CropRole
from chalicelib.vision.session import Sessions

BATCH = 32
OLDEST = 120.0

Outputs = Mapping[str, NDArray[np.float32]]


class CropModels:
    """Runs the roles that look at square crops; roles of one file and crop share one run."""

    def __init__(self, sessions: Sessions, roles: Mapping[str, CropRole]) -> None:
        self._sessions = sessions
        self._roles = roles

    def outputs(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Outputs]:
        """For each face, every role's values by the role's name."""
        crops: dict[tuple[str, float, int, str], NDArray[np.float32]] = {}
        runs: dict[tuple[str, tuple[str, float, int, str]], Outputs] = {}
        answers: dict[str, NDArray[np.float32]] = {}
        for name, role in self._roles.items():
            look = (role.crop, role.crop_factor, role.size_px, role.channels)
            if look not in crops:
                crops[look] = _crops(image, faces, role)
            if (role.file, look) not in runs:
                runs[role.file, look] = self._run(role.file, crops[look])
            answers[name] = np.concatenate([runs[role.file, look][output] for output in role.outputs], axis=1)
        return [{name: rows[face] for name, rows in answers.items()} for face in range(len(faces))]

    def _run(self, file: str, crops: NDArray[np.float32]) -> Outputs:
        parts = [self._sessions.run(file, crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _crops(image: NDArray[np.uint8], faces: Sequence[DetectedFace], role: CropRole) -> NDArray[np.float32]:
    squares = [
        about_landmarks(face) if role.crop == "landmarks" else about_box(face.box, role.crop_factor) for face in faces
    ]
    return batch([cut(image, square, role.size_px) for square in squares], role.channels)


def age(values: NDArray[np.float32]) -> float:
    """Years, within a life."""
    return min(max(float(values[0]), 0.0), OLDEST)


def gender(probabilities: NDArray[np.float32], labels: Sequence[str]) -> tuple[Gender, float]:
    """The more probable gender and its probability."""
    label, probability = emotion(probabilities, labels)
    return Gender(label), probability


def emotion(probabilities: NDArray[np.float32], labels: Sequence[str]) -> tuple[str, float]:
    """The most probable label and its probability."""
    best = int(np.argmax(probabilities))
    return labels[best], float(probabilities[best])
