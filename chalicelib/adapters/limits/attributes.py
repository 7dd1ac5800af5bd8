"""Attribute values in DynamoDB's own notation, `{"S": "text"}`: on the wire to DynamoDB, and as JSON in SQLite.

With both, a whole number is read as an int, any other as a Decimal.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

EXACT = Context(prec=200)
"""Context of enough digits that no sum or normalisation of stored numbers (38 digits, exponent -130 at least) is
rounded."""


def to_wire(value: Any) -> dict[str, Any]:
    """Convert `value` (checked by limits/items.py, `attribute_size`) to DynamoDB's notation; bytes stay bytes."""
    match value:
        case str():
            return {"S": str(value)}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": number_text(value)}
        case None:
            return {"NULL": True}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {name: to_wire(part) for name, part in value.items()}}
        case _:
            return {"L": [to_wire(part) for part in value]}


def from_wire(wire: Mapping[str, Any]) -> Any:
    """Convert from DynamoDB's notation; B may be bytes or, in JSON, base64. Raises ValueError for another type."""
    ((kind, value),) = wire.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "NULL":
            return None
        case "B":
            return base64.b64decode(value) if isinstance(value, str) else bytes(value)
        case "M":
            return {name: from_wire(part) for name, part in value.items()}
        case "L":
            return [from_wire(part) for part in value]
        case _:
            raise ValueError(f"attribute type {kind} is none of ours")


def item_to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_wire(value) for name, value in item.items()}


def item_from_wire(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_wire(value) for name, value in wire.items()}


def item_to_json(item: Mapping[str, Any]) -> str:
    return json.dumps(item_to_wire(item), ensure_ascii=False, separators=(",", ":"), default=_base64)


def item_from_json(text: str) -> dict[str, Any]:
    return item_from_wire(json.loads(text))


def number_text(value: int | Decimal) -> str:
    """Write an int in plain digits, a fraction without trailing zeros."""
    if isinstance(value, int):
        return str(int(value))
    if value == value.to_integral_value():
        return str(int(value))
    return str(value.normalize(EXACT))


def _number(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:
        number = Decimal(text)
        return int(number) if number == number.to_integral_value() else number


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
