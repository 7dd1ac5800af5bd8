"""Age, gender and expression by group, as people said of themselves: reported, and gated where
enough of them are."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from chalicelib.book.vision.describe.attributes import estimate_pose
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.pictures import DetectedFace, Estimates, Gender, Pose
from regulars_lab.studio import PORTRAITS
from tests.support.pictures.album import Album, Label
from tests.support.pictures.degrade import Picture, blurred, lit, shrunk

DECADES = (20, 30, 40, 50)
LEAST_FACE_PX = 40


@dataclass
class Group:
    """What was estimated of some labelled pictures."""

    years: list[float]
    genders: list[bool]
    """Whether those that were told are right."""
    expressions: list[bool]

    def line(self, name: str) -> str:
        age = (
            f"age off by {self.age_error:4.1f} (mean {np.mean(self.years):+5.1f}), "
            if self.years
            else ""
        )
        return (
            f"{name:22} {len(self.expressions):3} pictures: {age}gender told of "
            f"{len(self.genders):2}, "
            f"wrong of {self.genders.count(False)}, neutral or happy "
            f"{np.mean(self.expressions):4.0%}"
        )

    @property
    def age_error(self) -> float:
        """Mean difference in years; 0 if nobody's age is known."""
        return float(np.mean(np.abs(self.years))) if self.years else 0.0


def tight(
    picture: Picture, face: DetectedFace, share: float, side_px: int, grey: bool = False
) -> Picture:
    """The square about the face, `share` of its box's longer side, as collections of faces are
    cut."""
    box, half = face.box, share * max(face.box.width, face.box.height) / 2
    x, y = box.x + box.width / 2, box.y + box.height / 2
    height, width = picture.shape[:2]
    edges = (max(x - half, 0), max(y - half, 0), min(x + half, width), min(y + half, height))
    cut = Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BICUBIC, box=edges)
    return np.asarray(cut.convert("L").convert("RGB") if grey else cut)


WAYS: Mapping[str, Callable[[Picture, DetectedFace], Picture]] = {
    "cut tight to 200 px": lambda p, face: tight(p, face, 1.25, 200),
    "cut tight to 48 px, grey": lambda p, face: tight(p, face, 1.05, 48, grey=True),
    "face of 32 px": lambda p, face: shrunk(p, face.box.width / 32),
    "blurred": lambda p, face: blurred(p, 5),
    "dark": lambda p, face: lit(p, 0.15),
}


@pytest.fixture(scope="module")
def changed(album: Album, vision: FacePipeline) -> dict[str, Group]:
    """The portraits changed in each way, by the way."""
    found = {way: Group([], [], []) for way in WAYS}
    for label in album.of("people"):
        if "gender" in label.notes:
            seen = album.seen(label.file)
            for way, change in WAYS.items():
                picture = np.ascontiguousarray(change(seen.image, seen.faces[0]))
                faces = vision.detect(picture)[:1]
                for estimates in vision.describe(picture, faces):
                    add(found[way], label, estimates)
    return found


@pytest.fixture(scope="module")
def groups(album: Album) -> dict[str, Group]:
    found: dict[str, Group] = defaultdict(lambda: Group([], [], []))
    for label in album.of("people"):
        if "gender" in label.notes:
            estimates = album.seen(label.file).estimates[0]
            for name in names(label):
                add(found[name], label, estimates)
    return dict(found)


def names(label: Label) -> list[str]:
    kinds = [
        "all",
        *(
            label.notes[kind]
            for kind in ("expression", "gender", "ethnicity")
            if kind in label.notes
        ),
    ]
    if "age" in label.notes:
        low = max(decade for decade in DECADES if decade <= int(label.notes["age"]))
        kinds.append(f"{low} to {low + 9} years")
    return kinds


def add(group: Group, label: Label, estimates: Estimates) -> None:
    if "age" in label.notes:
        group.years.append((estimates.age or 0) - int(label.notes["age"]))
    if estimates.gender is not None:
        group.genders.append(estimates.gender is Gender(label.notes["gender"]))
    group.expressions.append(
        estimates.emotion == {"neutral": "neutral", "smiling": "happy"}[label.notes["expression"]]
    )


def test_the_figures(groups: dict[str, Group], figures: list[str]) -> None:
    figures += [group.line(name) for name, group in sorted(groups.items())]
    everybody = groups["all"]
    assert everybody.age_error < 5.2
    assert np.mean(everybody.genders) >= 0.95
    assert len(everybody.genders) >= len(everybody.expressions) / 2
    assert np.mean(groups["neutral"].expressions) >= 0.95
    assert np.mean(groups["smiling"].expressions) >= 0.75


