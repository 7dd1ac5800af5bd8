"""A face that was hidden in a picture is recognised by no model, and those beside it still are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chalicelib.core.pictures import Box, DetectedFace, PictureRules
from chalicelib.vision.pipeline import FacePipeline
from tests import photos as at_hand

RULES = PictureRules(frozenset({"JPEG", "PNG"}), 20_000_000, 8_192, 8_192)


def at(faces: list[DetectedFace], box: Box) -> list[DetectedFace]:
    """The faces whose centre lies in the box."""
    middle = [(one, one.box.x + one.box.width / 2, one.box.y + one.box.height / 2) for one in faces]
    return [one for one, x, y in middle if box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height]


def test_the_hidden_one_of_several_is_nobody_and_the_others_are_who_they_were(
    vision: FacePipeline, photos: Path
) -> None:
    image = vision.read((photos / at_hand.CROWD).read_bytes(), RULES)
    faces = vision.detect(image)
    assert len(faces) >= 3
    before = vision.embed(image, faces)
    threshold = vision.impostor_curve.operating_threshold(1_000, 0.003)
    for number, hidden in enumerate(faces[:3]):
        after = vision.read(vision.hidden(image, [hidden.box]), RULES)
        seen = vision.detect(after)
        found = at(seen, hidden.box)
        if found:
            scores = vision.embed(after, found) @ before[number]
            assert scores.max() < threshold
        far = [n for n, one in enumerate(faces) if n != number and not at([one], _wide(hidden.box))]
        for other in far:
            again = at(seen, faces[other].box)
            assert again, "the others are still seen"
            assert (vision.embed(after, again) @ before[other]).max() > 0.9


def _wide(box: Box) -> Box:
    return Box(box.x - box.width, box.y - box.height, 3 * box.width, 3 * box.height)


def test_the_template_of_a_hidden_portrait_is_not_the_persons(vision: FacePipeline, photos: Path) -> None:
    worst = -1.0
    for file in at_hand.PORTRAITS[:12]:
        image = vision.read((photos / file).read_bytes(), RULES)
        [face, *_] = vision.detect(image)
        after = vision.read(vision.hidden(image, [face.box]), RULES)
        # Where the face was, even if nothing is detected there.
        scores = vision.embed(after, [face]) @ vision.embed(image, [face])[0]
        worst = max(worst, float(np.max(scores)))
    assert worst < vision.impostor_curve.operating_threshold(1_000, 0.003)
