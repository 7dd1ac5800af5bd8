import cmath
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.describe.attributes import (
    MEAN_FACE,
    CropModels,
    estimate_emotions,
    estimate_genders,
    estimate_pose,
    score_symmetry,
)
from chalicelib.book.vision.machine import CpuSlots
from chalicelib.book.vision.packs.manifest import Crop, CropModel, CropRole
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import BoundingBox, DetectedFace, Estimates, Gender, Pose
from tests.support.pictures.album import Album, Label
from tests.support.pictures.photos import OTHER, PORTRAIT


@pytest.fixture(scope="session")
def told(album: Album) -> list[tuple[Label, Estimates]]:
    """The pictures whose persons are known: their gender, and in a studio their age and whether
    they smile."""
    return [
        (label, album.seen(label.file).estimates[0])
        for label in album.of("people")
        if "gender" in label.notes
    ]


def pose(estimates: Estimates) -> Pose:
    assert estimates.pose is not None
    return estimates.pose


def test_genders_that_are_told_are_right_nearly_always(told: list[tuple[Label, Estimates]]) -> None:
    right = [
        each.gender == Gender(label.notes["gender"])
        for label, each in told
        if each.gender is not None
    ]
    assert np.mean(right) >= 0.95


def test_a_mirrored_face_is_as_old_and_feels_the_same(album: Album, vision: FacePipeline) -> None:
    for file in (PORTRAIT, OTHER):
        seen = album.seen(file)
        mirrored = np.ascontiguousarray(seen.image[:, ::-1])
        (there,) = vision.describe(mirrored, vision.detect(mirrored))
        here = seen.estimates[0]
        assert there.age == pytest.approx(here.age, abs=4)
        assert (there.genders[0][0], there.emotion) == (here.genders[0][0], here.emotion)


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
        return estimate_genders(np.array(looks, np.float32), replace(self.ROLE, **settings))

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
        return estimate_emotions(
            [np.array(probabilities, np.float32)], [replace(self.MODEL, **settings)]
        )[0]

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

    def told(
        self, first: Sequence[float], second: Sequence[float], **of_the_first: float
    ) -> tuple[str, float]:
        models = [replace(self.FIRST, **of_the_first), self.SECOND]
        return estimate_emotions(
            [np.array([first], np.float32), np.array([second], np.float32)], models
        )[0]

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
    def test_whatever_they_say_the_scores_are_probabilities(
        self, said: NDArray[np.float32]
    ) -> None:
        found = estimate_emotions(
            list(said), [replace(self.FIRST, temperature=3.0, smile_odds=4.0), self.SECOND]
        )
        assert sorted(label for label, _ in found) == sorted(self.FIRST.labels)
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1)


