"""What a demo that was killed leaves is removed by the next one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regulars import folder
from regulars.demo.run import DATA, MARK, NEW_S, SCRATCH

RUN = """
from regulars.demo.run import open_scratch_folder
with open_scratch_folder() as data:
    (data / "text").write_text("of a visitor")
    print(data, flush=True)
    input()
"""


@contextmanager
def running(scratch: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Have another process run, and give its folder, which is as old as one of a day."""
    command, around = [sys.executable, "-c", RUN], {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=around
    ) as process:
        assert process.stdout is not None
        data = Path(process.stdout.readline().strip())
        make_old(data.parent)
        try:
            yield process, data
        finally:
            process.kill()


def make_old(path: Path) -> None:
    before = time.time() - 2 * NEW_S
    os.utime(path, (before, before))


def test_the_folder_of_a_killed_run_goes_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    with running(tmp_path) as (killed, left), running(tmp_path) as (_, kept):
        killed.kill()
        killed.wait()
        assert (left / "text").exists()
        with running(tmp_path) as (_, own):
            assert {*tmp_path.iterdir()} == {kept.parent, own.parent}
        assert (kept / "text").read_text() == "of a visitor"


def test_what_may_be_somebodys_stays(tmp_path: Path) -> None:
    own_names = ("new", "served", "linked", "other", "photos", "1234567")
    new, served, linked, other, photos, plain = (tmp_path / f"{SCRATCH}{one}" for one in own_names)
    beside = tmp_path / "beside"
    for path in (new, served / DATA, beside, photos, plain):
        path.mkdir(parents=True)
    (served / MARK).touch()
    (photos / "eva.jpg").write_text("somebody's own")
    linked.symlink_to(beside)
    other.write_text("no folder")
    with folder.hold_folder(served / DATA):
        for path in (served, beside, other, photos, plain):
            make_old(path)
        with running(tmp_path) as (_, own):
            assert {*tmp_path.iterdir()} == {
                *(new, served, linked, other, photos, plain, beside),
                own.parent,
            }
    assert (photos / "eva.jpg").exists()
