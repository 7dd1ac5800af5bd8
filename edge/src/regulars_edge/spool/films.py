"""The films without people (count/film.py) in the spool: one of each camera that counts.

A film is told to no other shop than the one in whose time it was kept.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from regulars_edge.spool import shops
from regulars_edge.spool.model import Film

if TYPE_CHECKING:
    from collections.abc import Collection

    from regulars_edge.spool.database import SpoolDatabase

KEPT_MS = 30 * 24 * 3_600_000
"""Time that a film lies here at most."""
WEEK_MS = 7 * 24 * 3_600_000
SENT_MS = WEEK_MS - 3_600_000
"""So old is a film at most that is sent: the service takes none that is older than a week."""

_OF_ITS_SHOP = shops.OF_ITS_SHOP.replace("pictures", "films")


def keep(db: sqlite3.Connection, camera: str, film: Film, books: SpoolDatabase) -> None:
    """Keep a film in place of the camera's former one, unless that is of the same week and drew
    the smaller number."""
    row = {
        "camera": camera,
        "shop": shops.find_shop_of_camera(db, camera),
        "line": film.view,
        "at_ms": film.at_ms,
        "lot": film.lot,
        "film": film.body,
        "kept_at_ms": books.now_ms(),
    }
    changes = ", ".join(f"{name} = excluded.{name}" for name in row)
    db.execute(
        f"INSERT INTO films ({', '.join(row)}) VALUES (:{', :'.join(row)}) "
        f"ON CONFLICT (camera) DO UPDATE SET {changes} WHERE excluded.lot < films.lot "
        "OR excluded.shop <> films.shop OR excluded.line <> films.line "
        f"OR excluded.at_ms / {WEEK_MS} <> films.at_ms / {WEEK_MS}",
        row,
    )


def find(
    db: sqlite3.Connection, camera: str, views: Collection[str], shop: str, service_ms: int
) -> Film | None:
    """Return the camera's film of one of these views that this shop may see, at this time of the
    service; None: there is none."""
    row = db.execute(
        "SELECT at_ms, line, lot, film FROM films WHERE camera = ? AND shop = ? AND at_ms > ? "
        f"AND {_OF_ITS_SHOP} AND line IN ({','.join('?' * len(views))})",
        (camera, shop, service_ms - SENT_MS, *views),
    ).fetchone()
    return Film(*row) if row else None


def drop_one(db: sqlite3.Connection, camera: str, at_ms: int) -> None:
    """Delete the camera's film of this minute, and no newer one."""
    db.execute("DELETE FROM films WHERE camera = ? AND at_ms = ?", (camera, at_ms))


def drop_others(db: sqlite3.Connection, kept: Collection[tuple[str, str]]) -> None:
    """Delete all films but those of these cameras and their views."""
    for film in db.execute("SELECT camera, line FROM films").fetchall():
        if film not in kept:
            db.execute("DELETE FROM films WHERE camera = ? AND line = ?", film)


def drop_old(db: sqlite3.Connection, now_ms: int) -> None:
    """Delete what is older than is kept. `now_ms`: the time that ages are counted by."""
    db.execute("DELETE FROM films WHERE kept_at_ms < ?", (now_ms - KEPT_MS,))
