"""Figures in Prometheus' text format, and the page of the cameras, on localhost only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from regulars_edge.errors import EdgeError

_TURN_S = 0.2
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SILENCE_S = 10.0
_OURS = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Metric:
    """`values` by label texts such as `camera="door"`; no label: ""."""

    name: str
    kind: str
    about: str
    values: dict[str, float]


def rendered(metrics: Iterable[Metric]) -> str:
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [
            f"{metric.name}{{{label}}} {value:g}" if label else f"{metric.name} {value:g}"
            for label, value in metric.values.items()
        ]
    return "\n".join(lines) + "\n"


def label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'


class Endpoint:
    """GET /metrics and `page` on 127.0.0.1.

    `page` gives type and bytes of a path, or None. It shows people, so it answers only who asks for this machine by
    a name of its own: else any website could have its name point here and read it in a browser of this machine.
    """

    def __init__(
        self,
        port: int,
        collect: Callable[[], Iterable[Metric]],
        page: Callable[[str], tuple[str, bytes] | None],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = SILENCE_S

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    found: tuple[str, bytes] | None = (CONTENT_TYPE, rendered(collect()).encode())
                elif is_ours(self.headers.get("Host", "")):
                    found = page(path)
                else:
                    self.send_error(403, "Ask for 127.0.0.1 or localhost")
                    return
                if found is None:
                    self.send_error(404)
                    return
                kind, body = found
                self.send_response(200)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._port = port
        self._handler = Handler

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`. Raises EdgeError if the port is taken."""
        try:
            server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        except OSError as error:
            raise EdgeError(f"[metrics] port {self._port} is taken: choose another, or 0 for none") from error
        server.daemon_threads = True
        server.timeout = _TURN_S
        with server:
            while not stop.is_set():
                server.handle_request()


def is_ours(host: str) -> bool:
    """Tell whether a Host header names this machine itself."""
    try:
        return urlsplit(f"//{host}").hostname in _OURS
    except ValueError:
        return False
