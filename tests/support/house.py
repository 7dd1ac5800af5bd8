"""One served box with a fake vision, and a second one with the real models, for all that users of
others reported."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from chalice.app import Chalice
from msgspec import Struct
from regulars_dialects.deepstack import KeylessClients

from chalicelib.api.service_keys import add_service_key
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Shot
from chalicelib.bootstrap import build
from chalicelib.domain.captures import Capture
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import Vision
from regulars.serve.server import Front, make_site, open_listener
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.rekognition.client import client as rekognition
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import KEEPING
from tests.support.box.box import MANY
from tests.support.fakes import Person, picture


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class House(Struct, frozen=True):
    """A box, its one tenant, and clients of it. Each case has a group of its own."""

    url: str
    services: Services
    app: Chalice
    credentials: Credentials
    numbers: Iterator[int]

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name("home")

    def group(self) -> str:
        """Make a group and return its name."""
        name = f"group-{next(self.numbers)}"
        self.services.groups.create(self.tenant, name, None, "")
        return name

    def key(self, service: str, group: str) -> str:
        id_ = self.services.groups.get_by_name(self.tenant, group).id
        return add_service_key(
            self.services, self.tenant, f"key-{next(self.numbers)}", service, id_
        )

    def compreface(self, group: str = "") -> CompreFace:
        return CompreFace(self.app, self.key("recognition", group or self.group()))

    def deepstack(self, group: str = "") -> DeepStack:
        return DeepStack(self.app, self.key("deepstack", group or self.group()))

    def v1(self) -> V1Client:
        return V1Client(self.app, self.credentials.api_key)

    def amazon(self) -> Any:
        return rekognition(self.app, self.credentials)

    def camera(self) -> str:
        id_ = f"camera-{next(self.numbers)}"
        self.services.cameras.add(self.tenant, id_, id_, CameraSettings())
        return id_

    def see(self, *people: Person, days_ago: int = 0) -> Capture:
        """Take a capture of people before a camera of their own, and resolve it."""
        camera, at = self.camera(), self.services.clock.now() - timedelta(days=days_ago)
        taken = self.services.captures.store_shot(
            self.tenant, Shot(camera, picture(*people), "image/jpeg", at)
        )
        return self.services.sightings.ingest.resolve_capture("home", camera, taken.id)

    def http(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """Send over HTTP. Underlines in headers' names are hyphens; None: without a body."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        with closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            return Answered(
                reply.status,
                {name.lower(): value for name, value in reply.getheaders()},
                reply.read(),
            )

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes, each part once something came back for the one before, and return all that
        came."""
        at = urlsplit(self.url)
        came = b""
        with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
            for part in parts:
                connection.sendall(part)
                came += connection.recv(65_536)
            while more := connection.recv(65_536):
                came += more
        return came


@contextmanager
def house(data: Path, vision: Vision, host: str = "127.0.0.1") -> Iterator[House]:
    """Serve a box. `host`: where it listens; from the networks of this machine DeepStack's calls
    need no key."""
    settings = Settings(
        storage=data,
        requests_a_second=MANY,
        searches_a_second=MANY,
        of_dialects={"deepstack": KeylessClients("home", (ip_network("127.0.0.0/8"),))},
    )
    stop = threading.Event()
    with (
        closing(build(settings, vision=lambda: vision)) as services,
        open_listener(host, 0) as sock,
    ):
        credentials = services.tenants.add("home", Profile.CLOUD, KEEPING)
        app = make_stage(services).app
        front = Front(make_site(app, services), sock)
        thread = threading.Thread(target=front.run, args=(stop,))
        thread.start()
        try:
            yield House(front.url, services, app, credentials, itertools.count(1))
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()


def photo(seed: int, number: int = 0, **looks: float) -> bytes:
    """One of a person's photos."""
    return picture(Person(seed, side_px=100.0 + number, **looks))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
