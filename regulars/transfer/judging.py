"""Judgement of people and groups, as the service gives it before it looks at a picture.

A dry run asks here, by the rules that the service has for a request.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from chalicelib.api.v1.faces import NewFace
from chalicelib.api.v1.wire import parse_body
from chalicelib.book.enrolment.fields import find_attribute_values, require_attributes
from chalicelib.domain.attributes import replace_attributes
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Attribute, Group
from chalicelib.domain.names import face_name, legal_group_name
from chalicelib.domain.person_texts import parse_texts
from chalicelib.storage.values import format_count
from regulars.errors import OperatorError

if TYPE_CHECKING:
    from regulars_client import models

    from regulars.transfer.sources import Person


def find_wrong_field(person: Person, group: str, attributes: Collection[str]) -> str:
    """Say why an enrolment would refuse what is said of a person; "" if it would not.

    `attributes`: those that the group has.
    """
    body = {"picture": "", "group": group, "name": person.name, **person.other_fields}
    own_id = {} if person.id is None else {"id": person.id}
    group_with_attributes = _make_group(group, attributes)
    try:
        new_face = parse_body(json.dumps({**body, **own_id}).encode(), NewFace)
        require_attributes(group_with_attributes, new_face.attributes)
        find_attribute_values(group_with_attributes, new_face.attributes)
        face_name(new_face.name)
        parse_texts(new_face)
    except RegularsError as error:
        return str(error)
    return ""


def require_legal_group(name: str, attributes: Collection[str]) -> None:
    """Raise OperatorError if no group can be made with this name and these attributes."""
    try:
        replace_attributes(_make_group(legal_group_name(name), ()), [*attributes])
    except RegularsError as error:
        raise OperatorError(str(error)) from error


def require_room_for_groups(
    groups: Sequence[models.Group], usage: models.Usage, capacities: Collection[int]
) -> None:
    """Raise OperatorError if the tenant has no room for so many groups more.

    `capacities`: those that they would have, if this tenant's groups need one.
    """
    need_capacity = all(group.capacity is not None for group in groups)
    rooms = {
        "groups": (usage.limits.groups - usage.groups, len(capacities)),
        "people in groups": (usage.capacity_left, sum(capacities) if need_capacity else 0),
    }
    for what, (room, wanted) in rooms.items():
        if wanted > room:
            raise OperatorError(
                f"the tenant has room for {max(room, 0):,} more {what}, and the import would make "
                f"groups for {wanted:,}: delete some first, or raise the limit"
            )


def require_room(
    groups: Iterable[models.Group], usage: models.Usage, newcomers: Mapping[str, int]
) -> None:
    """Raise OperatorError if a group, or the tenant, has no room for so many people more.

    `newcomers`: by the group's name, how many people would come.
    """
    rooms = {
        f"group {group.name!r}": (group.capacity - group.count, newcomers.get(group.name, 0))
        for group in groups
        if group.capacity is not None
    }
    of_tenant = usage.limits.faces - usage.faces, Counter(newcomers).total()
    for where, (room, wanted) in {**rooms, "the tenant": of_tenant}.items():
        if wanted > room:
            people = format_count(wanted, "person", "people")
            raise OperatorError(
                f"{where} has room for {max(room, 0):,} more, and {people} would come: the import "
                "would end there; delete some first, or raise the limit"
            )


def _make_group(name: str, attributes: Collection[str]) -> Group:
    """Make a group as the rules of attributes take it."""
    numbered = tuple(Attribute(number, text) for number, text in enumerate(attributes, start=1))
    return Group("", name, "", 0, None, numbered)
