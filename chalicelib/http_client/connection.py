"""A connection to the host of a URL that a stranger chose, and HTTP over it within one deadline.

The name is resolved once, all its addresses are checked, and a checked address is dialled
(docs/decisions/0008). `http.client` parses. It has no limit for the total time, nor for the bytes
of headers, chunk framing and trailers; so `Exchange`, which stands between it and the socket,
bounds those as the bytes come in.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import cached_property
from http.client import HTTPConnection, HTTPResponse
from ipaddress import IPv4Address, ip_address
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, getaddrinfo, socket
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING

from chalicelib.domain.errors import Busy, Unusable
from chalicelib.http_client.url import PORTS, Address, Target, is_public
from chalicelib.slots import hold_slot

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


MAX_HEAD_BYTES = 32 * 1024
"""Bytes of an answer's head, of which redirects and cookies of ordinary hosts need a few
thousand."""
_HEADERS = {"User-Agent": "Regulars", "Accept-Encoding": "identity", "Connection": "close"}


class Deadline:
    """A limit of `limit_s` seconds from its creation, shared by all steps of a call."""

    def __init__(self, limit_s: float) -> None:
        self._end = time.monotonic() + limit_s

    def remaining_s(self) -> float:
        """Return the seconds that are left, more than 0. Raises TimeoutError if the time is up."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def shorten(self, limit_s: float) -> None:
        """End in `limit_s` seconds from now, if that is sooner."""
        self._end = min(self._end, time.monotonic() + limit_s)


class Exchange(io.RawIOBase):
    """One request and its answer over `sock`, which the caller closes: the part of a socket that
    http.client uses.

    Waiting for the socket raises TimeoutError at the deadline. An answer of more than
    `allowed_bytes`, the head included, raises Unusable.
    """

    def __init__(self, sock: socket, target: Target, deadline: Deadline) -> None:
        self.allowed_bytes = MAX_HEAD_BYTES
        self.deadline = deadline
        self._sock = sock
        self._target = target
        self._received_bytes = 0
        self._ended = False

    def send_request(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> HTTPResponse:
        """Send the request and read the answer's head.

        Raises OSError, or HTTPException, whose message quotes the answer.
        """
        # it opens none: this object is its socket
        connection = HTTPConnection(self._target.host, self._target.port)
        # so that the Host header has a port only if needed
        connection.default_port = PORTS[self._target.scheme]
        connection.auto_open = 0
        connection.sock = self
        connection.request(method, self._target.path, body, {**_HEADERS, **headers})
        response = connection.getresponse()
        if self._ended:  # http.client takes the end of the stream for the end of the head
            response.close()
            raise ConnectionError("the answer's head is not complete")
        return response

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self.deadline.remaining_s())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self.deadline.remaining_s())
        count = self._sock.recv_into(buffer)
        self._received_bytes += count
        self._ended = count == 0
        if self._received_bytes > self.allowed_bytes:
            raise Unusable(
                f"the URL's host sent too much beside what was asked: over {self.allowed_bytes} "
                "bytes"
            )
        return count

    def close(self) -> None:
        """Do nothing: http.client closes before it reads a body that ends with the connection."""


_ADDRESSES_TRIED = 4
"""Addresses of a host that are tried one after another, within the call's time."""
# A silent name server holds the system's resolver for 20 s (two servers, asked twice, 5 s each),
# four times as long as a fetch lasts. With four lookups for each call, calls reach their limit
# first.
_LOOKUPS_PER_CALL = 4

Resolver = Callable[[str], Sequence[str]]
"""All addresses of a host name, as text, the best first. Raises OSError if there are none."""

Dial = Callable[[Address, int, float], socket]
"""A new TCP connection to exactly this address and port, made within so many seconds. Raises
OSError."""


