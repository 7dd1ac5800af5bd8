"""A small client of v1, written from its document: for the demo, the doctor, the benchmarks, and as
an example.

It shares no code with the server, so that a mistake in one shows up against the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

import urllib3
from msgspec import Struct

from regulars.errors import WrongAnswer


class Reply(Struct, frozen=True):
    """An HTTP answer.

    `json`: None if the body is no JSON; `elapsed_ms`: as the client measured it.
    """

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    json: Any
    elapsed_ms: float
    text: str = ""


class Transport(Protocol):
    """A way to send a request to a service: a connection, or a call in this process."""

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply: ...


class Connection:
    """One kept-alive HTTP connection, for one thread at a time."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self._url = url
        self._pool = urllib3.connection_from_url(
            url, maxsize=1, block=True, timeout=timeout_s, retries=False
        )

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request and read its answer, without following redirects.

        Raises ConnectionError if none comes.
        """
        began = time.perf_counter()
        try:
            response = self._pool.request(method, path, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{self._url} does not answer: {error}") from error
        elapsed_ms = (time.perf_counter() - began) * 1000
        try:
            answer = response.json()
        except ValueError:
            answer = None
        return Reply(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            answer,
            elapsed_ms,
            response.data.decode(errors="replace"),
        )


class V1(Struct, frozen=True):
    connection: Transport
    api_key: str

    def request_reply(
        self, method: str, path: str, body_object: Mapping[str, Any] | None = None
    ) -> Reply:
        """Send a request and return whatever is answered."""
        body = b"" if body_object is None else json.dumps(body_object).encode()
        headers = {"Authorization": f"Bearer {self.api_key}"}
        if body_object is not None:
            headers["Content-Type"] = "application/json"
        return self.connection.request(method, path, body, headers)

    def call(self, method: str, path: str, body_object: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return the answer's JSON.

        Raises WrongAnswer if the status is 300 or more.
        """
        reply = self.request_reply(method, path, body_object)
        if reply.status >= 300:
            why = reply.json.get("detail") if isinstance(reply.json, dict) else None
            raise WrongAnswer(f"{method} {path} answered HTTP {reply.status}: {why or reply.json}")
        return reply.json
