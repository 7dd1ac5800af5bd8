"""Calls that a program of CompreFace's API sends, and answers that it expects."""

from __future__ import annotations

from chalicelib.api.probes import (
    Keys,
    Probe,
    encode_multipart,
    expect_member,
    is_done,
    make_picture_file,
)
from chalicelib.domain.errors import InvalidInput

_NO_FACE = 28
"""Code for a picture without a face."""

LIMITS = (
    "0.5 is the match, however many are enrolled, in place of a raw likeness: take 0.5 "
    "(docs/compreface.md)"
)


def make_probes(keys: Keys) -> list[Probe]:
    """Ask each service whose key there is. Raises InvalidInput if there is none."""
    probes, faceless = [], expect_member("code", _NO_FACE)
    if key := keys.get("recognition"):
        key_header = {"x-api-key": key}
        probes += [
            Probe(
                "subjects",
                "/api/v1/recognition/subjects",
                is_done,
                headers=key_header,
                method="GET",
            ),
            Probe(
                "search",
                "/api/v1/recognition/recognize",
                faceless,
                *encode_multipart({"file": make_picture_file()}, key_header),
            ),
        ]
    if key := keys.get("detection"):
        form_request = encode_multipart({"file": make_picture_file()}, {"x-api-key": key})
        probes.append(Probe("detect", "/api/v1/detection/detect", faceless, *form_request))
    if key := keys.get("verification"):
        files = {"source_image": make_picture_file(), "target_image": make_picture_file()}
        probes.append(
            Probe(
                "verify",
                "/api/v1/verification/verify",
                faceless,
                *encode_multipart(files, {"x-api-key": key}),
            )
        )
    if not probes:
        raise InvalidInput(
            "the file that --keys names has none of `recognition`, `detection` and `verification`"
        )
    return probes
