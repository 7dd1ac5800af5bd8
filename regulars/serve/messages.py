"""Requests and responses, as the parts of the server hand them to each other.

Answers go by gzip to clients that take it, as those of the gateway on AWS do from as many bytes on
(infra/functions.yaml).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping

from chalice.app import Response as AppResponse
from msgspec import Struct, field
from msgspec.structs import replace
from werkzeug.http import parse_accept_header

from chalicelib import telemetry

BAD_REQUEST = "BadRequest"
"""Code of the log for bytes that are no request."""

_WITHOUT_BODY = frozenset({204, 304})
"""Statuses whose answers have no body, nor a Content-Length (RFC 9110, 6.4.1)."""


class Request(Struct, frozen=True):
    """A request. `headers`: by lower-case name, repeated ones joined with commas.

    `client`: the sender's address.
    """

    method: str
    path: str
    """Decoded, without the query, in its normal form."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    scheme: str = "http"
    called_path: str = ""
    """As it was sent, decoded."""
    escaped_path: str = ""
    """In its normal form, with its escapes: a slash that is escaped parts nothing. "": as
    `path`."""

    @property
    def is_chunked(self) -> bool:
        """True if the body comes in chunks, so that its length is not announced."""
        return "transfer-encoding" in self.headers

    @property
    def announced_bytes(self) -> int:
        """Announced length of the body; 0 if there is none, or it comes in chunks."""
        return int(self.headers.get("content-length", "0"))


class Response(Struct, frozen=True):
    """A response to send. `headers` may hold a name more than once."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def sent_body(self) -> bytes:
        """The body, which some statuses do not have."""
        return b"" if self.status in _WITHOUT_BODY else self.body

    def encode_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as they are sent.

        Answers are never cached unless their headers say so.
        """
        headers, invocation = list(self.headers), telemetry.current()
        present_names = {name.lower() for name, _ in headers}
        if "cache-control" not in present_names:
            headers.append(("Cache-Control", "no-store"))
        if invocation is not None and "x-request-id" not in present_names:
            headers.append(("X-Request-Id", invocation.request_id))
        if self.status not in _WITHOUT_BODY:
            headers.append(("Content-Length", str(len(self.body))))
        return [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in headers
        ]


class BodyTooLarge(Exception):
    """A body has more bytes than were allowed."""


def make_json_response(
    status: int, body: Mapping[str, object], *headers: tuple[str, str]
) -> Response:
    return Response(
        status, (("Content-Type", "application/json"), *headers), json.dumps(body).encode()
    )


def convert_response(app_response: AppResponse) -> Response:
    """Convert a response that was made without the application."""
    headers = tuple((name, str(value)) for name, value in app_response.headers.items())
    return Response(app_response.status_code, headers, app_response.body.encode())


def make_message(status: int, text: str) -> Response:
    """Make the gateway's answer to a request that no dialect sees."""
    return make_json_response(status, {"message": text})


LEAST_BYTES = 1024
"""Bytes from which on an answer is compressed: smaller ones fit a packet as they are."""
_LONGEST = 1000
"""Characters of an Accept-Encoding that are read: it takes time with the square of them."""

_LEVEL, _LEVEL_FOR_GOOD = 4, 9
"""30,000 ids (660 KB) take 18 ms and are 44 % of their size; at level 9, 117 ms and 42 %. That pays
for what a browser asks for once.
"""

_TEXTS = ("text/", "application/json", "application/problem+json")


def compress_response(response: Response, accepted: str) -> Response:
    """Compress the answer's body if it is a longer text and `accepted`, the Accept-Encoding, has
    gzip."""
    headers = {name.lower(): value for name, value in response.headers}
    if (
        len(response.body) < LEAST_BYTES
        or not headers.get("content-type", "").startswith(_TEXTS)
        or "content-encoding" in headers
    ):
        return response
    varied = (*response.headers, ("Vary", "Accept-Encoding"))
    if not parse_accept_header(accepted[:_LONGEST]).quality("gzip"):
        return replace(response, headers=varied)
    level = _LEVEL_FOR_GOOD if "immutable" in headers.get("cache-control", "") else _LEVEL
    body = gzip.compress(response.body, level, mtime=0)
    return replace(response, headers=(*varied, ("Content-Encoding", "gzip")), body=body)
