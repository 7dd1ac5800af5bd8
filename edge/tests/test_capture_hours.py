"""Capture hours on a machine whose clock nobody has confirmed: pictures are taken at any hour, and
those from outside never leave it."""

import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_edge.clock import Anchor, parse_moment
from regulars_edge.config import parse_config
from regulars_edge.errors import SpoolFull
from regulars_edge.logs import Dropped
from regulars_edge.pace import ALWAYS, Hours
from regulars_edge.run import Uploader
from regulars_edge.spool import counts
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import MinutePart, Stamp
from regulars_edge.spool.spool import Spool
from rig.clock import FakeClock
from rig.counting import CountingBox
from rig.spooled import add, copies
from rig.standin import StandIn

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
OPEN = Hours.read_spans(["08:00-20:00"], UTC)
NINE = datetime(2026, 11, 30, 9, tzinfo=UTC)


def clock_at(hour: float, wall: timedelta = timedelta()) -> FakeClock:
    """Make the clock of a machine that begins at an hour of this Monday; `wall`: how far behind
    its own is."""
    clock = FakeClock(wall_error_ms=-round(wall.total_seconds() * 1000))
    at = NINE.replace(hour=0) + timedelta(hours=hour)
    clock.pass_(round(at.timestamp() * 1000) - clock.true_ms)
    clock.boot_again("boot-1")
    return clock


def go_to(clock: FakeClock, hour: float) -> None:
    at = NINE.replace(hour=0) + timedelta(hours=hour)
    clock.pass_(round(at.timestamp() * 1000) - clock.true_ms)


def take(spool: Spool, number: int, clock: FakeClock, hours: Hours = OPEN) -> None:
    add(spool, number, Stamp(clock.moment()), hours=hours)


def hear_service(spool: Spool, clock: FakeClock) -> None:
    spool.remember_anchor(Anchor(clock.true_ms - clock.boot_ms(), 5, clock.boot_ms()))


def hours_of(spool: Spool) -> list[float]:
    """Return at which hours of this Monday the pictures were taken that would be sent."""
    began_ms = NINE.replace(hour=0).timestamp() * 1000
    entries = spool.list_next("door", 100, 10**9)
    return [(entry.captured_at_ms - began_ms) / HOUR_MS for entry in entries]


def reboot(clock: FakeClock, number: int, off_ms: int = 60_000) -> None:
    """Switch a machine off and on that goes on with the time of its shutdown."""
    clock.boot_again(f"boot-{number}", off_ms)
    clock.wall_error_ms -= off_ms


