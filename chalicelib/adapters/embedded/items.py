"""Items in one SQLite file: the embedded ItemStore.

All tables share one physical layout: rows sorted by (table, partition, sort), and index rows beside them, kept in the
same transaction. Keys are stored as UTF-8 bytes, so that SQLite compares them as DynamoDB does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.file import SqliteFile
from chalicelib.adapters.limits import (
    EXACT,
    Position,
    Queries,
    Span,
    failed,
    is_number,
    item_from_json,
    item_size,
    item_to_json,
    refuse_illegal,
    require_key,
)
from chalicelib.core.errors import ConditionFailed, InvalidInput, StorageUnavailable
from chalicelib.core.ports import Action, Check, Delete, Item, Put, Table, Update

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS items (
        tbl TEXT NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (tbl, pk, sk)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS index_rows (
        tbl TEXT NOT NULL, idx TEXT NOT NULL, pk BLOB NOT NULL, val BLOB NOT NULL, sk BLOB NOT NULL,
        PRIMARY KEY (tbl, idx, pk, val, sk)) WITHOUT ROWID""",
)

_PAGE_ITEMS = 1000
_PAGE_CHARACTERS = 1024 * 1024


class SqliteItemStore(Queries):
    """The ItemStore port on the file at `path`, holding `tables`. `busy_s`: how long to wait for other processes."""

    def __init__(self, path: Path, tables: Sequence[Table], busy_s: float = 5.0) -> None:
        self._tables = frozenset(table.name for table in tables)
        self.file = SqliteFile(path, busy_s)
        self.file.lay_out(_SCHEMA)

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        self.file.close()

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        return self.get_many(table, [key])[0]

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        self._require(table)
        for key in keys:
            require_key(table, key)
        with self.file.reading() as connection:
            return [_read(connection, table, key) for key in keys]

    def _read_page(self, span: Span, after: Position | None, limit: int | None) -> tuple[tuple[Item, ...], Item | None]:
        self._require(span.table)
        most = min(limit or _PAGE_ITEMS, _PAGE_ITEMS)
        items: list[Item] = []
        characters = 0
        sql, parameters = _select(span, after)
        with (
            self.file.reading() as connection,
            closing(connection.execute(f"{sql} LIMIT ?", (*parameters, most + 1))) as rows,
        ):
            for first, second in rows:
                if len(items) == most or characters >= _PAGE_CHARACTERS:
                    return tuple(items), items[-1]
                items.append(_row_item(span, first, second))
                characters += len(first)
        return tuple(items), None

    def transact(self, actions: Sequence[Action]) -> None:
        refuse_illegal(actions)
        for action in actions:
            self._require(action.table)
        is_lasting = any(not isinstance(action, Update) or action.lasts for action in actions)
        with self.file.writing(durable=is_lasting) as connection:
            before = [_read(connection, action.table, action.key) for action in actions]
            names = frozenset[str]().union(*map(failed, before, (action.when for action in actions)))
            if names:
                raise ConditionFailed(names)
            for action, item in zip(actions, before, strict=True):
                _replace(connection, action, item, _after(action, item))

    def _require(self, table: Table) -> None:
        if table.name not in self._tables:
            raise StorageUnavailable(f"this store has no table {table.name}")


def _read(connection: sqlite3.Connection, table: Table, key: tuple[str, str]) -> dict[str, Any] | None:
    row = connection.execute(
        "SELECT body FROM items WHERE tbl = ? AND pk = ? AND sk = ?", (table.name, key[0].encode(), key[1].encode())
    ).fetchone()
    return None if row is None else _item(row[0])


def _item(body: str) -> dict[str, Any]:
    """Read an item. Raises StorageUnavailable if it cannot be read: SQLite does not see what a page's bytes say."""
    try:
        return item_from_json(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise StorageUnavailable("an item of the database is damaged") from error


def _row_item(span: Span, first: Any, second: bytes) -> Item:
    if span.index is None:
        return _item(first)
    if span.rows:
        item = _item(first)
        return {name: item[name] for name in span.attributes if name in item}
    return {span.table.partition: span.partition, span.table.sort: second.decode(), span.order: first.decode()}


def _select(span: Span, after: Position | None) -> tuple[str, list[Any]]:
    """Make the statement, without its limit, that reads the span.

    Its rows are (body, sort) or, through an index, (value, sort). What an index carries is read from the item itself.
    """
    parameters: list[Any] = [span.table.name, span.partition.encode()]
    order = ["sk"]
    sql = "SELECT body, sk FROM items WHERE tbl = ? AND pk = ?"
    if span.index is not None:
        order = ["val", "sk"]
        sql = "SELECT val, sk FROM index_rows WHERE tbl = ? AND pk = ? AND idx = ?"
        if span.rows:
            sql = "SELECT body, sk FROM index_rows JOIN items USING (tbl, pk, sk) WHERE tbl = ? AND pk = ? AND idx = ?"
        parameters.append(span.index)
    for operator, bound in ((">=", span.low), ("<=", span.high)):
        if bound is not None:
            sql += f" AND {order[0]} {operator} ?"
            parameters.append(bound.encode())
    if after is not None:
        sql += f" AND ({', '.join(order)}) {'<' if span.reverse else '>'} ({', '.join('?' * len(order))})"
        parameters += [part.encode() for part in (after.value, after.sort)[-len(order) :] if part is not None]
    direction = " DESC" if span.reverse else ""
    return f"{sql} ORDER BY {', '.join(column + direction for column in order)}", parameters


def _after(action: Action, item: Item | None) -> Item | None:
    """Return the item after the action.

    Raises InvalidInput if the sum or the item grows too large, or if the attribute to add to is no number.
    """
    match action:
        case Put():
            return action.item
        case Delete():
            return None
        case Check():
            return item
        case Update():
            changed = {**(item or {}), **action.set}
            for name, amount in action.add.items():
                value = changed.get(name, 0)
                if not is_number(value):
                    raise InvalidInput(f"attribute {name} is no number: nothing can be added to it")
                changed[name] = value + amount if isinstance(value, int) else EXACT.add(value, amount)
            for name in action.remove:
                changed.pop(name, None)
            item_size(action.table, changed)
            return changed


def _replace(connection: sqlite3.Connection, action: Action, old: Item | None, new: Item | None) -> None:
    if new is old:
        return
    table, (partition, sort) = action.table, (part.encode() for part in action.key)
    if new is None:
        connection.execute("DELETE FROM items WHERE tbl = ? AND pk = ? AND sk = ?", (table.name, partition, sort))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO items (tbl, pk, sk, body) VALUES (?, ?, ?, ?)",
            (table.name, partition, sort, item_to_json(new)),
        )
    for index, attribute in table.indexes.items():
        was, now = (None if item is None else item.get(attribute) for item in (old, new))
        if was == now:
            continue
        if was is not None:
            connection.execute(
                "DELETE FROM index_rows WHERE tbl = ? AND idx = ? AND pk = ? AND val = ? AND sk = ?",
                (table.name, index, partition, was.encode(), sort),
            )
        if now is not None:
            connection.execute(
                "INSERT INTO index_rows (tbl, idx, pk, val, sk) VALUES (?, ?, ?, ?, ?)",
                (table.name, index, partition, now.encode(), sort),
            )
