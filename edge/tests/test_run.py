import base64
import io
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from regulars_edge.config import load
from regulars_edge.run import Uploader
from regulars_edge.spool import spool as spools
from regulars_edge.update import EXTRAS
from rig import pictures
from rig.box import SNAPSHOT, Box, until
from rig.camera import Camera
from rig.lacking import lack
from rig.real import Regulars
from rig.spooled import add
from rig.standin import StandIn
from rig.uploader import ENTRY

from testing.needs import needed
from testing.ports import free_port

OFF_S = 60.0
"""Tolerance of a capture's time. The uploader learns the service's clock from answers, which a busy
machine delays."""


def test_a_snapshot_camera_and_an_ftp_drop_are_served_and_stop_when_told(
    service: StandIn | Regulars, tmp_path: Path, camera: Camera
) -> None:
    camera.asks_for = "Digest"
    drop = tmp_path / "ftp"
    drop.mkdir()
    box = Box(tmp_path, service)
    # a second try finds them empty
    door_name, yard_name = (f"{name}-{time.time_ns()}" for name in ("door", "yard"))
    box.configure(
        SNAPSHOT.replace('"door"', f'"{door_name}"').format(host=camera.host)
        + f'[[camera]]\nname = "{yard_name}"\nsource = "folder"\nfolder = "{drop}"\ninterval_s = '
        "0.1\n"
    )
    began = time.time()
    box.start()
    for number in range(5):
        (drop / f"{number}.jpg").write_bytes(pictures.jpeg(920_000 + number))
    until(lambda: camera.given > 12)
    until(lambda: not list(drop.iterdir()))
    until(
        lambda: len(service.captures(yard_name)) >= 5 and len(service.captures(door_name)) >= 12,
        said=box.log,
    )
    assert box.stop() == 0, box.log()
    ended = time.time()  # until then the camera gives pictures
    assert "p%40ss" not in box.log()
    assert service.key not in box.log()
    yard = pictures.there(service.captures(yard_name))
    door = pictures.there(service.captures(door_name))
    assert len(yard) == len(set(yard)) == 5
    assert len(door) == len(set(door)) >= 12
    taken = [datetime.fromisoformat(text).timestamp() for _, text in [*yard, *door]]
    assert began - OFF_S < min(taken) <= max(taken) < ended + OFF_S


