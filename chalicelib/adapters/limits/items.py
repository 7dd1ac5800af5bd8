"""DynamoDB's rules for the size of values, items and keys, held by every item store.

Source: Amazon DynamoDB Developer Guide, "Item sizes and formats" and "Quotas": names and strings count their UTF-8
bytes, numbers half their significant digits and one, lists and maps three bytes and one an element.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.adapters.limits.attributes import EXACT
from chalicelib.core.errors import InvalidInput
from chalicelib.core.ports import Item, Table

MAX_ITEM_BYTES = 400 * 1024
MAX_PARTITION_BYTES = 2048
MAX_SORT_BYTES = 1024
MAX_DIGITS = 38
MAX_DEPTH = 32
_MIN_EXPONENT = -130
_TOO_BIG = 10**MAX_DIGITS


def item_size(table: Table, item: Item) -> int:
    """Bytes that the item counts, with its largest index entry. Raises InvalidInput for what cannot be stored."""
    for name, most in ((table.partition, MAX_PARTITION_BYTES), (table.sort, MAX_SORT_BYTES)):
        require_key_text(table, name, item.get(name), most)
    size = sum(attribute_size(name, value) for name, value in item.items())
    size += max((_index_entry_size(table, attribute, item) for attribute in table.indexes.values()), default=0)
    if size > MAX_ITEM_BYTES:
        raise InvalidInput(f"an item of {table.name} has {size} bytes; {MAX_ITEM_BYTES} is the most")
    return size


def _index_entry_size(table: Table, attribute: str, item: Item) -> int:
    if attribute not in item:
        return 0
    require_key_text(table, attribute, item[attribute], MAX_SORT_BYTES)
    return sum(attribute_size(name, item[name]) for name in (table.partition, table.sort, attribute))


def require_key_text(table: Table, name: str, value: Any, most: int) -> None:
    """Raises InvalidInput unless `value` is a string of 1 to `most` UTF-8 bytes."""
    if not isinstance(value, str):
        raise InvalidInput(f"key attribute {name} of {table.name} is a string, not {type(value).__name__}")
    if not 1 <= len(_utf8(name, value)) <= most:
        raise InvalidInput(f"key attribute {name} of {table.name} has 1 to {most} bytes, not {len(value.encode())}")


def require_key(table: Table, key: tuple[str, str]) -> int:
    """The key's size in bytes. Raises InvalidInput for a key that no item can have."""
    require_key_text(table, table.partition, key[0], MAX_PARTITION_BYTES)
    require_key_text(table, table.sort, key[1], MAX_SORT_BYTES)
    return attribute_size(table.partition, key[0]) + attribute_size(table.sort, key[1])


def attribute_size(name: str, value: Any) -> int:
    """Bytes that one attribute counts. Raises InvalidInput for a value that is not one of the port's."""
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"an attribute's name is a string that is not empty, not {name!r}")
    return len(_utf8(name, name)) + _value_size(name, value, 1)


def _value_size(name: str, value: Any, depth: int) -> int:
    match value:
        case str():
            return len(_utf8(name, value))
        case None | bool():
            return 1
        case int() | Decimal():
            return _number_size(name, value)
        case bytes():
            return len(value)
        case Mapping() | list() | tuple():
            return _container_size(name, value, depth)
        case float():
            raise InvalidInput(f"attribute {name} is a float; store an int or a Decimal")
        case _:
            raise InvalidInput(f"attribute {name} is of type {type(value).__name__}, which cannot be stored")


def _container_size(name: str, value: Mapping[str, Any] | list[Any] | tuple[Any, ...], depth: int) -> int:
    if depth > MAX_DEPTH:
        raise InvalidInput(f"attribute {name} is nested more than {MAX_DEPTH} deep")
    size = 3 + len(value)
    if not isinstance(value, Mapping):
        return size + sum(_value_size(name, part, depth + 1) for part in value)
    for inner, part in value.items():
        if not isinstance(inner, str) or not inner:
            raise InvalidInput(f"attribute {name} is a map whose keys are not all strings that are not empty")
        size += len(_utf8(inner, inner)) + _value_size(name, part, depth + 1)
    return size


def _number_size(name: str, value: int | Decimal) -> int:
    if isinstance(value, Decimal) and not value.is_finite():
        raise InvalidInput(f"attribute {name} is {value}, which is no number")
    if abs(value) >= _TOO_BIG:
        raise InvalidInput(f"attribute {name} is a number of more than {MAX_DIGITS} digits")
    if isinstance(value, int):
        return (len(str(abs(value)).rstrip("0")) + 1) // 2 + 1
    _, digits, exponent = value.normalize(EXACT).as_tuple()
    if len(digits) > MAX_DIGITS or int(exponent) < _MIN_EXPONENT:
        raise InvalidInput(f"attribute {name} is a number of more than {MAX_DIGITS} digits")
    return (len(digits) + 1) // 2 + 1


def _utf8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"attribute {name!r} holds half a surrogate pair, which is no text") from None
