"""Sentences about what was sent and does not fit a Struct: the place, what would be right, what was
sent.

msgspec names the place of the error. The type at that place says what would be right, and the
request what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types
from msgspec.structs import replace

from chalicelib.api.forms import describe_value
from chalicelib.api.v1.times import TIME_SAID
from chalicelib.domain.errors import InvalidInput

_SHOWN = 40
"""Characters of a wrong value that an error repeats."""
_PLACE = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")


class _Spot(Struct, frozen=True):
    """A place in what was sent, with the type that it should have there.

    `index`: of the last list of objects above.
    """

    kind: types.Type
    value: Any
    name: str = ""
    index: int | None = None

    def member(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name


def make_validation_error(
    value: Any,
    struct: type[msgspec.Struct],
    error: msgspec.ValidationError,
    *,
    has_null: bool = True,
) -> InvalidInput:
    """Make the error for a `value` that msgspec did not convert to `struct`.

    `has_null`: null can be sent.
    """
    text = str(error)
    path_match = _PLACE.search(text)
    spot = _follow_path(_Spot(types.type_info(struct), value), path_match[1] if path_match else "")
    if not has_null and isinstance(spot.kind, types.UnionType):
        other_kinds = tuple(
            kind for kind in spot.kind.types if not isinstance(kind, types.NoneType)
        )
        spot = replace(spot, kind=types.UnionType(other_kinds))
    missing = _MISSING.match(text)
    field = spot.member(missing[1]) if missing else spot.name
    named = {"field": field} if field else {}
    invalid_input = InvalidInput(_write_sentence(spot, text), **named)
    invalid_input.index = spot.index
    return invalid_input


def _write_sentence(spot: _Spot, text: str) -> str:
    """Say what is wrong at the spot, and what would be right. `text`: msgspec's error."""
    if isinstance(spot.kind, types.StructType) and isinstance(spot.value, Mapping):
        field_names = [field.encode_name for field in spot.kind.fields]
        missing = _MISSING.match(text)
        if missing:
            return f"{spot.member(missing[1])} is missing: it is required"
        for name in spot.value:
            if name not in field_names:
                names = ", ".join(sorted(field_names)) if field_names else "none"
                return f"there is no field {spot.member(name[:_SHOWN])!r} here: {names} can be sent"
    if "`key` in `" in text and isinstance(spot.kind, types.DictType):
        return f"each name in {spot.name} is {_describe_type(spot.kind.key_type)}"
    is_map = isinstance(spot.kind, types.DictType) and isinstance(spot.value, Mapping)
    sent_text = f"of {len(spot.value)}" if is_map else describe_value(spot.value)
    return f"{spot.name or 'the body'} is {_describe_type(spot.kind)}, not {sent_text}"


def _follow_path(spot: _Spot, path: str) -> _Spot:
    """Return the place to which msgspec's path leads from a spot, as far as it fits what was sent.

    The path of `{"captures": [{"size": "x"}]}` is `.captures[0].size`; `[...]` stands for any name
    of a map.
    """
    for name, number, any_name in _STEP.findall(path):
        kind = _choose_type(spot.kind, spot.value)
        if name and isinstance(kind, types.StructType):
            field = next((field for field in kind.fields if field.encode_name == name), None)
            if field is None or name not in spot.value:
                break
            spot = _Spot(field.type, spot.value[name], spot.member(name), spot.index)
        elif number and isinstance(kind, types.ListType):
            of_objects = isinstance(_unwrap(kind.item_type), types.StructType)
            index = int(number) if of_objects else spot.index
            spot = _Spot(kind.item_type, spot.value[int(number)], f"{spot.name}[{number}]", index)
        elif any_name and isinstance(kind, types.DictType):
            wrong_key = next(
                key for key, value in spot.value.items() if not _is_of_kind(value, kind.value_type)
            )
            spot = _Spot(
                kind.value_type, spot.value[wrong_key], spot.member(wrong_key[:_SHOWN]), spot.index
            )
        else:
            break
    return replace(spot, kind=_choose_type(spot.kind, spot.value))


