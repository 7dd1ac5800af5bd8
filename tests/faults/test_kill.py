import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.api.over_http import Sunmi
from tests.support.book.recount import disagreements, every_face
from tests.support.box.server import Server
from tests.support.pictures import photos as at_hand

pytestmark = pytest.mark.disk

WORKERS = 4


class Worker(threading.Thread):
    """Enrols until the server is gone, deletes every fourth again, and keeps what was
    acknowledged."""

    def __init__(self, client: Sunmi, name: str, pictures: list[bytes]) -> None:
        super().__init__(name=name)
        self._client = client
        self._pictures = pictures
        self.attempted: set[str] = set()
        self.enrolled: set[str] = set()
        self.has_enrolled = threading.Event()
        self.maybe_deleted: set[str] = set()
        self.deleted: set[str] = set()
        self.refused: list[str] = []

    def run(self) -> None:
        try:
            with self._client.connection:
                for number in range(10_000):
                    self._enrol(f"{self.name}-{number}", number)
        except ConnectionError:
            return

    def _enrol(self, faceid: str, number: int) -> None:
        self.attempted.add(faceid)
        reply = self._client.add_face(
            "regular", faceid, self._pictures[number % len(self._pictures)]
        )
        if reply.code:
            self.refused.append(f"{faceid}: {reply.code} {reply.message}")
            return
        self.enrolled.add(faceid)
        self.has_enrolled.set()
        if number % 4 == 3:
            self.maybe_deleted.add(faceid)
            reply = self._client.delete_faces("regular", [faceid])
            if reply.data.get("success_list") != [faceid]:
                self.refused.append(f"{faceid}: {reply.code} {reply.message} {reply.data}")
            self.deleted.add(faceid)


@pytest.fixture
def pictures(photos: Path) -> list[bytes]:
    return [(photos / name).read_bytes() for pair in at_hand.PAIRS[:6] for name in pair]


def opened(data: Path) -> Iterator[tuple[Services, Tenant]]:
    services = build(Settings(storage=data))
    try:
        yield (
            services,
            next(tenant for tenant in services.tenants.list_all() if tenant.name == "shop"),
        )
    finally:
        services.close()


def test_after_kill_9_during_enrolments_counts_index_and_pictures_agree(
    tmp_path: Path, pictures: list[bytes], request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills")
    data = tmp_path / "data"
    present: set[str] = set()
    acknowledged = 0
    for kill in range(kills):
        server = Server(data)
        workers = [Worker(server.client(), f"k{kill}w{n}", pictures) for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        if kill % 2:  # else the kill may come before anybody is enrolled
            assert workers[0].has_enrolled.wait(60)
        time.sleep(random.uniform(0.05, 1.5))
        server.kill()
        for worker in workers:
            worker.join()
        assert [complaint for worker in workers for complaint in worker.refused] == []
        for services, tenant in opened(data):
            stored = set(every_face(services, tenant))
            assert disagreements(services, tenant) == []
        for worker in workers:
            assert worker.enrolled - worker.maybe_deleted <= stored
            assert not worker.deleted & stored
            present |= worker.attempted & stored
            acknowledged += len(worker.enrolled)
        assert stored == present
    print(
        f"\n{kills} kills, {acknowledged} enrolments acknowledged, {len(present)} faces present, "
        "all agree"
    )
    server = Server(data)
    client = server.client()
    with client.connection:
        assert client.search(pictures[0]).code == 0
    assert server.stop() == 0
