"""A capture in one request: the picture as the body or in a form, for cameras and scripts that know no second step."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import keys
from chalicelib.services import Services
from tests.api.gateway import MULTIPART, Part, Reply, multipart
from tests.api.v1.client import V1Client, offer_of
from tests.fakes import FakeClock, Person, picture

CAPTURES = "/v1/captures"
PICTURE = picture(Person(1))
JPEG = "image/jpeg"


@pytest.fixture
def door(v1: V1Client) -> V1Client:
    """A shop with one camera, `door`."""
    v1.add_camera("door")
    return v1


def take(v1: V1Client, data: bytes = PICTURE, content_type: str = JPEG, **query: Any) -> Reply:
    return v1.send("POST", CAPTURES, data, query=query, content_type=content_type)


def form(v1: V1Client, *parts: Part, **query: Any) -> Reply:
    return take(v1, multipart(parts), MULTIPART, **query)


FILE = Part("picture", PICTURE, "a.jpg", ("Content-Type: image/jpeg",))


def test_a_picture_is_stored_and_answered_as_a_capture(door: V1Client, services: Services, clock: FakeClock) -> None:
    reply = take(door, camera="door")
    assert reply.status == 202
    capture = reply.json
    assert (capture["camera"], capture["state"], capture["size"]) == ("door", "stored", len(PICTURE))
    assert capture["captured_at"] == "2026-03-01T12:00:00.000Z"
    assert services.uploads.get(keys.capture_picture("shop", "door", capture["id"])) == PICTURE
    assert len(services.captures_queue.receive(10, 60)) == 1
    assert [one["id"] for one in door.done("GET", CAPTURES)["captures"]] == [capture["id"]]


def test_a_form_and_json_have_the_fields_beside_the_picture(door: V1Client, clock: FakeClock) -> None:
    sent = {"camera": "door", "captured_at": "2026-03-01T19:59:58.5+08:00"}
    (offered,) = door.offer(offer_of(PICTURE, sent["captured_at"]))
    as_json = {**sent, "picture": base64.b64encode(PICTURE).decode()}
    replies = [
        form(door, *(Part(name, value.encode()) for name, value in sent.items()), FILE),
        door.send("POST", CAPTURES, as_json),
        take(door, **sent),
    ]
    assert [reply.status for reply in replies] == [202] * 3
    assert {reply.json["id"] for reply in replies} == {offered["id"]}
    assert {reply.json["captured_at"] for reply in replies} == {"2026-03-01T11:59:58.500Z"}


def test_a_cameras_key_sends_its_own_captures_and_no_others(door: V1Client) -> None:
    till = door.add_camera("till")
    own = door.with_key(till["api_key"])
    assert take(own).json["camera"] == "till"
    assert take(own, camera="till").status == 202
    assert take(own, camera="door").json["code"] == "NotAllowed"


def test_the_type_is_known_by_the_first_bytes_whatever_was_said(door: V1Client) -> None:
    for data, kind in ((b"\xff\xd8\xff\xe0 x", "image/jpeg"), (b"\x89PNG\r\n\x1a\n x", "image/png")):
        for said in ("application/octet-stream", "image/jpeg", "image/png"):
            assert take(door, data, said, camera="door").json["content_type"] == kind
    for data in (b"GIF89a", b"RIFF....WEBP", b"BM......", b"....ftypheic"):
        refused = take(door, data, "application/octet-stream", camera="door")
        assert (refused.status, refused.json["code"]) == (400, "InvalidInput")
        assert "image/jpeg or image/png, not" in refused.json["detail"]


@pytest.mark.parametrize(
    ("parts", "query", "says"),
    [
        ((FILE,), {}, "camera is missing"),
        ((FILE, FILE), {}, "was sent twice"),
        ((Part("camera", b"door"),), {}, "picture is missing"),
        ((FILE, Part("camera", b"door"), Part("camera", b"door")), {}, "was sent twice"),
        ((FILE, Part("kamera", b"door")), {}, "kamera"),
        ((FILE, Part("camera", b"door")), {"camera": "door"}, "there is no parameter 'camera'"),
        ((FILE, Part("camera", b"door"), Part("captured_at", b"noon")), {}, "captured_at"),
    ],
)
def test_a_form_that_is_none_is_refused_and_nothing_is_stored(
    door: V1Client, services: Services, parts: tuple[Part, ...], query: dict[str, str], says: str
) -> None:
    refused = form(door, *parts, **query)
    assert (refused.status, refused.json["code"]) == (400, "InvalidInput")
    assert says in refused.json["detail"]
    assert list(services.uploads.list("")) == []
    assert door.done("GET", CAPTURES)["captures"] == []


@pytest.mark.parametrize(
    ("data", "content_type", "query", "status", "says"),
    [
        (b"", JPEG, {"camera": "door"}, 400, "the body is empty: send the picture"),
        (b"", "text/plain", {"camera": "door"}, 400, "the body is empty: send the picture"),
        (PICTURE, JPEG, {"camera": "garage"}, 404, "garage"),
        (PICTURE, JPEG, {"camera": "door", "captured_at": "2027-01-01T00:00:00Z"}, 400, "captured_at"),
        (PICTURE, "image/gif", {"camera": "door"}, 415, "image/jpeg"),
        (b"{}", "application/json", {}, 400, "picture is missing"),
        (b"no form", MULTIPART, {}, 400, ""),
        (b"x" * (20 * 1024 * 1024 + 1), JPEG, {"camera": "door"}, 400, "1 to 20971520 bytes"),
    ],
)
def test_what_is_no_capture_is_refused_by_name(
    door: V1Client, data: bytes, content_type: str, query: dict[str, str], status: int, says: str
) -> None:
    refused = take(door, data, content_type, **query)
    assert refused.status == status
    assert says in refused.json["detail"]
    assert door.done("GET", CAPTURES)["captures"] == []


def test_captures_are_listed_by_time_and_state(door: V1Client, services: Services, clock: FakeClock) -> None:
    ids = []
    for minute in range(3):
        at = clock.now() - timedelta(minutes=10 - minute)
        ids.append(take(door, camera="door", captured_at=at.isoformat()).json["id"])
    services.ingest.capture("shop", "door", ids[1])

    def listed(**query: Any) -> list[str]:
        return [one["id"] for one in door.done("GET", CAPTURES, **query)["captures"]]

    begin, middle = "2026-03-01T11:50:00Z", "2026-03-01T11:51:00Z"
    assert listed(**{"from": middle}) == [ids[2], ids[1]]
    assert listed(to=middle) == [ids[0]]
    assert listed(**{"from": begin, "to": middle}) == [ids[0]]
    assert listed(state="resolved") == [ids[1]]
    assert listed(state="stored") == [ids[2], ids[0]]
    assert "swap" in door.failed(400, "GET", CAPTURES, **{"from": middle, "to": begin})["message"]
    assert "state is" in door.failed(400, "GET", CAPTURES, state="wanted")["message"]


def test_a_track_comes_in_the_query_in_a_form_or_in_json(door: V1Client) -> None:
    sent = {"camera": "door", "captured_at": "2026-03-01T11:59:58Z", "track": "t-1"}
    replies = [
        take(door, **sent),
        form(door, *(Part(name, value.encode()) for name, value in sent.items()), FILE),
        door.send("POST", CAPTURES, {**sent, "picture": base64.b64encode(PICTURE).decode()}),
    ]
    assert [reply.json["track"] for reply in replies] == ["t-1"] * 3
    assert len({reply.json["id"] for reply in replies}) == 1
