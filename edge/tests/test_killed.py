"""kill -9 at random moments: nothing is lost and nothing is there twice."""

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from regulars_edge.spool import database
from rig import pictures
from rig.real import Regulars
from rig.standin import StandIn
from rig.uploader import Zygote, environment, upload
from rig.weather import Weather

pytestmark = pytest.mark.disk

A_KILL = 4
"""New pictures for each kill, so that there is always something to interrupt."""
LONGEST_LIFE_S, LONGEST_WATCH_S, LONGER = 0.2, 0.5, 1.3
"""On a busy machine a life is LONGER each time until one of them has taken a picture."""
BACKLOG = 60
"""Files that may wait in the watched folder: a life is too short for many."""


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--edge-kills"))


def has_taken(spool: Path) -> bool:
    """Whether a picture has ever got a row."""
    with suppress(sqlite3.Error), closing(database.open_for_reading(spool)) as db:
        return bool(db.execute("SELECT 1 FROM pictures LIMIT 1").fetchone())
    return False


def test_a_folders_upload_survives_kills(
    service: StandIn | Regulars, zygote: Zygote, tmp_path: Path, kills: int
) -> None:
    """Half of the gate's kills; a tenth of the requests fail on top."""
    rng = random.Random(7)
    folder, weather = tmp_path / "in", Weather(service.url, share=0.1, seed=7)
    argv = ["upload", str(folder), "--url", weather.url, "--camera", "kill-upload", "--no-progress"]
    env = environment(service.key, tmp_path / "spool")
    ended: dict[int, int] = {}
    rounds, longest_s = max(1, kills // 4), LONGEST_LIFE_S
    for number in range(rounds):
        pictures.fill(folder, A_KILL, start=number * A_KILL)
        code = zygote.killed_after(argv, env, rng.uniform(0, longest_s))
        ended[code] = ended.get(code, 0) + 1
        longest_s *= 1 if has_taken(tmp_path / "spool") else LONGER
    zygote.start(argv, env)
    assert zygote.ended() == 0, (tmp_path / "uploader.log").read_text()[-3000:]
    weather.stop()
    there = pictures.there(service.captures("kill-upload"))
    print(
        f"\nupload: {ended.get(-9, 0)} of {rounds} killed by {longest_s:.1f} s, {len(there)} "
        f"captures, {weather.met}"
    )
    assert len(there) == len(set(there))
    assert set(there) == pictures.expected(folder)
    assert list((tmp_path / "spool" / "pictures").iterdir()) == [], "copies of what was sent"
    assert ended.get(-9, 0) > rounds / 4, ended


def test_a_watched_folder_survives_kills(
    service: StandIn | Regulars, zygote: Zygote, tmp_path: Path, kills: int
) -> None:
    """The other half: here the files go when the spool has them, so what is lost is lost for
    good."""
    rng = random.Random(8)
    drop, weather = tmp_path / "ftp", Weather(service.url, share=0.1, seed=8)
    config = tmp_path / "edge.toml"
    config.write_text(f"""
        [server]
        url = "{weather.url}"
        make_cameras = true
        [metrics]
        port = 0
        [[camera]]
        name = "kill-watch"
        source = "folder"
        folder = "{drop}"
        interval_s = 0.02
    """)
    argv, env = ["run", "--config", str(config)], environment(service.key, tmp_path / "spool")
    expected: set[str] = set()
    rounds, longest_s = max(1, kills // 4), LONGEST_WATCH_S
    number = 100_000
    for _ in range(rounds):
        if not drop.exists() or sum(1 for _ in drop.rglob("*.jpg")) < BACKLOG:
            pictures.fill(drop, A_KILL, start=number)
            expected |= {
                hashlib.sha256(pictures.jpeg(one)).hexdigest()
                for one in range(number, number + A_KILL)
            }
            number += A_KILL
        assert zygote.killed_after(argv, env, rng.uniform(0, longest_s)) == -signal.SIGKILL
        longest_s *= 1 if has_taken(tmp_path / "spool") else LONGER
    taken = len(expected) - sum(1 for _ in drop.rglob("*.jpg"))
    log = tmp_path / "uploader.log"
    starts = log.read_text().count(" cameras, spool ")
    pid = zygote.start(argv, env)
    deadline = time.monotonic() + 180 + kills / 20
    left = None
    while time.monotonic() < deadline and (
        left != [] or log.read_text().count(" cameras, spool ") == starts
    ):
        time.sleep(0.2)
        left = [
            path
            for place in (drop, tmp_path / "spool" / "pictures")
            for path in place.rglob("*.jpg")
        ]
    os.kill(pid, signal.SIGTERM)
    assert zygote.ended() == 0, log.read_text()[-3000:]
    weather.stop()
    there = [sha256 for sha256, _ in pictures.there(service.captures("kill-watch"))]
    print(
        f"\nrun: {rounds} killed, {len(there)} captures, {taken} of them taken by the killed, "
        f"{weather.met}"
    )
    assert len(there) == len(set(there))
    assert set(there) == expected
    assert left == [], "copies of what was sent"


def test_the_service_is_killed_and_started_again(
    tmp_path: Path, started_regulars: Regulars
) -> None:
    folder = tmp_path / "in"
    pictures.fill(folder, 120, start=800_000)
    ended: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(
        target=lambda: ended.append(
            upload(
                folder,
                started_regulars.url,
                started_regulars.key,
                tmp_path / "spool",
                camera="restarts",
            )
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
