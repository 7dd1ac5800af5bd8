"""What SQLite does for some work, counted while it does it."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


def forget_pages(file: SqliteFile) -> None:
    """Have this thread read each page of the file again."""
    with file.reading() as connection:
        connection.execute("PRAGMA shrink_memory")


_READ_BY_PROCESS = Path("/proc/self/io")
"""What Linux counts of this process."""


@contextmanager
def count_bytes_read(counted: Counter[str]) -> Iterator[None]:
    """Add the bytes that this process reads of files meanwhile, in the system's memory or not.

    Other systems than Linux do not say: there it is 0.
    """
    begin = _sum_bytes_read()
    try:
        yield
    finally:
        counted["bytes read"] += _sum_bytes_read() - begin


def _sum_bytes_read() -> int:
    if not _READ_BY_PROCESS.exists():
        return 0
    return int(_READ_BY_PROCESS.read_text().split()[1])


def _observe(
    connection: sqlite3.Connection,
    count_steps: Callable[[], int] | None,
    count_statement: Callable[[str], None] | None,
    steps_a_tick: int,
) -> None:
    connection.set_progress_handler(count_steps, steps_a_tick)
    connection.set_trace_callback(count_statement)