class FixedSessions:
    """Sessions of which each file answers each picture by its mean, its least and its greatest
    pixel, in that order."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, tuple[int, ...]]] = []

    def run(self, file: str, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        self.batches.append((file, batch.shape))
        flat = batch.reshape(len(batch), -1)
        return {"o": np.stack([flat.mean(axis=1), flat.min(axis=1), flat.max(axis=1)], axis=1)}


class TestCropModels:
    FACE = DetectedFace(
        BoundingBox(8, 8, 48, 48), ((24, 28), (40, 28), (32, 36), (26, 46), (38, 46)), 0.9
    )
    IMAGE = np.full((64, 64, 3), 51, np.uint8)

    def outputs(self, *models: CropModel) -> tuple[Sequence[NDArray[np.float32]], FixedSessions]:
        sessions = FixedSessions()
        role = CropRole(models)
        [(told,)] = CpuSlots(1).do_works(
            [CropModels(sessions).run_models(self.IMAGE, [self.FACE], {"emotion": role})]
        )
        return told["emotion"], sessions

    def test_a_models_answers_come_in_the_order_of_the_roles_labels(self) -> None:
        first = CropModel("f", ("o",), CROP, ("mean", "least", "greatest"))
        told, _ = self.outputs(
            first, replace(first, file="g", labels=("greatest", "mean", "least"))
        )
        assert told[1][0].tolist() == told[0][0][[1, 2, 0]].tolist()

    def test_each_model_gets_its_own_crop_in_the_pixels_that_it_wants(self) -> None:
        grey = replace(
            CROP, factor=1.0, size_px=24, channels="L", pixels=(-1.0, 1.0), mirrored=True
        )
        told, sessions = self.outputs(
            CropModel("f", ("o",), replace(CROP, factor=1.0)), CropModel("g", ("o",), grey)
        )
        assert sessions.batches == [("f", (1, 3, 16, 16)), ("g", (2, 1, 24, 24))]
        assert told[0][0][0] == pytest.approx(51)
        assert told[1][:, 0] == pytest.approx([-0.6, -0.6])

    def test_a_dark_face_is_brightened_where_the_crop_asks_for_it(self) -> None:
        told, _ = self.outputs(
            CropModel("f", ("o",), replace(CROP, factor=1.0, least_brightness=102.0))
        )
        assert told[0][0][0] == pytest.approx(102, abs=1)

    def test_models_of_one_file_and_crop_share_a_run(self) -> None:
        model = CropModel("f", ("o",), CROP)
        sessions = FixedSessions()
        roles = {
            "age": CropRole((model,)),
            "gender": CropRole((replace(model, labels=("a", "b", "c")),)),
        }
        CpuSlots(1).do_works(
            [CropModels(sessions).run_models(self.IMAGE, [self.FACE, self.FACE], roles)]
        )
        assert sessions.batches == [("f", (2, 3, 16, 16))]


def test_yaw_is_where_the_nose_points(album: Album) -> None:
    turned = 0
    for label in album.of("people"):
        seen = album.seen(label.file)
        left_eye, right_eye, nose = (complex(*point) for point in seen.faces[0].landmarks[:3])
        yaw = pose(seen.estimates[0]).yaw
        if abs(yaw) > 8:
            turned += 1
            # along the eyes' line
            aside = ((nose - (left_eye + right_eye) / 2) / (right_eye - left_eye)).real
            assert aside * yaw > 0, label.file
    assert turned >= 3


def test_a_mirrored_face_looks_the_other_way(album: Album, vision: FacePipeline) -> None:
    """Within three degrees on average of these eight: what passes over two pictures say of the
    landmarks differs.

    Of the head that leans most, 15 degrees, the roll differs by 6.
    """
    off = []
    for label in album.of("people"):
        seen = album.seen(label.file)
        mirrored = np.ascontiguousarray(seen.image[:, ::-1])
        (there, *_) = vision.describe(mirrored, vision.detect(mirrored))
        here = pose(seen.estimates[0])
        off.append((pose(there).yaw + here.yaw, pose(there).roll + here.roll))
    assert np.mean(np.abs(off), axis=0) == pytest.approx((0, 0), abs=3)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_roll_is_clockwise(degrees: int, album: Album, vision: FacePipeline) -> None:
    image = Image.fromarray(album.seen(PORTRAIT).image)
    tilted = np.asarray(image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)))
    (estimates,) = vision.describe(tilted, vision.detect(tilted))
    assert pose(estimates).roll == pytest.approx(degrees, abs=6)


def seen_from(
    pose: Pose, scale: float = 60.0, shift: float = 100.0
) -> tuple[tuple[float, float], ...]:
    """Where the average face's five points lie in a picture: turned by roll, then pitch, then
    yaw."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw, pose.pitch, pose.roll))
    about_depth = [
        [math.cos(roll), -math.sin(roll), 0],
        [math.sin(roll), math.cos(roll), 0],
        [0, 0, 1],
    ]
    about_across = [
        [1, 0, 0],
        [0, math.cos(pitch), math.sin(pitch)],
        [0, -math.sin(pitch), math.cos(pitch)],
    ]
    about_down = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    turned = MEAN_FACE @ (np.array(about_down) @ np.array(about_across) @ np.array(about_depth)).T
    return tuple((float(x) * scale + shift, float(y) * scale + shift) for x, y, _ in turned)


def angles(pose: Pose | None) -> tuple[float, float, float]:
    return pose.yaw, pose.pitch, pose.roll


TURNS = st.builds(Pose, st.floats(-75, 75), st.floats(-60, 60), st.floats(-170, 170))


@given(TURNS, st.floats(10, 500), st.floats(-1e4, 1e4))
def test_the_average_faces_pose_is_found_whatever_its_size_and_place(
    pose: Pose, scale: float, shift: float
) -> None:
    assert angles(estimate_pose(seen_from(pose, scale, shift))) == pytest.approx(
        angles(pose), abs=1e-4
    )


@given(TURNS)
def test_a_mirrored_face_looks_and_leans_the_other_way(pose: Pose) -> None:
    left, right, nose, one, other = ((-x, y) for x, y in seen_from(pose))
    mirrored = estimate_pose((right, left, nose, other, one))
    assert angles(mirrored) == pytest.approx((-pose.yaw, pose.pitch, -pose.roll), abs=1e-4)