BEHIND = {
    "right": timedelta(),
    "1970": NINE - datetime(1970, 1, 1, 0, 1, tzinfo=UTC),
    "as at its last shutdown": timedelta(hours=11, minutes=55),
    "a year behind, too": timedelta(days=365, hours=11, minutes=55),
    "ahead": timedelta(hours=-12),
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("heard", ["nobody", "NTP", "the service"])
def test_hours_close_a_camera_only_once_somebody_has_said_the_time(
    tmp_path: Path, behind: timedelta, heard: str
) -> None:
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/", "zone": "UTC"}
    settings = {"server": {"url": "http://127.0.0.1:9"}}
    camera = [row | {"capture_hours": ["08:00-20:00"]}]
    seen = []
    for hour in (9, 21):
        clock = clock_at(hour, behind)
        if heard == "NTP":
            clock.wall_error_ms, clock.has_ntp = 0, True
        with spools.open_spool(tmp_path / str(hour), clock=clock) as spool:
            uploader = Uploader(parse_config(settings | {"camera": camera}), spool, str)
            (capture,) = uploader.captures
            if heard == "the service":
                uploader.service_time.take_sample(
                    clock.true_ms, clock.boot_ms(), clock.boot_ms() + 2
                )
            clock.wall_error_ms -= DAY_MS // 2  # a clock that jumps moves nothing of it
            wiring = capture.make(capture.config)
            seen.append(wiring.is_open())
            assert wiring.hours.write() == OPEN.write()
    assert seen == [True, heard == "nobody"]


def test_the_start_says_that_hours_do_not_hold_yet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {
        "server": {"url": "http://127.0.0.1:9"},
        "camera": [row | {"capture_hours": ["08:00-20:00"]}, row | {"name": "yard"}],
    }
    for has_ntp in (True, False):
        clock = FakeClock()
        clock.has_ntp = has_ntp
        with spools.open_spool(tmp_path / str(has_ntp), clock=clock) as spool:
            uploader = Uploader(parse_config(raw), spool, str)
            uploader.stop()
            uploader.run(SimpleNamespace(tell=str, watchdog_s=None))  # type: ignore[arg-type]
            said = [row.getMessage() for row in caplog.records if "NTP" in row.getMessage()]
            assert len(said) == (not has_ntp)
    assert said[0].endswith("(door)")


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
def test_what_is_from_outside_is_deleted_unsent_once_the_time_is_known(
    tmp_path: Path, behind: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    clock = clock_at(6, behind)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        for number, hour in enumerate((7, 7.99, 8, 12, 19.99, 20, 23)):
            go_to(clock, hour)
            take(spool, number, clock)
        take(spool, 100, clock, ALWAYS)
        assert hours_of(spool) == []
        assert len(copies(tmp_path)) == 8
        hear_service(spool, clock)
        spool.check_hours()
        assert len(copies(tmp_path)) == 4, "at once, and not when they would be sent"
        assert hours_of(spool) == pytest.approx([8, 12, 19.99, 23])
        assert spool.held_bytes == sum(path.stat().st_size for path in copies(tmp_path))
        assert spool.dropped == [(Dropped.OUT_OF_HOURS, "door")] * 4
    assert "door: pictures deleted unsent: 4; they are from outside of `capture_hours`" in (
        caplog.text
    )


def test_what_comes_from_before_the_time_was_known_is_checked_when_it_comes(tmp_path: Path) -> None:
    """best_shot gives a face's best frame when the face is gone."""
    clock = clock_at(7)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        early = Stamp(clock.moment())
        clock.pass_(HOUR_MS)
        hear_service(spool, clock)
        add(spool, 1, early, hours=OPEN)
        take(spool, 2, clock)
        assert hours_of(spool) == [8]


def test_the_hours_of_when_it_was_taken_count(tmp_path: Path) -> None:
    """Hours that are set later do not count; and the file's bound those of the service."""
    clock = clock_at(19)
    zone = ZoneInfo("Europe/Berlin")
    bound = Hours.read_spans(["00:00-20:30"], zone)
    ways = [OPEN, Hours.read_spans(["08:00-22:00"], zone), Hours(OPEN.spans, UTC, bound)]
    with spools.open_spool(tmp_path, clock=clock) as spool:
        for step, hour in enumerate((19, 19.75, 20.5)):
            go_to(clock, hour)
            for number, hours in enumerate(ways):
                take(spool, 3 * step + number, clock, hours)
        hear_service(spool, clock)
        assert hours_of(spool) == pytest.approx([19, 19, 19, 19.75, 19.75, 20.5], abs=1e-5)


def test_two_boots_without_network_are_told_apart(tmp_path: Path) -> None:
    """A shop without network, whose box is switched off and on twice: it lies between what is
    known before and after whether a boot's pictures are of the hours."""
    clock = clock_at(9)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        go_to(clock, 10)
        take(spool, 1, clock)
    for boot in (2, 3):
        reboot(clock, boot)
        with spools.open_spool(tmp_path, clock=clock) as spool:
            clock.pass_(HOUR_MS)
            take(spool, boot, clock)
            assert hours_of(spool) == [], "nobody has said the time"
    reboot(clock, 4)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        found = hours_of(spool)
        assert len(found) == 3
        assert all(10 <= hour <= 12.1 for hour in found), found
        assert spool.dropped == []


@pytest.mark.parametrize("night", [1, 2])
def test_a_boot_that_may_be_of_the_night_is_deleted(tmp_path: Path, night: int) -> None:
    """Twice without network; of one of the two boots nobody can say that it was by day."""
    clock = clock_at(9)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        take(spool, 1, clock)
    for boot in (2, 3):
        off_ms = 12 * HOUR_MS if boot - 1 == night else 60_000
        reboot(clock, boot, off_ms)
        with spools.open_spool(tmp_path, clock=clock) as spool:
            clock.pass_(60_000)
            take(spool, boot, clock)
    reboot(clock, 4)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        assert hours_of(spool) == [9]
        assert len(copies(tmp_path)) == 1
        assert spool.dropped == [(Dropped.OUT_OF_HOURS, "door")] * 2


def test_ntp_says_the_time_of_a_boot_that_the_service_did_not_hear(tmp_path: Path) -> None:
    """And the service has the last word of one that it hears: NTP can be forged."""
    clock = clock_at(9)
    clock.has_ntp = True
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [row]}
    with spools.open_spool(tmp_path, clock=clock) as spool:
        Uploader(parse_config(raw), spool, str)._tick(0.0)
        take(spool, 1, clock)
    clock.has_ntp = False
    reboot(clock, 2, 30 * HOUR_MS)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        assert hours_of(spool) == [9]
    reboot(clock, 3, 8 * HOUR_MS)  # 23 o'clock
    clock.has_ntp, clock.wall_error_ms = True, -12 * HOUR_MS
    with spools.open_spool(tmp_path, clock=clock) as spool:
        uploader = Uploader(parse_config(raw), spool, str)
        uploader._tick(0.0)
        take(spool, 2, clock)
        spool.add_counts("door", MinutePart(clock.boot_ms(), 60_000, 2, 1, 0, {}), OPEN)
        uploader._tick(0.0)
        assert hours_of(spool) == [9]
        assert spool.list_due_minutes("door", clock.true_ms + HOUR_MS).minutes == ()
        for _ in range(2):
            uploader.service_time.take_sample(clock.true_ms, clock.boot_ms(), clock.boot_ms())
        uploader._tick(0.0)
        assert hours_of(spool) == [9]
        assert spool.list_due_minutes("door", clock.true_ms + HOUR_MS).minutes == ()
        assert len(copies(tmp_path)) == 1


def test_ntp_of_a_former_boot_does_not_count_beyond_what_the_service_says_of_its_neighbours(
    tmp_path: Path,
) -> None:
    """It said noon at 2 o'clock: by its word that boot ended after the next one had begun."""
    clock = clock_at(2)
    clock.has_ntp, clock.wall_error_ms = True, 10 * HOUR_MS
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [row]}
    with spools.open_spool(tmp_path, clock=clock) as spool:
        Uploader(parse_config(raw), spool, str)._tick(0.0)
        take(spool, 1, clock)
    clock.has_ntp, clock.wall_error_ms = False, 0
    reboot(clock, 2, 60_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        assert hours_of(spool) == []
        assert copies(tmp_path) == []


def test_a_slow_line_to_the_service_confirms_what_ntp_says(tmp_path: Path) -> None:
    clock = clock_at(9)
    clock.has_ntp = True
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [row]}
    with spools.open_spool(tmp_path, clock=clock) as spool:
        uploader = Uploader(parse_config(raw), spool, str)
        uploader._tick(0.0)
        take(spool, 1, clock)
        assert hours_of(spool) == []
        now_ms = clock.boot_ms()
        uploader.service_time.take_sample(clock.true_ms, now_ms - 2_000, now_ms + 2_000)
        uploader._tick(0.0)
        assert hours_of(spool) == [9]


