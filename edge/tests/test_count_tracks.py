"""Who crosses the line, by the boxes of people alone."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regulars_edge.count.line import CountLine, parse_line
from regulars_edge.count.people import Body, join_parts
from rig.walkers import ACROSS, SIZE_PX, Walk, body, crossings, path, seen, straight

RATES = pytest.mark.parametrize("rate", [3.3, 5, 10])


@RATES
@pytest.mark.parametrize("speed", [60, 150, 300, 450])
@pytest.mark.parametrize("height", [0.35, 0.4, 0.5, 0.65])
def test_each_who_goes_through_counts_once_by_the_way(
    rate: float, speed: float, height: float
) -> None:
    line = parse_line([[0.0, height], [1.0, height]])
    down, up = straight(300, 50, 950, speed), straight(700, 950, 50, speed, begins=1)
    assert sorted(crossings(lambda at: seen([down, up], at), rate, line=line)) == ["in", "out"]


@RATES
@pytest.mark.parametrize("apart", [110, 150, 250])
def test_two_side_by_side_are_two(rate: float, apart: float) -> None:
    walks = [straight(400 + number * apart, 50, 950, 200) for number in range(2)]
    assert crossings(lambda at: seen(walks, at), rate) == ["in", "in"]


@RATES
def test_two_who_meet_on_the_line_are_two(rate: float) -> None:
    walks = [straight(450, 50, 950, 200), straight(560, 950, 50, 200)]
    assert sorted(crossings(lambda at: seen(walks, at), rate)) == ["in", "out"]


LINGER = {
    "stands on the line": path((0, 500), (20, 500)),
    "stands beside it and shifts": path(*((at, 500 + 20 * (-1) ** at) for at in range(20))),
    "comes and turns back": path((0, 100), (4, 505), (8, 505), (12, 100)),
    "leans over it and goes back": path((0, 300), (3, 519), (6, 300)),
    "walks beside the line": path((0, 400), (20, 420)),
    "is there from the beginning, and goes": path((0, 510), (5, 510), (10, 900)),
}


@RATES
@pytest.mark.parametrize("who", LINGER)
def test_who_does_not_go_through_does_not_count(rate: float, who: str) -> None:
    assert crossings(lambda at: seen([LINGER[who]], at), rate) == []


@RATES
def test_who_stands_on_the_line_and_goes_on_counts_once(rate: float) -> None:
    walk = path((0, 100), (4, 500), (14, 505), (18, 900))
    assert crossings(lambda at: seen([walk], at), rate) == ["in"]


@RATES
def test_who_comes_back_counts_both_ways(rate: float) -> None:
    walk = path((0, 100), (5, 900), (10, 100), (15, 900))
    assert crossings(lambda at: seen([walk], at), rate) == ["in", "out", "in"]


@RATES
def test_five_on_the_line_count_nobody_and_hide_nobody(rate: float) -> None:
    standers = [
        path(*((at, 500 + 15 * (-1) ** (at + number)) for at in range(21)), x=100 + 160 * number)
        for number in range(5)
    ]
    through: list[Walk] = [
        straight(180 + 160 * number, 50, 950, 150, begins=3 * number) for number in range(4)
    ]
    assert crossings(lambda at: seen([*standers, *through], at), rate) == ["in"] * 4


def test_who_is_hidden_or_badly_seen_for_a_while_is_the_same() -> None:
    walk = straight(500, 50, 950, 150)

    def hidden(at: float) -> list[Body]:
        return [] if 2.7 <= at < 3.4 else seen([walk], at)

    def weak(at: float) -> list[Body]:
        return [replace(one, score=0.9 if at < 1.5 else 0.35) for one in seen([walk], at)]

    assert crossings(hidden) == crossings(weak) == ["in"]


def test_a_weak_box_begins_nothing() -> None:
    walk = straight(500, 50, 950, 150)
    assert crossings(lambda at: [replace(one, score=0.4) for one in seen([walk], at)]) == []


@RATES
@pytest.mark.parametrize("edge", [0.7, 0.75])
def test_who_runs_out_of_the_picture_counts(rate: float, edge: float) -> None:
    """He is beyond the line in one or two looks, and cut off by the edge."""
    line = parse_line([[0.0, edge], [1.0, edge]])

    def running(at: float) -> list[Body]:
        y = 100 + 350 * at
        top, bottom = y - 100, min(1000, y + 100)
        return [Body((450, top, 90, bottom - top), 0.8)] if bottom - top > 60 else []

    assert crossings(running, rate, line=line) == ["in"]


@pytest.mark.parametrize("speed", [350, 500])
@pytest.mark.parametrize("phase", [0, 0.05, 0.1, 0.15])
def test_who_stands_and_then_runs_out_of_the_picture_counts(speed: float, phase: float) -> None:
    """He is seen beyond the line once, or last just before it, and is cut off in the next look."""
    line, walk = (
        parse_line([[0.0, 0.8], [1.0, 0.8]]),
        path((0, 600), (3, 600), (5, 600 + 2 * speed)),
    )

    def found(at: float) -> list[Body]:
        return [one for one in seen([walk], at) if one.centre[1] < 865]

    assert crossings(found, line=line, begins=phase, seconds=8) == ["in"]


@pytest.mark.parametrize("last_y", [470, 440, 400])
@pytest.mark.parametrize("height", [0.5, 0.8])
def test_who_is_lost_on_the_way_to_the_line_has_not_crossed_it(
    last_y: float, height: float
) -> None:
    """Though he walks: the picture goes on behind the line, and nobody knows where he is."""
    line, shift = parse_line([[0.0, height], [1.0, height]]), 1000 * height - 500
    walk = straight(500, 50 + shift, last_y + shift, 200)
    assert crossings(lambda at: seen([walk], at), line=line) == []


def test_a_head_in_its_body_is_the_same_person_and_a_child_is_another() -> None:
    whole = body(500, 500)
    head = Body((480, 405, 40, 50), 0.95)
    child = Body((520, 500, 50, 130), 0.8)
    assert join_parts([head, whole]) == [replace(whole, score=0.95)]
    assert join_parts([whole, child]) == [whole, child]


def test_nobody_crosses_beside_the_ends_of_the_line() -> None:
    line = parse_line([[0.1, 0.5], [0.4, 0.5]])
    walks = [straight(700, 50, 950, 200), straight(250, 50, 950, 200)]
    assert crossings(lambda at: seen(walks, at), line=line) == ["in"]


people = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(80, 350), st.integers(0, 6)),
    min_size=1,
    max_size=5,
    unique_by=lambda person: person[0],
)


def walks_of(group: list[tuple[int, bool, int, int]]) -> list[Walk]:
    """Each has a lane of his own."""
    return [
        straight(100 + 160 * lane, 30 if down else 970, 970 if down else 30, speed, begins)
        for lane, down, speed, begins in group
    ]


@settings(max_examples=25)
@given(people, st.sampled_from([3.3, 5, 10]), st.floats(0, 0.3))
def test_the_count_is_that_of_the_walkers(
    group: list[tuple[int, bool, int, int]], rate: float, begins: float
) -> None:
    """Whatever the rate of the looks is, and whenever they begin."""
    walks = walks_of(group)
    ways = crossings(lambda at: seen(walks, at), rate, begins=begins)
    assert sorted(ways) == sorted("in" if down else "out" for _, down, _, _ in group)


def turned(one: Body, quarters: int) -> Body:
    """Turn a box with the whole picture."""
    x, y, width, height = one.box_xywh
    for _ in range(quarters):
        x, y, width, height = SIZE_PX[1] - y - height, x, height, width
    return Body((x, y, width, height), one.score)


@settings(max_examples=15)
@given(people, st.integers(1, 3))
def test_a_picture_that_is_turned_with_its_line_gives_the_same(
    group: list[tuple[int, bool, int, int]], quarters: int
) -> None:
    walks = walks_of(group)

    def corner(x: float, y: float) -> tuple[float, float]:
        for _ in range(quarters):
            x, y = 1 - y, x
        return x, y

    line = CountLine(corner(*ACROSS.first), corner(*ACROSS.second))
    find = lambda at: [turned(one, quarters) for one in seen(walks, at)]  # noqa: E731
    assert crossings(find, line=line) == crossings(lambda at: seen(walks, at))


@settings(max_examples=15)
@given(people)
def test_a_line_from_the_other_end_gives_the_other_way(
    group: list[tuple[int, bool, int, int]],
) -> None:
    walks = walks_of(group)
    other = {"in": "out", "out": "in"}
    back = CountLine(ACROSS.second, ACROSS.first)
    ways = crossings(lambda at: seen(walks, at))
    assert [other[way] for way in ways] == crossings(lambda at: seen(walks, at), line=back)


@settings(max_examples=15)
@given(people, st.data())
def test_looks_that_are_missing_lose_nobody(
    group: list[tuple[int, bool, int, int]], data: st.DataObject
) -> None:
    """One of any three is missing, as on a box that is too busy."""
    slow = [(lane, down, min(speed, 150), begins) for lane, down, speed, begins in group]
    walks = walks_of(slow)
    lost = set(data.draw(st.lists(st.integers(0, 60), max_size=20, unique=True)))
    numbers = itertools.count()

    def find(at: float) -> list[Body]:
        number = next(numbers)
        return [] if number // 3 in lost and number % 3 == 0 else seen(walks, at)

    ways = crossings(find)
    assert sorted(ways) == sorted("in" if down else "out" for _, down, _, _ in slow)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("0.5", "no line"),
        ([[0, 0.5]], "no line"),
        ([[0, 0.5], [1, 1.5]], "no line"),
        ([[0, 0.5], [True, 0.5]], "no line"),
        ([[0, 0.5], [1, float("nan")]], "no line"),
        ([[0.5, 0.5], [0.52, 0.52]], "too short"),
        ([[0.0, 0.95], [1.0, 0.95]], "too near"),
        ([[0.05, 0.0], [0.05, 1.0]], "too near"),
        ([[0.0, 0.1], [0.1, 0.0]], "too near"),
    ],
)
def test_a_line_that_cannot_be_is_refused_in_words(raw: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_line(raw)
