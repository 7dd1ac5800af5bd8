"""Items in DynamoDB: the ItemStore on AWS, and the port's actions and spans in DynamoDB's
expression language.

Every attribute's name goes through a placeholder, because DynamoDB reserves hundreds of words
(`count`, `name`, `free`).
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    InvalidInput,
    RegularsError,
    StorageUnavailable,
)
from chalicelib.storage.aws.errors import (
    BUSY_CODES,
    FAILURES,
    find_item_refusal,
    is_ambiguous,
    parse_error_code,
    translate_failure,
    translate_failures,
)
from chalicelib.storage.limits import (
    Items,
    Position,
    Span,
    Stored,
    item_from_wire,
    item_to_wire,
    list_failed_conditions,
    to_wire,
)
from chalicelib.storage.ports import (
    Action,
    Check,
    Condition,
    Delete,
    Item,
    Put,
    Table,
    TableKey,
    Update,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Placeholders(Struct):
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


def make_transact_item(action: Action, prefix: str) -> dict[str, Any]:
    """Make one element of TransactItems.

    If a condition of it fails, DynamoDB answers the item as it is.

    An Update that changes nothing becomes a ConditionCheck, like a Check.
    """
    placeholders = Placeholders()
    request: dict[str, Any] = {"TableName": prefix + action.table.name}
    if action.when:
        required = (
            _express_condition(action.table, condition, placeholders) for condition in action.when
        )
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
            if change := _express_update(action, placeholders):
                kind = "Update"
                request["UpdateExpression"] = change
    if not isinstance(action, Put):
        request["Key"] = key_to_wire(action.table, action.key)
    return {kind: {**request, **placeholders.parameters()}}


def find_single_write(actions: Sequence[Action]) -> Put | Update | None:
    """Return the action if it needs no transaction, which costs twice as much.

    A repeat of an item that must be new finds it, and changes nothing; other actions say whether a
    repeat does harm.
    """
    match actions:
        case [Put() as put] if put.when and all(
            condition.kind == "absent" for condition in put.when
        ):
            return put
        case [Update(repeatable=True) as update]:
            return update
    return None


def are_plain_deletes(actions: Sequence[Action]) -> bool:
    """Tell whether all are deletions from one table without conditions: these need no transaction,
    either."""
    tables = {
        action.table.name if isinstance(action, Delete) and not action.when else ""
        for action in actions
    }
    return len(tables) == 1 and "" not in tables


def make_query_parameters(span: Span, prefix: str) -> dict[str, Any]:
    """Make the parameters of the Query that reads the span, with all writes that were answered
    before."""
    placeholders = Placeholders()
    expression = f"{placeholders.name(span.table.partition)} = {placeholders.value(span.partition)}"
    if span.low and span.high:
        low, high = placeholders.value(span.low), placeholders.value(span.high)
        expression += f" AND {placeholders.name(span.order)} BETWEEN {low} AND {high}"
    elif span.low:
        expression += f" AND {placeholders.name(span.order)} >= {placeholders.value(span.low)}"
    elif span.high:
        expression += f" AND {placeholders.name(span.order)} <= {placeholders.value(span.high)}"
    return {
        "TableName": prefix + span.table.name,
        **({} if span.index is None else {"IndexName": span.index}),
        **(
            {"ProjectionExpression": ", ".join(map(placeholders.name, span.attributes))}
            if span.index in span.table.projections
            else {}
        ),
        "KeyConditionExpression": expression,
        "ScanIndexForward": not span.reverse,
        "ConsistentRead": True,
        **placeholders.parameters(),
    }


def _express_condition(table: Table, condition: Condition, placeholders: Placeholders) -> str:
    """Write one condition as an expression of DynamoDB.

    A condition `equals` without a value is true if the item exists and has no such field, or null
    in it. A placeholder is made only if the expression has it, since DynamoDB refuses those that
    are not used.
    """
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


def _express_update(update: Update, placeholders: Placeholders) -> str:
    """Make the update expression; "" for an Update that changes nothing."""
    name, value = placeholders.name, placeholders.value
    clauses = {
        "SET": [f"{name(attribute)} = {value(new)}" for attribute, new in update.set.items()],
        "ADD": [f"{name(attribute)} {value(amount)}" for attribute, amount in update.add.items()],
        "REMOVE": [name(attribute) for attribute in update.remove],
    }
    return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)


_SERVICE = "DynamoDB"
_BATCH_KEYS = 100
"""Keys of one batch of reads, the most that DynamoDB takes."""
_BATCH_ROUNDS = 8
"""Requests for the keys that a batch has left unread, before the store counts as busy."""
_TRANSACT_ATTEMPTS = 4
"""Tries of one transaction that meets another on the same items."""
_PAUSE_S = 0.05
"""Bound of the random pause before the second try, in s. It doubles with each further one."""
DELETES_AT_ONCE = 8
"""Deletes that one call sends in parallel."""
_REFUSED = "ConditionalCheckFailedException"


class DynamoItemStore(Items):
    """The ItemStore port on the tables named `prefix` + Table.name."""

    def __init__(
        self, client: DynamoDBClient, prefix: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._sleep = sleep

    def _read_item(self, table: Table, key: tuple[str, str]) -> Stored | None:
        with translate_failures(_SERVICE):
            answer = self._client.get_item(
                TableName=self._prefix + table.name,
                Key=key_to_wire(table, key),
                ConsistentRead=True,
            )
        return answer.get("Item")

    def _read_many(self, table_keys: Sequence[TableKey]) -> list[Stored | None]:
        item_by_table_key: dict[tuple[str, ...], Any] = {}
        distinct = list({(table.name, *key): (table, key) for table, key in table_keys}.values())
        for start in range(0, len(distinct), _BATCH_KEYS):
            item_by_table_key |= self._read_batch(distinct[start : start + _BATCH_KEYS])
        return [item_by_table_key.get((table.name, *key)) for table, key in table_keys]

    def _read_page(
        self, span: Span, after: Position | None, limit: int | None
    ) -> tuple[list[Stored], Position | None]:
        """Return the items of one Query, and the position behind which the next one begins; None:
        it was the last."""
        parameters = make_query_parameters(span, self._prefix)
        if limit is not None:
            parameters["Limit"] = limit
        if after is not None:
            key = key_to_wire(span.table, (span.partition, after.sort))
            of_index = {} if after.value is None else {span.order: {"S": after.value}}
            parameters["ExclusiveStartKey"] = {**key, **of_index}
        with translate_failures(_SERVICE):
            answer = self._client.query(**parameters)
        last: Any = answer.get("LastEvaluatedKey")
        end = last and Position(
            last[span.table.sort]["S"], last[span.order]["S"] if span.index else None
        )
        return list(answer["Items"]), end or None

    def _scan(self, table: Table, prefix: str) -> Iterator[Sequence[Stored]]:
        """Yield a table's items, page by page: those whose partition begins with `prefix`; "":
        all."""
        parameters: dict[str, Any] = {
            "TableName": self._prefix + table.name,
            "ConsistentRead": True,
        }
        if prefix:
            placeholders = Placeholders()
            begins = placeholders.name(table.partition), placeholders.value(prefix)
            parameters |= {
                "FilterExpression": f"begins_with({', '.join(begins)})",
                **placeholders.parameters(),
            }
        while True:
            with translate_failures(_SERVICE):
                answer = self._client.scan(**parameters)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put_all(self, table: Table, items: Sequence[Item]) -> None:
        """Put up to 25 items, some of them if it fails: without a transaction, which costs twice as
        much.

        Not part of the port: an operator's restore uses it, and no function has the permission.
        """
        requests = {
            self._prefix + table.name: [
                {"PutRequest": {"Item": item_to_wire(item)}} for item in items
            ]
        }
        self._call_in_rounds(self._client.batch_write_item, requests, "UnprocessedItems")

    def _transact(self, actions: Sequence[Action]) -> None:
        """Do the actions. Try again as long as it is unknown whether an attempt was executed.

        A repeat does no harm. DynamoDB recognises a transaction's second attempt by its token. A
        write outside of a transaction has no token. It is one that changes nothing if it is
        repeated (`find_single_write`). If a condition of it fails after an attempt without an
        answer, the stored item shows whether that attempt was executed. Raises the error of a
        refusal. Raises StorageUnavailable if it is unknown after the last attempt, too.
        """
        write = self._prepare_write(actions)
        may_be_executed = False  # by an attempt whose answer did not come
        for attempt in range(_TRANSACT_ATTEMPTS):
            try:
                write()
                return
            except FAILURES as failure:
                may_be_executed = may_be_executed or is_ambiguous(failure)
                refusal = _translate_refusal(failure, actions)
                if (may_be_executed or _was_sent_again(failure)) and _is_stored(
                    find_single_write(actions), failure
                ):
                    return
                # DynamoDB knows the token: it executes a repeat only if it did not execute the
                # attempt before.
                if not may_be_executed or isinstance(refusal, ConditionFailed | InvalidInput):
                    raise refusal from failure
                if attempt == _TRANSACT_ATTEMPTS - 1:
                    raise StorageUnavailable(
                        f"{_SERVICE} did not say how a write ended"
                    ) from failure
            self._pause(attempt)

    def _prepare_write(self, actions: Sequence[Action]) -> Callable[[], object]:
        """Return the cheapest call that does the actions.

        A transaction costs twice as much as single writes.
        """
        requests: Any = [make_transact_item(action, self._prefix) for action in actions]
        match find_single_write(actions):
            case Put():
                return partial(self._client.put_item, **requests[0]["Put"])
            case Update():
                return partial(self._client.update_item, **requests[0]["Update"])
        if are_plain_deletes(actions):
            return partial(self._delete_each, requests)
        token = str(uuid.uuid4())
        return partial(
            self._client.transact_write_items, TransactItems=requests, ClientRequestToken=token
        )

    def _delete_each(self, requests: Sequence[Any]) -> None:
        # not at the cold starts of what deletes nothing
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(DELETES_AT_ONCE) as deleting:
            list(
                deleting.map(
                    lambda request: self._client.delete_item(**request["Delete"]), requests
                )
            )

    def _read_batch(self, table_keys: Sequence[TableKey]) -> dict[tuple[str, ...], Any]:
        """Read at most 100 distinct places; return the items that exist, by table and key."""
        tables = {self._prefix + table.name: table for table, _ in table_keys}
        keys_by_table: dict[str, Any] = {
            name: {"Keys": [], "ConsistentRead": True} for name in tables
        }
        for table, key in table_keys:
            keys_by_table[self._prefix + table.name]["Keys"].append(key_to_wire(table, key))
        answers = self._call_in_rounds(
            self._client.batch_get_item, keys_by_table, "UnprocessedKeys"
        )
        read = (
            (tables[name], item)
            for answer in answers
            for name, items in answer["Responses"].items()
            for item in items
        )
        return {
            (table.name, item[table.partition]["S"], item[table.sort]["S"]): item
            for table, item in read
        }

    def _call_in_rounds(
        self, call_dynamodb: Callable[..., Any], requests: Any, unprocessed: str
    ) -> list[Any]:
        """Call again with what DynamoDB left of a batch until nothing is left; return the answers.

        Raises Busy.

        `unprocessed`: the answer's member with what is left.
        """
        answers: list[Any] = []
        for attempt in range(_BATCH_ROUNDS):
            with translate_failures(_SERVICE):
                answers.append(call_dynamodb(RequestItems=requests))
            requests = answers[-1].get(unprocessed)
            if not requests:
                return answers
            self._pause(attempt)
        raise Busy(f"{_SERVICE} does only a part of a batch; try again")

    def _pause(self, attempt: int) -> None:
        self._sleep(random.random() * _PAUSE_S * 2**attempt)


def _translate_refusal(failure: Exception, actions: Sequence[Action]) -> RegularsError:
    """Return the error to raise for a failed write.

    Of a transaction, DynamoDB gives a reason for each action. An item that cannot be stored comes
    first, then Busy, then the conditions that failed.
    """
    if parse_error_code(failure) == _REFUSED:
        return ConditionFailed(_list_failed_conditions(actions[0], _parse_response(failure)))
    if parse_error_code(failure) != "TransactionCanceledException":
        return translate_failure(failure, _SERVICE)
    reasons: list[Any] = _parse_response(failure).get("CancellationReasons", [])
    codes = {reason.get("Code") for reason in reasons}
    refusals = [reason for reason in reasons if reason["Code"] != "None"]
    message = "; ".join(str(reason.get("Message") or reason["Code"]) for reason in refusals)
    failure.add_note(message)
    if size_error := find_item_refusal(message, _SERVICE):
        return size_error
    if codes & BUSY_CODES:
        return Busy(f"{_SERVICE} is busy: try again")
    if "ConditionalCheckFailed" in codes:
        parts = zip(actions, reasons, strict=True)
        refused = (pair for pair in parts if pair[1].get("Code") == "ConditionalCheckFailed")
        return ConditionFailed(
            frozenset[str]().union(*(_list_failed_conditions(*pair) for pair in refused))
        )
    return StorageUnavailable(f"{_SERVICE} cancelled a transaction: try again later")


def _parse_response(failure: Exception) -> Mapping[str, Any]:
    return getattr(failure, "response", None) or {}  # a lost connection's is None


def _was_sent_again(failure: Exception) -> bool:
    """Return whether the client sent the request more than once by itself: any of them may have
    been executed."""
    return int(_parse_response(failure).get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def _is_stored(action: Action | None, failure: Exception) -> bool:
    """Return whether a write was refused because it is done already: each attribute is as it was to
    be.

    A change may falsify its own condition, such as a count that is set from 1 to 2 if it is 1. Of a
    change that adds, nobody can tell.
    """
    stored = item_from_wire(_parse_response(failure).get("Item", {}))
    match action:
        case Put():
            return stored == item_from_wire(item_to_wire(action.item))
        case Update() as update if stored and not update.add:
            as_set = item_from_wire(item_to_wire(update.set)).items() <= stored.items()
            return as_set and stored.keys().isdisjoint(update.remove)
    return False


def _list_failed_conditions(action: Action, reason: Any) -> frozenset[str]:
    """Return the names of the conditions that did not hold for the old item.

    The reason carries that item. Without one, all conditions count as failed.
    """
    item = item_from_wire(reason["Item"]) if reason.get("Item") else None
    return list_failed_conditions([action], [item]) or frozenset(
        condition.name for condition in action.when
    )