def test_heartbeats_say_how_the_camera_is_and_that_it_has_failed(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    box.configure(SNAPSHOT.format(host=camera.host) + "silent_after_s = 5\n")
    box.start()
    until(lambda: len(stand_in.books.heartbeats) >= 3)
    assert stand_in.books.heartbeats[0][1]["working"] is True
    known = {
        "box",
        "box_name",
        "version",
        "sends",
        "spooled",
        "disk_free_mib",
        "sent",
        "refused",
        "clock_error_s",
    }
    until(lambda: known <= set(stand_in.books.heartbeats[-1][1]["status"]))
    assert "error" not in stand_in.books.heartbeats[-1][1]["status"]
    camera.stop()
    until(lambda: not stand_in.books.heartbeats[-1][1]["working"])
    name, failed = stand_in.books.heartbeats[-1]
    assert name == "door"
    assert "/shot.jpg" in failed["status"]["error"]
    assert "p%40ss" not in failed["status"]["error"]
    assert box.stop() == 0


def test_a_box_whose_spool_cannot_be_written_at_its_start_says_so_in_a_heartbeat(
    box: Box, stand_in: StandIn, tmp_path: Path
) -> None:
    """A card that has become read-only, say: no folder can be made below a file, whoever asks."""
    (tmp_path / "card").write_text("")
    box.configure(
        "".join(
            f'[[camera]]\nname = "{name}"\nsource = "folder"\nfolder = "{tmp_path}"\n'
            for name in ("door", "yard")
        )
    )
    done = subprocess.run(
        [ENTRY, "run", "--config", str(box.toml)],
        env={**os.environ, "REGULARS_EDGE_SPOOL": str(tmp_path / "card" / "spool")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert [name for name, _ in stand_in.books.heartbeats] == ["door", "yard"]
    for _, beat in stand_in.books.heartbeats:
        assert beat["working"] is False
        assert "cannot be written: Not a directory" in beat["status"]["error"]
        assert {"version", "box_name"} <= set(beat["status"])
        assert "box" not in beat["status"], "it would be another at each start"


def test_a_changed_edge_toml_is_taken_in_and_one_that_cannot_be_read_is_said(
    box: Box, stand_in: StandIn, tmp_path: Path
) -> None:
    def camera(name: str) -> str:
        return f'[[camera]]\nname = "{name}"\nsource = "folder"\nfolder = "{tmp_path / name}"\n'

    for name in ("door", "yard"):
        (tmp_path / name).mkdir()
    box.configure(camera("door"))
    box.start()
    until(lambda: "door" in [name for name, _ in stand_in.books.heartbeats])
    box.configure(camera("door") + "sauce = 1\n")
    until(lambda: "no such setting" in box.log(), said=box.log)
    box.configure(camera("door") + camera("yard"))
    until(lambda: "yard" in [name for name, _ in stand_in.books.heartbeats], said=box.log)
    assert box.stop() == 0, box.log()


@pytest.mark.parametrize("told_first", [True, False])
def test_a_box_that_is_told_to_stop_does_not_begin_anew_with_a_changed_file(
    tmp_path: Path, told_first: bool
) -> None:
    file = tmp_path / "edge.toml"
    text = '[server]\nurl = "http://127.0.0.1:9"\n[metrics]\nport = {}\n'
    file.write_text(text.format(0))
    with spools.open_spool(tmp_path / "spool") as spool:
        uploader = Uploader(load(file), spool, str, file)
        acts = [uploader.stop, lambda: uploader._tick(0.0)]
        file.write_text(text.format(9_000))
        acts[not told_first]()
        assert uploader.begins_anew is not told_first
        acts[told_first]()
        assert not uploader.begins_anew


def test_a_folder_without_new_files_is_dead_after_the_time_that_is_set(
    box: Box, stand_in: StandIn, tmp_path: Path
) -> None:
    for name in ("quiet", "dead"):
        (tmp_path / name).mkdir()
    box.configure(
        f'[[camera]]\nname = "quiet"\nsource = "folder"\nfolder = "{tmp_path / "quiet"}"\n'
        f'[[camera]]\nname = "dead"\nsource = "folder"\nfolder = "{tmp_path / "dead"}"\n'
        "silent_after_s = 6\n"
    )

    def said_last(name: str) -> Any:
        return next(
            (beat for camera, beat in reversed(stand_in.books.heartbeats) if camera == name), {}
        )

    box.start()
    until(lambda: said_last("dead").get("working") is True, said=box.log)
    until(lambda: said_last("dead").get("working") is False, said=box.log)
    assert said_last("dead")["status"]["error"] == "no picture for more than 6 s"
    assert said_last("quiet")["working"] is True
    (tmp_path / "dead" / "1.jpg").write_bytes(pictures.jpeg(930_000))
    until(lambda: said_last("dead").get("working") is True, said=box.log)
    assert box.stop() == 0


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def test_what_is_dropped_is_counted_by_reason(box: Box, stand_in: StandIn, camera: Camera) -> None:
    port = free_port()
    box.configure(
        SNAPSHOT.format(host=camera.host).replace("per_minute = 600", "per_minute = 2")
        + SNAPSHOT.format(host=camera.host).replace('"door"', '"yard"')
        + 'send = "motion"\nmotion_share = 1.0\n',
        f"[metrics]\nport = {port}\n",
    )
    box.start()

    def counted(name: str, reason: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
            rows = dict(
                line.rsplit(" ", 1)
                for line in response.read().decode().splitlines()
                if line[0] != "#"
            )
        return float(
            rows.get(
                f'regulars_edge_dropped_pictures_total{{camera="{name}",reason="{reason}"}}', 0
            )
        )

    until(lambda: answers(port), said=box.log)
    until(
        lambda: counted("door", "per_minute") >= 5 and counted("yard", "not_chosen") >= 5,
        said=box.log,
    )
    assert counted("door", "not_chosen") == counted("yard", "per_minute") == 0
    assert "door: 1 left out since the start: they were more than `per_minute` allows" in box.log()
    assert (
        "dropped_per_minute"
        in next(beat for name, beat in reversed(stand_in.books.heartbeats) if name == "door")[
            "status"
        ]
    )
    assert box.stop() == 0


def test_what_grew_too_old_while_the_box_was_off_is_counted(
    box: Box, stand_in: StandIn, tmp_path: Path
) -> None:
    box.configure(SNAPSHOT.format(host="127.0.0.1:9"))
    spool_table = f'folder = "{tmp_path / "spool"}"'
    box.toml.write_text(
        box.toml.read_text().replace(spool_table, f"{spool_table}\nunsent_days = 0.00001")
    )
    with spools.open_spool(tmp_path / "spool") as spool:
        add(spool, 1)
    time.sleep(1)
    box.start()
    until(
        lambda: "door: 1 left out since the start: they were not sent within" in box.log(),
        said=box.log,
    )
    assert box.stop() == 0
    assert stand_in.captures() == []


def test_pictures_from_outside_hours_never_leave_a_box_that_knew_no_time(
    box: Box, stand_in: StandIn, camera: Camera, tmp_path: Path
) -> None:
    """It takes them until it hears the service, whose key comes late; then it deletes them."""
    hour = datetime.now(UTC).hour
    closed = f'["{(hour + 6) % 24:02}:00-{(hour + 7) % 24:02}:00"]'
    box.configure(SNAPSHOT.format(host=camera.host) + f'zone = "UTC"\ncapture_hours = {closed}\n')
    kept = box.key_file.rename(tmp_path / "late")
    box.start()
    until(lambda: camera.given > 10, said=box.log)
    assert "neither the service nor NTP has said the time" in box.log()
    kept.rename(box.key_file)
    until(lambda: "door: pictures deleted unsent: " in box.log(), said=box.log)
    until(lambda: len(stand_in.books.heartbeats) > 3, said=box.log)
    given = camera.given
    until(lambda: len(stand_in.books.heartbeats) > 10, said=box.log)
    assert camera.given <= given + 1
    until(
        lambda: "dropped_out_of_hours" in stand_in.books.heartbeats[-1][1]["status"], said=box.log
    )
    assert box.stop() == 0
    assert stand_in.captures() == []
    assert list((tmp_path / "spool" / "pictures").iterdir()) == []


def test_systemd_hears_that_it_is_ready_alive_and_stopping(
    box: Box, tmp_path: Path, camera: Camera
) -> None:
    box.configure(SNAPSHOT.format(host=camera.host))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = tmp_path / "n"
        systemd.bind(str(address))
        systemd.settimeout(90)
        box.start({"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"})
        assert systemd.recv(1000) == b"READY=1"
        for _ in range(2):
            said = systemd.recv(1000)
            assert said.startswith(b"WATCHDOG=1\nSTATUS=")
        assert box.stop() == 0
        systemd.settimeout(10)
        while said != b"STOPPING=1":
            said = systemd.recv(1000)


def test_the_local_port_has_the_figures_and_the_last_picture(
    box: Box, stand_in: StandIn, camera: Camera, tmp_path: Path
) -> None:
    port = free_port()
    another_source = (
        f'[[camera]]\nname = "door"\nsource = "folder"\nfolder = "{tmp_path / "nowhere"}"\n'
    )
    box.configure(SNAPSHOT.format(host=camera.host) + another_source, f"[metrics]\nport = {port}\n")
    box.start()
    until(lambda: len(stand_in.captures()) > 3, said=box.log)

    def got(path: str) -> tuple[str, bytes]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
            return response.headers["Content-Type"], response.read()

    kind, text = got("/metrics")
    assert kind.startswith("text/plain; version=0.0.4")
    rows = dict(
        line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#")
    )
    assert float(rows['regulars_edge_sent_pictures_total{camera="door"}']) > 0
    assert rows['regulars_edge_camera_alive{camera="door"}'] == "1.0"
    assert abs(float(rows["regulars_edge_clock_error_seconds"])) < 5
    page = got("/")[1].decode()
    assert "<h2>door</h2>" in page
    assert "p%40ss" not in page
    assert got("/picture/0")[1].startswith(b"\xff\xd8\xff")
    assert box.stop() == 0


def test_status_speaks_beside_a_running_uploader(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    box.configure(SNAPSHOT.format(host=camera.host))
    assert box.call("status").returncode == 2, "there is no spool yet"
    box.start()
    until(lambda: len(stand_in.captures()) > 3, said=box.log)
    found = json.loads(box.call("status", "--json").stdout)["cameras"]["door"]
    assert found["sent"] >= 1
    assert found["sent_last_hour"] == found["sent"]
    text = box.call("status").stdout
    assert "oldest unsent" in text
    assert "door" in text
    again = box.call("status", "--retry-refused")
    assert (again.returncode, "in use by another uploader (process " in again.stderr) == (5, True)
    assert box.stop() == 0


def test_logs_are_json_lines_if_wanted(box: Box, camera: Camera) -> None:
    box.configure(
        SNAPSHOT.format(host=camera.host), '[metrics]\nport = 0\n[log]\nformat = "json"\n'
    )
    box.start()
    until(lambda: "service http" in box.log())
    camera.stop()
    # Which error it is hangs on where the camera was cut off: before an answer, or within one.
    until(lambda: '"level": "error"' in box.log(), said=box.log)
    box.stop()
    rows = [json.loads(line) for line in box.log().splitlines()]
    assert {"time", "level", "logger", "message"} == set(rows[0])


def test_a_film_is_sent_and_then_the_program_ends(
    box: Box, stand_in: StandIn, tmp_path: Path
) -> None:
    from rig.film import video

    film = video(tmp_path / "film.mp4")
    box.configure(
        f'[[camera]]\nname = "door"\nsource = "video"\nfile = "{film}"\ninterval_s = 0.5\nsend = '
        '"motion"\n'
    )
    box.start()
    assert box.running.wait(timeout=120) == 0, box.log()
    assert len(stand_in.captures()) == 5, box.log() + box.call("status", "--refused").stdout
    box.start()
    assert box.running.wait(timeout=120) == 0, box.log()
    assert {one.puts for one in stand_in.books.captures.values()} == {1}, (
        "a second time, nothing is new"
    )
    assert "was read to its end before" in box.log()
    film.write_bytes(video(tmp_path / "other.mp4", frames=60).read_bytes())
    box.start()
    assert box.running.wait(timeout=120) == 0, box.log()
    assert len(stand_in.captures()) > 5, "another film in its place is read"


def test_check_says_what_is_good(box: Box, stand_in: StandIn, camera: Camera) -> None:
    camera.asks_for = "Basic"
    stand_in.books.cameras["door"] = {"id": "door", "name": "door", "api_key": "x", "enabled": True}
    box.configure(SNAPSHOT.format(host=camera.host))
    done = box.call("check")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert list(lines) == [
        "ok   disk",
        "note if the box is stolen",
        "ok   camera door",
        "ok   what leaves the box from door",
        "ok   network",
        "ok   credential of door",
        "ok   clock",
    ]
    assert "p%40ss" not in done.stdout


def test_check_says_how_far_away_a_face_counts(box: Box, stand_in: StandIn, camera: Camera) -> None:
    out = io.BytesIO()
    Image.new("RGB", (1920, 1080)).save(out, "JPEG")
    camera.gives = lambda number: out.getvalue()
    box.configure(
        f'[[camera]]\nname = "door"\nsource = "snapshot"\nurl = "http://{camera.host}/"\nsend = '
        '"best_shot"\n'
    )
    assert "faces count from 26 pixels on, which is up to 5.5 m away" in box.call("check").stdout


def test_check_shows_no_password_whatever_characters_it_has(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    url = f"http://admin:it's geheim@{camera.host}/shot"
    box.configure(f'[[camera]]\nname = "door"\nsource = "snapshot"\nurl = "{url}"\n')
    said = box.call("check").stdout
    assert f"bytes from snapshot http://{camera.host}/shot" in said
    assert "geheim" not in said


def test_check_says_that_a_picture_cannot_be_opened_and_that_a_url_is_none(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    camera.gives = lambda number: b"\xff\xd8\xff\xe0 no picture at all \xff\xd9"
    box.configure(
        SNAPSHOT.format(host=camera.host)
        + '[[camera]]\nname = "yard"\nsource = "rtsp"\nurl = "rtsp://[9"\n'
    )
    said = box.call("check").stdout
    assert "BAD  camera door: its picture cannot be opened" in said
    assert "BAD  camera yard: camera yard: its url is none" in said


def test_check_says_what_to_do(box: Box, stand_in: StandIn, tmp_path: Path) -> None:
    box.configure(
        SNAPSHOT.format(host="127.0.0.1:9")
        + f'[[camera]]\nname = "yard"\nsource = "folder"\nfolder = "{tmp_path / "no"}"\n'
    )
    box.key_file.write_text("rk_wrong")
    box.key_file.chmod(0o600)
    stand_in.now_ms = lambda: time.time_ns() // 1_000_000 - 3_600_000
    done = box.call("check")
    assert done.returncode == 1
    assert "BAD  camera door: http://127.0.0.1:9/shot.jpg does not answer" in done.stdout
    assert "BAD  camera yard: the folder" in done.stdout
    assert "BAD  credential of door" in done.stdout
    assert "check the key" in done.stdout
    assert "+3600.0 s off" in done.stdout
    assert "switch on NTP" in done.stdout
    box.key_file.chmod(0o644)
    said = box.call("check").stdout
    assert "chmod 600" in said
    assert "does not answer" not in said.replace("shot.jpg does not answer", ""), (
        "nobody has asked the service"
    )


def test_check_tries_the_port_of_the_page(box: Box, stand_in: StandIn, camera: Camera) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        box.configure(SNAPSHOT.format(host=camera.host), f"[metrics]\nport = {port}\n")
        assert (
            f"BAD  local port: {port} cannot be had: Address already in use"
            in box.call("check").stdout
        )
    assert f"ok   local port: http://127.0.0.1:{port} will be" in box.call("check").stdout


def test_a_wrong_key_loses_nothing_and_the_right_one_counts_without_a_restart(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    box.key_file.write_text("rk_wrong")
    box.configure(SNAPSHOT.format(host=camera.host))
    box.start()
    until(lambda: "please see to it" in box.log())
    until(lambda: json.loads(box.call("status", "--json").stdout)["cameras"]["door"]["unsent"] >= 3)
    assert not stand_in.books.heartbeats
    box.key_file.write_text(stand_in.key)
    until(lambda: bool(stand_in.books.heartbeats), said=box.log)
    assert box.stop() == 0
    assert "rk_wrong" not in box.log()


def test_the_units_are_ones_that_systemd_accepts(tmp_path: Path) -> None:
    units = sorted((Path(__file__).parents[1] / "systemd").iterdir())
    text = {unit.name: unit.read_text() for unit in units}
    for line in (
        "Type=notify",
        "WatchdogSec=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "User=regulars-edge",
    ):
        assert line in text["regulars-edge.service"]
    needed("systemd-analyze")
    for name, unit in text.items():
        (tmp_path / name).write_text(
            re.sub(r"/opt/regulars-edge/(current|updater)/bin/regulars-edge", "/bin/true", unit)
        )
    command = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in text)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "regulars-edge" not in done.stderr, done.stderr


def test_a_camera_that_never_gave_a_picture_is_there_to_fall_silent(
    box: Box, stand_in: StandIn
) -> None:
    box.configure(SNAPSHOT.format(host="127.0.0.1:9"))
    box.start()
    until(lambda: "door" in stand_in.books.cameras, said=box.log)
    assert stand_in.books.cameras["door"]["silent_after_s"] == 600
    assert box.stop() == 0


MASK = "masks = [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]"


@pytest.mark.parametrize(
    "more", ["", 'send = "best_shot"\ncrop_room = 0.5'], ids=["whole frames", "only faces"]
)
def test_somebody_who_asks_sees_what_the_camera_sees_behind_the_masks(
    started_regulars: Regulars, tmp_path: Path, camera: Camera, more: str
) -> None:
    name = f"run-still-{bool(more)}"
    camera.gives = lambda number: jpeg_of("white", number)
    box = Box(tmp_path, started_regulars)
    box.configure(
        SNAPSHOT.format(host=camera.host).replace('"door"', f'"{name}"') + f"{MASK}\n{more}\n"
    )

    def still(method: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{started_regulars.url}/v1/cameras/{name}/still",
            headers={"Authorization": f"Bearer {started_regulars.key}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    box.start()
    try:
        until(lambda: "has been made" in box.log(), said=box.log)
        given = camera.given
        still("POST")
        if more:
            until(lambda: camera.given > given + 20, said=box.log)
            assert still("GET")["picture"] is None, "its file says that only faces leave the box"
        else:
            until(lambda: still("GET")["picture"] is not None, said=box.log)
            with Image.open(io.BytesIO(base64.b64decode(still("GET")["picture"]))) as seen:
                assert max(seen.size) == 1000
                assert max(seen.convert("L").crop((0, 0, 495, 800)).tobytes()) < 8, (
                    "black within the mask"
                )
                assert min(seen.convert("L").crop((505, 0, 1000, 800)).tobytes()) > 247
        assert box.stop() == 0
    finally:
        camera.stop()
        box.kill()


def jpeg_of(colour: str, number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (2000, 1600), colour).save(out, "JPEG", comment=str(number))
    return out.getvalue()


def test_settings_of_the_service_are_taken_without_a_restart(
    started_regulars: Regulars, tmp_path: Path, camera: Camera
) -> None:
    name = "run-settings"
    box = Box(tmp_path, started_regulars)
    box.configure(
        SNAPSHOT.format(host=camera.host)
        .replace('"door"', f'"{name}"')
        .replace("per_minute = 600", "per_minute = 1")
    )

    def there() -> int:
        return len(started_regulars.captures(name))

    def set_to(**settings: object) -> None:
        request = urllib.request.Request(
            f"{started_regulars.url}/v1/cameras/{name}",
            json.dumps({"edge": settings}).encode(),
            {"Authorization": f"Bearer {started_regulars.key}", "Content-Type": "application/json"},
            method="PATCH",
        )
        urllib.request.urlopen(request, timeout=30).close()

    box.start(lack(tmp_path, EXTRAS["detector"]))
    try:
        until(lambda: "has been made" in box.log(), said=box.log)
        until(lambda: there() == 1, said=box.log)
        set_to(per_minute=600)
        until(lambda: there() > 5, said=box.log)
        set_to(send="faces")
        until(
            lambda: "the service's settings cannot be used: choosing faces" in box.log(),
            said=box.log,
        )
        sent = there()
        until(lambda: there() > sent, said=box.log)
        set_to(interval_s=60)
        until(lambda: "settings of the service: {'interval_s': 60" in box.log(), said=box.log)
        given = camera.given
        time.sleep(1.0)
        assert camera.given <= given + 2, "the interval is another"
        assert box.stop() == 0
    finally:
        camera.stop()
        box.kill()


def test_settings_of_the_service_outlive_a_restart_without_network(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    box.configure(SNAPSHOT.format(host=camera.host).replace("per_minute = 600", "per_minute = 1"))
    stand_in.books.cameras["door"] = {
        "id": "door",
        "name": "door",
        "api_key": "x",
        "enabled": True,
        "edge": {"per_minute": 600},
    }
    box.start()
    until(lambda: len(stand_in.captures()) > 3, said=box.log)
    assert box.stop() == 0
    stand_in.stop()

    def unsent() -> int:
        return int(json.loads(box.call("status", "--json").stdout)["cameras"]["door"]["unsent"])

    before = unsent()
    box.start()
    until(lambda: unsent() > before + 3, said=box.log)
    assert box.stop() == 0


def test_hours_of_the_whole_box_are_taken_from_the_service(
    box: Box, stand_in: StandIn, camera: Camera
) -> None:
    box.configure(SNAPSHOT.format(host=camera.host))
    far = (time.localtime().tm_hour + 12) % 24
    edge = {"upload_hours": [f"{far:02}:00-{far:02}:30"]}
    stand_in.books.cameras["door"] = {
        "id": "door",
        "name": "door",
        "api_key": "x",
        "enabled": True,
        "edge": edge,
    }
    box.start()
    until(lambda: stand_in.captures() != [], said=box.log)
    until(
        lambda: json.loads(box.call("status", "--json").stdout)["cameras"]["door"]["unsent"] > 5,
        said=box.log,
    )
    assert box.stop() == 0


def test_nobody_is_told_to_install_it_by_a_name_that_anybody_may_take() -> None:
    edge = Path(__file__).parents[1]
    told = [edge.parent / "docs" / "edge.md", *edge.glob("systemd/*"), *edge.glob("src/**/*.py")]
    assert len(told) > 30
    for file in told:
        by_name = re.search(
            r"pip3? install[^\n]*(?<![\w./-])regulars[-_]edge(?![\w./-])", file.read_text()
        )
        assert by_name is None, f"{file}: {by_name}"
