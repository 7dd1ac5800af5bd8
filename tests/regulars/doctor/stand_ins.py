"""Parties that answer as a test says: proxies before a real service, servers of TLS, of mail, and
brokers."""

from __future__ import annotations

import http.client
import http.server
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.hooks.receiver import Behaviour, answers, receiving

_OF_A_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


class Asked(NamedTuple):
    """A request on its way through a proxy. `hides`: headers of the answer that it takes away."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    hides: tuple[str, ...] = ()

    def without(self, name: str) -> Asked:
        left = {each: text for each, text in self.headers.items() if each.lower() != name}
        return self._replace(headers=left)


Spoil = Callable[[Asked], Asked | Behaviour]


@contextmanager
def proxy(url: str, spoil: Spoil) -> Iterator[str]:
    """Pass on what comes, as `spoil` makes it, or answer by the behaviour that it returns."""
    with receiving(answers(200)) as receiver:

        def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
            heard = receiver.heard[-1]
            asked = Asked(handler.command, heard.path, dict(heard.headers), heard.body)
            spoiled = spoil(asked)
            if isinstance(spoiled, Asked):
                _pass_on(url, spoiled, handler)
            else:
                spoiled(handler)

        receiver.answer_from_now_on(behave)
        yield receiver.origin


def _pass_on(url: str, asked: Asked, handler: http.server.BaseHTTPRequestHandler) -> None:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)) as connection:
        sent = {**asked.without("content-length").headers, "Content-Length": str(len(asked.body))}
        connection.request(asked.method, asked.path, asked.body, sent)
        reply = connection.getresponse()
        body = reply.read()
    handler.send_response(reply.status)
    for name, value in reply.getheaders():
        if name.lower() not in _OF_A_HOP.union(asked.hides):
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def shaking_hands(context: ssl.SSLContext) -> Iterator[int]:
    """Shake hands by TLS with whoever comes, and hang up; yield the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as line,
            ):
                line.recv(1)

    with _serving(Handler) as port:
        yield port


@contextmanager
def saying(*lines: bytes) -> Iterator[int]:
    """Say a line at the beginning and one to each line that comes, the last again and again, and
    hang up where it is empty, as at QUIT of mail; yield the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            left = list(lines)
            with suppress(OSError):
                self.wfile.write(left.pop(0))
                while (heard := self.rfile.readline()) and heard != b"QUIT\r\n":
                    line = left.pop(0) if len(left) > 1 else left[0]
                    if not line:
                        return
                    self.wfile.write(line)
                self.wfile.write(b"221 bye\r\n")

    with _serving(Handler) as port:
        yield port


@contextmanager
def hanging_up() -> Iterator[int]:
    """Take what comes first, and hang up without a word; yield the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1_024)

    with _serving(Handler) as port:
        yield port


@contextmanager
def silent() -> Iterator[int]:
    """Take connections, and say nothing; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
