"""The camera's endpoints: each view parses, calls one use case, and says what to render."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from chalice.app import Blueprint

from chalicelib.api.http import route, search_headers
from chalicelib.api.sunmi import wire
from chalicelib.api.sunmi.endpoint import Body, Call, Endpoint
from chalicelib.api.sunmi.parameters import ITEMS, Parameters
from chalicelib.core.errors import Busy, FaceNotFound, InvalidInput
from chalicelib.core.model import Face, Gender, Group, PictureRules

if TYPE_CHECKING:
    from chalicelib.services import Services

PREFIX = "/openapi/face/"
ALIASES = {"getFaceIDList": "getFaceList"}

PICTURES = PictureRules(
    formats=frozenset({"JPEG", "PNG"}), max_bytes=1_048_576, max_long_side_px=1920, max_short_side_px=1080
)


def create_group(call: Call, parameters: Parameters) -> Body:
    capacity_needed = call.tenant.limits.group_capacity_required
    call.services.groups.create(
        call.tenant,
        parameters.required_maybe_empty("name"),
        parameters.required_number("capacity") if capacity_needed else parameters.number("capacity"),
        parameters.required_maybe_empty("description"),
        request=call.request,
    )
    return {}


def delete_group(call: Call, parameters: Parameters) -> Body:
    call.services.groups.delete(call.tenant, parameters.required("name"), request=call.request)
    return {}


def get_group_list(call: Call, _: Parameters) -> Body:
    groups = call.services.groups
    return wire.groups(call.tenant, groups.all(call.tenant), groups.migration(call.tenant))


def add_face(call: Call, parameters: Parameters) -> Body:
    picture = parameters.file("pic")
    if picture is None:
        raise _no_picture(parameters)
    face = call.services.enrolment.of_largest_face(
        call.tenant,
        parameters.required("group_name"),
        picture,
        PICTURES,
        faceid=parameters.text("faceid"),
        age=parameters.number("age", 0, 120),
        gender=_gender(parameters),
        values=parameters.others(),
        request=call.request,
    )
    return {"faceid": face.faceid}


def delete_face(call: Call, parameters: Parameters) -> Body:
    number, group_name = parameters.required_number("num"), parameters.required("group_name")
    faceids = parameters.texts("faceid_list")
    if number != len(faceids) or not 1 <= number <= 100:
        raise InvalidInput(
            f"num is the length of faceid_list, 1 to 100; it is {number} and the list has {len(faceids)}"
        )
    return asdict(call.services.deletion.of_group(call.tenant, group_name, faceids, request=call.request))


def get_face(call: Call, parameters: Parameters) -> Body:
    face = call.services.faces.get(call.tenant, parameters.required("faceid"))
    return wire.face(face, _group_of(call, face))


def get_face_list(call: Call, parameters: Parameters) -> Body:
    name = parameters.required("group_name")
    page_num, page_size = parameters.number("page_num", low=1), parameters.number("page_size", 1, 100)
    page = call.services.faces.page(call.tenant, name, page_num or 1, page_size or 10)
    return wire.faces(page, call.services.groups.named(call.tenant, name))


def get_face_by_picture(call: Call, parameters: Parameters) -> Body:
    search = call.services.identify.by_picture(call.tenant, parameters.required_file("pic"), PICTURES)
    scores = [] if search.best_score is None else [search.best_score]
    call.headers.update(search_headers(scores, search.threshold, search.gallery_size))
    if search.match is None:
        raise FaceNotFound("no enrolled face matches the one in the picture")
    return wire.face(search.match.face, search.match.group)


ENDPOINTS = (
    Endpoint("createGroup", create_group, frozenset({"name", "capacity", "description"}), changes=True),
    Endpoint("deleteGroup", delete_group, frozenset({"name"}), changes=True),
    Endpoint("getGroupList", get_group_list),
    Endpoint(
        "addFace",
        add_face,
        frozenset({"group_name", "faceid", "pic", "age", "gender", "new_group_name"}) | ITEMS,
        changes=True,
    ),
    Endpoint(
        "deleteFace",
        delete_face,
        frozenset({"num", "group_name", "faceid_list"}),
        changes=True,
        render=wire.deleted,
    ),
    Endpoint("getFace", get_face, frozenset({"faceid"})),
    Endpoint("getFaceList", get_face_list, frozenset({"group_name", "page_num", "page_size"})),
    Endpoint("getFaceByPicture", get_face_by_picture, frozenset({"pic"})),
)


def blueprint(provide: Callable[[], Services]) -> Blueprint:
    """All endpoints of the dialect; `provide` gives the services, at the first call at the earliest."""
    routes = Blueprint(__name__)
    by_name = {endpoint.name: endpoint for endpoint in ENDPOINTS}
    for name, endpoint in [*by_name.items(), *((alias, by_name[of]) for alias, of in ALIASES.items())]:
        route(routes, PREFIX + name, partial(endpoint.answer, provide))
    return routes


def _gender(parameters: Parameters) -> Gender | None:
    sent = parameters.number("gender", 0, 2)
    return None if sent is None else wire.GENDERS_SENT[sent]


def _no_picture(parameters: Parameters) -> InvalidInput:
    """addFace without a picture may be meant as updateFace: the source's own example is."""
    if parameters.text("new_group_name") or "facdid" in parameters.aliases_used:
        return InvalidInput("addFace without pic is an updateFace, which this server does not offer yet: send pic")
    return InvalidInput("pic is missing: send it as a file, in multipart/form-data")


def _group_of(call: Call, face: Face) -> Group:
    group = call.services.groups.of_id(call.tenant, face.group_id)
    if group is None:
        raise Busy("the face is just being moved or deleted: ask again")
    return group
