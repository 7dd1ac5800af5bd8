"""Means by which parties are asked, and a camera of one's own that may send pictures."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.audit_events import begin_in_tenant
from chalicelib.domain.captures import Camera, Capture
from chalicelib.domain.channels import NO_HEADERS
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from regulars.clients import Connection, Reply
from regulars.findings import Finding, unasked
from regulars.mail import MailSettings

CAPTURES = "/v1/captures"
_OWN = re.compile("doctor-[0-9a-f]{8}")
_LONGEST = timedelta(hours=1)
"""Longest time that questions take."""


Agree = Callable[[Sequence[str]], bool]
"""Answer whether these tests may be sent, each said in a line: they reach people, or others'
programs."""


def agree_to_nothing(_tests: Sequence[str]) -> bool:
    return False


class Reach(Struct, frozen=True):
    """All that it takes to ask the parties of a service."""

    services: Services
    mail: MailSettings
    url: str
    """The address that clients have; "": none is known."""
    inner_url: str
    """The service's own address on this machine; "": none runs here."""
    agree: Agree = agree_to_nothing
    patience_s: float = 30.0
    """Time in which a party has to answer, and to do what it has confirmed."""

    @property
    def tenants(self) -> list[Tenant]:
        tenants = self.services.tenants.list_all()
        return [tenant for tenant in tenants if not tenant.disabled]

    @property
    def is_box(self) -> bool:
        return isinstance(self.services.settings.storage, Path)

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
    ) -> Reply:
        """Send a request to the address, on a connection of its own.

        Raises ConnectionError if no answer comes.
        """
        with Connection(self.url, self.patience_s) as connection:
            below = urlsplit(self.url).path  # of a service that is not at the top of its host
            return connection.request(method, below + path, body, headers)


class NotSetUp(Exception):
    """A party that is not there to be asked; the message says what sets it up."""


def say_unsent(subject: str, test: str) -> Finding:
    """Report that a test was not sent, since it was not confirmed."""
    return unasked(subject, f"{test} was not sent: nobody agreed; --yes sends it")


Ask = Callable[[Reach], Iterator[Finding]]
"""A question to a party: a line about each answer.

Raises NotSetUp, and ConnectionError if no answer comes."""


class OwnCamera(NamedTuple):
    """A camera that is there for the questions, and its key."""

    reach: Reach
    tenant: Tenant
    camera: Camera
    key: str

    @property
    def basic(self) -> Mapping[str, str]:
        """Return the header by which it signs in as cameras do (RFC 7617)."""
        pair = base64.b64encode(f"{self.camera.id}:{self.key}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def find(self, capture_id: str) -> Capture | None:
        return self.reach.services.captures.find(self.tenant, self.camera.id, capture_id)


@contextmanager
def own_camera(reach: Reach) -> Iterator[OwnCamera]:
    """Add a camera to the first tenant while a block lasts. Raises NotSetUp."""
    cameras, tenants = reach.services.cameras, reach.tenants
    if not reach.url:
        raise NotSetUp("set `public_url` to the address that clients have, and let it run")
    if not tenants:
        raise NotSetUp("there is no tenant: `regulars tenants add`")
    with begin_in_tenant(tenants[0].name):
        for camera in cameras.list_all(tenants[0]):
            is_own = _OWN.fullmatch(camera.id) and camera.name == camera.id
            if is_own and camera.created_at < reach.now - _LONGEST:
                cameras.delete(tenants[0], camera.id)  # of a question that was killed
        name = f"doctor-{secrets.token_hex(4)}"
        camera, key = cameras.add(tenants[0], name, name, CameraSettings())
    try:
        yield OwnCamera(reach, tenants[0], camera, key)
    finally:
        with begin_in_tenant(tenants[0].name):
            cameras.delete(tenants[0], camera.id)


def choose_remedy(status: int, remedies: Mapping[int, str]) -> str:
    """Choose what to do about a status: by itself, else by its hundred, else to read a log."""
    general = remedies.get(status // 100 * 100, "see the log of what answers there")
    return remedies.get(status, general)


def find_cause(error: BaseException) -> BaseException:
    """Return what an error began with."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