@given(TURNS, st.integers(0, 2**32 - 1))
def test_landmarks_that_are_a_little_off_change_it_little(pose: Pose, seed: int) -> None:
    """By 2 % of the eyes' distance, as much as landmarks move with the box: by 8 degrees at
    most."""
    off = np.random.default_rng(seed).uniform(-0.02, 0.02, (5, 2)) * 60
    moved = tuple(
        (x + float(dx), y + float(dy))
        for (x, y), (dx, dy) in zip(seen_from(pose), off, strict=True)
    )
    assert facing(estimate_pose(moved)) @ facing(pose) > math.cos(math.radians(8))


def facing(pose: Pose | None) -> NDArray[np.float64]:
    """Where the nose points."""
    yaw, pitch, _ = (math.radians(angle) for angle in angles(pose))
    return np.array(
        [math.cos(pitch) * math.sin(yaw), math.sin(pitch), math.cos(pitch) * math.cos(yaw)]
    )


@pytest.mark.parametrize(
    "points", [((5.0, 5.0),) * 5, tuple((float(x), 2.0 * x) for x in range(5))]
)
def test_a_point_or_a_line_has_none(points: tuple[tuple[float, float], ...]) -> None:
    assert estimate_pose(points) is None


FRONTAL = Pose(0, 0, 0)
BOX = BoundingBox(-50, -50, 100, 130)
LITTLE = st.floats(-0.2, 0.2)


def face(
    *,
    eyes: float = 46,
    mouth: float = 47,
    aside: float = 0.0,
    slant: float = 0.0,
    nose: float = 0.0,
) -> DetectedFace:
    """`eyes` pixels apart, the mouth `mouth` below them; the others in distances of the eyes: how
    far mouth and nose lie beside the axis, and the mouth's right corner below its left."""
    x, half = aside * eyes, slant * eyes / 2
    corners = ((x - 20, mouth - half), (x + 20, mouth + half))
    return DetectedFace(
        BOX, ((-eyes / 2, 0.0), (eyes / 2, 0.0), (nose * eyes, mouth / 2), *corners), 0.9
    )


@given(st.floats(20, 90), st.floats(20, 90), LITTLE)
def test_equal_halves_score_a_hundred_whatever_proportions_and_nose(
    eyes: float, mouth: float, nose: float
) -> None:
    assert score_symmetry(face(eyes=eyes, mouth=mouth, nose=nose), FRONTAL) == pytest.approx(100)


@pytest.mark.parametrize("part", ["aside", "slant"])
def test_a_larger_asymmetry_costs_more(part: str) -> None:
    scores = [score_symmetry(face(**{part: step}), FRONTAL) for step in (0, 0.02, 0.05, 0.1)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


@given(LITTLE, LITTLE)
def test_a_face_and_its_mirror_image_score_alike(aside: float, slant: float) -> None:
    mirrored = face(aside=-aside, slant=-slant)
    assert score_symmetry(face(aside=aside, slant=slant), FRONTAL) == pytest.approx(
        score_symmetry(mirrored, FRONTAL)
    )


@given(st.floats(0.2, 20), st.floats(-30, 30), st.floats(-1e4, 1e4), LITTLE, LITTLE)
def test_size_tilt_and_place_change_nothing(
    scale: float, degrees: float, shift: float, aside: float, slant: float
) -> None:
    one = face(aside=aside, slant=slant)
    turn = cmath.rect(scale, math.radians(degrees))
    moved = tuple(
        (p.real + shift, p.imag) for p in (complex(*point) * turn for point in one.landmarks)
    )
    assert score_symmetry(DetectedFace(BOX, moved, 0.9), FRONTAL) == pytest.approx(
        score_symmetry(one, FRONTAL), abs=1e-3
    )


@pytest.mark.parametrize("pose", [Pose(40, 0, 0), Pose(-40, 0, 0), Pose(0, 40, 0)])
def test_nothing_is_said_of_a_turned_head(pose: Pose) -> None:
    assert score_symmetry(face(), pose) is None


def test_nothing_is_said_of_landmarks_on_one_spot() -> None:
    assert (
        score_symmetry(DetectedFace(BoundingBox(0, 0, 10, 10), ((1.0, 1.0),) * 5, 0.9), FRONTAL)
        is None
    )


def test_it_is_named_as_a_formula_where_it_is_given(album: Album) -> None:
    for label in album.of("people"):
        estimates = album.seen(label.file).estimates[0]
        assert estimates.find_source("beauty") == (
            "heuristic" if estimates.beauty is not None else None
        )
        assert estimates.beauty is None or 0 <= estimates.beauty <= 100
