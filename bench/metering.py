"""What reads and writes would cost on DynamoDB, counted while they are made on the embedded store.

By the Developer Guide's "Read consistency" and "Item sizes": a strongly consistent read costs a unit for each 4 KB
begun; GetItem and BatchGetItem round every item up, and an absent one costs a unit; Query rounds up the sum of what it
read, which is keys where the index holds keys only. A write in a transaction costs two units for each 1 KB begun of the
larger of the item before and after; a condition that writes nothing costs the same. An index entry that is made or
removed is a write of its own ("Local Secondary Indexes": one that moves is two).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.limits import attribute_size
from chalicelib.adapters.refusals import key_of
from chalicelib.core.ports import Action, Item, ItemStore, Page, Table

UNIT_BYTES = 4096
WRITE_UNIT_BYTES = 1024
IN_A_TRANSACTION = 2


def read_units(size_bytes: int) -> int:
    return max(1, -(-size_bytes // UNIT_BYTES))


def stored_bytes(item: Item | None) -> int:
    """Bytes that a read of the item counts; 0 for one that is not there."""
    return sum(attribute_size(name, value) for name, value in (item or {}).items())


def write_units(table: Table, before: Item | None, after: Item | None) -> int:
    """Of one action of a transaction that leaves an item `after` where `before` was."""
    size = max(stored_bytes(before), stored_bytes(after), 1)
    entries = 0
    for attribute in table.indexes.values():
        old, new = (item.get(attribute) if item else None for item in (before, after))
        if old != new:
            entries += (old is not None) + (new is not None)
    return IN_A_TRANSACTION * (-(-size // WRITE_UNIT_BYTES) + entries)


class MeteredItems:
    """An ItemStore that adds up read units by table and operation in `spent`, and write units by table in `written`."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self.spent: Counter[str] = Counter()
        self.written: Counter[str] = Counter()

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        item = self._items.get(table, key)
        self.spent[f"{table.name} get"] += read_units(stored_bytes(item))
        return item

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        items = self._items.get_many(table, keys)
        units = {key: read_units(stored_bytes(item)) for key, item in zip(keys, items, strict=True)}
        self.spent[f"{table.name} batch get"] += sum(units.values())
        return items

    def query(self, table: Table, partition: str, *, index: str | None = None, **how: Any) -> Page:
        page = self._items.query(table, partition, index=index, **how)
        size = sum(stored_bytes(item) for item in page.items)
        self.spent[f"{table.name} query{f' {index}' if index else ''}"] += read_units(size)
        return page

    def transact(self, actions: Sequence[Action]) -> None:
        places = [(action.table, key_of(action)) for action in actions]
        before = [self._items.get(table, key) for table, key in places]
        self._items.transact(actions)
        for (table, key), old in zip(places, before, strict=True):
            self.written[table.name] += write_units(table, old, self._items.get(table, key))
