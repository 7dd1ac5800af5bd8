"""Identifiers that we make."""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime

_EPOCH_MS = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000)
_RANDOM_BITS = 21
_VERSION_BITS = 48
_lock = threading.Lock()
_last_ms = 0


def time_ordered_id(at: datetime) -> str:
    """A positive 63-bit number as text: milliseconds, then random bits.

    Rising within a process from call to call, unique with the condition under which it is stored (two processes in one
    millisecond collide once in two million). 63 - 21 bits of milliseconds last until the year 2159.
    """
    global _last_ms
    with _lock:
        _last_ms = max(_last_ms + 1, int(at.timestamp() * 1000) - _EPOCH_MS)
        return str(_last_ms << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def nonce() -> str:
    """A short random name for an object that nothing else may be called."""
    return secrets.token_hex(8)


def photo_id(sha256: str) -> str:
    """32 hexadecimal digits: the same photo has the same id, whatever it is sent for. `sha256`: of its bytes, 64."""
    return sha256[:32]


def first_version() -> int:
    """Where the versions of a record begin whose key may be used again after it was deleted.

    At random, so that who read the deleted one finds the new one changed, though it was never changed.
    """
    return secrets.randbits(_VERSION_BITS)
