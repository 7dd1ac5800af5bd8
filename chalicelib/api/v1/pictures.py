"""The pictures of a face over v1: list, add, remove."""

from __future__ import annotations

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.api.v1.render import estimates_body
from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Picture


def every(call: Call) -> Body:
    """List the face's pictures: the portrait first, then in the order added."""
    face = call.services.faces.get(call.tenant, call.path["id"])
    return {"pictures": [_picture(one) for one in face.pictures]}


def add(call: Call) -> Body:
    """Add a picture. The same photo again gives the same picture."""
    fields, use, faceid = call.fields, call.services.face_pictures, call.path["id"]
    trust = "trust" in fields and fields.flag("trust")
    if ("picture" in fields) == ("sighting" in fields):
        raise InvalidInput("send either picture, a file in base64, or sighting, the id of one of the face's sightings")
    if "sighting" in fields:
        sighting = fields.text("sighting", 100)
        return _picture(use.add_sighting(call.tenant, faceid, sighting, is_vouched_for=trust))
    from chalicelib.services.captures.reading import RULES  # not at the other routes' cold starts

    photo = fields.binary("picture")
    return _picture(use.add(call.tenant, faceid, photo, RULES, is_vouched_for=trust))


def remove(call: Call) -> None:
    call.services.face_pictures.remove(call.tenant, call.path["id"], call.path["picture"])


OPERATIONS = (
    Operation("GET", "/v1/faces/{id}/pictures", every),
    Operation("POST", "/v1/faces/{id}/pictures", add, fields=frozenset({"picture", "sighting", "trust"}), status=201),
    Operation("DELETE", "/v1/faces/{id}/pictures/{picture}", remove),
)


def _picture(picture: Picture) -> Body:
    estimates = picture.estimates
    return {
        "id": picture.id,
        "added_at": times.text(picture.added_at),
        "quality": estimates.quality,
        "pose": estimates_body(estimates)["pose"],
        "kept": picture.key != "",
    }
