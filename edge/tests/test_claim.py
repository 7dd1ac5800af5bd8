import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from regulars_edge import config
from regulars_edge.setup.command import save_file
from rig.real import Regulars
from rig.uploader import ENTRY


def claim(folder: Path, code: str, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [ENTRY, "claim", code, url, *more]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )


def test_a_box_gets_its_keys_and_its_file_by_codes(
    started_regulars: Regulars, tmp_path: Path
) -> None:
    door, drop = started_regulars.add_camera(), started_regulars.add_camera()
    for id_, more in ((door, ["--camera", "rtsp://127.0.0.1:9/live"]), (drop, []), (door, [])):
        code = started_regulars.make_claim_code(id_)
        done = claim(tmp_path, code, started_regulars.url, *more)
        assert done.returncode == 0, done.stderr
        again = claim(tmp_path, code, started_regulars.url)
        assert (again.returncode, "not good any more" in again.stderr) == (3, True), again.stderr
    found = config.load(tmp_path / "edge.toml")
    assert [(one.name, one.source, one.choice) for one in found.cameras] == [
        (door, "rtsp", "best_shot"),
        (drop, "folder", "all"),
    ]
    for one in found.cameras:
        assert one.api_key_file is not None
        request = urllib.request.Request(f"{started_regulars.url}/v1/cameras/{one.name}")
        request.add_header("Authorization", f"Bearer {config.read_secret(one.api_key_file)}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*.*")} == {0o600}


def drawn(path: str, side: int, scale: int = 8) -> Image.Image:
    """Draw the console's QR code: an SVG path of its dark squares."""
    picture = Image.new("L", (side, side), 255)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path):
        picture.putpixel((int(x), int(y)), 0)
    return picture.resize((side * scale, side * scale), Image.Resampling.NEAREST)


def test_an_unclaimed_box_reads_the_code_of_the_console_by_its_camera(
    started_regulars: Regulars, tmp_path: Path
) -> None:
    id_, folder = started_regulars.add_camera(), tmp_path / "ftp"
    made = started_regulars.ask(f"/v1/cameras/{id_}/claim", {})
    command = [
        str(ENTRY),
        "claim",
        "--config",
        str(tmp_path / "edge.toml"),
        "--camera",
        str(folder),
    ]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (tried.returncode, "cannot be read: No such file" in tried.stderr) == (1, True), (
        "the unit tries again"
    )
    folder.mkdir()
    (folder / "0-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture at all \xff\xd9")
    Image.new("L", (600, 400), 128).save(folder / "1-before.png")
    scene = Image.new("L", (1280, 720), 90)
    scene.paste(
        drawn(made["qr_path"], int(made["qr_size"])).rotate(4, expand=True, fillcolor=255),
        (400, 60),
    )
    scene.convert("RGB").save(folder / "2-seen.jpg", quality=70)
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
    [camera] = config.load(tmp_path / "edge.toml").cameras
    assert (camera.name, camera.place) == (id_, str(folder))
    assert len([*folder.iterdir()]) == 3, "what it looked at stays"


