"""Small Chalice apps and a server around them, to look at the gateway without the service behind
it."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from chalice.app import Chalice, Response

from chalicelib.api.application import PerThread
from regulars.serve.gateway import Gateway
from regulars.serve.server import Front, open_listener
from regulars.serve.site import Site
from tests.support.waiting import PATIENCE_S

DRAIN_S = 30.0
"""How long a server that stops waits for requests in flight."""
POSTED = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/octet-stream",
    "application/json",
]


def echo_app(pause: threading.Event | None = None) -> Chalice:
    """An app that answers with the event it got; `/slow` waits for `pause` first."""
    app = PerThread("echo", configure_logs=False)
    app.api.binary_types += ["multipart/form-data"]

    def event() -> dict[str, Any]:
        event = app.current_request.to_original_event()
        return {**event, "body": event["body"] and event["body"].decode()}

    @app.route("/echo", methods=["GET", "POST", "HEAD"], content_types=POSTED)
    def echo() -> dict[str, Any]:
        return event()

    @app.route("/length", methods=["POST"], content_types=POSTED)
    def length() -> dict[str, int]:
        return {"length": len(app.current_request.raw_body)}

    @app.route("/faces/{faceid}", methods=["GET"])
    def face(faceid: str) -> dict[str, str]:
        return {"faceid": faceid}

    @app.route("/faces/latest", methods=["GET"])
    def latest() -> dict[str, str]:
        return {"faceid": "the literal route"}

    @app.route("/binary", methods=["GET"])
    def binary() -> Response:
        return Response(
            b"\x00\xff", headers={"Content-Type": "application/octet-stream", "X-Kind": ["a", "b"]}
        )

    @app.route("/slow", methods=["POST"], content_types=POSTED)
    def slow() -> dict[str, Any]:
        marker = app.current_request.headers["x-marker"]
        if pause is not None:
            pause.wait(PATIENCE_S)
        return {"before": marker, "after": app.current_request.headers["x-marker"]}

    return app


def served(
    app: Chalice, **of_the_front: Any
) -> AbstractContextManager[tuple[str, int, threading.Event]]:
    """Host, port and stop event of a server with this app; stopping lets requests in flight
    finish."""
    return serving(Site(Gateway(app)), **of_the_front)


@contextmanager
def serving(
    site: Site, *, drain_s: float = DRAIN_S, **of_the_front: Any
) -> Iterator[tuple[str, int, threading.Event]]:
    """As `served`, of any site. `drain_s`: how long requests in flight may take after the stop."""
    stop = threading.Event()
    with open_listener("127.0.0.1", 0) as sock:
        host, port = sock.getsockname()[:2]
        front = Front(site, sock, **of_the_front)
        thread = threading.Thread(target=front.run, args=(stop, drain_s))
        thread.start()
        try:
            yield host, port, stop
        finally:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
