"""People are counted while something moves, minute by minute; what is not to be trusted is null."""

import pytest
from regulars_edge.choose.faces import Face
from regulars_edge.count.counter import CROWD, STAY_MS
from regulars_edge.count.line import parse_line
from regulars_edge.count.people import CANVAS_PX, SLOW_LOOK_S, SMALL_CANVAS_PX, choose_canvas
from rig.counting import Door
from rig.walkers import ACROSS, Walk, path, straight

DOWN = straight(500, 50, 950, 200)
UP = straight(300, 950, 50, 200, begins=1)


def face_at(x: float, y: float) -> Face:
    return Face((x - 20, y - 20, 40, 40), ((x, y),) * 5, 0.9)


def test_who_walks_through_is_counted_with_time_and_way() -> None:
    door = Door()
    door.show([DOWN, UP], 8, begins_ms=100_000)
    ways = {crossing.way: crossing.at_ms for crossing in door.minutes.crossings}
    assert ways.keys() == {"in", "out"}
    assert abs(ways["in"] - 102_250) <= 1_000
    assert abs(ways["out"] - 103_250) <= 1_000
    assert not door.minutes.doubts


def test_an_empty_room_is_watched_and_not_looked_at() -> None:
    door = Door()
    door.show([], 60)
    assert len(door.people.lights) <= STAY_MS / 200 + 1, "but for the begin"
    assert door.minutes.watched_ms == pytest.approx(60_000, abs=500)


def test_it_looks_five_times_a_second_at_most() -> None:
    door = Door()
    door.show([DOWN], 4.5, rate=25)
    assert 20 <= len(door.people.lights) <= 23


def test_who_pauses_on_the_line_for_long_is_the_same_person() -> None:
    """Nothing moves meanwhile, so nothing is looked at."""
    door = Door()
    door.show([path((0, 100), (3, 495), (40, 495), (43, 900))], 44)
    assert [crossing.way for crossing in door.minutes.crossings] == ["in"]
    assert len(door.people.lights) < 100


def test_frames_that_do_not_come_were_not_watched() -> None:
    door = Door()
    door.show([], 10)
    door.show([], 10, begins_ms=100_000)
    assert door.minutes.watched_ms == pytest.approx(20_000, abs=1_000)


def test_a_camera_that_is_too_slow_is_told_and_not_watched() -> None:
    door = Door()
    door.show([DOWN], 30, rate=1)
    assert door.minutes.watched_ms == 0
    assert "come too slowly" in str(door.counter.trouble)


def test_what_another_gate_says_is_still_is_watched() -> None:
    door = Door()
    door.show([], 10)
    for at_ms in range(10_000, 20_000, 50):
        door.counter.note_still(at_ms)
    assert door.minutes.watched_ms == pytest.approx(20_000, abs=500)


def test_a_dim_picture_is_made_lighter_and_a_dark_one_is_doubted() -> None:
    dim, dark = Door(), Door()
    dim.show([DOWN], 8, light=0.2)
    assert [crossing.way for crossing in dim.minutes.crossings] == ["in"]
    assert min(dim.people.lights) > 100
    assert not dim.minutes.doubts
    dark.show([DOWN], 8, light=0.02)
    assert (dark.minutes.crossings, dark.people.lights) == ([], [])
    assert {why for _, why in dark.minutes.doubts} == {"it is too dark"}
    assert dark.counter.trouble is None, "nights are usual"


def test_what_a_covered_lens_shows_is_doubted() -> None:
    door = Door()
    door.counter.is_blind = True
    door.show([], 2)
    assert len(door.minutes.doubts) == 10


def test_too_many_people_are_doubted() -> None:
    """And trusted again when they are fewer."""
    crowd: list[Walk] = [
        path((0, 200), (10, 300), x=30 + 30 * number) for number in range(CROWD + 1)
    ]
    door = Door()
    door.show(crowd, 4)
    assert {why for _, why in door.minutes.doubts} == {"25 people at once are too many"}
    assert len(door.minutes.doubts) == 20
    door.show([DOWN], 4, begins_ms=10_000)
    assert len(door.minutes.doubts) == 20


def test_a_line_without_a_persons_room_beside_it_is_refused_when_people_were_seen() -> None:
    door = Door(line=parse_line([[0.0, 0.87], [1.0, 0.87]]))
    door.show([path((0, 300), (20, 700))], 20)
    assert "nearer to the picture's edge than one person" in str(door.counter.trouble)
    assert door.minutes.doubts
    good = Door()
    good.show([path((0, 300), (20, 700))], 20)
    assert good.counter.trouble is None


@pytest.mark.parametrize("is_seen", ["before the line", "behind the line", "never", "elsewhere"])
def test_who_came_in_showed_a_face_or_did_not(is_seen: str) -> None:
    door = Door()
    before, after = is_seen == "before the line", is_seen == "behind the line"
    for begins, shown in ((0.0, before), (2.0, False), (3.5, after)):
        y = 50 + 200 * (begins + 0.5)
        door.faces.faces = [face_at(500, y - 40)] if shown else []
        if is_seen == "elsewhere":
            door.faces.faces = [face_at(800, y)]
        walk: Walk = lambda at, begins=begins: DOWN(begins + at)  # type: ignore[misc] # noqa: E731
        door.show([walk], 2 if begins == 0 else 1.4, begins_ms=round(1000 * begins))
    [crossing] = door.minutes.crossings
    assert (crossing.way, crossing.has_face) == ("in", before)
    assert door.minutes.late_faces_ms == ([crossing.at_ms] if after else [])


def test_a_face_is_of_the_smallest_person_around_it() -> None:
    """Of two who overlap, one shows a face."""
    door = Door()
    walks = [straight(470, 50, 950, 200), straight(530, 20, 920, 200)]
    door.faces.faces = [face_at(560, 300)]
    door.show(walks, 6)
    assert sorted(crossing.has_face for crossing in door.minutes.crossings) == [False, True]


def test_a_slow_box_looks_at_a_smaller_canvas() -> None:
    assert choose_canvas(SLOW_LOOK_S / 2) == CANVAS_PX
    assert choose_canvas(SLOW_LOOK_S * 2) == SMALL_CANVAS_PX


def test_the_line_of_the_box_is_the_one_that_is_drawn() -> None:
    """From left to right, in is downwards."""
    assert ACROSS.place_in((200, 100)).measure((100, 80))[1] > 0
