"""The spool's contents in figures: for `status`, the metrics and the heartbeat; and how many bytes
of pictures may be sent in a calendar month, since mobile lines are paid by volume."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from regulars_edge.errors import SpoolFull
from regulars_edge.picture import TimeBy
from regulars_edge.spool.database import SpoolDatabase
from regulars_edge.spool.model import State

log = logging.getLogger(__name__)


_HOUR_MS = 3_600_000
_FILE_TIMES: tuple[TimeBy, ...] = ("exif", "name", "file")


@dataclass(frozen=True)
class Totals:
    """The figures of one camera, or of all."""

    unsent: int
    unsent_bytes: int
    sent: int
    """Seen at the service, ever; rows that were forgotten since included."""
    refused: int
    oldest_unsent_s: float | None
    """How long the oldest unsent picture has been waiting, while the machine ran."""
    sent_last_hour: int
    turned_away: int
    """Pictures that came while there was no room."""
    times_by: dict[TimeBy, int]
    """Of how many files, ever, the EXIF data, the name or the file's own time gave the time of
    capture."""


def count_by_camera(db: sqlite3.Connection, now_ms: int) -> dict[str, Totals]:
    """Return those of all that pictures came of, ever: rows of what is done leave, and their
    numbers stay."""
    cameras = db.execute(
        "SELECT camera FROM pictures UNION "
        "SELECT substr(name, length('sent:') + 1) FROM counters WHERE name GLOB 'sent:*' ORDER BY 1"
    ).fetchall()
    return {camera: _count_camera(db, camera, now_ms) for (camera,) in cameras}


def _count_camera(db: sqlite3.Connection, camera: str, now_ms: int) -> Totals:
    """Count the rows of one camera, and read the counters of those that are gone."""
    unsent, unsent_bytes, oldest_ms = db.execute(
        "SELECT count(*), coalesce(sum(size), 0), min(spooled_at_ms) FROM pictures WHERE camera = "
        "? AND state = 0",
        (camera,),
    ).fetchone()
    refused, sent_last_hour = db.execute(
        "SELECT count(*) FILTER (WHERE state = ?), count(*) FILTER (WHERE state = ? AND "
        "finished_at_ms > ?) "
        "FROM pictures WHERE camera = ? AND state > 0",
        (State.REFUSED, State.DONE, now_ms - _HOUR_MS, camera),
    ).fetchone()
    return Totals(
        unsent=unsent,
        unsent_bytes=unsent_bytes,
        sent=read_count(db, f"sent:{camera}"),
        refused=refused,
        oldest_unsent_s=None if oldest_ms is None else (now_ms - oldest_ms) / 1000,
        sent_last_hour=sent_last_hour,
        turned_away=read_count(db, f"turned_away:{camera}"),
        times_by={by: read_count(db, f"time by {by}:{camera}") for by in _FILE_TIMES},
    )


def add_count(db: sqlite3.Connection, name: str, by: int = 1) -> None:
    db.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + "
        "excluded.value",
        (name, by),
    )


def read_count(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def list_refused(db: sqlite3.Connection, limit: int) -> list[tuple[int, str, str | None, str]]:
    """List id, camera, the file's place (the user's, or the copy's name), and the reason; newest
    first."""
    return db.execute(
        "SELECT id, camera, coalesce(path, file), reason FROM pictures WHERE state > 0 AND state = "
        "? "
        "ORDER BY finished_at_ms DESC LIMIT ?",
        (State.REFUSED, limit),
    ).fetchall()


class Allowance:
    """One for all cameras.

    `now_ms`: the time, of which the month is taken in `zone` (None: the machine's).
    """

    def __init__(
        self,
        books: SpoolDatabase,
        bytes_a_month: float,
        now_ms: Callable[[], int],
        zone: tzinfo | None = None,
    ) -> None:
        self._books = books
        self.limit = bytes_a_month
        self._now_ms = now_ms
        self._zone = zone

    def read_spent_bytes(self) -> int:
        """Return the bytes of this month. Raises SpoolDamaged."""
        with self._books.reading() as db:
            return read_count(db, self._name_counter())

    def is_spent(self) -> bool:
        return self.read_spent_bytes() >= self.limit

    def spend(self, size: int) -> None:
        """Count bytes that went out, also those of a try that failed. Raises SpoolDamaged."""
        name = self._name_counter()
        # sending is what empties a full disk
        with suppress(SpoolFull), self._books.writing(durable=False) as db:
            add_count(db, name, size)
            if 0 <= read_count(db, name) - self.limit < size:
                log.warning(
                    "the %d MiB of this month are sent; pictures wait for the next one",
                    self.limit // 2**20,
                )

    def _name_counter(self) -> str:
        now = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        return f"bytes:{now.astimezone(self._zone):%Y-%m}"
