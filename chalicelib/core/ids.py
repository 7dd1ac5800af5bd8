"""Makers of identifiers."""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime

from chalicelib.core.values import milliseconds

_EPOCH_MS = milliseconds(datetime(2020, 1, 1, tzinfo=UTC))
_RANDOM_BITS = 21
_VERSION_BITS = 48
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


def nonce() -> str:
    """Make a short random name, so that no two objects share one."""
    return secrets.token_hex(8)


def photo_id(sha256: str) -> str:
    """Make a photo's id, 32 hexadecimal digits, from the 64 of its bytes' SHA-256: the same photo has the same id."""
    return sha256[:32]


def first_version() -> int:
    """Choose the first version of a record whose key may be used again after a deletion.

    It is random, so that a writer that read the deleted record fails its condition on the new one.
    """
    return secrets.randbits(_VERSION_BITS)
