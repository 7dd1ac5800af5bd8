"""The canary over real HTTP, against the whole application with the real models."""

import http.server
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from chalicelib.api import canary
from chalicelib.api.sunmi.routes import PICTURES
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.errors import StorageUnavailable, TenantNotFound
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from tests.support.api.function_url import event_of
from tests.support.api.gateway import Reply, send
from tests.support.api.stage import make_stage
from tests.support.book.tenants import KEEPING
from tests.support.hooks.receiver import Receiver, a_good_stage, answers, receiving


@pytest.fixture
def api(real_services: Services) -> Iterator[Receiver]:
    """The application behind an address."""
    app = make_stage(real_services).app

    def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
        heard = receiver.heard[-1]
        content_type = heard.headers["Content-Type"]
        if heard.path.startswith("/api/"):
            reply = send(
                app, heard.path.removeprefix("/api"), heard.body, content_type=content_type
            )
        else:
            event = event_of("POST", heard.path, {"content-type": content_type}, heard.body)
            told = app(event, SimpleNamespace(aws_request_id="canary"))
            reply = Reply(told["statusCode"], told["headers"], told["body"])
        answers(reply.status, reply.body.encode())(handler)

    with receiving(behave) as receiver:
        yield receiver


def url(api: Receiver) -> str:
    return f"{api.origin}/api"


def cameras_url(api: Receiver) -> str:
    return f"{api.origin}/"


def test_a_stage_that_works_knows_nobody_and_stores_nothing(
    api: Receiver, real_services: Services
) -> None:
    real_services.tenants.add("canary", Profile.CAMERA, KEEPING)
    canary.run_canary(real_services, url(api), cameras_url(api), "canary")
    canary.run_canary(real_services, url(api), cameras_url(api), "canary")
    assert [one.path for one in api.heard] == 2 * [
        "/api/openapi/face/getFaceByPicture",
        "/v1/captures/uploads",
    ]
    directory = real_services.groups.list_all(real_services.tenants.get_by_name("canary"))
    assert [group.count for group in directory] == [0, 0]


def test_the_drawn_face_is_found_and_only_that() -> None:
    vision = FacePipeline(packs.find(None))
    image = vision.read_picture(canary.draw_face(), PICTURES)
    [face] = vision.detect(image)
    [quality] = vision.qualities(image, [face])
    assert face.score > 0.8
    assert quality.total > 90


def test_its_tenant_has_to_be_made_first(services: Services) -> None:
    with (
        receiving(a_good_stage) as api,
        pytest.raises(TenantNotFound, match="there is no tenant 'canary'"),
    ):
        canary.run_canary(services, url(api), cameras_url(api), "canary")
    assert api.heard == []


@pytest.mark.parametrize(
    "answer",
    [
        answers(200, b'{"code": 211, "msg": "storage does not answer"}'),
        answers(200, b'{"code": 210, "msg": "no face was found"}'),
        answers(504, b'{"code": 1, "msg": "Endpoint request timed out"}'),
        answers(502, b"<html>"),
        answers(200, b"[283]"),
    ],
)
def test_another_answer_is_a_failure(services: Services, answer: object) -> None:
    services.tenants.add("canary", Profile.CAMERA, KEEPING)
    with receiving(answer) as api, pytest.raises(StorageUnavailable):  # type: ignore[arg-type]
        canary.run_canary(services, url(api), cameras_url(api), "canary")


def test_silence_is_a_failure(services: Services) -> None:
    services.tenants.add("canary", Profile.CAMERA, KEEPING)
    with pytest.raises(StorageUnavailable, match=r"http://127\.0\.0\.1:9/api/\S+ did not answer"):
        canary.run_canary(services, "http://127.0.0.1:9/api", "http://127.0.0.1:9/", "canary")


@pytest.mark.parametrize("status", [200, 405, 502])
def test_an_address_of_cameras_that_answers_otherwise_is_a_failure(
    services: Services, status: int
) -> None:
    services.tenants.add("canary", Profile.CAMERA, KEEPING)

    def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
        (answers(status) if handler.path == "/v1/captures/uploads" else a_good_stage)(handler)

    with (
        receiving(behave) as api,
        pytest.raises(StorageUnavailable, match=f"cameras' address was answered {status}"),
    ):
        canary.run_canary(services, url(api), cameras_url(api), "canary")
