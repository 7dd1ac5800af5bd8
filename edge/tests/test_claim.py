"""`regulars-edge claim`, against the service itself."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import urllib.request
import uuid
from pathlib import Path

import pytest
from regulars_edge import config
from regulars_edge.setup.command import save
from rig.real import Regulars
from rig.uploader import ENTRY


def asked(regulars: Regulars, path: str, body: dict[str, object]) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {regulars.key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{regulars.url}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, str] = json.load(answer)
    return found


def added(regulars: Regulars) -> str:
    return asked(regulars, "/v1/cameras", {"name": f"claim-{uuid.uuid4().hex}"})["id"]


def claim(folder: Path, code: str, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [ENTRY, "claim", code, url, *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)


def test_a_box_gets_its_keys_and_its_file_by_codes(started_regulars: Regulars, tmp_path: Path) -> None:
    door, drop = added(started_regulars), added(started_regulars)
    for id_, more in ((door, ["--camera", "rtsp://127.0.0.1:9/live"]), (drop, []), (door, [])):
        code = asked(started_regulars, f"/v1/cameras/{id_}/claim", {})["claim_code"]
        done = claim(tmp_path, code, started_regulars.url, *more)
        assert done.returncode == 0, done.stderr
        again = claim(tmp_path, code, started_regulars.url)
        assert (again.returncode, "not good any more" in again.stderr) == (3, True), again.stderr
    found = config.load(tmp_path / "edge.toml")
    assert [(one.name, one.source, one.send) for one in found.cameras] == [
        (door, "rtsp", "best_shot"),
        (drop, "folder", "all"),
    ]
    for one in found.cameras:
        assert one.api_key_file is not None
        request = urllib.request.Request(f"{started_regulars.url}/v1/cameras/{one.name}")
        request.add_header("Authorization", f"Bearer {config.secret_in(one.api_key_file)}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*.*")} == {0o600}


def test_a_wrong_file_costs_no_code(started_regulars: Regulars, tmp_path: Path) -> None:
    code = asked(started_regulars, f"/v1/cameras/{added(started_regulars)}/claim", {})["claim_code"]
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
    assert claim(tmp_path, code, started_regulars.url).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files to others")
def test_what_root_writes_for_a_box_stays_readable_by_the_user_that_it_runs_as(tmp_path: Path) -> None:
    file, uid = tmp_path / "edge.toml", 65534
    file.write_text("as it was")
    file.chmod(0o644)
    os.chown(file, uid, uid)
    save(file, b"as it is", mode=0o644)
    found = file.stat()
    assert (file.read_text(), found.st_uid, stat.S_IMODE(found.st_mode)) == ("as it is", uid, 0o644)
    save(tmp_path / "door.key", b"rk_1", like=file)
    os.chown(tmp_path, uid, uid)
    save(tmp_path / "new.toml", b"")
    for name in ("door.key", "new.toml"):
        found = (tmp_path / name).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (uid, 0o600), name


def test_the_shipped_unit_runs_as_the_user_to_whom_the_files_belong() -> None:
    unit = (Path(__file__).parents[1] / "systemd" / "regulars-edge.service").read_text()
    assert "\nUser=regulars-edge\n" in unit
    assert "useradd --system" in unit
    assert "DynamicUser" not in unit, "its number changes, so it reads no file of mode 600"
