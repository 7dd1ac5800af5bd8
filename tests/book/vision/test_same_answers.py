"""What the pipeline answered when answers.json was written, it answers today: no speed is bought
with other answers.

`python -m tests.book.vision.test_same_answers` writes that file anew, for changes that are meant to
change answers. A template is held by a few of its values: it is 0.999 alike if all of them together
differ by sqrt(0.002), and these by their share of that.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.pipeline import FacePipeline
from tests.support.pictures.album import Album, Seen
from tests.support.pictures.photos import CUT_OFF, FOLDER, GROUP, OTHER, PORTRAIT

ANSWERS = Path(__file__).with_name("answers.json")
FILES = (PORTRAIT, OTHER, CUT_OFF, GROUP)
"""Portraits, a face at the border, and several faces."""

VALUES = 16
"""Values of a template that are kept."""
LIKENESS = 0.999
PIXELS = 0.05
YEARS, SHARE, POINTS = 0.1, 0.01, 0.5


def answers(seen: Seen) -> list[dict[str, Any]]:
    """What is held of each face of a picture, in the order of the answer."""
    return [
        {
            "box": [
                round(side, 3) for side in (face.box.x, face.box.y, face.box.width, face.box.height)
            ],
            "landmarks": [round(place, 3) for point in face.landmarks for place in point],
            "template": [round(float(value), 5) for value in row[:VALUES]],
            "age": round(found.age or 0, 2),
            "gender": found.gender,
            "emotion": found.emotion,
            "scores": [
                round(score or 0, 4)
                for score in (face.score, found.gender_score, found.emotion_score)
            ],
            "liveness": found.liveness and round(found.liveness, 4),
            "quality": round(found.quality or 0, 2),
        }
        for face, row, found in zip(seen.faces, seen.embeddings, seen.estimates, strict=True)
    ]


@pytest.mark.parametrize("file", FILES)
def test_the_answers_are_those_of_the_file(file: str, album: Album, pack: Pack) -> None:
    wanted = json.loads(ANSWERS.read_text())[file]
    found = answers(album.seen(file))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one["box"] == pytest.approx(other["box"], abs=PIXELS)
        assert one["landmarks"] == pytest.approx(other["landmarks"], abs=PIXELS)
        far = np.linalg.norm(np.subtract(one["template"], other["template"]))
        assert far <= math.sqrt(2 * (1 - LIKENESS) * VALUES / pack.manifest.embedding.dimensions)
        assert one["age"] == pytest.approx(other["age"], abs=YEARS)
        assert [one["gender"], one["emotion"]] == [other["gender"], other["emotion"]]
        assert one["scores"] == pytest.approx(other["scores"], abs=SHARE)
        assert one["liveness"] == pytest.approx(other["liveness"], abs=SHARE)
        assert one["quality"] == pytest.approx(other["quality"], abs=POINTS)


if __name__ == "__main__":
    album = Album(FacePipeline(packs.find(None)), FOLDER)
    held = {file: answers(album.seen(file)) for file in FILES}
    ANSWERS.write_text(json.dumps(held).replace('{"box"', '\n{"box"') + "\n")  # a line a face
