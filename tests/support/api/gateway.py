"""What API Gateway hands to Lambda for an HTTP request (REST API, payload 1.0), and what comes
back.

`make_event` does what the gateway does, not what is convenient. Its sources:

- events recorded from AWS (localstack/localstack,
  tests/storage/aws/services/apigateway/test_apigateway_lambda.snapshot.json): paths and their
  variables stay as they were sent, also with a slash at the end; of a query, values are decoded and
  a name's last one counts; Authorization and User-Agent are written so, other names as they were
  sent
- https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: `;`
  parts a query
- .../api-gateway-payload-encodings-workflow.html: a body is base64 if its Content-Type is binary
- localstack/localstack, next_gen/execute_api/header_utils.py: which headers are dropped
"""

import base64
import json
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from chalice.app import Chalice
from msgspec import Struct

from chalicelib.api.application import Routes, normalize_path

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "962974737227706390007700"
LAMBDAS_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
"""Of a request. The gateway has another."""
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


class Reply(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: str
    is_base64: bool = False
    faults: tuple[str, ...] = ()
    """If the status is 500, the exceptions that were logged, with their places: a failing test
    shows them."""

    @property
    def data(self) -> bytes:
        return base64.b64decode(self.body) if self.is_base64 else self.body.encode()

    @property
    def json(self) -> dict[str, Any]:
        assert not self.is_base64
        return json.loads(self.body)


class Part(Struct, frozen=True):
    """A part of a multipart form; a file where it has a file name."""

    name: str
    data: bytes
    filename: str | None = None
    headers: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        named = f'; filename="{self.filename}"' if self.filename is not None else ""
        lines = [
            f'Content-Disposition: form-data; name="{self.name}"{named}',
            *self.headers,
            "",
            "",
        ]
        return "\r\n".join(lines).encode() + self.data


def multipart(parts: Iterable[Part], *, end: bool = True) -> bytes:
    opened = b"".join(
        b"--" + BOUNDARY.encode() + b"\r\n" + part.encoded() + b"\r\n" for part in parts
    )
    return opened + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


class Call(Struct, frozen=True):
    """A request as it goes over the wire: path and query as they stand in its first line."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def send(
    app: Chalice,
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    content_type: str | None = FORM,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Sequence[str]] | None = None,
    called: str | None = None,
) -> Reply:
    """Send a request. `called`: the whole path, if it is not the stage's and `path`."""
    sent = {
        **({"Content-Type": content_type} if content_type is not None else {}),
        **(headers or {}),
    }
    call = Call(method, path, urlencode(query or {}, doseq=True), tuple(sent.items()), body)
    logged = _Faults()
    logging.getLogger().addHandler(logged)
    try:
        event = make_event(app, call, f"/api{path}" if called is None else called)
        answer = app(event, SimpleNamespace(aws_request_id=LAMBDAS_ID))
    finally:
        logging.getLogger().removeHandler(logged)
    several = {name: ", ".join(values) for name, values in answer["multiValueHeaders"].items()}
    headers_of = {name.lower(): value for name, value in {**answer["headers"], **several}.items()}
    sent_body = "" if method == "HEAD" else answer["body"]  # as any HTTP server does
    faults = tuple(logged.found) if answer["statusCode"] == 500 else ()
    return Reply(
        answer["statusCode"], headers_of, sent_body, bool(answer.get("isBase64Encoded")), faults
    )


class _Faults(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            *_, frame = traceback.extract_tb(record.exc_info[2])
            self.found.append(f"{record.exc_info[1]!r} in {frame.filename}:{frame.lineno}")


_DROPPED = frozenset(
    (
        *(
            "connection",
            "content-length",
            "content-md5",
            "expect",
            "max-forwards",
            "proxy-authenticate",
            "server",
            "te",
        ),
        *("transfer-encoding", "trailer", "upgrade", "www-authenticate"),
    )
)
_TITLED = frozenset({"authorization", "user-agent"})


def make_event(app: Chalice, call: Call, called: str) -> dict[str, Any]:
    """Make the event of a request. `called`: its whole path, with that of the stage."""
    headers: dict[str, list[str]] = {}
    for name, value in call.headers:
        if name.lower() not in _DROPPED:
            headers.setdefault(name.title() if name.lower() in _TITLED else name, []).append(value)
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(call.query.replace(";", "&"), keep_blank_values=True):
        query.setdefault(name, []).append(value)
    is_base64 = is_binary(app, dict(lower_names(call.headers)).get("content-type", ""))
    text = (
        base64.b64encode(call.body).decode() if is_base64 else call.body.decode("utf-8", "replace")
    )
    declared = tuple((route, *methods) for route, methods in app.routes.items())
    path = normalize_path(call.path)
    resource, parameters = _make_routes(declared).match(call.method, path) or (call.path, {})
    return {
        "resource": resource,
        "path": call.path,
        "httpMethod": call.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": call.method,
            "path": called,
            "stage": "api",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": text or None,
        "isBase64Encoded": bool(call.body) and is_base64,
    }


@lru_cache
def _make_routes(declared: tuple[tuple[str, ...], ...]) -> Routes:
    """Return the routes, each with its methods: to compile them took as long as to answer."""
    return Routes({route: dict.fromkeys(methods) for route, *methods in declared})


def is_binary(app: Chalice, media_type: str) -> bool:
    return media_type.partition(";")[0].strip().lower() in app.api.binary_types


def lower_names(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((name.lower(), value) for name, value in headers)