def resolve(name: str) -> list[str]:
    """Ask the system for `name` as an absolute name, to which it appends no search domain."""
    answers = getaddrinfo(f"{name}.", None, type=SOCK_STREAM, proto=IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


def dial(address: Address, port: int, timeout_s: float) -> socket:
    """Connect without asking any resolver and without a proxy."""
    sock = socket(AF_INET if isinstance(address, IPv4Address) else AF_INET6, SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


class Connector:
    """The maker of connections, to `allowed` addresses only.

    `hint`: what to do about another address.

    At most `at_once` calls have a slot at a time.
    """

    def __init__(
        self,
        resolver: Resolver,
        dial: Dial,
        *,
        tls: ssl.SSLContext | None,
        at_once: int,
        allowed: Callable[[Address], bool] = is_public,
        hint: str = "use a host of the public internet",
    ) -> None:
        """Keep the means to connect, and `at_once` slots.

        `tls`: the TLS context; None: one of the system's authorities.
        """
        self._resolver = resolver
        self._dial = dial
        self._given_tls = tls
        self._allowed, self._hint = allowed, hint
        self._slots = BoundedSemaphore(at_once)
        self._lookups = BoundedSemaphore(at_once * _LOOKUPS_PER_CALL)

    def hold_slot(self) -> AbstractContextManager[None]:
        """Take one of the `at_once` slots, and give it back at the end.

        Raises Busy at once if none is free.
        """
        return hold_slot(self._slots, _BUSY)

    def open_connection(self, target: Target, deadline: Deadline) -> socket:
        """Connect to the target's host; for https with TLS, after a check of the certificate for
        the host's name.

        Raises Unusable, Busy, TimeoutError, OSError (ssl.SSLCertVerificationError among them).
        """
        sock = self._dial_host(target, deadline)
        if target.scheme == "http":
            return sock
        try:
            sock.settimeout(deadline.remaining_s())
            return self._tls.wrap_socket(
                sock,
                # the certificate is checked for it, though an address was dialled
                server_hostname=target.host,
                # else a cut connection looks like the end of a picture without a length
                suppress_ragged_eofs=False,
            )
        except BaseException:
            sock.close()
            raise

    def _dial_host(self, target: Target, deadline: Deadline) -> socket:
        addresses = self._allowed_addresses(target, deadline)[:_ADDRESSES_TRIED]
        for index, address in enumerate(addresses):
            try:
                return self._dial(
                    address, target.port, deadline.remaining_s() / (len(addresses) - index)
                )
            except OSError:
                deadline.remaining_s()
        raise Unusable(
            "no connection was made to the URL's host: check that it serves the public internet"
        )

    def _allowed_addresses(self, target: Target, deadline: Deadline) -> Sequence[Address]:
        """Return the host's addresses. Raises Unusable if one of them is not allowed.

        All failures share one message, so that it reveals nothing of our network's names.
        """
        try:
            addresses = (
                [target.address]
                if target.address
                else self._look_up_addresses(target.host, deadline)
            )
            if addresses and all(map(self._allowed, addresses)):
                return addresses
        except TimeoutError:
            raise
        except (OSError, ValueError):
            pass
        raise Unusable(f"the URL's host has no address, or one that is not public: {self._hint}")

    def _look_up_addresses(self, name: str, deadline: Deadline) -> list[Address]:
        """Look the name up in a thread, since the system's resolver knows no deadline.

        A late lookup runs on and counts against the limit of lookups until it ends.
        """
        if not self._lookups.acquire(blocking=False):
            raise Busy(_BUSY)
        lookup: Future[Sequence[str]] = Future()

        def look_up() -> None:
            try:
                lookup.set_result(self._resolver(name))
            except Exception as error:
                lookup.set_exception(error)
            finally:
                self._lookups.release()

        try:
            Thread(target=look_up, name="lookup", daemon=True).start()
        except RuntimeError:  # no more threads
            self._lookups.release()
            raise Busy(_BUSY) from None
        return [ip_address(text) for text in lookup.result(deadline.remaining_s())]

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()


_BUSY = "as many strangers' URLs are called as may be at a time: try again in a moment"
