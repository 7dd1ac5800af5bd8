"""An import that is killed again and again comes to the same as one that was not."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.domain.pictures import DetectedFace
from tests.support.box.album import people, state
from tests.support.box.box import Box, serving
from tests.support.fakes import FakeVision, Person, picture

GROUP = "VIP"


def album(folder: Path, pictures: int) -> Path:
    """So many pictures of people who have up to ten each, some of them bad, some of somebody
    else."""
    photos: dict[str, list[bytes]] = {}
    for number in range(pictures):
        name = f"p{number // 5 if number % 3 else number}"
        seed = int(name[1:])
        shown = Person(
            seed if number % 17 else 100_000 + number,
            quality=50 + number % 45 if number % 11 else 3,
        )
        photos.setdefault(name, []).append(picture(shown) if number % 13 else picture())
    return people(folder, **photos)


class Counting(FakeVision):
    """A vision that counts how often it looks."""

    looks = 0

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        self.looks += 1
        return super().detect(image)


def started(box: Box, source: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "regulars",
            "import",
            str(source),
            "--group",
            GROUP,
            "--url",
            box.url,
        ],
        env={**os.environ, "REGULARS_API_KEY": box.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(box: Box, source: Path) -> str:
    said, complaints = started(box, source).communicate(timeout=600)
    assert complaints == ""
    return said


def killed_at(process: subprocess.Popen[str], vision: Counting, looks: int) -> bool:
    """Kill the import when the service has looked so often; False if it was done before."""
    while process.poll() is None and vision.looks < looks:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    return process.returncode < 0


def test_an_import_that_is_killed_equals_one_that_was_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills, pictures = (
        request.config.getoption(name) for name in ("--import-kills", "--import-pictures")
    )
    source = album(tmp_path / "people", pictures)
    vision = Counting()
    with serving(tmp_path / "whole", vision) as box:
        whole, expected, looks = finished(box, source), state(box), vision.looks
        again, looks_again = finished(box, source), vision.looks - looks
        assert state(box) == expected
    vision, done = Counting(), 0
    with serving(tmp_path / "killed", vision) as box:
        for _ in range(kills):
            # A run that finds all in looks at the refused ones alone, so that each kill comes in
            # the middle of a run.
            done += killed_at(
                started(box, source),
                vision,
                vision.looks + random.randint(1, min(looks // kills, looks_again)),
            )
        assert done == kills
        finished(box, source)
        assert state(box) == expected
        assert finished(box, source) == again
        assert state(box) == expected
    print(f"\n{pictures} pictures, {done} kills: {whole.splitlines()[-1]}")
