"""Messages in the SQLite file that holds the items: the embedded Queue."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from chalicelib.storage.box.items import SqliteFile
from chalicelib.storage.limits import require_message, require_receive, require_visibility
from chalicelib.storage.ports import Clock, Message
from chalicelib.storage.values import milliseconds

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, dead INTEGER NOT NULL DEFAULT 0,
        visible_at_ms INTEGER NOT NULL, receives INTEGER NOT NULL DEFAULT 0,
        receipt TEXT NOT NULL DEFAULT '', body TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS messages_by_time ON messages (queue, dead, visible_at_ms)",
    "CREATE INDEX IF NOT EXISTS messages_by_receipt ON messages (receipt)",
)

_GROUPS = """WITH RECURSIVE one(queue) AS (
        SELECT min(queue) FROM messages WHERE queue BETWEEN :first AND :last
        UNION ALL SELECT
            (SELECT min(queue) FROM messages WHERE queue > one.queue AND queue <= :last)
        FROM one WHERE one.queue IS NOT NULL)
    SELECT queue FROM one WHERE EXISTS (SELECT 1 FROM messages AS its
        WHERE its.queue = one.queue AND its.dead = 0 AND its.visible_at_ms <= :now)
    ORDER BY queue <= :turn, queue LIMIT :limit"""
"""Groups with a message to receive, that whose turn it is first. The index answers, by a step for
each group."""
_VISIBLE = """SELECT queue, id, receives, body FROM messages
    WHERE queue = ? AND dead = 0 AND visible_at_ms <= ? ORDER BY visible_at_ms, id LIMIT ?"""
_HIDE = "UPDATE messages SET visible_at_ms = ? WHERE receipt = ? AND queue BETWEEN ? AND ?"


class SqliteQueue:
    """The Queue port: the messages of the queue `name`.

    `at`: the path of a file, or one that is open.

    Its groups take turns. A group's messages are stored as those of the queue `name/group`.

    Stores that share an open one share its connections, and their threads queue in one line to
    write. A message that is sent is on the disk; that it was received or deleted need not be: after
    a power cut it may come again.
    """

    def __init__(
        self, at: Path | SqliteFile, name: str, clock: Clock, max_receives: int = 20
    ) -> None:
        self._file = at if isinstance(at, SqliteFile) else SqliteFile(at)
        self._file.lay_out(_SCHEMA)
        self._name = name
        self._clock = clock
        self._max_receives = max_receives
        self._sent = threading.Event()
        self._names = f"{name}/", f"{name}/~"
        """Of its groups, the first and one behind the last."""
        self._turn = ""
        self._held: set[str] = set()
        """Receipts of messages that are worked on, and hidden by nobody else meanwhile."""

    def close(self) -> None:
        """Close all connections; the queue cannot be used afterwards."""
        self._file.close()

    def send(self, body: str, delay_s: int = 0, group: str = "") -> None:
        require_message(body, delay_s)
        with self._file.writing() as connection:
            connection.execute(
                "INSERT INTO messages (queue, visible_at_ms, body) VALUES (?, ?, ?)",
                (f"{self._name}/{group}", self._now_ms() + delay_s * 1000, body),
            )
        if not delay_s:
            self._sent.set()

    def wait(self, timeout_s: float) -> None:
        """Wait until this object sends a message, for at most `timeout_s`: one thread at a time.

        One sent since the last look began ends it at once. Receive after each wait, even one that
        timed out: other processes may have sent messages meanwhile.
        """
        self._sent.wait(timeout_s)

    def receive(self, limit: int, visibility_s: int) -> list[Message]:
        """Receive up to `limit` messages, which no other consumer receives for `visibility_s`.

        Those that were received `max_receives` times are put aside.
        """
        require_receive(limit, visibility_s)
        self._sent.clear()
        with self._file.reading() as connection:
            # A worker polls all day, so an empty queue must cost no write.
            if not self._visible(connection, 1):
                return []
        with self._file.writing(durable=False) as connection:
            while rows := self._visible(connection, limit):
                exhausted = [
                    (number,) for _, number, receives, _ in rows if receives >= self._max_receives
                ]
                if exhausted:
                    connection.executemany("UPDATE messages SET dead = 1 WHERE id = ?", exhausted)
                    continue
                self._turn, until_ms = rows[-1][0], self._now_ms() + visibility_s * 1000
                return [_receive_message(connection, *row[1:], until_ms=until_ms) for row in rows]
        return []

    def hide(self, receipt: str, visibility_s: int) -> None:
        require_visibility(visibility_s)
        self._held.discard(receipt)
        if receipt:
            with self._file.writing(durable=False) as connection:
                until_ms = self._now_ms() + visibility_s * 1000
                connection.execute(_HIDE, (until_ms, receipt, *self._names))

    @contextmanager
    def hold(self, receipts: Collection[str]) -> Iterator[None]:
        """Have `hide_held` hide these messages until the end of the block, or until `hide` sets
        another time for one."""
        self._held.update(receipts)
        try:
            yield
        finally:
            self._held.difference_update(receipts)

    def hide_held(self, visibility_s: int) -> None:
        """Hide all messages that are held."""
        if self._held:
            with self._file.writing(durable=False) as connection:
                until_ms = self._now_ms() + visibility_s * 1000
                rows = [(until_ms, receipt, *self._names) for receipt in self._held.copy()]
                connection.executemany(_HIDE, rows)

    def delete(self, receipt: str) -> None:
        if receipt:
            with self._file.writing(durable=False) as connection:
                which = (receipt, *self._names)
                connection.execute(
                    "DELETE FROM messages WHERE receipt = ? AND queue BETWEEN ? AND ?", which
                )

    def drop(self, group: str) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM messages WHERE queue = ?", (f"{self._name}/{group}",))

    def waiting(self) -> int:
        """Count the messages that are not done, and may still be."""
        with self._file.reading() as connection:
            query = "SELECT count(*) FROM messages WHERE queue BETWEEN ? AND ? AND dead = 0"
            return int(connection.execute(query, self._names).fetchone()[0])

    def _visible(self, connection: sqlite3.Connection, limit: int) -> list[Any]:
        """Read up to `limit` messages that may be received, one of each group in turn."""
        (first, last), now_ms = self._names, self._now_ms()
        turns = {"first": first, "last": last, "now": now_ms, "turn": self._turn, "limit": limit}
        groups = connection.execute(_GROUPS, turns).fetchall()
        rows = [
            connection.execute(_VISIBLE, (*group, now_ms, limit)).fetchall() for group in groups
        ]
        return [row for one_of_each in zip_longest(*rows) for row in one_of_each if row][:limit]

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def _receive_message(
    connection: sqlite3.Connection, number: int, receives: int, body: str, *, until_ms: int
) -> Message:
    receipt = uuid.uuid4().hex
    connection.execute(
        "UPDATE messages SET visible_at_ms = ?, receives = ?, receipt = ? WHERE id = ?",
        (until_ms, receives + 1, receipt, number),
    )
    return Message(body, receipt, receives + 1)
