"""What API Gateway hands to Lambda for an HTTP request (REST API, payload 1.0), and what comes back."""

import base64
import json
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from chalice.app import Chalice
from msgspec import Struct

from chalicelib.doors.application import Routes, normalize_path

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
    """If the status is 500, the exceptions that were logged, with their places: a failing test shows them."""

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
        lines = [f'Content-Disposition: form-data; name="{self.name}"{named}', *self.headers, "", ""]
        return "\r\n".join(lines).encode() + self.data


def multipart(parts: Iterable[Part], *, end: bool = True) -> bytes:
    opened = b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + part.encoded() + b"\r\n" for part in parts)
    return opened + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


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
    sent = {**({"Content-Type": content_type} if content_type is not None else {}), **(headers or {})}
    logged = _Faults()
    logging.getLogger().addHandler(logged)
    try:
        answer = app(
            _event(app, method, path, sent, query, body, f"/api{path}" if called is None else called),
            SimpleNamespace(aws_request_id=LAMBDAS_ID),
        )
    finally:
        logging.getLogger().removeHandler(logged)
    headers_of = {name.lower(): value for name, value in answer["headers"].items()}
    sent_body = "" if method == "HEAD" else answer["body"]  # as any HTTP server does
    faults = tuple(logged.found) if answer["statusCode"] == 500 else ()
    return Reply(answer["statusCode"], headers_of, sent_body, bool(answer.get("isBase64Encoded")), faults)


class _Faults(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            *_, frame = traceback.extract_tb(record.exc_info[2])
            self.found.append(f"{record.exc_info[1]!r} in {frame.filename}:{frame.lineno}")


def _event(
    app: Chalice,
    method: str,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, Sequence[str]] | None,
    body: bytes,
    called: str,
) -> dict[str, Any]:
    media_type = {name.lower(): value for name, value in headers.items()}.get("content-type", "").partition(";")[0]
    is_binary = media_type.strip().lower() in app.api.binary_types
    resource, parameters = Routes(app.routes).match(method, normalize_path(path)) or (path, {})
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": {name: list(values) for name, values in query.items()} if query else None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": called,
            "stage": "api",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": (base64.b64encode(body).decode() if is_binary else body.decode("utf-8", "replace")) if body else None,
        "isBase64Encoded": bool(body) and is_binary,
    }
