"""Probes: calls that a client of another service sends. The doctor sends them and compares the
answers.

No call changes anything: the picture that is sent shows nobody.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import urllib3

from chalicelib.domain.errors import InvalidInput

OWN_THRESHOLD = "each match has reached the service's own threshold"
"""Line of the doctor about a dialect whose clients send no threshold."""


class Reply(Protocol):
    """An answer. `json`: None if the body is none."""

    @property
    def status(self) -> int: ...
    @property
    def json(self) -> Any: ...


class Probe(NamedTuple):
    """A call: its name, the request, and the check whether an answer is what the client expects."""

    subject: str
    path: str
    is_right: Callable[[Reply], bool]
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"


class Keys(dict[str, str]):
    """A client's keys by their names, and under "service" the URL that it calls."""

    def __missing__(self, name: str) -> str:
        raise InvalidInput(f"this dialect needs a line `{name}: ...` in the file that --keys names")


def draw_empty_picture() -> bytes:
    """Draw a JPEG without a face."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (320, 240), (128, 128, 128)).save(file, "JPEG")
    return file.getvalue()


def make_picture_file() -> tuple[str, bytes, str]:
    """Return a picture without a face, as a file of a form."""
    return "picture.jpg", draw_empty_picture(), "image/jpeg"


def encode_multipart(
    fields: Mapping[str, Any], headers: Mapping[str, str] = {}
) -> tuple[bytes, Mapping[str, str]]:
    """Make a form's body, and the headers with its content type."""
    body, kind = urllib3.encode_multipart_formdata(fields)
    return body, {"Content-Type": kind, **headers}


def expect_member(name: str, *values: object) -> Callable[[Reply], bool]:
    """Expect one of the values under a name."""
    return lambda reply: isinstance(reply.json, dict) and reply.json.get(name) in values


def is_done(reply: Reply) -> bool:
    return reply.status == 200
