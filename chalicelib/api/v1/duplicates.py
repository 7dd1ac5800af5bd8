"""Duplicates over v1: pairs of faces that may be one person."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1 import repeats, times
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.faces import Face, faces_of
from chalicelib.api.v1.shapes import FalseMatchProbability, GallerySize, Score, Threshold, decided
from chalicelib.api.v1.wire import Answer, NextToken, Sent, Time, Token
from chalicelib.core.access import Role
from chalicelib.core.errors import DuplicateNotFound
from chalicelib.services.merges.merges import Suggestion


class DuplicatesWanted(Sent):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


class Duplicate(Answer):
    """Two faces that may be one person. `threshold` is what the score would have needed to join them at once."""

    id: Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_-]{1,64}[.][A-Za-z0-9_-]{1,64}$"})]
    at: Annotated[Time, Meta(description="When the two were last compared.")]
    face: Annotated[Face, Meta(description="The one with the lower id, which is the older of two strangers.")]
    other: Face
    score: Score
    threshold: Threshold
    gallery_size: GallerySize
    false_match_probability: FalseMatchProbability


class DuplicatesPage(Answer):
    duplicates: list[Duplicate]
    next_token: NextToken


def list_duplicates(call: Call, query: DuplicatesWanted) -> DuplicatesPage:
    """List the pairs of faces that may be one person, by the lower id.

    The service itself joins two faces that are surely one person; `GET /v1/merges` shows them. Decide about these:
    merge the two (`POST /v1/faces/{id}/merge`), or say that they are two (`POST /v1/duplicates/{id}/done`). A pair is
    over when one of its faces is gone. A page may have fewer than `limit` and not be the last: go on until `next_token`
    is null.
    """
    found = call.services.merges.duplicates.page(call.tenant, query.limit, query.token)
    described = iter(faces_of(call, [face for one in found.rows for face in one.faces]))
    return DuplicatesPage(
        duplicates=[_duplicate(one, next(described), next(described)) for one in found.rows],
        next_token=found.next_token,
    )


def finish_duplicate(call: Call) -> None:
    """Say that the two are two people. They are neither suggested nor joined any more, as long as both exist."""
    call.services.merges.duplicates.are_two(call.tenant, call.path["id"], call.request)


OPERATIONS = (
    Operation("GET", "/v1/duplicates", list_duplicates, Role.VIEWER),
    Operation(
        "POST",
        "/v1/duplicates/{id}/done",
        finish_duplicate,
        Role.OPERATOR,
        errors=(DuplicateNotFound,),
        again=repeats.nothing,
    ),
)


def _duplicate(suggestion: Suggestion, face: Face, other: Face) -> Duplicate:
    duplicate = suggestion.duplicate
    figures = decided(duplicate.decision)
    figures.pop("by")
    return Duplicate(
        id=f"{duplicate.first}.{duplicate.second}",
        at=times.text(duplicate.at),
        face=face,
        other=other,
        **figures,
    )
