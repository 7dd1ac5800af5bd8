"""One HTTP exchange over a connection that is there already, within one deadline and within limits of size.

`http.client` parses; what it has no limit for (the time of it all, bytes of headers, of chunk framing, of trailers) is
bounded below it, where the bytes come in.
"""

from __future__ import annotations

import io
import re
import socket
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING

from chalicelib.adapters.fetch_url_target import Target
from chalicelib.core.errors import Unusable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEAD_BYTES = 32 * 1024
IMAGE_TYPES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/bmp", "image/x-ms-bmp"})
"""Of Content-Type; image/jpg and image/x-ms-bmp are registered nowhere and sent by many."""
_REDIRECTS = (301, 302, 303, 307, 308)
_FOUND = 200
_PART_BYTES = 64 * 1024
_MEDIA_TYPE = re.compile(r"\s*([a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40})\s*(?:;.*)?", re.DOTALL)
_HEADERS = {
    "User-Agent": "Regulars",
    "Accept": "image/jpeg, image/png, image/bmp",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


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


@dataclass(frozen=True)
class Moved:
    """The answer is at another URL: the Location header as it came."""

    location: str


def exchange(sock: socket.socket, target: Target, deadline: Deadline, max_bytes: int) -> bytes | Moved:
    """Ask for the target and read the picture. The socket stays open: it is the caller's.

    Raises Unusable for any answer but a picture within the limits, TimeoutError, and OSError where the connection
    breaks. Nothing of an answer but its status and media type gets into a message.
    """
    incoming = _Incoming(sock, deadline)
    connection = HTTPConnection(target.host, target.port)
    connection.default_port = target.port  # so that the Host header is the host alone
    connection.auto_open = 0
    connection.sock = _Wire(sock, incoming, deadline)
    try:
        connection.request("GET", target.path, headers=_HEADERS)
        with connection.getresponse() as response:
            if response.status in _REDIRECTS:
                return _moved(response)
            _require_picture(response)
            # Chunks have framing; were it more than the picture, the chunks would be made to waste our time.
            incoming.allowed_bytes = 2 * max_bytes + MAX_HEAD_BYTES
            return _body(response, max_bytes)
    except IncompleteRead:
        raise _ended_early() from None
    except HTTPException:  # its message quotes the answer
        raise Unusable("the URL's host did not answer in HTTP/1.1: send the URL of a picture on a web server") from None
    finally:
        connection.close()


def _moved(response: HTTPResponse) -> Moved:
    location = response.getheader("Location")
    if not location:
        raise Unusable("the URL redirects to nowhere: send that of the picture itself")
    return Moved(location)


def _require_picture(response: HTTPResponse) -> None:
    if response.status != _FOUND:
        raise Unusable(f"the URL's host answered with status {response.status}, not 200: send a URL that is public")
    if (response.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
        raise Unusable("the URL's host sent the picture compressed: send a URL that answers as Accept-Encoding asks")
    if (response.getheader("Transfer-Encoding") or "chunked").strip().lower() != "chunked":
        raise Unusable("the URL's host sent the picture in a transfer encoding other than chunked: use another host")
    lengths = set(response.headers.get_all("Content-Length", []))
    if len(lengths) > 1 or not all(re.fullmatch(r"[0-9]{1,18}", length) for length in lengths):
        raise Unusable("the URL's host did not say in one number how long the picture is: use another host")
    media_type = _MEDIA_TYPE.fullmatch((response.getheader("Content-Type") or "").lower())
    if media_type is None or media_type[1] not in IMAGE_TYPES:
        said = media_type[1] if media_type else "none"
        raise Unusable(
            f"the answer's media type is {said}: send the URL of a picture that has image/jpeg, image/png or image/bmp"
        )


def _body(response: HTTPResponse, max_bytes: int) -> bytes:
    expected = response.length  # None: chunked, or as much as comes
    too_large = Unusable(f"the URL's picture has more than {max_bytes} bytes: send that of a smaller picture")
    if expected is not None and expected > max_bytes:
        raise too_large
    body = bytearray()
    while part := response.read(min(_PART_BYTES, max_bytes + 1 - len(body))):
        body += part
        if len(body) > max_bytes:
            raise too_large
    if expected is not None and len(body) < expected:
        raise _ended_early()
    return bytes(body)


def _ended_early() -> Unusable:
    return Unusable("the URL's host ended the answer before the picture was complete: try again, or use another host")


class _Incoming(io.RawIOBase):
    """What the socket brings, each wait bounded by the one deadline and the bytes of it all by `allowed_bytes`."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.allowed_bytes = MAX_HEAD_BYTES
        self._received_bytes = 0
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._deadline.remaining_s())
        count = self._sock.recv_into(buffer)
        self._received_bytes += count
        if self._received_bytes > self.allowed_bytes:
            raise Unusable(f"the URL's host sent too much beside the picture: over {self.allowed_bytes} bytes in all")
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
