"""Requests to the Rekognition dialect that no SDK would send, signed by botocore's parts, and
answers as they come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from msgspec import Struct, field
from msgspec.structs import replace

JSON = "application/x-amz-json-1.1"
TIME = "%Y%m%dT%H%M%SZ"

Headers = Mapping[str, str]


class Answer(Struct, frozen=True):
    """An answer. `headers`: by name in small letters."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[str, str]:
        return self.json["__type"], self.json["Message"]


class Wire(Struct, frozen=True):
    """A way to send requests to one endpoint as one tenant. Fields say what is signed."""

    url: str
    pair: Credentials
    service: str = "rekognition"
    region: str = "eu-central-1"
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=8, retries=False)
    )

    def but(self, **changed: Any) -> Wire:
        return replace(self, **changed)

    def signed(
        self,
        operation: str,
        body: bytes,
        headers: Headers | None = None,
        *,
        at: datetime | None = None,
    ) -> dict[str, str]:
        """Sign a request as botocore does, at any time; return all its headers."""
        given = {
            "Content-Type": JSON,
            "X-Amz-Target": f"RekognitionService.{operation}",
            **(headers or {}),
        }
        request = AWSRequest("POST", self.url, data=body, headers=given)
        signer = SigV4Auth(self.pair, self.service, self.region)
        request.context["timestamp"] = request.headers["X-Amz-Date"] = (
            at or datetime.now(UTC)
        ).strftime(TIME)
        signature = signer.signature(
            signer.string_to_sign(request, signer.canonical_request(request)), request
        )
        names = signer.signed_headers(signer.headers_to_sign(request))
        claim = f"Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"
        return {name: str(value) for name, value in request.headers.items()} | {
            "Authorization": f"AWS4-HMAC-SHA256 {claim}"
        }

    def send(
        self, body: bytes, headers: Headers, *, method: str = "POST", query: str = ""
    ) -> Answer:
        url = f"{self.url}/{query}"
        answer = self.pool.request(method, url, body=body, headers=headers, redirect=False)
        return Answer(
            answer.status,
            {name.lower(): value for name, value in answer.headers.items()},
            answer.data,
        )

    def call(
        self, operation: str, members: Any, headers: Headers | None = None, **named: Any
    ) -> Answer:
        """Send members, or a body as it is, signed."""
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        return self.send(body, self.signed(operation, body, headers, **named))
