"""A bad network: a proxy in front of any service, which fails, dawdles, cuts off and repeats what
passes.

It keeps the Host header, so that the addresses that the service hands out lead through it, too.
"""

import http.client
import random
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from rig.server import Handler, Served

LATE = "say again late"
MISHAPS = (
    "refuse",
    "busy",
    "slow",
    "cut the request",
    "cut the answer",
    "drop the answer",
    "send twice",
    "say twice",
    LATE,
)
_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Weather(Served):
    """`share` of the requests meet a mishap, drawn by `seed`.

    `goes_to` may be changed, None: nobody is there.
    """

    def __init__(
        self,
        goes_to: str | None,
        share: float = 0.3,
        seed: int = 1,
        mishaps: Sequence[str] = MISHAPS,
    ) -> None:
        self.goes_to = goes_to
        self.share = share
        self.mishaps = mishaps
        self.met: dict[str, int] = {}
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        super().__init__(_Handler)

    def draw(self, path: str) -> str | None:
        """Draw what the next request meets, at this path; None: nothing."""
        with self._lock:
            if self._rng.random() >= self.share:
                return None
            mishap = self._rng.choice(self.mishaps)
            self.met[mishap] = self.met.get(mishap, 0) + 1
            return mishap


class WeatherAt(Weather):
    """A bad network for the requests whose paths begin so: `mishaps` are theirs, in turn."""

    def __init__(self, goes_to: str, path: str, *mishaps: str) -> None:
        super().__init__(goes_to, mishaps=mishaps)
        self.path = path

    def draw(self, path: str) -> str | None:
        if not path.startswith(self.path) or not self.mishaps:
            return None
        mishap, *self.mishaps = self.mishaps
        return mishap


_Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body."""


class _Handler(Handler):
    late: _Answer | None = None
    """An answer that is said again when the next request comes over its connection."""

    def answer(self) -> None:
        weather = self.server.owner
        mishap = weather.draw(self.path)
        if self.late is not None:
            self._send(*self.late)
            self.late = None
        size = int(self.headers.get("Content-Length") or 0)
        if mishap == "refuse" or weather.goes_to is None:
            self.close_connection = True
            return
        if mishap == "cut the request":
            self.rfile.read(size // 2)
            self.close_connection = True
            return
        body = self.rfile.read(size)
        if len(body) != size:
            self.close_connection = True
            return
        if mishap == "busy":
            self._send(503, [("Retry-After", "0")], b'{"code": "Busy", "detail": "later"}')
            return
        if mishap == "slow":
            time.sleep(0.05)
        if mishap == "send twice":
            self._pass_on(body)
        try:
            status, headers, answer = self._pass_on(body)
        except OSError:
            self.close_connection = True
            return
        if mishap == "drop the answer":
            self.close_connection = True
        elif mishap == "cut the answer":
            self._send(status, headers, answer, cut=True)
            self.close_connection = True
        else:
            self._send(status, headers, answer)
            if mishap == "say twice":
                self._send(status, headers, answer)
            if mishap == LATE:
                self.late = status, headers, answer

    def _pass_on(self, body: bytes) -> _Answer:
        goes_to = self.server.owner.goes_to
        if goes_to is None:
            raise OSError("nobody is there")
        parts = urlsplit(goes_to)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            answer = response.read()
        except http.client.HTTPException as error:
            raise OSError("broken") from error
        finally:
            connection.close()
        headers = [
            (name, value) for name, value in response.getheaders() if name.lower() not in _HOP
        ]
        return (
            response.status,
            [(name, value) for name, value in headers if name.lower() != "content-length"],
            answer,
        )

    def _send(
        self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
