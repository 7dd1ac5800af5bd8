"""What v1 says of itself, without a key."""

from __future__ import annotations

from typing import Any

from chalicelib.api.v1.endpoint import Operation


def get_document() -> dict[str, Any]:
    """Read this document, in JSON."""
    from chalicelib.api.v1.document import document  # not at the other routes' cold starts
    from chalicelib.api.v1.routes import OPERATIONS

    return document(OPERATIONS)


OPERATIONS = (Operation("GET", "/v1/openapi.json", get_document, None),)
