"""Merges of two faces: do, list, undo; and duplicates, pairs of faces that may be one person."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1.endpoint import Operations, V1Context, answer_nothing
from chalicelib.api.v1.faces import Face, FaceId, describe_face, describe_faces
from chalicelib.api.v1.filters import require_named
from chalicelib.api.v1.shapes import (
    Compared,
    Number,
    Portrait,
    describe_decision,
    describe_portrait,
    parse_number,
)
from chalicelib.api.v1.wire import Answer, NextToken, Paged, Sent, Text, Time
from chalicelib.auth.roles import Role
from chalicelib.book.merges.merges import Suggestion
from chalicelib.domain import audit_events, model
from chalicelib.domain.errors import TakenBack
from chalicelib.storage.records import merges
from chalicelib.storage.records.merges import MergeState

operations = Operations()

_AROUND = timedelta(minutes=5)
"""By how much the time of a merge and that of its act may differ."""

State = Annotated[
    MergeState,
    Meta(
        description="With `moving` and `undoing`, the faces are changed, and observations are "
        "still on their way."
    ),
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
    number: Number
    portrait: Annotated[
        Portrait | None, Meta(description="That face's; null if it is not there any more.")
    ]
    other: str
    other_name: Annotated[str, Meta(description="As it was.")]
    other_number: Number
    other_portrait: Annotated[
        Portrait | None, Meta(description="As it was; null once the merge is undone.")
    ]
    merged_at: Time
    joined: Annotated[
        bool, Meta(description="The service joined the two by itself; else a person merged them.")
    ]


class MergesWanted(Paged):
    face: Annotated[FaceId | None, Meta(description="Merges into this face only.")] = None


class MergesPage(Answer):
    merges: list[Merge]
    next_token: NextToken


@operations(
    "POST",
    "/v1/faces/{id}/merge",
    Role.OPERATOR,
    again=lambda context, body: _finish_merge(context, body["merge"]),
)
def merge_faces(context: V1Context, body: Absorbed) -> Merged:
    """Merge two faces that are one person; the face of the path absorbs the other one.

    The face keeps its id, group, portrait and what was set of it. It gets the other's pictures (its
    own first, eight in all), arrivals, pictures that the other is not, and observations of every
    kind, which is why a person is counted once. A stranger who now came often enough is a regular.
    The other face is not found any more. Captures keep what they were resolved to.

    Many observations take a while to move: then `state` is `moving`, the same call goes on, and so
    does the sweep; until then a count of persons may count both. The same call again answers with
    the same merge.
    """
    return _describe_merged_face(
        context,
        context.services.merges.merging.merge(
            context.tenant, context.path_values["id"], body.other, context.request_id
        ),
    )


@operations("GET", "/v1/merges", Role.VIEWER)
def list_merges(context: V1Context, query: MergesWanted) -> MergesPage:
    """List the merges of the last 30 days, by the face that absorbed the other, oldest first; none
    of faces that are restricted, so a page may have fewer.
    """
    page = context.services.merges.records.read_page(
        context.tenant, query.limit, query.token, query.face
    )
    if not page.rows and page.next_token is None:
        require_named(context.services, context.tenant, face=query.face)
    faces = context.services.faces.by_id(
        context.tenant, [merge.survivor for merge in page.rows], restricted=True
    )
    hidden = {face.faceid for face in faces.values() if face.restriction}
    merged = [
        _describe_merge(context, merge, faces.get(merge.survivor))
        for merge in page.rows
        if merge.survivor not in hidden
    ]
    return MergesPage(merges=merged, next_token=page.next_token)


@operations(
    "POST",
    "/v1/merges/{id}/undo",
    Role.OPERATOR,
    again=lambda context, _body: _finish_merge(context, context.path_values["id"]),
)
def undo_merge(context: V1Context) -> Merged:
    """Undo a merge: the other face comes back as it was; what was sighted since the merge stays
    with the face.

    Within 30 days, after which what the other face was is forgotten; it goes too when the face is
    deleted. 409 Conflict if the face was itself merged into another one since: undo that first, the
    message says which. 409 GroupFull or TenantFull if the other has no place: nothing is changed.
    Undone again, it is answered the same.
    """
    audit_events.report_taking_back(_find_act(context))
    undo, merge_id = context.services.merges.merging.undo, context.path_values["id"]
    try:
        merge = undo(context.tenant, merge_id, context.request_id)
    except TakenBack:  # by another call, just now
        merge = undo(context.tenant, merge_id, context.request_id)
    return _describe_merged_face(context, merge)


def _find_act(context: V1Context) -> str:
    """Return the id of the act that merged two faces, which an undo takes back; "": none is
    listed."""
    from chalicelib.privacy.done import ActFilter  # not at the other routes' cold starts

    merge = context.services.merges.records.get(context.tenant.name, context.path_values["id"])
    at_that_time = ActFilter(merge.at - _AROUND, merge.at + _AROUND)
    acts = context.services.done.list_all(context.tenant, at_that_time)
    return next((act.id for act in acts if act.is_merge(merge.id)), "")


def _finish_merge(context: V1Context, merge_id: str) -> Merged:
    return _describe_merged_face(
        context, context.services.merges.mover.finish_merge(context.tenant, merge_id)
    )


def _describe_merged_face(context: V1Context, merge: merges.Merge) -> Merged:
    face = context.services.faces.get(context.tenant, merge.survivor)
    return Merged(merge=merge.id, state=merge.state, face=describe_face(context, face))


def _describe_merge(context: V1Context, merge: merges.Merge, face: model.Face | None) -> Merge:
    """Describe a merge.

    `face`: the one that absorbed the other; None: it is gone, and then the other is not named.
    """
    audit_events.report_people([merge.survivor, merge.other])
    # whom the gone one went into may be restricted
    other = merge.backup.face if merge.backup and face else None
    return Merge.made_of(
        merge,
        face=merge.survivor,
        name=face.name if face else "",
        number=parse_number(face),
        portrait=describe_portrait(context, face) if face else None,
        other_name=other.name if other else "",
        other_number=parse_number(other),
        other_portrait=describe_portrait(context, other) if other else None,
        merged_at=merge.at,
    )


class DuplicatesWanted(Paged): ...


class Duplicate(Compared):
    """Two faces that may be one person.

    `threshold` is what the score would have needed to join them at once.
    """

    id: Annotated[
        str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_-]{1,64}[.][A-Za-z0-9_-]{1,64}$"})
    ]
    at: Annotated[Time, Meta(description="When the two were last compared.")]
    face: Annotated[
        Face, Meta(description="The one with the lower id, which is the older of two strangers.")
    ]
    other: Face


class DuplicatesPage(Answer):
    duplicates: list[Duplicate]
    next_token: NextToken


@operations("GET", "/v1/duplicates", Role.VIEWER, tag="duplicates")
def list_duplicates(context: V1Context, query: DuplicatesWanted) -> DuplicatesPage:
    """List the pairs of faces that may be one person, by the lower id.

    The service itself joins two faces that are surely one person; `GET /v1/merges` shows them.
    Decide about these: merge the two (`POST /v1/faces/{id}/merge`), or say that they are two (`POST
    /v1/duplicates/{id}/done`). A pair is over when one of its faces is gone. Nobody who is
    hidden from lists is suggested. A page may have fewer than `limit` and not be the last: go on
    until `next_token` is null.
    """
    page = context.services.merges.duplicates.read_page(context.tenant, query.limit, query.token)
    faces = iter(
        describe_faces(context, [face for suggestion in page.rows for face in suggestion.faces])
    )
    return DuplicatesPage(
        duplicates=[
            _describe_duplicate(suggestion, next(faces), next(faces)) for suggestion in page.rows
        ],
        next_token=page.next_token,
    )


@operations(
    "POST", "/v1/duplicates/{id}/done", Role.OPERATOR, tag="duplicates", again=answer_nothing
)
def finish_duplicate(context: V1Context) -> None:
    """Say that the two are two people.

    They are neither suggested nor joined any more, as long as both exist.
    """
    context.services.merges.duplicates.note_two_people(
        context.tenant, context.path_values["id"], context.request_id
    )


def _describe_duplicate(suggestion: Suggestion, face: Face, other: Face) -> Duplicate:
    duplicate = suggestion.duplicate
    return Duplicate.made_of(
        duplicate,
        id=f"{duplicate.first}.{duplicate.second}",
        face=face,
        other=other,
        **describe_decision(duplicate.decision, Compared),
    )
