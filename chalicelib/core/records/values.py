"""Stored forms of times and numbers: whole milliseconds since 1970, UTC; Decimals with a number of digits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(at: datetime) -> int:
    return int((at - _EPOCH) / timedelta(milliseconds=1))


def moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(ms))


def decimal(value: float | None, digits: int) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.{digits}f}")


def number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
