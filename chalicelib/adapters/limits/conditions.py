"""Whether named conditions hold of an item: pure, one meaning for every item store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from chalicelib.core.ports import Condition, Item

EXISTENCE = frozenset({"exists", "equals", "at_least"})
"""Kinds of condition that hold only of an item that is there."""


def failed(item: Item | None, when: Iterable[Condition]) -> frozenset[str]:
    """Names of the conditions that do not hold of `item` (None: there is no item)."""
    return frozenset(condition.name for condition in when if not holds(item, condition))


def holds(item: Item | None, condition: Condition) -> bool:
    if condition.kind == "absent":
        return item is None
    if item is None:
        return False
    match condition.kind:
        case "exists":
            return True
        case "equals":
            return same(item.get(condition.field), condition.value)
        case "at_least":
            value = item.get(condition.field)
            return is_number(value) and bool(value >= condition.value)
        case kind:
            raise ValueError(f"no such kind of condition: {kind}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def same(left: Any, right: Any) -> bool:
    """Equality as DynamoDB has it: types differ, so True is not 1, but whole Decimals equal their ints."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    for kind in (str, bool, bytes, type(None)):
        if isinstance(left, kind):
            return isinstance(right, kind) and left == right
    return False
