"""Looks of a face, by models (age, gender, emotion, liveness, pose) and by its landmarks
(pose, beauty): eyes, nose tip and mouth corners.

Liveness is presentation attack detection, passive, from one picture: whether a face is before the
camera, or is a picture of one. In ISO/IEC 30107-3's terms, an attack that passes counts for APCER,
and a live face that is rejected for BPCER. docs/vision.md has what is known of both. In short:
mostly the edge of the paper or screen around the face reveals an attack, and an attack that fills
the picture passes. Treat it as advice, not as proof. book/models.py applies the tenant's threshold.

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
"""(looks, values): a model's outputs for a face, and for its mirror image if `mirrored`."""

_Outputs = Mapping[str, NDArray[np.float32]]
"""Outputs of a model, an array by name. Each face has one row of it, or two if it is mirrored."""

_Run = tuple[str, Crop]
"""A model's file and the crop that it takes."""


class CropModels:
    """Models that take square crops of faces.

    A role is what is estimated, such as age, by one model or several. Models with the same file and
    crop share one run over all faces.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def run_models(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], roles: Mapping[str, CropRole]
    ) -> Work[list[Mapping[str, Sequence[Looks]]]]:
        """Return the work that runs the models of these roles, such as age, on all faces.

        Nothing is run until the work is done (`CpuSlots.do_works`). A part is one model's run over
        a group of FACES faces. The work's answer has for each face, by role, each model's outputs,
        with values in the order of the role's labels.
        """
        models = [model for role in roles.values() for model in role.models]
        runs = list(dict.fromkeys((model.file, model.crop) for model in models))  # each once
        groups = [faces[start : start + FACES] for start in range(0, len(faces), FACES)]
        parts = [
            partial(self._run_model, image, group, file, crop)
            for file, crop in runs
            for group in groups
        ]
        return Work(parts, join=partial(_split_by_face, roles, runs, len(faces)))

    def _run_model(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], file: str, crop: Crop
    ) -> _Outputs:
        return self._sessions.run(file, _cut_crops(image, faces, crop))


def _split_by_face(
    roles: Mapping[str, CropRole], runs: Sequence[_Run], face_count: int, outputs: list[_Outputs]
) -> list[Mapping[str, Sequence[Looks]]]:
    """Return for each face, by role (what is estimated), the outputs of each of the role's models.

    `outputs` come by run, and in a run by group of faces. Of runs A and B over groups 1 and 2 they
    are A1, A2, B1, B2.
    """
    group_count = len(outputs) // max(len(runs), 1)
    outputs_by_run = {}
    for number, run in enumerate(runs):
        outputs_of_groups = outputs[number * group_count : (number + 1) * group_count]
        outputs_by_run[run] = _join_outputs(outputs_of_groups)
    looks_by_role = {
        name: _choose_outputs(role, outputs_by_run, face_count) for name, role in roles.items()
    }
    return [
        {name: [looks[face] for looks in each] for name, each in looks_by_role.items()}
        for face in range(face_count)
    ]


def _choose_outputs(
    role: CropRole, outputs_by_run: Mapping[_Run, _Outputs], face_count: int
) -> list[Looks]:
    """Return the outputs of each of the role's models, an array each: (faces, looks, values).

    A look is a face or its mirror image. Models may have the labels in different orders. Here all
    values are in the order of the role's.
    """
    looks_of_models = []
    for model in role.models:
        outputs = outputs_by_run[model.file, model.crop]
        values = np.concatenate([outputs[name] for name in model.outputs], axis=1)
        if model.labels != role.labels:
            values = values[:, [model.labels.index(label) for label in role.labels]]
        looks_of_models.append(values.reshape(face_count, -1, values.shape[1]))
    return looks_of_models


def _join_outputs(parts: Sequence[_Outputs]) -> _Outputs:
    """Return the outputs of a model's runs over groups of faces as those of one run."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cut_crops(
    image: NDArray[np.uint8], faces: Sequence[DetectedFace], crop: Crop
) -> NDArray[np.float32]:
    """Return the faces as a model takes them, as one batch, each with its mirror image if wanted.

    A mirror image stands behind its face. It is wanted if the crop is `mirrored`.
    """
    pictures = []
    for face in faces:
        picture = brighten_crop(_cut_crop(image, face, crop), crop.least_brightness)
        pictures.append(picture)
        if crop.mirrored:
            pictures.append(picture[:, ::-1])
    black, white = crop.pixels  # the model's values for these
    scale = np.float32((white - black) / WHITE)
    return stack_pictures(pictures, crop.channels) * scale + np.float32(black)


def _cut_crop(image: NDArray[np.uint8], face: DetectedFace, crop: Crop) -> NDArray[np.uint8]:
    """Return the part of the picture about a face that a model was made for."""
    if crop.kind == "landmarks":
        return align.cut_upright(image, face.landmarks, crop.factor, crop.below, crop.size_px)
    if crop.kind == "inside":
        return cut_inside(image, face.box, crop.factor, crop.size_px)
    return cut(image, enclose_box(face.box, crop.factor), crop.size_px)


def join_looks(looks: Sequence[Looks]) -> Looks:
    """Return the looks of all models as those of one; callers use their mean."""
    return np.concatenate(looks)


def estimate_age(looks: Looks, scale: float = 1.0) -> float:
    """Return the mean age in years, times `scale`, within 0..OLDEST."""
    return min(max(float(looks.mean()) * scale, 0.0), OLDEST)


