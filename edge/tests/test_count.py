"""People are counted while something moves, minute by minute; what is not to be trusted is null."""

import random
import subprocess
import sys
from itertools import pairwise

import pytest
from regulars_edge.choose.faces import Face
from regulars_edge.count.counter import EARLY_SHARE, MOST_GAP_MS, STAY_MS
from regulars_edge.count.doubt import CROWD, Crowding
from regulars_edge.count.line import parse_line
from regulars_edge.count.people import CANVAS_PX, SLOW_LOOK_S, SMALL_CANVAS_PX, Body, choose_canvas
from regulars_edge.count.tracks import BodyTracks
from regulars_edge.pace import Ticks
from rig.counting import Door
from rig.walkers import ACROSS, SIZE_PX, Walk, path, seen, straight

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
    assert not door.minutes.lost


def test_an_empty_room_is_watched_and_not_looked_at() -> None:
    door = Door()
    door.show([], 60)
    assert len(door.people.lights) <= STAY_MS / 200 + 1, "but for the begin"
    assert door.minutes.watched_ms == pytest.approx(60_000, abs=500)


def test_it_looks_five_times_a_second_at_most() -> None:
    door = Door()
    door.show([DOWN], 4.5, rate=25)
    assert 20 <= len(door.people.lights) <= 24


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
    door.show([path((0, 60), (30, 940))], 30, rate=1)
    assert door.minutes.watched_ms == 0
    assert door.minutes.lost == {"slow": 29_000}
    assert door.counter.trouble == (
        "not counted: 1.0 looks a second, 5 are needed: let the camera send more pictures a second"
    )


