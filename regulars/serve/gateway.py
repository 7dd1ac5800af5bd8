"""The part of API Gateway on one box: it makes an HTTP request the gateway's event, and the app's answer a response.

The events have the shape of a REST API's Lambda proxy integration (payload version 1.0), so the same app answers here
and in Lambda. The other side is WSGI, so any WSGI server can run it.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Chalice, Request

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Limit of a body: Lambda takes events of 6 MB, and base64 makes 5.6 MB of 4 MiB."""

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

_log = logging.getLogger(__name__)
_OWN_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})


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


@dataclass(frozen=True)
class Response:
    """A response to send. `headers` may hold a name more than once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Routes:
    """The app's routes, matched as the gateway does: literal segments go before `{parameters}`."""

    def __init__(self, routes: Mapping[str, Mapping[str, object]]) -> None:
        self._methods = routes
        self._with_parameters = sorted(
            (route.split("/") for route in routes if "{" in route),
            key=lambda segments: [_is_parameter(segment) for segment in segments],
        )

    def match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Find the declared route and its parameters; None if path or method is not declared."""
        path = path.rstrip("/") or "/"
        for route, parameters in self._candidates(path):
            if method in self._methods[route]:
                return route, parameters
        return None

    def _candidates(self, path: str) -> Iterable[tuple[str, dict[str, str]]]:
        if path in self._methods and "{" not in path:
            yield path, {}
        segments = path.split("/")
        for route in self._with_parameters:
            if len(route) != len(segments):
                continue
            pairs = list(zip(route, segments, strict=True))
            if all(sent if _is_parameter(declared) else declared == sent for declared, sent in pairs):
                yield "/".join(route), {declared[1:-1]: sent for declared, sent in pairs if _is_parameter(declared)}


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


class RequestPerThread(Chalice):
    """A Chalice app whose current request and context are the calling thread's own.

    In Lambda one request runs at a time, and the app object keeps both as attributes. `chalice.local.LocalChalice`
    keeps only the request by thread, and raises AttributeError before a thread's first one.
    """

    _of_thread = threading.local()

    @property
    def current_request(self) -> Request | None:
        return getattr(self._of_thread, "request", None)

    @current_request.setter
    def current_request(self, request: Request | None) -> None:
        self._of_thread.request = request

    @property
    def lambda_context(self) -> Any:
        return getattr(self._of_thread, "context", None)

    @lambda_context.setter
    def lambda_context(self, context: Any) -> None:
        self._of_thread.context = context


def for_threads(app: Chalice) -> Chalice:
    """Make `app` safe to call from many threads, and return it. Its handlers do not change."""
    if not isinstance(app, RequestPerThread):
        app.__class__ = type(app.__class__.__name__, (RequestPerThread, app.__class__), {})
    return app


class Gateway:
    """The WSGI application in front of a Chalice app."""

    def __init__(self, app: Chalice, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = for_threads(app)
        self._routes = Routes(app.routes)
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        return respond(self.answer(environ), environ, start_response)

    def answer(self, environ: Environ) -> Response:
        """Answer one request by the app. It never raises: an error of the app becomes the gateway's 502."""
        path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
        matched = self._routes.match(environ["REQUEST_METHOD"], path)
        if matched is None:
            return _message(403, "Missing Authentication Token")
        body = _body(environ, self._max_body_bytes)
        if body is None:
            return _message(413, "Request Too Long")
        try:
            event = _event(environ, matched, path, body, self._app.api.binary_types)
            return _response(self._app(event, Context("api")))
        except Exception:
            _log.exception("the handler of %s failed", path)
            return _message(502, "Internal server error")


def respond(response: Response, environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Send status and headers by WSGI's `start_response`; return the body."""
    status = f"{response.status} {_phrase(response.status)}"
    start_response(status, [*response.headers, ("Content-Length", str(len(response.body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _message(status: int, text: str) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps({"message": text}).encode())


def _body(environ: Environ, limit_bytes: int) -> bytes | None:
    """Read the body; None if it is longer than `limit_bytes`."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > limit_bytes:
        return None
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    return body


def _event(
    environ: Environ, matched: tuple[str, dict[str, str]], path: str, body: bytes, binary_types: list[str]
) -> dict[str, Any]:
    route, parameters = matched
    method = environ["REQUEST_METHOD"]
    headers = headers_of(environ)
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    text, is_base64 = _encoded(body, environ.get("CONTENT_TYPE", ""), binary_types)
    now = datetime.now(UTC)
    return {
        "resource": route,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "httpMethod": method,
            "path": path,
            "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "stage": "box",
            "requestId": str(uuid.uuid4()),
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "identity": {"sourceIp": environ.get("REMOTE_ADDR", ""), "userAgent": headers.get("User-Agent")},
        },
        "body": text,
        "isBase64Encoded": is_base64,
    }


def headers_of(environ: Environ) -> dict[str, str]:
    """Collect the request's headers in their usual spelling. The WSGI server has joined repeated ones with commas."""
    headers = {name[5:].replace("_", "-").title(): str(value) for name, value in environ.items() if _is_passed_on(name)}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH"):
        headers["Content-Length"] = environ["CONTENT_LENGTH"]
    return headers


def _is_passed_on(name: str) -> bool:
    """Tell whether a WSGI variable is a header for the app.

    Transfer-Encoding is not: the app gets a chunked body in one piece.
    """
    return name.startswith("HTTP_") and name != "HTTP_TRANSFER_ENCODING"


def _encoded(body: bytes, content_type: str, binary_types: list[str]) -> tuple[str | None, bool]:
    """Return the event's body, and whether it is in base64, as it is for the app's binary media types."""
    if not body:
        return None, False
    media_type = content_type.partition(";")[0].strip().lower()
    if "*/*" in binary_types or media_type in (binary.lower() for binary in binary_types):
        return base64.b64encode(body).decode("ascii"), True
    return body.decode("utf-8", "replace"), False


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