def test_what_ntp_says_is_not_in_the_name_of_a_copy(tmp_path: Path) -> None:
    """Else a lost book would let out what was taken in the night by a forged time."""
    clock = clock_at(23)
    clock.has_ntp, clock.wall_error_ms = True, -12 * HOUR_MS
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "camera": [row]}
    with spools.open_spool(tmp_path, clock=clock) as spool:
        Uploader(parse_config(raw), spool, str)._tick(0.0)
        take(spool, 1, clock)
    (tmp_path / "spool.sqlite").unlink()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        spool.take_in(threading.Event())
        hear_service(spool, clock)
        assert hours_of(spool) == []


def test_what_is_from_outside_goes_while_nothing_may_be_sent_and_after_a_restart(
    tmp_path: Path,
) -> None:
    clock = clock_at(23)
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "upload": {"hours": ["03:00-04:00"]}}
    config = parse_config(raw | {"camera": [row]})
    with spools.open_spool(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
        hear_service(spool, clock)  # and is killed
    with spools.open_spool(tmp_path, clock=clock) as spool:
        Uploader(config, spool, str)._tick(0.0)
        assert copies(tmp_path) == []


def test_a_copy_whose_row_a_kill_took_is_not_sent_at_any_hour(tmp_path: Path) -> None:
    """Its name says that its hour is to be checked, and the hours were in the row."""
    clock = clock_at(23)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
        take(spool, 2, clock, ALWAYS)
        go_to(clock, 24 + 9)
        hear_service(spool, clock)
        take(spool, 3, clock)
        late = Stamp(parse_moment(clock, clock.boot_ms() - 10 * HOUR_MS))
        add(spool, 4, late, hours=OPEN)
    (tmp_path / "spool.sqlite").unlink()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        spool.take_in(threading.Event())
        hear_service(spool, clock)
        assert hours_of(spool) == pytest.approx([23, 24 + 9], abs=1e-5)
        assert len(copies(tmp_path)) == 2


# cut, and a full disk


def check_until_killed(folder: Path, clock: FakeClock, cut: int) -> None:
    """Take two pictures at night, hear the time, list what is due; kill this process before its
    call number `cut` that may change something, else exit."""
    calls, names = 0, {"execute", "executemany", "unlink", "fsync", "write", "open"}

    def count_call(frame: FrameType, event: str, function: object) -> None:
        nonlocal calls
        if event == "c_call" and getattr(function, "__name__", "") in names:
            calls += 1
            if calls == cut:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count_call)
    with spools.open_spool(folder, clock=clock) as spool:
        take(spool, 3, clock)
        hear_service(spool, clock)
        take(spool, 4, clock)
        hours_of(spool)
    os._exit(0)


