"""Pages of a database that a disk did not write whole."""

from pathlib import Path

PAGE = 4096
LEAF = 10
"""What begins a page of rows, by SQLite's file format; one that leads to others has rows, too, and
another number."""


def tear(database: Path, *texts: bytes) -> None:
    """Overwrite the page of rows that holds the most of these texts.

    Nobody may have the database open.
    """
    data = bytearray(database.read_bytes())
    leaves = [begin for begin in range(0, len(data), PAGE) if data[begin] == LEAF]
    worst = max(leaves, key=lambda begin: sum(text in data[begin : begin + PAGE] for text in texts))
    data[worst : worst + PAGE] = b"\xff" * PAGE
    database.write_bytes(data)
