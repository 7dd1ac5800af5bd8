"""A query's range of keys, and the token that marks the end of its last page: the same for every item store."""

from __future__ import annotations

import json
from dataclasses import dataclass

from chalicelib.adapters.limits.items import MAX_PARTITION_BYTES, MAX_SORT_BYTES, require_key_text
from chalicelib.core.errors import InvalidInput
from chalicelib.core.page_tokens import PageTokens
from chalicelib.core.ports import Table


@dataclass(frozen=True)
class Position:
    """Last key of a page: the item's sort key and, through an index, the value that sorts it there."""

    sort: str
    value: str | None


@dataclass(frozen=True)
class Span:
    """Keys of one partition from `low` to `high`, both included. Raises InvalidInput if no item can have these keys."""

    table: Table
    partition: str
    index: str | None
    low: str | None
    high: str | None
    reverse: bool

    def __post_init__(self) -> None:
        if self.index is not None and self.index not in self.table.indexes:
            raise InvalidInput(f"table {self.table.name} has no index {self.index}")
        require_key_text(self.table, self.table.partition, self.partition, MAX_PARTITION_BYTES)
        for bound in (self.low, self.high):
            if bound:
                require_key_text(self.table, self.order, bound, MAX_SORT_BYTES)

    @property
    def order(self) -> str:
        """Name of the attribute that sorts the items."""
        return self.table.sort if self.index is None else self.table.indexes[self.index]

    @property
    def is_empty(self) -> bool:
        """Whether no key lies between the bounds (UTF-8 order is code point order, which is Python's)."""
        return self.high is not None and (not self.high or (self.low or "") > self.high)

    def token(self, position: Position) -> str:
        """Make an opaque token, which carries a check of itself and of its query."""
        return self._tokens.token(json.dumps([position.sort, position.value]))

    def position(self, token: str) -> Position:
        """Return the position at which the page of `token` ended.

        Raises InvalidInput if the token is damaged or belongs to another query.
        """
        sort, value = json.loads(self._tokens.place(token))
        return Position(sort, value)

    @property
    def _tokens(self) -> PageTokens:
        return PageTokens(json.dumps([self.table.name, self.partition, self.index, self.low, self.high, self.reverse]))


def require_limit(limit: int | None) -> None:
    """Raise InvalidInput for a page of less than one item."""
    if limit is not None and limit < 1:
        raise InvalidInput(f"a page has at least one item, not {limit}")
