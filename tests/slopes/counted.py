"""A process on a shop whose storage is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from msgspec.structs import replace

from chalicelib.storage.ports import Item, Page, Storage, Table
from tests.support.book.book import Book
from tests.support.faults.shop import Box, Shop
from tests.support.storage.failing import Calls
from tests.support.storage.meter import MeteredItems, meter_storage
from tests.support.storage.steps import counting_steps

_STEPS_A_TICK = 100

MEASURES = ("rows", "statements", "VM steps", "read units", "write units")
"""What is counted. Of VM steps, some are the meter's own, which looks at items before and after
each write."""


class CountedItems(MeteredItems):
    """A meter that also counts the rows that are read."""

    rows = 0

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        self.rows += 1
        return super().get(table, key)

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        self.rows += len(keys)
        return super().get_many(table, keys)

    def query(self, table: Table, partition: str, *, index: str | None = None, **how: Any) -> Page:
        page = super().query(table, partition, index=index, **how)
        self.rows += len(page.items)
        return page

    def scan(self, table: Table, prefix: str = "") -> Iterator[Item]:
        """Count rows alone: an operator scans."""
        for item in self._items.scan(table, prefix):
            self.rows += 1
            yield item


class CountedBox(Box):
    """A process that counts what it asks of storage."""

    def _open(self, folder: Path) -> None:
        self.calls = Calls()
        Book.__init__(self, folder, wrap=self._meter)

    def _meter(self, storage: Storage) -> Storage:
        metered, self.meter = meter_storage(storage)
        self.items = CountedItems(storage.items, self.meter)
        return replace(metered, items=self.items)

    def count(self, act: Callable[[], object]) -> Counter[str]:
        """Do it, and count what it costs, by MEASURES and by CPU ms."""
        self.meter.clear()
        self.items.rows = 0
        file: Any = self.storage.items
        begun = process_time()
        with counting_steps(file.file, _STEPS_A_TICK) as counted:
            act()
        spent_ms = round((process_time() - begun) * 1000)
        return counted + Counter(
            {
                "rows": self.items.rows,
                "read units": self.meter.reads.total(),
                "write units": self.meter.writes.total(),
                "CPU ms": spent_ms,
            }
        )


class CountedShop(Shop, frozen=True):
    def opened(self, folder: Path) -> CountedBox:
        return CountedBox(folder, self)
