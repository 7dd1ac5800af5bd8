"""Requests and responses, as the parts of the server hand them to each other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalice.app import Response as AppResponse

NO_SUCH_PATH, BAD_REQUEST, TOO_LONG, BUSY = "NotFound", "BadRequest", "BodyTooLarge", "Busy"
"""Codes of the log for what is refused before a dialect sees it."""

_BROKEN = re.compile(r"[\r\n\0]")
_WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True)
class Request:
    """A request. `headers`: by lower-case name, repeated ones joined with commas. `client`: the sender's address."""

    method: str
    path: str
    """Decoded, without the query."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    scheme: str = "http"

    @property
    def is_chunked(self) -> bool:
        """True if the body comes in chunks, so that its length is not announced."""
        return "transfer-encoding" in self.headers

    @property
    def announced_bytes(self) -> int:
        """Announced length of the body; 0 if there is none, or it comes in chunks."""
        return int(self.headers.get("content-length", "0"))


@dataclass(frozen=True)
class Response:
    """A response to send. `headers` may hold a name more than once."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __post_init__(self) -> None:
        """Raise ValueError if a header has a line break."""
        if any(_BROKEN.search(name + value) for name, value in self.headers):
            raise ValueError("a header of the answer has a line break")

    @property
    def sent_body(self) -> bytes:
        """The body, which some statuses do not have."""
        return b"" if self.status in _WITHOUT_BODY else self.body

    def sent_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as they are sent. Answers are never cached unless their headers say so."""
        headers = list(self.headers)
        if not any(name.lower() == "cache-control" for name, _ in headers):
            headers.append(("Cache-Control", "no-store"))
        if self.status not in _WITHOUT_BODY:
            headers.append(("Content-Length", str(len(self.body))))
        return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]


class Refused(Exception):
    """A request that is refused at its head, with the response to it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def of_json(status: int, body: Mapping[str, object], *headers: tuple[str, str]) -> Response:
    return Response(status, (("Content-Type", "application/json"), *headers), json.dumps(body).encode())


def of_app(made: AppResponse) -> Response:
    """Convert a response that was made without the application."""
    headers = tuple((name, str(value)) for name, value in made.headers.items())
    return Response(made.status_code, headers, made.body.encode())


def message(status: int, text: str) -> Response:
    """Make the gateway's answer to a request that no dialect sees."""
    return of_json(status, {"message": text})
