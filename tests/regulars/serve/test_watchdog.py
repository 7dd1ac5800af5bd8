"""A server whose calls do not get through says so, and ends to be started again; one that is only
busy does neither."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chalicelib.api.sunmi.probe import DONE
from chalicelib.storage.box.uploads import PICTURES_PREFIX, SignedPaths, signing_secret
from chalicelib.storage.in_process import SystemClock
from regulars.serve.site import PLACES
from regulars.serve.watchdog import ENDS_AFTER_S
from tests.regulars.serve import guarded_server as guarded
from tests.support.box.server import Server
from tests.support.examples import rest
from tests.support.waiting import PATIENCE_S

pytestmark = rest


@dataclass
class Asked:
    """A server that is asked by many clients at once."""

    host: str
    port: int

    def status(self, path: str, timeout_s: float = PATIENCE_S, **headers: str) -> int:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def hold(self, path: str, clients: int, **headers: str) -> None:
        """Ask so many times for what is never answered."""

        def ask() -> None:
            with suppress(OSError, http.client.HTTPException):  # the server ends
                self.status(path, timeout_s=4 * PATIENCE_S, **headers)

        for _ in range(clients):
            threading.Thread(target=ask, daemon=True).start()

    def healths_until_its_end(self, process: subprocess.Popen[str], within_s: float) -> set[int]:
        seen, end = set[int](), time.monotonic() + within_s
        while process.poll() is None and time.monotonic() < end:
            with suppress(OSError, http.client.HTTPException):
                seen.add(self.status("/health", timeout_s=5.0))
            time.sleep(0.1)
        return seen


@contextmanager
def guarded_server(log: Path) -> Iterator[tuple[Asked, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", guarded.__name__]
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            yield Asked("127.0.0.1", int(process.stdout.readline())), process
        finally:
            process.kill()


class HungService:
    """A service all of whose places read a picture that never ends, and what it says of its health
    meanwhile.

    A pipe that nobody writes to is a file that is never read to its end, as on a disk of the
    network that went.
    """

    def __init__(self, data: Path) -> None:
        self.server = Server(data)
        url = urlsplit(self.server.url)
        asked = Asked(url.hostname or "", url.port or 0)
        self.hung = data / "blobs" / "camera" / "faces" / "1" / "a.jpg"
        self.hung.parent.mkdir(parents=True)
        os.mkfifo(self.hung)
        paths = SignedPaths(signing_secret(data), SystemClock(), PICTURES_PREFIX)
        self._began = time.monotonic()
        asked.hold(paths.sign("GET", "camera/faces/1/a.jpg", {}, 600), PLACES)
        self.healths, self.lasted_s = set[int](), 0.0
        self._watch = threading.Thread(target=self._note_until_its_end, args=(asked,), daemon=True)
        self._watch.start()

    def _note_until_its_end(self, asked: Asked) -> None:
        self.healths = asked.healths_until_its_end(self.server.process, ENDS_AFTER_S + PATIENCE_S)
        self.lasted_s = time.monotonic() - self._began

    def wait_for_its_end(self) -> None:
        self._watch.join()


@pytest.fixture(scope="module", autouse=True)
def hung_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HungService]:
    """Start it before the other tests: its minute goes by while they run."""
    service = HungService(tmp_path_factory.mktemp("hung") / "data")
    yield service
    service.server.kill()


def test_a_server_of_which_a_lane_stands_still_says_so_and_ends(tmp_path: Path) -> None:
    with guarded_server(tmp_path / "log") as (server, process):
        server.hold("/never", PLACES, **{"X-Tenant": "shop"})
        assert server.healths_until_its_end(process, PATIENCE_S) == {200, 503}
        assert process.wait(PATIENCE_S) == 1
    said = (tmp_path / "log").read_text()
    assert "no call of shop has ended: the server ends, to be started again" in said
    assert said.count("in answer") == PLACES  # of each thread, where it stands


def test_a_server_whose_loop_does_not_turn_ends(tmp_path: Path) -> None:
    with guarded_server(tmp_path / "log") as (server, process):
        server.hold("/loop", 1)
        assert process.wait(PATIENCE_S) == 1
    assert "in admit" in (tmp_path / "log").read_text()


def test_a_server_that_is_busy_goes_on(tmp_path: Path) -> None:
    """All places but one stand still, and three times as many calls as may run wait for the
    last."""
    shop = {"X-Tenant": "shop"}
    with guarded_server(tmp_path / "log") as (server, process):
        server.hold("/never", PLACES - 1, **shop)
        end = time.monotonic() + 3 * guarded.ENDS_AFTER_S
        statuses, healths = list[int](), set[int]()

        def work() -> None:
            while time.monotonic() < end:
                statuses.append(server.status("/work", **shop))

        clients = [threading.Thread(target=work) for _ in range(3 * PLACES)]
        for client in clients:
            client.start()
        while time.monotonic() < end:
            healths.add(server.status("/health"))
            time.sleep(0.1)
        for client in clients:
            client.join()
        assert (healths, {*statuses}, process.poll()) == ({200}, {200}, None)


def test_a_call_that_takes_longer_than_the_bound_ends_no_server_that_has_places(
    tmp_path: Path,
) -> None:
    with guarded_server(tmp_path / "log") as (server, process):
        server.hold("/never", PLACES - 1, **{"X-Tenant": "shop"})
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3 * guarded.ENDS_AFTER_S)
        assert server.status("/health") == 200


def test_a_service_whose_pictures_disk_hangs_ends_within_the_minute_and_serves_again(
    hung_service: HungService,
) -> None:
    hung_service.wait_for_its_end()
    assert hung_service.healths == {200, 503}
    assert hung_service.server.process.poll() == 1
    assert hung_service.lasted_s > ENDS_AFTER_S
    hung_service.hung.unlink()
    again = Server(hung_service.server.data)
    assert again.client().call("getGroupList", {}).code == DONE
    assert again.stop() == 0
