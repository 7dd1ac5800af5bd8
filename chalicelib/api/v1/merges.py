"""Merges of two faces over v1: do, list, undo."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.faces import Face, FaceId, face_of
from chalicelib.api.v1.shown import Portrait, portrait_of
from chalicelib.api.v1.wire import Answer, NextToken, Sent, Text, Time, Token
from chalicelib.core import merges, model
from chalicelib.core.access import Role
from chalicelib.core.errors import Conflict, FaceNotFound, GroupFull, MergeNotFound, TenantFull
from chalicelib.core.merges import MergeState

State = Annotated[
    MergeState,
    Meta(description="With `moving` and `undoing`, the faces are changed, and observations are still on their way."),
]


class Absorbed(Sent):
    other: Annotated[Text, Meta(description="The id of the face that is absorbed.")]


class Merged(Answer):
    """The merge, and the face that absorbed the other one, as it is now."""

    merge: Annotated[str, Meta(description="Its id.")]
    state: State
    face: Face


class Merge(Answer):
    id: str
    state: State
    face: Annotated[str, Meta(description="The face that absorbed the other one.")]
    name: Annotated[str, Meta(description="That face's, as it is now.")]
    portrait: Annotated[Portrait | None, Meta(description="That face's; null if it is not there any more.")]
    other: str
    other_name: Annotated[str, Meta(description="As it was.")]
    other_portrait: Annotated[Portrait | None, Meta(description="As it was; null once the merge is undone.")]
    merged_at: Time
    joined: Annotated[bool, Meta(description="The service joined the two by itself; else a person merged them.")]


class MergesWanted(Sent):
    face: Annotated[FaceId | None, Meta(description="Merges into this face only.")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


class MergesPage(Answer):
    merges: list[Merge]
    next_token: NextToken


def merge_faces(call: Call, body: Absorbed) -> Merged:
    """Merge two faces that are one person; the face of the path absorbs the other one.

    The face keeps its id, group, portrait and what was set of it. It gets the other's pictures (its own first, eight in
    all), arrivals, pictures that the other is not, and observations of every kind, which is why a person is counted
    once. A stranger who now came often enough is a regular. The other face is not found any more. Captures keep what
    they were resolved to.

    Many observations take a while to move: then `state` is `moving`, the same call goes on, and so does the sweep;
    until then a count of persons may count both. The same call again answers with the same merge.
    """
    return _merged(call, call.services.merges.merging.merge(call.tenant, call.path["id"], body.other, call.request))


def list_merges(call: Call, query: MergesWanted) -> MergesPage:
    """List the merges of the last 30 days, by the face that absorbed the other, oldest first."""
    found = call.services.merges.records.page(call.tenant, query.limit, query.token, query.face)
    faces = call.services.faces.by_id(call.tenant, [one.survivor for one in found.rows])
    merged = [_merge(call, one, faces.get(one.survivor)) for one in found.rows]
    return MergesPage(merges=merged, next_token=found.next_token)


def undo_merge(call: Call) -> Merged:
    """Undo a merge: the other face comes back as it was; what was sighted since the merge stays with the face.

    Within 30 days, after which what the other face was is forgotten; it goes too when the face is deleted. 409 Conflict
    if the face was itself merged into another one since: undo that first, the message says which. 409 GroupFull or
    TenantFull if the other has no place: nothing is changed. Undone again, it is answered the same.
    """
    return _merged(call, call.services.merges.undoing.undo(call.tenant, call.path["id"], call.request))


OPERATIONS = (
    Operation(
        "POST",
        "/v1/faces/{id}/merge",
        merge_faces,
        Role.OPERATOR,
        errors=(FaceNotFound, MergeNotFound, Conflict),
        again=lambda call, body: _continued(call, body["merge"]),
    ),
    Operation("GET", "/v1/merges", list_merges, Role.VIEWER),
    Operation(
        "POST",
        "/v1/merges/{id}/undo",
        undo_merge,
        Role.OPERATOR,
        errors=(MergeNotFound, FaceNotFound, Conflict, GroupFull, TenantFull),
        again=lambda call, _body: _continued(call, call.path["id"]),
    ),
)


def _continued(call: Call, merge_id: str) -> Merged:
    return _merged(call, call.services.merges.merging.finish(call.tenant, merge_id))


def _merged(call: Call, merge: merges.Merge) -> Merged:
    face = call.services.faces.get(call.tenant, merge.survivor)
    return Merged(merge=merge.id, state=merge.state, face=face_of(call, face))


def _merge(call: Call, merge: merges.Merge, face: model.Face | None) -> Merge:
    """Describe a merge. `face`: the one that absorbed the other; None if it is gone."""
    other = merge.kept.face if merge.kept else None
    return Merge.made_of(
        merge,
        face=merge.survivor,
        name=face.name if face else "",
        portrait=portrait_of(call, face) if face else None,
        other_name=other.name if other else "",
        other_portrait=portrait_of(call, other) if other else None,
        merged_at=times.text(merge.at),
    )