def estimate_genders(
    looks: Looks, role: CropRole, ruled: float = 0.0
) -> tuple[tuple[Gender, float], ...]:
    """Return both genders with their probabilities, the likelier first.

    `looks` has a row for the face and each mirror image. A row is the probabilities of the role's
    two labels and, if the age counts, the years behind them. `ruled` is what a rule on the
    embedding adds to the logarithm of the first label's odds. Of children all of these count less.
    """
    first, second, *years = looks.mean(axis=0).tolist()
    age = sum(years)  # of one model, or 0 of none
    # All odds are of the first label, as their logarithms, so that they add up.
    model_odds = math.log(max(first, LEAST_PROBABILITY) / max(second, LEAST_PROBABILITY))
    grown = min(age / role.grown, 1.0) if role.grown else 1.0  # of children all are less sure
    odds = grown * (role.trust * model_odds + role.odds_a_year * age + ruled)
    probability = 1 / (1 + math.exp(-odds))
    first_label, second_label = role.labels
    genders = [(Gender(first_label), probability), (Gender(second_label), 1 - probability)]
    return tuple(sorted(genders, key=lambda gender: -gender[1]))


def estimate_emotions(
    looks: Sequence[Looks], models: Sequence[CropModel]
) -> tuple[tuple[str, float], ...]:
    """Return the emotions' labels with their probabilities, likeliest first.

    `looks` has each model's outputs, a row for the face and one for its mirror image. First the
    models' log-odds are averaged. Then what happy and neutral have together is divided between them
    anew. In this a more certain model counts more, since it recognises smiles better.
    """
    labels = models[0].labels
    # Of each model, its looks' geometric mean, which is the mean of logarithms.
    logs = [
        np.log(np.maximum(model_looks, LEAST_PROBABILITY).astype(np.float64)).mean(axis=0)
        for model_looks in looks
    ]
    # Of all models, the mean of their log-odds, each at its temperature (Guo et al. 2017, arXiv
    # 1706.04599).
    temperatures = [model.temperature for model in models]
    tempered = np.mean(
        [log / temperature for log, temperature in zip(logs, temperatures, strict=True)], axis=0
    )
    probabilities = np.exp(tempered - tempered.max())
    probabilities /= probabilities.sum()
    if any(model.smile_odds for model in models) and {"happy", "neutral"} <= set(labels):
        happy, neutral = labels.index("happy"), labels.index("neutral")
        # The log-odds of happy against neutral. Models are summed up without their temperatures,
        # so that a more certain one counts for more.
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
    """Return the probability, 0..1, that the face is before the camera and no picture of one.

    `logits`: (looks, labels), a model's raw outputs; the labels "live" count.
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (exponentials / exponentials.sum(axis=1, keepdims=True)).mean(axis=0)
    live = [value for value, label in zip(probabilities, labels, strict=True) if label == LIVE]
    return float(sum(live))


ASYMMETRY_SPREAD = 0.06
"""How far the mouth's middle lies beside the face's axis, and one of its corners below the other,
over the distance of the eyes. Half of all portraits have less than 0.03."""

LARGEST_YAW_DEG = 12.0
LARGEST_PITCH_DEG = 20.0
"""Largest turn of the head: beyond it the picture does not show the face's own symmetry."""


def score_symmetry(face: DetectedFace, pose: Pose | None) -> float | None:
    """Return how symmetric the face is, 0..100; None if its head is turned too far to tell.

    It is 100 exp(-(a^2 + b^2) / 2). `a` is how far the mouth's middle lies beside the face's axis,
    and `b` how much the mouth slants, both over their usual spread. It is None, too, if the eyes
    are one point.
    """
    if pose is not None:
        is_turned = abs(pose.yaw) > LARGEST_YAW_DEG or abs(pose.pitch) > LARGEST_PITCH_DEG
        if is_turned:
            return None
    left_eye, right_eye, _, left_corner, right_corner = (complex(x, y) for x, y in face.landmarks)
    eye_axis = right_eye - left_eye
    if abs(eye_axis) < 1:
        return None
    # The corners relative to the middle of the eyes, which then lie level and 1 apart.
    middle = (left_eye + right_eye) / 2
    left, right = (left_corner - middle) / eye_axis, (right_corner - middle) / eye_axis
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
    """Return how the head is turned, by its landmarks; None if they are a point or a line.

    It is the pose in which the average face fits them best, in weak perspective. First comes the
    affine map from MEAN_FACE to the landmarks, by least squares (POSIT's first step, DeMenthon &
    Davis 1995, doi 10.1007/BF01450852). Then comes the rotation nearest to that, by its singular
    vectors. A person's own proportions, such as a low nose, show up as pitch.
    """
    points = np.array(landmarks, np.float64)
    affine = _FROM_MEAN_FACE @ (
        points - points.mean(axis=0)
    )  # (3, 2): the face's axes in the picture
    left, scales, right = np.linalg.svd(affine.T, full_matrices=False)
    if scales[1] < LEAST_SCALE_PX:  # the smaller one: they are a line, or a point
        return None
    # The rotation's three rows. Without the scales two are left; the third is upright on them.
    across, down = left @ right
    forward = np.cross(across, down)
    # In the rotation yaw after pitch after roll, column three is the nose's direction; row two has
    # the rest.
    pitch = math.asin(min(max(float(down[2]), -1.0), 1.0))
    yaw = math.atan2(float(across[2]), float(forward[2]))
    roll = math.atan2(float(down[0]), float(down[1]))
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


_FROM_MEAN_FACE = np.linalg.pinv(MEAN_FACE - MEAN_FACE.mean(axis=0))
