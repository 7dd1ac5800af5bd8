"""Times as clients of v1 send them: RFC 3339, or a number."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from chalicelib.storage.values import moment

MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are milliseconds since 1970, smaller ones seconds: as seconds this is the
year 5138."""

_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:\d\d$)", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
TIME_SAID = (
    "a time such as 2026-11-20T10:22:40.123Z (RFC 3339, any offset), or a number: UNIX seconds, or "
    "from "
    f"{MILLISECONDS_FROM} on milliseconds"
)


def parse_time(value: Any) -> datetime:
    """Read a time that was sent, in UTC, to the millisecond. Raises ValueError."""
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _parse_number(repr(value))
    raise ValueError("neither a text nor a number")


def parse_time_parameter(text: str) -> datetime:
    """Read a time from a parameter of a query, in which a number is a text, too. Raises ValueError.

    The plus of an offset comes as a space if nobody wrote it as %2B.
    """
    return (
        _parse_number(text) if _NUMBER.fullmatch(text) else _parse_text(_LOST_PLUS.sub("+", text))
    )


def _parse_number(digits: str) -> datetime:
    """Read a number and cut it by its digits, as a text is, so that one time always identifies the
    same capture."""
    try:
        sent_number = Decimal(digits)
        return moment(
            math.floor(sent_number if abs(sent_number) >= MILLISECONDS_FROM else sent_number * 1000)
        )
    except (OverflowError, InvalidOperation) as error:
        raise ValueError("no time of the calendar") from error


def _parse_text(value: str) -> datetime:
    """Parse RFC 3339. Raises ValueError."""
    parts = _RFC_3339.fullmatch(value)
    if parts is None:
        raise ValueError("not RFC 3339")
    day, clock, fraction, offset = parts.groups()
    try:
        second = datetime.fromisoformat(
            f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}"
        ).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("no year of the calendar in UTC") from error
    return second + timedelta(milliseconds=int((fraction or "0")[:3].ljust(3, "0")))
