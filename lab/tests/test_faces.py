"""Looking at a folder: what is kept, and what happens when a process or the file of what was seen
is harmed."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.pictures import DetectedFace, Quality
from regulars.cli import main
from regulars.errors import DamagedFile, OperatorError
from regulars_lab.measuring import labelled, looking
from regulars_lab.measuring.memory import Memory, PictureResult
from tests.support.fakes import FakeVision, Person, picture

SEEN = PictureResult("", 1, 80.0, {"decode": 1.0}, np.ones(4, np.float32))


class Counting(FakeVision):
    """Each look at a face gives the number of the look as its quality."""

    looks = 0

    def qualities(
        self, image: np.typing.NDArray[np.uint8], faces: list[DetectedFace]
    ) -> list[Quality]:  # type: ignore[override]
        self.looks += 1
        return [Quality(float(self.looks), "too blurred", 0.0)]


def test_times_are_those_of_models_that_are_loaded() -> None:
    """Models are loaded at their first use: the first picture with a face is looked at twice, the
    second counts."""
    looker = looking.Looker(Counting())
    assert looker.look_at(picture()).failure == "no face was found"
    assert [looker.look_at(picture(Person(seed))).quality for seed in (1, 2, 3)] == [2.0, 3.0, 4.0]


class TestMemory:
    def test_what_other_models_saw_is_not_taken(self, tmp_path: Path) -> None:
        ours = Memory(tmp_path / "m.sqlite", "ours")
        ours.keep([("abc", SEEN)])
        found = ours.find("abc")
        assert (found.quality, found.stages_ms) == (80.0, {"decode": 1.0})
        assert Memory(tmp_path / "m.sqlite", "another").find("abc") is None

    @pytest.mark.parametrize("was_there", [False, True])
    def test_templates_are_for_their_owner_only(self, was_there: bool, tmp_path: Path) -> None:
        """Also in a file that a former version made for everybody."""
        path = tmp_path / "m.sqlite"
        if was_there:
            sqlite3.connect(path).close()
            path.touch()
            path.chmod(0o644)
        memory = Memory(path, "ours")
        memory.keep([("abc", SEEN)])
        assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
            "m.sqlite": 0o600,
            "m.sqlite-shm": 0o600,
            "m.sqlite-wal": 0o600,
        }
        memory.close()

    def test_a_file_that_is_none_of_ours_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "m.sqlite"
        path.write_bytes(b"what is this? " * 1000)
        with pytest.raises(DamagedFile, match=r"m\.sqlite is damaged.*delete it"):
            Memory(path, "ours")
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE seen (sha256 TEXT)")
        with pytest.raises(OperatorError, match=r"m\.sqlite cannot be used \(.*--out"):
            Memory(path, "ours").find("abc")

    @pytest.mark.parametrize("face", ["{", '{"faces": 1}', "[]"])
    def test_a_damaged_entry_is_named(self, face: str, tmp_path: Path) -> None:
        path = tmp_path / "m.sqlite"
        Memory(path, "ours").close()
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO seen VALUES ('abc', 'ours', ?, NULL)", (face,))
        with pytest.raises(DamagedFile, match=r"m\.sqlite is damaged"):
            Memory(path, "ours").find("abc")

    def test_a_damaged_file_is_one_line_of_the_command(
        self, people: Path, pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "embeddings.sqlite").write_bytes(b"what is this? " * 1000)
        options = ["--images", str(people), "--pack", pack.manifest.name, "--out", str(tmp_path)]
        assert main(["evaluate", *options]) == 1
        assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def many(people: Path, tmp_path: Path) -> Path:
    """Some two hundred different pictures."""
    folder = tmp_path / "many"
    for file in people.glob("*/*.jpg"):
        for side in (120, 140, 160):
            copy = folder / file.parent.name / f"{side}_{file.name}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(file) as image:
                image.resize((side, side)).save(copy)
    return folder


def test_a_worker_that_is_ended_is_one_line_and_a_second_run_goes_on(
    many: Path, pack: Pack, tmp_path: Path
) -> None:
    """As the kernel ends one when memory runs out."""
    files = labelled.read_folder(many).files[:24]
    done: list[int] = []

    def advance(more: int) -> None:
        done.append(more)
        if sum(done) == 5:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(OperatorError, match=r"was ended from outside.*memory.*same command again"):
        looking.see_all(pack, files, tmp_path / "m.sqlite", advance, workers=2)
    kept: list[int] = []
    assert len(looking.see_all(pack, files, tmp_path / "m.sqlite", kept.append, workers=2)) == 24
    assert kept[0] >= 5


@pytest.fixture
def evaluating(many: Path, pack: Pack, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--images", str(many), "--pack", pack.manifest.name, "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "regulars", "evaluate", *options], stdout=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="whose child a process is, is read from /proc"
)
def test_workers_end_with_the_command_that_is_killed(
    evaluating: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert _within(60, lambda: (tmp_path / "out" / "embeddings.sqlite").exists())
    assert _within(60, lambda: len(_children(evaluating.pid)) >= 2)
    workers = _children(evaluating.pid)
    evaluating.kill()
    evaluating.wait()
    try:
        assert _within(30, lambda: not any(_runs(worker) for worker in workers))
    finally:
        for worker in filter(_runs, workers):
            os.kill(worker, signal.SIGKILL)


def _within(seconds: float, holds: object) -> bool:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not (held := bool(holds())) and time.monotonic() < end:
        time.sleep(0.1)
    return held


def _stat(pid: int) -> list[str]:
    """State, parent and further fields; none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int) -> list[int]:
    every = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [each for each in every if _stat(each)[1:2] == [str(pid)]]


def _runs(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"])
