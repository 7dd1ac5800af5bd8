"""One box with a fake vision, for clients that come over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct
from regulars_client import Regulars

from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import Vision
from regulars.serve.server import Front, make_site, open_listener
from tests.support.api.stage import make_stage
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock, FakeVision

MANY = 1_000_000


class Box(Struct, frozen=True):
    """One box with a fake vision, served in this process. `key`: the one tenant's."""

    url: str
    key: str
    services: Services

    def client(self) -> Regulars:
        return Regulars(self.url, api_key=self.key)


@contextmanager
def serving(
    data: Path, vision: Vision | None = None, clock: FakeClock | None = None
) -> Iterator[Box]:
    vision, stop = vision or FakeVision(), threading.Event()
    settings = Settings(storage=data, requests_a_second=MANY, searches_a_second=MANY)
    with (
        closing(build(settings, clock=clock, vision=lambda: vision)) as services,
        open_listener("127.0.0.1", 0) as sock,
    ):
        key = services.tenants.add("shop", Profile.CAMERA, KEEPING).api_key
        front = Front(make_site(make_stage(services).app, services), sock)
        thread = threading.Thread(target=front.run, args=(stop,))
        thread.start()
        try:
            yield Box(front.url, key, services)
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
