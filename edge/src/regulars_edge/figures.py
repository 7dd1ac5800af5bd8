"""The local port: figures for Prometheus. On this machine only."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from regulars_edge.errors import EdgeError

SILENCE_S = 10.0
_OURS = ("localhost", "127.0.0.1", "::1")


def server(port: int, figures: Collector) -> ThreadingHTTPServer:
    """Return what answers GET /metrics on 127.0.0.1. Raises EdgeError if the port is taken.

    It answers only those who ask for this machine by a name of its own: else any website could have its name point here
    and read the figures in a browser of this machine.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENCE_S

        def do_GET(self) -> None:
            if not is_ours(self.headers.get("Host", "")):
                self.send_error(403, "Ask for 127.0.0.1 or localhost")
                return
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "The figures are at /metrics")
                return
            body = generate_latest(figures)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    try:
        made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise EdgeError(f"[metrics] port {port} is taken: choose another, or 0 for none") from error
    made.daemon_threads = True
    return made


def is_ours(host: str) -> bool:
    """Tell whether a Host header names this machine itself."""
    try:
        return urlsplit(f"//{host}").hostname in _OURS
    except ValueError:
        return False
