"""What the edge uploader's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import real
from rig.real import Regulars
from rig.standin import StandIn

SHARED = Path(__file__).resolve().parents[3] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--edge-kills", type=int, default=200, help="how often edge/tests/test_killed.py kills uploaders")


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    service = StandIn()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def started_regulars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regulars]:
    if not real.is_there():
        pytest.skip("this checkout's service has no captures API yet")
    if not (SHARED / "models").is_dir():
        pytest.skip("the service needs its models, expected in ../shared/models")
    service = Regulars(tmp_path_factory.mktemp("regulars") / "data")
    yield service
    service.stop()


@pytest.fixture(params=["stand-in", "regulars serve"])
def service(request: pytest.FixtureRequest) -> StandIn | Regulars:
    """Each test that takes this runs against the stand-in and against the service itself."""
    name = "stand_in" if request.param == "stand-in" else "started_regulars"
    found: StandIn | Regulars = request.getfixturevalue(name)
    return found


@pytest.fixture
def faces() -> Path:
    folder = SHARED / "data" / "faces"
    if not folder.is_dir():
        pytest.skip("no labelled pictures: they are expected in ../shared/data/faces")
    return folder


@pytest.fixture
def models() -> Path:
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip("no models: they are expected in ../shared/models")
    return folder
