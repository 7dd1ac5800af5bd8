"""The pictures of a face over v1: listed, added, taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.v1 import times
from chalicelib.api.v1.decided import estimates_body
from chalicelib.api.v1.endpoint import Body, Call, Operation
from chalicelib.core import first_use
from chalicelib.core.model import Picture

if TYPE_CHECKING:
    from chalicelib.services import capture_reading as captures
else:
    captures = first_use.module("chalicelib.services.capture_reading")


def every(call: Call) -> Body:
    """The portrait first, then as they were added."""
    face = call.services.faces.get(call.tenant, call.path["id"])
    return {"pictures": [_picture(one) for one in face.pictures]}


def add(call: Call) -> Body:
    """The picture; the same photo again is the same picture."""
    fields = call.fields
    photo = fields.binary("picture")
    trust = "trust" in fields and fields.flag("trust")
    face_pictures, rules = call.services.face_pictures, captures.RULES
    return _picture(face_pictures.add(call.tenant, call.path["id"], photo, rules, is_vouched_for=trust))


def remove(call: Call) -> None:
    call.services.face_pictures.remove(call.tenant, call.path["id"], call.path["picture"])


OPERATIONS = (
    Operation("GET", "/v1/faces/{id}/pictures", every),
    Operation("POST", "/v1/faces/{id}/pictures", add, fields=frozenset({"picture", "trust"}), status=201),
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
