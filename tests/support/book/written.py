"""A value for each field of a face that somebody writes of a person, by its type: a new field has
one, too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin

from msgspec.structs import fields

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.model import BLANK, Face, Labels
from chalicelib.domain.pictures import Gender

_BY_KIND: Mapping[Any, Any] = {
    int: 34,
    Gender: Gender.FEMALE,
    Labels: Labels(b="label-b", d="label-d"),
    Consent: Consent(Basis.CONSENT, datetime(2026, 2, 28, 9, tzinfo=UTC), "drawer-3"),
    Mapping[int, str]: {1: "chess"},
}


def kinds_of(type_: Any) -> list[Any]:
    """Return the types of which one is a field's, without None."""
    if get_origin(type_) is Annotated:
        type_ = type_.__origin__
    return [
        kind
        for kind in (get_args(type_) if get_origin(type_) is UnionType else [type_])
        if kind is not NoneType
    ]


KINDS = {field.name: kinds_of(field.type)[0] for field in fields(Face)}
TEXTS = tuple(name for name in BLANK if KINDS[name] is str)
"""Fields of a face that are texts which somebody wrote."""
WRITTEN = {name: f"her-{name}" if KINDS[name] is str else _BY_KIND[KINDS[name]] for name in BLANK}
CHANGES = {
    name: WRITTEN[name]
    for name in FaceChanges.__struct_fields__
    if name in BLANK and name != "labels"
}
"""Fields that a change of a face gives by their own names."""


def changed_texts(name: str, others: str) -> dict[str, str]:
    """Make the texts of a change: a name, and this one in all other places that take a text."""
    return {text: name if text == "name" else others for text in TEXTS if text in CHANGES}
