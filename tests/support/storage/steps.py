"""What SQLite does for some work, counted while it does it."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chalicelib.storage.box.items import SqliteFile

STEPS_A_TICK = 10
"""Steps of SQLite's virtual machine between two counts: fewer are more exact, and take longer."""


@contextmanager
def counting_steps(file: SqliteFile, steps_a_tick: int = STEPS_A_TICK) -> Iterator[Counter[str]]:
    """Count the statements of this thread on the file, and the steps that they take."""
    counted = Counter[str]()

    def count_steps() -> int:
        counted["VM steps"] += steps_a_tick
        return 0

    def count_statement(statement: str) -> None:
        counted["statements"] += 1

    with file.reading() as connection:
        _observe(connection, count_steps, count_statement, steps_a_tick)
    try:
        yield counted
    finally:
        with file.reading() as connection:
            _observe(connection, None, None, 0)


def _observe(
    connection: sqlite3.Connection,
    count_steps: Callable[[], int] | None,
    count_statement: Callable[[str], None] | None,
    steps_a_tick: int,
) -> None:
    connection.set_progress_handler(count_steps, steps_a_tick)
    connection.set_trace_callback(count_statement)
