"""Judgement of people and groups, as the service gives it before it looks at a picture.

A dry run asks here. The bounds are those of docs/api/v1.yaml, so that it sends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct
from regulars_client.errors import OperatorError

from regulars_transfer.texts import format_count, is_one_line, normalise_name

if TYPE_CHECKING:
    from regulars_client import models

    from regulars_transfer.sources import Person

_GROUP_NAME_LENGTH = 96
_IN_ANY_CASE = [
    "age",
    "app_id",
    "facdid",
    "faceid",
    "gender",
    "group_name",
    "item1",
    "item2",
    "item3",
    "item4",
    "item5",
    "new_group_name",
    "pic",
    "random",
    "sign",
    "sign_type",
    "sn",
    "timestamp",
]
RESERVED = {
    *[
        "age_range",
        "arrive_count",
        "arrive_time",
        "arrive_times",
        "code",
        "data",
        "faceid_list",
        "key",
        "msg",
        "num",
    ],
    *["page_num", "page_size", "pic_url", "point", "return_num", "total_num"],
    *_IN_ANY_CASE,
    *map(str.capitalize, _IN_ANY_CASE),
}
"""Names that no attribute may have: a camera's form has its values beside these."""

_Text = Annotated[str, Meta(max_length=100)]


class _SaidOfPerson(Struct):
    """What an enrolment takes, as docs/api/v1.yaml bounds it."""

    name: _Text = ""
    note: Annotated[str, Meta(max_length=500)] = ""
    counter_note: Annotated[str, Meta(max_length=200)] = ""
    age: Annotated[int, Meta(ge=0, le=120)] | None = None
    attributes: dict[str, Annotated[str, Meta(max_length=50)]] = {}
    labels: dict[str, _Text] = {}


class _SaidOfGroup(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=_GROUP_NAME_LENGTH, pattern=r"^\S")]
    attributes: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=50)]], Meta(max_length=5)
    ]


def find_wrong_field(person: Person, group: str, attributes: Collection[str]) -> str:
    """Say why an enrolment would refuse what is said of a person; "" if it would not.

    `attributes`: those that the group has.
    """
    said: dict[str, Any] = {"name": person.name, **person.other_fields}
    normal = {
        name: normalise_name(text, 500).strip() if isinstance(text, str) else text
        for name, text in said.items()
    }
    try:
        msgspec.convert(normal, _SaidOfPerson)
    except msgspec.ValidationError as error:
        return str(error)
    for name in ("name", "counter_note"):
        if not is_one_line(normal.get(name, "")):
            return f"{name} is one line of text, without control characters"
    for name in said.get("attributes", ()):
        if name not in attributes:
            return f"group {group!r} has no attribute {name[:60]!r}"
    return ""


def require_legal_group(name: str, attributes: Collection[str]) -> None:
    """Raise OperatorError if no group can be made with this name and these attributes."""
    normal = normalise_name(name, _GROUP_NAME_LENGTH)
    try:
        msgspec.convert({"name": normal, "attributes": [*attributes]}, _SaidOfGroup)
    except msgspec.ValidationError as error:
        raise OperatorError(
            f"the group {normal[:_GROUP_NAME_LENGTH]!r} is refused: {error}"
        ) from error
    if not is_one_line(normal):
        raise OperatorError(f"a group's name is one line, without control characters: {normal!r}")
    if reserved := RESERVED.intersection(attributes):
        raise OperatorError(f"the name {min(reserved)!r} is reserved: choose another attribute")


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
