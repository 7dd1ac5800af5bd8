from collections.abc import Callable

import pytest
from regulars_edge import config
from regulars_edge.choose.by_face import MOST_TRACKS, Tracks
from regulars_edge.choose.faces import Face

SIZE = 40.0


def face(x: float, y: float = 100.0, size: float = SIZE) -> Face:
    eyes = (
        (x + size * 0.3, y + size * 0.4),
        (x + size * 0.7, y + size * 0.4),
        (x + size * 0.5, y + size * 0.6),
    )
    return Face((x, y, size, size), eyes, 0.9)


def ways(
    seen_at: Callable[[float], list[Face]], interval_s: float = 0.2, seconds: float = 6.0
) -> int:
    """How many ways through the picture are told from each other."""
    tracks, ended = Tracks(10_000), 0
    for number in range(round(seconds / interval_s)):
        now = round(number * interval_s * 1000)
        assert len(set(tracks.follow_faces(faces := seen_at(now / 1000), now))) == len(faces)
        ended += len(tracks.take_ended_tracks(now))
    return ended + len(tracks.end_all())


@pytest.mark.parametrize("widths_a_second", [0.0, 0.6, 1.0, 2.0, 4.0])
def test_a_face_that_moves_gives_one_picture(widths_a_second: float) -> None:
    interval_s = config.BEST_SHOT_INTERVAL_S
    assert ways(lambda at: [face(20 + widths_a_second * SIZE * at)], interval_s) == 1


def test_a_face_is_followed_while_the_detector_misses_it() -> None:
    def seen_at(at: float) -> list[Face]:
        return [] if 2.0 <= at < 2.7 else [face(20 + 2 * SIZE * at)]

    assert ways(seen_at) == 1


def test_a_face_that_stands_still_after_it_was_missed_is_the_same() -> None:
    def seen_at(at: float) -> list[Face]:
        return [] if 2.0 <= at < 2.5 else [face(20 + 2 * SIZE * min(at, 2.0))]

    assert ways(seen_at) == 1


@pytest.mark.parametrize("apart", [1.2, 2.0])
def test_two_people_side_by_side_are_two(apart: float) -> None:
    assert ways(lambda at: [face(20 + SIZE * at), face(20 + SIZE * (at + apart))]) == 2


def test_two_people_who_cross_are_two() -> None:
    """They hide each other for three frames."""

    def seen_at(at: float) -> list[Face]:
        right, left = face(100 + SIZE * at, size=38), face(100 + SIZE * (6 - at), size=44)
        return [left] if abs(right.box_xywh[0] - left.box_xywh[0]) < SIZE * 0.5 else [right, left]

    assert ways(seen_at) == 2


def test_a_face_far_away_or_of_another_size_is_somebody_else() -> None:
    assert ways(lambda at: [face(20 if at < 2 else 200)]) == 2
    assert ways(lambda at: [face(20, size=40 if at < 2 else 90)]) == 2


def test_best_shot_looks_five_times_a_second_unless_told_otherwise() -> None:
    camera = {"name": "yard", "source": "rtsp", "url": "rtsp://cam/live", "send": "best_shot"}
    rows = [
        camera,
        {**camera, "name": "gate", "interval_s": 0.5},
        {**camera, "name": "till", "send": "faces"},
    ]
    found = config.parse_config({"server": {"url": "https://regulars.example"}, "camera": rows})
    assert [one.interval_s for one in found.cameras] == [0.2, 0.5, 1.0]


def test_a_crowd_is_bounded_and_nobody_is_lost() -> None:
    def crowd(at: float) -> list[Face]:
        return [face(100.0 * column, 100.0 * row) for column in range(8) for row in range(5)]

    tracks = Tracks(10_000)
    first = tracks.follow_faces(crowd(0), 0)
    assert len(tracks.take_ended_tracks(0)) == len(first) - MOST_TRACKS
    assert len(tracks.end_all()) == MOST_TRACKS
