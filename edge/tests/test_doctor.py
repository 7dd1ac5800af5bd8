"""`regulars-edge check --camera`: of each fault of a camera, whether it is named, and the lines
that work."""

import io
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance
from regulars_edge import config
from regulars_edge.choose.faces import Detector
from regulars_edge.doctor import Findings, examine_camera, explain_network
from regulars_edge.setup.command import format_rows
from regulars_edge.update import EXTRAS
from rig.certificates import own_certificate
from rig.film import RATE
from rig.lacking import lack
from rig.odd import Odd
from rig.uploader import ENTRY

pytest.importorskip("av")
pytest.importorskip("onnxruntime")
from rig.rtsp import Rtsp, h264

DIGEST = 'Digest realm="cam", nonce="n0nce", qop="auth"'
LATE = format_datetime(datetime.now(UTC) - timedelta(hours=8))


def room(portrait: Path, side_px: int) -> Image.Image:
    """Draw a person in a room, whose portrait is so wide: twice as wide as the face."""
    picture = Image.effect_noise((160, 90), 60).resize((1280, 720)).convert("RGB")
    whole = Image.open(portrait).convert("RGB")
    left, top, width, height = Detector().find_faces(whole)[0].box_xywh
    box = (left - width / 2, top - height / 2, left + 1.5 * width, top + 1.5 * height)
    picture.paste(
        whole.crop(tuple(map(round, box))).resize((side_px, round(side_px * height / width))),
        (500, 100),
    )
    return picture


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


class Ward:
    """The two kinds of cameras, and how one is looked at."""

    def __init__(
        self, folder: Path, rtsp: Rtsp, odd: Odd, person: Callable[[int], Image.Image]
    ) -> None:
        self.folder, self.rtsp, self.odd, self.person = folder, rtsp, odd, person
        self.user: dict[str, object] = {}

    def log_in(self, password: str) -> None:
        file = self.folder / "password"
        file.write_text(password)
        file.chmod(0o600)
        self.user = {"user": "admin", "password_file": file}

    def stream(self, url: str = "", **more: object) -> Findings:
        values = {"name": "door", "source": "rtsp", "url": url or self.rtsp.url}
        return examine_camera({**values, **self.user, **more}, look_s=3.0, first_s=8.0)

    def snapshot(self, **more: object) -> Findings:
        values = {"name": "door", "source": "snapshot", "url": f"{self.odd.url}/shot.jpg"}
        return examine_camera({**values, **self.user, **more}, look_s=3.0, first_s=8.0)


@pytest.fixture
def ward(tmp_path: Path, portraits: list[Path]) -> Iterator[Ward]:
    scene = room(portraits[0], 400).resize((640, 360))
    rtsp = Rtsp(h264(tmp_path / "live.h264", [scene] * (4 * RATE), RATE, RATE), RATE)
    odd = Odd(jpeg(room(portraits[0], 400)))
    yield Ward(tmp_path, rtsp, odd, lambda side_px: room(portraits[0], side_px))
    rtsp.stop()
    odd.stop()


def wrong_password(ward: Ward) -> Findings:
    ward.rtsp.asks_for, ward.rtsp.password = DIGEST, "right"
    ward.log_in("wrong")
    return ward.stream()


def no_password(ward: Ward) -> Findings:
    ward.rtsp.asks_for, ward.rtsp.password = DIGEST, "right"
    return ward.stream()


def refuses(method: str, status: int) -> Callable[[Ward], Findings]:
    def look(ward: Ward) -> Findings:
        ward.rtsp.refuses = {method: status}
        return ward.stream()

    return look


def hangs_up(ward: Ward) -> Findings:
    ward.rtsp.places = 0
    return ward.stream()


def udp_only(ward: Ward) -> Findings:
    ward.rtsp.has_udp_only = True
    found = ward.stream()
    assert (found.pictures > 0, found.settings) == (True, {"transport": "udp"})
    return found


def smart_codec(ward: Ward) -> Findings:
    pictures = [Image.effect_noise((160, 120), 60).convert("RGB") for _ in range(20 * RATE)]
    ward.rtsp.film, ward.rtsp.begins_at = h264(ward.folder / "long.h264", pictures, RATE), 10
    return ward.stream()


def late_stream(ward: Ward) -> Findings:
    ward.rtsp.date = LATE
    return ward.stream()


def late_snapshot(ward: Ward) -> Findings:
    ward.odd.headers = {"Date": LATE}
    return ward.snapshot()


def own_stream(ward: Ward) -> Findings:
    _, context = own_certificate(ward.folder, "127.0.0.1")
    ward.rtsp.socket = context.wrap_socket(ward.rtsp.socket, server_side=True)
    return ward.stream(ward.rtsp.url.replace("rtsp:", "rtsps:"))


def own_snapshot(ward: Ward) -> Findings:
    _, context = own_certificate(ward.folder, "127.0.0.1")
    ward.odd.server.socket = context.wrap_socket(ward.odd.server.socket, server_side=True)
    return ward.snapshot(url=f"{ward.odd.url.replace('http:', 'https:')}/shot.jpg")


def silent(ward: Ward) -> Findings:
    ward.rtsp.is_silent = True
    return ward.stream()


def no_rtsp(ward: Ward) -> Findings:
    return ward.stream(ward.odd.url.replace("http:", "rtsp:"))


def not_there(ward: Ward) -> Findings:
    return ward.stream("rtsp://127.0.0.1:9/live")


