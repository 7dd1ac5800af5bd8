"""Legal holds of faces over v1."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.repeats import answer_of
from chalicelib.api.v1.wire import Answer, NextToken, Sent, Time
from chalicelib.core import model
from chalicelib.core.access import Role
from chalicelib.core.errors import FaceNotFound, TooMany

Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class HoldChange(Sent):
    held: Annotated[bool, Meta(description="True sets the hold, false lifts it.")]
    reason: Annotated[Reason, Meta(description="Why: the number of a case, the letter of an authority.")]


class Hold(Answer):
    """The legal hold of a face. A face on hold is neither deleted nor erased, and retention leaves it as it is."""

    face: Annotated[str, Meta(description="Its id.")]
    held: bool
    reason: Annotated[str | None, Meta(description="Null if it is not held; likewise the time.")]
    since: Time | None


class Holds(Answer):
    holds: Annotated[list[Hold], Meta(max_length=1000)]
    next_token: Annotated[NextToken, Meta(description="Null: all are in one answer.")]


def list_holds(call: Call) -> Holds:
    """List the faces under legal hold, by their ids. It reads these only, however many faces there are."""
    return Holds(holds=[_hold(*one) for one in call.services.faces.holds.all(call.tenant.name)], next_token=None)


def get_hold(call: Call) -> Hold:
    """Read whether a face is under legal hold."""
    face = call.services.faces.get(call.tenant, call.path["id"])
    return _hold(face.faceid, face.hold)


def change_hold(call: Call, body: HoldChange) -> Hold:
    """Set or lift the legal hold of a face.

    While it is held, whatever would delete or erase it is answered 409 FaceHeld and changes nothing, and retention
    leaves the face and its observations, and the captures that show it. A face that it is merged into is held as well,
    and if that merge is undone, both are. Of a held face only the reason changes. 409 TooMany if 1,000 are held.
    """
    holds, faceid = call.services.faces.holds, call.path["id"]
    if body.held:
        holds.set(call.tenant, faceid, body.reason, call.request)
    else:
        holds.lift(call.tenant, faceid, body.reason, call.request)
    return get_hold(call)


OPERATIONS = (
    Operation("GET", "/v1/holds", list_holds, Role.OPERATOR),
    Operation("GET", "/v1/faces/{id}/hold", get_hold, Role.OPERATOR, errors=(FaceNotFound,)),
    Operation(
        "PUT",
        "/v1/faces/{id}/hold",
        change_hold,
        Role.ADMIN,
        errors=(FaceNotFound, TooMany),
        again=answer_of(get_hold),
    ),
)


def _hold(faceid: str, hold: model.Hold | None) -> Hold:
    if hold is None:
        return Hold(face=faceid, held=False, reason=None, since=None)
    return Hold(face=faceid, held=True, reason=hold.reason, since=times.text(hold.at))
