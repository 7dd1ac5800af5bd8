"""How the uploader's process ends while cameras still send."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.film import RATE, numbered
from rig.standin import StandIn
from test_run import Box, box, until

pytest.importorskip("av")
from rig.rtsp import Rtsp, h264

__all__ = ["box"]

SLOW_TO_LEAVE = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.usleep, 1_000_000, None)  # as a library that takes long to clean up behind Python's back
from regulars_edge.cli import command
command()
"""


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Rtsp]:
    camera = Rtsp(h264(tmp_path / "film.h264", [numbered(number) for number in range(RATE)], RATE), RATE)
    yield camera
    camera.stop()


def test_it_ends_in_peace_while_a_stream_is_read_and_a_library_takes_long_to_clean_up(
    camera: Rtsp, stand_in: StandIn, box: Box
) -> None:
    box.configure(f'[[camera]]\nname = "door"\nsource = "rtsp"\nurl = "{camera.url}"\ninterval_s = 0.2\n')
    box.start(entry=[sys.executable, "-c", SLOW_TO_LEAVE])
    until(lambda: len(stand_in.captures()) > 2, said=box.log)
    assert box.stop() == 0, box.log()
