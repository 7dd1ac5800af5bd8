import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

import pytest
from msgspec import Struct

from chalicelib.bootstrap import build
from chalicelib.domain.model import Credentials, Profile
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.samples import furnish
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock, FakeVision


class Furnished(Struct, frozen=True):
    """A data folder whose tenant `shop` is furnished: tests/support/api/sunmi/samples.py."""

    folder: Path
    credentials: Credentials


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """Made once, since each of its changes waits for the disk; tests work on copies."""
    folder = tmp_path_factory.mktemp("furnished") / "data"
    services = build(Settings(storage=folder), clock=FakeClock(), vision=FakeVision)
    credentials = services.tenants.add("shop", Profile.CAMERA, KEEPING)
    app = make_stage(services).app
    furnish(
        CameraClient(
            app, credentials.app_id, credentials.app_key, FakeClock(), first_random=900_000
        )
    )
    services.close()
    return Furnished(folder, credentials)


@contextmanager
def copy_of(
    furnished: Furnished, folder: Path, clock: FakeClock
) -> Iterator[tuple[CameraClient, Services]]:
    vision = FakeVision()
    shutil.copytree(furnished.folder, folder)
    services = build(Settings(storage=folder), clock=clock, vision=lambda: vision)
    app = make_stage(services).app
    yield (
        CameraClient(app, furnished.credentials.app_id, furnished.credentials.app_key, clock),
        services,
    )
    services.close()


@pytest.fixture
def furnished_shop(
    furnished: Furnished, tmp_path: Path, clock: FakeClock
) -> Iterator[tuple[CameraClient, Services]]:
    with copy_of(furnished, tmp_path / "furnished", clock) as shop:
        yield shop


@pytest.fixture
def shop_front(furnished_shop: tuple[CameraClient, Services]) -> CameraClient:
    """The camera of a furnished shop."""
    return furnished_shop[0]


@pytest.fixture
def furnished_services(furnished_shop: tuple[CameraClient, Services]) -> Services:
    return furnished_shop[1]


@pytest.fixture
def new_shop(
    furnished: Furnished, tmp_path: Path, clock: FakeClock
) -> Iterator[Callable[[], CameraClient]]:
    """Opens another furnished shop at each call."""
    with ExitStack() as shops:
        yield lambda: shops.enter_context(copy_of(furnished, tmp_path / token_hex(8), clock))[0]


@pytest.fixture(scope="module")
def desk(furnished: Furnished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CameraClient]:
    """The camera of a furnished shop that no test changes: requests are refused, or only read."""
    with copy_of(furnished, tmp_path_factory.mktemp("desk") / "data", FakeClock()) as (camera, _):
        yield camera
