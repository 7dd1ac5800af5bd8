"""Pictures that cameras send by themselves, as their makers have them, over HTTP.

Sources:

- Hikvision, Device Network SDK (https://open.hikvision.com/hardware/JSONs/EVENT_JSON_Density.html):
  multipart/form-data with `MIME_boundary`, whose JSON has no Content-Disposition; the limits of its
  form, 32 characters of a user and 16 of a password, and Basic (`base64`):
  https://soporte.syscom.mx/en/articles/12248649
- Dahua and Intelbras, HTTP API 3.26, 4.18.1 (PictureHttpUpload): multipart/mixed with `myboundary`,
  parts without names, by some devices with bare line feeds
- Axis, VAPIX action `send images` to an HTTP recipient: a bare picture with a Content-Disposition,
  https://developer.axis.com/vapix/network-video/event-and-action-services/ ; it waits for a
  challenge
- KHJ, alarm picture push: multipart/form-data with `imgFile` and `uid`,
  https://topcode280.github.io/MonitorGitBook/MessagePush/AlarmPicturePushSettings.html
"""

import base64
import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from chalicelib.book.cameras import CameraSettings
from tests.support.api.gateway import send
from tests.support.fakes import FakeVision
from tests.support.house import Answered, House, house

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 4 + b"\r\n--\r\n\xff\xd9"
XML = (
    b'<EventNotificationAlert version="2.0"><dateTime>2026-11-29T08:00:00+01:00</dateTime>'
    b"<eventType>fielddetection</eventType></EventNotificationAlert>"
)
CAPTURES = "/v1/captures"


class Camera(NamedTuple):
    id: str
    key: str

    @property
    def basic(self) -> str:
        return basic(self.id, self.key)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("pushes") / "data", FakeVision()) as made:
        yield made


@pytest.fixture
def camera(box: House) -> Camera:
    id_ = f"door-{next(box.numbers)}"
    return Camera(id_, box.services.cameras.add(box.tenant, id_, id_, CameraSettings())[1])


def parts(*pairs: tuple[str, bytes], boundary: str, end: str = "\r\n") -> bytes:
    """A multipart body of heads and contents."""
    line = f"--{boundary}"
    body = b"".join(
        f"{line}{end}{head}{end}{end}".encode() + data + end.encode() for head, data in pairs
    )
    return body + f"{line}--{end}".encode()


def push(
    box: House, camera: Camera, body: bytes, kind: str | None, query: str = "", **headers: str
) -> Answered:
    typed = {} if kind is None else {"Content-Type": kind}
    signed = {"Authorization": camera.basic, **typed, **headers}
    return box.http("POST", f"{CAPTURES}{query}", body, **signed)


def is_capture(box: House, camera: Camera, reply: Answered, data: bytes = JPEG) -> bool:
    assert reply.status == 202, reply.json
    assert reply.json["camera"] == camera.id
    found = box.services.captures.get(box.tenant, camera.id, reply.json["id"])
    return found.sha256 == hashlib.sha256(data).hexdigest()


MIME = "MIME_boundary"
PICTURE_HEAD = (
    'Content-Disposition: form-data; name="detectionPicture"; filename="detectionPicture.jpg"\r\n'
    f"Content-Type: image/jpeg\r\nContent-Length: {len(JPEG)}"
)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/mixed"])
@pytest.mark.parametrize(
    "text",
    [
        (f"Content-Type: application/json\r\nContent-Length: {len(XML)}", XML),
        (
            'Content-Disposition: form-data; name="event.xml"; filename="event.xml"',
            XML,
        ),
        (
            'Content-Disposition: form-data; name="Event"\r\nContent-Type: application/xml',
            "门".encode("gb18030"),
        ),
    ],
)
def test_hikvisions_event_with_its_picture(
    box: House, camera: Camera, kind: str, text: tuple[str, bytes]
) -> None:
    body = parts(text, (PICTURE_HEAD, JPEG), boundary=MIME)
    reply = push(box, camera, body, f"{kind}; boundary={MIME}", f"?camera={camera.id}")
    assert is_capture(box, camera, reply)


