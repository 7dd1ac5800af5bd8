"""How many bytes of pictures may be sent in a calendar month: mobile lines are paid by volume."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from regulars_edge.errors import SpoolFull
from regulars_edge.spool import totals
from regulars_edge.spool.books import Books

log = logging.getLogger(__name__)

BLOCK_BYTES = 2**20
"""The books count ahead by so much: a commit for each piece would wear out the card, and a kill forgets no byte."""


class Allowance:
    """One for all cameras. `now_ms`: the time, of which the month is taken in `zone` (None: the machine's)."""

    def __init__(
        self, books: Books, bytes_a_month: float, now_ms: Callable[[], int], zone: tzinfo | None = None
    ) -> None:
        self._books = books
        self._limit = bytes_a_month
        self._now_ms = now_ms
        self._zone = zone
        self._lock = threading.Lock()
        self._month = ""
        self._counted = 0
        self._ahead = 0

    def spent(self) -> int:
        """Return the bytes of this month. Raises SpoolDamaged."""
        with self._lock:
            self._turn_over()
            return self._counted - self._ahead

    def is_spent(self) -> bool:
        return self.spent() >= self._limit

    def spend(self, size: int) -> None:
        """Count bytes that go out now, also those of a try that fails. Raises SpoolDamaged."""
        with self._lock:
            self._turn_over()
            before = self._counted - self._ahead
            if size > self._ahead:
                more = max(BLOCK_BYTES, size)
                with suppress(SpoolFull), self._books.writing() as db:  # sending is what empties a full disk
                    totals.count(db, self._name(), more)
                self._counted += more
                self._ahead += more
            self._ahead -= size
            if before < self._limit <= before + size:
                log.warning("the %d MiB of this month are sent; pictures wait for the next one", self._limit // 2**20)

    def _turn_over(self) -> None:
        month = f"{datetime.fromtimestamp(self._now_ms() / 1000, UTC).astimezone(self._zone):%Y-%m}"
        if month != self._month:
            self._month = month
            with self._books.reading() as db:
                self._counted, self._ahead = totals.counted(db, self._name()), 0

    def _name(self) -> str:
        return f"bytes:{self._month}"
