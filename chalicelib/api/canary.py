"""The canary: a search that a stage sends to its own address every few minutes, as a client would.

It asks as a tenant of its own, who knows nobody but the drawn face. On the way are the gateway, the
api function, the tenant's sealed key and the models. Then it sends the drawn face as a camera does,
and times how long it takes until the tenant's hook is told (promise.py).
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping

import urllib3

from chalicelib import telemetry
from chalicelib.api.dialects import DIALECTS
from chalicelib.api.promise import Reply, time_promise
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.services import Services

_log = logging.getLogger(__name__)

_TIMEOUT_S = 29
"""Time limit: as long as API Gateway waits for a function."""

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
"""Ellipses of a face that is nobody's, which every pack's detector finds: centre, half width and
height, colour. Those on its left are on its right, too."""


def run_canary(
    services: Services,
    url: str,
    cameras_url: str,
    tenant: str,
    most_s: float = 0.0,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Search for the drawn face as the tenant, at the API at `url`; then time the delivery to the
    tenant's webhook.

    `most_s`: seconds within which the tenant's hook has to be told of a picture; 0: nobody knows
    yet how long it takes, and perhaps the tenant's camera is not made yet. Raises TenantNotFound,
    and StorageUnavailable if an answer does not come, is another one, or the hook is told too late.
    """
    telemetry.of_tenant(tenant)
    for dialect in DIALECTS:
        if dialect.has_canary:
            search = dialect.make_canary(services, tenant, draw_face())
            reply = _call("POST", f"{url}{search.path}", search.body, search.headers)
            if not search.is_right(reply):
                raise StorageUnavailable(f"{search.subject} was answered {reply.shown}")
    seconds = time_promise(services, tenant, cameras_url, draw_face(), _call, pause)
    if seconds is None:
        _log.warning(
            "no picture was sent: the camera of tenant %s is not made yet, or has another key",
            tenant,
        )
    else:
        telemetry.at_least(telemetry.CANARY_SECONDS, seconds)
    if most_s and (seconds is None or seconds > most_s):
        took = "its camera's key is not known" if seconds is None else f"it took {seconds:.1f} s"
        raise StorageUnavailable(
            f"a hook has to be told of a picture within {most_s:g} s, and {took}"
        )


def name_receiver(url: str) -> str:
    """Return the URL, below the API at `url`, that the canary's hook posts to."""
    [path] = [dialect.read_canary_path() for dialect in DIALECTS if dialect.has_canary]
    return f"{url.rstrip('/')}{path}"


def draw_face() -> bytes:
    """Draw the face as a JPEG of 240 by 240 pixels."""
    from PIL import Image, ImageDraw

    image, jpeg = Image.new("RGB", (_SIDE_PX, _SIDE_PX), "#96a0aa"), io.BytesIO()
    pen = ImageDraw.Draw(image)
    for left_x, y, half_width, half_height, colour in _FACE:
        for x in (left_x, _SIDE_PX - left_x):
            pen.ellipse(
                (x - half_width, y - half_height, x + half_width, y + half_height), fill=colour
            )
    image.save(jpeg, "JPEG")
    return jpeg.getvalue()


def _call(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    try:
        answer = urllib3.request(
            method, url, body=body, headers=headers, timeout=_TIMEOUT_S, retries=False
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StorageUnavailable(f"{url.partition('?')[0]} did not answer") from error
    return Reply(answer.status, answer.data)
