"""Age, gender, emotion, liveness and head pose from the pack's models; beauty and pose from
landmarks.

Liveness is presentation attack detection, passive, from one picture: does a face look like one
before the camera, or like a picture of one? In ISO/IEC 30107-3's terms, an attack that passes
counts for APCER, and a live face that is rejected for BPCER. docs/vision.md has what is known of
both. In short: mostly the edge of the paper or screen about the face reveals an attack, and an
attack that fills the picture passes. Advice, not proof. book/models.py applies the tenant's limit.

Beauty is how squarely a face's mouth stands under its eyes: a figure of symmetry and nothing else,
which does not say how attractive anybody finds the face (docs/vision.md). The tip of the nose does
not count: it stands before the other landmarks, so that it shows how the head is turned.

Pose: yaw > 0, the nose points to the image's right; pitch > 0, it points down; roll > 0, the head
is tilted clockwise in the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.vision.detect import align
from chalicelib.book.vision.detect.align import Points
from chalicelib.book.vision.machine import Work
from chalicelib.book.vision.packs.manifest import WHITE, Crop, CropModel, CropRole
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures.crop import (
    brighten_crop,
    cut,
    cut_inside,
    enclose_box,
    stack_pictures,
)
from chalicelib.domain.pictures import DetectedFace, Gender, Pose

FACES = 2
"""Faces in one run, with their mirror images. In runs of 8 crops, each takes 5 % longer, because
the activations no longer fit the cache."""
OLDEST = 120.0
"""The highest age that is estimated, in years."""
LEAST_PROBABILITY = 1e-9
"""Stands for probabilities that are practically none: of 0 there is no logarithm."""

Looks = NDArray[np.float32]
"""(looks, values): a model's outputs for a face and, if its crop is `mirrored`, for the mirror
image."""

_Run = tuple[str, Crop]
"""A model's file and the crop that it takes."""


class CropModels:
    """Models that take square crops.

    Those with the same file and crop share one run over all faces.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def run_models(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], roles: Mapping[str, CropRole]
    ) -> Work[list[Mapping[str, Sequence[Looks]]]]:
        """Run these roles' models; answer, by face and role, each model's outputs in the order of
        the role's labels."""
        runs = list(
            dict.fromkeys(
                (model.file, model.crop) for role in roles.values() for model in role.models
            )
        )
        groups = [faces[start : start + FACES] for start in range(0, len(faces), FACES)]

        def run_model(
            file: str, crop: Crop, group: Sequence[DetectedFace]
        ) -> Mapping[str, NDArray[np.float32]]:
            return self._sessions.run(file, _cut_crops(image, group, crop))

        def split_by_face(
            outputs: list[Mapping[str, NDArray[np.float32]]],
        ) -> list[Mapping[str, Sequence[Looks]]]:
            """Return for each face the outputs of each role's models, from those of all runs.

            A role is what is estimated, such as age. `outputs`: those of the first run's groups of
            faces, then those of the second run's, and so on.
            """
            outputs_left = iter(outputs)  # of each run, those of its groups in turn
            outputs_by_run = {
                run: _join_outputs([next(outputs_left) for _ in groups]) for run in runs
            }
            looks_by_role = {
                name: _choose_outputs(role, outputs_by_run, len(faces))
                for name, role in roles.items()
            }
            return [
                {
                    name: [looks[number] for looks in looks_of_models]
                    for name, looks_of_models in looks_by_role.items()
                }
                for number in range(len(faces))
            ]

        return Work(
            [partial(run_model, *run, group) for run in runs for group in groups], split_by_face
        )


def _choose_outputs(
    role: CropRole, outputs_by_run: Mapping[_Run, Mapping[str, NDArray[np.float32]]], faces: int
) -> list[Looks]:
    """Return the outputs of each of the role's models: (faces, looks, values), in the order of the
    role's labels."""
    outputs = []
    for model in role.models:
        values = np.concatenate(
            [outputs_by_run[model.file, model.crop][output] for output in model.outputs], axis=1
        )
        if model.labels != role.labels:
            values = values[:, [model.labels.index(label) for label in role.labels]]
        outputs.append(values.reshape(faces, -1, values.shape[1]))
    return outputs


