"""Age, gender, expression and pose on the labelled pictures: plausible, with the right signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from chalicelib.core.pictures import Box, DetectedFace, Estimates, Gender, Pose
from chalicelib.vision.describe.attributes import CropModels, emotions, genders
from chalicelib.vision.packs.manifest import Crop, CropModel, CropRole
from chalicelib.vision.pipeline import FacePipeline
from tests.photos import OTHER, PORTRAIT, PORTRAITS, STUDIO, of_24_people
from tests.vision.album import Album, Label


@pytest.fixture(scope="session")
def told(album: Album) -> list[tuple[Label, Estimates]]:
    """The pictures whose persons are known: their gender, and in a studio their age and whether they smile."""
    return [(label, album.seen(label.file).estimates[0]) for label in album.of("people") if "gender" in label.notes]


def pose(estimates: Estimates) -> Pose:
    assert estimates.pose is not None
    return estimates.pose


@of_24_people
def test_ages_are_right_to_a_few_years(told: list[tuple[Label, Estimates]]) -> None:
    errors = [(estimates.age or 0) - int(label.notes["age"]) for label, estimates in told]
    assert np.mean(np.abs(errors)) < 5.5
    assert abs(np.mean(errors)) < 2


def test_genders_that_are_told_are_right_nearly_always(told: list[tuple[Label, Estimates]]) -> None:
    right = [each.gender == Gender(label.notes["gender"]) for label, each in told if each.gender is not None]
    assert np.mean(right) >= 0.95


@of_24_people
def test_only_who_smiles_is_happy(told: list[tuple[Label, Estimates]]) -> None:
    smiling = [estimates.emotion for label, estimates in told if label.notes["expression"] == "smiling"]
    neutral = [estimates.emotion for label, estimates in told if label.notes["expression"] == "neutral"]
    assert smiling.count("happy") >= 0.75 * len(smiling)
    assert neutral.count("happy") == 0
    assert neutral.count("neutral") >= 0.95 * len(neutral)


@of_24_people
def test_an_expression_is_no_surer_than_it_is_right(told: list[tuple[Label, Estimates]]) -> None:
    """Neutral or smiling is what the labels say. Portraits are easy, so the score is rather too low here."""
    called = [
        (estimates.emotion_score or 0, {"neutral": "neutral", "happy": "smiling"}.get(estimates.emotion or ""), label)
        for label, estimates in told
    ]
    right = np.array([word == label.notes["expression"] for _, word, label in called])
    scores = np.array([score for score, _, _ in called])
    assert scores.mean() <= right.mean()
    assert right[scores >= 0.8].mean() >= 0.85


def test_a_mirrored_face_is_as_old_and_feels_the_same(album: Album, vision: FacePipeline) -> None:
    for file in ("people/london_011_smiling.jpg", "people/london_044_neutral.jpg") if STUDIO else (PORTRAIT, OTHER):
        seen = album.seen(file)
        mirrored = np.ascontiguousarray(seen.image[:, ::-1])
        (there,) = vision.describe(mirrored, vision.detect(mirrored))
        here = seen.estimates[0]
        assert there.age == pytest.approx(here.age, abs=4)
        assert (there.gender, there.emotion) == (here.gender, here.emotion)


@pytest.mark.parametrize("size_px", [48, 90])
def test_a_small_face_is_about_as_old(
    size_px: int, told: list[tuple[Label, Estimates]], album: Album, vision: FacePipeline
) -> None:
    changes = []
    for label, estimates in told[::4]:
        seen = album.seen(label.file)
        scale = size_px / seen.faces[0].box.width
        size = (round(seen.image.shape[1] * scale), round(seen.image.shape[0] * scale))
        small = np.asarray(Image.fromarray(seen.image).resize(size, Image.Resampling.BOX))
        (there,) = vision.describe(small, vision.detect(small)[:1])
        changes.append(abs((there.age or 0) - (estimates.age or 0)))
    assert np.mean(changes) < 4


CROP = Crop("landmarks", 2.5, 16, "RGB")


class TestGender:
    ROLE = CropRole((CropModel("f", ("gender", "age"), CROP, ("male", "female")),))

    def told(self, *looks: Sequence[float], **settings: float) -> tuple[tuple[Gender, float], ...]:
        """By a role with the settings, of looks that give these values: male, female and years."""
        return genders(np.array(looks, np.float32), replace(self.ROLE, **settings))  # type: ignore[arg-type]

    def test_without_settings_it_is_the_models_own(self) -> None:
        both = ((Gender.MALE, pytest.approx(0.7)), (Gender.FEMALE, pytest.approx(0.3)))
        assert self.told([0.8, 0.2], [0.6, 0.4]) == both
        assert self.told([0.3, 0.7, 70])[0] == (Gender.FEMALE, pytest.approx(0.7))

    def test_each_year_of_age_changes_the_odds_of_the_first_label(self) -> None:
        (best, score), (_, rest) = self.told([0.8, 0.2, 10], [0.8, 0.2, 20], odds_a_year=-0.03)
        assert best is Gender.MALE
        assert score / rest == pytest.approx(4 * np.exp(-0.45), rel=1e-4)
        assert self.told([0.8, 0.2, 70], odds_a_year=-0.03)[0][0] is Gender.FEMALE
        assert self.told([0.8, 0.2], odds_a_year=-0.03)[0] == (Gender.MALE, pytest.approx(0.8))


class TestEmotion:
    MODEL = CropModel("f", ("o",), CROP, ("neutral", "happy", "sad"))

    def told(self, *probabilities: Sequence[float], **settings: float) -> tuple[str, float]:
        """By one model with the settings, of looks that give these probabilities."""
        return emotions([np.array(probabilities, np.float32)], [replace(self.MODEL, **settings)])[0]  # type: ignore[arg-type]

    def test_without_corrections_it_is_the_models_own(self) -> None:
        assert self.told([0.2, 0.1, 0.7]) == ("sad", pytest.approx(0.7))

    def test_a_temperature_changes_the_score_and_not_the_label(self) -> None:
        label, score = self.told([0.1, 0.05, 0.85], temperature=3.0)
        assert label == "sad"
        assert 1 / 3 < score < 0.85

    def test_smile_odds_move_neutral_to_happy_and_nothing_else(self) -> None:
        assert self.told([0.9, 0.05, 0.05], smile_odds=4.0)[0] == "happy"
        assert self.told([0.99, 0.001, 0.009], smile_odds=4.0)[0] == "neutral"
        assert self.told([0.2, 0.1, 0.7], smile_odds=4.0) == ("sad", pytest.approx(0.7))

    def test_a_certain_model_is_no_trouble(self) -> None:
        assert self.told([0, 1, 0], [0, 1, 0], smile_odds=4.0)[0] == "happy"


class TestFusion:
    FIRST = CropModel("f", ("o",), CROP, ("neutral", "happy", "sad"))
    SECOND = replace(FIRST, file="g")

    def told(self, first: Sequence[float], second: Sequence[float], **of_the_first: float) -> tuple[str, float]:
        models = [replace(self.FIRST, **of_the_first), self.SECOND]  # type: ignore[arg-type]
        return emotions([np.array([first], np.float32), np.array([second], np.float32)], models)[0]

    def test_models_that_agree_say_what_each_says(self) -> None:
        assert self.told([0.2, 0.1, 0.7], [0.2, 0.1, 0.7]) == ("sad", pytest.approx(0.7))

    def test_the_surer_of_two_that_disagree_is_followed(self) -> None:
        assert self.told([0.01, 0.01, 0.98], [0.6, 0.2, 0.2])[0] == "sad"
        assert self.told([0.6, 0.2, 0.2], [0.01, 0.01, 0.98])[0] == "sad"

    def test_the_log_odds_of_two_labels_are_the_mean_of_what_the_models_have(self) -> None:
        _, score = self.told([0.0, 0.8, 0.2], [0.0, 0.5, 0.5])
        assert score / (1 - score) == pytest.approx((0.8 / 0.2 * 1.0) ** 0.5, rel=1e-3)

    def test_a_model_that_is_too_sure_counts_less_at_its_temperature(self) -> None:
        assert self.told([0.04, 0.01, 0.95], [0.85, 0.01, 0.14])[0] == "sad"
        assert self.told([0.04, 0.01, 0.95], [0.85, 0.01, 0.14], temperature=4.0)[0] == "neutral"

    def test_the_smile_odds_of_all_count_for_happy_against_neutral(self) -> None:
        assert self.told([0.9, 0.05, 0.05], [0.9, 0.05, 0.05], smile_odds=5.0)[0] == "neutral"
        assert self.told([0.9, 0.05, 0.05], [0.9, 0.05, 0.05], smile_odds=7.0)[0] == "happy"

    @given(hnp.arrays(np.float32, (2, 1, 3), elements=st.floats(0, 1, width=32)))
    def test_whatever_they_say_the_scores_are_probabilities(self, said: NDArray[np.float32]) -> None:
        found = emotions(list(said), [replace(self.FIRST, temperature=3.0, smile_odds=4.0), self.SECOND])
        assert sorted(label for label, _ in found) == sorted(self.FIRST.labels)
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1)


class FixedSessions:
    """Sessions of which each file answers each picture by its mean, its least and its greatest pixel, in that order."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, tuple[int, ...]]] = []

    def run(self, file: str, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        self.batches.append((file, batch.shape))
        flat = batch.reshape(len(batch), -1)
        return {"o": np.stack([flat.mean(axis=1), flat.min(axis=1), flat.max(axis=1)], axis=1)}


class TestCropModels:
    FACE = DetectedFace(Box(8, 8, 48, 48), ((24, 28), (40, 28), (32, 36), (26, 46), (38, 46)), 0.9)
    IMAGE = np.full((64, 64, 3), 51, np.uint8)

    def outputs(self, *models: CropModel) -> tuple[Sequence[NDArray[np.float32]], FixedSessions]:
        sessions = FixedSessions()
        role = CropRole(models)
        (told,) = CropModels(sessions).outputs(self.IMAGE, [self.FACE], {"emotion": role}).done()  # type: ignore[arg-type]
        return told["emotion"], sessions

    def test_a_models_answers_come_in_the_order_of_the_roles_labels(self) -> None:
        first = CropModel("f", ("o",), CROP, ("mean", "least", "greatest"))
        told, _ = self.outputs(first, replace(first, file="g", labels=("greatest", "mean", "least")))
        assert told[1][0].tolist() == told[0][0][[1, 2, 0]].tolist()

    def test_each_model_gets_its_own_crop_in_the_pixels_that_it_wants(self) -> None:
        grey = replace(CROP, factor=1.0, size_px=24, channels="L", pixels=(-1.0, 1.0), mirrored=True)
        told, sessions = self.outputs(CropModel("f", ("o",), replace(CROP, factor=1.0)), CropModel("g", ("o",), grey))
        assert sessions.batches == [("f", (1, 3, 16, 16)), ("g", (2, 1, 24, 24))]
        assert told[0][0][0] == pytest.approx(51)
        assert told[1][:, 0] == pytest.approx([-0.6, -0.6])

    def test_a_dark_face_is_brightened_where_the_crop_asks_for_it(self) -> None:
        told, _ = self.outputs(CropModel("f", ("o",), replace(CROP, factor=1.0, least_brightness=102.0)))
        assert told[0][0][0] == pytest.approx(102, abs=1)

    def test_models_of_one_file_and_crop_share_a_run(self) -> None:
        model = CropModel("f", ("o",), CROP)
        sessions = FixedSessions()
        roles = {"age": CropRole((model,)), "gender": CropRole((replace(model, labels=("a", "b", "c")),))}
        CropModels(sessions).outputs(self.IMAGE, [self.FACE, self.FACE], roles).done()  # type: ignore[arg-type]
        assert sessions.batches == [("f", (2, 3, 16, 16))]


@of_24_people
@pytest.mark.parametrize("light", [0.3, 0.1])
def test_in_the_dark_nobody_is_younger_or_smiles(
    light: float, told: list[tuple[Label, Estimates]], album: Album, vision: FacePipeline
) -> None:
    years = []
    for label, estimates in told[::4]:
        dark = np.asarray(album.seen(label.file).image * light).astype(np.uint8)
        (there,) = vision.describe(dark, album.seen(label.file).faces)
        years.append((there.age or 0) - (estimates.age or 0))
        assert there.emotion == estimates.emotion == "neutral"
    assert abs(np.mean(years)) < 2


@of_24_people
def test_who_sat_for_a_portrait_looks_ahead(album: Album) -> None:
    for file in PORTRAITS:
        estimates = album.seen(file).estimates[0]
        assert abs(pose(estimates).yaw) < 15
        assert abs(pose(estimates).roll) < 12


def test_yaw_is_where_the_nose_points(album: Album) -> None:
    turned = 0
    for label in album.of("people"):
        seen = album.seen(label.file)
        left_eye, right_eye, nose = (complex(*point) for point in seen.faces[0].landmarks[:3])
        yaw = pose(seen.estimates[0]).yaw
        if abs(yaw) > 8:
            turned += 1
            aside = ((nose - (left_eye + right_eye) / 2) / (right_eye - left_eye)).real  # along the eyes' line
            assert aside * yaw > 0, label.file
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
    image = Image.fromarray(album.seen(PORTRAIT).image)
    tilted = np.asarray(image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)))
    (estimates,) = vision.describe(tilted, vision.detect(tilted))
    assert pose(estimates).roll == pytest.approx(degrees, abs=6)
