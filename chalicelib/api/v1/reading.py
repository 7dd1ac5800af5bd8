"""Bodies and queries as the Structs that operations name. What does not fit is refused by a sentence of ours."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from chalicelib.api.named import read_object
from chalicelib.api.v1.wire import Changes, Instant, Sent
from chalicelib.core.errors import InvalidInput

_Struct = TypeVar("_Struct", bound=Sent)

_SHOWN = 40
_WHOLE_TO = 2.0**53

_looking, _looked_into = threading.Lock(), set[Any]()


def look_into(kind: type[msgspec.Struct]) -> None:
    """Let msgspec look into a type, as it does at the type's first use: in one thread.

    A second thread that uses a type meanwhile finds it half done, and the process crashes.
    """
    if kind not in _looked_into:
        with _looking:
            msgspec.json.Decoder(kind)
            _looked_into.add(kind)


def read_body(body: bytes, struct: type[_Struct]) -> _Struct:
    """Read a JSON object as `struct`; no bytes are an empty object.

    Raises InvalidInput that names the member, such as `labels.a`, and for changes that change nothing.
    """
    value = finite_object(body) if body.strip() else {}
    if not value and issubclass(struct, Changes):
        raise InvalidInput(f"send what to change: {', '.join(sorted(struct.__struct_encode_fields__))}")
    look_into(struct)
    try:
        return msgspec.convert(value, struct, dec_hook=_of_json)
    except msgspec.ValidationError as error:
        from chalicelib.api.v1.misfits import misfit  # not at a cold start: it looks into all types

        raise misfit(value, struct, error) from error


def read_query(sent: Mapping[str, Sequence[str]], struct: type[_Struct], lists: Collection[str] = ()) -> _Struct:
    """Read the parameters of a query, each sent at most once, except `lists`. An empty one counts as not sent.

    Raises InvalidInput.
    """
    known = struct.__struct_encode_fields__
    value: dict[str, Any] = {}
    for name, values in sent.items():
        if name not in known:
            can = ", ".join(sorted(known)) if known else "none"
            raise InvalidInput(f"there is no parameter {name[:_SHOWN]!r} here: {can} can be sent")
        if name in lists:
            value[name] = [one for one in values if one]
        elif len(values) > 1:
            raise InvalidInput(f"{name} was sent {len(values)} times: send each parameter once")
        elif values and values[0]:
            value[name] = values[0]
    return converted(value, struct)


def converted(value: Mapping[str, Any], struct: type[_Struct]) -> _Struct:
    """Read texts by name, and what is not text already, as `struct`. Raises InvalidInput."""
    look_into(struct)
    try:
        read = msgspec.convert(value, struct, strict=False, dec_hook=_of_text)
        for name, attribute in zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True):
            if name in value and getattr(read, attribute) is None:
                raise msgspec.ValidationError(f"the word null is no null - at `$.{name}`")
        return read
    except msgspec.ValidationError as error:
        from chalicelib.api.v1.misfits import misfit  # not at a cold start: it looks into all types

        raise misfit(value, struct, error, has_null=False) from error


def finite_object(body: bytes) -> dict[str, Any]:
    """Parse a body that is a JSON object. Raises InvalidInput as `read_object` does, and for infinite numbers."""
    return read_object(body, parse_int=_bounded, parse_float=_finite, parse_constant=_no_constant)


def _bounded(text: str) -> int:
    """Read a whole number. One of thousands of digits takes time with their square, and no other request goes on."""
    if len(text) > _SHOWN:
        raise InvalidInput(f"{text[:_SHOWN]}... is too large for a number")
    return int(text)


def _finite(text: str) -> float | int:
    """Read a number; 3.0 is the whole number 3, as JSON Schema has it."""
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(f"{text[:_SHOWN]} is too large for a number")
    return int(value) if value.is_integer() and abs(value) < _WHOLE_TO else value


def _no_constant(name: str) -> Any:
    raise InvalidInput(f"{name} is no JSON value: send a number, or null")


def _of_json(kind: type[Any], value: Any) -> Any:
    if kind is Instant:
        from chalicelib.api.v1 import times  # not at the cold starts of routes that take no time

        return Instant.of(times.read(value))
    raise NotImplementedError(f"nobody reads {kind}")


def _of_text(kind: type[Any], value: Any) -> Any:
    if kind is Instant:
        from chalicelib.api.v1 import times  # not at the cold starts of routes that take no time

        return Instant.of(times.read_parameter(value))
    raise NotImplementedError(f"nobody reads {kind}")