def _join_outputs(
    parts: Sequence[Mapping[str, NDArray[np.float32]]],
) -> Mapping[str, NDArray[np.float32]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cut_crops(
    image: NDArray[np.uint8], faces: Sequence[DetectedFace], crop: Crop
) -> NDArray[np.float32]:
    pictures = []
    for face in faces:
        picture = brighten_crop(_cut_crop(image, face, crop), crop.least_brightness)
        pictures += [picture, picture[:, ::-1]] if crop.mirrored else [picture]
    black, white = crop.pixels
    return stack_pictures(pictures, crop.channels) * np.float32(
        (white - black) / WHITE
    ) + np.float32(black)


def _cut_crop(image: NDArray[np.uint8], face: DetectedFace, crop: Crop) -> NDArray[np.uint8]:
    if crop.kind == "landmarks":
        return align.cut_upright(image, face.landmarks, crop.factor, crop.below, crop.size_px)
    if crop.kind == "inside":
        return cut_inside(image, face.box, crop.factor, crop.size_px)
    return cut(image, enclose_box(face.box, crop.factor), crop.size_px)


def join_looks(looks: Sequence[Looks]) -> Looks:
    """Join the looks of all models as those of one; callers use their mean."""
    return np.concatenate(looks)


def estimate_age(looks: Looks, scale: float = 1.0) -> float:
    """Return the mean age in years, times `scale`, within 0..OLDEST."""
    return min(max(float(looks.mean()) * scale, 0.0), OLDEST)


def estimate_genders(
    looks: Looks, role: CropRole, ruled: float = 0.0
) -> tuple[tuple[Gender, float], ...]:
    """Return both genders and their probabilities, likelier first.

    `ruled`: the value of the role's rule.

    A look has the probabilities of the role's two labels and, if the age changes them, the years
    behind them.
    """
    first, second, *years = looks.mean(axis=0).tolist()
    model = math.log(max(first, LEAST_PROBABILITY) / max(second, LEAST_PROBABILITY))
    age = sum(years)
    grown = min(age / role.grown, 1.0) if role.grown else 1.0
    share = 1 / (1 + math.exp(-grown * (role.trust * model + role.odds_a_year * age + ruled)))
    shares = [
        (Gender(label), probability)
        for label, probability in zip(role.labels, (share, 1 - share), strict=True)
    ]
    return tuple(sorted(shares, key=lambda share: -share[1]))


def estimate_emotions(
    looks: Sequence[Looks], models: Sequence[CropModel]
) -> tuple[tuple[str, float], ...]:
    """Return the labels and their probabilities, likeliest first, from each model's looks (in the
    first model's order).

    A model's looks are combined by their geometric mean, at the model's temperature (Guo et al.
    2017, arXiv 1706.04599), and models by the mean of their log-odds. Then the probability that
    happy and neutral have together is divided between them by their corrected odds. There each
    model counts by its own certainty, because the more certain one recognises smiles better. The
    other labels keep their probability.
    """
    labels = models[0].labels
    logs = [
        np.log(np.maximum(model_looks, LEAST_PROBABILITY).astype(np.float64)).mean(axis=0)
        for model_looks in looks
    ]
    temperatures = [model.temperature for model in models]
    tempered = np.mean(
        [log / temperature for log, temperature in zip(logs, temperatures, strict=True)], axis=0
    )
    probabilities = np.exp(tempered - tempered.max())
    probabilities /= probabilities.sum()
    if any(model.smile_odds for model in models) and {"happy", "neutral"} <= set(labels):
        happy, neutral = labels.index("happy"), labels.index("neutral")
        smile = sum(
            log[happy] - log[neutral] + model.smile_odds
            for log, model in zip(logs, models, strict=True)
        )
        happy_or_neutral = probabilities[happy] + probabilities[neutral]
        probabilities[neutral] = happy_or_neutral / (1 + np.exp(smile / sum(temperatures)))
        probabilities[happy] = happy_or_neutral - probabilities[neutral]
    likeliest_first = np.argsort(-probabilities, kind="stable")
    return tuple((labels[index], float(probabilities[index])) for index in likeliest_first)


LIVE = "live"


def estimate_liveness(logits: NDArray[np.float32], labels: Sequence[str]) -> float:
    """Return the probability, 0..1, of the labels "live", from (looks, labels) logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(
        sum(value for value, label in zip(probabilities, labels, strict=True) if label == LIVE)
    )


ASYMMETRY_SPREAD = 0.06
"""How far the mouth's middle lies beside the face's axis, and one of its corners below the other,
over the distance of the eyes. Half of all portraits have less than 0.03."""

LARGEST_YAW_DEG = 12.0
LARGEST_PITCH_DEG = 20.0
"""Largest turn of the head: beyond it the picture does not show the face's own symmetry."""


def score_symmetry(face: DetectedFace, pose: Pose | None) -> float | None:
    """Score the symmetry, 0..100; None if the head is turned too far or the landmarks cannot be
    measured.

    100 exp(-(a^2 + b^2) / 2), each letter an asymmetry over its spread.
    """
    if pose is not None and (
        abs(pose.yaw) > LARGEST_YAW_DEG or abs(pose.pitch) > LARGEST_PITCH_DEG
    ):
        return None
    left_eye, right_eye, _, left_corner, right_corner = (complex(x, y) for x, y in face.landmarks)
    eye_axis = right_eye - left_eye
    if abs(eye_axis) < 1:
        return None
    # relative to the middle of the eyes, which then lie level and 1 apart
    left, right = (
        (corner - (left_eye + right_eye) / 2) / eye_axis for corner in (left_corner, right_corner)
    )
    aside, slant = (left + right).real / 2, (right - left).imag
    return 100 * math.exp(-(aside**2 + slant**2) / ASYMMETRY_SPREAD**2 / 2)


MEAN_FACE = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.55, 0.5], [-0.42, 1.075, 0.0], [0.42, 1.075, 0.0]]
)
"""Eyes, nose tip and mouth corners of the average face: right, down and forward, in eye distances.
Right and down are the means of the labelled portraits that look ahead. Forward, the nose tip lies
about 32 mm before eyes and mouth; the eyes are 63 mm apart."""

