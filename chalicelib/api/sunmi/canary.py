"""The search of a stage's own tenant, signed as a camera signs."""

from __future__ import annotations

import secrets

from chalicelib.api.probes import Probe, encode_multipart, expect_member
from chalicelib.api.sunmi import PREFIX
from chalicelib.api.sunmi.endpoint import DONE, NO_MATCH
from chalicelib.api.sunmi.request import SignType, sign
from chalicelib.services import Services

_SEARCH = "getFaceByPicture"
PATH = f"{PREFIX}{_SEARCH}"


def search(services: Services, tenant: str, picture: bytes) -> Probe:
    """Search for a face that nobody has. Raises TenantNotFound."""
    app_id, app_key = services.tenants.read_signing_key(tenant)
    fields = {
        "app_id": app_id,
        "random": secrets.token_hex(4),
        "timestamp": str(int(services.clock.now().timestamp())),
        "sign_type": SignType.HMAC_SHA256.value,
    }
    fields["sign"] = sign(fields.items(), app_key, SignType.HMAC_SHA256)
    form = encode_multipart({**fields, "pic": ("canary.jpg", picture, "image/jpeg")})
    return Probe(_SEARCH, PATH, expect_member("code", DONE, NO_MATCH), *form)
