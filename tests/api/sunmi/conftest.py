from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.core.model import Credentials, Profile
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.api.conftest import make_stage
from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import furnish
from tests.fakes import FakeClock, FakeVision


@dataclass(frozen=True)
class Furnished:
    """A data folder whose tenant `shop` is furnished: tests/api/sunmi/samples.py."""

    folder: Path
    credentials: Credentials


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """Made once, since each of its changes waits for the disk; tests work on copies."""
    folder = tmp_path_factory.mktemp("furnished") / "data"
    services = build(Settings(storage=folder), clock=FakeClock(), vision=FakeVision)
    credentials = services.tenants.add("shop", Profile.CAMERA)
    app = make_stage(services).app
    furnish(CameraClient(app, credentials.app_id, credentials.app_key, FakeClock(), first_random=900_000))
    services.close()
    return Furnished(folder, credentials)


@pytest.fixture
def furnished_services(furnished: Furnished, tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    folder = shutil.copytree(furnished.folder, tmp_path / "furnished")
    vision = FakeVision()
    services = build(Settings(storage=folder), clock=clock, vision=lambda: vision)
    yield services
    services.close()


@pytest.fixture
def shop_front(furnished: Furnished, furnished_services: Services, clock: FakeClock) -> CameraClient:
    """The camera of a furnished shop."""
    app = make_stage(furnished_services).app
    return CameraClient(app, furnished.credentials.app_id, furnished.credentials.app_key, clock)
