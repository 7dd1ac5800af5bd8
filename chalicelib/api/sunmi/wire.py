"""Groups and faces in the form that the camera's software reads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.core.model import STRANGER, Face, Group, Migration, Tenant
from chalicelib.core.pictures import Gender

if TYPE_CHECKING:
    from chalicelib.services.faces import FacePage

Data = Mapping[str, Any]

_LAST_AGES = (6, 12, 18, 28, 35, 45, 55)
"""Oldest age of the age ranges 1 to 7; range 8 has no end."""

GENDERS = {Gender.UNKNOWN: 0, Gender.MALE: 1, Gender.FEMALE: 2}
GENDERS_SENT = {number: gender for gender, number in GENDERS.items()}


def groups(tenant: Tenant, listed: Sequence[Group], migration: Migration) -> Data:
    return {"face_group": [_group(tenant, group, migration) for group in listed], "num": len(listed)}


def _group(tenant: Tenant, group: Group, migration: Migration) -> Data:
    moving = {"times": migration.arrive_times, "period": migration.period_days} if group.id == STRANGER else {}
    return {
        "name": group.name,
        "capacity": tenant.limits.faces if group.capacity is None else group.capacity,
        "count": group.count,
        "description": group.description,
        **moving,
    }


def attribute_names(group: Group) -> Data:
    names = [attribute.name for attribute in group.attributes]
    return {"num": len(names), "name_list": names}


def face(found: Face, group: Group) -> Data:
    """Render a face whose group the caller did not name, with its group's name."""
    return {**listed_face(found, group), "group_name": group.name}


def faces(page: FacePage) -> Data:
    """Render a page of faces, with the count under both names that the source has for it."""
    listed = [listed_face(each, page.group) for each in page.faces]
    return {"num": len(listed), "return_num": len(listed), "faceid_list": listed}


def listed_face(found: Face, group: Group) -> Data:
    """Render a face of a group that the caller named."""
    last = found.last_arrival_at
    return {
        **_attributes(found, group),
        "faceid": found.faceid,
        "age": found.age,
        "age_range": age_range(found),
        "gender": GENDERS[found.gender or found.estimates.gender or Gender.UNKNOWN],
        "arrive_count": found.arrive_count,
        "arrive_time": None if last is None else int(last.timestamp()),
    }


def _attributes(found: Face, group: Group) -> Data:
    """Render every attribute of the group, by its name and by its place; "" if the face has no value."""
    values = [(attribute.name, found.attributes.get(attribute.id, "")) for attribute in group.attributes]
    return dict(values) | {f"item{place}": value for place, (_, value) in enumerate(values, start=1)}


def age_range(found: Face) -> int | None:
    """Return the range, 1 to 8, of the age that was set, else of the estimate; None if there is neither."""
    age = found.estimates.age if found.age is None else found.age
    return None if age is None else bisect_left(_LAST_AGES, round(age)) + 1


def deleted(body: Data) -> Data:
    return {"success_list": body["success"], "failed_list": body["failed"], "not_exist_list": body["not_exist"]}
