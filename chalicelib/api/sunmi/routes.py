"""The camera's endpoints: each view parses, calls one service, and renders its result for the
camera's software."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import asdict

from chalicelib.api.credentials import Head, SignatureCredential, parse_form_value
from chalicelib.api.forms import Form
from chalicelib.api.http import Views, make_search_headers
from chalicelib.api.sunmi import PREFIX
from chalicelib.api.sunmi.endpoint import (
    CODES,
    Body,
    Endpoint,
    SunmiContext,
    find_signer,
    remember_signer,
)
from chalicelib.api.sunmi.request import ITEMS, Parameters, match_name, omit_empty_files
from chalicelib.domain import audit_events
from chalicelib.domain.errors import (
    Busy,
    FaceMerged,
    FaceNotFound,
    InvalidInput,
    NotFound,
    RegularsError,
    WrongAttributeCount,
)
from chalicelib.domain.model import STRANGER, Face, Group, NewFace, PromotionSettings, Tenant
from chalicelib.domain.pictures import Gender, PictureRules
from chalicelib.storage.values import omit_none

if TYPE_CHECKING:
    from chalicelib.book.faces import FacePage
    from chalicelib.settings import Settings

ALIASES = {"getFaceIDList": "getFaceList"}

PICTURES = PictureRules(
    formats=frozenset({"JPEG", "PNG"}),
    max_bytes=1_048_576,
    max_long_side_px=1920,
    max_short_side_px=1080,
)

_OF_FACE = frozenset({"group_name", "faceid", "pic", "age", "gender", "new_group_name"}) | ITEMS
"""Of updateFace and addFace, which ignores new_group_name unless the name turns it into an
updateFace."""

_ONLY_UPDATED = {"new_group_name", "facdid"}

_LAST_AGES = (6, 12, 18, 28, 35, 45, 55)
"""Oldest age of the age ranges 1 to 7; range 8 has no end."""

GENDERS = (Gender.UNKNOWN, Gender.MALE, Gender.FEMALE)
"""By their numbers, from 0 on."""


def is_update(form: Form) -> bool:
    """Tell whether an addFace call is really an updateFace.

    It is if it has no picture but a parameter that the source shows with updateFace only.
    """
    known_names = _OF_FACE | _ONLY_UPDATED
    sent_names = {match_name(name, known_names) for name, value in form.fields if value}
    file_names = {match_name(upload.name, known_names) for upload in omit_empty_files(form.uploads)}
    return "pic" not in sent_names | file_names and not sent_names.isdisjoint(_ONLY_UPDATED)


def add_face(context: SunmiContext, parameters: Parameters) -> Body:
    """Enrol the largest face of a picture.

    Parameters with unknown names are values of the group's attributes.
    """
    enrolled = context.services.enrolment.enrol_largest_face(
        context.tenant,
        parameters.required_text("group_name"),
        parameters.required_file("pic"),
        PICTURES,
        NewFace(
            faceid=parameters.text("faceid"),
            age=parameters.parse_number("age", 0, 120),
            gender=_parse_gender(parameters),
            values={name: value for name, value in parameters.list_others().items() if value},
        ),
        request=context.request_id,
    )
    return {"faceid": enrolled.faceid}


def update_face(context: SunmiContext, parameters: Parameters) -> None:
    """Change the fields of a face that were sent, and add its picture."""
    from chalicelib.book.enrolment.fields import FaceChanges

    changes = FaceChanges(
        new_group_name=parameters.text("new_group_name"),
        picture=parameters.file("pic"),
        age=parameters.parse_number("age", 0, 120),
        gender=_parse_gender(parameters),
        values=parameters.list_others(),
    )
    group_name, faceid = parameters.required_text("group_name"), parameters.required_text("faceid")
    context.services.enrolment.update.change_in_group(
        context.tenant, group_name, faceid, changes, PICTURES, request=context.request_id
    )


def delete_face(context: SunmiContext, parameters: Parameters) -> Body:
    number, group_name = parameters.required_number("num"), parameters.required_text("group_name")
    faceids = parameters.read_ids("faceid_list")
    if number != len(faceids) or not 1 <= number <= 100:
        raise InvalidInput(
            f"num is the length of faceid_list, 1 to 100; it is {number} and the list has "
            f"{len(faceids)}"
        )
    return asdict(
        context.services.deletion.delete_faces_of_group(
            context.tenant, group_name, faceids, context.request_id, by="sunmi"
        )
    )


def get_face(context: SunmiContext, parameters: Parameters) -> Body:
    try:
        face = context.services.faces.get(context.tenant, parameters.required_text("faceid"))
    except FaceMerged as merged:  # cameras and tills keep ids, and ask for the person
        face = context.services.faces.get(context.tenant, str(merged.details["into"]))
    group = context.services.groups.find_by_id(context.tenant, face.group_id)
    if group is None:
        raise Busy("the face is just being moved or deleted: ask again")
    return render_face(face, group)


def get_face_list(context: SunmiContext, parameters: Parameters) -> Body:
    name = parameters.required_text("group_name")
    page_num = parameters.parse_number("page_num", low=1)
    page_size = parameters.parse_number("page_size", 1, 100)
    page = context.services.faces.read_page(context.tenant, name, page_num or 1, page_size or 10)
    return {"total_num": page.group.count, **_render_page(page)}


def get_face_by_arrival(context: SunmiContext, parameters: Parameters) -> Body:
    name, number = parameters.required_text("group_name"), parameters.parse_number("num", 1, 10)
    return _render_page(context.services.faces.list_longest_away(context.tenant, name, number or 1))


def get_face_by_picture(context: SunmiContext, parameters: Parameters) -> Body:
    search = context.services.recognition.face_analysis.search_by_picture(
        context.tenant, parameters.required_file("pic"), PICTURES
    )
    context.response_headers.update(make_search_headers([search.decision]))
    if search.match is None:
        raise FaceNotFound("no enrolled face matches the one in the picture")
    return render_face(search.match.face, search.match.group)


def _parse_gender(parameters: Parameters) -> Gender | None:
    number = parameters.parse_number("gender", 0, 2)
    return None if number is None else GENDERS[number]


def create_group(context: SunmiContext, parameters: Parameters) -> None:
    fields = _read_group_fields(context, parameters)
    context.services.groups.create(context.tenant, *fields, request=context.request_id)


def update_group(context: SunmiContext, parameters: Parameters) -> None:
    old_name = parameters.required_text("old_name")
    sent = omit_none(_read_group_fields(context, parameters)._asdict())
    context.services.groups.change_by_name(
        context.tenant, old_name, sent, request=context.request_id
    )


def update_migration(context: SunmiContext, parameters: Parameters) -> None:
    sent = {
        "arrive_times": parameters.required_number("arrive_times"),
        "period_days": parameters.required_number("period"),
    }
    context.services.groups.change_promotion_settings(
        context.tenant, sent, request=context.request_id
    )


def delete_group(context: SunmiContext, parameters: Parameters) -> None:
    context.services.groups.delete(
        context.tenant, parameters.required_text("name"), request=context.request_id
    )


def get_group_list(context: SunmiContext, _: Parameters) -> Body:
    groups = context.services.groups.list_all(context.tenant)
    promotion_settings = context.services.groups.read_promotion_settings(context.tenant)
    return {
        "face_group": [
            _render_group(context.tenant, group, promotion_settings) for group in groups
        ],
        "num": len(groups),
    }


def add_face_info_item(context: SunmiContext, parameters: Parameters) -> None:
    group_name, names = parameters.required_text("group_name"), _parse_attribute_names(parameters)
    context.services.groups.add_attributes(
        context.tenant, group_name, names, request=context.request_id
    )


def remove_face_info_item(context: SunmiContext, parameters: Parameters) -> None:
    group_name, names = parameters.required_text("group_name"), _parse_attribute_names(parameters)
    context.services.groups.remove_attributes(
        context.tenant, group_name, names, request=context.request_id
    )


def get_face_info_item(context: SunmiContext, parameters: Parameters) -> Body:
    group = context.services.groups.get_by_name(
        context.tenant, parameters.required_text("group_name")
    )
    return {
        "num": len(group.attributes),
        "name_list": [attribute.name for attribute in group.attributes],
    }


class _GroupFields(NamedTuple):
    """The fields of a group.

    `capacity`: None: it was not sent, and the tenant's groups need none.
    """

    name: str
    capacity: int | None
    description: str


def _read_group_fields(context: SunmiContext, parameters: Parameters) -> _GroupFields:
    """Read the fields of a group, which are all required but the capacity. Raises InvalidInput."""
    read = (
        parameters.required_number
        if context.tenant.limits.group_capacity_required
        else parameters.parse_number
    )
    name, capacity = parameters.required_maybe_empty("name"), read("capacity")
    return _GroupFields(name, capacity, parameters.required_maybe_empty("description"))


def _parse_attribute_names(parameters: Parameters) -> list[str]:
    """Read the names, trimmed as all parameters' names are, because addFace sends values under
    these names."""
    number, names = parameters.required_number("num"), parameters.read_texts("name_list")
    if number != len(names):
        raise WrongAttributeCount(
            f"num is the length of name_list; it is {number} and the list has {len(names)}"
        )
    return [name.strip() for name in names]


def _render_group(tenant: Tenant, group: Group, promotion_settings: PromotionSettings) -> Body:
    """Render a group; the strangers' has the rule by which they become regulars, too."""
    promotion = (
        {"times": promotion_settings.arrive_times, "period": promotion_settings.period_days}
        if group.id == STRANGER
        else {}
    )
    return {
        "name": group.name,
        "capacity": tenant.limits.faces if group.capacity is None else group.capacity,
        "count": group.count,
        "description": group.description,
        **promotion,
    }