def cut_checks(tmp_path: Path, clock: FakeClock) -> Iterator[Path]:
    """Run that with each possible cut; yield each folder as it was left."""
    for cut in range(1, 1_000):
        folder = tmp_path / str(cut)
        shutil.copytree(tmp_path / "from", folder)
        child = os.fork()
        if not child:
            check_until_killed(folder, clock, cut)
        _, status = os.waitpid(child, 0)
        yield folder
        if not os.WIFSIGNALED(status):
            assert status == 0
            return
    raise AssertionError("none came to its end")


@pytest.mark.parametrize("boots", [0, 2])
def test_nothing_from_outside_leaves_wherever_a_kill_comes(tmp_path: Path, boots: int) -> None:
    """Killed, and perhaps started twice without network, before the time is known again."""
    clock = clock_at(9)
    with spools.open_spool(tmp_path / "from", clock=clock) as spool:
        take(spool, 1, clock)
        go_to(clock, 23)
        take(spool, 2, clock)
    folders = 0
    for folder in cut_checks(tmp_path, clock):
        folders += 1
        later = clock_at(9)
        go_to(later, 23)
        later._booted_ms = clock._booted_ms
        for boot in range(boots):
            reboot(later, 2 + boot)
            with spools.open_spool(folder, clock=later) as spool:
                spool.take_in(threading.Event())
        with spools.open_spool(folder, clock=later) as spool:
            spool.take_in(threading.Event())
            hear_service(spool, later)
            found = hours_of(spool)
            assert found in ([9], []) if boots else found == [9], (folder, found)
            assert spool.held_bytes == sum(path.stat().st_size for path in copies(folder))
            assert len(copies(folder)) == len(found)
    assert folders > 60


def test_a_full_disk_sends_nothing_from_outside_and_deletes_it_when_it_can(tmp_path: Path) -> None:
    clock = clock_at(9)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        for number in range(40):
            take(spool, number, clock)
        go_to(clock, 23)
        for number in range(40, 80):
            take(spool, number, clock)
        ((pages,),) = spool.books.read_rows("PRAGMA page_count")
        (tmp_path / "pictures").chmod(0o500)
        hear = partial(hear_service, spool, clock)
        if os.getuid():  # root may delete in any folder
            with pytest.raises(SpoolFull):
                hear()
        (tmp_path / "pictures").chmod(0o700)
        spool.books.read_rows(f"PRAGMA max_page_count={pages}")
        found = []
        for _ in range(3):
            try:
                hear()
                found = hours_of(spool)
            except SpoolFull:
                spool.books.read_rows(f"PRAGMA max_page_count={100 * pages}")
        assert found == pytest.approx([9] * 40, abs=1e-4)
        assert len(copies(tmp_path)) == 40


