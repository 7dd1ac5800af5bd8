"""Slots, each of which one call has at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from chalicelib.domain.errors import Busy


@contextmanager
def hold_slot(slots: BoundedSemaphore, busy_message: str, waited_s: float = 0.0) -> Iterator[None]:
    """Take one of the slots, and give it back at the end.

    Raises Busy with `busy_message` if none is free in `waited_s`.
    """
    if not slots.acquire(timeout=waited_s):
        raise Busy(busy_message)
    try:
        yield
    finally:
        slots.release()
