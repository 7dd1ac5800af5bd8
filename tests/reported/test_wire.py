"""Reports of how requests are written, from users of other services, replayed over HTTP. The page:
docs/reported.md."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest

from chalicelib.book.cameras import CameraSettings
from testing.reported import replays
from tests.support.api.deepstack.client import FACE
from tests.support.api.rekognition.client import refused
from tests.support.fakes import FakeVision, Person, picture
from tests.support.house import House, b64, house, photo

DETECT = "/v1/detect"


def form(*parts: bytes, boundary: str = "B", end: bytes = b"\r\n") -> bytes:
    """Write a form of parts that have their heads."""
    line = b"--" + boundary.encode()
    return b"".join(line + end + part + end for part in parts) + line + b"--" + end


def part(
    data: bytes,
    disposition: str = 'name="image"; filename="a.jpg"',
    end: str = "\r\n",
    **headers: str,
) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return end.join([*lines, "", ""]).encode() + data


def faces(box: House, body: bytes, content_type: str = "multipart/form-data; boundary=B") -> int:
    """Send a form to DeepStack's dialect, and return how many faces it found."""
    reply = box.http("POST", FACE, body, Content_Type=content_type)
    assert reply.status == 200, reply
    return len(reply.json["predictions"])


@pytest.fixture(autouse=True)
def _keyless(box: House) -> None:
    """Let this machine call DeepStack's dialect, for which the tenant has a key."""
    if not any(key.service == "deepstack" for key in box.services.access.keys.list_all(box.tenant)):
        box.deepstack()


@replays(22, "chalice 418")
def test_a_form_has_fields_and_bytes_of_any_value(box: House) -> None:
    smile = picture(Person(1)) + b" " * 3
    assert (
        faces(
            box,
            form(
                part(b"0.4", 'name="min_confidence"'),
                part(smile),
                part(bytes(range(256)), 'name="x"; filename="b"'),
            ),
        )
        == 1
    )


@replays(23, "opencpu 292")
@pytest.mark.parametrize(
    "said",
    [
        "boundary=B; charset=utf-8",
        'charset=utf-8; boundary="B"',
        "charset=UTF-8;boundary=B",
        'boundary="B"',
    ],
)
def test_a_charset_may_stand_beside_the_boundary(box: House, said: str) -> None:
    assert faces(box, form(part(photo(1))), f"multipart/form-data; {said}") == 1


@replays(24, "urllib3 900", "werkzeug 932", "SynoAI 66")
@pytest.mark.parametrize(
    "disposition",
    [
        "name=\"image\"; filename*=utf-8''b%C3%A4r.jpg",
        "name=image; filename=a.jpg",
        "name=image; filename=bär.jpg",
    ],
)
def test_a_files_name_may_be_written_in_each_way(box: House, disposition: str) -> None:
    assert faces(box, form(part(photo(1), disposition))) == 1


@replays(25, "multer 991")
def test_a_part_without_a_files_name_is_a_file_by_its_type_or_told(box: House) -> None:
    for type_ in ("image/jpeg", "application/octet-stream"):
        assert faces(box, form(part(photo(1), 'name="image"', Content_Type=type_))) == 1
    sent = form(part(photo(1), 'name="picture"'))
    key = f"Bearer {box.credentials.api_key}"
    told = box.http(
        "POST", DETECT, sent, Content_Type="multipart/form-data; boundary=B", Authorization=key
    )
    assert told.status == 400
    assert "picture" in told.json["detail"]


@replays(26, "alarmserver 51")
def test_a_boundary_line_that_comes_twice_is_one(box: House) -> None:
    twice = form(part(photo(1))).replace(b"--B\r\n", b"--B\r\n--B\r\n", 1)
    assert faces(box, twice) == 1
    assert faces(box, form(part(photo(1), end="\n"), end=b"\n")) == 1


@replays(27, "cpp-httplib 349", "aiohttp 267")
def test_a_body_may_wait_for_100_or_come_in_chunks_and_old_heads_are_read(box: House) -> None:
    body = photo(1)
    key = (
        b"Authorization: Bearer "
        + box.credentials.api_key.encode()
        + b"\r\nContent-Type: image/jpeg\r\n"
    )
    head = b"POST /v1/detect HTTP/1.1\r\nHost: box\r\nConnection: close\r\n" + key
    sized = b"Content-Length: %d\r\n" % len(body)
    waits = box.raw(head + sized + b"Expect: 100-continue\r\n\r\n", body)
    assert waits.startswith(b"HTTP/1.1 100")
    chunks = (
        b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (body[:9], body[9:])) + b"0\r\n\r\n"
    )
    old = head.replace(b"HTTP/1.1\r\nHost: box\r\n", b"HTTP/1.0\r\n")
    whole = head.replace(b"POST /", b"POST http://box/")
    sent = [head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks]
    sent += [start + sized + b"\r\n" + body for start in (old, whole, b"\r\n" + head)]
    for reply in (waits, *map(box.raw, sent)):
        assert b" 200 " in reply, reply
        assert b'"faces"' in reply


