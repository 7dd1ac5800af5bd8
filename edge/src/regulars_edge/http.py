"""One exchange over HTTP, with keep-alive: an answer, or Unreachable. What answers mean is service.py's business."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import urllib3

from regulars_edge import __version__
from regulars_edge.clock import Clock
from regulars_edge.errors import Misconfigured, Unreachable
from regulars_edge.redact import redacted

LARGEST_ANSWER_BYTES = 8 * 2**20
_READ_BYTES = 65_536


class Body(Protocol):
    """What a request sends: a stream that is read from where it stands."""

    def read(self, amount: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Answer:
    """`sent_boot_ms`, `received_boot_ms`: by this machine's clock, before the request and after the answer's head."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    sent_boot_ms: int
    received_boot_ms: int


@dataclass(frozen=True)
class Timeouts:
    """`whole_s` bounds an answer that trickles; a body may take as long as it moves."""

    connect_s: float = 10.0
    silence_s: float = 60.0
    whole_s: float = 180.0


class Http:
    """May be used from several threads. TLS certificates are verified, against `ca_file` or the system's."""

    def __init__(self, clock: Clock, timeouts: Timeouts | None = None, ca_file: Path | None = None) -> None:
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise Misconfigured(f"the certificates in {ca_file} cannot be read: {error}") from error
        context.hostname_checks_common_name = False  # RFC 9525: the subject does not count if hosts are named
        self._pool = urllib3.PoolManager(
            num_pools=8,
            maxsize=4,
            retries=False,
            ssl_context=context,
            timeout=urllib3.Timeout(connect=self._timeouts.connect_s, read=self._timeouts.silence_s),
            headers={"User-Agent": f"regulars-edge/{__version__}"},
        )

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        largest: int = LARGEST_ANSWER_BYTES,
    ) -> Answer:
        """Redirects are not followed. Raises Unreachable, for an answer that breaks off or is over `largest` too."""
        sent = self._clock.boot_ms()
        try:
            response = self._pool.request(
                method,
                url,
                body=body,  # type: ignore[arg-type] # urllib3 asks for a whole IO and reads
                headers={**self._pool.headers, **(headers or {})},
                preload_content=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unreachable(f"{_place(url)} does not answer: {_reason(error)}") from error
        received = self._clock.boot_ms()
        try:
            content = self._read(response, largest)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            response.close()
            raise Unreachable(f"the answer of {_place(url)} broke off: {_reason(error)}") from error
        except Unreachable:
            response.close()
            raise
        response.release_conn()
        return Answer(response.status, response.headers, content, sent, received)

    def forget(self) -> None:
        """Close all idle connections: after an answer that cannot be ours, none of them is to be trusted."""
        self._pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse, largest: int) -> bytes:
        deadline = time.monotonic() + self._timeouts.whole_s
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_READ_BYTES):
            parts.append(part)
            size += len(part)
            if size > largest:
                raise Unreachable(f"an answer of more than {largest} bytes")
            if time.monotonic() > deadline:
                raise Unreachable(f"an answer that was not whole after {self._timeouts.whole_s:g} s")
        return b"".join(parts)


def _place(url: str) -> str:
    return redacted(url.partition("?")[0])


def _reason(error: BaseException) -> str:
    text = redacted(str(error)) or type(error).__name__
    return text[:300]
