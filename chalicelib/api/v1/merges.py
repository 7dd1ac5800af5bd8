"""Merges of two faces over v1: do, list, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.faces import face_body

if TYPE_CHECKING:
    from chalicelib.core.merges import Merge


def merge(call: Call) -> Body:
    """Merge: the face of the path absorbs the other one."""
    done = call.services.merging.merge(call.tenant, call.path["id"], call.fields.text("other"))
    return _answer(call, done)


def page(call: Call) -> Body:
    from chalicelib.services.merges.records import PAGE_SIZES  # not at the other routes' cold starts

    limit = call.query.whole("limit", PAGE_SIZES, default=50)
    found = call.services.merges.page(call.tenant, limit, call.query.text("token"))
    return {"merges": [_merge(one) for one in found.merges], "next_token": found.next_token}


def undo(call: Call) -> Body:
    return _answer(call, call.services.merge_undo.undo(call.tenant, call.path["id"]))


OPERATIONS = (
    Operation("POST", "/v1/faces/{id}/merge", merge, fields=frozenset({"other"})),
    Operation("GET", "/v1/merges", page, query=frozenset({"limit", "token"})),
    Operation("POST", "/v1/merges/{id}/undo", undo),
)


def _answer(call: Call, merge: Merge) -> Body:
    face = call.services.faces.get(call.tenant, merge.survivor)
    return {"merge": merge.id, "state": merge.state.value, "face": face_body(call, face)}


def _merge(merge: Merge) -> Body:
    return {
        "id": merge.id,
        "state": merge.state.value,
        "face": merge.survivor,
        "other": merge.other,
        "merged_at": times.text(merge.at),
    }
