"""Calls that a program of DeepStack's face API sends, and answers that it expects."""

from __future__ import annotations

from chalicelib.doors.probes import Ask, Keys, has_member, multipart, picture_file

_FACE = "/v1/vision/face/"

LIMITS = (
    "0.5 is the match, however many are enrolled, in place of a raw likeness: take none, or 0.5 (docs/deepstack.md)"
)


def calls(keys: Keys) -> list[Ask]:
    """Ask with the key as a field, or without one, by the network."""
    key, done = ({"api_key": keys["api_key"]} if "api_key" in keys else {}), has_member("success", True)
    return [
        Ask("ping", "/v1/server/status/ping", done, method="GET"),
        Ask("list", f"{_FACE}list", done, *multipart({**key, "limit": "1"})),
        Ask("search", f"{_FACE}recognize", done, *multipart({**key, "image": picture_file()})),
    ]
