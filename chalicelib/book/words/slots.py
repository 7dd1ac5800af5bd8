"""Places of which each is held by one call at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from chalicelib.book.words.errors import Busy


@contextmanager
def hold_place(places: BoundedSemaphore, busy_message: str, waited_s: float = 0.0) -> Iterator[None]:
    """Hold one of the places. Raises Busy with `busy_message` if none is free within `waited_s`."""
    if not places.acquire(timeout=waited_s):
        raise Busy(busy_message)
    try:
        yield
    finally:
        places.release()
