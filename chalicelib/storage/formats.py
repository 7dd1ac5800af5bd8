"""The format number of a tenant's stored data: the known formats, and when the number is raised.

A version that could misread data of another format refuses them by that number (decision 0026).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.local_time import DAY_MS

FORMAT = 1
"""The format of this version. A change that makes an older version misread the data takes the next
number."""

KNOWN = (FORMAT,)
"""Formats that this version reads, and writes for a tenant whose record names them."""

Due = tuple[int, int]
"""The format to which a tenant's data are to be raised, and when, in ms."""


def upgrade_format(number: int, due: Due | None, now_ms: int) -> tuple[int, Due | None]:
    """Return a tenant's format of stored data, and the note of what is due, after an hourly sweep.

    `number` is the format now, `due` the note now: a format, and when it is due. Take an update
    from 6 to 7. The first sweep notes (7, a day from now). An older version that still sweeps
    forgets the note, so that the day begins again. After it, a sweep raises the format to 7. A
    process that read the tenant before, such as a long import, may still write as in format 6: the
    jobs of format 7 are repeated until a day after it was raised.
    """
    if number == FORMAT:
        return number, None
    if due is None or due[0] != FORMAT:
        return number, (FORMAT, now_ms + DAY_MS)
    if now_ms < due[1]:
        return number, due
    return FORMAT, None


def require_format(tenant: Mapping[str, Any]) -> None:
    """Raise StorageUnavailable if a tenant's data are of another format, by the number in the
    tenant's record."""
    if complaint := wrong_format(f"the data of tenant {tenant['id']}", tenant.get("format")):
        raise StorageUnavailable(complaint)


def wrong_format(data: str, number: object) -> str | None:
    """Return why this version cannot read data of a format, and what to do; None if it can.

    `data` is what the message calls them, such as `the data of tenant 'shop'`. `number` is their
    format's as stored, None if they have none.
    """
    if number in KNOWN:
        return None
    if isinstance(number, (int, Decimal)) and number > FORMAT:
        return (
            f"{data} has format {number}, so a newer version wrote it, and this one reads format "
            f"{FORMAT}: install that newer version again, whose CHANGELOG names format {number}. "
            "To stay with this version, take a backup that it made itself"
        )
    if number is None:
        return f"{data} has no format number, so no release wrote it"
    return f"{data} has format {number}, and this version reads format {FORMAT}"
