import gc
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.demo import registry_photos
from regulars.errors import NoPictures
from testing.folders import pytest_configure, tmp_path
from tests.support.box.server import Server
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision
from tests.support.fixtures import interruptible, photos

__all__ = ["interruptible", "photos", "pytest_configure", "tmp_path"]

ROOT = Path(__file__).parents[1]
LONGEST = (
    "edge/tests/test_update.py",
    "tests/infra/test_functions.py",
    "tests/faults/test_every_call.py",
    "edge/tests/test_run.py",
    "tests/regulars/serve/test_watchdog.py",
    "tests/console/test_every_page.py",
    "tests/hostile/test_fuzz_api.py",
    "tests/api/test_isolation.py",
    "tests/console/test_person.py",
    "tests/console/test_visits.py",
    "tests/console/test_review.py",
    "tests/console/test_many.py",
    "edge/tests/test_killed.py",
    "tests/book/search/test_deltas.py",
    "tests/infra/test_wheels.py",
    "edge/tests/test_soak.py",
    "tests/whole/test_on_aws.py",
    "tests/console/test_cameras.py",
    "tests/console/test_flows.py",
    "tests/faults/test_kill.py",
    "tests/faults/test_import.py",
    "tests/whole/consistency/test_consistency.py",
    "tests/faults/test_rivals.py",
    "edge/tests/test_streams.py",
    "edge/tests/test_reports.py",
    "tests/slopes/test_slopes.py",
    "tests/hostile/test_fuzz.py",
    "edge/tests/test_whole_box.py",
    "tests/faults/test_index_faces_killed.py",
    "tests/faults/test_on_aws.py",
)
"""Files of which a worker takes half a minute or more: one that began late would let the others
wait. Those that mostly wait for a service or a box stand apart, so that the cores have work
meanwhile."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak-seconds", type=float, default=5.0, help="how long tests/faults/test_soak.py runs"
    )
    parser.addoption(
        "--operations", type=int, default=3000, help="how many tests/faults/test_stale.py does"
    )
    parser.addoption(
        "--kills", type=int, default=3, help="how often tests/faults/test_kill.py kills the server"
    )
    parser.addoption(
        "--import-kills",
        type=int,
        default=4,
        help="how often tests/faults/test_import.py kills an import",
    )
    parser.addoption(
        "--index-kills",
        type=int,
        default=2,
        help="how often test_index_faces_killed kills the service",
    )
    parser.addoption(
        "--index-pictures", type=int, default=60, help="how many pictures its programs index"
    )
    parser.addoption(
        "--import-pictures", type=int, default=60, help="how many pictures that import has"
    )
    parser.addoption(
        "--every-fault", action="store_true", help="tests/faults: all points, not some of each"
    )


def pytest_sessionstart() -> None:
    try:
        registry_photos.provide_folder()
    except NoPictures as error:
        pytest.exit(f"the tests need pictures of people: {error}", returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: what is collected last is short."""
    place = {ROOT / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_runtest_logfinish() -> None:
    """Take away what a command of this process logged to: the test captured it, and it is closed.

    Else the next test's log lines fail, and stand on its stderr.
    """
    root = logging.getLogger()
    for handler in [*root.handlers]:
        # a command that replaces the handlers may have closed this one, which has no stream then
        if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", True):
            root.removeHandler(handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of tests on labelled pictures, what faults were tried, and what was
    skipped."""
    told = [report for report in terminalreporter.stats.get("", []) if report.when == "teardown"]
    lines = [line for report in told for name, line in report.user_properties if name == "figure"]
    if lines:
        terminalreporter.section("accuracy on the labelled pictures")
        for line in lines:
            terminalreporter.write_line(line)
    faults = [
        counts for report in told for name, counts in report.user_properties if name == "faults"
    ]
    if faults:
        there, tried, left_out, ends = map(sum, zip(*faults, strict=True))
        terminalreporter.section("faults at the calls to storage")
        writes = sum(one[1] > 0 for one in faults)
        terminalreporter.write_line(
            f"{len(faults)} walks of {there} points: {tried} tried in {writes}, "
            f"which ended in {ends} ways; {left_out} skipped; the others read only"
        )
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
    )
    if reasons:
        terminalreporter.section("skipped, by what is missing here")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:4}  {reason}")


@pytest.fixture(scope="module", autouse=True)
def _little_garbage() -> None:
    """Collect old garbage between two files alone, and never look through what stays: that took a
    tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 10_000)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One box as a process, for clients that come over HTTP."""
    server = Server(tmp_path_factory.mktemp("box") / "shop")
    yield server
    assert server.stop() == 0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    """The services on embedded storage in an empty folder, with a vision that reads
    tests.support.fakes.picture."""
    vision = FakeVision()
    built = build(
        Settings(storage=tmp_path / "data", **UNHURRIED), clock=clock, vision=lambda: vision
    )
    yield built
    built.close()