@replays(28, "code-dot-org 39285", "node-imager 22")
@pytest.mark.parametrize(
    "type_", ["image/jpg", "image/pjpeg", "image/jpeg; charset=binary", "binary/octet-stream"]
)
def test_a_picture_may_be_called_jpg(box: House, type_: str) -> None:
    key = f"Bearer {box.credentials.api_key}"
    assert (
        len(box.http("POST", DETECT, photo(1), Content_Type=type_, Authorization=key).json["faces"])
        == 1
    )


@replays(32, "deepface 1162", "deepface 664")
@pytest.mark.parametrize(
    "write",
    [b64, lambda data: f"data:image/jpeg;base64,{b64(data)}", lambda data: b64(data) + "\n"],
)
def test_base64_is_read_by_one_rule(box: House, write: object) -> None:
    assert callable(write)
    key, sent = f"Bearer {box.credentials.api_key}", write(photo(1)).rstrip("=")
    asked = {"Content_Type": "application/json", "Authorization": key}
    assert len(box.http("POST", DETECT, json.dumps({"picture": sent}), **asked).json["faces"]) == 1
    found = box.compreface().json("/api/v1/recognition/recognize", {"file": sent}).json["result"]
    assert len(found) == 1


@replays(18, "aws-sdk-js 2315")
@pytest.mark.parametrize("text", ["", "data:image/jpeg;base64,"])
def test_rekognition_refuses_base64_of_base64_as_amazon_does(box: House, text: str) -> None:
    said = refused(box.amazon().detect_faces, Image={"Bytes": (text + b64(photo(1))).encode()})
    assert said[0] == "InvalidImageFormatException"


@replays(19, "aws-sdk-js 4383")
def test_of_a_picture_of_two_the_larger_is_searched_for(box: House) -> None:
    amazon, group = box.amazon(), box.group()
    for seed in (1, 2):
        amazon.index_faces(
            CollectionId=group, Image={"Bytes": photo(seed)}, ExternalImageId=f"p{seed}"
        )
    two = picture(Person(2, side_px=60.0), Person(1, side_px=120.0))
    found = amazon.search_faces_by_image(CollectionId=group, Image={"Bytes": two})["FaceMatches"]
    assert [one["Face"]["ExternalImageId"] for one in found] == ["p1"]


@replays(21, "librephotos 920", "kinto 1171")
def test_a_list_may_be_emptied_while_it_is_read(box: House) -> None:
    v1, group, amazon = box.v1(), box.group(), box.amazon()
    ids = {
        v1.done("POST", "/v1/faces", {"picture": b64(photo(seed)), "group": group})["id"]
        for seed in range(12)
    }
    seen: list[str] = []
    token: str | None = None
    while len(seen) < 12:
        page = v1.done(
            "GET", "/v1/faces", None, group=group, limit=3, **({"token": token} if token else {})
        )
        seen += [one["id"] for one in page["faces"]]
        for one in page["faces"]:
            v1.send("DELETE", f"/v1/faces/{one['id']}")
        token = page["next_token"]
    assert (set(seen), len(seen), token) == (ids, 12, None)
    for seed in range(5):
        amazon.index_faces(CollectionId=group, Image={"Bytes": photo(seed)})
    found, more = [], {}
    while True:
        page = amazon.list_faces(CollectionId=group, MaxResults=2, **more)
        found += [one["FaceId"] for one in page["Faces"]]
        amazon.delete_faces(CollectionId=group, FaceIds=[one["FaceId"] for one in page["Faces"]])
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert len(set(found)) == len(found) == 5


def send_picture(box: House, at: str) -> tuple[int, dict[str, str]]:
    query = {"camera": box.camera(), "captured_at": at}
    reply = box.v1().send("POST", "/v1/captures", photo(1), query=query, content_type="image/jpeg")
    return reply.status, reply.json


@replays(33, "ha-core 68216", "ha-core 34522")
def test_a_camera_an_hour_ahead_is_told_by_both_clocks(box: House) -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    status, told = send_picture(box, ahead)
    assert status == 400
    assert ahead[:16] in told["detail"]
    assert datetime.now(UTC).isoformat()[:13] in told["detail"]


@replays(34, "pyHik 14", "double-take 144")
def test_a_time_is_the_right_instant_or_refused(box: House) -> None:
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    exact = f"{now.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
    for text in (f"{now.timestamp():.3f}", f"{now.timestamp() * 1000:.0f}", now.isoformat()):
        assert send_picture(box, text)[1]["captured_at"] == exact
    naive = now.replace(tzinfo=None).isoformat()
    for text in (f"{naive}-6:00", naive, f"{now.timestamp() * 1e6:.0f}"):
        status, told = send_picture(box, text)
        assert (status, told["code"]) == (400, "InvalidInput")


@replays(35, "ComfyUI_frontend 1256", "viseron 1136")
@pytest.mark.parametrize("path", ["/", "/console/"])
def test_a_redirect_stays_below_the_path_that_a_proxy_takes_off(box: House, path: str) -> None:
    reply = box.http("GET", path)
    assert reply.status == 302
    assert (
        urljoin(f"https://proxy.example/faces{path}", reply.headers["location"])
        == "https://proxy.example/faces/console"
    )


