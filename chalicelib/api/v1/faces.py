"""Faces over v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.v1 import times
from chalicelib.api.v1.captures import sighting_body
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.render import decision_body, estimates_body
from chalicelib.core.model import Face
from chalicelib.core.pictures import Gender
from chalicelib.core.values import moment

if TYPE_CHECKING:
    from chalicelib.services.sightings.timeline import TimelineSighting


def get(call: Call) -> Body:
    return face_body(call, call.services.faces.get(call.tenant, call.path["id"]))


def sightings(call: Call) -> Body:
    from chalicelib.services.sightings.timeline import PAGE_SIZES  # not at the other routes' cold starts

    limit = call.query.whole("limit", PAGE_SIZES, default=50)
    timeline = call.services.sightings.timeline(call.tenant, call.path["id"], limit, call.query.text("token"))
    return {
        "sightings": [_sighting(call, seen) for seen in timeline.sightings],
        "total": timeline.total,
        "next": timeline.next_token,
        "arrivals": [
            {"first": _moment(one.first_ms), "last": _moment(one.last_ms), "sightings": one.sightings}
            for one in timeline.arrivals
        ],
    }


def reject(call: Call) -> Body:
    """Reject a sighting as "not this person"; the answer has its new resolution and the face that it left."""
    rejected = call.services.rejection.reject(call.tenant, call.path["id"], call.path["sighting"])
    return {
        "sighting": sighting_body(rejected.capture, rejected.sighting),
        "face": face_body(call, rejected.face),
    }


OPERATIONS = (
    Operation("GET", "/v1/faces/{id}", get),
    Operation("GET", "/v1/faces/{id}/sightings", sightings, query=frozenset({"limit", "token"})),
    Operation("POST", "/v1/faces/{id}/sightings/{sighting}/reject", reject),
)


def _sighting(call: Call, seen: TimelineSighting) -> Body:
    """Render a sighting. `picture_url` shows the whole capture; `box` is the place of the face in it."""
    observation, box = seen.observation, seen.observation.box
    return {
        "id": observation.id,
        "capture": seen.capture_id,
        "camera": observation.camera,
        "captured_at": times.text(observation.at),
        "group": observation.group_name,
        "box": None if box is None else box._asdict(),
        **decision_body(observation.decision),
        "picture_url": call.absolute(seen.picture_url),
    }


def _moment(ms: int) -> str:
    return times.text(moment(ms))


def face_body(call: Call, face: Face) -> Body:
    """Render a face. Age and gender are the ones that were set, else the estimates."""
    group = call.services.groups.of_id(call.tenant, face.group_id)
    estimates = face.estimates
    age = estimates.age if face.age is None else face.age
    gender = face.gender or estimates.gender or Gender.UNKNOWN
    return {
        "id": face.faceid,
        "group": group.name if group else "",
        "enrolled_at": times.text(face.enrolled_at),
        "arrive_count": face.arrive_count,
        "arrive_time": None if face.last_arrival_at is None else times.text(face.last_arrival_at),
        "age": None if age is None else round(age),
        "gender": gender.value,
        "quality": estimates.quality,
        "estimates": estimates_body(estimates),
        "labels": face.labels._asdict(),
    }
