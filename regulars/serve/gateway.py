"""The part of API Gateway on one box: it makes an HTTP request the gateway's event, and the app's answer a response.

The events have the shape of a REST API's Lambda proxy integration (payload version 1.0), so the same app answers here
and in Lambda. Only a binary body is there as it came: base64 and back takes longer than all else here.
"""

from __future__ import annotations

import base64
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Chalice

from chalicelib.api.application import Routes, of_the_rest_api
from chalicelib.api.http import MAX_BODY_BYTES, ONE_BOX
from chalicelib.core import telemetry
from regulars.serve import refusals
from regulars.serve.messages import NO_SUCH_PATH, Refused, Request, Response, compressed, message

_log = logging.getLogger(__name__)
_OWN_HEADERS = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})
_OF_THE_CONNECTION = frozenset({"transfer-encoding"})
"""Headers that the app does not see: it gets a chunked body in one piece."""


@dataclass(frozen=True)
class Context:
    """The part of Lambda's context object that handlers may use.

    `chalice.local.LambdaContext` would measure the time left by the wall clock, which somebody may set meanwhile.
    """

    function_name: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    memory_limit_in_mb: int = 1024
    deadline: float = field(default_factory=lambda: time.monotonic() + 30)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class Gateway:
    """The part of the server in front of a Chalice app."""

    copies = 5
    """Times that a body lies in memory: as it came, as text, as bytes again, its parts or members, as a picture."""

    def __init__(self, app: Chalice, *, larger: Mapping[tuple[str, str], int] | None = None) -> None:
        """Stand before `app`, which answers several threads at a time.

        `larger`: limits of bodies, by method and route, that are not MAX_BODY_BYTES.
        """
        self._app = app
        self._routes = Routes(app.routes)
        self._larger = larger or {}

    def admit(self, head: Request) -> int:
        """Return how many bytes the body may have. Raises Refused."""
        route, _ = self._matched(head)
        return self._larger.get((head.method, route), MAX_BODY_BYTES)

    def too_long(self, head: Request) -> Response:
        return refusals.too_long(head.path)

    def busy(self, head: Request) -> Response:
        return refusals.busy(head.path)

    def answer(self, request: Request) -> Response:
        """Answer one request by the app. It never raises: an error of the app becomes the gateway's 502."""
        try:
            event = _event(request, self._matched(request), self._app.api.binary_types)
            return compressed(_response(self._app(event, Context("api"))), request.headers.get("accept-encoding", ""))
        except Refused as refused:
            return refused.response
        except Exception:
            _log.exception("the handler of a %s failed", request.method)
            return message(502, "Internal server error")

    def _matched(self, head: Request) -> tuple[str, dict[str, str]]:
        """Return the route and its parameters. Raises Refused."""
        matched = self._routes.match(head.method, head.path)
        if matched is None:
            telemetry.answered(NO_SUCH_PATH, NO_SUCH_PATH)
            raise Refused(refusals.unknown(head.path))
        telemetry.of_route(head.method, matched[0])
        return matched


def _event(request: Request, matched: tuple[str, dict[str, str]], binary_types: list[str]) -> dict[str, Any]:
    headers = {name.title(): value for name, value in request.headers.items() if name not in _OF_THE_CONNECTION}
    headers["X-Forwarded-Proto"] = request.scheme
    this = telemetry.current()
    caller = {"method": request.method, "sourceIp": request.client, "userAgent": headers.get("User-Agent")}
    event = {
        "rawPath": request.called_path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {"http": caller, "requestId": this.request_id if this else str(uuid.uuid4())},
        "body": _body(request.body, request.headers.get("content-type", ""), binary_types),
    }
    return of_the_rest_api(event, *matched, ONE_BOX)


def _body(body: bytes, content_type: str, binary_types: list[str]) -> bytes | str | None:
    """Return the event's body: a text, unless it is of the app's binary media types, or is no text."""
    if not body:
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    if "*/*" in binary_types or media_type in (binary.lower() for binary in binary_types):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body  # a signature is of the bytes that were sent


def _response(answer: Mapping[str, Any]) -> Response:
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers += [(name, str(value)) for value in values]
    headers = [(name, value) for name, value in headers if name.lower() not in _OWN_HEADERS]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    body = answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body)
    elif isinstance(body, str):
        body = body.encode("utf-8")
    return Response(int(answer["statusCode"]), tuple(headers), body)
