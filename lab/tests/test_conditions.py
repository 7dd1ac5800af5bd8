"""Conditions that are drawn into a picture of a face."""

import numpy as np
import pytest

from chalicelib.domain.pictures import BoundingBox, DetectedFace
from regulars_lab.conditions import CONDITIONS, Picture
from regulars_lab.evaluate.command import evaluate

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