def _unwrap(kind: types.Type) -> types.Type:
    return _unwrap(kind.type) if isinstance(kind, types.Metadata) else kind


def _choose_type(kind: types.Type, value: Any) -> types.Type:
    """Return the type that is meant: of a union the one for objects, or for lists, if `value` is
    one."""
    kind = _unwrap(kind)
    if not isinstance(kind, types.UnionType):
        return kind
    wanted_kinds = types.ListType if isinstance(value, list) else (types.StructType, types.DictType)
    options = [_unwrap(option) for option in kind.types]
    fitting_options = (
        [option for option in options if isinstance(option, wanted_kinds)]
        if isinstance(value, (list, dict))
        else []
    )
    return fitting_options[0] if fitting_options else kind


def _is_of_kind(value: Any, kind: types.Type) -> bool:
    """Tell whether a value of a map is one of the types that its values may have."""
    kind = _unwrap(kind)
    if isinstance(kind, types.UnionType):
        return any(_is_of_kind(value, option) for option in kind.types)
    if isinstance(kind, types.StrType):
        return isinstance(value, str) and len(value) <= (kind.max_length or len(value))
    if isinstance(value, bool):
        return isinstance(kind, types.BoolType)
    python: dict[type, Any] = {
        types.NoneType: type(None),
        types.FloatType: (int, float),
        types.IntType: int,
    }
    return type(kind) in python and isinstance(value, python[type(kind)])


def _describe_type(kind: types.Type) -> str:
    """Say in words what a value of the type is."""
    kind = _unwrap(kind)
    match kind:
        case types.UnionType():
            other_kinds = [
                option
                for option in map(_unwrap, kind.types)
                if not isinstance(option, types.NoneType)
            ]
            null = ["null"] if len(other_kinds) < len(kind.types) else []
            return _join_by_or([*map(_describe_type, other_kinds), *null])
        case types.StrType():
            return f"a text{_describe_length(kind, 'characters')}" + (
                f" of the form {kind.pattern}" if kind.pattern else ""
            )
        case types.IntType():
            return f"a whole number{_describe_bounds(kind)}"
        case types.FloatType():
            return f"a number{_describe_bounds(kind)}"
        case types.BoolType():
            return "true or false"
        case types.BytesType():
            return "a text in base64"
        case types.EnumType():
            return _join_by_or([str(enum.value) for enum in kind.cls])
        case types.LiteralType():
            return _join_by_or([str(value) for value in kind.values])
        case types.ListType():
            return f"a list{_describe_length(kind, _describe_items(kind.item_type))}"
        case types.CustomType():
            return TIME_SAID
        case types.DictType() if kind.max_length is not None:
            return f"an object{_describe_length(kind, 'members')}"
    return "an object"


def _describe_items(kind: types.Type) -> str:
    kind = _unwrap(kind)
    if isinstance(kind, types.StrType):
        return f"texts{_describe_length(kind, 'characters')}" + (" each" if kind.max_length else "")
    if isinstance(kind, types.StructType | types.DictType):
        return "objects"
    return "values, each " + _describe_type(kind)


def _describe_length(kind: Any, units: str) -> str:
    low, high = kind.min_length, kind.max_length
    if high is None:
        return (
            ""
            if units == "characters" and not low
            else f" of {low} or more {units}"
            if low
            else f" of {units}"
        )
    return f" of {low} to {high} {units}" if low else f" of up to {high} {units}"


def _describe_bounds(kind: Any) -> str:
    low, high = kind.ge, kind.le
    if kind.gt is not None:
        return f" above {kind.gt:g}" + ("" if high is None else f", up to {high:g}")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}" if isinstance(low, float) else f" from {low} to {high}"
    return f" from {low} on" if low is not None else f" up to {high}" if high is not None else ""


def _join_by_or(choices: Iterable[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last
