"""Age, gender, expression and pose on the labelled pictures: plausible, with the right signs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from chalicelib.core.model import Estimates, Gender, Pose
from chalicelib.vision.attributes import emotion
from chalicelib.vision.manifest import CropRole
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
    assert np.mean(np.abs(errors)) < 5.5
    assert abs(np.mean(errors)) < 2


def test_genders_are_right_nearly_always(london: list[tuple[Label, Estimates]]) -> None:
    assert np.mean([estimates.gender == Gender(label.notes["gender"]) for label, estimates in london]) >= 0.95


def test_only_who_smiles_is_happy(london: list[tuple[Label, Estimates]]) -> None:
    happy = [label.notes["expression"] for label, estimates in london if estimates.emotion == "happy"]
    assert set(happy) == {"smiling"}
    assert len(happy) >= 18
    neutral = [estimates.emotion for label, estimates in london if label.notes["expression"] == "neutral"]
    assert np.mean([emotion == "neutral" for emotion in neutral]) > 0.95


def test_an_expression_is_no_surer_than_it_is_right(london: list[tuple[Label, Estimates]]) -> None:
    """Neutral or smiling is what the labels say. Portraits are easy, so the score is rather too low here."""
    called = [
        (estimates.emotion_score or 0, {"neutral": "neutral", "happy": "smiling"}.get(estimates.emotion or ""), label)
        for label, estimates in london
    ]
    right = np.array([word == label.notes["expression"] for _, word, label in called])
    scores = np.array([score for score, _, _ in called])
    assert scores.mean() <= right.mean()
    assert right[scores >= 0.8].mean() >= 0.85


def test_a_mirrored_face_is_as_old_and_feels_the_same(album: Album, vision: FacePipeline) -> None:
    for file in ("people/london_011_smiling.jpg", "people/london_044_neutral.jpg"):
        seen = album.seen(file)
        mirrored = np.ascontiguousarray(seen.image[:, ::-1])
        (there,) = vision.describe(mirrored, vision.detect(mirrored))
        here = seen.estimates[0]
        assert there.age == pytest.approx(here.age, abs=4)
        assert (there.gender, there.emotion) == (here.gender, here.emotion)


@pytest.mark.parametrize("size_px", [48, 90])
def test_a_small_face_is_about_as_old(
    size_px: int, london: list[tuple[Label, Estimates]], album: Album, vision: FacePipeline
) -> None:
    changes = []
    for label, estimates in london[::4]:
        seen = album.seen(label.file)
        scale = size_px / seen.faces[0].box.width
        size = (round(seen.image.shape[1] * scale), round(seen.image.shape[0] * scale))
        small = np.asarray(Image.fromarray(seen.image).resize(size, Image.Resampling.BOX))
        (there,) = vision.describe(small, vision.detect(small)[:1])
        changes.append(abs((there.age or 0) - (estimates.age or 0)))
    assert np.mean(changes) < 4


class TestEmotion:
    ROLE = CropRole("f", ("o",), "RGB", 112, "landmarks", 2.5, ("neutral", "happy", "sad"))

    def test_without_corrections_it_is_the_models_own(self) -> None:
        assert emotion(np.array([[0.2, 0.1, 0.7]], np.float32), self.ROLE) == ("sad", pytest.approx(0.7))

    def test_a_temperature_changes_the_score_and_not_the_label(self) -> None:
        label, score = emotion(np.array([[0.1, 0.05, 0.85]], np.float32), replace(self.ROLE, temperature=3.0))
        assert label == "sad"
        assert 1 / 3 < score < 0.85

    def test_smile_odds_move_neutral_to_happy_and_nothing_else(self) -> None:
        role = replace(self.ROLE, smile_odds=4.0)
        assert emotion(np.array([[0.9, 0.05, 0.05]], np.float32), role)[0] == "happy"
        assert emotion(np.array([[0.99, 0.001, 0.009]], np.float32), role)[0] == "neutral"
        assert emotion(np.array([[0.2, 0.1, 0.7]], np.float32), role) == ("sad", pytest.approx(0.7))

    def test_a_certain_model_is_no_trouble(self) -> None:
        assert emotion(np.array([[0, 1, 0], [0, 1, 0]], np.float32), replace(self.ROLE, smile_odds=4.0))[0] == "happy"


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
