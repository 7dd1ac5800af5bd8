"""Cells of tables that somebody opens in a spreadsheet, or reads in a terminal."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters with which a spreadsheet takes a cell for a formula; the last four are as wide as Chinese ones."""


def plain_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: such a one gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def one_line(text: str) -> str:
    """Return a text that no terminal obeys: control characters in it are spaces."""
    return "".join(one if one.isprintable() else " " for one in text)