def test_what_cannot_be_deleted_keeps_no_update_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = clock_at(23)
    row = {"name": "door", "source": "snapshot", "url": "http://10.0.0.9/"}
    raw = {"server": {"url": "http://127.0.0.1:9"}, "update": {"url": "http://127.0.0.1:9"}}
    with spools.open_spool(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
        [copy] = copies(tmp_path)
        copy.unlink()
        copy.mkdir()  # which nobody unlinks
        hear_service(spool, clock)
        Uploader(parse_config(raw | {"camera": [row]}), spool, str)._tick(0.0)
    assert "cannot be deleted" in caplog.text
    assert (tmp_path / "report.json").exists()


# counting


def test_minutes_outside_are_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Counted by a clock that is behind; the whole minute has to lie in the hours."""
    caplog.set_level(logging.WARNING)
    clock = clock_at(19.5, timedelta(hours=1, seconds=20))
    service = StandIn(lambda: clock.true_ms)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        box = CountingBox(spool, service, clock)
        box.hours = OPEN
        box.count("i" * 60, apart_ms=60_000)
        box.tell()
        box.tell()
        told = service.books.counts["door"]
        assert len(told) == 29
        assert max(told) < "2026-11-30T20:00"
        left = spool.books.read_rows("SELECT count(*) FROM counts WHERE hours IS NOT NULL")
        assert left == [(29,)]
    service.stop()
    assert "door: counted minutes deleted untold: 31; they are from outside of" in caplog.text


def test_minutes_of_a_boot_that_may_be_of_the_night_are_not_told(tmp_path: Path) -> None:
    clock = clock_at(9)
    for boot, off_ms in ((2, 12 * HOUR_MS), (3, 60_000)):
        with spools.open_spool(tmp_path, clock=clock) as spool:
            spool.add_counts("door", MinutePart(clock.boot_ms(), 60_000, 1), OPEN)
        reboot(clock, boot, off_ms)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        hear_service(spool, clock)
        spool.list_due_minutes("door", clock.true_ms)
        assert spool.books.read_rows("SELECT count(*) FROM counts") == [(0,)]


# how hours are kept

SPANS = st.lists(st.sampled_from(["08:00-20:00", "22:00-06:00", "Sat 09:00-14:00"]), max_size=2)
ZONES = st.sampled_from([None, UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")])
HOURS = st.builds(Hours.read_spans, SPANS, ZONES)


@given(HOURS, st.none() | HOURS, st.integers(0, 14 * 24 * 60))
def test_hours_that_are_kept_are_open_as_they_were(
    hours: Hours, within: Hours | None, minute: int
) -> None:
    both = Hours(hours.spans, hours.zone, within)
    kept: Any = Hours.read(both.write())
    at_ms = round(NINE.timestamp() * 1000) + minute * 60_000
    assert kept.is_open_at(at_ms) == both.is_open_at(at_ms)
    assert (both.write() == "") == (not both.ever_close)
    assert both.write() == "" or json.loads(both.write())


# how much work that is


class CountingZone(tzinfo):
    """UTC, which counts how often it is asked."""

    asked = 0

    def utcoffset(self, _at: datetime | None) -> timedelta:
        self.asked += 1
        return timedelta()

    def dst(self, _at: datetime | None) -> timedelta:
        return timedelta()


def test_hours_of_each_day_are_looked_through_for_a_week() -> None:
    """A machine that was off for half a year, with hours that never close."""
    zone = CountingZone()
    hours = Hours.read_spans(["00:00-12:00", "12:00-24:00"], zone)
    began_ms = round(NINE.timestamp() * 1000)
    assert hours.is_open_through(began_ms, began_ms + 180 * DAY_MS)
    assert zone.asked <= 2 * (7 * 24 * 60 + 1)


def test_minutes_are_settled_in_proportion_to_their_number(tmp_path: Path) -> None:
    steps = []
    for number in (250, 1_000):
        clock = clock_at(9)
        with spools.open_spool(tmp_path / str(number), clock=clock) as spool:
            for minute in range(number):
                part = MinutePart(clock.boot_ms() + minute * 60_000, 60_000, 1)
                spool.add_counts("door", part, OPEN)
            hear_service(spool, clock)
            steps.append(0)

            def count_steps() -> None:
                steps[-1] += 1

            with spool.books.writing() as db:
                db.set_progress_handler(count_steps, 100)
                assert counts.settle_times(db, "door", spool.books.boot) == max(0, number - 660)
                db.set_progress_handler(None, 0)
    assert steps[1] < 6 * steps[0], steps
