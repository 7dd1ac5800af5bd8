"""Requests as a camera's software sends them, and the answers that it expects.

This module shares no code with what answers, so that a mistake in one shows.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from chalicelib.api.http import URLENCODED
from chalicelib.api.probes import (
    OWN_THRESHOLD,
    Keys,
    Probe,
    encode_multipart,
    expect_member,
    make_picture_file,
)

DONE, NO_MATCH, UNUSABLE = 0, 283, 210
"""Most frequent codes."""

LIMITS = OWN_THRESHOLD


def make_probes(keys: Keys) -> list[Probe]:
    """Make a question and a search, both signed."""
    parameters = {
        "app_id": keys["app_id"],
        "random": "1234567890",
        "timestamp": str(int(time.time())),
    }
    parameters["sign"] = compute_signature(parameters, keys["app_key"])
    form = {"Content-Type": URLENCODED}
    search = encode_multipart({**parameters, "pic": make_picture_file()})
    return [
        Probe(
            "groups",
            "/openapi/face/getGroupList",
            expect_member("code", DONE),
            urlencode(parameters).encode(),
            form,
        ),
        Probe(
            "search",
            "/openapi/face/getFaceByPicture",
            expect_member("code", UNUSABLE, NO_MATCH),
            *search,
        ),
    ]


def compute_signature(parameters: Mapping[str, str], app_key: str) -> str:
    """Sign the parameters: upper-case hex MD5 of `k=v&...&key=app_key`, keys in ASCII order."""
    text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return hashlib.md5(f"{text}&key={app_key}".encode(), usedforsecurity=False).hexdigest().upper()
