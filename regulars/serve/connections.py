"""Connections: h11 reads the requests, uvicorn calls the application at the end of each head.

No byte is changed before h11 has framed it. The subclass adds uvicorn's missing time-outs and
limits. The handler asks for a body that it wants; another body is read and dropped, so that the
client can send to the end and read its answer. A slow client is closed. At the limit of
connections, it closes some of the sender with the most, first those that have used up most of their
time.
"""

from __future__ import annotations

import asyncio
import logging
import re
import resource
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum, auto
from itertools import chain
from typing import Any

import h11
from msgspec import Struct
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from chalicelib.auth.addresses import find_network
from regulars.serve.messages import BAD_REQUEST

_log = logging.getLogger(__name__)

CONNECTIONS = 1024
"""Most connections."""

OTHER_FILES = 1024
"""Descriptors for all but connections: for those that wait to be opened, half as many, and for
dozens of threads each of which opens the database and its log."""

SENDERS_AT_ONCE = 8
"""Senders of whom a connection is opened before those that are open are looked at: some 3 ms."""

HEAD_BYTES = 16 * 1024
"""Most bytes of a head."""

CHUNK_HEAD_BYTES = 1024
"""Most bytes of a chunk's size line, or of all trailers. h11 takes time with the square of a line's
leading blanks: of 16 KiB half a second."""

HEARD_OUT_BYTES = 64 * 1024 * 1024
"""Limit to which a body that is not wanted is read, so that the client can send to the end and read
its answer."""

STILL_COMING_S = 1.0
"""Grace period for request bodies after SIGTERM."""

LOOK_EVERY_S = 0.1
"""How often it is looked for connections that are too slow, in s."""

_NO_HEAD = re.compile(rb"[\0\v\f]|\r(?!\n|\Z)|(?<!\r)\n|\n[ \t]")
"""Bytes that end a line of a head for some servers only, or that no head has (RFC 9112, 2.2 and
5.2; RFC 9110, 5.5). Without it, h11 takes no time with the square of a line's length."""

_EMPTY_LINES = re.compile(rb"[\r\n]*")

_NO_REQUEST = (
    "This is no HTTP request (RFC 9112). Its target is percent-encoded, and its lines "
    "end with CR LF."
)


class Timeouts(Struct, frozen=True):
    """Timeouts, in seconds."""

    new_s: float = 10.0
    """For the first byte of a new connection."""
    head_s: float = 10.0
    """For a request's head, from its first byte."""
    body_s: float = 20.0
    """For a pause in a request's body, or in the client's reading of an answer."""
    bytes_a_second: float = 4096.0
    """Slowest rate of a body or of an answer; what is slower counts as a pause."""
    kept_s: float = 75.0
    """For the next request on a connection that had one. Load balancers keep theirs for 60 s, so it
    is longer."""


class Phase(Enum):
    NEW = auto()
    KEPT = auto()
    """An answer has gone, and the connection waits for its next request."""
    HEAD = auto()
    BODY = auto()
    OURS = auto()
    """We work on the request, and wait for nothing from the client."""
    LEAVING = auto()
    """The answer is on its way."""


class _Flow(FlowControl):
    """uvicorn's pauses of reading.

    Reading goes on only when h11 has read all that has come: so no more waits here.
    """

    def __init__(self, transport: asyncio.Transport, unread: bytearray) -> None:
        super().__init__(transport)
        self._unread = unread

    def resume_reading(self) -> None:
        if not self._unread:
            super().resume_reading()


