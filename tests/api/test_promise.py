"""The promise over real HTTP, against the whole application with the real models: offer, upload,
ingest, hook."""

import http.server
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest

from chalicelib import telemetry
from chalicelib.api import canary
from chalicelib.api.http import URLENCODED
from chalicelib.api.promise import equip_tenant, make_camera_key, name_camera
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.bootstrap import build
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from tests.support.api.function_url import event_of
from tests.support.api.gateway import send
from tests.support.api.stage import make_stage
from tests.support.book.tenants import KEEPING
from tests.support.fakes import UNHURRIED, FakeClock
from tests.support.hooks.receiver import Receiver, answers, receiving


@dataclass
class Front:
    """A stage's addresses: the API, the cameras' address, and S3, whose event nothing tells until
    `work` is done."""

    services: Services
    receiver: Receiver
    stored: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.receiver.origin}/api"

    def resolve(self) -> None:
        """Resolve what was stored, as ingest does."""
        while self.stored:
            told = {"Records": [{"s3": {"object": {"key": self.stored.pop()}}}]}
            self.services.sightings.ingest.take_message(json.dumps(told))

    def work(self, _seconds: float) -> None:
        """Resolve what was stored, and tell hooks, as deliver does."""
        self.resolve()
        queue = self.services.ports.storage.deliveries_queue
        for message in queue.receive(10, 60):
            self.services.webhooks.deliveries.attempt_delivery(message.body)
            queue.delete(message.receipt)

    def ask(self, pause: Callable[[float], object], most_s: float = 0.0) -> dict[str, float]:
        """Let the canary ask once; returns what it measured."""
        with telemetry.begin_invocation("canary", "1") as invocation:
            canary.run_canary(
                self.services, self.url, f"{self.receiver.origin}/", "canary", most_s, pause
            )
        return invocation.measured


@pytest.fixture
def front(tmp_path: Path, clock: FakeClock, pipeline: FacePipeline) -> Iterator[Front]:
    here = (ip_network("127.0.0.0/8"),)
    settings = Settings(storage=tmp_path / "data", hook_networks=here, **UNHURRIED)
    services = build(settings, clock=clock, vision=lambda: pipeline)
    app = make_stage(services).app

    def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
        heard = made.receiver.heard[-1]
        content_type = heard.headers["Content-Type"]
        if handler.command == "PUT":
            key = heard.path.removeprefix("/s3/")
            services.ports.storage.uploads.put_if_absent(key, heard.body, "image/jpeg")
            made.stored.append(key)
            answers(200)(handler)
        elif heard.path.startswith("/api/"):
            reply = send(
                app, heard.path.removeprefix("/api"), heard.body, content_type=content_type
            )
            answers(reply.status, reply.body.encode())(handler)
        else:
            named = {name.lower(): value for name, value in heard.headers.items()}
            told = app(
                event_of("POST", heard.path, named, heard.body),
                SimpleNamespace(aws_request_id="canary"),
            )
            body = json.loads(told["body"])
            for upload in body.get("uploads", ()):
                picture = keys.capture_picture("canary", canary_camera(services), upload["id"])
                upload |= {"url": f"{made.receiver.origin}/s3/{picture}", "headers": {}}
            answers(told["statusCode"], json.dumps(body).encode())(handler)

    with receiving(behave) as receiver:
        made = Front(services, receiver)
        services.tenants.add("canary", Profile.CAMERA, KEEPING)
        yield made
    services.close()


def canary_camera(services: Services) -> str:
    return name_camera(make_camera_key(services.tenants.read_signing_key("canary")[1]))


def test_a_picture_is_told_to_the_hook_and_its_seconds_are_a_metric(
    front: Front, clock: FakeClock
) -> None:
    assert equip_tenant(front.services, "canary", canary.name_receiver(front.url))
    assert not equip_tenant(front.services, "canary", canary.name_receiver(front.url)), (
        "it is there already"
    )
    for _ in range(3):
        assert front.ask(front.work, most_s=600)[telemetry.CANARY_SECONDS] > 0
        clock.advance(timedelta(minutes=5))
    told = [one for one in front.receiver.heard if one.headers["Content-Type"] == URLENCODED]
    assert [one.path for one in told] == ["/api/openapi/face/getFaceByPicture"] * 3


def test_a_stage_whose_canary_has_no_camera_yet_is_not_timed(front: Front) -> None:
    assert telemetry.CANARY_SECONDS not in front.ask(front.work)
    with pytest.raises(
        StorageUnavailable, match="told of a picture within 10 s, and its camera's key is not known"
    ):
        front.ask(front.work, most_s=10)


def test_a_stage_that_is_slower_than_it_was_fails(front: Front) -> None:
    equip_tenant(front.services, "canary", canary.name_receiver(front.url))
    with pytest.raises(
        StorageUnavailable, match=r"told of a picture within 1e-09 s, and it took [0-9.]+ s"
    ):
        front.ask(front.work, most_s=1e-9)


def test_a_picture_of_which_no_event_comes_is_a_failure(front: Front) -> None:
    equip_tenant(front.services, "canary", canary.name_receiver(front.url))
    with pytest.raises(StorageUnavailable, match="waits for S3's event, or ingest after 40 s"):
        front.ask(lambda _seconds: None)


def test_a_hook_that_nobody_tells_is_a_failure(front: Front) -> None:
    """Deliver stands still: the delivery waits in the outbox, as of every tenant."""
    equip_tenant(front.services, "canary", canary.name_receiver(front.url))
    with pytest.raises(StorageUnavailable, match="waits for the hook after 40 s"):
        front.ask(lambda _seconds: front.resolve())
