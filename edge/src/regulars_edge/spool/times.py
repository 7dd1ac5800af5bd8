"""Settles the time of capture of pictures that were stamped with a moment of this machine."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from regulars_edge.clock import Anchor

_SMALL_STEP_BACK_MS = 5_000
"""A refined anchor may put a picture some milliseconds before the one before it: then it is set just behind that. A
larger step back means that the service's clock itself was wrong, and no order is worth a false time."""

_UNSURE_MS = 1e9


@dataclass(frozen=True)
class Unsettled:
    id: int
    camera: str
    source: str
    boot: int | None
    boot_ms: int
    wall_ms: int


def remember(db: sqlite3.Connection, boot: int, anchor: Anchor) -> None:
    db.execute(
        "UPDATE boots SET anchor_ms = ?, uncertainty_ms = ?, anchored_at_boot_ms = ? WHERE boot = ?",
        (anchor.offset_ms, anchor.uncertainty_ms, anchor.at_boot_ms, boot),
    )


def remembered(db: sqlite3.Connection, boot: int) -> Anchor | None:
    row = db.execute(
        "SELECT anchor_ms, uncertainty_ms, anchored_at_boot_ms FROM boots WHERE boot = ?", (boot,)
    ).fetchone()
    return Anchor(*row) if row and row[0] is not None else None


def settled_ms(db: sqlite3.Connection, one: Unsettled, this_boot: int) -> int:
    """Settle the time of capture by the anchor of the picture's boot, in order behind its source's earlier pictures."""
    if one.boot is None:
        return one.wall_ms
    at_ms = one.boot_ms + _offset_ms(db, one.boot, this_boot)
    (last,) = db.execute(
        "SELECT max(captured_at_ms) FROM pictures WHERE camera = ? AND source = ?", (one.camera, one.source)
    ).fetchone()
    if last is not None and last - _SMALL_STEP_BACK_MS <= at_ms <= last:
        return int(last) + 1
    return at_ms


def _offset_ms(db: sqlite3.Connection, boot: int, this_boot: int) -> int:
    known = remembered(db, boot)
    if known is not None:
        return known.offset_ms
    if boot == this_boot:
        raise RuntimeError("times were to be settled before the service's time was known")
    offset = _estimated_ms(db, boot, this_boot)
    remember(db, boot, Anchor(offset, _UNSURE_MS, 0))
    return offset


def _estimated_ms(db: sqlite3.Connection, boot: int, this_boot: int) -> int:
    """Return an anchor by the machine's own clock, for a boot that never reached the service.

    The last it said counts for the whole boot, since a clock that is corrected is right afterwards. But that boot ended
    before the next one that is known began, so its pictures are not later than that.
    """
    offset, last_boot_ms = db.execute(
        "SELECT wall_ms - boot_ms, boot_ms FROM pictures WHERE boot = ? ORDER BY id DESC LIMIT 1", (boot,)
    ).fetchone()
    following = db.execute(
        "SELECT min(anchor_ms) FROM boots WHERE boot > ? AND boot <= ? AND anchor_ms IS NOT NULL", (boot, this_boot)
    ).fetchone()[0]
    return int(offset if following is None else min(offset, following - last_boot_ms))
