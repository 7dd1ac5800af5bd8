"""User-defined attributes of a group's faces: up to five names, each with an id that is never used
again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from chalicelib.domain.errors import (
    AttributeNotFound,
    DefaultGroup,
    IllegalAttribute,
    WrongAttributeCount,
)
from chalicelib.domain.model import Attribute, Group

MAX_ATTRIBUTES = 5
"""Attributes of one group, as the cloud's contract says."""
NAME_LENGTH = 50
"""Characters of an attribute's name, as the cloud's contract says."""

RESERVED = frozenset(
    {
        *("group_name", "pic", "age", "gender", "faceid", "age_range", "arrive_times", "pic_url"),
        *("total_num", "return_num"),  # up to here the source reserves them; the next ones are ours
        *(
            "arrive_count",
            "arrive_time",
            "new_group_name",
            "num",
            "page_num",
            "page_size",
            "faceid_list",
        ),
        *("item1", "item2", "item3", "item4", "item5"),
        *("app_id", "random", "timestamp", "sign", "sign_type", "sn", "key"),
        *("code", "data", "msg", "point", "facdid"),
        # Names are read in either case of their first letter.
        *(
            "Age",
            "App_id",
            "Facdid",
            "Faceid",
            "Gender",
            "Group_name",
            "New_group_name",
            "Pic",
            "Random",
        ),
        *("Item1", "Item2", "Item3", "Item4", "Item5", "Sign", "Sign_type", "Sn", "Timestamp"),
    }
)
"""Names that an attribute may not have, because a camera's form has its values beside these."""


def append_attributes(group: Group, names: Sequence[str]) -> Group:
    """Return the group with new attributes behind its own, in the order of `names`.

    An attribute is a named value that the group's faces may have. Raises DefaultGroup for strangers
    and regulars, which have none. Raises WrongAttributeCount for no name, or for more than five in
    the group. Raises IllegalAttribute if a name is empty, over 50 characters, reserved, or there.
    """
    _require_own(group)
    free_count = MAX_ATTRIBUTES - len(group.attributes)
    if not 0 < len(names) <= free_count:
        raise WrongAttributeCount(
            f"a group has up to {MAX_ATTRIBUTES} attributes; this one has {len(group.attributes)} "
            f"and {len(names)} are to be added: send 1 to {free_count}"
        )
    present_names = [attribute.name for attribute in group.attributes]
    _require_legal(names, {*RESERVED, *present_names})
    return _make_attributes(group, group.attributes, names)


def drop_attributes(group: Group, names: Sequence[str]) -> Group:
    """Return the group without these attributes, the named values of its faces.

    Those behind a dropped one move up. Faces are not written. They keep the value by its
    attribute's id, which is never used again, so nobody sees it any more.

    Raises DefaultGroup for strangers and regulars, WrongAttributeCount, and AttributeNotFound.
    Raises IllegalAttribute if a name is empty, too long, or there twice.
    """
    _require_own(group)
    if not 0 < len(names) <= MAX_ATTRIBUTES:
        raise WrongAttributeCount(
            f"1 to {MAX_ATTRIBUTES} attributes are removed at once, not {len(names)}"
        )
    _require_legal(names, used_names=())
    present_names = {attribute.name for attribute in group.attributes}
    missing_names = [name for name in names if name not in present_names]
    if missing_names:
        raise AttributeNotFound(f"group {group.name!r} has no attribute {missing_names[0]!r}")
    kept = tuple(attribute for attribute in group.attributes if attribute.name not in names)
    return replace(group, attributes=kept)


def replace_attributes(group: Group, names: Sequence[str]) -> Group:
    """Return the group with these attributes only, in this order: named values of its faces.

    One that the group has already keeps its id, and so the faces' values. If all is as it was, the
    group is returned as it is. Else it raises DefaultGroup, WrongAttributeCount (over five),
    IllegalAttribute.
    """
    present_attributes = {attribute.name: attribute for attribute in group.attributes}
    if list(present_attributes) == list(names):
        return group
    _require_own(group)
    if len(names) > MAX_ATTRIBUTES:
        raise WrongAttributeCount(
            f"a group has up to {MAX_ATTRIBUTES} attributes, not {len(names)}", field="attributes"
        )
    _require_legal(names, RESERVED)
    new_names = [name for name in names if name not in present_attributes]
    # A group that has the new ones alone, and has counted their ids as used.
    with_new = _make_attributes(group, (), new_names)
    new_attributes = {attribute.name: attribute for attribute in with_new.attributes}
    attribute_by_name = {**new_attributes, **present_attributes}
    return replace(with_new, attributes=tuple(attribute_by_name[name] for name in names))


def _make_attributes(group: Group, present: Sequence[Attribute], names: Sequence[str]) -> Group:
    first = group.next_attribute_id
    new_attributes = [Attribute(first + number, name) for number, name in enumerate(names)]
    return replace(
        group, attributes=(*present, *new_attributes), next_attribute_id=first + len(new_attributes)
    )


def _require_own(group: Group) -> None:
    if group.is_default:
        raise DefaultGroup(
            f"the default group {group.name!r} has no attributes: use a group of your own"
        )


def _require_legal(names: Sequence[str], used_names: Collection[str]) -> None:
    """Raise IllegalAttribute if a name is empty, too long, used already, or there twice."""
    for index, name in enumerate(names):
        if not 0 < len(name) <= NAME_LENGTH:
            raise IllegalAttribute(
                f"an attribute's name has 1 to {NAME_LENGTH} characters, {name[:60]!r} has "
                f"{len(name)}",
                field="attributes",
            )
        if name in used_names or name in names[:index]:
            raise IllegalAttribute(
                f"the name {name!r} is reserved, there already, or sent twice: choose another",
                field="attributes",
            )