@pytest.mark.parametrize("words", [("", "http://127.0.0.1:9"), (" ",), ("http://127.0.0.1:9",)])
def test_a_claim_without_code_or_url_says_what_was_read(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [ENTRY, "claim", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    url = words[1] if len(words) > 1 else "none"
    assert done.stderr == (
        f"regulars-edge: give CODE and URL, as the console shows them; CODE was {words[0]!r}, and "
        f"URL {url}\n"
    )
    assert done.returncode == 2
    assert [*tmp_path.iterdir()] == []


def test_without_a_code_a_camera_is_needed_that_sees_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [ENTRY, "claim"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "give CODE and URL, or --camera" in done.stderr) == (2, True), (
        done.stderr
    )


def test_a_wrong_file_costs_no_code(started_regulars: Regulars, tmp_path: Path) -> None:
    code = started_regulars.make_claim_code(started_regulars.add_camera())
    file = tmp_path / "edge.toml"
    for text, complaint in (
        ("[server", "is no TOML"),
        ('[server]\nurl = "https://other.example"', "is of https://oth"),
    ):
        file.write_text(text)
        done = claim(tmp_path, code, started_regulars.url)
        assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
        assert file.read_text() == text
    file.unlink()
    # nobody may write there
    done = claim(tmp_path, code, started_regulars.url, "--config", "/proc/edge.toml")
    assert (done.returncode, "/proc cannot be written" in done.stderr) == (2, True), done.stderr
    full = ["sh", "-c", 'ulimit -f 0; exec "$0" "$@"', ENTRY, "claim", code, started_regulars.url]
    done = subprocess.run(
        full, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert (done.returncode, f"{tmp_path} cannot be written" in done.stderr) == (2, True), (
        done.stderr
    )
    assert claim(tmp_path, code, started_regulars.url).returncode == 0


def test_a_key_whose_place_cannot_be_written_lies_beside_edge_toml(
    started_regulars: Regulars, tmp_path: Path
) -> None:
    """The code is used up by then, and the camera's old key with it."""
    id_ = started_regulars.add_camera()
    rows = (
        f'[[camera]]\nname = "{id_}"\nsource = "folder"\nfolder = "/f"\napi_key_file = '
        '"/proc/door.key"\n'
    )
    (tmp_path / "edge.toml").write_text(f'[server]\nurl = "{started_regulars.url}"\n{rows}')
    code = started_regulars.make_claim_code(id_)
    done = claim(tmp_path, code, started_regulars.url)
    assert (done.returncode, f'write api_key_file = "{tmp_path / id_}.key"' in done.stdout) == (
        0,
        True,
    ), done
    assert config.read_secret(tmp_path / f"{id_}.key")


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files to others")
def test_what_root_writes_for_a_box_stays_readable_by_the_user_that_it_runs_as(
    tmp_path: Path,
) -> None:
    file, uid = tmp_path / "edge.toml", 65534
    file.write_text("as it was")
    file.chmod(0o644)
    os.chown(file, uid, uid)
    save_file(file, b"as it is", mode=0o644)
    found = file.stat()
    assert (file.read_text(), found.st_uid, stat.S_IMODE(found.st_mode)) == ("as it is", uid, 0o644)
    save_file(tmp_path / "door.key", b"rk_1", like=file)
    os.chown(tmp_path, uid, uid)
    save_file(tmp_path / "new.toml", b"")
    by_hand = tmp_path / "by_hand.toml"
    by_hand.write_text("of root's editor")
    save_file(tmp_path / "other.key", b"rk_2", like=by_hand)
    for name in ("door.key", "new.toml", "other.key"):
        found = (tmp_path / name).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (uid, 0o600), name


def test_the_shipped_unit_runs_as_the_user_to_whom_the_files_belong() -> None:
    unit = (Path(__file__).parents[1] / "systemd" / "regulars-edge.service").read_text()
    assert "\nUser=regulars-edge\n" in unit
    assert "useradd --system" in unit
    assert "DynamicUser" not in unit, "its number changes, so it reads no file of mode 600"


AS_USER = """
import os, sys
from argparse import Namespace
from pathlib import Path
from regulars_edge import run
import regulars_edge.sources.folder, regulars_edge.choose.chooser
import PIL.JpegImagePlugin, PIL.PngImagePlugin
# the interpreter may lie where only root reads
import encodings.ascii, encodings.idna, encodings.latin_1
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
if sys.argv[2] == "read":
    sys.exit(sum(os.access(file, os.R_OK) for file in sys.argv[3:]))
sys.exit(run.run(Namespace(config=Path(sys.argv[3]))))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes another user")
def test_after_a_claim_by_root_the_units_user_runs_as_before_and_nobody_else_reads_a_key(
    started_regulars: Regulars,
) -> None:
    unit, other = 64_001, 64_002
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        etc, spool = Path(made) / "etc", Path(made) / "spool"
        for folder in (etc, spool):
            folder.mkdir(mode=0o700)
            os.chown(folder, unit, unit)
        file = etc / "edge.toml"
        for _ in range(2):  # the second camera is added to a file that runs
            id_ = started_regulars.add_camera()
            code = started_regulars.make_claim_code(id_)
            assert claim(etc, code, started_regulars.url).returncode == 0
            (etc / id_).mkdir()
            os.chown(etc / id_, unit, unit)
            text = file.read_text()
            if "[spool]" not in text:
                file.write_text(
                    f'{text}\n[spool]\nfolder = "{spool}"\nmin_free_mib = 1\n[metrics]\nport = 0\n'
                )
            secrets = [file, *etc.glob("*.key")]
            assert [(one.stat().st_uid, stat.S_IMODE(one.stat().st_mode)) for one in secrets] == [
                (unit, 0o600)
            ] * len(secrets)
            run = [sys.executable, "-c", AS_USER, str(unit), "run", str(file)]
            with subprocess.Popen(run, stderr=subprocess.PIPE, text=True) as process:
                try:
                    deadline = time.monotonic() + 60
                    while not heard(started_regulars, id_):
                        assert process.poll() is None, process.stderr and process.stderr.read()
                        assert time.monotonic() < deadline
                        time.sleep(0.2)
                finally:
                    process.terminate()
            etc.chmod(0o755)
            read = [sys.executable, "-c", AS_USER, str(other), "read", *map(str, secrets)]
            assert subprocess.run(read, check=False).returncode == 0, "somebody else reads them"
            read[3] = str(unit)
            assert subprocess.run(read, check=False).returncode == len(secrets)


def heard(regulars: Regulars, id_: str) -> bool:
    """Tell whether a heartbeat came of a camera."""
    request = urllib.request.Request(f"{regulars.url}/v1/cameras/{id_}")
    request.add_header("Authorization", f"Bearer {regulars.key}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return "version" in (json.load(answer)["health"].get("status") or {})
