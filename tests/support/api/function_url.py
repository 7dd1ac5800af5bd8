"""A function URL in front of a handler: HTTP requests to 127.0.0.1 become events of payload version
2.0.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from chalicelib.domain.model import Credentials
from tests.support.api.rekognition.client import hold

Handler = Callable[[dict[str, Any]], Mapping[str, Any]]

TEXTS = ("application/json", "application/xml", "application/javascript")
"""Types besides `text/*` that come as text; a form is base64, and what has no type
(ministackorg/ministack 766)."""
_LAMBDA_TAKES = 6_291_556
"""Bytes of an event; Lambda itself answers 413 to what is longer."""


@contextmanager
def function_url(handler: Handler) -> Iterator[str]:
    """Serve until the block ends; gives the URL.

    One request runs at a time, as in one environment of a function.
    """
    at_work = threading.Lock()

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent: dict[str, str] = {}
            for name, value in self.headers.items():
                sent[name.lower()] = (
                    f"{sent[name.lower()]},{value}" if name.lower() in sent else value
                )
            event = event_of(self.command, self.path, sent, body)
            if len(json.dumps(event)) > _LAMBDA_TAKES:
                return self._reply(413, {}, '{"Message":null}')
            with at_work:
                answer = handler(event)
            # Lambda passes over multiValueHeaders in this version.
            return self._reply(answer["statusCode"], answer["headers"], answer["body"])

        def _reply(self, status: int, headers: Mapping[str, str], body: str) -> None:
            content = body.encode()
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def event_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Make the event of a request. `headers`: by their names in small letters."""
    url = urlsplit(target)
    media_type = headers.get("content-type", "").partition(";")[0]
    is_text = media_type.startswith("text/") or media_type in TEXTS
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": {**headers, "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.7"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "u12345",
            "domainName": headers.get("host", ""),
            "http": {
                "method": method,
                "path": url.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": "15/Jan/2026:09:30:00 +0000",
            "timeEpoch": 1768469400000,
        },
        **({"body": body.decode() if is_text else base64.b64encode(body).decode()} if body else {}),
        "isBase64Encoded": bool(body) and not is_text,
    }


def rekognition(url: str, credentials: Credentials, **named: Any) -> Any:
    """Make boto3's client of an endpoint. Its answers are held against the model of the service.

    `named`: arguments of boto3.client besides.
    """
    client = boto3.client(
        "rekognition",
        **{
            "endpoint_url": url,
            "region_name": "eu-central-1",
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}),
            **named,
        },
    )

    def held(operation_model: Any, response_dict: Mapping[str, Any], **_event: Any) -> None:
        if response_dict["status_code"] == 200:
            hold(
                json.loads(response_dict["body"]),
                operation_model.output_shape,
                operation_model.name,
            )

    client.meta.events.register("before-parse.rekognition", held)
    return client
