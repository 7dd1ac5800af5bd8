"""The limits that both twins keep, so that what one takes the other takes too.

DynamoDB's rules for items, keys, conditions and transactions, which every item store applies.
Source: Amazon DynamoDB Developer Guide, "Item sizes and formats" and "Quotas". Names and strings
count their UTF-8 bytes, numbers half their significant digits plus one, lists and maps three bytes
plus one per element.

Attribute values are written in DynamoDB's own notation, `{"S": "text"}`: on the wire to DynamoDB,
and as JSON in SQLite. With both, a whole number is read as an int, any other as a Decimal.

Queries: the range of keys, and the token that marks the end of the last page. Keys and uploads that
both S3 and a folder can hold. Texts that every Queue and every Vault accepts: the limits of SQS and
KMS.
"""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from chalicelib.domain.errors import ConditionFailed, InvalidInput, StorageUnavailable
from chalicelib.domain.pictures import MAX_PICTURE_BYTES
from chalicelib.storage.items import PageTokens
from chalicelib.storage.ports import (
    Action,
    Check,
    Condition,
    Delete,
    Item,
    Page,
    Put,
    Table,
    TableKey,
    Update,
    Upload,
)

Stored = Mapping[str, Any] | str
"""An item in DynamoDB's notation, as it is or as JSON."""

EXACT = Context(prec=200)
"""Context of enough digits that no sum or normalisation of stored numbers (38 digits, exponent -130
at least) is rounded."""


def to_wire(value: Any) -> dict[str, Any]:
    """Convert `value` (checked by `attribute_size`) to DynamoDB's notation; bytes stay bytes."""
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
    """Convert from DynamoDB's notation; B may be bytes or, in JSON, base64.

    Raises ValueError for another type.
    """
    ((kind, value),) = wire.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _parse_number(value)
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


_PARTS = Decoder(dict[str, Raw])
_PART: Decoder[Any] = Decoder()


def item_to_json(item: Mapping[str, Any]) -> str:
    """Write an item in DynamoDB's notation, with bytes in base64."""
    return encode(item_to_wire(item)).decode()


def item_from_json(text: str) -> dict[str, Any]:
    """Read an item from DynamoDB's notation. Raises ValueError or TypeError if it is none."""
    return item_from_wire(_PART.decode(text))


def number_text(value: int | Decimal) -> str:
    """Write an int in plain digits, a fraction without trailing zeros."""
    if isinstance(value, int):
        return str(int(value))
    if value == value.to_integral_value():
        return str(int(value))
    return str(value.normalize(EXACT))


def _parse_number(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:
        number = Decimal(text)
        if number.adjusted() >= MAX_DIGITS:  # as an int it would fill the memory
            raise ValueError(f"{text[:40]} is a larger number than any that is stored") from None
        return int(number) if number == number.to_integral_value() else number


MAX_ITEM_BYTES = 400 * 1024
"""Bytes of an item that DynamoDB takes, names and values together."""
MAX_PARTITION_BYTES = 2048
"""Bytes of a partition key that DynamoDB takes."""
MAX_SORT_BYTES = 1024
"""Bytes of a sort key that DynamoDB takes."""
MAX_DIGITS = 38
"""Digits of a number that DynamoDB keeps."""
MAX_DEPTH = 32
"""Levels of maps and lists in an item that DynamoDB takes."""
_MIN_EXPONENT = -130
"""The smallest power of ten that DynamoDB keeps."""
_TOO_BIG = 10**MAX_DIGITS
"""From here on a number has more digits than DynamoDB keeps."""


def item_size(table: Table, item: Item) -> int:
    """Count the item's bytes, with its largest index entry.

    Raises InvalidInput if it cannot be stored.
    """
    for name, max_bytes in ((table.partition, MAX_PARTITION_BYTES), (table.sort, MAX_SORT_BYTES)):
        require_key_text(table, name, item.get(name), max_bytes)
    size = sum(attribute_size(name, value) for name, value in item.items())
    size += max((index_entry_size(table, index, item) for index in table.indexes), default=0)
    if size > MAX_ITEM_BYTES:
        raise InvalidInput(
            f"an item of {table.name} has {size} bytes; {MAX_ITEM_BYTES} is the most"
        )
    return size


def index_entry_size(table: Table, index: str, item: Item) -> int:
    """Count the bytes of the item's entry in an index; 0 if it has none.

    Raises InvalidInput for an illegal key.
    """
    attribute = table.indexes[index]
    if attribute not in item:
        return 0
    require_key_text(table, attribute, item[attribute], MAX_SORT_BYTES)
    names = (table.partition, table.sort, attribute, *table.projections.get(index, ()))
    return sum(attribute_size(name, item[name]) for name in names if name in item)


def require_key_text(table: Table, name: str, value: Any, max_bytes: int) -> None:
    """Raise InvalidInput unless `value` is a string of 1 to `max_bytes` UTF-8 bytes."""
    if not isinstance(value, str):
        raise InvalidInput(
            f"key attribute {name} of {table.name} is a string, not {type(value).__name__}"
        )
    if not 1 <= len(_encode_utf8(name, value)) <= max_bytes:
        raise InvalidInput(
            f"key attribute {name} of {table.name} has 1 to {max_bytes} bytes, not "
            f"{len(value.encode())}"
        )


def require_key(table: Table, key: tuple[str, str]) -> int:
    """Return the key's size in bytes. Raises InvalidInput if no item can have the key."""
    require_key_text(table, table.partition, key[0], MAX_PARTITION_BYTES)
    require_key_text(table, table.sort, key[1], MAX_SORT_BYTES)
    return attribute_size(table.partition, key[0]) + attribute_size(table.sort, key[1])


def attribute_size(name: str, value: Any) -> int:
    """Count the bytes of one attribute.

    Raises InvalidInput if the port does not allow the value.
    """
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"an attribute's name is a string that is not empty, not {name!r}")
    return len(_encode_utf8(name, name)) + _measure_value(name, value, 1)


