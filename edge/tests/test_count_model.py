"""The network that finds people, on drawn ones; `make count` has more films, and longer ones."""

import hashlib
import itertools
import tomllib

import pytest
from regulars_edge.count import people
from regulars_edge.count.line import parse_line
from regulars_edge.count.people import CANVAS_PX, PersonDetector
from rig.figures import (
    HEIGHT,
    SIZE_PX,
    Outcome,
    count_film,
    film,
    infrared,
    light,
    nobody,
    same,
    seen,
)
from rig.walkers import Walk, path, straight

from tests.support.examples import parametrize

LINE = parse_line([[0.0, 0.5], [1.0, 0.5]])
SPEED = 70
DOOR: list[Walk] = [
    straight(90, 55, 330, SPEED),
    straight(150, 55, 330, SPEED, begins=0.2),
    straight(330, 310, 55, SPEED, begins=1),
    path((0, 176), (20, 182), x=240),
    path((0, 70), (2, 178), (3.5, 182), (5.5, 70), x=420),
    straight(500, 60, 320, SPEED, begins=2.5),
]
"""Two side by side, one against them, one who stands on the line, one who turns back on it, and one
more."""
COUNTED = ["in", "in", "in", "out"]


@pytest.fixture
def looks(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--edge-count-looks"))


@pytest.fixture(scope="module")
def detector() -> PersonDetector:
    return PersonDetector()


def test_the_file_is_the_one_that_its_manifest_names() -> None:
    folder = people.MODEL.parent
    [file] = tomllib.loads((folder / "manifest.toml").read_text())["file"]
    content = (folder / file["name"]).read_bytes()
    assert file["name"] == people.MODEL.name
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (
        file["sha256"],
        file["size_bytes"],
    )
    assert "Apache License" in (folder / "LICENSE.open-model-zoo.txt").read_text()


def test_people_are_found_where_they_are_drawn(detector: PersonDetector) -> None:
    walks: list[Walk] = [path((0, 100), (1, 100), x=100), path((0, 250), (1, 250), x=300)]
    picture = seen(walks, 0.5)
    bodies = detector.find_bodies(picture.resize(CANVAS_PX), SIZE_PX)
    assert len(bodies) == 2
    for body, middle in zip(sorted(bodies, key=lambda one: one.centre), walks, strict=True):
        place = middle(0.5)
        assert place is not None
        assert body.centre == pytest.approx(place, abs=HEIGHT / 10)
        assert body.box_xywh[3] == pytest.approx(HEIGHT, rel=0.2)
        assert body.score > 0.8


def test_a_drawn_door_is_counted(detector: PersonDetector) -> None:
    assert sorted(count_film(film(DOOR, 7.5), LINE, detector).ways) == COUNTED


def test_a_room_with_nobody_counts_nobody(detector: PersonDetector, looks: int) -> None:
    """Though a door leaf, lights, the sun and a trolley move, so that it looks all the time."""
    outcome = count_film(nobody(looks), LINE, detector)
    assert outcome == Outcome([], looks, 0)


CASES = [
    *itertools.product((3.3, 5, 10), (0.4, 0.45, 0.55, 0.6), ("day",)),
    *itertools.product((5,), (0.5,), ("infrared", "a fifth", "a twelfth")),
]


@parametrize(("rate", "height", "change"), CASES, gate=1)
def test_a_drawn_door_is_counted_at_any_rate_and_in_the_dark(
    detector: PersonDetector, rate: float, height: float, change: str
) -> None:
    made = {"infrared": infrared, "a fifth": light(1 / 5), "a twelfth": light(1 / 12)}
    line = parse_line([[0.0, height], [1.0, height]])
    walks = [DOOR[0], DOOR[1], DOOR[2], DOOR[5]]
    pictures = film(walks, 7.5, rate, made.get(change, same))
    assert sorted(count_film(pictures, line, detector, rate).ways) == COUNTED
