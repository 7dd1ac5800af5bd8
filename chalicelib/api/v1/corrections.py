"""What somebody says of a sighting, over v1."""

from __future__ import annotations

from chalicelib.api.v1.captures import sighting_body
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.faces import face_body


def reject(call: Call) -> Body:
    """Not this person: what the sighting is now, and the face that it left."""
    rejected = call.services.rejection.reject(call.tenant, call.path["id"], call.path["sighting"])
    return {
        "sighting": sighting_body(rejected.capture, rejected.sighting),
        "face": face_body(call, rejected.face),
    }


OPERATIONS = (Operation("POST", "/v1/faces/{id}/sightings/{sighting}/reject", reject),)
