"""A service that answers as a test says, and keeps what it was sent."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.web.servers import head, serving

Said = bytes | None
"""An answer's bytes. None: the connection breaks."""


class Service:
    """`answers` are given one after the other, the last one again and again."""

    def __init__(self, *answers: Said) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        with serving(self._answer) as port:
            yield f"http://127.0.0.1:{port}"

    def header(self, name: str) -> list[str]:
        """The values of a header, one a request."""
        lines = [line for text in self.heads for line in text.split("\r\n")]
        return [
            line.partition(": ")[2]
            for line in lines
            if line.lower().startswith(f"{name.lower()}: ")
        ]

    def _answer(self, sock: socket.socket, request: bytes) -> None:
        self.heads.append(request.partition(b"\r\n\r\n")[0].decode())
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if said is not None:
            sock.sendall(said)


def answer(body: Any, *headers: str, status: str = "200 OK") -> bytes:
    data = json.dumps(body).encode()
    return head(*headers, "Connection: close", f"Content-Length: {len(data)}", status=status) + data


def problem(status: str, code: str, *headers: str, **more: Any) -> bytes:
    return answer(
        {"code": code, "detail": "what was wrong", "request_id": "r-1", **more},
        *headers,
        status=status,
    )
