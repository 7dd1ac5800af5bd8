"""Age, gender, expression and pose on the labelled pictures: plausible, with the right signs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from chalicelib.core.model import Estimates, Gender, Pose
from chalicelib.vision.pipeline import FacePipeline
from tests.vision.album import Album, Label


@pytest.fixture(scope="session")
def london(album: Album) -> list[tuple[Label, Estimates]]:
    """The pictures whose persons said their age and gender."""
    return [(label, album.seen(label.file).estimates[0]) for label in album.of("people") if "age" in label.notes]


def pose(estimates: Estimates) -> Pose:
    assert estimates.pose is not None
    return estimates.pose


def test_ages_are_right_to_a_few_years(london: list[tuple[Label, Estimates]]) -> None:
    errors = [(estimates.age or 0) - int(label.notes["age"]) for label, estimates in london]
    assert np.mean(np.abs(errors)) < 8
    assert abs(np.mean(errors)) < 5


def test_genders_are_right_nine_times_in_ten(london: list[tuple[Label, Estimates]]) -> None:
    assert np.mean([estimates.gender == Gender(label.notes["gender"]) for label, estimates in london]) >= 0.9


def test_only_who_smiles_is_happy(london: list[tuple[Label, Estimates]]) -> None:
    happy = [label.notes["expression"] for label, estimates in london if estimates.emotion == "happy"]
    assert set(happy) == {"smiling"}
    assert len(happy) >= 10
    neutral = [estimates.emotion for label, estimates in london if label.notes["expression"] == "neutral"]
    assert np.mean([emotion == "neutral" for emotion in neutral]) > 0.9


def test_who_sat_for_a_portrait_looks_ahead(london: list[tuple[Label, Estimates]]) -> None:
    for _, estimates in london:
        assert abs(pose(estimates).yaw) < 15
        assert abs(pose(estimates).roll) < 12


def test_yaw_is_where_the_nose_points(album: Album) -> None:
    turned = 0
    for label in album.of("people"):
        seen = album.seen(label.file)
        left_eye, right_eye, nose, *_ = seen.faces[0].landmarks
        yaw = pose(seen.estimates[0]).yaw
        if abs(yaw) > 8:
            turned += 1
            assert (nose[0] - (left_eye[0] + right_eye[0]) / 2) * yaw > 0, label.file
    assert turned >= 3


def test_a_mirrored_face_looks_the_other_way(album: Album, vision: FacePipeline) -> None:
    seen = album.seen("people/obama_2.jpg")
    mirrored = np.ascontiguousarray(seen.image[:, ::-1])
    (there,) = vision.describe(mirrored, vision.detect(mirrored))
    here = pose(seen.estimates[0])
    assert pose(there).yaw == pytest.approx(-here.yaw, abs=6)
    assert pose(there).roll == pytest.approx(-here.roll, abs=4)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_roll_is_clockwise(degrees: int, album: Album, vision: FacePipeline) -> None:
    image = Image.fromarray(album.seen("people/london_005_neutral.jpg").image)
    tilted = np.asarray(image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)))
    (estimates,) = vision.describe(tilted, vision.detect(tilted))
    assert pose(estimates).roll == pytest.approx(degrees, abs=6)
