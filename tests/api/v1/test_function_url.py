"""What cameras call, at the function URL: the same answers as through the gateway, for less."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.api.application import CAMERAS_PATHS
from tests.support.api.function_url import event_of
from tests.support.api.gateway import LAMBDAS_ID
from tests.support.api.v1.client import V1Client, offer_of
from tests.support.box.session import ROOT
from tests.support.fakes import FakeClock


def called(
    app: Chalice, method: str, path: str, key: str | None, body: object = None
) -> tuple[int, Any]:
    sent = {
        "content-type": "application/json",
        **({"authorization": f"Bearer {key}"} if key else {}),
    }
    event = event_of(method, path, sent, b"" if body is None else json.dumps(body).encode())
    answer = app(event, SimpleNamespace(aws_request_id=LAMBDAS_ID))
    return answer["statusCode"], json.loads(answer["body"])


def test_a_camera_offers_and_reports_with_its_own_key(
    app: Chalice, v1: V1Client, clock: FakeClock
) -> None:
    camera = v1.add_camera("door")
    key = v1.done("POST", f"/v1/cameras/{camera['id']}/key")["api_key"]
    offers = {"captures": [offer_of(b"picture", clock.now())]}
    status, answer = called(app, "POST", "/v1/captures/uploads", key, offers)
    assert (status, answer["uploads"][0]["state"]) == (200, "wanted")
    assert v1.offer(*offers["captures"])[0]["id"] == answer["uploads"][0]["id"]
    status, _ = called(app, "POST", f"/v1/cameras/{camera['id']}/heartbeat", key, {})
    assert status == 200
    assert called(app, "GET", f"/v1/cameras/{camera['id']}", key)[1]["name"] == "door"


def test_an_uploader_sets_its_camera_up_with_a_tenants_key(app: Chalice, v1: V1Client) -> None:
    assert called(app, "POST", "/v1/cameras", v1.api_key, {"name": "yard"})[0] == 201
    assert [one["name"] for one in called(app, "GET", "/v1/cameras", v1.api_key)[1]["cameras"]] == [
        "yard"
    ]


@pytest.mark.parametrize("key", [None, "rk_wrong"])
def test_a_key_is_asked_for_there_too(app: Chalice, v1: V1Client, key: str | None) -> None:
    assert called(app, "POST", "/v1/captures/uploads", key, {"captures": []})[0] == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/captures"),
        ("GET", "/v1/faces"),
        ("DELETE", "/v1/cameras/a/key"),
        ("GET", "/health"),
        ("GET", "/"),
    ],
)
def test_no_other_route_is_there(app: Chalice, v1: V1Client, method: str, path: str) -> None:
    event = event_of(method, path, {"authorization": f"Bearer {v1.api_key}"}, b"")
    assert app(event, SimpleNamespace(aws_request_id=LAMBDAS_ID))["statusCode"] == 405


UPLOADER = ROOT / "edge" / "src" / "regulars_edge" / "service.py"
KINDS = ("still", "view")
"""What `kind` is in the uploader's paths."""


def test_all_that_the_uploader_calls_is_there_and_nothing_else(app: Chalice) -> None:
    literals = re.findall(r'"(/v1/[^"]+)"', UPLOADER.read_text(encoding="utf-8"))
    templates = {re.sub(r"\{quote\([^{}]*\)\}", "{id}", literal) for literal in literals}
    called_paths = {
        path.replace("{kind}", kind) for path in templates for kind in KINDS if "{" in path
    } | {path for path in templates if "{" not in path}
    assert called_paths == {*CAMERAS_PATHS}
    assert called_paths <= app.routes.keys()


def test_counted_minutes_are_told_there(app: Chalice, v1: V1Client, clock: FakeClock) -> None:
    path = f"/v1/cameras/{v1.add_camera('door')['id']}"
    key = v1.done("POST", f"{path}/key")["api_key"]
    at = clock.now().replace(second=0, microsecond=0).isoformat()
    minute = {"at": at, "seconds": 60, "in": 1, "out": 0, "faces": 0}
    status, answer = called(app, "PUT", f"{path}/counts", key, {"minutes": [minute]})
    assert (status, answer) == (200, {"stored": 1})
