"""What of Regulars is on a machine: all is named, and what is said goes."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.settings import Settings
from regulars import folder
from regulars.backup.backup import OBJECTS
from regulars.uninstall import OF_BOOK, list_places


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a box, in a home that has the demo's pictures and a spool."""
    with closing(bootstrap.build(Settings(storage=tmp_path / "data"))):
        pass
    for made in (".cache/regulars/photos", ".local/state/regulars-edge"):
        (tmp_path / made).mkdir(parents=True)
    return tmp_path / "data"


def uninstall(data: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "regulars", "uninstall", "--data", str(data), *options]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "XDG_STATE_HOME"},
        "HOME": str(data.parent),
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def list_left(data: Path) -> list[str]:
    folders = (data, data.parent / ".cache/regulars", data.parent / ".local/state/regulars-edge")
    return [path.name for path in folders if path.exists()]


def test_all_that_is_there_is_named_with_what_deletes_it(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    made = [
        home / ".cache/regulars",
        home / ".local/state/regulars-edge",
        root / "etc/systemd/system/regulars.service",
        root / "etc/systemd/system/regulars-edge.service",
        *(
            root / top / name
            for top in ("etc", "opt", "var/lib")
            for name in ("regulars", "regulars-edge")
        ),
        tmp_path / "data",
    ]
    for path in made:
        path.mkdir(parents=True)
    (tmp_path / "data/regulars.sqlite").touch()
    made.append(tmp_path / "tried")
    made[-1].mkdir()
    (made[-1] / "regulars.sqlite").touch()
    places = list_places(
        tmp_path / "data", with_book=False, environment={"HOME": str(home)}, root=root
    )
    assert {place.path for place in places} == {*made}
    assert [place.path for place in places if not place.stays] == [home / ".cache/regulars"]


def test_what_a_backup_has_of_a_book_is_the_programs() -> None:
    assert all(OF_BOOK.fullmatch(name) for name in OBJECTS)


def test_the_book_goes_only_if_that_is_said(data: Path) -> None:
    assert uninstall(data, "--dry-run").returncode == 0
    assert list_left(data) == ["data", "regulars", "regulars-edge"]
    nobody = uninstall(data, "--with-book")
    assert (nobody.returncode, "--yes" in nobody.stderr) == (1, True)
    assert list_left(data) == ["data", "regulars", "regulars-edge"]
    assert "--with-book deletes it" in uninstall(data, "--yes").stdout
    assert list_left(data) == ["data", "regulars-edge"]
    done = uninstall(data, "--with-book", "--yes")
    assert done.returncode == 0, done
    assert "regulars-edge uninstall" in done.stdout
    assert "backups" in done.stdout
    assert list_left(data) == ["regulars-edge"]


def test_a_folder_that_is_served_or_another_stays(data: Path) -> None:
    with folder.hold_folder(data):
        for option in ("--yes", "--dry-run"):
            served = uninstall(data, "--with-book", option)
            assert (served.returncode, "is already being served" in served.stderr) == (1, True)
    other = data.parent / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    assert uninstall(other, "--with-book", "--yes").returncode == 1
    assert (other / "letter.txt").read_text() == "mine"
    assert "data" in list_left(data)


def test_what_is_not_of_the_program_stays_and_is_said(data: Path) -> None:
    (data / "thesis.txt").write_text("mine")
    (data / "backups").mkdir()
    (data / "regulars.sqlite.20261129").touch()
    done = uninstall(data, "--with-book", "--yes")
    left = ["backups", "regulars.sqlite.20261129", "thesis.txt"]
    assert (done.returncode, f"but for {', '.join(left)}" in done.stdout) == (0, True), done
    assert sorted(path.name for path in data.iterdir()) == left


def test_pictures_behind_a_link_are_said_and_nothing_is_deleted(data: Path) -> None:
    disk = data.parent / "disk"
    (data / "captures").rename(disk)
    (data / "captures").symlink_to(disk)
    done = uninstall(data, "--with-book", "--yes")
    assert (done.returncode, f"is a link to {disk}" in done.stderr) == (1, True), done
    assert (data / "regulars.sqlite").exists()


def test_a_link_within_the_folder_goes_with_what_it_leads_to(data: Path) -> None:
    (data / "blobs" / "again").symlink_to(data / "captures")
    done = uninstall(data, "--with-book", "--yes")
    assert (done.returncode, data.exists()) == (0, False), done


NOTE_BYTES = 100
"""Size of what a scrub leaves in the place of the file that it replaces."""
KILLED = """
import os, signal, sys
from pathlib import Path
from regulars.uninstall import OF_BOOK, delete_folder

data = Path(sys.argv[1])

def kill_before_the_last(event, called):
    if event != "os.remove":
        return
    if sum(one.startswith("regulars.sqlite") for one in os.listdir(data)) == 1:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_before_the_last)
delete_folder(data, OF_BOOK)
"""


def test_an_uninstall_that_was_killed_is_ended_by_the_next(data: Path) -> None:
    with closing(bootstrap.build(Settings(storage=data))) as services:
        services.storage.scrub()
    subprocess.run([sys.executable, "-c", KILLED, str(data)], check=False)
    assert [path.name for path in data.iterdir()] == ["regulars.sqlite"]
    assert (data / "regulars.sqlite").stat().st_size == NOTE_BYTES
    done = uninstall(data, "--with-book", "--yes")
    assert (done.returncode, data.exists()) == (0, False), done


def test_a_link_to_the_folder_is_followed(data: Path) -> None:
    link = data.parent / "link"
    link.symlink_to(data)
    assert uninstall(link, "--with-book", "--yes").returncode == 0
    assert not data.exists()


def test_a_run_that_is_cut_off_is_ended_by_the_next(data: Path) -> None:
    """The database goes last."""
    for name in ("blobs", "captures"):
        shutil.rmtree(data / name)
    assert uninstall(data, "--with-book", "--yes").returncode == 0
    assert not data.exists()
