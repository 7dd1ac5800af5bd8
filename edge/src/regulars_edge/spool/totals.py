"""What the spool holds, in figures: for `status`, the metrics and the heartbeat."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from regulars_edge.spool.model import State

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Totals:
    """Of one camera, or of all."""

    unsent: int
    unsent_bytes: int
    sent: int
    """Seen at the service, ever; rows that were forgotten since included."""
    refused: int
    oldest_unsent_ms: int | None
    """When the oldest unsent picture was spooled, by the machine's clock."""
    sent_last_hour: int
    turned_away: int
    """Pictures that came while there was no room."""


def cameras(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT DISTINCT camera FROM pictures ORDER BY camera")]


def of_camera(db: sqlite3.Connection, camera: str, now_ms: int) -> Totals:
    unsent, size, oldest = db.execute(
        "SELECT count(*), coalesce(sum(size), 0), min(spooled_at_ms) FROM pictures WHERE camera = ? AND state < 2",
        (camera,),
    ).fetchone()
    (refused,) = db.execute(
        "SELECT count(*) FROM pictures WHERE camera = ? AND state >= 2 AND state = ?", (camera, State.REFUSED)
    ).fetchone()
    (recent,) = db.execute(
        "SELECT count(*) FROM pictures WHERE camera = ? AND state >= 2 AND state = ? AND finished_at_ms > ?",
        (camera, State.DONE, now_ms - _HOUR_MS),
    ).fetchone()
    return Totals(
        unsent, size, counted(db, f"sent:{camera}"), refused, oldest, recent, counted(db, f"turned_away:{camera}")
    )


def count(db: sqlite3.Connection, name: str, by: int = 1) -> None:
    db.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", (name, by)
    )


def counted(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def refused(db: sqlite3.Connection, limit: int) -> list[tuple[int, str, str | None, str]]:
    """id, camera, the file's place (the user's, or the copy's name), and the reason; newest first."""
    return db.execute(
        "SELECT id, camera, coalesce(path, file), reason FROM pictures WHERE state >= 2 AND state = ? "
        "ORDER BY finished_at_ms DESC LIMIT ?",
        (State.REFUSED, limit),
    ).fetchall()
