"""Timeouts of connections. When the limit is reached, the connections closest to their timeout are closed first.

waitress alone keeps a silent connection for two minutes, and forever if it sends a byte now and then. About a hundred
such connections would lock everybody else out.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

CONNECTIONS = 1024
"""Most connections. Each costs a microsecond or two, in every turn of the loop."""

OTHER_FILES = 512
"""Descriptors for all but connections: dozens of threads each open the database and its log."""

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Patience:
    """Timeouts, in seconds."""

    new_s: float = 10.0
    """For the first byte of a new connection."""
    head_s: float = 10.0
    """For a request's head, from its first byte."""
    body_s: float = 20.0
    """For a request's body, from the request's first byte."""
    body_bytes_a_second: float = 4096.0
    """Each so many bytes received extend `body_s` by a second."""
    kept_s: float = 75.0
    """For the next request on a connection that had one. Load balancers keep theirs for 60 s, so it is longer."""


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Parser that tells the application if the body came in chunks, since its length was not announced then."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked:
            self.headers["TRANSFER_ENCODING"] = "chunked"


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that measures how long the server has waited for its client."""

    parser_class = Parser

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.waiting_since = time.monotonic()
        self.request_began: float | None = None
        self.received_bytes = 0
        self.served = False

    def received(self, data: bytes) -> Any:
        if self.request_began is None:
            self.request_began, self.received_bytes = time.monotonic(), 0
        self.received_bytes += len(data)
        return super().received(data)

    def service(self) -> None:
        """Answer one request, in a worker thread."""
        super().service()
        self.waiting_since, self.request_began, self.served = time.monotonic(), None, True

    @property
    def is_ours(self) -> bool:
        """Whether the server has something to do: a request to answer, or an answer to send."""
        return bool(self.requests or self.total_outbufs_len)

    def used(self, patience: Patience, now: float) -> float:
        """Return the used share of the timeout; from 1 on, it has passed. 0 while the server itself is busy with it."""
        if self.will_close or self.close_when_flushed or self.is_ours:
            return 0.0
        began = self.request_began
        if began is None:
            return (now - self.waiting_since) / (patience.kept_s if self.served else patience.new_s)
        if self.request is None or not self.request.headers_finished:
            return (now - began) / patience.head_s
        return (now - began) / (patience.body_s + self.received_bytes / patience.body_bytes_a_second)


class Doorkeeper:
    """Closer of connections past their timeout, or above the limit. The server's loop calls `look` in every turn."""

    def __init__(self, places: int, patience: Patience) -> None:
        self._places = places
        self._patience = patience
        self._next_look = 0.0

    def look(self, channels: Collection[Channel]) -> None:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            for channel in channels:
                if channel.used(self._patience, now) >= 1:
                    channel.will_close = True
        if len(channels) >= self._places:
            self._make_room(channels, now)

    def _make_room(self, channels: Collection[Channel], now: float) -> None:
        waited_for = [channel for channel in channels if not channel.will_close and not channel.is_ours]
        waited_for.sort(key=lambda channel: channel.used(self._patience, now), reverse=True)
        for channel in waited_for[: max(1, self._places // 8)]:
            channel.will_close = True


def places(wanted: int = CONNECTIONS) -> int:
    """Return the most connections: `wanted`, or fewer if the process may not open so many files.

    It first raises the process's soft limit, which is often 1024, as far as needed and allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(32, min(wanted, soft - OTHER_FILES))
