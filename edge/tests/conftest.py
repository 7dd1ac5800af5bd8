from collections.abc import Iterator
from pathlib import Path

import pytest
from regulars_edge.sources import login
from rig.box import Box
from rig.camera import Camera
from rig.clock import FakeClock
from rig.real import Regulars
from rig.standin import StandIn
from rig.uploader import Zygote

from regulars.demo import registry_photos
from testing.folders import pytest_configure, tmp_path
from testing.logs import former_logs
from testing.second_try import second_try

__all__ = ["former_logs", "pytest_configure", "tmp_path"]

pytest_itemcollected = second_try("service", "started_regulars", "stand_in")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--edge-kills",
        type=int,
        default=48,
        help="how often edge/tests/test_killed.py kills uploaders",
    )
    parser.addoption(
        "--edge-stops",
        type=int,
        default=24,
        help="how often edge/tests/test_stopped.py stops uploaders",
    )
    parser.addoption(
        "--edge-count-kills",
        type=int,
        default=4,
        help="how often edge/tests/test_count_killed.py kills what counts",
    )
    parser.addoption(
        "--edge-count-looks",
        type=int,
        default=30,
        help="how often edge/tests/test_count_model.py looks at a room with nobody",
    )
    parser.addoption(
        "--edge-stream-s",
        type=float,
        default=12,
        help="how long edge/tests/test_streams.py streams",
    )
    parser.addoption(
        "--edge-memory-s",
        type=float,
        default=2,
        help="how long edge/tests/test_whole_box.py watches",
    )
    parser.addoption(
        "--edge-soak-hours",
        type=float,
        default=1,
        help="how long edge/tests/test_soak.py lasts, simulated",
    )
    parser.addoption(
        "--edge-soak-seed",
        type=int,
        default=18,
        help="what edge/tests/test_soak.py draws its mishaps by",
    )


@pytest.fixture(autouse=True)
def forget() -> None:
    """Let each test's cameras be others than those of the test before, though all are at
    127.0.0.1."""
    login.REFUSALS.clear()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    service = StandIn()
    yield service
    service.stop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def camera() -> Iterator[Camera]:
    """A camera that asks for no password."""
    camera = Camera()
    yield camera
    camera.stop()


@pytest.fixture(scope="session")
def started_regulars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regulars]:
    service = Regulars(tmp_path_factory.mktemp("regulars") / "data")
    yield service
    service.stop()


@pytest.fixture(params=["stand-in", "regulars serve"])
def service(request: pytest.FixtureRequest) -> StandIn | Regulars:
    """Each test that takes this runs against the stand-in and against the service itself."""
    name = "stand_in" if request.param == "stand-in" else "started_regulars"
    return request.getfixturevalue(name)


@pytest.fixture
def faces() -> Path:
    """The labelled pictures at hand."""
    return registry_photos.provide_folder()


@pytest.fixture
def portraits(faces: Path) -> list[Path]:
    """A picture of each person."""
    return sorted(file for file in (faces / "people").glob("*_1.jpg") if "partial" not in file.name)


@pytest.fixture
def box(tmp_path: Path, stand_in: StandIn) -> Iterator[Box]:
    box = Box(tmp_path, stand_in)
    yield box
    box.kill()


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[Zygote]:
    zygote = Zygote(tmp_path / "uploader.log")
    yield zygote
    zygote.close()
