"""Keys over v1; what they may do is in test_roles.py."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock, Person, picture

KEYS = "/v1/keys"


def test_a_key_is_made_listed_changed_renewed_and_deleted(v1: V1Client, clock: FakeClock) -> None:
    made = v1.done("POST", KEYS, {"name": "Ann's phone", "role": "operator", "pictures": False})
    listed = {**made}
    secret = listed.pop("api_key")
    assert listed == {
        "id": made["id"],
        "name": "Ann's phone",
        "role": "operator",
        "pictures": False,
        "created_at": "2026-03-01T12:00:00.000Z",
        "expires_at": None,
        "last_used_at": None,
        "made_by": {"name": "key first", "is_gone": False},
    }
    first, second = v1.done("GET", KEYS)["keys"]
    assert (first["id"], first["name"], first["role"]) == ("first", "first", "admin")
    assert first["last_used_at"] == "2026-03-01T12:00:00.000Z"
    assert second == listed
    place = f"{KEYS}/{made['id']}"
    assert "printable" in v1.failed(400, "PATCH", place, {"name": "\u202eadmin"})["detail"]
    until = (clock.now() + timedelta(days=1)).isoformat()
    changed = v1.done(
        "PATCH", place, {"name": "Ann", "role": "viewer", "pictures": True, "expires_at": until}
    )
    assert changed == {
        **listed,
        "name": "Ann",
        "role": "viewer",
        "pictures": True,
        "expires_at": "2026-03-02T12:00:00.000Z",
    }
    renewed = v1.done("POST", f"{place}/renew")
    assert renewed["id"] == made["id"]
    assert v1.with_key(secret).send("GET", "/v1/session").status == 401
    assert v1.with_key(renewed["api_key"]).send("GET", "/v1/session").status == 200
    v1.done_without_body("DELETE", place)
    assert v1.with_key(renewed["api_key"]).send("GET", "/v1/session").status == 401
    assert v1.failed(404, "DELETE", place)["code"] == "KeyNotFound"


def test_no_secret_is_shown_twice(v1: V1Client, shop: Credentials) -> None:
    made = v1.done("POST", KEYS, {"name": "Ann"})
    shown = json.dumps([v1.done("GET", KEYS), v1.done("GET", "/v1/session")])
    for secret in (made["api_key"], shop.api_key):
        assert secret not in shown
        assert secret.removeprefix("rk_")[:8] not in shown


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": ""}, "1 to 100 printable characters"),
        ({"name": "a\r\nSet-Cookie: regulars=x"}, "1 to 100 printable characters"),
        ({"name": "\u202eadmin"}, "1 to 100 printable characters"),
        ({"name": "x "}, "1 to 100 printable characters"),
        ({"name": "x", "role": "camera"}, "role is admin, operator or viewer"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at lies in the future"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(v1: V1Client, body: Any, says: str) -> None:
    assert says in v1.failed(400, "POST", KEYS, body)["detail"]
    assert len(v1.done("GET", KEYS)["keys"]) == 1


def test_a_key_whose_end_has_come_says_so(v1: V1Client, clock: FakeClock) -> None:
    until = (clock.now() + timedelta(hours=1)).isoformat()
    guest = v1.with_key(v1.done("POST", KEYS, {"name": "guest", "expires_at": until})["api_key"])
    assert guest.done("GET", "/v1/session")["expires_at"] == "2026-03-01T13:00:00.000Z"
    clock.advance(timedelta(hours=1))
    assert guest.failed(401, "GET", "/v1/session")["detail"].startswith(
        "this key was good until 2026-03-01 13:00 UTC"
    )


def test_a_key_without_pictures_gets_no_url_of_one(v1: V1Client, services: Services) -> None:
    v1.add_camera("door", id="door")
    data = picture(Person(1))
    taken = v1.send(
        "POST", "/v1/captures", data, query={"camera": "door"}, content_type="image/jpeg"
    ).json
    services.sightings.ingest.resolve_capture("shop", "door", taken["id"])
    [sighting] = v1.done("GET", f"/v1/captures/{taken['id']}", camera="door")["sightings"]
    blind = v1.with_key(v1.done("POST", KEYS, {"name": "blind", "pictures": False})["api_key"])
    for client, is_shown in ((v1, True), (blind, False)):
        [seen] = client.done("GET", f"/v1/faces/{sighting['face']}/sightings")["sightings"]
        assert (seen["picture_url"] is not None) == is_shown
    assert blind.done("GET", "/v1/session")["pictures"] is False
