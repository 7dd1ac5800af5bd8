"""A table of true crossings is read, or refused in words; a count is compared with it."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_edge.count.command import FilmMinutes, list_differences
from regulars_edge.count.line import WAYS, Crossing
from regulars_edge.count.table import (
    NEAR_S,
    Comparison,
    FilmCrossing,
    describe_time,
    find_unmatched,
    measure_accuracy,
    read_table,
)
from regulars_edge.errors import Misconfigured
from rig.figures import film
from rig.film import encoded
from rig.uploader import ENTRY
from rig.walkers import Walk, straight

PAGE = Path(__file__).parents[2] / "docs" / "tasks" / "count.md"
DOWN: Walk = straight(200, 55, 310, 80)
UP: Walk = straight(420, 310, 55, 80)


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (file := folder / "times.csv").write_text(text, encoding=encoding)
    return file


@pytest.mark.parametrize("header", ["", "time,way\n", "time, way\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_is_read_in_minutes_or_seconds(tmp_path: Path, header: str, encoding: str) -> None:
    file = written(tmp_path, f"{header}0:02.5,in\n62.5,out\n1:02.5, in\n2:00,in\r\n", encoding)
    assert read_table(file, 120.0) == [(2.5, "in"), (62.5, "out"), (62.5, "in"), (120.0, "in")]


def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    file = written(tmp_path, "Time;Way\r\n0:02,5;In\r\n62.5;OUT\r\n1:00:02,5;in\r\n")
    assert read_table(file, 4_000.0) == [(2.5, "in"), (62.5, "out"), (3_602.5, "in")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,way\n1,in\n2,inside\n", "line 3: 'inside' is no way: write in or out"),
        ("1,in\n0:00.5,out\n", "line 2: 0:00.5 is before the line above it"),
        ("1,in\n1:01,out\n", "line 2: 1:01 is beyond the film, which ends at 1:00.0"),
        ("noon,in\n", "line 1: 'noon' is no time: write 1:02.5, or 62.5 for seconds"),
        ("-1,in\n", "line 1: '-1' is no time"),
        ("1\n", "line 1: '1' is no crossing: write time,way, such as 0:12.5,in"),
        ("1;in;x\n", "line 1: '1,in,x' is no crossing"),
        ("0:02,5,in\n", "line 1: '0:02,5,in' is no crossing"),
        ("1,in\ntime,way\n", "line 2: 'time' is no time"),
        ("", "has no crossing"),
        ("time,way\n", "has no crossing"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(said)):
        read_table(written(tmp_path, text), 60.0)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (file := tmp_path / "times.csv").write_bytes(b"\xff\xfe\x00")
    for place in (file, tmp_path, tmp_path / "none"):
        with pytest.raises(Misconfigured, match="cannot be read as a table"):
            read_table(place, 60.0)


CROSSINGS = st.lists(
    st.builds(FilmCrossing, st.integers(0, 40).map(lambda at: at / 2), st.sampled_from(WAYS)),
    max_size=7,
)


def most_matches(true: list[FilmCrossing], counted: list[FilmCrossing]) -> int:
    """Try all pairs."""
    if not true:
        return 0
    best = most_matches(true[1:], counted)
    for at, one in enumerate(counted):
        if one.way == true[0].way and abs(one.at_s - true[0].at_s) <= NEAR_S:
            best = max(best, 1 + most_matches(true[1:], [*counted[:at], *counted[at + 1 :]]))
    return best


@given(CROSSINGS, CROSSINGS)
def test_as_many_as_can_be_are_matched_each_once(
    true: list[FilmCrossing], counted: list[FilmCrossing]
) -> None:
    missed, false = find_unmatched(true, counted)
    assert len(true) - len(missed) == len(counted) - len(false) == most_matches(true, counted)
    assert not Counter(missed) - Counter(true)
    assert not Counter(false) - Counter(counted)


@pytest.mark.parametrize(
    ("counted", "true", "share"),
    [
        ({0: 9, 1: 11}, {0: 10, 1: 10}, 0.9),
        ({0: 10}, {1: 10}, 0.0),
        ({0: 90}, {0: 10}, 0.0),
        ({}, {3: 2}, 0.0),
        ({3: 2}, {3: 2}, 1.0),
        ({3: 2}, {}, 0.0),
        ({}, {}, None),
    ],
)
def test_what_is_wrong_in_two_minutes_does_not_make_up_for_each_other(
    counted: dict[int, int], true: dict[int, int], share: float | None
) -> None:
    assert measure_accuracy(counted, true) == (None if share is None else pytest.approx(share))


def filmed(counted: list[FilmCrossing], minutes: int = 3) -> FilmMinutes:
    """Make the minutes of a film that was watched all the time."""
    kept = FilmMinutes(began_ms=1_000_000)
    for second in range(60 * minutes):
        kept.watch(1_000_000 + 1_000 * second, 1_000)
    for at_s, way in counted:
        kept.cross(Crossing(1_000_000 + round(1_000 * at_s), way, has_face=False))
    return kept


def compare(true: list[FilmCrossing], minutes: FilmMinutes) -> list[str]:
    comparison = Comparison(true, minutes.list_by_film(), minutes.list_unknown())
    return list(list_differences(comparison, minutes))


def test_a_good_count_says_its_shares() -> None:
    true = [FilmCrossing(float(at), "in") for at in range(0, 120, 4)]
    counted = [FilmCrossing(at + 1.5, way) for at, way in true if at != 48]
    assert compare(true, filmed(counted)) == [
        "minute 0: 14 of 15 matched; missed 0:48.0 in",
        "minute 1: 15 of 15 matched",
        "96 % in, of 30, by your table",
    ]


def test_a_share_is_not_rounded_up() -> None:
    """199 of 200 are 99 %, and 9 of 10 are 90."""
    for people, said in ((200, "99 % in"), (10, "90 % in")):
        true = [FilmCrossing(at / 4, "in") for at in range(people)]
        comparison = Comparison(true, true[1:], frozenset())
        assert comparison.describe() == f"{said}, of {people}, by your table"
        assert comparison.is_good


def test_a_bad_count_names_the_minutes_and_what_speaks_against_them() -> None:
    true = [FilmCrossing(5.0, "in"), FilmCrossing(65.0, "in"), FilmCrossing(70.0, "out")]
    minutes = filmed([FilmCrossing(5.0, "in"), FilmCrossing(75.0, "out")])
    minutes.doubt(1_070_000, 2_500, "crowd")
    assert compare(true, minutes) == [
        "minute 0: 1 of 1 matched",
        "minute 1: 0 of 2 matched; missed 1:05.0 in, 1:10.0 out; false 1:15.0 out",
        "50 % in, 100 % out, of 3, by your table",
        "minute 1 is wrong: 0 in for 1, 1 out for 1; 2.5 s are not to be trusted: too many people "
        "hide each other at the line",
    ]


def test_a_minute_without_numbers_is_left_out_as_at_the_service() -> None:
    true = [FilmCrossing(5.0, "in"), FilmCrossing(65.0, "in")]
    minutes = filmed([FilmCrossing(5.0, "in")])
    minutes.doubt(1_070_000, 30_000, "dark")
    said = compare(true, minutes)
    assert said[0] == "minute 0: 1 of 1 matched"
    assert said[1].startswith("minute 1 has no numbers, and is left out: 30.0 s are not to be")
    assert said[2:] == ["100 % in, of 1, by your table"]
    minutes.crossings.clear()
    assert compare(true[1:], minutes)[-1].startswith("nothing can be said")


def test_who_is_counted_in_the_next_minute_is_right_in_his_own() -> None:
    assert compare([FilmCrossing(59.8, "in")], filmed([FilmCrossing(60.3, "in")])) == [
        "minute 0: 1 of 1 matched",
        "100 % in, of 1, by your table",
    ]


def test_who_is_counted_where_nobody_went_is_an_error() -> None:
    true = [FilmCrossing(5.0, "in"), FilmCrossing(9.0, "in")]
    false = [FilmCrossing(float(at), "out") for at in range(10, 15)]
    assert compare(true, filmed([*true, *false])) == [
        "minute 0: 2 of 2 matched; false 0:10.0 out, 0:11.0 out, 0:12.0 out, 0:13.0 out, "
        "0:14.0 out",
        "100 % in, 5 out for 0, of 2, by your table",
        "minute 0 is wrong: 2 in for 2, 5 out for 0",
    ]


def test_times_are_written_as_a_clock_shows_them() -> None:
    assert [describe_time(at_s) for at_s in (0, 59.96, 62.5, 3_600)] == [
        "0:00.0",
        "1:00.0",
        "1:02.5",
        "60:00.0",
    ]


@pytest.fixture
def door(tmp_path: Path) -> Path:
    pictures = [shown for _, shown in film([DOWN, UP], 3.4)]
    encoded(tmp_path / "door.mp4", pictures, rate=5)
    return tmp_path


def count(folder: Path, table: str) -> "subprocess.CompletedProcess[str]":
    """Count by the page's command, with this table."""
    [command] = re.findall(
        r"```\nregulars-edge (count --check .* --times .*)\n```", PAGE.read_text()
    )
    (folder / "times.csv").write_text(table)
    argv = [ENTRY, *command.split()]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_the_pages_command_says_how_right_a_film_is_counted(door: Path) -> None:
    done = count(door, "time,way\n0:01.6,in\n0:01.7,out\n0:03.2,in\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-4:-1] == [
        "minute 0: 2 of 3 matched; missed 0:03.2 in",
        "50 % in, 100 % out, of 3, by your table",
        "minute 0 is wrong: 1 in for 2, 1 out for 1",
    ]


def test_a_wrong_table_is_refused_before_the_film_is_read(door: Path) -> None:
    done = count(door, "0:01.6,in\n0:09,out\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "times.csv, line 2: 0:09 is beyond the film, which ends at 0:03.4" in done.stderr
    assert not (door / "door.counted.mp4").exists()
