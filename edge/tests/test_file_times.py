"""Which time a file's picture gets: that when it was taken, however the file came and however the
clock was set."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from regulars_edge import exits
from regulars_edge.cli import main
from regulars_edge.config import SPOOL_VARIABLE, parse_config
from regulars_edge.errors import Misconfigured
from regulars_edge.frames import EncodedFrame
from regulars_edge.picture import NameTime, format_rfc3339, parse_content
from regulars_edge.sources.folder import FolderSource, Picture, read_picture
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin, Stamp
from rig import pictures
from rig.clock import FakeClock
from rig.user import unreadable

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
def clock() -> FakeClock:
    found = FakeClock()
    found.pass_(10 * HOUR_MS)  # a machine that has been running for a while
    return found


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def frames(source: FolderSource, clock: FakeClock) -> list[EncodedFrame]:
    found = []
    for _ in range(2):
        clock.pass_(1_000)
        found = list(source.look())
    return found


def true_ms(stamp: Stamp, clock: FakeClock) -> int:
    """The time of capture that the service gets, whose clock is right."""
    if stamp.moment is None:
        return stamp.stated_ms or 0
    return stamp.moment.boot_ms + clock.true_ms - clock.boot_ms()


@pytest.mark.parametrize("age_ms", [20_000, 20 * 60_000, HOUR_MS, 9 * HOUR_MS, 400 * DAY_MS])
def test_a_file_that_is_moved_in_keeps_the_time_that_it_has(
    drop: Path, clock: FakeClock, age_ms: int
) -> None:
    source = FolderSource(drop, clock)
    frames(source, clock)
    taken_ms = clock.true_ms - age_ms
    pictures.put(drop / "a.jpg", pictures.jpeg(1), taken_ms)
    (frame,) = frames(source, clock)
    assert true_ms(frame.stamp, clock) == taken_ms


def test_files_that_are_synced_in_together_keep_each_its_own_time(
    drop: Path, clock: FakeClock
) -> None:
    source = FolderSource(drop, clock)
    frames(source, clock)
    times = [clock.true_ms - minutes * 60_000 for minutes in (60, 50, 40, 30, 20)]
    for number, at_ms in enumerate(times):
        pictures.put(drop / f"{number}.jpg", pictures.jpeg(number), at_ms)
    assert [true_ms(frame.stamp, clock) for frame in frames(source, clock)] == times


@pytest.mark.parametrize("error_ms", [-DAY_MS, HOUR_MS, DAY_MS])
@pytest.mark.parametrize("seen", ["before the step", "after it"])
def test_a_clock_that_is_set_while_a_file_waits_moves_no_time(
    drop: Path, clock: FakeClock, error_ms: int, seen: str
) -> None:
    source = FolderSource(drop, clock)
    clock.wall_error_ms = error_ms
    frames(source, clock)
    taken_ms = clock.true_ms
    pictures.put(drop / "a.jpg", pictures.jpeg(1), clock.wall_ms())
    if seen == "before the step":
        clock.pass_(1_000)
        list(source.look())
    clock.pass_(500)
    clock.wall_error_ms = 0
    (frame,) = frames(source, clock)
    assert true_ms(frame.stamp, clock) == taken_ms


def test_a_file_of_an_earlier_boot_keeps_its_time_while_the_clock_says_1970(
    drop: Path, clock: FakeClock
) -> None:
    taken_ms = clock.true_ms - 30 * 60_000
    pictures.put(drop / "a.jpg", pictures.jpeg(1), taken_ms)
    clock.boot_again("boot-2")
    clock.wall_error_ms = -clock.true_ms  # no battery
    (frame,) = frames(FolderSource(drop, clock), clock)
    assert true_ms(frame.stamp, clock) == taken_ms


def test_a_file_that_was_written_before_the_clock_was_set_from_1970_was_taken_when_it_was_seen(
    drop: Path, clock: FakeClock
) -> None:
    pictures.put(drop / "a.jpg", pictures.jpeg(1), 40_000)
    seen_ms = clock.true_ms + 1_000
    (frame,) = frames(FolderSource(drop, clock), clock)
    assert true_ms(frame.stamp, clock) == seen_ms


def test_exif_times_are_believed_while_the_clock_says_1970(drop: Path, clock: FakeClock) -> None:
    clock.wall_error_ms = -clock.true_ms
    (drop / "a.jpg").write_bytes(pictures.jpeg_with_exif(1, "2026:03:04 05:06:07", "+00:00"))
    (frame,) = frames(FolderSource(drop, clock), clock)
    assert frame.stamp.stated_ms == 1_772_600_767_000


# times in names


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("%Y%m%d%H%M%S", "Front_01_20260304050607.jpg"),
        ("%Y%m%d%H%M%S", "cam12345678901234_20260304050607123.jpg"),
        ("%Y-%m-%d_%H.%M.%S", "2026-03-04_05.06.07 door.jpg"),
        ("%Y/%m/%d/%H%M%S", "door/2026/03/04/050607.jpg"),
        ("S%y%m%d_%H%M%S%f", "S260304_050607000.jpg"),
    ],
)
def test_a_name_says_the_time_by_the_pattern_that_is_set(pattern: str, name: str) -> None:
    taken_ms = round(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp() * 1000)
    assert NameTime(pattern).find_ms(Path(name), UTC) == taken_ms


@pytest.mark.parametrize("name", ["a.jpg", "20261304050607.jpg", "2026030405.jpg"])
def test_a_name_that_does_not_say_a_time_says_none(name: str) -> None:
    assert NameTime("%Y%m%d%H%M%S").find_ms(Path(name), UTC) is None


@pytest.mark.parametrize("pattern", ["", "%Y%m%d", "%H%M%S", "%Y%m%d%H%M%S%Q", "(%Y%m%d%H%M%S%"])
def test_a_pattern_that_is_no_time_is_refused_with_what_would_be_right(
    pattern: str, tmp_path: Path
) -> None:
    row = {"name": "door", "source": "folder", "folder": str(tmp_path), "time_in_name": pattern}
    with pytest.raises(Misconfigured, match=r"time_in_name.*%Y%m%d%H%M%S"):
        parse_config({"server": {"url": "http://127.0.0.1"}, "camera": [row]})


def test_exif_comes_before_the_name_and_the_name_before_the_files_time(
    drop: Path,
    clock: FakeClock,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = FolderSource(drop, clock, zone=UTC, time_in_name=NameTime("%Y%m%d%H%M%S"))
    (drop / "a20260304000000.jpg").write_bytes(
        pictures.jpeg_with_exif(1, "2026:03:04 05:06:07", "+00:00")
    )
    (drop / "b20260304050607.jpg").write_bytes(pictures.jpeg(2))
    (drop / "c.jpg").write_bytes(pictures.jpeg(3))
    for number, path in enumerate(sorted(drop.iterdir())):
        os.utime(path, (1_700_000_000 + number,) * 2)
    found = frames(source, clock)
    assert [frame.stamp.stated_ms for frame in found] == [
        1_772_600_767_000,
        1_772_600_767_000,
        1_700_000_002_000,
    ]
    with spools.open_spool(tmp_path / "spool", clock=clock) as spool:
        for frame in found:
            content = parse_content(frame.encode_picture())
            assert content is not None
            spool.add_picture(
                Origin("door", "folder:door"),
                frame.encode_picture(),
                content,
                frame.stamp,
                frame.mark,
            )
    monkeypatch.setenv(SPOOL_VARIABLE, str(tmp_path / "spool"))
    assert main(["status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["cameras"]["door"]["times_by"]
    assert said == {"exif": 1, "name": 1, "file": 1}
    assert main(["status"]) == 0
    assert "times by exif 1, name 1, file 1" in capsys.readouterr().out


@pytest.mark.parametrize("second", [400_000_000_000, -400_000_000_000])
def test_a_file_of_a_year_that_no_date_has_can_be_offered(tmp_path: Path, second: int) -> None:
    """Some disks keep such times; else its camera's pictures would wait behind it for ever."""
    (tmp_path / "a.jpg").write_bytes(pictures.jpeg(1))
    os.utime(tmp_path / "a.jpg", (second, second))
    one = read_picture(tmp_path / "a.jpg", UTC, 0)
    assert isinstance(one, Picture)
    assert format_rfc3339(one.stamp.stated_ms or 0) <= "9999"


def test_a_spool_that_another_user_has_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with unreadable("spool") as folder:
        monkeypatch.setenv(SPOOL_VARIABLE, str(folder))
        assert main(["status"]) == exits.MISUSED
    assert "Permission denied" in capsys.readouterr().err