LEAST_SCALE_PX = 1.0
"""Fewest pixels of the eye distance, and of the face's other direction, that can be measured."""


def parse_pose(looks: NDArray[np.float32]) -> Pose:
    """Make the pose from a model's (1, 3) yaw, pitch and roll."""
    yaw, pitch, roll = (float(value) for value in looks[0])
    return Pose(yaw, pitch, roll)


def estimate_pose(landmarks: Points) -> Pose | None:
    """Find the pose of the average face that fits the landmarks best; None if they are a point or a
    line.

    Weak perspective: the affine map from MEAN_FACE to the landmarks by least squares (the first
    step of POSIT, DeMenthon & Davis 1995, doi 10.1007/BF01450852), then the rotation nearest to it,
    by its singular vectors. It is exact for the average face at any pose. A person's own
    proportions, such as a low nose, show up as pitch.
    """
    points = np.array(landmarks, np.float64)
    affine = _FROM_MEAN_FACE @ (points - points.mean(axis=0))
    left, scales, right = np.linalg.svd(affine.T, full_matrices=False)
    if scales[1] < LEAST_SCALE_PX:
        return None
    across, down = left @ right
    forward = np.cross(across, down)
    pitch = math.asin(min(max(float(down[2]), -1.0), 1.0))
    # In the rotation yaw after pitch after roll, column three is the nose's direction; row two has
    # the rest.
    yaw = math.atan2(float(across[2]), float(forward[2]))
    roll = math.atan2(float(down[0]), float(down[1]))
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


_FROM_MEAN_FACE = np.linalg.pinv(MEAN_FACE - MEAN_FACE.mean(axis=0))
