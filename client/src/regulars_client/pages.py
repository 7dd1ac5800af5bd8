"""Lists that come page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Page = TypeVar("Page")
Item = TypeVar("Item")


class Pages(Generic[Page, Item]):
    """All items of a list, over all its pages; each page is asked for when it is needed.

    Iterate over `pages()` if you want what a page says beside its items.
    """

    def __init__(
        self, ask: Callable[[str | None], Page], items: Callable[[Page], list[Item]], token: str | None
    ) -> None:
        self._ask = ask
        self._items = items
        self._first = token

    def pages(self) -> Iterator[Page]:
        """Yield the pages from the first on, or from the one that the given token names."""
        token = self._first
        while True:
            page = self._ask(token)
            yield page
            token = getattr(page, "next_token", None)
            if not token:
                return

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from self._items(page)
