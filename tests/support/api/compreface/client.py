"""A client as the SDKs are: what they send, as the gateway hands it on."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, unquote

from chalice.app import Chalice
from msgspec import Struct
from msgspec.structs import replace

from tests.support.api.gateway import MULTIPART, Part, Reply, multipart, send

RECOGNITION = "/api/v1/recognition"


class Client(Struct, frozen=True):
    """A client with one key. A path may have a query."""

    app: Chalice
    key: str | None

    def with_key(self, key: str | None) -> Client:
        return replace(self, key=key)

    def send(
        self, method: str, path: str, body: bytes = b"", content_type: str | None = None
    ) -> Reply:
        path, _, query = path.partition("?")
        headers = {} if self.key is None else {"X-Api-Key": self.key}
        sent = parse_qs(query, keep_blank_values=True) or None
        return send(
            self.app,
            unquote(path),
            body,
            method=method,
            content_type=content_type,
            headers=headers,
            query=sent,
        )

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def delete(self, path: str) -> Reply:
        return self.send("DELETE", path)

    def json(self, path: str, value: Any, method: str = "POST") -> Reply:
        return self.send(method, path, json.dumps(value).encode(), "application/json")

    def form(
        self, path: str, content_type: str = MULTIPART, name: str = "a.jpg", **files: bytes
    ) -> Reply:
        parts = [Part(field, data, name) for field, data in files.items()]
        return self.send("POST", path, multipart(parts), content_type)

    def add(self, subject: str, photo: bytes) -> str:
        reply = self.form(f"{RECOGNITION}/faces?subject={subject}", file=photo)
        assert reply.status == 201, reply
        return str(reply.json["image_id"])

    def subjects(self) -> list[str]:
        return list(self.get(f"{RECOGNITION}/subjects").json["subjects"])

    def examples(self, query: str = "") -> list[dict[str, str]]:
        return list(self.get(f"{RECOGNITION}/faces?{query}").json["faces"])

    def named(self, photo: bytes, query: str = "") -> list[dict[str, Any]]:
        """Return the subjects of the first face."""
        reply = self.form(f"{RECOGNITION}/recognize?{query}", file=photo)
        assert reply.status == 200, reply
        return list(reply.json["result"][0]["subjects"])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
