"""Of the frames of somebody who comes nearer, `best_shot` sends one of those that the service
recognises best."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from regulars_edge.choose.faces import Detector, judge_worth

from chalicelib.book.vision.pipeline import FacePipeline
from tests.support.examples import rest
from tests.support.pictures.passages import (
    KINDS,
    TOLERATED,
    Look,
    cut_head,
    draw_frame,
    draw_passage,
    draw_room,
    find_shots,
    score_pictures,
)

pytestmark = rest

DIRECTIONS = (0, 45, 90, 135)
IN_NOISE = 0.1
"""By how much scores of two frames of one moment differ in dim light."""


@pytest.fixture
def portraits(photos: Path) -> list[Path]:
    """A picture of each person."""
    people = (photos / "people").glob("*_1.jpg")
    return sorted(file for file in people if "partial" not in file.name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shot_is_as_good_as_the_best_frame(
    vision: FacePipeline, portraits: list[Path], kind: str
) -> None:
    """`make best-shots` tries a hundred longer passages of 24 people."""
    for seed, file in enumerate(portraits):
        portrait = Image.open(file).convert("RGB")
        pictures = draw_passage(cut_head(portrait), kind, seed, frames=12)
        scores = score_pictures(vision, portrait, pictures)
        shot, *_ = find_shots(pictures)
        print(kind, file.name, shot, [round(score, 2) for score in scores])
        assert scores[shot] >= max(scores) - (IN_NOISE if kind == "dim" else TOLERATED)


def test_a_sharp_face_is_worth_more_than_a_larger_one_that_moves(portraits: list[Path]) -> None:
    """Whatever its direction."""
    detector, room, chance = Detector(), draw_room(1), np.random.default_rng(1)
    for file, direction in itertools.product(portraits, DIRECTIONS):
        head = cut_head(Image.open(file).convert("RGB"))
        way = math.cos(math.radians(direction)), math.sin(math.radians(direction))
        looks = [Look(65), *(Look(100, (px * way[0], px * way[1])) for px in (9, 12, 16))]
        pictures = [draw_frame(room, head, look, 0.5, chance) for look in looks]
        sharp, *moved = (
            judge_worth(picture, detector.find_faces(picture)[0]) for picture in pictures
        )
        print(file.name, direction, round(sharp, 2), [round(one, 2) for one in moved])
        assert sharp > max(moved)
