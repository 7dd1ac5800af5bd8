"""The quality score goes down with everything that makes a face harder to recognise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from chalicelib.core.model import Box, DetectedFace, Pose
from chalicelib.vision import quality
from chalicelib.vision.pipeline import FacePipeline
from tests.vision.album import Album

PEOPLE = ["people/london_005_neutral.jpg", "people/london_042_smiling.jpg", "people/obama_1.jpg"]
SLACK = 1.0

Change = Callable[[Image.Image, float], Image.Image]


def scores(vision: FacePipeline, image: Image.Image, change: Change, steps: list[float]) -> list[float]:
    found = []
    for step in steps:
        changed = np.asarray(change(image, step))
        estimates = vision.describe(changed, vision.detect(changed)[:1])
        found.append(estimates[0].quality or 0.0 if estimates else 0.0)
    return found


def blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def shrunk(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width / factor), round(image.height / factor)), Image.Resampling.BOX)


def flattened(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1 / factor)


def overexposed(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


@pytest.mark.parametrize("file", PEOPLE)
@pytest.mark.parametrize(
    ("change", "steps", "drop"),
    [(blurred, [0, 2, 4, 8, 12], 20), (shrunk, [1, 4, 8, 12, 16], 30), (flattened, [1, 3, 6, 12], 10)],
)
def test_it_falls_step_by_step(
    file: str, change: Change, steps: list[float], drop: float, album: Album, vision: FacePipeline
) -> None:
    found = scores(vision, Image.fromarray(album.seen(file).image), change, steps)
    assert all(later <= earlier + SLACK for earlier, later in pairwise(found)), found
    assert found[-1] < found[0] - drop, found


def test_a_face_washed_out_by_light_scores_less(album: Album, vision: FacePipeline) -> None:
    found = scores(vision, Image.fromarray(album.seen(PEOPLE[0]).image), overexposed, [1, 2, 3])
    assert found[-1] < found[0] - 20, found


def test_a_good_portrait_is_good_whatever_the_skin(album: Album) -> None:
    for label in album.of("people"):
        if "age" in label.notes:
            assert (album.seen(label.file).estimates[0].quality or 0) > 90, label.file


def test_small_faces_of_a_crowd_score_below_portraits(album: Album) -> None:
    crowd = [estimates.quality or 0 for estimates in album.seen("multi/classroom_small.jpg").estimates]
    assert max(crowd) < 40


def test_turned_heads_score_less() -> None:
    angles = [0, 20, 40, 60, 80]
    shares = [quality.frontality(Pose(yaw, 0, 0)) for yaw in angles]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1, 0)
    assert quality.frontality(Pose(30, 0, 0)) == quality.frontality(Pose(0, -30, 0))
    assert quality.frontality(Pose(0, 0, 80)) == 1


def test_a_blank_face_is_worth_next_to_nothing() -> None:
    face = DetectedFace(Box(0, 0, 100, 100), ((30, 40), (31, 40), (50, 60), (35, 80), (65, 80)), 0.6)
    for level in (0, 128, 255):
        assert quality.quality(face, np.full((128, 128, 3), level, np.uint8), Pose(90, 0, 0)) < 5


def test_weights_are_shares() -> None:
    assert sum(quality.WEIGHTS.values()) == pytest.approx(1)
