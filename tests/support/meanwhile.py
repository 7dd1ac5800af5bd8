"""What others do at the same time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.domain.errors import RegularsError
from chalicelib.storage.ports import Action, ItemStore


class Around:
    """The real item store, but for what the classes below change of it."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)


class Meanwhile(Around):
    """It has something happen before its next transaction that the caller has not seen."""

    def __init__(self, items: ItemStore) -> None:
        super().__init__(items)
        self.first: list[Callable[[], object]] = []

    def transact(self, actions: Sequence[Action]) -> None:
        if self.first:
            self.first.pop(0)()
        self._items.transact(actions)


class Interrupted(Around):
    """It has something happen before its n-th read."""

    def __init__(self, items: ItemStore) -> None:
        super().__init__(items)
        self.reads = 0
        self.at: dict[int, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)
        if name not in ("get", "get_many", "get_each", "query", "scan"):
            return method

        def reading(*arguments: Any, **named: Any) -> Any:
            self.reads += 1
            if self.reads in self.at:
                self.at[self.reads]()
            return method(*arguments, **named)

        return reading


def side_by_side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returns, or the class of what it raises; all begin together."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        except RegularsError as error:
            return type(error)

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))