def test_hikvisions_form_has_room_for_the_digits_of_the_key_as_the_user(
    box: House, camera: Camera
) -> None:
    user, password = camera.key.removeprefix("ck_"), camera.id
    assert (len(user), len(password) <= 16) == (32, True)
    reply = push(box, camera, JPEG, "image/jpeg", Authorization=basic(user, password))
    assert is_capture(box, camera, reply)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_dahuas_upload_of_an_events_picture(box: House, camera: Camera, end: str) -> None:
    event = json.dumps({"Events": [{"Code": "FaceDetection", "Index": 0}]}).encode()
    body = parts(
        (f"Content-Type: text/plain{end}Content-Length: {len(event)}", event),
        (f"Content-Type: image/jpeg{end}Content-Length: {len(JPEG)}", JPEG),
        boundary="myboundary",
        end=end,
    )
    assert is_capture(box, camera, push(box, camera, body, "multipart/mixed; boundary=myboundary"))


def test_an_axis_sends_again_when_it_was_asked_who_it_is(box: House, camera: Camera) -> None:
    """On one connection, as it does: with the body each time, without one, and with
    `Expect: 100-continue`."""
    sent = {"Content-Type": "image/jpeg", "Content-Disposition": 'attachment; filename="a.jpg"'}
    connection = http.client.HTTPConnection(box.url.partition("//")[2], timeout=20)
    with closing(connection):
        for body, more in ((JPEG, {}), (b"", {}), (JPEG, {"Expect": "100-continue"})):
            connection.request("POST", CAPTURES, body, {**sent, **more})
            asked = connection.getresponse()
            assert asked.status == 401
            assert asked.getheader("WWW-Authenticate") == 'Basic realm="regulars", charset="UTF-8"'
            assert json.loads(asked.read())["code"] == "WrongCredentials"
            signed = {**sent, "Authorization": camera.basic}
            connection.request("POST", CAPTURES, JPEG, signed)
            reply = connection.getresponse()
            assert (reply.status, json.loads(reply.read())["camera"]) == (202, camera.id)


def test_khjs_alarm_picture(box: House, camera: Camera) -> None:
    body = parts(
        ('Content-Disposition: form-data; name="uid"', b"KHJ-123456"),
        ('Content-Disposition: form-data; name="imgFile"; filename="1.jpg"', JPEG),
        boundary="x",
    )
    assert is_capture(box, camera, push(box, camera, body, "multipart/form-data; boundary=x"))


def test_a_picture_without_its_content_type_is_known_by_its_first_bytes(
    box: House, camera: Camera
) -> None:
    for kind in (None, "application/x-www-form-urlencoded", "text/plain"):
        assert is_capture(box, camera, push(box, camera, JPEG, kind))
    refused = push(box, camera, XML, None)
    assert (refused.status, refused.json["code"]) == (415, "UnsupportedMediaType")


def test_the_query_stands_beside_a_form(box: House, camera: Camera) -> None:
    body = parts((PICTURE_HEAD, JPEG), boundary=MIME)
    kind = f"multipart/form-data; boundary={MIME}"
    at = "2026-11-29T08:00:00Z"
    reply = push(box, camera, body, kind, f"?camera={camera.id}&captured_at={at}&track=7")
    assert (reply.json["captured_at"], reply.json["track"]) == ("2026-11-29T08:00:00.000Z", "7")
    twice = parts(
        field("camera", camera.id),
        (PICTURE_HEAD.replace('name="detectionPicture"', 'name="picture"'), JPEG),
        boundary=MIME,
    )
    assert is_capture(box, camera, push(box, camera, twice, kind))
    refused = push(box, camera, twice, kind, f"?camera={camera.id}")
    assert (refused.status, "was sent twice" in refused.json["detail"]) == (400, True)


def field(name: str, text: str) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', text.encode()