def render_face(face: Face, group: Group) -> Body:
    """Render a face whose group the caller did not name, with its group's name."""
    return {**render_listed_face(face, group), "group_name": group.name}


def _render_page(page: FacePage) -> Body:
    """Render a page of faces, with the count under both names that the source has for it."""
    rendered_faces = [render_listed_face(each, page.group) for each in page.faces]
    return {
        "num": len(rendered_faces),
        "return_num": len(rendered_faces),
        "faceid_list": rendered_faces,
    }


def render_listed_face(face: Face, group: Group) -> Body:
    """Render a face of a group that the caller named."""
    audit_events.report_people([face.faceid])
    last = face.last_arrival_at
    return {
        **_render_attributes(face, group),
        "faceid": face.faceid,
        "age": face.age,
        "age_range": choose_age_range(face),
        "gender": GENDERS.index(face.gender or face.estimates.gender or Gender.UNKNOWN),
        "arrive_count": face.arrive_count,
        "arrive_time": None if last is None else int(last.timestamp()),
    }


def _render_attributes(face: Face, group: Group) -> Body:
    """Render every attribute of the group, by its name and by its place; "" if the face has no
    value."""
    values = [
        (attribute.name, face.attributes.get(attribute.id, "")) for attribute in group.attributes
    ]
    return dict(values) | {
        f"item{number}": value for number, (_, value) in enumerate(values, start=1)
    }