def test_no_group_is_far_behind(groups: dict[str, Group]) -> None:
    """Of ten pictures and more."""
    for name, group in groups.items():
        if len(group.expressions) >= 10:
            assert group.age_error < 8, name
            assert group.genders.count(False) <= 0.15 * len(group.genders), name


def test_changed_pictures_are_read_nearly_as_well(
    changed: dict[str, Group], groups: dict[str, Group], figures: list[str]
) -> None:
    figures += [group.line(way) for way, group in changed.items()]
    pictures, worst = len(groups["all"].expressions), groups["all"].age_error + 1.0
    for way, group in changed.items():
        assert len(group.expressions) >= pictures / 2, way
        assert group.age_error < worst, way
        assert group.genders.count(False) <= 0.11 * len(group.genders), way
        assert np.mean(group.expressions) >= 0.75, way


@pytest.mark.parametrize("share", [0.85, 1.05, 1.5])
def test_a_tight_cut_changes_few_years(
    album: Album, vision: FacePipeline, figures: list[str], share: float
) -> None:
    """Pictures of 200 pixels that hardly hold the face: the age's crop then reaches over the
    edge."""
    changes = []
    for file in PORTRAITS[::2]:
        seen = album.seen(file)
        picture = tight(seen.image, seen.faces[0], share, 200)
        (estimates,) = vision.describe(picture, vision.detect(picture)[:1])
        changes.append((estimates.age or 0) - (seen.estimates[0].age or 0))
    figures.append(
        f"cut to {share} of the box: age off the wide picture's by {np.mean(np.abs(changes)):.1f} "
        "years"
    )
    assert np.mean(np.abs(changes)) < 2.5
    assert np.max(np.abs(changes)) < 8


@pytest.fixture(scope="module")
def told(album: Album) -> list[tuple[Label, Estimates]]:
    """The pictures whose persons' ages and expressions are known."""
    return [
        (label, album.seen(label.file).estimates[0])
        for label in album.of("people")
        if "gender" in label.notes
    ]


def test_an_expression_is_no_surer_than_it_is_right(told: list[tuple[Label, Estimates]]) -> None:
    """Neutral or smiling is what the labels say.

    Portraits are easy, so the score is rather too low here.
    """
    called = [
        (
            estimates.emotion_score or 0,
            {"neutral": "neutral", "happy": "smiling"}.get(estimates.emotion or ""),
            label,
        )
        for label, estimates in told
    ]
    right = np.array([word == label.notes["expression"] for _, word, label in called])
    scores = np.array([score for score, _, _ in called])
    assert scores.mean() <= right.mean()
    assert right[scores >= 0.8].mean() >= 0.85


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


def test_who_sat_for_a_portrait_looks_ahead(album: Album) -> None:
    for file in PORTRAITS:
        estimates = album.seen(file).estimates[0]
        assert abs(estimates.pose.yaw) < 15
        assert abs(estimates.pose.roll) < 12


def test_it_favours_no_group_of_people(album: Album) -> None:
    """Means by what people said of themselves differ by less than their spread."""
    scores: dict[str, list[float]] = {}
    for label in album.of("people"):
        score = album.seen(label.file).estimates[0].beauty
        for group in ("gender", "ethnicity"):
            if group in label.notes and score is not None and "/" not in label.notes[group]:
                scores.setdefault(label.notes[group], []).append(score)
    means = {group: float(np.mean(found)) for group, found in scores.items()}
    spread = float(np.std([score for found in scores.values() for score in found]))
    assert max(means.values()) - min(means.values()) < spread, means


def turned(pose: Pose | None) -> tuple[float, float, float]:
    return pose.yaw, pose.pitch, pose.roll


def test_the_pose_by_landmarks_is_near_the_models(album: Album) -> None:
    """Of faces of 40 pixels and more: the mean difference in degrees from the pack's model, on the
    same faces."""
    off = []
    for label in [*album.of("people"), *album.of("multi")]:
        seen = album.seen(label.file)
        for face, estimates in zip(seen.faces, seen.estimates, strict=True):
            if face.box.width >= LEAST_FACE_PX:
                off.append(
                    np.subtract(turned(estimate_pose(face.landmarks)), turned(estimates.pose))
                )
                assert estimates.find_source("pose") == "model"
    yaw, pitch, roll = np.abs(off).mean(axis=0)
    assert len(off) > 70
    assert yaw < 3
    assert pitch < 9
    assert roll < 4