@pytest.mark.parametrize(
    "others",
    [
        [("camera", "Camera 01")],
        [("captured_at", "2026-11-30 08:00:00")],
        [("track", "x" * 500), ("camera", "")],
        [("picture", "/snap/1.jpg")],
        [("camera", "1"), ("camera", "2"), ("picture", "BMW"), ("picture", "")],
    ],
)
def test_a_makers_fields_spoil_no_picture_and_the_query_counts(
    box: House, camera: Camera, others: list[tuple[str, str]]
) -> None:
    kind = f"multipart/form-data; boundary={MIME}"
    body = parts(*(field(*other) for other in others), (PICTURE_HEAD, JPEG), boundary=MIME)
    reply = push(box, camera, body, kind, "?captured_at=2026-11-29T08:00:00Z&track=7")
    assert is_capture(box, camera, reply)
    assert (reply.json["captured_at"], reply.json["track"]) == ("2026-11-29T08:00:00.000Z", "7")
    refused = push(box, camera, body, kind, "?capturd_at=2026-11-29T08:00:00Z")
    assert (refused.status, "capturd_at" in refused.json["detail"]) == (400, True)


@pytest.mark.parametrize("named", ["picture", "detectionPicture"])
def test_who_is_no_camera_is_told_of_a_misspelt_field_or_part(
    box: House, camera: Camera, named: str
) -> None:
    head = PICTURE_HEAD.replace('name="detectionPicture"', f'name="{named}"')
    ours = [field("camera", camera.id), (head, JPEG)]
    bearer = {"Authorization": f"Bearer {box.credentials.api_key}"}
    kind = f"multipart/form-data; boundary={MIME}"
    body = parts(field("capturd_at", "2026-11-29T08:00:00Z"), *ours, boundary=MIME)
    refused = push(box, camera, body, kind, **bearer)
    assert (refused.status, refused.json["code"]) == (400, "InvalidInput")
    reply = push(box, camera, parts(*ours, boundary=MIME), kind, **bearer)
    assert reply.status == (202 if named == "picture" else 400)
    by_key = push(box, camera, body, kind, Authorization=f"Bearer {camera.key}")
    assert by_key.status == (400 if named == "picture" else 202)


def form_of(*names: str, data: bytes = JPEG) -> bytes:
    heads = [
        f'Content-Disposition: form-data; name="{name}"; filename="{name}.jpg"' for name in names
    ]
    return parts(*((head, data) for head in heads), boundary=MIME)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (form_of("face", "background"), "2 parts of this form are pictures ('face', 'background')"),
        (form_of("picture", "background"), "2 parts of this form are pictures"),
        (form_of("event", data=XML), "none of the 1 parts of this form is a picture"),
        (form_of(*map(str, range(41)), data=b"x"), "may have 40 parameters"),
        (form_of("picture").replace(b"--MIME_boundary--", b""), "no multipart form"),
        (parts(("X: " + "x" * 5000, JPEG), boundary=MIME), "more than 4096 bytes"),
        (
            parts(*[(f"X-{i}: 1\r\nA: b\r\nC: d", b"x") for i in range(900)], boundary=MIME),
            "may have",
        ),
    ],
)
def test_a_form_that_has_not_one_picture_is_refused_and_nothing_is_stored(
    box: House, camera: Camera, body: bytes, says: str
) -> None:
    refused = push(box, camera, body, f"multipart/form-data; boundary={MIME}")
    assert (refused.status, refused.json["code"]) == (400, "InvalidInput")
    assert says in refused.json["detail"]
    assert box.services.captures.read_page(box.tenant, camera.id, 10, None).rows == []