def choose_age_range(face: Face) -> int | None:
    """Return the range, 1 to 8, of a face's age: of the age that was set, else of the estimate;
    None: no age."""
    age = face.estimates.age if face.age is None else face.age
    return None if age is None else bisect_left(_LAST_AGES, round(age)) + 1


def _describe_deletion(body: Body) -> Body:
    return {
        "success_list": body["success"],
        "failed_list": body["failed"],
        "not_exist_list": body["not_exist"],
    }


_GROUP = frozenset({"name", "capacity", "description"})
_ATTRIBUTES = frozenset({"num", "group_name", "name_list"})

_UPDATE_FACE = Endpoint("updateFace", update_face, _OF_FACE, changes=True)

ENDPOINTS = (
    Endpoint("createGroup", create_group, _GROUP, changes=True),
    Endpoint("updateGroup", update_group, _GROUP | {"old_name"}, changes=True),
    Endpoint(
        "updateMigration", update_migration, frozenset({"arrive_times", "period"}), changes=True
    ),
    Endpoint("deleteGroup", delete_group, frozenset({"name"}), changes=True),
    Endpoint("getGroupList", get_group_list),
    Endpoint("addFaceInfoItem", add_face_info_item, _ATTRIBUTES, changes=True),
    Endpoint("removeFaceInfoItem", remove_face_info_item, _ATTRIBUTES, changes=True),
    Endpoint("getFaceInfoItem", get_face_info_item, frozenset({"group_name"})),
    Endpoint(
        "addFace",
        add_face,
        _OF_FACE,
        changes=True,
        means=lambda form: _UPDATE_FACE if is_update(form) else None,
    ),
    Endpoint(
        "deleteFace",
        delete_face,
        frozenset({"num", "group_name", "faceid_list"}),
        changes=True,
        render=_describe_deletion,
    ),
    _UPDATE_FACE,
    Endpoint("getFace", get_face, frozenset({"faceid"})),
    Endpoint("getFaceList", get_face_list, frozenset({"group_name", "page_num", "page_size"})),
    Endpoint("getFaceByArrival", get_face_by_arrival, frozenset({"group_name", "num"})),
    Endpoint("getFaceByPicture", get_face_by_picture, frozenset({"pic"})),
)


_BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
_BY_NAME |= {alias: _BY_NAME[name] for alias, name in ALIASES.items()}


def parse_credential(_settings: Settings, request: Head) -> SignatureCredential:
    """Read the app_id that signed a request."""
    return SignatureCredential(
        find_signer, parse_form_value(b"app_id", request.body), remember_signer
    )


def make_gateway_fields(error: type[RegularsError], text: str) -> Mapping[str, object]:
    """Return the camera's error code and text. No camera calls an undeclared path."""
    return {"msg": text} if error is NotFound else {"code": CODES[error], "msg": text}


VIEWS = Views(
    answer_error=lambda error, path: _BY_NAME.get(
        path.removeprefix(PREFIX), ENDPOINTS[0]
    ).answer_error(error)[1],
    unknown_path="There is no such call here: by POST, there are "
    f"{', '.join(one.name for one in ENDPOINTS)}.",
    body_too_long=InvalidInput("The body is larger than 4 MiB."),
    parse_credential=parse_credential,
    answers_by_path={
        PREFIX + name: {"POST": endpoint.answer} for name, endpoint in _BY_NAME.items()
    },
    make_gateway_fields=make_gateway_fields,
)