class Connection(H11Protocol):
    """One client of uvicorn's, with limits. asyncio, uvicorn and asgi.py call its methods."""

    def __init__(self, limiter: ConnectionLimiter, sender: str, **uvicorn_options: Any) -> None:
        """Begin a connection: nothing has come yet."""
        super().__init__(**uvicorn_options, app_state={"connection": self})
        self.sender = sender
        """The network that it comes from."""
        self._has_eof = False
        """Whether the client sends nothing more."""
        self.is_refused = False
        """Whether it sent what is no request: what it still sends is dropped."""
        self._is_chunked = False
        """Whether the body that comes is in chunks."""
        self._unread = bytearray()
        """Bytes that h11 has not read. If a client sends several requests at once, the later ones
        wait here."""
        self._limiter = limiter
        self._link: Any = None
        self._phase, self.since = Phase.NEW, time.monotonic()
        self._body_bytes = self._unread_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def open(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Begin with a client that was taken.

        It counts at once; its handshake of TLS takes as long as a head may.
        """
        self._sock = sock
        self.enter(Phase.HEAD)
        self._limiter.enter(self)
        self._task = asyncio.create_task(self._open(tls))
        self._task.add_done_callback(self._close_unopened)

    async def _open(self, tls: ssl.SSLContext | None) -> None:
        patience_s = self._limiter.patience.head_s if tls else None
        with suppress(OSError):  # it shook no hands, or is gone
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self, self._sock, ssl=tls, ssl_handshake_timeout=patience_s
            )

    def _close_unopened(self, _task: asyncio.Task[None]) -> None:
        if self._link is None:
            self._sock.close()
            self._limiter.leave(self)

    # asyncio calls these

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._link, self._task = transport, None
        super().connection_made(transport)
        self.flow = _Flow(transport, self._unread)
        self.enter(Phase.NEW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._limiter.leave(self)
        super().connection_lost(exc)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Let h11 read. Only a head's first byte, and bytes of a body, are progress."""
        if self._is_in_body or self.is_refused:
            self._body_bytes += len(data)
            self._renew_time(len(data))
        if not self.is_refused:
            self._unread += data
            self._read_request()
        if self._body_bytes > HEARD_OUT_BYTES:
            self.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for the answer that is due, which TLS does not allow."""
        self._has_eof = True
        return (
            self._is_answering
            and not self._is_in_body
            and self._link.get_extra_info("sslcontext") is None
        )

    def _read_request(self) -> None:
        """Have h11 read up to the end of a request, in pieces, so that it never holds more than
        HEAD_BYTES.

        Bytes of a later request wait in `_unread`, and no more are read from the client meanwhile.
        """
        while (
            self.is_open
            and not self.is_refused
            and (self.conn.their_state is h11.IDLE or self._is_in_body)
        ):
            held_by_h11 = self.conn.trailing_data[0]
            # RFC 9112, 2.2: empty lines may precede a request.
            if self.conn.their_state is h11.IDLE and not held_by_h11:
                del self._unread[: _EMPTY_LINES.match(self._unread).end()]  # type: ignore[union-attr]
            if not self._unread:
                return
            if self._is_in_body:
                self._read_body(held_by_h11)
            else:
                self._read_head(held_by_h11)
        if self.is_open and self._unread and not self.is_refused:
            self.flow.pause_reading()

    def _read_head(self, held_by_h11: bytes) -> None:
        """Have h11 read more of a head, but nothing after its end, since a body has other limits.

        A head that is too long, or is none, is refused.
        """
        if self._phase in (Phase.NEW, Phase.KEPT):
            self.enter(Phase.HEAD)
        received = held_by_h11 + self._unread[: HEAD_BYTES - len(held_by_h11)]
        end = received.find(b"\r\n\r\n", max(0, len(held_by_h11) - 3))
        head_bytes = received if end < 0 else received[: end + 4]
        del self._unread[: len(head_bytes) - len(held_by_h11)]
        if len(head_bytes) == len(held_by_h11):
            self._refuse("The head of a request is too long.")
        elif _NO_HEAD.search(head_bytes, max(0, len(held_by_h11) - 1)):
            self._refuse(_NO_REQUEST)
        else:
            super().data_received(head_bytes[len(held_by_h11) :])
            self._is_chunked = self._is_in_body and any(
                name == b"transfer-encoding" for name, _ in self.headers
            )

    def _read_body(self, held_by_h11: bytes) -> None:
        """Have h11 read more of a body.

        `held_by_h11`: a chunk's size line, or trailers, that have no end yet.
        """
        room = max(0, (CHUNK_HEAD_BYTES if self._is_chunked else HEAD_BYTES) - len(held_by_h11))
        piece = bytes(self._unread[:room])
        del self._unread[:room]
        if piece:
            super().data_received(piece)
        else:
            self._refuse("The size line or the trailers of a request's chunks are too long.")

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_in_body(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY

    # uvicorn calls these

    def send_400_response(self, _msg: str) -> None:
        self._refuse(_NO_REQUEST)

    def _refuse(self, text: str) -> None:
        """Answer 400 to bytes that are no request, and close the connection.

        If an answer is on its way already, only close. Else write the refusal. If these bytes
        followed a good head, or over TLS, which cannot close one direction alone, close at once.
        Else close our direction, and drop what the client still sends, so that it can read the
        refusal.
        """
        if self._is_answering and self.cycle.response_started:
            self._link.close()
            return
        _log.warning("400 %s: %s", BAD_REQUEST, text)
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        data = b"" if self._is_answering and self.scope["method"] == "HEAD" else text.encode()
        for event in (
            h11.Response(status_code=400, headers=headers),
            h11.Data(data=data),
            h11.EndOfMessage(),
        ):
            self._link.write(self.conn.send(event))
        if self._is_answering:  # else it would answer, or ask for the body, too
            self.cycle.disconnected, self.cycle.waiting_for_100_continue = True, False
            self.cycle.message_event.set()
        self.is_refused = True
        self._unread.clear()
        if self._is_answering or not self._link.can_write_eof():
            self._link.close()
            return
        self._link.write_eof()
        self.flow.resume_reading()
        self.enter(Phase.BODY)

    def on_response_complete(self) -> None:
        """Do nothing: `end` goes on with the next request."""

    # asgi.py and the doorkeeper call these

    @property
    def is_last(self) -> bool:
        """True if no request follows the one that is answered."""
        return self._has_eof and not self._unread and not self.conn.trailing_data[0]

    def begin(self, task: asyncio.Task[None] | None) -> None:
        """Name the task that answers a request; it is cancelled if the client goes away."""
        self._task = task
        self.enter(Phase.OURS)

    def end(self) -> None:
        """Begin with the connection's next request, after an answer.

        A part of it may have come already.

        If the client sends nothing more, and no request is left, close the connection.
        """
        self._task = None
        if self.is_refused:
            return
        self.enter(Phase.KEPT)
        if (
            not self.is_open
            or self.conn.our_state is not h11.DONE
            or self.conn.their_state is not h11.DONE
        ):
            return
        self._unread[:0] = self.conn.trailing_data[0]
        self.conn = h11.Connection(h11.SERVER)
        self._body_bytes = 0
        self._read_request()
        self.flow.resume_reading()
        if self._has_eof and not self._is_answering:
            self._link.close()

    def enter(self, phase: Phase) -> None:
        self._phase, self.since = phase, time.monotonic()
        self._unread_bytes = self._unsent_bytes

    @property
    def _unsent_bytes(self) -> int:
        return self._link.get_write_buffer_size() if self._link else 0

    @property
    def is_partial(self) -> bool:
        """True if a part of a request has come, and the rest is waited for."""
        is_in_body = self._is_in_body and self._phase is not Phase.OURS
        return self._phase is Phase.HEAD or is_in_body or self.is_refused

    @property
    def is_idle(self) -> bool:
        """True if no request has begun."""
        return self.is_open and self._phase in (Phase.NEW, Phase.KEPT)

    @property
    def is_sent(self) -> bool:
        """True if it was closed and all is sent: of TLS, the client's goodbye is waited for."""
        return self._link is not None and self._link.is_closing() and not self._unsent_bytes

    @property
    def is_open(self) -> bool:
        return self._link is not None and not self._link.is_closing()

    def measure_used_share(self, patience: Timeouts, now: float) -> float:
        """Return the used share of the timeout; from 1 on, it has passed.

        0 while the server itself is busy with it.
        """
        if self._phase is Phase.OURS:
            return 0.0
        limits_s = {
            Phase.NEW: patience.new_s,
            Phase.KEPT: patience.kept_s,
            Phase.HEAD: patience.head_s,
        }
        limit_s = limits_s.get(self._phase, patience.body_s)
        if unread_bytes := self._unsent_bytes:  # of an answer
            # more is unread if it was only now written
            self._renew_time(max(0, self._unread_bytes - unread_bytes))
            self._unread_bytes, limit_s = unread_bytes, patience.body_s
        return (now - self.since) / limit_s

    def abort(self) -> None:
        if self._link:
            self._link.abort()
        elif self._task:
            self._task.cancel()

    def _renew_time(self, size: int) -> None:
        """Give the client its time anew, less what `size` bytes take at the slowest allowed
        rate."""
        self.since = min(
            time.monotonic(), self.since + size / self._limiter.patience.bytes_a_second
        )


class Arrivals:
    """Connections that were taken and are not opened yet.

    Their senders take turns, also beside a crowd.
    """

    def __init__(self) -> None:
        self.number = 0
        self._by_sender: dict[str, deque[socket.socket]] = {}

    def add(self, sock: socket.socket, address: Sequence[Any]) -> None:
        sock.setblocking(False)
        self._by_sender.setdefault(find_network(address[0]), deque()).append(sock)
        self.number += 1

    def take_some(self) -> Iterator[tuple[socket.socket, str]]:
        """Yield one of each of some senders.

        What was given up is closed: to open it would take ten times as long.
        """
        for sender in [*self._by_sender][:SENDERS_AT_ONCE]:
            sockets = self._by_sender.pop(sender)
            while sockets:
                sock = sockets.popleft()
                self.number -= 1
                if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    yield sock, sender
                    break
                sock.close()
            if sockets:
                self._by_sender[sender] = sockets

    def close(self) -> None:
        """Close those that are not opened."""
        for sock in chain.from_iterable(self._by_sender.values()):
            sock.close()


class ConnectionLimiter:
    """Closer of connections past their timeout, or above the limit."""

    def __init__(self, places: int, patience: Timeouts) -> None:
        self.patience = patience
        self.places = places
        self._connections: set[Connection] = set()

    def enter(self, connection: Connection) -> None:
        self._connections.add(connection)
        if len(self._connections) > self.places:
            self._make_room()

    def leave(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def close_overdue(self) -> None:
        """Close the connections that have used up their time."""
        now = time.monotonic()
        for connection in [
            each for each in self._connections if each.measure_used_share(self.patience, now) >= 1
        ]:
            connection.abort()

    async def see_off(self, timeout_s: float) -> None:
        """Wait until all connections are closed, `timeout_s` at most, and abort those that are
        left.

        Idle ones are closed at once. After STILL_COMING_S, those are aborted whose request is not
        there in full, or whose answer is sent and not taken.
        """
        began = time.monotonic()
        for connection in self._connections:
            if connection.is_open:
                connection.shutdown()
        while self._connections and time.monotonic() < began + timeout_s:
            await asyncio.sleep(LOOK_EVERY_S)
            self.close_overdue()
            # such as one that shook hands now
            for connection in [each for each in self._connections if each.is_idle]:
                connection.shutdown()
            if time.monotonic() > began + STILL_COMING_S:
                for connection in [
                    each for each in self._connections if each.is_partial or each.is_sent
                ]:
                    connection.abort()
        for connection in list(self._connections):
            connection.abort()

    def _make_room(self) -> None:
        """Close some of the sender with the most: first what has used up most of its time, then
        what came last."""
        now = time.monotonic()
        busiest_sender = Counter(each.sender for each in self._connections).most_common(1)[0][0]
        connections = [each for each in self._connections if each.sender == busiest_sender]
        used_shares = {each: each.measure_used_share(self.patience, now) for each in connections}
        waiting = sorted(
            (each for each in connections if used_shares[each] > 0),
            key=used_shares.__getitem__,
            reverse=True,
        )
        for connection in waiting[: max(1, self.places // 8)] or [
            max(connections, key=lambda each: each.since)
        ]:
            connection.abort()
            self.leave(connection)  # now, since many come before it is lost


def count_places(wanted_count: int = CONNECTIONS) -> int:
    """Return the most connections: `wanted_count`, or fewer if the process may not open so many
    files.

    It first raises the process's soft limit, which is often 1024, as far as needed and allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted_count + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        wanted_count
        if soft == resource.RLIM_INFINITY
        else max(32, min(wanted_count, soft - OTHER_FILES))
    )