def test_basic_is_good_for_its_own_camera_and_nothing_else(box: House, camera: Camera) -> None:
    other = box.camera()
    v1_key = box.credentials.api_key
    for user, password in (
        (other, camera.key),
        (camera.id, "ck_" + "0" * 32),
        (camera.id, v1_key),
        (camera.id, ""),
        ("", camera.key),
        (camera.key.removeprefix("ck_"), other),
        (camera.key, camera.id),
    ):
        refused = push(box, camera, JPEG, "image/jpeg", Authorization=basic(user, password))
        assert (refused.status, refused.json["code"]) == (401, "WrongCredentials"), user
        assert camera.key not in refused.json["detail"]
    for header in ("Basic", "Basic ***", "Basic " + base64.b64encode(b"\xff:\xff").decode()):
        assert push(box, camera, JPEG, "image/jpeg", Authorization=header).status == 401
    refused = push(box, camera, JPEG, "image/jpeg", f"?camera={other}")
    assert (refused.status, refused.json["code"]) == (403, "NotAllowed")


def test_no_other_door_takes_basic(box: House, camera: Camera) -> None:
    signed = {"Authorization": camera.basic}
    for method, path in (
        ("GET", CAPTURES),
        ("POST", f"{CAPTURES}/uploads"),
        ("GET", f"/v1/cameras/{camera.id}"),
        ("POST", "/v1/detect"),
        ("POST", "/v1/session"),
    ):
        reply = box.http(method, path, b"", **signed)
        assert reply.status in (400, 401), (path, reply.status)
        assert not reply.headers.get("www-authenticate", "").startswith("Basic")


def test_digest_is_refused_with_what_would_be_right(box: House, camera: Camera) -> None:
    header = f'Digest username="{camera.id}", realm="", nonce="", uri="/v1/captures", response=""'
    refused = push(box, camera, JPEG, "image/jpeg", Authorization=header)
    assert (refused.status, refused.json["code"]) == (401, "WrongCredentials")
    assert refused.json["detail"].startswith("Digest is not taken: sign in by Basic, over HTTPS")
    assert refused.headers["www-authenticate"].startswith("Basic ")


def test_a_text_that_begins_as_a_picture_may_is_none(box: House, camera: Camera) -> None:
    body = parts(
        ('Content-Disposition: form-data; name="plate"', b"BMW 7"),
        ('Content-Disposition: form-data; name="scene"; filename="a.jpg"', JPEG),
        boundary=MIME,
    )
    reply = push(box, camera, body, f"multipart/form-data; boundary={MIME}")
    assert is_capture(box, camera, reply)


@pytest.mark.parametrize("of_browser", ["Cookie", "Origin", "Sec_Fetch_Site"])
def test_no_browser_is_asked_for_a_password(box: House, of_browser: str) -> None:
    reply = box.http("POST", CAPTURES, JPEG, Content_Type="image/jpeg", **{of_browser: "x"})
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="regulars"'


def test_a_disabled_tenants_camera_is_told_so(box: House, camera: Camera) -> None:
    box.services.tenants.disable("home")
    try:
        assert push(box, camera, JPEG, "image/jpeg").json["code"] == "TenantDisabled"
    finally:
        box.services.tenants.enable("home")


def test_behind_aws_gateway_the_parts_come_as_bytes(box: House, camera: Camera) -> None:
    body = parts(("Content-Type: image/jpeg", JPEG), boundary=MIME)
    reply = send(
        box.app,
        CAPTURES,
        body,
        content_type=f"multipart/mixed; boundary={MIME}",
        headers={"Authorization": camera.basic},
    )
    assert (reply.status, reply.json["size"]) == (202, len(JPEG))


def test_a_camera_that_waits_to_be_asked_for_the_body_is_asked(box: House, camera: Camera) -> None:
    lines = [
        f"POST {CAPTURES} HTTP/1.1",
        "Host: box",
        f"Content-Length: {len(JPEG)}",
        "Expect: 100-continue",
        "Connection: close",
    ]
    head = "\r\n".join([*lines, f"Authorization: {camera.basic}", "", ""]).encode()
    came = box.raw(head, JPEG)
    assert came.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 202 " in came
    unsigned = box.raw("\r\n".join([*lines, "", ""]).encode())
    assert unsigned.startswith(b"HTTP/1.1 401 "), "no body is asked for"
    assert b"www-authenticate: basic" in unsigned.lower()
