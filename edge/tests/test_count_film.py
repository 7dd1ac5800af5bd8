"""A minute of film without people: what is in it, which minute it is, and that it says what was
counted."""

import json
import random
from base64 import b64decode
from itertools import count
from typing import Any

import pytest
from PIL import Image
from regulars_edge.choose.chooser import Areas, Background, Prepared
from regulars_edge.count.film import (
    GRID,
    LEAST_CROSSINGS,
    LEAST_FEET,
    MOST_BODIES,
    MOST_LOOKS,
    Feet,
    FilmKeeper,
    blank_near,
)
from regulars_edge.count.line import Crossing
from regulars_edge.count.people import Body
from regulars_edge.errors import SpoolFull
from regulars_edge.spool.counts import MINUTE_MS
from regulars_edge.spool.model import Film
from rig.filming import OFFSET_MS, VIEW, Filming
from rig.standin import find_fault_of_film
from rig.walkers import ACROSS, SIZE_PX, Walk, body, path, straight

DOWN = straight(500, 50, 950, 200, begins=20)


def squares(look: dict[str, str]) -> set[tuple[int, int]]:
    """Column and row of each square in which something moved."""
    bits = "".join(f"{byte:08b}" for byte in b64decode(look["moved"]))
    return {(at % GRID[0], at // GRID[0]) for at, bit in enumerate(bits) if bit == "1"}


def at_squares(count: int) -> set[int]:
    """Edges of squares, in thousandths."""
    return {round(1000 * at / count) for at in range(count + 1)}


def find_look(film: dict[str, Any], ms: int) -> dict[str, Any]:
    [look] = [look for look in film["looks"] if look["ms"] == ms]
    return dict(look)


def test_a_minute_with_a_crossing_is_kept_as_boxes_and_squares() -> None:
    filming = Filming()
    filming.show([DOWN])
    [film] = filming.read()
    assert (film["in"], film["out"], film["grid"]) == (1, 0, [48, 27])
    assert (film["line"], film["seconds"]) == ([[0.0, 0.5], [1.0, 0.5]], 60)
    assert film["at"] == "2026-09-21T14:13:00Z"
    [crossing] = film["crossings"]
    assert crossing["way"] == "in"
    assert abs(crossing["ms"] - 22_400) <= 1_000
    look = find_look(film, 22_000)
    x, y = 500, 50 + 200 * 2.0
    [[left, top, width, height, is_sure]] = look["bodies"]
    assert is_sure == 1
    edges = (left, x - 45), (left + width, x + 45), (top, y - 100), (top + height, y + 100)
    assert all(abs(told - true) <= 1000 / 27 / 2 for told, true in edges)
    assert all(at in at_squares(48) for at in (left, left + width))
    assert all(at in at_squares(27) for at in (top, top + height))
    moved = squares(look)
    assert (x * GRID[0] // 1000, int(y) * GRID[1] // 1000) in moved
    assert all(abs(column - x * 48 / 1000) < 4 and row < 16 for column, row in moved)
    assert squares(find_look(film, 10_000)) == set()


def test_who_moved_and_was_not_found_is_seen_as_squares() -> None:
    """One of two is found by the network."""
    filming = Filming()
    missed = straight(150, 50, 950, 200, begins=30)
    filming.door.people.bodies_of = lambda bodies: [one for one in bodies if one.centre[0] > 300]
    filming.show([DOWN, missed])
    [film] = filming.read()
    assert film["in"] == 1
    look = find_look(film, 32_000)
    assert look["bodies"] == []
    assert any(column < 10 for column, _ in squares(look))


def test_who_stood_for_long_leaves_nothing_where_he_stood() -> None:
    """The wall behind him is new to the camera, and does not move."""
    filming = Filming()
    filming.show([path((0, 300), (30, 300), (33, 900))])
    [film] = filming.read()
    moved = squares(find_look(film, 31_000))
    assert any(row > 11 for _, row in moved)
    assert not any(row < 8 for _, row in moved)


def test_who_is_found_weakly_is_told_as_that() -> None:
    filming = Filming()
    filming.door.people.bodies_of = lambda bodies: [
        *bodies,
        *(body(100, 100, score=0.4) for _ in bodies),
    ]
    filming.show([DOWN])
    [film] = filming.read()
    assert [box[4] for box in find_look(film, 22_000)["bodies"]] == [1, 0]


def test_nothing_moves_behind_a_mask() -> None:
    filming = Filming()
    masks = Areas((((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0)),))
    filming.door.change = lambda frame: Prepared(frame, masks)
    filming.door.people.bodies_of = lambda bodies: [one for one in bodies if one.centre[0] > 400]
    filming.show([DOWN, straight(150, 50, 950, 200, begins=20)])
    [film] = filming.read()
    moved = set().union(*(squares(look) for look in film["looks"]))
    assert moved
    assert min(column for column, _ in moved) >= 0.4 * GRID[0] - 1


@pytest.mark.parametrize(
    ("walks", "light", "offset_ms", "is_overdue", "kept"),
    [
        ([DOWN], 1.0, OFFSET_MS, False, 1),
        ([], 1.0, OFFSET_MS, False, 0),
        ([], 1.0, OFFSET_MS, True, 1),
        ([DOWN], 0.02, OFFSET_MS, True, 0),
        ([DOWN], 1.0, None, True, 0),
    ],
    ids=["a crossing", "nobody", "nobody, who waits", "dark", "the time is not known"],
)
def test_a_minute_is_kept_if_its_numbers_are_known(
    walks: list[Walk], light: float, offset_ms: int | None, is_overdue: bool, kept: int
) -> None:
    filming = Filming(offset_ms=offset_ms, is_overdue=is_overdue)
    filming.show(walks, light=light)
    assert len(filming.read()) == kept


def test_a_camera_that_was_away_has_no_film() -> None:
    """Nobody watched half of the minute; the frames come back in another one."""
    filming = Filming()
    filming.show([DOWN], 30)
    filming.show([], 70, begins_ms=300_000)
    assert filming.read() == []


def test_a_film_says_what_is_told_of_its_minute() -> None:
    """People cross at any time, also around a minute's end; some are lost just beyond the line."""
    rng = random.Random(11)
    walks: list[Walk] = []
    for begins in range(50, 175, 4):
        ends_y = rng.choice((950, 520))
        walks.append(straight(60 + 880 * rng.random(), 50, ends_y, 230, begins + rng.random()))
    filming = Filming()
    filming.show(walks, 184)
    films = filming.read()
    assert len(films) >= 2
    for film, kept in zip(films, filming.films, strict=True):
        number = (kept.at_ms - OFFSET_MS) // MINUTE_MS
        told = filming.sum_minute(number)
        assert (film["in"], film["out"], film["seconds"]) == told
        assert told[0] > 0


def test_who_crossed_at_a_minutes_end_and_is_lost_then_is_in_its_film() -> None:
    """That he crossed is known a second later, in the next minute."""
    filming = Filming()
    filming.show([straight(500, 50, 525, 230, begins=59.8 - 475 / 230)])
    [film] = filming.read()
    assert (film["in"], film["out"]) == filming.sum_minute(0)[:2] == (1, 0)
    [crossing] = film["crossings"]
    assert crossing["ms"] >= 59_000


def test_a_film_has_bounds_however_many_people_and_pictures_there_are() -> None:
    films = list[Film]()
    keeper = FilmKeeper(ACROSS, VIEW, films.append, lambda: OFFSET_MS)
    background, size_px = Background(None), Background.SIZE_PX
    people = [body(15 + 19 * number, 500) for number in range(52)]
    noises = [Image.effect_noise(size_px, 90) for _ in range(0, 64_000, 800)]
    for at_ms in range(0, 64_000, 40):
        grey = noises[at_ms // 800]
        background.measure_change(grey)
        keeper.note_picture(grey, background, at_ms)
        keeper.note_bodies(people, SIZE_PX, at_ms)
        keeper.note_watched(at_ms, 40)
        if at_ms == 30_000:
            keeper.note_crossing(Crossing(at_ms, "in", has_face=False))
    [film] = films
    read = json.loads(film.body)
    assert find_fault_of_film(film.body.encode(), read) is None
    assert 50 < len(read["looks"]) <= MOST_LOOKS
    assert {len(look["bodies"]) for look in read["looks"]} == {MOST_BODIES}


def test_feet_are_of_the_last_hour() -> None:
    feet = Feet()
    for minute in range(60):
        feet.note([body(500, 400)], SIZE_PX, minute * MINUTE_MS)
        feet.note_crossing(minute * MINUTE_MS)
    for _ in range(LEAST_FEET):
        feet.note([body(-20, 100), body(2_000, 2_000)], SIZE_PX, 61 * MINUTE_MS)
    known = feet.measure(61 * MINUTE_MS)
    assert known[500 * 27 // 1000 * 48 + 500 * 48 // 1000] == 255
    assert known[200 * 27 // 1000 * 48] == known[-1] == 255 * LEAST_FEET // 55
    assert sum(level > 0 for level in known) == 3
    assert not any(feet.measure(125 * MINUTE_MS)), "though nobody has been seen since"


def test_one_persons_way_is_no_trail() -> None:
    """Whether he is alone in the hour, or goes where nobody else went."""
    feet = Feet()
    for step in range(20):
        feet.note([body(50 * step, 400)], SIZE_PX, 200 * step)
    for crossings in range(LEAST_CROSSINGS + 1):
        for _ in range(LEAST_FEET):
            feet.note([body(500, 700)], SIZE_PX, 5_000)
        assert sum(level > 0 for level in feet.measure(6_000)) == (crossings >= LEAST_CROSSINGS)
        feet.note_crossing(6_000)


def test_nothing_of_one_shops_hour_is_in_the_film_of_another() -> None:
    """Nor is the minute in which the box became another shop's."""
    filming = Filming()
    crowd = [straight(500, 50, 950, 200, begins=begins) for begins in range(3, 56, 4)]
    filming.show(crowd, 62)
    filming.shop = "theirs"
    later = [straight(200, 950, 50, 200, begins=begins) for begins in range(10, 115, 7)]
    filming.show(later, 125, begins_ms=62_000)
    [film] = filming.read()
    assert film["at"] == "2026-09-21T14:15:00Z"
    walked = b64decode(str(film["walked"]))
    columns = {at % GRID[0] for at, level in enumerate(walked) if level}
    assert columns
    assert max(columns) < 24 - 4, "where theirs walked"


class Faulty(random.Random):
    """A draw that fails at first."""

    has_failed = False

    def random(self) -> float:
        former, self.has_failed = self.has_failed, True
        if not former:
            raise ValueError("a defect")
        return super().random()


def test_a_fault_of_the_film_is_said_once_and_ends_no_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    filming = Filming()
    keeper = filming.door.counter.film
    assert keeper is not None
    keeper.draw = Faulty().random
    walks = [straight(500, 50, 950, 200, begins=begins) for begins in range(20, 200, 60)]
    filming.show(walks, 244)
    assert [filming.sum_minute(number)[0] for number in range(3)] == [1, 1, 1]
    assert len(filming.films) == 1, "that of the minute after"
    assert [record.message for record in caplog.records] == [
        "a film without people is dropped; the count goes on"
    ]
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("rate", [5, 7, 10, 25])
def test_a_film_has_the_looks_of_the_count_whatever_the_camera_gives(rate: float) -> None:
    """Of pictures that nobody looked at it could only say that something moved."""
    filming = Filming()
    filming.show([DOWN], rate=rate)
    [film] = filming.read()
    looks = film["looks"]
    assert 270 <= len(looks) <= 320
    bodies = [look["bodies"] for look in looks if 20_500 <= look["ms"] <= 24_000]
    assert len(bodies) >= 16
    assert all(bodies)


def test_a_near_person_is_a_box_without_an_outline() -> None:
    moved = b"\xff" * (48 * 27 // 8)
    assert blank_near(moved, [(0, 0, 24, 13)]) == moved
    blanked = blank_near(moved, [(24, 0, 48, 27)])
    assert blanked == b"\xff\xff\xff\x00\x00\x00" * 27
    filming, near = Filming(is_overdue=True), Body((200, 0, 600, 1_000), 0.9)
    finds = count()
    filming.door.people.bodies_of = lambda bodies: [near] * bool(bodies and next(finds) < 10)
    filming.show([DOWN, straight(900, 50, 950, 200, begins=20)])
    [film] = filming.read()
    moved_with = [squares(look) for look in film["looks"] if look["bodies"]]
    assert any(moved_with)
    assert all(column * 1000 / 48 >= 790 for each in moved_with for column, _ in each)


def test_a_full_disk_keeps_no_film_and_goes_on_counting() -> None:
    filming = Filming()
    keeper = filming.door.counter.film
    assert keeper is not None

    def refuse(_: Film) -> None:
        raise SpoolFull("no room")

    keeper.keep = refuse
    filming.show([DOWN])
    assert filming.sum_minute(0)[0] == 1
