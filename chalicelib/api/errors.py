"""Errors as dialects tell them: which entry of a table is whose, and how long a sentence may get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from chalicelib.core.errors import RegularsError

Entry = TypeVar("Entry")

LONGEST_SENTENCE = 400


def nearest(table: Mapping[type[RegularsError], Entry], error: type[RegularsError]) -> Entry:
    """The entry of the error's class, or of its nearest base that has one; the table holds RegularsError itself."""
    return next(table[base] for base in error.__mro__ if base in table)


def sentence(error: RegularsError) -> str:
    """What the error says, cut where a caller's own text made it long: it is sent back, and may be stored."""
    text = str(error)
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]}..."