@pytest.mark.parametrize("rate", [4, 5, 6, 8, 10, 12, 12.5, 15, 18, 20, 25, 30])
def test_it_looks_five_times_a_second_or_as_often_as_the_camera_sends(rate: float) -> None:
    """The source gives the newest picture at each of its own ticks, as a camera's stream does."""
    source, newest_ms, given = Ticks(200, early_ms=0), -1, list[int]()
    for now_ms in range(0, 60_000, 50):
        taken_ms = round(now_ms * rate // 1000 * 1000 / rate)
        if taken_ms != newest_ms and source.is_due(now_ms):
            source.take(now_ms)
            newest_ms = taken_ms
            given.append(taken_ms)
    looks = Ticks(200, early_ms=EARLY_SHARE * 200)
    looked_at = [at_ms for at_ms in given if looks.is_due(at_ms) and looks.take(at_ms) is None]
    assert len(looked_at) >= 60 * min(4.8, rate) - 2
    gaps_ms = [after - before for before, after in pairwise(looked_at)]
    assert max(gaps_ms) <= MOST_GAP_MS
    assert len(looked_at) <= 60 * 5 + 1


def test_a_box_that_is_too_slow_is_told_what_to_drop() -> None:
    """Each look of 0.6 s: it is not watched, and no number is told."""
    door = Door()
    door.counter.box_is_busy = True
    door.show([path((0, 60), (60, 940))], 60, rate=1 / 0.6)
    assert door.minutes.watched_ms == 0
    assert str(door.counter.trouble).startswith("not counted: 1.7 looks a second, 5 are needed: ")
    assert "take a camera off it" in str(door.counter.trouble)
    door.show([path((0, 60), (120, 940))], 120, begins_ms=60_000)
    assert door.counter.trouble is None, "it is fast enough again"


def test_people_who_are_there_and_not_found_are_doubted() -> None:
    """A crowd of which each look finds two in five: few are counted, and none of it is told."""
    rng, walks = random.Random(3), list[Walk]()
    for number in range(60):
        down = number % 2
        walks.append(
            straight(60 + 880 * rng.random(), 50 if down else 950, 950 if down else 50, 200, number)
        )
    for found, is_doubted in ((0.4, True), (1.0, False)):
        door = Door()
        door.people.bodies_of = lambda bodies, found=found: [
            body for body in bodies if rng.random() < found
        ]
        door.show(walks, 60)
        counted, watched = len(door.minutes.crossings), door.minutes.watched_ms / 60_000
        assert (watched < 0.9) == is_doubted, (counted, door.minutes.lost)
        assert is_doubted or counted >= 54


class Line:
    """A line, without pictures: who is found at it is followed, and says whether others are not."""

    def __init__(self) -> None:
        self.tracks, self.crowding, self.at_ms = BodyTracks(), Crowding(), 0
        self.placed, self.rng = ACROSS.place_in(SIZE_PX), random.Random(3)

    def show(self, apart_s: float, minutes: int, found: float) -> tuple[int, list[float]]:
        """Let somebody walk through each `apart_s`, of whom each look finds a share; return how
        many crossed, and which share of each minute is doubted."""
        walks = [
            straight(60 + 97 * n % 880, *((50, 950) if n % 2 else (950, 50)), 200, apart_s * n)
            for n in range(round(60 * minutes / apart_s))
        ]
        crossed, doubted = 0, [0.0] * minutes
        for number in range(300 * minutes):
            now = seen(walks, number / 5)
            bodies = [body for body in now if self.rng.random() < found]
            crossed += self._look(bodies)
            doubted[number // 300] += self.crowding.is_crowded(bodies, self.placed) / 300
        return crossed, doubted

    def _look(self, bodies: list[Body]) -> int:
        self.at_ms += 200
        gone = set(self.tracks.live)
        found = self.tracks.follow_bodies(bodies, self.at_ms)
        gone -= set(self.tracks.live)
        ways = {
            **{track: track.find_last_crossing(self.placed, SIZE_PX) for track in gone},
            **{track: track.find_crossing(self.placed) for track in found},
        }
        across = [track for track, way in ways.items() if way is not None]
        for track in across:
            track.has_crossed = True
        self.crowding.note(gone, found, len(across), self.placed, SIZE_PX, self.at_ms)
        return len(across)


def test_few_people_are_doubted_by_those_who_came_before_them() -> None:
    """Four a minute, of whom each look finds three in ten: a minute says nothing, several do. Then
    all are found, and after twenty of them their minutes are trusted."""
    line = Line()
    crossed, doubted = line.show(apart_s=15, minutes=8, found=0.3)
    assert crossed <= 0.7 * 32
    assert doubted[-2:] == pytest.approx([1, 1], abs=0.1)
    crossed, doubted = line.show(apart_s=15, minutes=8, found=1.0)
    assert crossed >= 31
    assert doubted[-2:] == [0, 0]


def test_few_people_who_are_found_are_never_doubted() -> None:
    for found in (1.0, 0.9, 0.8):
        crossed, doubted = Line().show(apart_s=15, minutes=20, found=found)
        assert (crossed >= 78, max(doubted)) == (True, 0)


def test_a_busy_minute_that_was_doubted_says_nothing_of_the_quiet_ones_behind_it() -> None:
    line = Line()
    _, doubted = line.show(apart_s=1, minutes=2, found=0.4)
    assert doubted[1] > 0.9
    crossed, doubted = line.show(apart_s=20, minutes=4, found=1.0)
    assert crossed >= 11
    assert doubted[1:] == [0, 0, 0]


@pytest.mark.parametrize(("first_y", "last_y"), [(380, 950), (950, 380)])
@pytest.mark.parametrize("apart_s", [0.5, 3, 5])
def test_people_who_come_into_view_at_the_line_are_no_crowd(
    first_y: float, last_y: float, apart_s: float
) -> None:
    """A door is in the picture, beside the line: they appear there, or vanish."""
    walks = [
        straight(60 + 97 * number % 880, first_y, last_y, 200, number * apart_s)
        for number in range(round(60 / apart_s))
    ]
    door = Door()
    door.show(walks, 60)
    assert len(door.minutes.crossings) >= 0.9 * len(walks)
    assert not door.minutes.lost


def test_a_covered_or_dark_camera_is_not_watched_though_another_gate_says_that_all_is_still() -> (
    None
):
    for light, is_blind, why in ((1.0, True, "moved"), (0.02, False, "dark")):
        door = Door()
        door.counter.is_blind = is_blind
        door.show([], 10, light=light)
        for at_ms in range(10_000, 20_000, 50):
            door.counter.note_still(at_ms)
        assert door.minutes.watched_ms == 0
        assert door.minutes.lost[why] >= 19_000


def test_a_picture_whose_noise_is_as_bright_as_people_is_doubted() -> None:
    """A fifth of the light with little noise is counted; with much, people are lost in it."""
    for noise, is_doubted in ((1.0, False), (6.0, True)):
        door = Door()
        door.show([DOWN, UP], 8, light=0.2, noise=noise)
        assert (door.minutes.lost.keys() == {"dark"}) == is_doubted, door.minutes.lost
        assert len(door.minutes.crossings) == (0 if is_doubted else 2)


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
    assert not dim.minutes.lost
    dark.show([DOWN], 8, light=0.02)
    assert (dark.minutes.crossings, dark.people.lights) == ([], [])
    assert dark.minutes.lost == {"dark": 7_800}
    assert dark.minutes.watched_ms == 0
    assert dark.counter.trouble is None, "nights are usual"


def test_what_a_covered_lens_shows_is_doubted() -> None:
    door = Door()
    door.counter.is_blind = True
    door.show([], 2)
    assert door.minutes.lost == {"moved": 1_800}


def test_too_many_people_at_the_line_are_doubted() -> None:
    """And trusted again when they are fewer."""
    door = Door()
    door.show(rows_of(CROWD + 1, first_y=400), 4)
    assert door.minutes.lost == {"crowd": 3_800}
    door.show([DOWN], 4, begins_ms=10_000)
    assert door.minutes.lost == {"crowd": 3_800}


def test_many_people_elsewhere_in_the_picture_are_no_crowd_at_the_line() -> None:
    """A hall is full, and ten pass its door."""
    door = Door()
    door.show([*rows_of(2 * CROWD, first_y=880), DOWN], 8)
    assert [crossing.way for crossing in door.minutes.crossings] == ["in"]
    assert not door.minutes.lost


def test_people_who_hide_each_other_at_the_line_all_the_time_are_doubted() -> None:
    """Two rows go through each other, side by side, for a minute. One such row is counted."""
    rows = [
        straight(300 + 50 * lane, *((50, 950) if lane % 2 else (950, 50)), 200, 1.5 * number)
        for number in range(40)
        for lane in range(6)
    ]
    for walks, is_doubted in ((rows, True), (rows[:6], False)):
        door = Door()
        door.show(walks, 60)
        assert bool(door.minutes.lost["crowd"] > 6_000) == is_doubted
        assert is_doubted or not door.minutes.lost


def rows_of(people: int, first_y: float) -> list[Walk]:
    """Let people stand beside each other, and shuffle along slowly."""
    return [path((0, first_y), (10, first_y + 30), x=30 + 28 * number) for number in range(people)]


def test_a_line_without_a_persons_room_beside_it_is_refused_when_people_were_seen() -> None:
    door = Door(line=parse_line([[0.0, 0.87], [1.0, 0.87]]))
    door.show([path((0, 300), (20, 700))], 20)
    assert "hang the camera higher, or turn the line" in str(door.counter.trouble)
    assert door.minutes.lost["narrow"]
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


def test_a_box_without_the_extras_begins() -> None:
    """It sends pictures all the same: what only counting needs is not there."""
    extras = "numpy", "onnxruntime", "av"
    program = f"import sys; sys.modules |= dict.fromkeys({extras}); import regulars_edge.run"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_line_of_the_box_is_the_one_that_is_drawn() -> None:
    """From left to right, in is downwards."""
    assert ACROSS.place_in((200, 100)).measure((100, 80))[1] > 0
