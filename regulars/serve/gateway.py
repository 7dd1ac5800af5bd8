"""The part of API Gateway on one box: it makes an HTTP request the gateway's event, and the app's
answer a response.

The events have the shape of a REST API's Lambda proxy integration (payload version 1.0), so the
same app answers here and in Lambda. Only the body is there as it came: base64 and back takes longer
than all else here.
"""

from __future__ import annotations

import base64
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

from chalice.app import Chalice
from msgspec import Struct, field

from chalicelib import telemetry
from chalicelib.api.application import Routes, convert_to_rest_event
from chalicelib.api.dialects import find_owner
from chalicelib.api.http import MAX_BODY_BYTES, ONE_BOX, Views
from chalicelib.api.v1 import routes as v1
from chalicelib.domain.errors import Busy, NotFound
from regulars.serve.messages import (
    BodyTooLarge,
    Request,
    Response,
    compress_response,
    convert_response,
    make_message,
)

_log = logging.getLogger(__name__)
_STATUSES: Mapping[type[Exception], int] = {NotFound: 404, BodyTooLarge: 413}
"""Of what the front refuses, in dialects that have codes in the body, too."""
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"}
)
_OF_THE_CONNECTION = frozenset({"transfer-encoding"})
"""Headers that the app does not see: it gets a chunked body in one piece."""


class Context(Struct, frozen=True):
    """The part of Lambda's context object that handlers may use.

    `chalice.local.LambdaContext` would measure the time left by the wall clock, which somebody may
    set meanwhile.
    """

    function_name: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deadline: float = field(default_factory=lambda: time.monotonic() + 30)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def find_views(path: str) -> Views:
    """Return the views of the dialect that owns a path: v1's, unless another does."""
    owner = find_owner(path)
    return v1.VIEWS if owner is None else owner.views


class Gateway:
    """The part of the server in front of a Chalice app."""

    copies = 5
    """Times that a body lies in memory: as it came, as text, as bytes again, its parts or members,
    as a picture."""

    def __init__(self, app: Chalice) -> None:
        """Stand before `app`, which answers several threads at a time."""
        self._app = app
        self._routes = Routes(app.routes)

    def admit(self, head: Request) -> int:
        """Return how many bytes the body may have. Raises NotFound."""
        route, _ = self._match_route(head)
        return find_views(head.path).max_bytes_by_route.get((head.method, route), MAX_BODY_BYTES)

    def answer_error(self, head: Request, error: Exception) -> Response:
        """Answer in the words of the path's dialect."""
        views, status = find_views(head.path), _STATUSES.get(type(error))
        response = views.answer_error(
            views.body_too_long if isinstance(error, BodyTooLarge) else error, head.path
        )
        if status and response.status_code == 200:
            response.status_code = status
        if isinstance(error, Busy):
            response.headers.setdefault("Retry-After", "1")
        return convert_response(response)

    def answer(self, request: Request) -> Response:
        """Answer one request by the app.

        An error of the app becomes the gateway's 502. Raises NotFound.
        """
        matched = self._match_route(request)
        try:
            answer = self._app(_make_event(request, matched), Context("api"))
            return compress_response(
                _make_response(answer), request.headers.get("accept-encoding", "")
            )
        except Exception:
            _log.exception("the handler of a %s failed", request.method)
            return make_message(502, "Internal server error")

    def _match_route(self, head: Request) -> tuple[str, dict[str, str]]:
        """Return the route and its parameters, with their escapes. Raises NotFound."""
        matched = self._routes.match(head.method, head.escaped_path or head.path)
        if matched is None:
            raise NotFound(find_views(head.path).unknown_path)
        telemetry.of_route(head.method, matched[0])
        return matched


def _make_event(request: Request, matched: tuple[str, dict[str, str]]) -> dict[str, Any]:
    """Make the gateway's event of a request.

    `matched`: the route and the parameters of its path.
    """
    headers = {
        name.title(): value
        for name, value in request.headers.items()
        if name not in _OF_THE_CONNECTION
    }
    headers["X-Forwarded-Proto"] = request.scheme
    invocation = telemetry.current()
    caller = {
        "method": request.method,
        "sourceIp": request.client,
        "userAgent": headers.get("User-Agent"),
    }
    event = {
        "rawPath": request.called_path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "http": caller,
            "requestId": invocation.request_id if invocation else str(uuid.uuid4()),
        },
        "body": request.body or None,
    }
    return convert_to_rest_event(event, *matched, ONE_BOX)


def _make_response(answer: Mapping[str, Any]) -> Response:
    """Make the response of the app's answer in the gateway's form."""
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
