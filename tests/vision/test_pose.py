"""Head pose from landmarks: exact for the average face at any angle, near the model's for people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.core.pictures import Pose
from chalicelib.vision.describe.attributes import MEAN_FACE, from_landmarks
from tests.photos import of_24_people
from tests.vision.album import Album

LEAST_FACE_PX = 40


def seen_from(pose: Pose, scale: float = 60.0, shift: float = 100.0) -> tuple[tuple[float, float], ...]:
    """Where the average face's five points lie in a picture: turned by roll, then pitch, then yaw."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw, pose.pitch, pose.roll))
    about_depth = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    about_across = [[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]]
    about_down = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    turned = MEAN_FACE @ (np.array(about_down) @ np.array(about_across) @ np.array(about_depth)).T
    return tuple((float(x) * scale + shift, float(y) * scale + shift) for x, y, _ in turned)


def angles(pose: Pose | None) -> tuple[float, float, float]:
    assert pose is not None
    return pose.yaw, pose.pitch, pose.roll


TURNS = st.builds(Pose, st.floats(-75, 75), st.floats(-60, 60), st.floats(-170, 170))


@given(TURNS, st.floats(10, 500), st.floats(-1e4, 1e4))
def test_the_average_faces_pose_is_found_whatever_its_size_and_place(pose: Pose, scale: float, shift: float) -> None:
    assert angles(from_landmarks(seen_from(pose, scale, shift))) == pytest.approx(angles(pose), abs=1e-4)


@given(TURNS)
def test_a_mirrored_face_looks_and_leans_the_other_way(pose: Pose) -> None:
    left, right, nose, one, other = ((-x, y) for x, y in seen_from(pose))
    mirrored = from_landmarks((right, left, nose, other, one))
    assert angles(mirrored) == pytest.approx((-pose.yaw, pose.pitch, -pose.roll), abs=1e-4)


@given(TURNS, st.integers(0, 2**32 - 1))
def test_landmarks_that_are_a_little_off_change_it_little(pose: Pose, seed: int) -> None:
    """By 2 % of the eyes' distance, as much as landmarks move with the box: by 8 degrees at most."""
    off = np.random.default_rng(seed).uniform(-0.02, 0.02, (5, 2)) * 60
    moved = tuple((x + float(dx), y + float(dy)) for (x, y), (dx, dy) in zip(seen_from(pose), off, strict=True))
    assert facing(from_landmarks(moved)) @ facing(pose) > math.cos(math.radians(8))


def facing(pose: Pose | None) -> NDArray[np.float64]:
    """Where the nose points."""
    yaw, pitch, _ = (math.radians(angle) for angle in angles(pose))
    return np.array([math.cos(pitch) * math.sin(yaw), math.sin(pitch), math.cos(pitch) * math.cos(yaw)])


@pytest.mark.parametrize("points", [((5.0, 5.0),) * 5, tuple((float(x), 2.0 * x) for x in range(5))])
def test_a_point_or_a_line_has_none(points: tuple[tuple[float, float], ...]) -> None:
    assert from_landmarks(points) is None


@of_24_people
def test_it_is_near_the_models(album: Album) -> None:
    """Of faces of 40 pixels and more: the mean difference in degrees from the pack's model, on the same faces."""
    off = []
    for label in [*album.of("people"), *album.of("multi")]:
        seen = album.seen(label.file)
        for face, estimates in zip(seen.faces, seen.estimates, strict=True):
            if face.box.width >= LEAST_FACE_PX:
                off.append(np.subtract(angles(from_landmarks(face.landmarks)), angles(estimates.pose)))
                assert estimates.source("pose") == "model"
    yaw, pitch, roll = np.abs(off).mean(axis=0)
    assert len(off) > 70
    assert yaw < 3
    assert pitch < 9
    assert roll < 4
