"""What the uploader has made on a box: all is named, and the pictures go if that is said."""

import os
import subprocess
from pathlib import Path

import pytest
from regulars_edge.spool import files
from regulars_edge.spool.spool import open_spool
from regulars_edge.uninstall import ASIDE, list_lines
from rig.uploader import ENTRY


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    with open_spool(tmp_path / "spool"):
        return tmp_path / "spool"


def uninstall(spool: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "REGULARS_EDGE_SPOOL": str(spool)}
    return subprocess.run(
        [ENTRY, "uninstall", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_all_that_is_there_is_named(tmp_path: Path) -> None:
    made = [
        tmp_path / name
        for name in (
            "etc/systemd/system/regulars-edge.service",
            "etc/regulars-edge",
            "opt/regulars-edge",
            "var/lib/regulars-edge",
        )
    ]
    for path in made:
        path.mkdir(parents=True)
    config = tmp_path / "edge.toml"
    said = list_lines(tmp_path / "spool", config, tmp_path)
    named = [line.partition(":")[0] for line in said[:-1]]
    assert named == [str(path) for path in (tmp_path / "spool", config, *made)]


def test_pictures_go_only_if_that_is_said(spool: Path) -> None:
    for options, code in (([], 0), (["--with-pictures"], 2)):
        done = uninstall(spool, *options)
        assert (done.returncode, str(spool) in done.stdout) == (code, True), done
        assert spool.exists()
    with files.hold_spool(spool):
        assert "in use" in uninstall(spool, "--with-pictures", "--yes").stderr
    assert uninstall(spool, "--with-pictures", "--yes").returncode == 0
    assert [*spool.parent.glob("spool*")] == []
    assert uninstall(spool, "--with-pictures", "--yes").returncode == 2


def test_what_a_cut_has_left_goes_by_the_next_run(spool: Path) -> None:
    spool.rename(spool.with_name(spool.name + ASIDE))
    assert uninstall(spool, "--with-pictures", "--yes").returncode == 0
    assert [*spool.parent.glob("spool*")] == []
