"""A shop and somebody in it for the tests of acts, and what they ask of the list."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.api.v1.seen import see
from tests.support.api.gateway import Reply
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock, Person, picture


class Ticking(V1Client):
    """Each of its requests comes a second later: acts are listed by their times."""

    clock: FakeClock

    def send(self, *request: Any, **more: Any) -> Reply:
        self.clock.advance(timedelta(seconds=1))
        return super().send(*request, **more)

    def with_key(self, api_key: str | None) -> V1Client:
        other = Ticking(self.app, api_key)
        other.clock = self.clock
        return other


@pytest.fixture
def v1(app: Chalice, shop: Credentials, clock: FakeClock) -> V1Client:
    client = Ticking(app, shop.api_key)
    client.clock = clock
    return client


@pytest.fixture
def ann(v1: V1Client, services: Services) -> str:
    """A stranger whom a camera saw, named Ann by somebody."""
    v1.add_camera("door")
    faceid, _ = see(v1, services, 90, Person(1))
    v1.done("PATCH", f"/v1/faces/{faceid}", {"name": "Ann", "note": "tea"})
    return faceid


def acts(v1: V1Client, **query: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = v1.done("GET", "/v1/done", **query)["acts"]
    return listed


def stored(services: Services, tenant: str = "shop") -> list[dict[str, Any]]:
    return [dict(item) for item in walk_items(services.items, keys.DONE, tenant)]


def forget(services: Services, shop: Credentials) -> None:
    services.erasure.steps.continue_all(services.tenants.get_by_name(shop.tenant))


@pytest.fixture
def pictured(v1: V1Client, ann: str) -> str:
    """Ann, with a picture that no camera took."""
    photo = base64.b64encode(picture(Person(1, side_px=130.0))).decode()
    v1.done("POST", f"/v1/faces/{ann}/pictures", {"picture": photo, "trust": True})
    return ann
