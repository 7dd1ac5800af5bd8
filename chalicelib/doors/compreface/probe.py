"""Calls that a program of CompreFace's API sends, and answers that it expects."""

from __future__ import annotations

from chalicelib.book.words.errors import InvalidInput
from chalicelib.doors.probes import Ask, Keys, has_member, is_done, multipart, picture_file

_NO_FACE = 28
"""Code for a picture without a face."""

LIMITS = "0.5 is the match, however many are enrolled, in place of a raw likeness: take 0.5 (docs/compreface.md)"


def calls(keys: Keys) -> list[Ask]:
    """Ask each service whose key there is. Raises InvalidInput if there is none."""
    asked, faceless = [], has_member("code", _NO_FACE)
    if key := keys.get("recognition"):
        own = {"x-api-key": key}
        asked += [
            Ask("subjects", "/api/v1/recognition/subjects", is_done, headers=own, method="GET"),
            Ask("search", "/api/v1/recognition/recognize", faceless, *multipart({"file": picture_file()}, own)),
        ]
    if key := keys.get("detection"):
        form = multipart({"file": picture_file()}, {"x-api-key": key})
        asked.append(Ask("detect", "/api/v1/detection/detect", faceless, *form))
    if key := keys.get("verification"):
        files = {"source_image": picture_file(), "target_image": picture_file()}
        asked.append(Ask("verify", "/api/v1/verification/verify", faceless, *multipart(files, {"x-api-key": key})))
    if not asked:
        raise InvalidInput("the file that --keys names has none of `recognition`, `detection` and `verification`")
    return asked
