"""Through every bad day: in the end the service has each picture once, with its time within a second."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from regulars_edge.clock import ServiceTime
from regulars_edge.http import Http
from regulars_edge.lane import CameraUploader
from regulars_edge.service import Service
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin, Stamp
from regulars_edge.spool.spool import Spool
from rig import pictures
from rig.clock import FakeClock
from rig.real import Regulars
from rig.spooled import add, content
from rig.standin import StandIn
from rig.uploader import upload
from rig.weather import Weather

pytestmark = pytest.mark.disk

DAY_MS = 86_400_000


def take(spool: Spool, number: int, clock: FakeClock, camera: str = "door") -> str:
    """Take one picture now; returns its digest."""
    add(spool, number, Stamp(clock.moment()), Origin(camera, "test"))
    return content(number)[1].sha256.hex()


def lane_of(spool: Spool, url: str, key: str, clock: FakeClock) -> CameraUploader:
    service_time = ServiceTime(clock, spool.anchor())
    service = Service(Http(clock), url, lambda: key, service_time, makes_cameras=True)
    return CameraUploader(spool, service, "door", service_time, now=lambda: clock.boot_ms() / 1000)


def drain(spool: Spool, url: str, key: str, clock: FakeClock) -> None:
    lane = lane_of(spool, url, key, clock)
    for _ in range(5_000):
        result = lane.round()
        if result.idle:
            return
        clock.pass_(round(result.wait_s * 1000))
    raise AssertionError(f"not done: {result}")


def off_ms(service_says: str, true_ms: int) -> float:
    return abs(pictures_ms(service_says) - true_ms)


def pictures_ms(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_the_service_is_down_for_three_days(stand_in: StandIn, tmp_path: Path) -> None:
    """In simulated time. The box's clock is an hour ahead; in the middle the power fails, then it is right."""
    clock = FakeClock(wall_error_ms=3_600_000)
    stand_in.now_ms = lambda: clock.true_ms
    weather = Weather(None, share=0)
    taken: list[tuple[str, int]] = []
    tries = 0
    for boot in ("boot-1", "boot-2"):
        with spools.opened(tmp_path / "spool", clock=clock) as spool:
            lane = lane_of(spool, weather.url, stand_in.key, clock)
            until, due = clock.true_ms + DAY_MS * 3 // 2, clock.true_ms
            while clock.true_ms < until:
                taken.append((take(spool, len(taken), clock), clock.true_ms))
                clock.pass_(1_200_000)
                while due <= clock.true_ms:
                    result = lane.round()
                    tries += 1
                    assert result.trouble
                    due += max(1000, round(result.wait_s * 1000))
        if boot == "boot-1":
            clock.wall_error_ms = 0
            clock.boot_again("boot-2", off_ms=600_000)
    weather.goes_to = stand_in.url
    with spools.opened(tmp_path / "spool", clock=clock) as spool:
        drain(spool, weather.url, stand_in.key, clock)
        assert [one.unsent for one in spool.totals().values()] == [0]
    weather.stop()
    there = list(reversed(stand_in.captures()))
    assert sorted(row["sha256"] for row in there) == sorted(sha256 for sha256, _ in taken), "each once"
    second_boot = taken[len(taken) // 2 :]
    late = dict(second_boot)
    assert max(off_ms(row["captured_at"], late[row["sha256"]]) for row in there if row["sha256"] in late) < 1000
    assert 600 < tries < 3_000, "backoff reaches its cap: some tries an hour, not thousands"


def test_the_service_is_killed_and_started_again(tmp_path: Path, started_regulars: Regulars) -> None:
    folder = tmp_path / "in"
    pictures.fill(folder, 120, start=800_000)
    ended: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(
        target=lambda: ended.append(
            upload(folder, started_regulars.url, started_regulars.key, tmp_path / "spool", camera="restarts")
        )
    )
    thread.start()
    for _ in range(2):
        time.sleep(0.7)
        started_regulars.kill()
        started_regulars.start()
    thread.join(timeout=300)
    assert ended[0].returncode == 0, ended[0].stderr
    there = pictures.there(started_regulars.captures("restarts"))
    assert sorted(there) == sorted(pictures.expected(folder))


def test_two_uploaders_on_one_spool_the_second_refuses(stand_in: StandIn, tmp_path: Path) -> None:
    pictures.fill(tmp_path / "in", 3)
    with spools.opened(tmp_path / "spool"):
        done = upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool")
    assert done.returncode == 5
    assert f"in use by another uploader (process {os.getpid()})" in done.stderr
    assert stand_in.captures() == []
