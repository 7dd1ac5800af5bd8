"""Conditions that are drawn into a picture of a face, and passages before a camera."""

import numpy as np
import pytest

from chalicelib.domain.pictures import BoundingBox, DetectedFace
from regulars_lab.camera import CAMERAS, FRAMES, Frame
from regulars_lab.conditions import CONDITIONS, Picture
from regulars_lab.evaluate.command import calibrate, evaluate

FACE = DetectedFace(
    BoundingBox(70, 60, 80, 100),
    ((90.0, 95.0), (130.0, 97.0), (110.0, 115.0), (95.0, 135.0), (127.0, 136.0)),
    0.9,
)


def draw_scene(seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (220, 220, 3), np.uint8)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_picture_is_always_drawn_the_same_way(name: str) -> None:
    scene = draw_scene(1)
    drawn = CONDITIONS[name](scene, FACE)
    assert drawn.dtype == np.uint8
    assert drawn.shape != scene.shape or (drawn != scene).any()
    assert (drawn == CONDITIONS[name](scene, FACE)).all()
    assert (scene == draw_scene(1)).all()


def test_masks_differ_from_picture_to_picture_and_leave_the_eyes() -> None:
    scenes = [draw_scene(seed) for seed in range(8)]
    drawn = [CONDITIONS["mask"](scene, FACE) for scene in scenes]
    cloths = {tuple(picture[120:140, 100:120].mean(axis=(0, 1)).round(-1)) for picture in drawn}
    assert len(cloths) > 4
    for scene, picture in zip(scenes, drawn, strict=True):
        assert (picture[60:94] == scene[60:94]).all()
        assert (picture[120:130, 95:125] != scene[120:130, 95:125]).mean() > 0.9


def test_the_command_has_every_condition() -> None:
    (option,) = (option for option in evaluate.params if option.name == "conditions")
    assert list(option.to_info_dict()["type"]["choices"]) == list(CONDITIONS)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_passage_is_always_drawn_the_same_way_and_each_frame_differs(camera: str) -> None:
    scene = draw_scene(1)
    frames = [Frame(camera, number)(scene, FACE) for number in range(FRAMES)]
    again = [Frame(camera, number)(scene, FACE) for number in range(FRAMES)]
    assert all((one == other).all() for one, other in zip(frames, again, strict=True))
    assert len({frame.tobytes() for frame in frames}) == FRAMES
    # the eyes of FACE are 40 pixels apart in 220
    least, most = (220 * eyes_px / 40 for eyes_px in CAMERAS[camera].eyes_px)
    assert all(least - 1 <= len(frame) <= most + 1 for frame in frames)


def test_the_dark_is_darker_and_motion_takes_detail_from_a_frame() -> None:
    scene = draw_scene(1)
    means, details = (
        {
            camera: measure([Frame(camera, number)(scene, FACE) for number in range(FRAMES)])
            for camera in CAMERAS
        }
        for measure in (
            lambda frames: np.mean([frame.mean() for frame in frames]),
            lambda frames: np.mean([frame.std(axis=(0, 1)).mean() for frame in frames]),
        )
    )
    assert means["dark"] < 0.8 * means["typical"]
    assert details["motion"] < details["typical"]


def test_the_commands_have_every_camera() -> None:
    for command in (evaluate, calibrate):
        (option,) = (option for option in command.params if option.name == "cameras")
        assert list(option.to_info_dict()["type"]["choices"]) == list(CAMERAS)
