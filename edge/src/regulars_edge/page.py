"""The local port: the page of the cameras, and figures for Prometheus. On localhost only.

The page has each camera's last picture. It has no script, loads nothing from elsewhere, and renews
itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from regulars_edge.capture import Shot
from regulars_edge.errors import EdgeError
from regulars_edge.picture import HEAD_BYTES, JPEG, find_content_type
from regulars_edge.status import format_age

HTML = "text/html; charset=utf-8"
_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>regulars-edge</title><style>
:root { color-scheme: light dark; }
body { margin: 2rem auto; padding: 0 1rem; max-width: 76rem; font: 16px/1.5 sans-serif; }
main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); }
h2 { margin: 0; font-size: 1.2rem; overflow-wrap: anywhere; }
img { width: 100%; }</style><h1>Cameras</h1><main>"""


def make_answer(
    path: str, cameras: Sequence[tuple[str, Shot | None]], now_ms: int
) -> tuple[str, bytes] | None:
    """Return type and bytes of the page or of one camera's picture, as it is sent; None if nothing
    is at `path`.

    `cameras`: the name and the last picture of each.
    """
    pictures = {f"/picture/{number}": shot.data for number, (_, shot) in enumerate(cameras) if shot}
    if path in pictures:
        return find_content_type(pictures[path][:HEAD_BYTES]) or JPEG, pictures[path]
    cards = []
    for number, (name, shot) in enumerate(cameras):
        picture = "<p>There is no picture yet.</p>"
        if shot is not None:
            age = format_age((now_ms - shot.at_ms) / 1000)
            picture = f'<img src="/picture/{number}" alt="its last picture"><p>{age} ago</p>'
        cards.append(f"<article><h2>{escape(name)}</h2>{picture}</article>")
    return (HTML, f"{_HEAD}{''.join(cards)}</main></html>".encode()) if path == "/" else None


_TURN_S = 0.2
"""How often the page's server looks whether it has to stop, in s."""
SILENCE_S = 10.0
"""How long a caller of the local page may be silent, in s."""
_OURS = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def serve_page(
    port: int,
    figures: Collector,
    page: Callable[[str], tuple[str, bytes] | None],
    stop: threading.Event,
) -> None:
    """Answer GET /metrics and `page`, which gives type and bytes of a path, or None, on 127.0.0.1
    until `stop`.

    It answers only those who ask for this machine by a name of its own: else any website could have
    its name point here and read what is shown in a browser of this machine. Raises EdgeError if the
    port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENCE_S

        def do_GET(self) -> None:
            if not is_of_this_machine(self.headers.get("Host", "")):
                self.send_error(403, "Ask for 127.0.0.1 or localhost")
                return
            path = self.path.partition("?")[0]
            is_metrics = path == "/metrics"
            found = (
                (CONTENT_TYPE_PLAIN_0_0_4, generate_latest(figures)) if is_metrics else page(path)
            )
            if found is None:
                self.send_error(404)
                return
            send_page(self, *found)

        def log_message(self, *_: Any) -> None:
            pass

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise EdgeError(f"[metrics] port {port} is taken: choose another, or 0 for none") from error
    server.daemon_threads = True
    server.timeout = _TURN_S
    with server:
        while not stop.is_set():
            server.handle_request()


def send_page(
    caller: BaseHTTPRequestHandler, content_type: str, body: bytes, **headers: str
) -> None:
    """Send an answer with the headers of all our pages; `headers` replace some, with _ for -."""
    others = {name.replace("_", "-"): value for name, value in headers.items()}
    caller.send_response(200)
    for name, value in {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        **_HEADERS,
        **others,
    }.items():
        caller.send_header(name, value)
    caller.end_headers()
    caller.wfile.write(body)


def is_of_this_machine(host: str) -> bool:
    """Tell whether a Host header names this machine itself."""
    try:
        return urlsplit(f"//{host}").hostname in _OURS
    except ValueError:
        return False
