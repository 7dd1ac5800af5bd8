"""A filter that names what does not exist is an error: an empty answer would read as a result."""

from typing import Any

import pytest

from chalicelib.api.v1.document import make_document
from chalicelib.api.v1.routes import OPERATIONS
from tests.support.api.samples import SAMPLES, Sample
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
        "listed",
        "hidden",
        "faces",
        "record",
        "former",
    ),
    *("days", "entries", "erase", "whole", "trust", "captured_at", "track", "ids", "name"),
    *("strangers", "stranger_days"),
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


def list_spans() -> list[str]:
    filters = [one.values for one in list_filters()]
    return [path for path, name in filters if name == "to" and (path, "from") in filters]


@pytest.mark.parametrize("path", list_spans())
def test_a_span_that_is_turned_round_is_refused(door: V1Client, path: str) -> None:
    span = {"from": "2026-03-03T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
    reply = door.send("GET", path, query=span)
    assert reply.status == 400, reply


BODIES = {
    "cameras": "nowhere",
    "doors": "nowhere",
    "groups": "nobodies",
    "no_pictures_of": "nobodies",
    "people": "777777777777777777",
}
"""Fields that are lists of names, and what does not exist."""


def list_named() -> list[tuple[str, str, Sample, str]]:
    return [
        (method, path, sample, name)
        for (method, path), samples in SAMPLES.items()
        for sample in samples
        for name in BODIES
        if path.startswith("/v1/") and isinstance(sample.fields.get(name), list)
    ]


@pytest.mark.parametrize(
    ("method", "path", "sample", "name"), list_named(), ids=lambda value: str(value)[:40]
)
def test_a_list_that_names_what_does_not_exist_is_refused(
    door: V1Client, method: str, path: str, sample: Sample, name: str
) -> None:
    hook = door.done("POST", "/v1/hooks", {"url": None, "events": ["face.arrived"]})["id"]
    ids = {slot: "regular" if slot == "group" else "door" for slot in sample.slots}
    place = door.done("POST", "/v1/places", {"name": "hall", "doors": ["door"]})["id"]
    filled = sample.filled({**ids, "hook": hook, "place": place})
    others = (
        {} if method == "PATCH" else {k: v for k, v in filled.fields.items() if k not in BODIES}
    )
    path = path.replace("{id}", filled.path.get("id", ""))
    reply = door.send(method, path, {**others, name: [BODIES[name]]})
    assert (reply.status, BODIES[name] in reply.body) == (404, True), reply


def test_a_hook_keeps_names_that_are_gone_since_and_takes_a_camera_by_its_name(
    door: V1Client,
) -> None:
    door.done("POST", "/v1/groups", {"name": "guests", "capacity": 9})
    door.done("POST", "/v1/cameras", {"id": "c2", "name": "till"})
    hook = door.done("POST", "/v1/hooks", {"url": None, "groups": ["guests"], "cameras": ["till"]})
    assert hook["cameras"] == ["c2"]
    (group,) = [one for one in door.done("GET", "/v1/groups")["groups"] if one["name"] == "guests"]
    door.done_without_body("DELETE", f"/v1/groups/{group['id']}")
    path = f"/v1/hooks/{hook['id']}"
    assert door.done("PATCH", path, {"groups": ["guests"], "name": "x"})["groups"] == ["guests"]


@pytest.mark.parametrize("what", ["get /v1/faces", "PUT /v1/faces", "sunmi nothing", "Sighting"])
def test_an_act_that_is_none_is_refused(door: V1Client, what: str) -> None:
    assert what in door.send("GET", "/v1/audit", query={"what": what}).body
    assert door.send("GET", "/v1/audit", query={"what": what}).status == 400
