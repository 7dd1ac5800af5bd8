"""A proxy on this machine that plays the hosts of packs' upstream, by certificates of a test's authority."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.adapters.web.certificates import Authority


class Hosts:
    """The addresses and what they answer. `cut`: how often an address still ends its answer in the middle."""

    def __init__(self, authority: Authority, pages: Mapping[str, bytes], cut: Mapping[str, int] | None = None) -> None:
        self.pages = dict(pages)
        self.cut = dict(cut or {})
        self.asked: list[str] = []
        names = {url.split("/")[2] for url in pages}
        self._contexts = {name: authority.server(name) for name in names}

    def converse(self, raw: socket.socket) -> None:
        """Answer a CONNECT, and within it one request."""
        name = _head(raw).split()[1].decode().removesuffix(":443")
        if name not in self._contexts:
            raw.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        raw.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with self._contexts[name].wrap_socket(raw, server_side=True) as sock:
            url = f"https://{name}{_head(sock).split()[1].decode()}"
            self.asked.append(url)
            body = self.pages.get(url)
            status = "404 Not Found" if body is None else "200 OK"
            body = body or b""
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            if self.cut.get(url, 0):
                self.cut[url] -= 1
                body = body[: len(body) // 2]
            sock.sendall(head + body)


@contextmanager
def proxy(hosts: Hosts) -> Iterator[str]:
    """Give the address of a proxy that knows these hosts and no other."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            hosts.converse(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _head(sock: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        part = sock.recv(65536)
        if not part:
            break
        read += part
    return read
