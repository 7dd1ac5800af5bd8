"""Texts as the service keeps them, and cells as spreadsheets take them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from typing import IO, Any

_MOST_TO_ONE = 4
"""Most characters that NFC makes one, such as alpha with two accents and an iota below it."""
_NO_TEXT = r"""(?='*["\s]*([=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\d{16}))"""
_BEGIN = r"(^|[;\t\r\n])"
"""The place before what a spreadsheet takes for a formula, or for a number of more digits than it
keeps. The last four signs are as wide as Chinese characters. It may divide cells by semicolons, and
then takes quotes for a part of them."""


def normalise_name(name: str, longest: int) -> str:
    """Return the name in Unicode NFC; one that would be longer than `longest` anyway, as it is.

    Normalising takes time with the square of a run of combining marks (CPython gh-149079).
    """
    return name if len(name) > _MOST_TO_ONE * longest else unicodedata.normalize("NFC", name)


def is_one_line(text: str) -> bool:
    """Tell whether a text has neither line breaks nor other control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)


def format_count(number: int, one: str, many: str) -> str:
    """Say how many there are of something, as `1 hour` or `2 hours`."""
    return f"{number:,} {one if number == 1 else many}"


def write_rows(rows: Iterable[Iterable[Any]], file: IO[str]) -> None:
    """Write a table as CSV for spreadsheets, into a file of UTF-8.

    An apostrophe before `=1+2`, or an id of 16 digits, keeps it a text.
    """

    def mark_text(value: Any) -> Any:
        return re.sub(_BEGIN + _NO_TEXT, r"\1'", value) if isinstance(value, str) else value

    file.write("\ufeff")  # the byte order mark, by which Excel knows UTF-8
    marked_rows = ([mark_text(value) for value in row] for row in rows)
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(marked_rows)


def unmark_text(text: str) -> str:
    """Return a cell as it was before `write_rows` put apostrophes in."""
    return re.sub(f"{_BEGIN}'{_NO_TEXT}", r"\1", text)
