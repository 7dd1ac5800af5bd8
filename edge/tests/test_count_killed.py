"""kill -9 while people are counted: each who has crossed is there, and no minute is lost whole."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from regulars_edge.spool import spool as spools

pytestmark = pytest.mark.disk

COUNTS = """
import sys, time
from pathlib import Path
from regulars_edge.clock import Clock
from regulars_edge.count.line import Crossing
from regulars_edge.count.minutes import SpooledMinutes
from regulars_edge.spool import spool as spools

clock = Clock()
with spools.open_spool(Path(sys.argv[1])) as spool:
    minutes = SpooledMinutes(
        lambda part: spool.add_counts("door", part), lambda: clock.wall_ms() - clock.boot_ms()
    )
    while True:
        at_ms = clock.boot_ms()
        minutes.watch(at_ms, 10)
        minutes.cross(Crossing(at_ms, "in", False))
        print(".", end="", flush=True)
        time.sleep(0.002)
"""
"""A box whose camera sees somebody come in all the time, and says so when each is counted."""


def test_kills_lose_nobody_who_was_counted(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """One may be counted whom the killed process has not said."""
    kills = int(request.config.getoption("--edge-count-kills"))
    rng, said = random.Random(5), 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", COUNTS, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        said += len(process.stdout.read(1 + rng.randrange(20)))
        time.sleep(rng.uniform(0, 0.02))
        os.kill(process.pid, signal.SIGKILL)
        said += len(process.stdout.read())
        process.wait()
        process.stdout.close()
    with spools.open_spool(tmp_path) as spool:
        rows = "SELECT sum(came_in), sum(watched_ms) FROM counts"
        [(counted, watched_ms)] = spool.books.read_rows(rows)
    print(f"\n{kills} kills, {said} said, {counted} counted, {watched_ms} ms watched")
    assert said <= counted <= said + kills
    assert watched_ms >= 10 * said
