"""Servers on this machine that answer HTTP byte by byte as a test says, in clear or over TLS."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Answer = Callable[[socket.socket, bytes], None]
"""Writes to the socket, given the request's head."""

PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 40


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "")).encode()


def redirect(location: str, status: str = "302 Found") -> Answer:
    return says(
        head("Content-Length: 0", status=status)[:-2]
        + b"Location: "
        + location.encode()
        + b"\r\n\r\n"
    )


def says(*parts: bytes) -> Answer:
    """These bytes and the end."""
    return lambda sock, _: sock.sendall(b"".join(parts))


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


@contextmanager
def serving(
    answer: Answer, tls: ssl.SSLContext | None = None, *, speaks_first: bool = False
) -> Iterator[int]:
    """The port of a server on 127.0.0.1 that answers each connection so."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with tls.wrap_socket(self.request, server_side=True) if tls else self.request as sock:
                request = b""
                while not speaks_first and b"\r\n\r\n" not in request:
                    part = sock.recv(65536)
                    if not part:
                        return
                    request += part
                answer(sock, request)
                if tls:
                    sock.unwrap()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """The client went: what these servers are for."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True
        )
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
