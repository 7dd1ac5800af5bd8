"""Faces over v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from chalicelib.api.v1 import times
from chalicelib.api.v1.captures import Sighting, sighting_of
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.shapes import (
    Box,
    Estimates,
    FalseMatchProbability,
    GallerySize,
    Labels,
    Score,
    Threshold,
    decided,
)
from chalicelib.api.v1.wire import Answer, NextToken, Sent, Time, Token
from chalicelib.core import model
from chalicelib.core.errors import CaptureNotFound, Conflict, FaceNotFound, LastPicture, SightingNotFound
from chalicelib.core.pictures import Gender
from chalicelib.core.roles import Role
from chalicelib.core.values import moment

if TYPE_CHECKING:
    from chalicelib.services.sightings import rejection
    from chalicelib.services.sightings.timeline import TimelineSighting


class Face(Answer):
    id: str
    group: str
    enrolled_at: Time
    arrive_count: Annotated[int, Meta(ge=0)]
    arrive_time: Annotated[Time | None, Meta(description="When the last arrival began.")]
    age: Annotated[int | None, Meta(description="As it was set, else as it is estimated; likewise the gender.")]
    gender: Gender
    quality: Annotated[float | None, Meta(description="0 to 100, of the face's portrait, which is its first picture.")]
    estimates: Estimates
    labels: Labels


class FaceSighting(Answer):
    """A time at which the face was seen."""

    id: str
    capture: str
    camera: str
    captured_at: Time
    group: Annotated[str, Meta(description="What the face was when it was sighted.")]
    box: Annotated[Box | None, Meta(description="The place of the face in the capture.")]
    score: Score
    threshold: Threshold
    gallery_size: GallerySize
    false_match_probability: FalseMatchProbability
    picture_url: Annotated[
        str | None,
        Meta(
            description="The whole capture, while captures are kept; good for an hour or two. Null: the key sees no "
            "pictures."
        ),
    ]


class Arrival(Answer):
    """Sightings that are so close together that the person came once."""

    first: Time
    last: Time
    sightings: int


class SightingsWanted(Sent):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


class SightingsPage(Answer):
    sightings: list[FaceSighting]
    total: int
    next_token: NextToken
    arrivals: Annotated[list[Arrival], Meta(description="All of them, newest first.")]


class Rejected(Answer):
    """What the sighting is now, and the face that it left."""

    sighting: Sighting
    face: Face


def get_face(call: Call) -> Face:
    """Read one enrolled face."""
    return face_of(call, call.services.faces.get(call.tenant, call.path["id"]))


def list_sightings(call: Call, query: SightingsWanted) -> SightingsPage:
    """List when the face was seen, newest first, and its arrivals, as far back as they are kept (100 days and more)."""
    timeline = call.services.sightings.timeline(call.tenant, call.path["id"], query.limit, query.token)
    return SightingsPage(
        sightings=[_sighting(call, seen) for seen in timeline.sightings],
        total=timeline.total,
        next_token=timeline.next_token,
        arrivals=[
            Arrival(first=_moment(one.first_ms), last=_moment(one.last_ms), sightings=one.sightings)
            for one in timeline.arrivals
        ],
    )


def reject_sighting(call: Call) -> Rejected:
    """Say "not this person": the sighting leaves the face, and is resolved anew without it.

    The face's arrivals and counts follow, a regular may be a stranger again. The picture is remembered as one that the
    face is not (20 of a face at most): no search, enrolment or capture takes what is nearer to it than to the face for
    the face. The sighting becomes another face's that matches, else a new stranger's if it is good enough and the
    camera keeps strangers, else nobody's; hooks are told as of any sighting, with an id of its own. If the photo is one
    of the face's pictures, it is taken away first: 409 LastPicture if it is the only one.

    409 Conflict if a face was made from the sighting (delete the face, merge it, or undo the merge), if its picture is
    not kept any more, or if it is over 100 days old. 404 SightingNotFound if it is not this face's, which it is not any
    more once it was rejected.
    """
    done = call.services.rejection.reject(call.tenant, call.path["id"], call.path["sighting"], call.request)
    return _rejected(call, done)


def _rejected_before(call: Call, body: Mapping[str, Any]) -> Rejected:
    return _rejected(
        call,
        call.services.rejection.again(call.tenant, call.path["id"], call.path["sighting"], body["camera"]),
    )


def _rejected(call: Call, rejected: rejection.Rejected) -> Rejected:
    return Rejected(sighting=sighting_of(rejected.capture, rejected.sighting), face=face_of(call, rejected.face))


OPERATIONS = (
    Operation("GET", "/v1/faces/{id}", get_face, Role.VIEWER, errors=(FaceNotFound,)),
    Operation("GET", "/v1/faces/{id}/sightings", list_sightings, Role.VIEWER, errors=(FaceNotFound,)),
    Operation(
        "POST",
        "/v1/faces/{id}/sightings/{sighting}/reject",
        reject_sighting,
        Role.OPERATOR,
        errors=(FaceNotFound, SightingNotFound, CaptureNotFound, Conflict, LastPicture),
        again=_rejected_before,
    ),
)


def _sighting(call: Call, seen: TimelineSighting) -> FaceSighting:
    observation, box = seen.observation, seen.observation.box
    return FaceSighting(
        id=observation.id,
        capture=seen.capture_id,
        camera=observation.camera,
        captured_at=times.text(observation.at),
        group=observation.group_name,
        box=None if box is None else Box.of(box),
        **decided(observation.decision),
        picture_url=call.shown(seen.picture_url),
    )


def _moment(ms: int) -> str:
    return times.text(moment(ms))


def face_of(call: Call, face: model.Face) -> Face:
    """Describe a face. Age and gender are the ones that were set, else the estimates."""
    group = call.services.groups.of_id(call.tenant, face.group_id)
    estimates = face.estimates
    age = estimates.age if face.age is None else face.age
    return Face(
        id=face.faceid,
        group=group.name if group else "",
        enrolled_at=times.text(face.enrolled_at),
        arrive_count=face.arrive_count,
        arrive_time=None if face.last_arrival_at is None else times.text(face.last_arrival_at),
        age=None if age is None else round(age),
        gender=face.gender or estimates.gender or Gender.UNKNOWN,
        quality=estimates.quality,
        estimates=Estimates.of(estimates),
        labels=Labels.of(face.labels),
    )
