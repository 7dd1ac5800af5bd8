"""Calls that a program of DeepStack's face API sends, and answers that it expects."""

from __future__ import annotations

from chalicelib.api.probes import Keys, Probe, encode_multipart, expect_member, make_picture_file

_FACE = "/v1/vision/face/"

LIMITS = (
    "0.5 is the match, however many are enrolled, in place of a raw likeness: take none, or "
    "0.5 (docs/deepstack.md)"
)


def make_probes(keys: Keys) -> list[Probe]:
    """Ask with the key as a field, or without one, by the network."""
    key = {"api_key": keys["api_key"]} if "api_key" in keys else {}
    expects_success = expect_member("success", True)
    return [
        Probe("ping", "/v1/server/status/ping", expects_success, method="GET"),
        Probe("list", f"{_FACE}list", expects_success, *encode_multipart({**key, "limit": "1"})),
        Probe(
            "search",
            f"{_FACE}recognize",
            expects_success,
            *encode_multipart({**key, "image": make_picture_file()}),
        ),
    ]
