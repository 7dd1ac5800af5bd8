"""The number of the format in which a tenant's data are stored: which are known, when is it raised?

A version that could misread data of another format refuses them by that number (decision 0026).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.local_time import DAY_MS

FORMAT = 5
"""The format of this version. A change that makes an older version misread the data takes the next
number."""

KNOWN = (2, 3, 4, FORMAT)
"""Formats that this version reads, and writes for a tenant whose record names them. No release
had 3 or 4."""

PAGED = 3
"""From this format on, a face's visits have pages. Before, all stand in one item, which is a
head."""

UNITED = 4
"""From this format on, the sweep makes the faces of each subject one. Before, one of many photos
had several."""

FOLDED = 5
"""From this format on, people are found by names without accents. Before, only with every
accent."""

Due = tuple[int, int]
"""The format to which a tenant's data are to be raised, and when, in ms."""


def upgrade_format(number: int, due: Due | None, now_ms: int) -> tuple[int, Due | None]:
    """Return a tenant's format of stored data, and the note of what is due, after an hourly sweep.

    `number` is the format now, `due` the note now: a format, and when it is due. Take an update
    from 4 to 5. The first sweep notes (5, a day from now). An older version that still sweeps
    forgets the note, so that the day begins again. After it, a sweep raises the format to 5, and
    notes one more day. Until then, a process that read the tenant before may write as in format 4.
    A later step redoes that, and ends the note.
    """
    is_noted = due is not None and due[0] == FORMAT
    if number == FORMAT:  # it was raised; the note, if any, is that of the day after
        return number, due if is_noted else None
    in_a_day = (FORMAT, now_ms + DAY_MS)
    if not is_noted:
        return number, in_a_day
    if not is_over(due, now_ms):
        return number, due
    return FORMAT, in_a_day


def is_over(due: Due | None, now_ms: int) -> bool:
    """Return whether the time of a note has come; that of none has."""
    return due is None or now_ms >= due[1]


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
    if number is None:
        return (
            f"{data} has no format number, so a version before 0.1.0 wrote it, and this one reads "
            f"format {FORMAT}: go on with the version that wrote it, or begin anew in an empty "
            "folder, on AWS in a new stage"
        )
    if isinstance(number, (int, Decimal)) and number > FORMAT:
        return (
            f"{data} has format {number}, so a newer version wrote it, and this one reads formats "
            f"{KNOWN[0]} to {FORMAT}: install that newer version again, whose CHANGELOG names "
            f"format {number}. To stay with this version, take a backup that it made itself"
        )
    return (
        f"{data} has format {number}, and this version reads formats {KNOWN[0]} to {FORMAT}: "
        "install the version that wrote it, whose CHANGELOG names that format"
    )
