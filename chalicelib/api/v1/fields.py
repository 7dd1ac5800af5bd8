"""Request data by name and type: members of a JSON object, parameters of the query. Unknown names are refused."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.api.named import described, read_object
from chalicelib.api.v1 import times
from chalicelib.core.errors import InvalidInput, concerning

_SHOWN = 40
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Fields:
    """A JSON object of known members, each read with the type that it must have.

    Every method raises InvalidInput that names the member, such as `labels.a` if the object is a member of another one.
    """

    def __init__(self, values: Mapping[str, Any], known: Collection[str], place: str = "") -> None:
        self._values = values
        self.known = known
        self._place = place
        for name in values:
            if name not in known:
                raise InvalidInput(
                    f"there is no field {self._called(name[:_SHOWN])!r} here: "
                    f"{', '.join(sorted(known)) if known else 'none'} can be sent"
                )

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def is_null(self, name: str) -> bool:
        """Tell whether the member was sent as null."""
        return name in self._values and self._values[name] is None

    def text(self, name: str, longest: int = 1000) -> str:
        value = self._value(name)
        if not isinstance(value, str) or len(value) > longest:
            raise self._not(name, f"a text of up to {longest} characters")
        return value

    def binary(self, name: str) -> bytes:
        """Decode a text in base64 (RFC 4648, without line breaks)."""
        value = self._value(name)
        try:
            if not isinstance(value, str):
                raise ValueError
            return base64.b64decode(value, validate=True)
        except ValueError as error:
            raise self._not(name, "a text in base64, without line breaks") from error

    def whole(self, name: str, allowed: range) -> int:
        """Read a whole number of `allowed`, which ascends by 1."""
        value = self._value(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
            raise self._not(name, f"a whole number from {allowed[0]} to {allowed[-1]}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        value = self._value(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise self._not(name, f"a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._value(name)
        if not isinstance(value, bool):
            raise self._not(name, "true or false")
        return value

    def texts(self, name: str, most: int, longest: int = 1000) -> list[str]:
        """Read a list of up to `most` texts."""
        value = self._value(name)
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(isinstance(one, str) and len(one) <= longest for one in value)
        ):
            raise self._not(name, f"a list of up to {most} texts of up to {longest} characters each")
        return value

    def instant(self, name: str) -> datetime:
        return times.instant(self._value(name), self._called(name))

    def map(self, name: str) -> dict[str, Any]:
        """Read an object whose members may have any name."""
        value = self._value(name)
        if not isinstance(value, dict):
            raise self._not(name, "an object")
        return value

    def fields(self, name: str, known: Collection[str]) -> Fields:
        """Read an object whose members must have these names."""
        return Fields(self.map(name), known, self._called(name))

    def list_of_fields(self, name: str, counts: range, known: Collection[str]) -> list[Fields]:
        """Read a list of objects with these names; `counts` has the allowed lengths.

        Errors carry the index of the wrong object.
        """
        value = self._value(name)
        if not isinstance(value, list) or len(value) not in counts:
            raise self._not(name, f"a list of {counts[0]} to {counts[-1]} objects")
        found = []
        for index, one in enumerate(value):
            with concerning(index):
                if not isinstance(one, dict):
                    raise InvalidInput(f"{self._called(name)}[{index}] is an object, not {described(one)}")
                found.append(Fields(one, known, f"{self._called(name)}[{index}]"))
        return found

    def _value(self, name: str) -> Any:
        if name not in self._values:
            raise InvalidInput(f"{self._called(name)} is missing: it is required")
        return self._values[name]

    def _called(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def _not(self, name: str, what: str) -> InvalidInput:
        return InvalidInput(f"{self._called(name)} is {what}, not {described(self._values[name])}")


class Query:
    """Parameters of a query: known names only, each sent at most once. An empty one counts as not sent."""

    def __init__(self, sent: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
        for name, values in sent.items():
            if name not in known:
                raise InvalidInput(
                    f"there is no parameter {name[:_SHOWN]!r} here: "
                    f"{', '.join(sorted(known)) if known else 'none'} can be sent"
                )
            if len(values) > 1:
                raise InvalidInput(f"{name} was sent {len(values)} times: send each parameter once")
        self._values = {name: values[0] for name, values in sent.items() if values and values[0]}

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def whole(self, name: str, allowed: range, default: int) -> int:
        """Read a whole number of `allowed`, which ascends by 1."""
        value = self._values.get(name)
        if value is None:
            return default
        if not _WHOLE.fullmatch(value) or int(value) not in allowed:
            raise InvalidInput(f"{name} is a whole number from {allowed[0]} to {allowed[-1]}, not {value[:_SHOWN]!r}")
        return int(value)


def finite_object(body: bytes) -> dict[str, Any]:
    """Parse a body that is a JSON object. Raises InvalidInput as `read_object` does, and for infinite numbers."""
    return read_object(body, parse_int=_bounded, parse_float=_finite, parse_constant=_no_constant)


def _bounded(text: str) -> int:
    """Read a whole number. One of thousands of digits takes time with their square, and no other request goes on."""
    if len(text) > _SHOWN:
        raise InvalidInput(f"{text[:_SHOWN]}... is too large for a number")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(f"{text[:_SHOWN]} is too large for a number")
    return value


def _no_constant(name: str) -> Any:
    raise InvalidInput(f"{name} is no JSON value: send a number, or null")