@replays(36, "ntpd-rs 2131")
def test_an_address_of_ipv4_is_itself_where_ipv6_listens_too(tmp_path: Path) -> None:
    with house(tmp_path / "data", FakeVision(), "::") as box:
        box.deepstack()
        port = box.url.rpartition(":")[2].rstrip("/")
        found = {}
        for host in ("127.0.0.1", "[::1]"):
            here = House(
                f"http://{host}:{port}", box.services, box.app, box.credentials, box.numbers
            )
            found[host] = here.http("POST", f"{FACE}/list").status
    assert found == {"127.0.0.1": 200, "[::1]": 401}


@replays(37, "lovelace-wallpanel 445")
def test_a_page_may_call_compreface_and_not_deepstack(box: House) -> None:
    asked = {"Origin": "http://dashboard", "Access_Control_Request_Method": "POST"}
    allowed = box.http("OPTIONS", "/api/v1/recognition/recognize", **asked)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, "*")
    assert "access-control-allow-origin" not in box.http("OPTIONS", FACE, **asked).headers


@replays(134, "evcc-io/evcc 30757", "Kareadita/Kavita 2992")
def test_a_password_that_a_proxy_asks_for_hides_no_session(box: House) -> None:
    """A browser sends it beside the cookie, and nginx, Caddy and Traefik pass it on."""
    of_proxy = {"Authorization": f"Basic {b64(b'visitor:of-the-proxy')}"}
    own = {"Sec_Fetch_Site": "same-origin", "Content_Type": "application/json", **of_proxy}
    signed_in = box.http(
        "POST", "/v1/session", json.dumps({"api_key": box.credentials.api_key}), **own
    )
    assert signed_in.status == 201, signed_in
    cookie = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    assert box.http("GET", "/v1/faces", **of_proxy, **cookie).status == 200
    camera = json.dumps({"id": box.camera() + "-b", "name": "By cookie"})
    assert box.http("POST", "/v1/cameras", camera, **own, **cookie).status == 201
    other = {**own, "Sec_Fetch_Site": "cross-site"}
    assert box.http("POST", "/v1/cameras", camera, **other, **cookie).status == 403
    for no_session in (of_proxy, {**of_proxy, "Cookie": "theme=dark"}):
        assert box.http("GET", "/v1/faces", **no_session).status == 401
    wrong = {"Authorization": "Bearer rk_wrong"}
    assert box.http("GET", "/v1/faces", **wrong, **cookie).status == 401, "a key counts alone"


@replays(138, "srawlins/timezone 162", "nextcloud/server 41606", "nextlevelbuilder/goclaw 1372")
@pytest.mark.parametrize("zone", ["Asia/Calcutta", "Asia/Saigon", "Europe/Kiev", "US/Eastern"])
def test_a_zone_is_known_by_the_name_that_browsers_have(box: House, zone: str) -> None:
    key = {"Authorization": f"Bearer {box.credentials.api_key}"}
    sent = json.dumps({"time_zone": zone})
    reply = box.http("PATCH", "/v1/settings", sent, Content_Type="application/json", **key)
    assert (reply.status, reply.json["time_zone"]) == (200, zone)
    no_zones_here = {"PYTHONTZPATH": "", "PATH": "/usr/bin"}
    read = f"from zoneinfo import ZoneInfo; print(ZoneInfo({zone!r}))"
    said = subprocess.run(
        [sys.executable, "-c", read], env=no_zones_here, capture_output=True, check=True
    )
    assert said.stdout.decode().strip() == zone, "also in a container without zones"


@replays(139, "maciej-or/hikvision_next 117")
def test_a_camera_that_sends_a_face_beside_its_scene_is_told_of_both(box: House) -> None:
    camera, key = box.services.cameras.add(box.tenant, "anpr", "anpr", CameraSettings())
    smile = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(99)
    body = form(
        part(smile, 'name="licensePlatePicture.jpg"; filename="licensePlatePicture.jpg"'),
        part(smile, 'name="detectionPicture.jpg"; filename="detectionPicture.jpg"'),
    )
    signed = {"Authorization": f"Basic {b64(f'{camera.id}:{key}'.encode())}"}
    kind = "multipart/form-data; boundary=B"
    reply = box.http("POST", "/v1/captures", body, Content_Type=kind, **signed)
    assert (reply.status, "'detectionPicture.jpg'" in reply.json["detail"]) == (400, True)


@replays(140, "CornerBit/HikSink 11")
@pytest.mark.parametrize(
    "line", [": no name", "Content Type: image/jpeg", "X-Odd", "\x01: x", "X: \xff"]
)
def test_a_broken_line_of_a_parts_head_hides_no_picture(box: House, line: str) -> None:
    head = f'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n{line}\r\n\r\n'
    assert faces(box, form(head.encode("latin-1") + picture(Person(1)))) == 1
