import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from chalicelib.api.sunmi.probe import DONE, NO_MATCH
from chalicelib.bootstrap import build
from chalicelib.settings import Settings
from tests.support.api.over_http import Sunmi
from tests.support.book.recount import disagreements
from tests.support.box.server import Server
from tests.support.fakes import UNHURRIED
from tests.support.pictures import photos as at_hand

pytestmark = pytest.mark.disk

THREADS = 16


class Visitor(threading.Thread):
    """One person who is enrolled from one picture, looked for with another, deleted, and looked for
    again."""

    def __init__(
        self, client: Sunmi, person: str, enrolled: bytes, probe: bytes, until: float
    ) -> None:
        super().__init__(name=person)
        self._client, self._enrolled, self._probe, self._until = client, enrolled, probe, until
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        with self._client.connection:
            while time.monotonic() < self._until and not self.wrong:
                faceid = f"{self.name}-{self.done['enrol']}"
                self._expect(
                    "enrol", self._client.add_face("regular", faceid, self._enrolled).code, DONE
                )
                found = self._client.search(self._probe)
                self._expect("search", (found.code, found.data.get("faceid")), (DONE, faceid))
                deleted = self._client.delete_faces("regular", [faceid])
                self._expect("delete", deleted.data.get("success_list"), [faceid])
                self._expect("search", self._client.search(self._probe).code, NO_MATCH)
            self._client.add_face("regular", f"{self.name}-last", self._enrolled)

    def _expect(self, what: str, answer: object, right: object) -> None:
        self.done[what] += 1
        if answer != right:
            self.wrong.append(f"{what} of {self.name}: {answer}, not {right}")


def test_threads_of_enrol_search_and_delete_end_in_a_true_count(
    tmp_path: Path, photos: Path, request: pytest.FixtureRequest
) -> None:
    data = tmp_path / "data"
    server = Server(data)
    until = time.monotonic() + request.config.getoption("--soak-seconds")
    visitors = []
    for first, again in at_hand.PAIRS[:THREADS]:
        one, other = (photos / first).read_bytes(), (photos / again).read_bytes()
        visitors.append(Visitor(server.client(), Path(first).stem, one, other, until))
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert server.stop() == 0

    assert [complaint for visitor in visitors for complaint in visitor.wrong] == []
    services = build(Settings(storage=data, **UNHURRIED))
    camera = next(tenant for tenant in services.tenants.list_all() if tenant.name == "shop")
    assert services.groups.get_by_name(camera, "regular").count == len(visitors)
    assert disagreements(services, camera) == []
    services.close()
    print(
        f"\n{sum((visitor.done for visitor in visitors), Counter())} by {len(visitors)} threads, "
        "all right"
    )
