"""The data of an event of any kind, made of the members that a test gives and of others."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from msgspec import NODEFAULT, convert
from msgspec.structs import FieldInfo, fields

from chalicelib.domain.events import EVENTS, EventData, Member, members_of

NO_PERSONS: dict[str, str] = {
    "capture": "id of a picture of a camera, which goes with the capture",
    "sighting": "as the capture's",
    "crop_url": "as the capture's: it is asked for with a key",
    "captured_at": "a time",
    "merge": "id of a merge, which goes by itself",
    "first": "a day",
    "last": "a day",
    "report": "figures of a week",
    "last_seen_at": "a time",
    "state": "a word for a camera's state",
    "trouble": "as the state",
    "was": "as the state",
    "error": "what a program says of a camera",
    "place": "id of a place",
    "hook": "id of a hook",
}
"""Texts that stay when a person goes, with why none of them is a person's. A `name` is one, if its
event is about a face."""

_BY_KIND: Mapping[Any, Any] = {str: "text", int: 7, float: 0.5, bool: True}


def kinds_of(field: FieldInfo) -> tuple[Any, ...]:
    """Return the types of which one is a member's."""
    type_ = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
    return get_args(type_) or (type_,)


def make_data(kind: str, **given: Any) -> EventData:
    """Make the data of an event. `given`: members; of those that the kind lacks none is taken."""
    needed = {
        field.name: _BY_KIND[kinds_of(field)[0]]
        for field in fields(EVENTS[kind])
        if field.default is NODEFAULT
    }
    known = {name: value for name, value in given.items() if name in members_of(kind)}
    return convert({**needed, **known}, EVENTS[kind])


def list_members(kind: str) -> Mapping[str, tuple[tuple[Any, ...], Member]]:
    """Return the types of each member of a kind, and what is said of it."""
    return {
        field.name: (kinds_of(field), members_of(kind)[field.name])
        for field in fields(EVENTS[kind])
    }