def _measure_value(name: str, value: Any, depth: int) -> int:
    """Count a value's bytes.

    `name`: its attribute's; `depth`: 1 for the attribute itself, 2 for a part of it.
    """
    match value:
        case str():
            return len(_encode_utf8(name, value))
        case None | bool():
            return 1
        case int() | Decimal():
            return _measure_number(name, value)
        case bytes():
            return len(value)
        case Mapping() | list() | tuple():
            return _measure_container(name, value, depth)
        case float():
            raise InvalidInput(f"attribute {name} is a float; store an int or a Decimal")
        case _:
            raise InvalidInput(
                f"attribute {name} is of type {type(value).__name__}, which cannot be stored"
            )


def _measure_container(
    name: str, value: Mapping[str, Any] | list[Any] | tuple[Any, ...], depth: int
) -> int:
    """Return the bytes that a list or a map takes in DynamoDB, with all that is in it.

    That is 3, 1 for each part, the parts, and a map's keys. `name`: the attribute that errors name;
    `depth`: 1 for the attribute itself. Raises InvalidInput for what DynamoDB does not store.
    """
    if depth > MAX_DEPTH:
        raise InvalidInput(f"attribute {name} is nested more than {MAX_DEPTH} deep")
    size = 3 + len(value)
    if not isinstance(value, Mapping):
        return size + sum(_measure_value(name, part, depth + 1) for part in value)
    for inner, part in value.items():
        if not isinstance(inner, str) or not inner:
            raise InvalidInput(
                f"attribute {name} is a map whose keys are not all strings that are not empty"
            )
        size += len(_encode_utf8(inner, inner)) + _measure_value(name, part, depth + 1)
    return size


def _measure_number(name: str, value: int | Decimal) -> int:
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


def _encode_utf8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"attribute {name!r} holds half a surrogate pair, which is no text"
        ) from None


EXISTENCE = frozenset({"exists", "equals", "at_least"})
"""Kinds of condition that hold only if the item exists."""


def list_failed_conditions(
    actions: Sequence[Action], before: Sequence[Item | None]
) -> frozenset[str]:
    """Return the names of the conditions that do not hold.

    `before`: the item of each action; None: there is none.
    """
    actions_and_items = zip(actions, before, strict=True)
    return frozenset(
        condition.name
        for action, item in actions_and_items
        for condition in action.when
        if not is_satisfied(item, condition)
    )


Change = tuple[Action, Item | None, Item | None, str | None]
"""An action, its item before and after it, and the new one as JSON."""


def list_changes(actions: Sequence[Action], stored: Sequence[Stored | None]) -> list[Change]:
    """Return what a transaction changes. `stored`: the item of each action.

    Raises ConditionFailed; InvalidInput if a sum or an item grows too large, or the attribute to
    add to is no number.
    """
    before = _read_items(stored)
    if names := list_failed_conditions(actions, before):
        raise ConditionFailed(names)
    versions = [
        (action, item, _apply_action(action, item))
        for action, item in zip(actions, before, strict=True)
    ]
    return [
        (action, old, new, None if new is None else item_to_json(new))
        for action, old, new in versions
        if new is not old
    ]


