"""What a face is not, over v1: list, take back."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.repeats import nothing
from chalicelib.api.v1.wire import Answer, NextToken, Time
from chalicelib.core import model
from chalicelib.core.access import Role
from chalicelib.core.captures import captured_ms, parts_of_sighting
from chalicelib.core.errors import FaceNotFound, RejectionNotFound
from chalicelib.core.values import moment


class Rejection(Answer):
    """A sighting that somebody said is not this face."""

    sighting: str
    capture: str
    camera: str
    captured_at: Time


class Rejections(Answer):
    rejections: Annotated[list[Rejection], Meta(max_length=20)]
    next_token: Annotated[NextToken, Meta(description="Null: all are in one answer.")]


def list_rejections(call: Call) -> Rejections:
    """List the sightings that were rejected for the face, newest first."""
    found = call.services.sightings.rejections.of_face(call.tenant, call.path["id"])
    return Rejections(rejections=[_rejection(one) for one in found], next_token=None)


def delete_rejection(call: Call) -> None:
    """Take a rejection back: pictures like this one may be the face again.

    The sighting stays what it was resolved to when it was rejected: merge that face, if this is the same person.
    """
    call.services.sightings.rejections.take_back(call.tenant, call.path["id"], call.path["sighting"], call.request)


OPERATIONS = (
    Operation("GET", "/v1/faces/{id}/rejections", list_rejections, Role.OPERATOR, errors=(FaceNotFound,)),
    Operation(
        "DELETE",
        "/v1/faces/{id}/rejections/{sighting}",
        delete_rejection,
        Role.OPERATOR,
        errors=(FaceNotFound, RejectionNotFound),
        again=nothing,
    ),
)


def _rejection(negative: model.Negative) -> Rejection:
    capture_id, _ = parts_of_sighting(negative.sighting_id)
    at = times.text(moment(captured_ms(capture_id)))
    return Rejection(sighting=negative.sighting_id, capture=capture_id, camera=negative.camera, captured_at=at)
