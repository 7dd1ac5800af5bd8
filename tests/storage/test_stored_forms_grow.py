"""Every stored list of a record's values can grow: a version before reads what a later one adds
behind, and a later one reads what lacks there."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

import chalicelib
from chalicelib.domain.model import Labels
from chalicelib.domain.observations import Observation, ObservationKind
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.domain.rules.visits import Arrival, Arrivals, Visits
from chalicelib.storage.records.observations import (
    observation_from,
    observation_item,
    visits_from,
    visits_item,
)
from chalicelib.storage.values import Codec

AT = datetime(2026, 1, 1, tzinfo=UTC)
_OF_FORM = {
    "Picture.id": "ab",
    "Learnt.sighting_id": "1767225600000-0123456789abcdef-1",
}
"""Values of fields whose texts have a form of their own."""
LATER = ("Europe/Berlin", 7, None)
"""Values that a later version may add."""


def list_codecs() -> dict[str, Codec[Any]]:
    """Return all codecs that stand in modules of the service, by module and name."""
    found: dict[str, Codec[Any]] = {}
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        if ".kernel-" in module.name or "kernel_" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Codec) and value not in found.values():
                found[f"{module.name}.{name}"] = value
    return found


def make_value(kind: Any, place: str = "") -> Any:
    """Make a value of a type, whatever it means."""
    whole = kind.__origin__ if get_origin(kind) is Annotated else kind
    choices = [part for part in get_args(whole) if part is not NoneType]
    if NoneType in get_args(whole):
        return make_value(choices[0], place)
    origin = get_origin(whole) or whole
    if not isinstance(origin, type):
        return make_value(choices[0], place) if choices else None
    if issubclass(origin, Struct):
        return make_record(origin)
    if issubclass(origin, tuple):
        if hints := get_type_hints(origin):
            return origin(*(make_value(hint, place) for hint in hints.values()))
        is_pair = choices and Ellipsis not in choices
        return tuple(make_value(each, place) for each in (choices if is_pair else choices[:1]))
    if issubclass(origin, StrEnum):
        return next(iter(origin))
    if issubclass(origin, frozenset):
        return frozenset({make_value(choices[0], place)}) if choices else frozenset()
    simple = {int: 7, float: 1.5, str: "ab", bytes: b"ab", bool: True, datetime: AT}
    if origin in simple:
        return _OF_FORM.get(place, simple[origin])
    return {}


def make_record(kind: type[Any]) -> Any:
    return kind(
        **{
            field.name: make_value(field.type, f"{kind.__name__}.{field.name}")
            for field in fields(kind)
        }
    )


def list_rows(value: Any, stored: Any) -> Iterator[tuple[list[Any], bool]]:
    """Yield the lists of a stored value that each hold one record's values, and whether the last of
    these has a default."""
    if not isinstance(stored, list):
        return
    if isinstance(value, Struct):
        yield stored, fields(type(value))[-1].default is not NODEFAULT
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield stored, value._fields[-1] in value._field_defaults
    elif isinstance(value, tuple) and len(value) > 1:  # of many, a sample has one
        yield stored, False
    elif isinstance(value, tuple):
        for part, stored_part in zip(value, stored, strict=False):
            yield from list_rows(part, stored_part)


def list_grown(codec: Codec[Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each field with a list of one record's values: its name, the stored record with a list
    that has one value more or less, and what is given beside it."""
    kind = codec._kind
    record = make_record(kind)
    given = {name: getattr(record, name) for name in codec._apart}
    for field in fields(kind):
        if field.name in codec._apart:
            continue
        attribute = codec._names.get(field.name, field.name)
        for change in ("more", "less"):
            stored = codec.write(record)
            for listed, has_default in list_rows(
                getattr(record, field.name), stored.get(attribute)
            ):
                whole = [*listed]
                if change == "less" and has_default:
                    listed[:] = whole[:-1]
                    yield field.name, stored, given
                for later in LATER if change == "more" else ():
                    listed[:] = [*whole, later]
                    yield field.name, stored, given
                listed[:] = whole


CODECS = list_codecs()


@pytest.mark.parametrize("name", CODECS)
def test_a_stored_list_takes_one_value_more_and_one_less(name: str) -> None:
    codec = CODECS[name]
    for field, stored, given in list_grown(codec):
        read = codec.read(stored, **given)
        assert read is not None, field


def test_the_walk_finds_the_lists_that_there_are() -> None:
    found = {
        f"{codec._kind.__name__}.{field}"
        for codec in CODECS.values()
        for field, _, _ in list_grown(codec)
    }
    assert {"Camera.outages", "Seal.pieces", "Picture.learnt", "Review.box"} <= found


@pytest.mark.parametrize("later", LATER)
def test_a_promotion_and_labels_take_one_value_more(later: object) -> None:
    rule = PromotionRule(3, 7)
    visits = Visits(Arrivals((Arrival(0, 1, 2),)), Promotion(0, rule), version=1)
    item = visits_item("shop", "1", visits)
    assert visits_from({**item, "promotion": [*item["promotion"], later]}) == visits
    observation = observation_item("shop", make_observation())
    more = {**observation, "labels": [*observation["labels"], later]}
    assert observation_from(more) == observation_from(observation)


def make_observation() -> Observation:
    labels = Labels("a", "b", "c", "d")
    return Observation(AT, "1", "21", "regular", labels, ObservationKind.SIGHTING)
