"""A filter that names what does not exist is an error: an empty answer would read as a result."""

from typing import Any

import pytest

from chalicelib.api.v1.document import make_document
from chalicelib.api.v1.routes import OPERATIONS
from tests.support.api.v1.client import V1Client

NAMES = {
    "camera": "nowhere",
    "group": "nobodies",
    "groups": "nobodies",
    "face": "777777777777777777",
    "by": "key nobody",
    "what": "GET /v1/nothing",
    "sighting": "0000000000000-0123456789abcdef01234567-0",
}
"""Parameters that name something, and what does not exist."""
NO_NAMES = {
    *(
        "from",
        "to",
        "since",
        "expires_before",
        "limit",
        "token",
        "part",
        "k",
        "order",
        "desc",
        "totals",
        "format",
    ),
    *(
        "state",
        "kind",
        "only",
        "staff",
        "split",
        "measure",
        "language",
        "layer",
        "known",
        "faces",
        "record",
        "former",
    ),
    *("days", "entries", "erase", "whole", "trust", "captured_at", "track", "ids", "name"),
}
"""Times, pages, manners, and words of a fixed list, which the document's schema refuses if unknown.
`ids` is answered by those that there are; `name` is a search."""
ASKS_BY = {"/v1/statistics"}
"""Its `by` is a manner."""


def list_filters() -> list[Any]:
    document = make_document(OPERATIONS)
    return [
        pytest.param(path, parameter["name"], id=f"{path} {parameter['name']}")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method == "get" and "{" not in path
        for parameter in operation.get("parameters", ())
        if parameter.get("in") == "query"
    ]


@pytest.mark.parametrize(("path", "name"), list_filters())
def test_what_does_not_exist_is_refused(door: V1Client, path: str, name: str) -> None:
    if name == "by" and path in ASKS_BY:
        return
    assert (name in NAMES) is not (name in NO_NAMES), (
        "does this parameter name something? Say so here"
    )
    if name in NAMES:
        more = (
            {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
            if path == "/v1/statistics"
            else {}
        )
        more |= {"group": "regular"} if path == "/v1/face-ids" and name != "group" else {}
        reply = door.send("GET", path, query={**more, name: NAMES[name]})
        assert reply.status in (400, 404), reply
        assert NAMES[name][:12] in reply.body
