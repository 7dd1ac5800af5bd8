"""`regulars-edge run` ends when it is told to, also if it is told again at once, as `timeout` and a
terminal do."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from rig.uploader import Zygote, environment

PARTS = 4
"""Tests that may run side by side (`make stop-edge`)."""
LONGEST_S = 30.0
"""Of a stop; threads are waited for for 10 s."""


@pytest.fixture
def stops(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--edge-stops")) // PARTS


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_box_that_is_told_to_stop_again_and_again_ends(
    zygote: Zygote, tmp_path: Path, stops: int, part: int
) -> None:
    """A handler that takes a lock is interrupted in it by the next signal, and waits for itself."""
    config = tmp_path / "edge.toml"
    config.write_text(f"""
        [server]
        url = "http://127.0.0.1:9"
        [metrics]
        port = 0
        [[camera]]
        name = "door"
        source = "folder"
        folder = "{tmp_path}"
    """)
    argv, env = ["run", "--config", str(config)], environment("none", tmp_path / "spool")
    for number in range(stops):
        pid = zygote.start(argv, env, hails=True)
        timer = threading.Timer(LONGEST_S, kill, (pid,))
        timer.start()
        ended = zygote.ended()
        timer.cancel()
        assert ended == 0, f"stop {number} of part {part}: {zygote.log.read_text()[-2000:]}"
