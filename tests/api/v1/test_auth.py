import pytest

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.services import Services
from tests.support.api.gateway import send
from tests.support.api.v1.client import V1Client, offer_of, require_as_documented
from tests.support.fakes import FakeClock

CAMERAS = "/v1/cameras"


def authorized(v1: V1Client, value: str | None) -> int:
    headers = {} if value is None else {"Authorization": value}
    reply = send(v1.app, CAMERAS, method="GET", content_type=None, headers=headers)
    require_as_documented("GET", CAMERAS, reply)
    if reply.status == 401:
        assert reply.headers["www-authenticate"] == 'Bearer realm="regulars"'
        assert reply.json["code"] == "WrongCredentials"
    return reply.status


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_key_comes_as_a_bearer_token(v1: V1Client, scheme: str) -> None:
    assert authorized(v1, f"{scheme} {v1.api_key}") == 200
    assert authorized(v1, f" {scheme}  {v1.api_key} ") == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "{key}",
        "Basic {key}",
        "Bearer:{key}",
        "Bearer {key}0",
        "Bearer ck_{bare}",
        "Bearer {key} x",
    ],
)
def test_a_malformed_or_unknown_key_is_401(v1: V1Client, value: str) -> None:
    key = v1.api_key or ""
    assert authorized(v1, value.format(key=key, bare=key.removeprefix("rk_"))) == 401


def test_the_key_is_checked_before_anything_that_was_sent(v1: V1Client) -> None:
    stranger = v1.with_key("rk_" + "0" * 32)
    assert stranger.failed(401, "POST", CAMERAS, b"{")["code"] == "WrongCredentials"
    assert stranger.failed(401, "GET", CAMERAS, unknown="x")["code"] == "WrongCredentials"


def test_a_camera_may_upload_and_look_at_itself(v1: V1Client, clock: FakeClock) -> None:
    door = v1.with_key(v1.add_camera("Front door", id="door")["api_key"])
    for said in ("door", "Front door"):
        (upload,) = door.offer(offer_of(b"x", clock.now(), said))
    nameless = {
        name: value for name, value in offer_of(b"x", clock.now()).items() if name != "camera"
    }
    assert door.offer(nameless)[0]["id"] == upload["id"]
    assert door.done("GET", "/v1/captures", camera="door")["captures"] == []
    assert door.done("GET", f"/v1/captures/{upload['id']}")["camera"] == "door"
    assert door.done("GET", "/v1/cameras/door")["id"] == "door"
    assert door.done("POST", "/v1/cameras/door/heartbeat")["health"]["state"] == "ok"


def test_a_camera_that_names_none_lists_its_own_captures_only(
    v1: V1Client, services: Services, clock: FakeClock
) -> None:
    door, till = v1.add_camera("door"), v1.add_camera("till")
    for name in ("door", "till"):
        (upload,) = v1.offer(offer_of(b"x", clock.now(), name))
        services.ports.storage.uploads.put_if_absent(
            f"shop/{name}/{upload['id']}", b"x", "image/jpeg"
        )
    assert len(v1.done("GET", "/v1/captures")["captures"]) == 2
    for camera in (door, till):
        page = v1.with_key(camera["api_key"]).done("GET", "/v1/captures")
        assert [capture["camera"] for capture in page["captures"]] == [camera["id"]]
        assert len(page["captures"]) == 1


def test_a_camera_may_call_what_is_listed_here_and_no_other_operation(v1: V1Client) -> None:
    allowed = {
        ("POST", "/v1/captures/uploads"),
        ("POST", "/v1/captures"),
        ("GET", "/v1/captures"),
        ("GET", "/v1/captures/{id}"),
        ("GET", "/v1/cameras/{id}"),
        ("POST", "/v1/cameras/{id}/heartbeat"),
        ("PUT", "/v1/cameras/{id}/still"),
        ("PUT", "/v1/cameras/{id}/view"),
        ("PUT", "/v1/cameras/{id}/counts"),
        ("PUT", "/v1/cameras/{id}/film"),
        ("GET", "/v1/session"),
        ("DELETE", "/v1/session"),
    }
    door = v1.with_key(v1.add_camera("door")["api_key"])
    for operation in OPERATIONS:
        called = (operation.method, operation.path)
        reply = door.send(
            operation.method, operation.path.replace("{id}", "door"), {} if operation.body else None
        )
        refused = reply.status == 403 and reply.json["code"] == "NotAllowed"
        assert refused == (called not in allowed and operation.role is not None), called
