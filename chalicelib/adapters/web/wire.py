"""HTTP over a connection that is there already, within one deadline and within limits of size.

`http.client` parses; what it has no limit for (the time of it all, bytes of headers, of chunk framing, of trailers) is
bounded below it, where the bytes come in.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING

from chalicelib.adapters.web.url import PORTS, Target
from chalicelib.core.errors import Unusable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEAD_BYTES = 32 * 1024
_HEADERS = {"User-Agent": "Regulars", "Accept-Encoding": "identity", "Connection": "close"}


class Deadline:
    """`limit_s` seconds from its making, whatever they are spent on."""

    def __init__(self, limit_s: float) -> None:
        self._end = time.monotonic() + limit_s

    def remaining_s(self) -> float:
        """More than 0. Raises TimeoutError when the time is up."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def shorten(self, limit_s: float) -> None:
        """End in `limit_s` seconds from now, if that is sooner."""
        self._end = min(self._end, time.monotonic() + limit_s)


class Exchange:
    """One request and its answer over `sock`, which stays open: it is the caller's.

    Waiting for the socket raises TimeoutError at the deadline; more than `allow` lets in raises Unusable.
    """

    def __init__(self, sock: socket.socket, target: Target, deadline: Deadline) -> None:
        self._target = target
        self._incoming = _Incoming(sock, deadline)
        self._connection = HTTPConnection(target.host, target.port)
        self._connection.default_port = PORTS[target.scheme]  # so that the Host header has a port only where it must
        self._connection.auto_open = 0
        self._connection.sock = _Wire(sock, self._incoming, deadline)

    def ask(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> HTTPResponse:
        """Send the request and read the answer's head. Raises OSError, HTTPException, which quotes the answer."""
        self._connection.request(method, self._target.path, body, {**_HEADERS, **headers})
        response = self._connection.getresponse()
        if self._incoming.ended:  # http.client takes the end of it all for the end of the head
            response.close()
            raise ConnectionError("the answer's head is not complete")
        return response

    def allow(self, answer_bytes: int) -> None:
        """Let so many bytes come in, the head's included; MAX_HEAD_BYTES unless told."""
        self._incoming.allowed_bytes = answer_bytes

    def close(self) -> None:
        self._connection.close()


class _Incoming(io.RawIOBase):
    """What the socket brings, each wait bounded by the one deadline and the bytes of it all by `allowed_bytes`."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.allowed_bytes = MAX_HEAD_BYTES
        self.ended = False
        self._received_bytes = 0
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._deadline.remaining_s())
        count = self._sock.recv_into(buffer)
        self._received_bytes += count
        self.ended = count == 0
        if self._received_bytes > self.allowed_bytes:
            raise Unusable(f"the URL's host sent too much beside what was asked: over {self.allowed_bytes} bytes")
        return count


class _Wire:
    """The part of a socket that http.client uses."""

    def __init__(self, sock: socket.socket, incoming: _Incoming, deadline: Deadline) -> None:
        self._sock = sock
        self._incoming = incoming
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.remaining_s())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._incoming)

    def close(self) -> None:
        """Nothing: http.client closes before it reads a body that ends with the connection."""
