"""Errors in the dialects' answers: the lookup in a dialect's table, the limit of a sentence's length, the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from chalicelib.core import telemetry
from chalicelib.core.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.core.telemetry import report_failure

Entry = TypeVar("Entry")

LONGEST_SENTENCE = 400


def nearest(table: Mapping[type[RegularsError], Entry], error: type[RegularsError]) -> Entry:
    """Return the entry of the error's class, or of its nearest base that has one. RegularsError must have one."""
    return next(table[base] for base in error.__mro__ if base in table)


def sentence(error: RegularsError) -> str:
    """Return the error's sentence, cut if a caller's own text made it long: it is sent back, and may be stored."""
    text = str(error)
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]}..."


def report_answer(error: Exception, code: int | str, what: str) -> None:
    """Report that `what`, a request, was answered with an error's code. A failure of ours is logged and counted."""
    telemetry.answered(code, type(error).__name__)
    if not isinstance(error, RegularsError) or isinstance(error, StorageUnavailable | Busy):
        report_failure(error, f"{what} was answered {code}")
