"""Answers by gzip for who takes it, as the gateway on AWS does from as many bytes on (infra/functions.yaml)."""

from __future__ import annotations

import gzip
from dataclasses import replace

from regulars.serve.messages import Response

LEAST_BYTES = 1024
_LEVEL, _LEVEL_FOR_GOOD = 4, 9
"""30,000 ids (660 KB) take 18 ms and are 44 % of their size; at level 9, 117 ms and 42 %. That pays for what a browser
asks for once.
"""

_TEXTS = ("text/", "application/json", "application/problem+json")


def compressed(response: Response, accepted: str) -> Response:
    """Compress the answer's body if it is a longer text and `accepted`, the Accept-Encoding, has gzip."""
    headers = {name.lower(): value for name, value in response.headers}
    if (
        len(response.body) < LEAST_BYTES
        or not headers.get("content-type", "").startswith(_TEXTS)
        or "content-encoding" in headers
    ):
        return response
    varied = (*response.headers, ("Vary", "Accept-Encoding"))
    if not _has_gzip(accepted):
        return replace(response, headers=varied)
    level = _LEVEL_FOR_GOOD if "immutable" in headers.get("cache-control", "") else _LEVEL
    body = gzip.compress(response.body, level, mtime=0)
    return replace(response, headers=(*varied, ("Content-Encoding", "gzip")), body=body)


def _has_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding (RFC 9110, 12.5.3) has gzip, by its name or `*`, with a weight above 0."""
    weights: dict[str, float] = {}
    for one in accepted.lower().split(","):
        name, _, weight = one.partition(";")
        try:
            weights[name.strip()] = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            return False
    return weights.get("gzip", weights.get("*", 0.0)) > 0
