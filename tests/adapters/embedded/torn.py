"""Pages of a database that a disk did not write whole."""

from __future__ import annotations

from pathlib import Path

PAGE = 4096


def tear(database: Path, text: bytes) -> None:
    """Overwrite the first page that holds a text. Nobody may have the database open."""
    data = bytearray(database.read_bytes())
    begin = data.index(text) // PAGE * PAGE
    data[begin : begin + PAGE] = b"\xff" * PAGE
    database.write_bytes(data)
