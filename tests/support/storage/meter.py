"""What storage would cost on AWS, counted while it is used embedded.

DynamoDB, by the Developer Guide's "Read consistency" and "Item sizes": a strongly consistent read
costs a unit for each 4 KB begun; GetItem and BatchGetItem round every item up, and an absent one
costs a unit; Query rounds up the sum of what it read, which through an index is all that the index
carries, asked for or not. A write in a transaction costs two units for each 1 KB begun of the
larger of the item before and after, any other write one; a condition that writes nothing costs the
same, and so does all of a transaction that a condition cancels. An index entry that is made,
changed or removed is a write of its own, by its size ("Local Secondary Indexes": one that moves is
two). A transaction does not double that: measured on DynamoDB for both kinds of index
(github.com/nubo-db/dynoxide/pull/188, cases A3, A10, B7).

S3, SQS and KMS charge by the call: `Meter.calls` counts those that the adapters make for what is
asked of them. `Meter.waits` are those of them that somebody waits for: of calls side by side, those
on the longer way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec.structs import replace

from chalicelib.domain.errors import ConditionFailed, RegularsError
from chalicelib.storage.aws.items import DELETES_AT_ONCE, are_plain_deletes, find_single_write
from chalicelib.storage.limits import attribute_size, index_entry_size
from chalicelib.storage.ports import Action, Item, ItemStore, Page, Storage, Table, TableKey
from tests.support.storage.prices import waiting_ms

_T = TypeVar("_T")

UNIT_BYTES = 4096
WRITE_UNIT_BYTES = 1024
IN_A_TRANSACTION = 2
LISTED_AT_ONCE = 1_000

# S3 has two prices: that of puts and lists, and that of all else; deletes are free. Presigning is
# no call.
_S3 = {
    "get": "s3 get",
    "size": "s3 get",
    "get_range": "s3 get",
    "put_if_absent": "s3 put",
    "walk": "s3 put",
    "delete": "s3 delete",
}
# What Lambda's own poller receives and deletes is not seen here.
_SQS = dict.fromkeys(("send", "receive", "hide", "delete"), "sqs")
_KINDS = {
    "blobs": _S3,
    "uploads": _S3,
    "index_queue": _SQS,
    "captures_queue": _SQS,
    "deliveries_queue": _SQS,
    "vault": dict.fromkeys(("seal", "unseal"), "kms"),
}


def read_units(size_bytes: int) -> int:
    return max(1, -(-size_bytes // UNIT_BYTES))


def stored_bytes(item: Item | None) -> int:
    """Bytes that a read of the item counts; 0 for one that is not there."""
    return sum(attribute_size(name, value) for name, value in (item or {}).items())


def write_units(table: Table, before: Item | None, after: Item | None, each: int) -> int:
    """Count the units of one write that leaves an item `after` where `before` was; `each`: for a KB
    of an item."""
    size = max(stored_bytes(before), stored_bytes(after), 1)
    entries = sum(_entry_units(table, index, before or {}, after or {}) for index in table.indexes)
    return each * -(-size // WRITE_UNIT_BYTES) + entries


def _entry_units(table: Table, index: str, before: Item, after: Item) -> int:
    key, carried = table.indexes[index], table.projections.get(index, ())
    old, new = (
        -(-index_entry_size(table, index, item) // WRITE_UNIT_BYTES) for item in (before, after)
    )
    if before.get(key) != after.get(key):
        return old + new
    is_same = all(before.get(name) == after.get(name) for name in carried)
    return 0 if is_same else max(old, new)


@dataclass
class Meter:
    """Units and calls used: read units by table and operation, write units by table, calls by
    service and kind."""

    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        for counter in (self.reads, self.writes, self.calls, self.waits):
            counter.clear()

    def count_call(self, kind: str) -> None:
        self.calls[kind] += 1
        self.waits[kind] += 1

    def begin_call(self, work: Callable[[], _T], /) -> Callable[[], _T]:
        """Do the work at once, and count as waits the longer way: this one, or what its caller does
        meanwhile."""
        before = +self.waits
        try:
            found, failed = [work()], None
        except RegularsError as error:
            found, failed = [], error
        aside = self.waits - before
        self.waits = +before

        def end() -> _T:
            if waiting_ms(aside) > waiting_ms(self.waits - before):
                self.waits = before + aside
            if failed is not None:
                raise failed
            return found[0]

        return end


def meter_storage(storage: Storage, aside: ItemStore | None = None) -> tuple[Storage, Meter]:
    """Put a meter on all storage calls that are charged for. `aside`: as of MeteredItems."""
    meter = Meter()
    counted: dict[str, Any] = {
        port: Counted(getattr(storage, port), kinds, meter) for port, kinds in _KINDS.items()
    }
    return replace(
        storage,
        items=MeteredItems(storage.items, meter, aside),
        begin_call=meter.begin_call,
        **counted,
    ), meter


class MeteredItems:
    """An ItemStore that adds up read units by table and operation in `spent`, and write units by
    table in `written`.

    `aside`: the same items, of which it reads what is not asked for and costs by its size; None:
    `items` itself.
    """

    def __init__(
        self, items: ItemStore, meter: Meter | None = None, aside: ItemStore | None = None
    ) -> None:
        self._items = items
        self._aside = aside or items
        self._meter = meter or Meter()

    @property
    def spent(self) -> Counter[str]:
        return self._meter.reads

    @property
    def written(self) -> Counter[str]:
        return self._meter.writes

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        item = self._items.get(table, key)
        self._count_read(f"{table.name} get", read_units(stored_bytes(item)))
        return item

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        items = self._items.get_many(table, keys)
        units = {key: read_units(stored_bytes(item)) for key, item in zip(keys, items, strict=True)}
        if units:
            self._count_read(f"{table.name} batch get", sum(units.values()))
        return items

    def get_each(self, table_keys: Sequence[TableKey]) -> list[Item | None]:
        items = self._items.get_each(table_keys)
        for (table, _), item in zip(table_keys, items, strict=True):
            self.spent[f"{table.name} get"] += read_units(stored_bytes(item))
        self._meter.count_call("dynamodb")
        return items

    def query(self, table: Table, partition: str, *, index: str | None = None, **how: Any) -> Page:
        page = self._items.query(table, partition, index=index, **how)
        read = page
        if index in table.projections:
            how["carried"] = table.projections[index]
            read = self._aside.query(table, partition, index=index, **how)
        size = sum(stored_bytes(item) for item in read.items)
        self._count_read(f"{table.name} query{f' {index}' if index else ''}", read_units(size))
        return page

    def scan(self, table: Table, prefix: str = "") -> Iterator[Item]:
        """Count nothing: no function may scan."""
        return self._items.scan(table, prefix)

    def transact(self, actions: Sequence[Action]) -> None:
        each = 1 if find_single_write(actions) or are_plain_deletes(actions) else IN_A_TRANSACTION
        places = [(action.table, action.key) for action in actions]
        before = [self._aside.get(table, key) for table, key in places]
        for _ in range(-(-len(actions) // DELETES_AT_ONCE) if are_plain_deletes(actions) else 1):
            self._meter.count_call("dynamodb")
        try:
            self._items.transact(actions)
        except ConditionFailed:
            for (table, _), old in zip(places, before, strict=True):
                self.written[table.name] += write_units(table, old, old, each)
            raise
        for (table, key), old in zip(places, before, strict=True):
            self.written[table.name] += write_units(table, old, self._aside.get(table, key), each)

    def _count_read(self, what: str, units: int) -> None:
        self.spent[what] += units
        self._meter.count_call("dynamodb")


class Counted:
    """A port whose calls are counted by what AWS charges for them; methods that `kinds` does not
    name cost nothing."""

    def __init__(self, port: Any, kinds: Mapping[str, str], meter: Meter) -> None:
        self._port = port
        self._kinds = kinds
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        call, kind = getattr(self._port, name), self._kinds.get(name)
        if kind is None:
            return call

        def call_and_count(*args: Any, **named: Any) -> Any:
            self._meter.count_call(kind)
            answer = call(*args, **named)
            return self._count_pages(answer, kind) if name == "walk" else answer

        return call_and_count

    def _count_pages(self, found: Iterator[_T], kind: str) -> Iterator[_T]:
        """Count a call for every further thousand objects that a walk is asked for."""
        for number, one in enumerate(found):
            if number and number % LISTED_AT_ONCE == 0:
                self._meter.count_call(kind)
            yield one
