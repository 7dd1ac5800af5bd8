"""The canary: a search that a stage sends to its own address every few minutes, as a client would.

It asks as a tenant of its own, in whose gallery is nobody. So the right answer is that nobody is known, and nothing is
stored but the audit's entry. On the way are the gateway, the api function, the tenant's sealed key, the models, and the
search function.
Then it offers a picture by the function URL, which cameras use, without a key: the right answer is a refusal.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import urllib3

from chalicelib.book.words import telemetry
from chalicelib.book.words.errors import StorageUnavailable
from chalicelib.doors.application import OFFERS_PATH
from chalicelib.doors.dialects import DIALECTS
from chalicelib.services import Services

_TIMEOUT_S = 29
"""Time limit: as long as API Gateway waits for a function."""

_SHOWN_BYTES = 300
"""Bytes of a wrong answer that the error quotes."""
_SIDE_PX = 240
"""Side of the drawn picture."""
_FACE = (
    (120, 240, 90, 50, "#3c466e"),  # shoulders, neck, hair, head
    (120, 190, 26, 40, "#be8c73"),
    (120, 100, 66, 80, "#3c281e"),
    (120, 118, 56, 72, "#dcaf96"),
    (97, 92, 15, 4, "#503728"),  # brows, eyes
    (97, 106, 12, 7, "#f5f0eb"),
    (97, 106, 6, 6, "#3c281e"),
    (120, 132, 9, 12, "#c8967d"),  # nose, mouth
    (120, 163, 22, 8, "#aa5050"),
)
"""Ellipses of a face that is nobody's, which every pack's detector finds: centre, half width and height, colour. Those
on its left are on its right, too."""


class _Reply(NamedTuple):
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def shown(self) -> str:
        return repr(self.body[:_SHOWN_BYTES])


def run_canary(services: Services, url: str, cameras_url: str, tenant: str) -> None:
    """Search for the drawn face as the tenant, at the API that begins at `url`, and call the cameras' address.

    Right answers are that nobody is known, and, at the cameras' address, that a key is missing. Raises TenantNotFound,
    and StorageUnavailable if an answer does not come or is another one.
    """
    telemetry.of_tenant(tenant)
    for dialect in DIALECTS:
        if dialect.has_canary:
            search = dialect.make_canary(services, tenant, draw_face())
            reply = _post(f"{url}{search.path}", search.body, search.headers)
            if not search.is_right(reply):
                raise StorageUnavailable(f"{search.subject} was answered {reply.shown}")
    reply = _post(f"{cameras_url.rstrip('/')}{OFFERS_PATH}", b"{}", {"Content-Type": "application/json"})
    if reply.status != HTTPStatus.UNAUTHORIZED:
        raise StorageUnavailable(f"an offer at the cameras' address was answered {reply.status}: {reply.shown}")


def draw_face() -> bytes:
    """Draw the face as a JPEG of 240 by 240 pixels."""
    from PIL import Image, ImageDraw

    image, jpeg = Image.new("RGB", (_SIDE_PX, _SIDE_PX), "#96a0aa"), io.BytesIO()
    pen = ImageDraw.Draw(image)
    for left_x, y, half_width, half_height, colour in _FACE:
        for x in (left_x, _SIDE_PX - left_x):
            pen.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=colour)
    image.save(jpeg, "JPEG")
    return jpeg.getvalue()


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> _Reply:
    try:
        answer = urllib3.request("POST", url, body=body, headers=headers, timeout=_TIMEOUT_S, retries=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StorageUnavailable(f"{url} did not answer") from error
    return _Reply(answer.status, answer.data)
