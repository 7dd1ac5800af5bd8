"""What the ItemStore port refuses before anything is sent: one place, so that every item store refuses the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chalicelib.adapters.limits.conditions import EXISTENCE, is_number
from chalicelib.adapters.limits.items import MAX_SORT_BYTES, attribute_size, item_size, require_key, require_key_text
from chalicelib.core.errors import InvalidInput
from chalicelib.core.ports import Action, Check, Condition, Put, Update

MAX_ACTIONS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_EXPRESSION_PARTS = 200
"""Attributes that one Update changes, or conditions of one action: DynamoDB's expressions end at 4 KB."""


def refuse_illegal(actions: Sequence[Action]) -> None:
    """Raises InvalidInput for a transaction that DynamoDB would refuse whatever the items are."""
    if not 1 <= len(actions) <= MAX_ACTIONS:
        raise InvalidInput(f"a transaction has 1 to {MAX_ACTIONS} actions, not {len(actions)}")
    size = sum(_checked_size(action) for action in actions)
    if size > MAX_TRANSACTION_BYTES:
        raise InvalidInput(f"a transaction has at most {MAX_TRANSACTION_BYTES} bytes, not {size}")
    (_, most), *_ = Counter((action.table.name, key_of(action)) for action in actions).most_common(1)
    if most > 1:
        raise InvalidInput("a transaction has at most one action on an item")


def key_of(action: Action) -> tuple[str, str]:
    """Partition and sort key of the action's item (a Put's are attributes, which must be checked before)."""
    if isinstance(action, Put):
        return action.item[action.table.partition], action.item[action.table.sort]
    return action.key


def _checked_size(action: Action) -> int:
    if len(action.when) > MAX_EXPRESSION_PARTS:
        raise InvalidInput(f"an action has at most {MAX_EXPRESSION_PARTS} conditions")
    for condition in action.when:
        _refuse_condition(condition)
    if isinstance(action, Put):
        return item_size(action.table, action.item)
    size = require_key(action.table, action.key)
    if isinstance(action, Check) and not action.when:
        raise InvalidInput("a Check has conditions")
    return size + _change_size(action) if isinstance(action, Update) else size


def _refuse_condition(condition: Condition) -> None:
    if condition.kind in ("equals", "at_least"):
        attribute_size(condition.field, condition.value)
    if condition.kind == "at_least" and not is_number(condition.value):
        raise InvalidInput(f"condition {condition.name} compares {condition.field} with what is no number")


def _change_size(update: Update) -> int:
    table = update.table
    if not any(condition.kind in EXISTENCE for condition in update.when):
        raise InvalidInput(f"an Update of {table.name} has a condition that its item exists")
    changed = [*update.set, *update.add, *update.remove]
    if len(changed) > MAX_EXPRESSION_PARTS:
        raise InvalidInput(f"an Update changes at most {MAX_EXPRESSION_PARTS} attributes")
    if len(set(changed)) < len(changed):
        raise InvalidInput("an attribute of an Update stands in one of set, add and remove, once")
    if not {table.partition, table.sort}.isdisjoint(changed):
        raise InvalidInput(f"an Update of {table.name} leaves the key as it is")
    for name in table.indexes.values():
        if name in update.add:
            raise InvalidInput(f"index attribute {name} of {table.name} is a string: nothing can be added to it")
        if name in update.set:
            require_key_text(table, name, update.set[name], MAX_SORT_BYTES)
    for name, amount in update.add.items():
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise InvalidInput(f"an int is added to {name}, not {type(amount).__name__}")
    pairs = [*update.set.items(), *update.add.items(), *((name, None) for name in update.remove)]
    return sum(attribute_size(name, value) for name, value in pairs)
