"""What the uploader has made on a box: all is named, and the pictures go if that is said."""

import os
import subprocess
from pathlib import Path

import pytest
from regulars_edge.spool import files
from regulars_edge.spool.spool import open_spool
from regulars_edge.uninstall import list_lines
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


def test_what_is_not_the_uploaders_stays_and_is_said(spool: Path) -> None:
    for name in ("edge.toml", "door.key"):
        (spool / name).write_text("mine")
    done = uninstall(spool, "--with-pictures", "--yes")
    assert (done.returncode, "but for door.key, edge.toml" in done.stdout) == (0, True), done
    assert sorted(path.name for path in spool.iterdir()) == ["door.key", "edge.toml"]


def test_pictures_behind_links(spool: Path) -> None:
    """A link to the spool is followed, one to its pictures is said."""
    link, disk = spool.with_name("link"), spool.with_name("disk")
    link.symlink_to(spool)
    (spool / files.PICTURES).rename(disk)
    (spool / files.PICTURES).symlink_to(disk)
    refused = uninstall(link, "--with-pictures", "--yes")
    assert (refused.returncode, str(disk) in refused.stderr) == (2, True), refused
    (spool / files.PICTURES).unlink()
    assert uninstall(link, "--with-pictures", "--yes").returncode == 0
    assert not spool.exists()