def shows(change: Callable[[Ward], Image.Image]) -> Callable[[Ward], Findings]:
    def look(ward: Ward) -> Findings:
        ward.odd.body = jpeg(change(ward))
        ward.odd.length = len(ward.odd.body)
        return ward.snapshot()

    return look


def answers(body: bytes, status: int = 200) -> Callable[[Ward], Findings]:
    def look(ward: Ward) -> Findings:
        ward.odd.body, ward.odd.status, ward.odd.length = body, status, len(body)
        ward.odd.headers = {"WWW-Authenticate": DIGEST}
        ward.log_in("right")
        return ward.snapshot()

    return look


def slow(ward: Ward) -> Findings:
    ward.odd.slow_s = 1.5
    return ward.snapshot()


def elsewhere(ward: Ward) -> Findings:
    ward.odd.moved = {"/shot.jpg": "http://10.0.0.10/shot.jpg"}
    return ward.snapshot()


def cut_off(ward: Ward) -> Findings:
    ward.odd.body = ward.odd.body[:-5_000]
    return ward.snapshot()


LOCKED = b"<userCheck><lockStatus>lock</lockStatus><unlockTime>1780</unlockTime></userCheck>"
CAMERAS: dict[str, tuple[Callable[[Ward], Findings], str]] = {
    "a wrong password": (wrong_password, "refuses user and password"),
    "no password": (no_password, "without user and password"),
    "a stream's user is locked": (refuses("DESCRIBE", 403), "may be locked"),
    "a snapshot's user is locked": (answers(LOCKED, 401), "has locked this user"),
    "no place": (refuses("SETUP", 453), "no place for another viewer"),
    "no place, and it hangs up": (hangs_up, "no place for another viewer"),
    "UDP only": (udp_only, "sends by UDP only"),
    "smart codec": (smart_codec, "smart codec"),
    "a stream's clock": (late_stream, "minutes off: let it take its time"),
    "a snapshot's clock": (late_snapshot, "minutes off: let it take its time"),
    "a stream's certificate": (own_stream, "camera's certificate"),
    "a snapshot's certificate": (own_snapshot, "camera's certificate"),
    "silence behind PLAY": (silent, "sends no pictures"),
    "no such stream": (refuses("DESCRIBE", 404), "no stream of this name"),
    "another protocol": (no_rtsp, "is no RTSP"),
    "not there": (not_there, "Connection refused"),
    "turned": (shows(lambda ward: ward.person(400).rotate(90, expand=True)), "rotate = 90"),
    "too dark": (
        shows(lambda ward: ImageEnhance.Brightness(ward.person(400)).enhance(0.15)),
        "too dark",
    ),
    "covered": (
        shows(lambda _: Image.new("RGB", (1280, 720), (90, 90, 90))),
        "is the lens covered",
    ),
    "faces too small": (shows(lambda ward: ward.person(90)), "faces are too small"),
    "too slow": (slow, "a picture takes 1."),
    "no picture": (answers(b"<html>login</html>"), "neither JPEG nor PNG"),
    "elsewhere": (elsewhere, "sends to http://10.0.0.10/shot.jpg"),
    "cut off": (cut_off, "was cut off"),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_a_cameras_fault_is_named(ward: Ward, name: str) -> None:
    look, said = CAMERAS[name]
    found = look(ward)
    assert any(said in fault for fault in found.faults), found
    assert len(found.faults) == 1, "and nothing else"


def test_a_camera_that_is_well_has_no_fault_and_its_lines_work(ward: Ward, tmp_path: Path) -> None:
    done = subprocess.run(
        [ENTRY, "check", "--camera", ward.rtsp.url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    assert f'source = "rtsp"\nurl = "{ward.rtsp.url}"\nsend = "best_shot"' in done.stdout
    assert "pixels between the eyes" in done.stdout


def test_without_the_detector_no_lines_are_shown_that_need_it(ward: Ward, tmp_path: Path) -> None:
    done = subprocess.run(
        [ENTRY, "check", "--camera", ward.rtsp.url],
        capture_output=True,
        text=True,
        check=False,
        env=lack(tmp_path, EXTRAS["detector"]),
    )
    assert done.returncode == 1, done
    assert "BAD  choosing faces and counting people need the extra `detector`" in done.stdout
    assert "dist/regulars-edge.lock" in done.stdout
    assert 'send = "motion"' in done.stdout
    assert "no face is in the picture" not in done.stdout


ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask
eth0 00000000 010200C0 3 0 0 0 00000000
eth0 000200C0 00000000 1 0 0 0 00FFFFFF
"""


def test_another_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    said = [
        explain_network(host, tmp_path / "route")
        for host in ("192.0.2.9", "192.168.1.64", "8.8.8.8", "camera")
    ]
    assert [bool(one) for one in said] == [False, True, False, False]
    assert "another network" in said[1]


def test_a_turned_face_is_upright_by_the_setting(ward: Ward) -> None:
    picture = ward.person(400)
    draw = ImageDraw.Draw(picture)
    draw.line((0, 700, 1280, 700), "white", 4)
    ward.odd.body = jpeg(picture.rotate(-90, expand=True))
    ward.odd.length = len(ward.odd.body)
    found = ward.snapshot()
    assert found.settings == {"rotate": 270}
    rows = format_rows({"name": "door", "source": "snapshot", "url": ward.odd.url} | found.settings)
    [camera] = config.parse_config(
        tomllib.loads(f'[server]\nurl = "https://x.example"\n{rows}')
    ).cameras
    assert camera.rotate == 270, "the lines that are printed work"
