"""Forms of times and numbers. Stored are whole milliseconds since 1970, UTC; Decimals with a number of digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

_T = TypeVar("_T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(at: datetime) -> int:
    """Return the whole milliseconds since 1970. From 2038 on `int(timestamp() * 1000)` is often one less."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(ms))


def time_text(at: datetime) -> str:
    """Write a time as events and answers do, RFC 3339 in UTC: `2026-11-20T10:22:40.123Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of_text(text: str) -> datetime:
    """Invert `time_text`."""
    return datetime.fromisoformat(text)


def decimal(value: float | None, digits: int) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.{digits}f}")


def decimals(values: Iterable[float], digits: int = 1) -> list[Decimal | None]:
    return [decimal(value, digits) for value in values]


def optional(read: Callable[[Any], _T], value: Any) -> _T | None:
    """Read a value that may be None."""
    return None if value is None else read(value)


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the fields that are None, so that they take no room."""
    return {name: value for name, value in fields.items() if value is not None}
