"""An import that is killed again and again comes to the same as one that was not."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.box.album import people, state
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture

GROUP = "VIP"


def album(folder: Path, pictures: int) -> Path:
    """So many pictures of people who have up to ten each, some of them bad, some of somebody else."""
    photos: dict[str, list[bytes]] = {}
    for number in range(pictures):
        name = f"p{number // 5 if number % 3 else number}"
        seed = int(name[1:])
        shown = Person(seed if number % 17 else 100_000 + number, quality=50 + number % 45 if number % 11 else 3)
        photos.setdefault(name, []).append(picture(shown) if number % 13 else picture())
    return people(folder, **photos)


def started(box: Box, source: Path, journal: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "regulars", "import", str(source), "--group", GROUP, "--url", box.url]
    return subprocess.Popen(
        [*command, "--journal", str(journal)],
        env={**os.environ, "REGULARS_API_KEY": box.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(box: Box, source: Path, journal: Path) -> str:
    said, complaints = started(box, source, journal).communicate(timeout=600)
    assert complaints == ""
    return said


def killed_at(process: subprocess.Popen[str], journal: Path, lines: int) -> bool:
    """Kill the import when its journal has so many lines; False if it was done before."""
    while process.poll() is None and _lines(journal) < lines:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    return process.returncode < 0


def _lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def test_an_import_that_is_killed_equals_one_that_was_not(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kills, pictures = (request.config.getoption(name) for name in ("--import-kills", "--import-pictures"))
    source = album(tmp_path / "people", pictures)
    with serving(tmp_path / "whole") as box:
        whole, expected = finished(box, source, tmp_path / "whole.import"), state(box)
    length = _lines(tmp_path / "whole.import")
    journal, done = tmp_path / "killed.import", 0
    with serving(tmp_path / "killed") as box:
        for kill in range(kills):
            at = 1 + round((kill + random.random()) / kills * (length - 1))
            done += killed_at(started(box, source, journal), journal, at)
        assert done == kills
        assert finished(box, source, journal) == whole
        assert state(box) == expected
        assert finished(box, source, journal) == whole
        assert state(box) == expected
    print(f"\n{pictures} pictures, {done} kills: {whole.splitlines()[-1]}")
