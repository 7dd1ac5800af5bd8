"""Calls that a program of iCREDIT's API sends, and answers that it expects."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

from chalicelib.api.http import URLENCODED
from chalicelib.api.probes import OWN_THRESHOLD, Keys, Probe, draw_empty_picture, is_done

LIMITS = OWN_THRESHOLD


def make_probes(keys: Keys) -> list[Probe]:
    """Make a search."""
    parameters = {
        "CONTROL_TYPE": "1",
        "IMAGE_TYPE": "0",
        "IMAGE": base64.b64encode(draw_empty_picture()).decode(),
    }
    body = urlencode({**parameters, "PERSON_GROUP_LABEL": keys.get("group", "regular")}).encode()
    headers = {"Content-Type": URLENCODED, "Authorization": f"APPCODE {keys['appcode']}"}
    return [Probe("search", "/icredit/face/manage", is_done, body, headers)]
