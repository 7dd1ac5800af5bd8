"""A real web server on this machine that receives what hooks are sent, and answers as a test
says."""

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import Message

from msgspec import Struct

Behaviour = Callable[[http.server.BaseHTTPRequestHandler], None]


class Heard(Struct, frozen=True):
    path: str
    headers: Message
    body: bytes


class Receiver:
    """`heard`: all requests, in order.

    `behaviours` are taken one after the other, the last again and again.
    """

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = list(behaviours)
        self._lock = threading.Lock()
        self.heard: list[Heard] = []
        self.port = 0
        self.at_once = 0
        self.most_at_once = 0

    def answer_from_now_on(self, *behaviours: Behaviour) -> None:
        with self._lock:
            self._behaviours = list(behaviours)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/hook?shop=12"

    @property
    def bodies(self) -> list[bytes]:
        return [one.body for one in self.heard]

    def take(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self.heard.append(Heard(handler.path, handler.headers, body))
            behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            behave(handler)
        finally:
            with self._lock:
                self.at_once -= 1


@contextmanager
def receiving(*behaviours: Behaviour) -> Iterator[Receiver]:
    receiver = Receiver(behaviours)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self)

        def do_GET(self) -> None:
            receiver.take(self)

        def do_PUT(self) -> None:
            receiver.take(self)

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """The sender went: what some of these receivers are for."""

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def answers(
    status: int, body: bytes = b"thanks", headers: Mapping[str, str] | None = None
) -> Behaviour:
    def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def a_good_stage(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Answer the canary's search and its offer as a stage that works does."""
    answers(401 if handler.path.endswith("/uploads") else 200, b'{"code": 283, "msg": "nobody"}')(
        handler
    )


def hangs(until: threading.Event) -> Behaviour:
    """Says nothing until the test ends."""

    def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
        until.wait(30)
        handler.close_connection = True

    return behave


def says(*parts: bytes, pause_s: float = 0.0) -> Behaviour:
    """These bytes, with pauses between them, and the end."""
    pause = threading.Event()

    def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
        for place, part in enumerate(parts):
            if place:
                pause.wait(pause_s)
            handler.wfile.write(part)
            handler.wfile.flush()
        handler.close_connection = True

    return behave
