import json
import os
import pty
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from rig import pictures
from rig.real import Regulars
from rig.standin import StandIn
from rig.uploader import ENTRY, called, environment, upload


def test_a_folder_with_all_that_people_have_in_folders(
    service: StandIn | Regulars, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    pictures.fill(folder, 12, start=900_000)
    (folder / "notes.txt").write_text("no picture")
    (folder / "\x1b]0;odd \udce9 notes.txt").write_text("no picture")
    (folder / "broken.jpg").write_bytes(b"this is no JPEG")
    (folder / "half.jpg").write_bytes(pictures.jpeg(900_200)[:-40])
    (folder / "odd \udce9 name.jpg").write_bytes(pictures.jpeg(900_100))
    (folder / "link.jpg").symlink_to(folder / "nothing")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").write_bytes(b"")
    shutil.copy2(folder / "900000.jpg", folder / "north" / "the same again.jpg")
    done = upload(folder, service.url, service.key, tmp_path / "spool", camera="people")
    assert done.returncode == 0, done.stderr
    assert "13 pictures are at the service" in done.stdout
    assert "1 files hold a picture that another file holds, too" in done.stdout
    assert "7 files skipped" in done.stdout
    for name, why in (
        ("zero.jpg", "empty"),
        ("notes.txt", "neither JPEG nor PNG"),
        ("half.jpg", "cut off"),
        ("pipe.jpg", "no regular file"),
    ):
        assert f"{name}: {why}" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "a terminal would obey it"
    (folder / "zero.jpg").unlink()
    (folder / "broken.jpg").unlink()
    (folder / "half.jpg").unlink()
    (folder / "pipe.jpg").unlink()
    (folder / "link.jpg").unlink()
    there = pictures.there(service.captures("people"))
    assert len(there) == 13
    assert set(there) == pictures.expected(folder)


def test_what_a_system_left_in_the_folder_is_passed_over(stand_in: StandIn, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    pictures.fill(folder, 2)
    for place in ("@eaDir/0.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/b.jpg", "north/._0.jpg"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(pictures.jpeg(77))
    done = upload(folder, stand_in.url, stand_in.key, tmp_path / "spool")
    assert done.returncode == 0, done.stderr
    assert "2 pictures are at the service" in done.stdout
    assert "skipped" not in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "passed over, since no person put it there: #recycle (1), @eaDir (1), names that begin "
        "with a dot (1)"
    )


def test_a_second_run_sends_what_is_new_and_nothing_twice(
    stand_in: StandIn, tmp_path: Path
) -> None:
    pictures.fill(tmp_path / "in", 5)
    assert upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool").returncode == 0
    pictures.fill(tmp_path / "in", 2, start=5)
    done = upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool")
    assert (done.returncode, done.stdout) == (0, "7 pictures are at the service\n")
    assert {one.puts for one in stand_in.books.captures.values()} == {1}
    assert len(stand_in.offered) == len(stand_in.captures()) == 7, "each is asked for once"


def test_a_folder_that_has_more_than_the_spool_may_hold_gets_there(
    stand_in: StandIn, tmp_path: Path
) -> None:
    pictures.fill(tmp_path / "in", 150)
    config = tmp_path / "edge.toml"
    config.write_text(f"""
        [server]
        url = "{stand_in.url}"
        [spool]
        max_mib = 0.01
        min_free_mib = 1
    """)
    done = upload(
        tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool", "--config", str(config)
    )
    assert done.returncode == 0, done.stderr
    assert len(stand_in.captures()) == 150
    assert list((tmp_path / "spool" / "pictures").iterdir()) == []


@pytest.mark.parametrize(("apart_ms", "captures"), [(20_000, 1), (60_000, 2)])
def test_a_copy_of_a_little_later_is_the_same_picture_and_one_of_another_time_is_not(
    stand_in: StandIn, tmp_path: Path, apart_ms: int, captures: int
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        pictures.put(
            folder / f"{number}.jpg", pictures.jpeg(1), pictures.FIRST_MS + number * apart_ms
        )
    done = upload(folder, stand_in.url, stand_in.key, tmp_path / "spool")
    assert done.returncode == 0
    assert ("each is there once" in done.stdout) == (captures == 1)
    assert len(stand_in.captures()) == captures


def test_exif_times_and_times_in_names_come_before_the_files_times(
    stand_in: StandIn, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(pictures.jpeg_with_exif(1, "2026:03:04 05:06:07", "+02:00", "5"))
    (folder / "b.jpg").write_bytes(pictures.jpeg_with_exif(2, "2026:03:04 05:06:07"))
    (folder / "c_20260305050607.jpg").write_bytes(pictures.jpeg(3))
    more = ("--zone", "Asia/Shanghai", "--time-in-name", "%Y%m%d%H%M%S")
    done = upload(folder, stand_in.url, stand_in.key, tmp_path / "spool", *more)
    assert done.returncode == 0, done.stderr
    times = sorted(str(row["captured_at"]) for row in stand_in.captures())
    assert times == [
        "2026-03-03T21:06:07.000Z",
        "2026-03-04T03:06:07.500Z",
        "2026-03-04T21:06:07.000Z",
    ]


def test_a_cameras_own_key_uploads_for_that_camera_only(
    service: StandIn | Regulars, tmp_path: Path
) -> None:
    pictures.fill(tmp_path / "in", 2, start=910_000)
    request = urllib.request.Request(
        f"{service.url}/v1/cameras",
        json.dumps({"name": "own-key", "id": "own-key"}).encode(),
        {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        key = json.load(response)["api_key"]
    assert (
        upload(tmp_path / "in", service.url, key, tmp_path / "spool", camera="own-key").returncode
        == 0
    )
    assert len(service.captures("own-key")) == 2
    done = upload(tmp_path / "in", service.url, key, tmp_path / "spool", camera="another")
    assert done.returncode == 3
    assert "2 pictures are not yet there" in done.stderr


def test_a_wrong_key_is_exit_3_at_once_and_not_shown(
    service: StandIn | Regulars, tmp_path: Path
) -> None:
    pictures.fill(tmp_path / "in", 2)
    done = upload(tmp_path / "in", service.url, "rk_wrong", tmp_path / "spool")
    assert done.returncode == 3
    assert "401" in done.stderr
    assert "rk_wrong" not in done.stderr + done.stdout


def test_a_refused_picture_is_exit_1_and_the_others_are_there(
    stand_in: StandIn, tmp_path: Path
) -> None:
    pictures.fill(tmp_path / "in", 5)
    (bad, _) = sorted(pictures.expected(tmp_path / "in"))[2]
    stand_in.refuse_sha256[bad] = "index"
    done = upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool")
    assert done.returncode == 1
    assert "1 pictures were refused" in done.stderr
    assert len(stand_in.captures()) == 4
    assert "a bad picture" in called("status", "--refused", key="", spool=tmp_path / "spool").stdout
    stand_in.refuse_sha256.clear()
    assert upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool").returncode == 0


def test_a_service_that_is_not_there_is_exit_4_after_the_time_that_was_given(
    tmp_path: Path,
) -> None:
    pictures.fill(tmp_path / "in", 1)
    done = upload(
        tmp_path / "in", "http://127.0.0.1:9", "rk_1", tmp_path / "spool", "--give-up-after", "0.01"
    )
    assert done.returncode == 4
    assert "run the same command again" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--url", "ftp://x"], "no URL of a service"),
        (["--zone", "Mars"], "no time zone"),
        (["--time-in-name", "%Y"], "write it as %Y%m%d%H%M%S"),
        (["--key-file", "/nowhere"], "cannot be read"),
        (["--camera", "x" * 151], "at most 150 bytes: use the id"),
    ],
)
def test_a_mistake_of_the_operator_is_exit_2_and_one_line(
    tmp_path: Path, more: list[str], said: str
) -> None:
    (tmp_path / "in").mkdir()
    done = upload(tmp_path / "in", "http://127.0.0.1:9", "rk_1", tmp_path / "spool", *more)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_read_enough_gets_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [ENTRY, "completion", "bash"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_empty_folder_is_done(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "spool")
    assert (done.returncode, done.stdout) == (0, "0 pictures are at the service\n")


def test_a_spool_inside_of_the_folder_is_left_out(stand_in: StandIn, tmp_path: Path) -> None:
    pictures.fill(tmp_path / "in", 2)
    done = upload(tmp_path / "in", stand_in.url, stand_in.key, tmp_path / "in" / "spool")
    assert done.returncode == 0
    assert "skipped" not in done.stdout


@pytest.mark.skipif(
    os.geteuid() == 0 and not shutil.which("setpriv"), reason="root reads every file"
)
def test_a_file_that_cannot_be_read_is_exit_1_for_it_may_be_a_picture(
    stand_in: StandIn, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    pictures.fill(folder, 2)
    (folder / "000000.jpg").chmod(0)
    argv = [
        str(ENTRY),
        "upload",
        str(folder),
        "--url",
        stand_in.url,
        "--camera",
        "door",
        "--no-progress",
    ]
    if os.geteuid() == 0:
        argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=0", *argv]
        argv[1:2] = ["--bounding-set=-dac_override,-dac_read_search"]
    done = subprocess.run(
        argv,
        env={**os.environ, **environment(stand_in.key, tmp_path / "spool")},
        capture_output=True,
        text=True,
        check=False,
    )
    if "setpriv" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 1, done.stderr + done.stdout
    assert "1 files not readable" in done.stderr
    assert len(stand_in.captures()) == 1


def test_a_terminal_gets_a_progress_bar_and_a_pipe_none(stand_in: StandIn, tmp_path: Path) -> None:
    pictures.fill(tmp_path / "in", 60)
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [ENTRY, "upload", str(tmp_path / "in"), "--url", stand_in.url, "--camera", "door"],
        env={**os.environ, **environment(stand_in.key, tmp_path / "spool")},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert done.wait(timeout=120) == 0
    assert b"of 60 pictures" in shown
