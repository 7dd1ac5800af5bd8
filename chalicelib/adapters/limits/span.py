"""Queries, as every item store takes them: the range of keys, and the token that marks the end of the last page."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass

from chalicelib.adapters.limits.items import MAX_PARTITION_BYTES, MAX_SORT_BYTES, require_key_text
from chalicelib.core.errors import InvalidInput
from chalicelib.core.page_tokens import PageTokens
from chalicelib.core.ports import Item, Page, Table


@dataclass(frozen=True)
class Position:
    """Last key of a page: the item's sort key and, through an index, the value that sorts it there."""

    sort: str
    value: str | None


@dataclass(frozen=True)
class Span:
    """Keys of one partition from `low` to `high`, both included. Raises InvalidInput if no item can have these keys.

    `rows`: read what the index carries, not only its keys.
    """

    table: Table
    partition: str
    index: str | None
    low: str | None
    high: str | None
    reverse: bool
    rows: bool

    def __post_init__(self) -> None:
        if self.index is not None and self.index not in self.table.indexes:
            raise InvalidInput(f"table {self.table.name} has no index {self.index}")
        if self.rows and self.index not in self.table.rows:
            raise InvalidInput(f"index {self.index} of table {self.table.name} carries no rows")
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
        """Names of the attributes that are read through an index."""
        carried = self.table.rows[self.index] if self.index is not None and self.rows else ()
        return (self.table.partition, self.table.sort, self.order, *carried)

    @property
    def is_empty(self) -> bool:
        """True if no key lies between the bounds (UTF-8 order is code point order, which is Python's)."""
        return self.high is not None and (not self.high or (self.low or "") > self.high)

    def token(self, last: Item) -> str:
        """Make an opaque token of a page's last item, or of its key; it carries a check of itself and of its query."""
        value = None if self.index is None else last[self.order]
        return self._tokens.token(json.dumps([last[self.table.sort], value]))

    def position(self, token: str) -> Position:
        """Return the position at which the page of `token` ended.

        Raises InvalidInput if the token is damaged or belongs to another query.
        """
        return self._tokens.place(token, _position)

    @property
    def _tokens(self) -> PageTokens:
        return PageTokens(json.dumps([self.table.name, self.partition, self.index, self.low, self.high, self.reverse]))


def _position(text: str) -> Position:
    """Read a position from a token's JSON. Raises ValueError or TypeError if it is none."""
    sort, value = json.loads(text)
    if not isinstance(sort, str) or not isinstance(value, str | None):
        raise TypeError("a key is a text")
    return Position(sort, value)


class Queries(ABC):
    """The `query` of an item store, which only reads the page."""

    def query(
        self,
        table: Table,
        partition: str,
        *,
        index: str | None = None,
        rows: bool = False,
        low: str | None = None,
        high: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        token: str | None = None,
    ) -> Page:
        if limit is not None and limit < 1:
            raise InvalidInput(f"a page has at least one item, not {limit}")
        span = Span(table, partition, index, low, high, reverse=reverse, rows=rows)
        after = None if token is None else span.position(token)
        if span.is_empty:
            return Page((), None)
        items, last = self._read_page(span, after, limit)
        return Page(items, None if last is None else span.token(last))

    @abstractmethod
    def _read_page(self, span: Span, after: Position | None, limit: int | None) -> tuple[tuple[Item, ...], Item | None]:
        """Read a page from behind `after` on; return its items and the last one, or its key, if there may be more."""