def _apply_action(action: Action, item: Item | None) -> Item | None:
    """Return an item as an action leaves it; None: there is none then."""
    match action:
        case Put():
            return action.item
        case Delete():
            return None
        case Check():
            return item
        case Update():
            changed_item = {**(item or {}), **action.set}
            for name, amount in action.add.items():
                value = changed_item.get(name, 0)
                if not is_number(value):
                    raise InvalidInput(f"attribute {name} is no number: nothing can be added to it")
                changed_item[name] = (
                    value + amount if isinstance(value, int) else EXACT.add(value, amount)
                )
            for name in action.remove:
                changed_item.pop(name, None)
            item_size(action.table, changed_item)  # raises InvalidInput if it is too large by now
            return changed_item


def is_satisfied(item: Item | None, condition: Condition) -> bool:
    """Return whether a condition holds for an item; None for a missing item."""
    if condition.kind == "absent":
        return item is None
    if item is None:
        return False
    match condition.kind:
        case "exists":
            return True
        case "equals":
            return is_equal(item.get(condition.field), condition.value)
        case "at_least":
            value = item.get(condition.field)
            return is_number(value) and bool(value >= condition.value)
        case kind:
            raise ValueError(f"no such kind of condition: {kind}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def is_equal(left: Any, right: Any) -> bool:
    """Compare as DynamoDB does: types differ, so True is not 1, but whole Decimals equal their
    ints."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            is_equal(left[name], right[name]) for name in left
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(is_equal, left, right))
    for kind in (str, bool, bytes, type(None)):
        if isinstance(left, kind):
            return isinstance(right, kind) and left == right
    return False


MAX_ACTIONS = 100
"""Actions of a transaction that DynamoDB takes."""
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
"""Bytes of a transaction that DynamoDB takes."""
MAX_EXPRESSION_PARTS = 200
"""Most attributes that one Update changes, or conditions of one action: DynamoDB limits expressions
to 4 KB."""


def refuse_illegal(actions: Sequence[Action]) -> None:
    """Raise InvalidInput for a transaction that DynamoDB would refuse whatever the items are."""
    if not 1 <= len(actions) <= MAX_ACTIONS:
        raise InvalidInput(f"a transaction has 1 to {MAX_ACTIONS} actions, not {len(actions)}")
    size = sum(_measure_action(action) for action in actions)
    if size > MAX_TRANSACTION_BYTES:
        raise InvalidInput(f"a transaction has at most {MAX_TRANSACTION_BYTES} bytes, not {size}")
    (_, most_actions), *_ = Counter(
        (action.table.name, action.key) for action in actions
    ).most_common(1)
    if most_actions > 1:
        raise InvalidInput("a transaction has at most one action on an item")


def _measure_action(action: Action) -> int:
    if len(action.when) > MAX_EXPRESSION_PARTS:
        raise InvalidInput(f"an action has at most {MAX_EXPRESSION_PARTS} conditions")
    for condition in action.when:
        _refuse_condition(condition)
    if isinstance(action, Put):
        return item_size(action.table, action.item)
    size = require_key(action.table, action.key)
    if isinstance(action, Check) and not action.when:
        raise InvalidInput("a Check has conditions")
    return size + _check_and_measure_update(action) if isinstance(action, Update) else size


def _refuse_condition(condition: Condition) -> None:
    if condition.kind in ("equals", "at_least"):
        attribute_size(condition.field, condition.value)
    if condition.kind == "at_least" and not is_number(condition.value):
        raise InvalidInput(
            f"condition {condition.name} compares {condition.field} with what is no number"
        )


def _check_and_measure_update(update: Update) -> int:
    """Check an Update, and count the bytes that it writes.

    Raises InvalidInput for all that DynamoDB would refuse whatever the item is, such as a change of
    the key.
    """
    table = update.table
    if not any(condition.kind in EXISTENCE for condition in update.when):
        raise InvalidInput(f"an Update of {table.name} has a condition that its item exists")
    changed_names = [*update.set, *update.add, *update.remove]
    if len(changed_names) > MAX_EXPRESSION_PARTS:
        raise InvalidInput(f"an Update changes at most {MAX_EXPRESSION_PARTS} attributes")
    if len(set(changed_names)) < len(changed_names):
        raise InvalidInput("an attribute of an Update stands in one of set, add and remove, once")
    if not {table.partition, table.sort}.isdisjoint(changed_names):
        raise InvalidInput(f"an Update of {table.name} leaves the key as it is")
    for name in table.indexes.values():
        if name in update.add:
            raise InvalidInput(
                f"index attribute {name} of {table.name} is a string: nothing can be added to it"
            )
        if name in update.set:
            require_key_text(table, name, update.set[name], MAX_SORT_BYTES)
    for name, amount in update.add.items():
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise InvalidInput(f"an int is added to {name}, not {type(amount).__name__}")
    pairs = [*update.set.items(), *update.add.items(), *((name, None) for name in update.remove)]
    return sum(attribute_size(name, value) for name, value in pairs)


class Position(Struct, frozen=True):
    """Last key of a page: the item's sort key and, through an index, the value that sorts it
    there."""

    sort: str
    value: str | None


class Span(Struct, frozen=True):
    """Keys of one partition from `low` to `high`, both included.

    Raises InvalidInput if no item can have these keys.

    `carried`: the attributes that are read beside the keys, those that the index carries. Without
    an index they are any; none of them: all.
    """

    table: Table
    partition: str
    index: str | None
    low: str | None
    high: str | None
    reverse: bool
    carried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.index is not None and self.index not in self.table.indexes:
            raise InvalidInput(f"table {self.table.name} has no index {self.index}")
        projection = self.table.projections.get(self.index or "", ())
        if self.index is not None and not {*self.carried} <= {*projection}:
            raise InvalidInput(
                f"index {self.index} of table {self.table.name} does not carry "
                f"{', '.join(self.carried)}"
            )
        require_key_text(self.table, self.table.partition, self.partition, MAX_PARTITION_BYTES)
        for bound in (self.low, self.high):
            if bound:
                require_key_text(self.table, self.order, bound, MAX_SORT_BYTES)

    @property
    def order(self) -> str:
        """Name of the attribute that sorts the items."""
        return self.table.sort if self.index is None else self.table.indexes[self.index]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes that are read if not all are."""
        return (self.table.partition, self.table.sort, self.order, *self.carried)

    @property
    def is_empty(self) -> bool:
        """True if no key lies between the bounds (UTF-8 order is code point order, which is
        Python's)."""
        return self.high is not None and (not self.high or (self.low or "") > self.high)

    def make_token(self, end: Position) -> str:
        """Make an opaque token of a page's end; it carries a check of itself and of its query."""
        return self._tokens.make_token(json.dumps([end.sort, end.value]))

    def parse_position(self, token: str | None) -> Position | None:
        """Return the position at which the page of `token` ended; None for the first page.

        Raises InvalidInput if the token is damaged or belongs to another query.
        """
        return None if token is None else self._tokens.parse_position(token, _position)

    @property
    def _tokens(self) -> PageTokens:
        return PageTokens(
            json.dumps(
                [self.table.name, self.partition, self.index, self.low, self.high, self.reverse]
            )
        )


def _position(text: str) -> Position:
    """Read a position from a token's JSON. Raises ValueError or TypeError if it is none."""
    sort, value = json.loads(text)
    if not isinstance(sort, str) or not isinstance(value, str | None):
        raise TypeError("a key is a text")
    return Position(sort, value)


class Items(ABC):
    """The ItemStore of both twins, which read and write items in DynamoDB's notation: it checks,
    and converts once."""

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        require_key(table, key)
        return _read_items([self._read_item(table, key)])[0]

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        return self.get_each([(table, key) for key in keys])

    def get_each(self, table_keys: Sequence[TableKey]) -> list[Item | None]:
        for table, key in table_keys:
            require_key(table, key)
        return _read_items(self._read_many(table_keys))

    def query(
        self,
        table: Table,
        partition: str,
        *,
        index: str | None = None,
        carried: tuple[str, ...] = (),
        low: str | None = None,
        high: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        token: str | None = None,
    ) -> Page:
        """Check the query, and read a page of its items."""
        if limit is not None and limit < 1:
            raise InvalidInput(f"a page has at least one item, not {limit}")
        span = Span(table, partition, index, low, high, reverse=reverse, carried=carried)
        start_position = span.parse_position(token)
        if span.is_empty:
            return Page((), None)
        stored, end_position = self._read_page(span, start_position, limit)
        items = _read_items(stored, span.attributes if carried else None)
        return Page(
            tuple(item for item in items if item is not None),
            None if end_position is None else span.make_token(end_position),
        )

    def scan(self, table: Table, prefix: str = "") -> Iterator[Item]:
        for page in self._scan(table, prefix):
            yield from (item for item in _read_items(page) if item is not None)

    def transact(self, actions: Sequence[Action]) -> None:
        refuse_illegal(actions)
        self._transact(actions)

    @abstractmethod
    def _read_item(self, table: Table, key: tuple[str, str]) -> Stored | None:
        """Read an item."""

    @abstractmethod
    def _read_many(self, table_keys: Sequence[TableKey]) -> Sequence[Stored | None]:
        """Read the item of each place, in their order."""

    @abstractmethod
    def _read_page(
        self, span: Span, after: Position | None, limit: int | None
    ) -> tuple[Sequence[Stored], Position | None]:
        """Read a page from behind `after` on; return its items and its end, if there may be
        more."""

    @abstractmethod
    def _scan(self, table: Table, prefix: str) -> Iterator[Sequence[Stored]]:
        """Read all items whose partition begins so, page by page."""

    @abstractmethod
    def _transact(self, actions: Sequence[Action]) -> None:
        """Do all of these actions, which DynamoDB would take, or none."""


_DAMAGED = "an item of the database is damaged"


def _read_items(
    stored_items: Sequence[Stored | None], names: Sequence[str] | None = None
) -> list[Item | None]:
    """Convert items. `names`: the attributes that are read; None: all of them.

    Raises StorageUnavailable if one is damaged: SQLite does not see what a page's bytes say.
    """
    try:
        wires = (
            _parse_wire(stored, names) if isinstance(stored, str) else _choose(stored, names)
            for stored in stored_items
        )
        return [None if wire is None else item_from_wire(wire) for wire in wires]
    except (ValueError, TypeError, RecursionError) as error:
        raise StorageUnavailable(_DAMAGED) from error


def join_stored(keys: Mapping[str, Any], text: str) -> Stored:
    """Add an item's attributes, which are JSON, to its keys. Raises StorageUnavailable if they are
    damaged."""
    try:
        return {**keys, **_PART.decode(text)}
    except (ValueError, TypeError, RecursionError) as error:
        raise StorageUnavailable(_DAMAGED) from error


def _choose(
    wire: Mapping[str, Any] | None, names: Sequence[str] | None
) -> Mapping[str, Any] | None:
    if wire is None or names is None:
        return wire
    return {name: wire[name] for name in names if name in wire}


def _parse_wire(text: str, names: Sequence[str] | None) -> Mapping[str, Any]:
    """Parse an item's JSON, of which only the attributes of these names take time."""
    if names is None:
        whole: Mapping[str, Any] = _PART.decode(text)
        return whole
    parts = _PARTS.decode(text)
    return {name: _PART.decode(parts[name]) for name in names if name in parts}


MAX_KEY_BYTES = 1024
"""Bytes of an object's key that S3 takes."""
MAX_SEGMENT_BYTES = 255
"""Bytes of a key's part between slashes: file systems take no longer names."""

_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


def require_blob_key(key: str) -> tuple[str, ...]:
    """Return the key's segments.

    Raises InvalidInput if the key is too long, has control characters or backslashes, or could
    leave the store.
    """
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise InvalidInput("a blob key is text") from None
    segments = tuple(key.split("/"))
    if not 1 <= len(data) <= MAX_KEY_BYTES or any(
        len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments
    ):
        raise InvalidInput(
            f"a blob key has 1 to {MAX_KEY_BYTES} bytes, {MAX_SEGMENT_BYTES} between two slashes"
        )
    if _UNFIT.search(key):
        raise InvalidInput(f"a blob key has no control characters and no backslash: {key!r}")
    # No segment may start with a dot: that refuses `.` and `..`, and reserves names for the store's
    # own files.
    if any(not segment or segment.startswith(".") for segment in segments):
        raise InvalidInput(f"no part of a blob key is empty or starts with a dot: {key!r}")
    return segments


def require_prefix(prefix: str) -> tuple[str, ...]:
    """Return the segments of the folder that `prefix` lies in.

    Raises InvalidInput if no key can have the prefix.
    """
    if not prefix:
        return ()
    folder, slash, name_begin = prefix.rpartition("/")
    require_blob_key(prefix if name_begin else folder)
    return tuple(folder.split("/")) if slash else ()


def require_range(begin: int, length: int) -> None:
    """Raise InvalidInput unless an object could have these bytes."""
    if begin < 0 or length < 1:
        raise InvalidInput(
            f"a range of an object is 1 or more bytes from 0 on, not {length} from {begin}"
        )


MAX_UPLOAD_BYTES = MAX_PICTURE_BYTES
MAX_EXPIRY_S = 7 * 86_400
"""Longest time for which S3 signs a URL: a week."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


def make_upload_headers(upload: Upload) -> dict[str, str]:
    """Make the headers by which S3 stores exactly these bytes, and only if the key is free.

    All of them are signed.

    Raises InvalidInput if no adapter would accept the upload.
    """
    if not _SHA256.fullmatch(upload.sha256):
        raise InvalidInput("sha256 is 64 hexadecimal digits in lower case")
    if not 1 <= upload.size <= MAX_UPLOAD_BYTES:
        raise InvalidInput(f"an upload has 1 to {MAX_UPLOAD_BYTES} bytes, not {upload.size}")
    if not _CONTENT_TYPE.fullmatch(upload.content_type):
        raise InvalidInput(f"a content type is as image/jpeg, not {upload.content_type!r}")
    return {
        "Content-Length": str(upload.size),
        "Content-Type": upload.content_type,
        "If-None-Match": "*",
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(upload.sha256)).decode("ascii"),
    }


SIGNED_S = 2 * 3_600
"""How long a signed URL is good from the hour on in which it was asked for: for one to two hours
from then."""

CACHE_CONTROL = "private, max-age=3600, immutable"
"""The caches' rule in a signed URL's answer: objects never change, and their URLs stay the same for
an hour."""


def signed_from(now: datetime) -> datetime:
    """Return the time that a URL is signed at: the hour, so that everybody who asks in it gets the
    same URL."""
    return now.replace(minute=0, second=0, microsecond=0)


def require_expiry(expires_s: int) -> None:
    """Raise InvalidInput if S3 would not sign a URL for so long."""
    if not 1 <= expires_s <= MAX_EXPIRY_S:
        raise InvalidInput(f"a signed URL is good for 1 to {MAX_EXPIRY_S} seconds, not {expires_s}")


MAX_BODY_BYTES = 256 * 1024
"""Bytes of a message that SQS takes."""
MAX_MESSAGES = 10
"""Messages that SQS gives at once."""
MAX_VISIBILITY_S = 43_200
"""Longest time for which SQS hides a message that was given out: 12 hours."""
MAX_DELAY_S = 900
"""Longest time by which SQS delays a message: 15 minutes."""

# Characters that SQS refuses: XML cannot hold them. Compiled with the first message, since it takes
# half a millisecond (of the allowed ones 2 to 6), and few cold starts send one.
_REFUSED = "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"


def require_message(body: str, delay_s: int) -> None:
    """Raise InvalidInput if SQS would not accept the body or the delay."""
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise InvalidInput(f"a message is held back for 0 to {MAX_DELAY_S} seconds, not {delay_s}")
    if not body or re.search(_REFUSED, body) or len(body.encode()) > MAX_BODY_BYTES:
        raise InvalidInput(
            f"a message is 1 to {MAX_BODY_BYTES} bytes of text without control characters"
        )


def require_receive(limit: int, visibility_s: int) -> None:
    """Raise InvalidInput if SQS would not accept the number of messages or the time to hide
    them."""
    if not 1 <= limit <= MAX_MESSAGES:
        raise InvalidInput(f"1 to {MAX_MESSAGES} messages are received at a time, not {limit}")
    require_visibility(visibility_s)


def require_visibility(visibility_s: int) -> None:
    """Raise InvalidInput if SQS would not hide a message for so long."""
    if not 0 <= visibility_s <= MAX_VISIBILITY_S:
        raise InvalidInput(
            f"messages are hidden for 0 to {MAX_VISIBILITY_S} seconds, not {visibility_s}"
        )


MAX_SECRET_BYTES = 4096
"""KMS encrypts no more than this directly."""


def require_secret(secret: str) -> bytes:
    """Return the secret's UTF-8 bytes. Raises InvalidInput unless there are 1 to 4096 of them."""
    data = secret.encode()
    if not 1 <= len(data) <= MAX_SECRET_BYTES:
        raise InvalidInput(f"a secret has 1 to {MAX_SECRET_BYTES} bytes, not {len(data)}")
    return data
