"""The port's actions and spans in DynamoDB's expression language.

Every attribute's name goes through a placeholder, because DynamoDB reserves hundreds of words (`count`, `name`,
`free`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.adapters.limits.attributes import item_to_wire, to_wire
from chalicelib.adapters.limits.span import Span
from chalicelib.core.ports import Action, Check, Condition, Delete, Put, Table, Update


@dataclass
class Placeholders:
    """Placeholders for the names and values in one request's expressions."""

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def name(self, attribute: str) -> str:
        return self.names.setdefault(attribute, f"#n{len(self.names)}")

    def value(self, value: Any) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = to_wire(value)
        return placeholder

    def parameters(self) -> dict[str, Any]:
        """Return the request's parameters, without empty ones, which DynamoDB refuses."""
        names = {placeholder: attribute for attribute, placeholder in self.names.items()}
        parameters = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": self.values}
        return {parameter: value for parameter, value in parameters.items() if value}


def key_to_wire(table: Table, key: tuple[str, str]) -> dict[str, Any]:
    return {table.partition: {"S": key[0]}, table.sort: {"S": key[1]}}


def transact_item(action: Action, prefix: str) -> dict[str, Any]:
    """Make one element of TransactItems; it asks for the old item if a condition fails."""
    placeholders = Placeholders()
    request: dict[str, Any] = {"TableName": prefix + action.table.name}
    if action.when:
        required = (_requirement(action.table, condition, placeholders) for condition in action.when)
        request["ConditionExpression"] = " AND ".join(required)
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    kind = "ConditionCheck"
    match action:
        case Put():
            kind = "Put"
            request["Item"] = item_to_wire(action.item)
        case Delete():
            kind = "Delete"
        case Check():
            pass
        case Update():
            if change := _change(action, placeholders):
                kind = "Update"
                request["UpdateExpression"] = change
    if not isinstance(action, Put):
        request["Key"] = key_to_wire(action.table, action.key)
    return {kind: {**request, **placeholders.parameters()}}


def alone(actions: Sequence[Action]) -> Put | Update | None:
    """Return the action if it needs no transaction, which costs twice as much.

    A repeat of an item that must be new finds it, and changes nothing; other actions say whether a repeat does harm.
    """
    match actions:
        case [Put() as put] if put.when and all(condition.kind == "absent" for condition in put.when):
            return put
        case [Update(twice=True) as update]:
            return update
    return None


def query_parameters(span: Span, prefix: str) -> dict[str, Any]:
    """Make the parameters of the Query that reads the span, consistently."""
    placeholders = Placeholders()
    expression = f"{placeholders.name(span.table.partition)} = {placeholders.value(span.partition)}"
    if span.low and span.high:
        low, high = placeholders.value(span.low), placeholders.value(span.high)
        expression += f" AND {placeholders.name(span.order)} BETWEEN {low} AND {high}"
    elif span.low:
        expression += f" AND {placeholders.name(span.order)} >= {placeholders.value(span.low)}"
    elif span.high:
        expression += f" AND {placeholders.name(span.order)} <= {placeholders.value(span.high)}"
    keys_only = span.index in span.table.rows and not span.rows
    return {
        "TableName": prefix + span.table.name,
        **({} if span.index is None else {"IndexName": span.index}),
        **({"ProjectionExpression": ", ".join(map(placeholders.name, span.attributes))} if keys_only else {}),
        "KeyConditionExpression": expression,
        "ScanIndexForward": not span.reverse,
        "ConsistentRead": True,
        **placeholders.parameters(),
    }


def _requirement(table: Table, condition: Condition, placeholders: Placeholders) -> str:
    """Express one condition. Each placeholder that is made must be used, because DynamoDB refuses unused ones."""
    name, value = placeholders.name, placeholders.value
    match condition.kind:
        case "absent":
            return f"attribute_not_exists({name(table.partition)})"
        case "exists":
            return f"attribute_exists({name(table.partition)})"
        case "at_least":
            return f"{name(condition.field)} >= {value(condition.value)}"
        case _ if condition.value is not None:
            return f"{name(condition.field)} = {value(condition.value)}"
    field = name(condition.field)
    no_value = f"attribute_not_exists({field}) OR attribute_type({field}, {value('NULL')})"
    return f"attribute_exists({name(table.partition)}) AND ({no_value})"


def _change(update: Update, placeholders: Placeholders) -> str:
    """Make the update expression; "" for an Update that changes nothing."""
    name, value = placeholders.name, placeholders.value
    clauses = {
        "SET": [f"{name(attribute)} = {value(new)}" for attribute, new in update.set.items()],
        "ADD": [f"{name(attribute)} {value(amount)}" for attribute, amount in update.add.items()],
        "REMOVE": [name(attribute) for attribute in update.remove],
    }
    return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)
