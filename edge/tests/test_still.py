"""A poster's face is sent for ten minutes, then once an hour; people are sent as ever."""

import json
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from regulars_edge.choose.by_face import BestShot, WithFaces
from regulars_edge.choose.chooser import ChangeFirst, Chooser, find_time_ms
from regulars_edge.choose.faces import Face, FaceFinder
from regulars_edge.choose.still import AGAIN_MS, KEPT_MS, LOOK_PX, STILL_MS, StillFaces
from regulars_edge.config import parse_config
from regulars_edge.frames import Frame
from regulars_edge.run import Uploader
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Memory, Stamp
from rig.film import decoded

SIDE, STEP_MS = 40, 2_000
POSTER, PERSON = (
    Image.effect_mandelbrot((SIDE, SIDE), box, 60) for box in ((-2, -1, 1, 1), (-1, -1, 0, 0))
)
"""Two faces, as far as a detector that is told where they are can tell."""
DIM_POSTER = POSTER.point(lambda grey: grey // 2 + 40)

Seen = tuple[Image.Image, int]
"""A face, and where its left edge is."""
Scene = Callable[[int], list[Seen]]
"""What is to be seen at a moment, in ms."""


class Told(FaceFinder):
    """A finder that is told what is where; as any other, it gives the same faces as long as nothing
    changes."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.faces: list[Face] = []

    def show(self, seen: list[Seen]) -> None:
        if seen != self.seen:
            self.seen, self.faces = seen, [make_face(left) for _, left in seen]

    def find_faces(self, frame: Frame) -> list[Face]:
        return self.faces


def make_face(left: int) -> Face:
    eyes = ((left + 12.0, 20.0), (left + 28.0, 20.0), (left + 20.0, 28.0))
    return Face((left, 10, SIDE, SIDE), eyes, 0.9)


Make = Callable[[FaceFinder, StillFaces], Chooser]


def make_best_shot(finder: FaceFinder, still: StillFaces) -> Chooser:
    return BestShot(finder, 10.0, still=still)


def make_with_faces(finder: FaceFinder, still: StillFaces) -> Chooser:
    return WithFaces(finder, None, still)


def choose(make: Make, scene: Scene, *spans: range, memory: Memory | None = None) -> list[int]:
    """When the frames that are sent were taken, in ms.

    `spans`: when all are taken; `memory`: of what is still, over a restart.
    """
    told = Told()

    def film() -> Iterator[Frame]:
        for at_ms in chain(*spans):
            picture = Image.new("RGB", (200, 60), (90, 90, 90))
            for face, left in scene(at_ms):
                picture.paste(face, (left, 10))
            told.show(scene(at_ms))
            noise = Image.effect_noise(picture.size, 6).convert("RGB")
            yield decoded(ImageChops.add(picture, noise, 1, -128), Stamp(stated_ms=at_ms))

    chooser = make(told, StillFaces(*(memory or ())))
    return [find_time_ms(frame) for frame in chooser.choose(film())]


@pytest.fixture(params=[make_best_shot, make_with_faces], ids=["best_shot", "faces"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


LEARNING = range(0, STILL_MS + 20_000, STEP_MS)


def test_a_poster_is_sent_for_ten_minutes_then_once_an_hour(make: Make) -> None:
    hours = range(LEARNING.stop, LEARNING.stop + 3 * AGAIN_MS + 60_000, 60_000)
    sent = choose(make, lambda _: [(POSTER, 30)], LEARNING, hours)
    first = [at for at in sent if at <= STILL_MS]
    assert len(first) >= STILL_MS / 12_000
    later = sent[len(first) :]
    assert len(later) == 3
    assert all(after - before == AGAIN_MS for before, after in pairwise(later))


def test_somebody_who_sits_and_moves_the_head_is_sent_as_ever(make: Make) -> None:
    """By 5 % of a face, each four seconds."""

    def scene(at_ms: int) -> list[Seen]:
        return [(PERSON, 30 + SIDE // 20 * (at_ms // 4_000 % 2))]

    sent = choose(make, scene, range(0, 2 * STILL_MS, STEP_MS))
    assert len([at for at in sent if at > STILL_MS]) >= STILL_MS / 12_000


def test_who_stands_before_a_poster_is_sent_and_the_poster_is_not_sent_again(make: Make) -> None:
    """Where the poster's face is, for half a minute; then beside it."""
    before, beside = (range(STILL_MS + at, STILL_MS + at + 30_000) for at in (60_000, 120_000))

    def scene(at_ms: int) -> list[Seen]:
        if at_ms in before:
            return [(PERSON, 30)]
        return [(POSTER, 30), *[(PERSON, 120)] * (at_ms in beside)]

    sent = choose(make, scene, LEARNING, range(LEARNING.stop, STILL_MS + 180_000, STEP_MS))
    people = [at for at in sent if at > STILL_MS]
    assert all(at in before or at in beside for at in people)
    assert len([at for at in people if at in before]) >= 3
    assert len([at for at in people if at in beside]) >= 3


def test_a_poster_before_which_people_pass_is_still_all_the_same(make: Make) -> None:
    """Each minute a face covers it, for four seconds."""

    def is_covered(at_ms: int) -> bool:
        return at_ms % 60_000 >= 56_000

    sent = choose(
        make,
        lambda at_ms: [(PERSON if is_covered(at_ms) else POSTER, 30)],
        range(0, STILL_MS + 180_000, STEP_MS),
    )
    assert all(is_covered(at) for at in sent if at > STILL_MS)


def test_a_poster_is_known_again_in_the_morning_and_in_less_light(make: Make) -> None:
    night = range(LEARNING.stop, LEARNING.stop + KEPT_MS // 2, AGAIN_MS)

    def scene(at_ms: int) -> list[Seen]:
        if at_ms in LEARNING:
            return [(POSTER, 30)]
        return [] if at_ms in night else [(DIM_POSTER, 30)]

    morning = range(night.stop, night.stop + STILL_MS, 10 * STEP_MS)
    sent = choose(make, scene, LEARNING, night, morning)
    assert len([at for at in sent if at > STILL_MS]) == 1, (
        "once, since more than an hour has passed"
    )


def test_a_poster_is_known_again_after_a_restart_though_the_clock_begins_anew(make: Make) -> None:
    kept = list[str]()
    choose(make, lambda _: [(POSTER, 30)], LEARNING, memory=Memory(kept.append))
    assert len(kept) == 1, "once, and not at each look"
    sent = choose(
        make,
        lambda at_ms: [(POSTER, 30), *[(PERSON, 120)] * (at_ms > STILL_MS)],
        LEARNING,
        memory=Memory(kept.append, kept[0]),
    )
    assert min(sent) > STILL_MS, "the person alone"
    later = range(KEPT_MS + 60_000, KEPT_MS + 120_000, STEP_MS)
    choose(make, lambda _: [], range(1), later, memory=Memory(kept.append, kept[0]))
    assert kept[-1] == "[]", "it was taken down"


@pytest.mark.parametrize("send", ["best_shot", "faces"])
def test_a_box_keeps_in_its_spool_where_posters_are(tmp_path: Path, send: str) -> None:
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/shot.jpg", "send": send}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [row]}
    with spools.open_spool(tmp_path / "spool") as spool:
        for known in (0, 1):
            (capture,) = Uploader(parse_config(raw), spool, str).captures
            chooser = capture.make(capture.config).chooser
            while isinstance(chooser, ChangeFirst):
                chooser = chooser.chooser
            assert isinstance(chooser, BestShot | WithFaces)
            assert len(chooser.still._places) == known
            chooser.still.keep(json.dumps([[[30, 10, SIDE, SIDE], "003c" * LOOK_PX**2]]))


@pytest.mark.parametrize(
    "memory", ["{", "7", "[7]", '[[[1, 2, 3], "00"]]', '[[[0, 0, 9, 9], "00"]]']
)
def test_a_memory_of_posters_that_makes_no_sense_is_begun_anew(memory: str) -> None:
    assert choose(make_with_faces, lambda _: [(POSTER, 30)], range(2), memory=Memory(str, memory))
