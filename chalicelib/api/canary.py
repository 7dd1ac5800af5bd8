"""The canary: a search that a stage sends to its own address every few minutes, as a camera would.

It asks as a tenant of its own, in whose gallery is nobody. So the right answer is that nobody is known, and nothing is
stored but the audit's entry. On the way are the gateway, the api function, the tenant's sealed key, the models, and the
search function.
Then it offers a picture by the function URL, which cameras use, without a key: the right answer is a refusal.
"""

from __future__ import annotations

import io
import json
import secrets
from http import HTTPStatus

import urllib3

from chalicelib.api.application import OFFERS_PATH
from chalicelib.api.sunmi.endpoint import DONE, NO_MATCH
from chalicelib.api.sunmi.request import SignType, sign
from chalicelib.api.sunmi.routes import PREFIX
from chalicelib.core import telemetry
from chalicelib.core.errors import StorageUnavailable
from chalicelib.services import Services

_TIMEOUT_S = 29
"""Time limit: as long as API Gateway waits for a function."""

_SHOWN_BYTES = 300
_SIDE_PX = 240
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


def ask(services: Services, url: str, cameras_url: str, tenant: str) -> None:
    """Search for the drawn face as the tenant, at the API that begins at `url`; offer nothing at the cameras' address.

    Raises TenantNotFound, and StorageUnavailable if an answer does not come or is another than that nobody is known,
    and than that a key is missing.
    """
    telemetry.of_tenant(tenant)
    _, answer = _posted(f"{url}{PREFIX}getFaceByPicture", *_signed_search(services, tenant))
    try:
        code = json.loads(answer)["code"]
    except (ValueError, TypeError, KeyError):
        code = None
    if code not in (DONE, NO_MATCH):
        raise StorageUnavailable(f"getFaceByPicture was answered {answer[:_SHOWN_BYTES]!r}")
    status, answer = _posted(f"{cameras_url.rstrip('/')}{OFFERS_PATH}", b"{}", "application/json")
    if status != HTTPStatus.UNAUTHORIZED:
        raise StorageUnavailable(f"an offer at the cameras' address was answered {status}: {answer[:_SHOWN_BYTES]!r}")


def drawn_face() -> bytes:
    """Draw the face as a JPEG of 240 by 240 pixels."""
    from PIL import Image, ImageDraw

    image, jpeg = Image.new("RGB", (_SIDE_PX, _SIDE_PX), "#96a0aa"), io.BytesIO()
    pen = ImageDraw.Draw(image)
    for left, y, half_width, half_height, colour in _FACE:
        for x in (left, _SIDE_PX - left):
            pen.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=colour)
    image.save(jpeg, "JPEG")
    return jpeg.getvalue()


def _signed_search(services: Services, tenant: str) -> tuple[bytes, str]:
    """Return the body of a signed getFaceByPicture, and its content type."""
    own, app_key = services.tenants.signing_as(tenant)
    fields = {
        "app_id": own.app_id,
        "random": secrets.token_hex(4),
        "timestamp": str(int(services.clock.now().timestamp())),
        "sign_type": SignType.HMAC_SHA256.value,
    }
    fields["sign"] = sign(fields.items(), app_key, SignType.HMAC_SHA256)
    return urllib3.encode_multipart_formdata({**fields, "pic": ("canary.jpg", drawn_face(), "image/jpeg")})


def _posted(url: str, body: bytes, content_type: str) -> tuple[int, bytes]:
    headers = {"Content-Type": content_type}
    try:
        answer = urllib3.request("POST", url, body=body, headers=headers, timeout=_TIMEOUT_S, retries=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StorageUnavailable(f"{url} did not answer") from error
    return answer.status, answer.data
