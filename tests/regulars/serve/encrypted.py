"""A front that speaks TLS, with a small app behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regulars.serve.gateway import Gateway
from regulars.serve.server import Front, open_listener
from regulars.serve.site import Site
from regulars.serve.tls import Certificate
from tests.support.box.apps import echo_app
from tests.support.waiting import PATIENCE_S
from tests.support.web.certificate import certificate


@contextmanager
def encrypted(
    folder: Path,
    stop: threading.Event | None = None,
    drain_s: float = PATIENCE_S,
    **of_the_front: Any,
) -> Iterator[tuple[str, int]]:
    stop = stop or threading.Event()
    with open_listener("127.0.0.1", 0) as sock:
        front = Front(
            Site(Gateway(echo_app())), sock, tls=Certificate(*certificate(folder)), **of_the_front
        )
        assert front.url.startswith("https://127.0.0.1:")
        thread = threading.Thread(target=front.run, args=(stop, drain_s))
        thread.start()
        try:
            yield sock.getsockname()
        finally:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
