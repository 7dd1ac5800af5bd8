"""All dialects on one app, as app.py registers them, over the services of tests/conftest.py."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from chalice.app import Chalice

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.bootstrap import build
from chalicelib.domain.model import Credentials, Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.api.icredit.client import MarketClient
from tests.support.api.stage import Stage, make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import CHOICE
from tests.support.fakes import UNHURRIED, FakeClock
from tests.support.twins import Maker, make_twin


@pytest.fixture(scope="session")
def pipeline() -> FacePipeline:
    """The real models."""
    return FacePipeline(packs.find(None))


@pytest.fixture
def real_services(tmp_path: Path, clock: FakeClock, pipeline: FacePipeline) -> Iterator[Services]:
    """The services with the real models, on embedded storage in an empty folder."""
    services = build(
        Settings(storage=tmp_path / "data", **UNHURRIED), clock=clock, vision=lambda: pipeline
    )
    yield services
    services.close()


_stages: list[Stage] = []
"""The one of the fixture, once it is made: an app of all routes takes as long as a short test."""


@pytest.fixture
def stage(services: Services) -> Iterator[Stage]:
    """The same app for all tests. A file whose tests change it makes a stage for each."""
    if not _stages:
        _stages.append(make_stage(services))
    [stage] = _stages
    stage.services = services
    yield stage
    assert stage.app.middleware_handlers == [], "it would be there in other tests, too"


@pytest.fixture
def app(stage: Stage) -> Chalice:
    return stage.app


@pytest.fixture
def shop(services: Services) -> Credentials:
    return services.tenants.add(
        "shop", Profile.CAMERA, TenantSettings(**CHOICE, deletes_erase=False)
    )


@pytest.fixture
def camera(app: Chalice, shop: Credentials, clock: FakeClock) -> CameraClient:
    return CameraClient(app, shop.app_id, shop.app_key, clock)


@pytest.fixture
def market(app: Chalice, shop: Credentials) -> MarketClient:
    return MarketClient(app, shop.appcode)


@pytest.fixture
def v1(app: Chalice, shop: Credentials) -> V1Client:
    """With the tenant's own key."""
    return V1Client(app, shop.api_key)


@pytest.fixture
def make_shop(app: Chalice, services: Services) -> Maker:
    """Make twins on this app."""
    return partial(make_twin, app, services)
