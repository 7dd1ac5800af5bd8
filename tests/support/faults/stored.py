"""All that a data folder holds, as texts of which each stands for one record or file, and how two
folders differ."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from chalicelib.open_storage import DATABASE
from chalicelib.storage.box.generation import find_file

DRAWN = re.compile(
    r'(?<="B":")[^"]+|[A-Za-z0-9+/]{43,}|(?<![A-Za-z0-9_])(?=[A-Za-z_]*\d)(?!\d{13}(?!\w))[A-Za-z0-'
    r"9_]{12,}"
)
"""Pattern of texts that may be random: ids, salts, keys, signatures. Names have no digit,
milliseconds have 13."""


class Beginning:
    """Content of a folder before something was done."""

    def __init__(self, texts: frozenset[str]) -> None:
        self._texts = texts
        self._known = frozenset(DRAWN.findall("\n".join(texts)))

    def changes(self, after: frozenset[str]) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return what went and what came.

        What came has numbers for what was drawn since, in order of appearance.

        So two folders that differ in nothing else have the same changes.
        """
        numbers: dict[str, str] = {}

        def hidden(found: re.Match[str]) -> str:
            return found[0] if found[0] in self._known else "?"

        def numbered(found: re.Match[str]) -> str:
            return (
                found[0]
                if found[0] in self._known
                else numbers.setdefault(found[0], f"#{len(numbers)}")
            )

        came = sorted((DRAWN.sub(hidden, text), text) for text in after - self._texts)
        return self._texts - after, tuple(DRAWN.sub(numbered, text) for _, text in came)


def stored(folder: Path) -> frozenset[str]:
    """Read all, but for the clocks of files."""
    rows = (" ".join(row) for row in list_rows(folder / DATABASE))
    return frozenset([*rows, *_files(folder)])


def list_rows(database: Path) -> Iterator[list[str]]:
    """Yield the rows of a database, each with its table first."""
    with closing(sqlite3.connect(find_file(database))) as connection:
        made = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (table,) in made.fetchall():
            for row in connection.execute(f"SELECT * FROM {table}"):
                yield [
                    table,
                    *(one.decode() if isinstance(one, bytes) else str(one) for one in row),
                ]


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith(DATABASE):
            yield text_of(":".join(path.relative_to(folder).parts), path.read_bytes())


def text_of(place: str, data: bytes) -> str:
    """Return a text for a file or an object."""
    try:
        return f"{place} {data.decode()}"
    except UnicodeDecodeError:
        return f"{place} {' '.join(map(str, hashlib.sha256(data).digest()))}"
