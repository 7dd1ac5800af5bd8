"""A process on a shop whose storage is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from msgspec.structs import replace

from chalicelib.open_storage import DATABASE
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.keys import TABLES
from chalicelib.storage.ports import (
    Action,
    Item,
    ItemStore,
    Page,
    Storage,
    Table,
    TableKey,
)
from tests.support.book.book import Book
from tests.support.faults.shop import Box, Shop
from tests.support.storage.failing import Calls
from tests.support.storage.meter import meter_storage
from tests.support.storage.steps import count_bytes_read, counting_steps, forget_pages

_STEPS_A_TICK = 100

MEASURES = ("rows", "statements", "VM steps", "bytes read", "read units", "write units")
"""What is counted. Bytes are those of the database, none of whose pages is in SQLite's memory when
an act begins."""


class ReadItems:
    """An ItemStore that adds up in `counted` the rows, and the bytes of the database, that are
    read."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self.counted = Counter[str]()

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        self.counted["rows"] += 1
        with count_bytes_read(self.counted):
            return self._items.get(table, key)

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        return self.get_each([(table, key) for key in keys])

    def get_each(self, table_keys: Sequence[TableKey]) -> list[Item | None]:
        self.counted["rows"] += len(table_keys)
        with count_bytes_read(self.counted):
            return self._items.get_each(table_keys)

    def query(self, table: Table, partition: str, **how: Any) -> Page:
        with count_bytes_read(self.counted):
            page = self._items.query(table, partition, **how)
        self.counted["rows"] += len(page.items)
        return page

    def scan(self, table: Table, prefix: str = "") -> Iterator[Item]:
        with count_bytes_read(self.counted):
            items = list(self._items.scan(table, prefix))
        self.counted["rows"] += len(items)
        return iter(items)

    def transact(self, actions: Sequence[Action]) -> None:
        with count_bytes_read(self.counted):
            self._items.transact(actions)


class CountedBox(Box):
    """A process that counts what it asks of storage."""

    def _open(self, folder: Path) -> None:
        self.calls = Calls()
        self._aside = SqliteItemStore(folder / DATABASE, TABLES)
        Book.__init__(self, folder, wrap=self._meter)

    def _meter(self, storage: Storage) -> Storage:
        self.items = ReadItems(storage.items)
        metered, self.meter = meter_storage(replace(storage, items=self.items), self._aside)
        return metered

    def close(self) -> None:
        super().close()
        self._aside.close()

    def count(self, act: Callable[[], object]) -> Counter[str]:
        """Do it, and count what it costs, by MEASURES and by CPU ms."""
        self.meter.clear()
        self.items.counted.clear()
        file: Any = self.storage.items
        forget_pages(file.file)
        begun = process_time()
        with counting_steps(file.file, _STEPS_A_TICK) as counted:
            act()
        spent_ms = round((process_time() - begun) * 1000)
        of_aws = {
            "read units": self.meter.reads.total(),
            "write units": self.meter.writes.total(),
        }
        return counted + self.items.counted + Counter({**of_aws, "CPU ms": spent_ms})


class CountedShop(Shop, frozen=True):
    def opened(self, folder: Path) -> CountedBox:
        return CountedBox(folder, self)
