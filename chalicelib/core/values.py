"""Forms of times, numbers and texts, and makers of identifiers.

Stored are whole milliseconds since 1970, UTC; Decimals with a number of digits.
"""

from __future__ import annotations

import csv
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import IO, Any, TypeVar

_T = TypeVar("_T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_NO_TEXT = re.compile(r"""(^|[;\t\r\n])(?=["\s]*([=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\d{16}))""")
"""The place before what a spreadsheet takes for a formula, or for a number of more digits than it keeps. The last four
signs are as wide as Chinese characters. It may divide cells by semicolons, and then takes quotes for a part of them."""

_RANDOM_BITS = 21

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

_VERSION_BITS = 48


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


def write_rows(rows: Iterable[Iterable[Any]], file: IO[str]) -> None:
    """Write a table for spreadsheets: before a formula, and an id of 16 digits or more, stands an apostrophe."""
    plain = ([_NO_TEXT.sub(r"\1'", one) if isinstance(one, str) else one for one in row] for row in rows)
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(plain)


def one_line(text: str) -> str:
    """Return a text that no terminal obeys: control characters in it are spaces."""
    return "".join(one if one.isprintable() else " " for one in text)


_EPOCH_MS = milliseconds(datetime(2020, 1, 1, tzinfo=UTC))
_lock = threading.Lock()
_last_ms = 0


def time_ordered_id(at: datetime) -> str:
    """Make a positive 63-bit number as text: milliseconds, then random bits.

    Ids rise from call to call within a process. The condition under which an id is stored makes it unique: two
    processes in one millisecond collide once in two million. 63 - 21 bits of milliseconds last until the year 2159.
    """
    global _last_ms
    with _lock:
        _last_ms = max(_last_ms + 1, milliseconds(at) - _EPOCH_MS)
        return str(_last_ms << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def made_at(id_: str) -> datetime:
    """Return when an id was made by `time_ordered_id`."""
    return moment((int(id_) >> _RANDOM_BITS) + _EPOCH_MS)


def nonce() -> str:
    """Make a short random name, so that no two objects share one."""
    return secrets.token_hex(8)


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID as it is usually written, in any case."""
    return _UUID.fullmatch(text) is not None


def photo_id(sha256: str) -> str:
    """Make a photo's id, 32 hexadecimal digits, from the 64 of its bytes' SHA-256: the same photo has the same id."""
    return sha256[:32]


def first_version() -> int:
    """Choose the first version of a record whose key may be used again after a deletion.

    It is random, so that a writer that read the deleted record fails its condition on the new one.
    """
    return secrets.randbits(_VERSION_BITS)


def counted(number: int, one: str, many: str) -> str:
    """Say how many there are of something, as `1 hour` or `2 hours`."""
    return f"{number:,} {one if number == 1 else many}"
