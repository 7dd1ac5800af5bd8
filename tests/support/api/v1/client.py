"""A client of v1 as its users write one, which holds each answer against docs/api/v1.yaml."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from chalice.app import Chalice

from chalicelib.domain.captures import Capture
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.support.api.gateway import Reply, send
from tests.support.api.v1.document import Document

HOST = "box.example:8080"


@cache
def document() -> Document:
    return Document()


class V1Client:
    def __init__(self, app: Chalice, api_key: str | None) -> None:
        self.app = app
        self.api_key = api_key

    def with_key(self, api_key: str | None) -> V1Client:
        return V1Client(self.app, api_key)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Reply:
        """`body`: bytes as they are, anything else as JSON, None: no body."""
        data = (
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        authorization = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        texts = {
            name: value if isinstance(value, list) else [str(value)]
            for name, value in (query or {}).items()
        }
        reply = send(
            self.app,
            path,
            data,
            method=method,
            content_type=None if body is None else content_type,
            headers={"Host": HOST, **authorization, **(headers or {})},
            query=texts,
        )
        if method == "HEAD":  # it has the headers of GET, and no body
            return reply
        require_as_documented(method, path, reply)
        if reply.status < 300:
            sent_as = (headers or {}).get("Content-Type", content_type)
            document().require_request(method, path, sent_as, data, texts)
        return reply

    def done(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """What is answered to a call that succeeds."""
        reply = self.send(method, path, body, query=query)
        assert reply.status < 300, reply
        return reply.json

    def done_without_body(self, method: str, path: str) -> None:
        reply = self.send(method, path)
        assert (reply.status, reply.body) == (204, ""), reply

    def failed(
        self, status: int, method: str, path: str, body: Any = None, **query: Any
    ) -> dict[str, Any]:
        """The error that is answered to a call that fails so."""
        reply = self.send(method, path, body, query=query)
        assert reply.status == status, reply
        return reply.json

    def add_camera(self, name: str = "door", **settings: Any) -> dict[str, Any]:
        return self.done("POST", "/v1/cameras", {"name": name, **settings})

    def offer(self, *captures: dict[str, Any]) -> list[dict[str, Any]]:
        return self.done("POST", "/v1/captures/uploads", {"captures": captures})["uploads"]

    def take(
        self,
        services: Services,
        data: bytes,
        minutes_ago: float = 0,
        camera: str = "door",
        tenant: str = "shop",
    ) -> Capture:
        """Offer a picture, put it, and have it resolved."""
        (upload,) = self.offer(
            offer_of(data, services.clock.now() - timedelta(minutes=minutes_ago), camera)
        )
        key = keys.capture_picture(tenant, camera, upload["id"])
        services.ports.storage.uploads.put_if_absent(key, data, "image/jpeg")
        return services.sightings.ingest.resolve_capture(tenant, camera, upload["id"])


def require_as_documented(method: str, path: str, reply: Reply) -> None:
    assert re.fullmatch(r"\d{13}", reply.headers["x-regulars-time"])
    assert re.search(r"total;dur=\d", reply.headers["server-timing"])
    if reply.status == 405:
        return
    assert ("www-authenticate" in reply.headers) == (reply.status == 401)
    assert ("retry-after" in reply.headers) == (reply.status in (429, 503))
    is_text = reply.headers.get("content-type", "").startswith("text/")
    body = None if not reply.body else reply.body if is_text else reply.json
    document().require_answer(method, path, reply.status, body)
    if reply.status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json["status"] == reply.status


def offer_of(
    picture: bytes, captured_at: datetime | str | float, camera: str = "door"
) -> dict[str, Any]:
    """What is sent to offer a JPEG."""
    at = captured_at.isoformat() if isinstance(captured_at, datetime) else captured_at
    return {
        "camera": camera,
        "sha256": hashlib.sha256(picture).hexdigest(),
        "size": len(picture),
        "content_type": "image/jpeg",
        "captured_at": at,
    }
