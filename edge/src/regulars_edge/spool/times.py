"""Settles the time of capture of pictures that were stamped with a moment of this machine, and
counts their age."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from regulars_edge.clock import NTP_UNSURE_MS, Anchor, Clock

_SMALL_STEP_BACK_MS = 5_000
"""A refined anchor may put a picture some milliseconds before the one before it: then it is set
just behind that. A larger step back means that the service's clock itself was wrong, and no order
is worth a false time."""

_UNSURE_MS = 1e9
"""Error of a time that nobody has measured: any measured one is better."""
_AGE_OF = "age of boot "


def now_ms(db: sqlite3.Connection, clock: Clock) -> int:
    """Return the time that ages are counted by: it goes on while the machine runs, however its
    clock is set.

    It began with the wall clock's word when the spool was made, and stands still between the last
    `note_age` in a boot and the first in the next one: nobody knows for sure how long a machine was
    off.
    """
    noted = dict(
        db.execute(
            "SELECT name, value FROM counters WHERE name IN ('age', ?)", (_AGE_OF + clock.boot_id,)
        )
    )
    if _AGE_OF + clock.boot_id in noted:
        return int(noted[_AGE_OF + clock.boot_id]) + clock.boot_ms()
    return int(noted.get("age", clock.wall_ms()))


def note_age(db: sqlite3.Connection, clock: Clock) -> int:
    """Make the time that ages are counted by survive this boot; return it less the boot clock's."""
    now = now_ms(db, clock)
    db.execute("DELETE FROM counters WHERE name GLOB ?", (_AGE_OF + "*",))
    rows = (("age", now), (_AGE_OF + clock.boot_id, now - clock.boot_ms()))
    db.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", rows)
    return now - clock.boot_ms()


def remember_anchor(db: sqlite3.Connection, boot: int, anchor: Anchor) -> None:
    """Keep the anchor of a boot, in place of one that it has."""
    db.execute(
        "UPDATE boots SET anchor_ms = ?, uncertainty_ms = ?, anchored_at_boot_ms = ? WHERE boot = "
        "?",
        (anchor.offset_ms, anchor.uncertainty_ms, anchor.at_boot_ms, boot),
    )


def find_anchor(db: sqlite3.Connection, boot: int) -> Anchor | None:
    row = db.execute(
        "SELECT anchor_ms, uncertainty_ms, anchored_at_boot_ms FROM boots WHERE boot = ?", (boot,)
    ).fetchone()
    return Anchor(*row) if row and row[0] is not None else None


def has_service_said(db: sqlite3.Connection, boot: int) -> bool:
    """Tell whether the service has said the time of a boot, not NTP alone."""
    anchor = find_anchor(db, boot)
    return anchor is not None and not anchor.is_of_ntp


def settle_time(db: sqlite3.Connection, row_id: int, this_boot: int) -> None:
    """Settle a picture's time of capture by the anchor of its boot, behind what its source took
    before it.

    Pictures may come in another order than they were taken in: the best of a face comes when the
    face is gone.
    """
    camera, source, boot, boot_ms, at_ms = db.execute(
        "SELECT camera, source, boot, boot_ms, wall_ms FROM pictures WHERE id = ?", (row_id,)
    ).fetchone()
    if boot is not None:
        at_ms = boot_ms + find_offset_ms(db, boot, this_boot)
        (last,) = db.execute(
            "SELECT captured_at_ms FROM pictures WHERE camera = ? AND source = ? AND "
            "captured_at_ms BETWEEN ? AND ? "
            "AND boot = ? AND boot_ms <= ? ORDER BY captured_at_ms DESC LIMIT 1",
            (camera, source, at_ms, at_ms + _SMALL_STEP_BACK_MS, boot, boot_ms),
        ).fetchone() or (None,)
        if last is not None:
            at_ms = last + 1
    db.execute("UPDATE pictures SET captured_at_ms = ? WHERE id = ?", (at_ms, row_id))


def find_offset_ms(db: sqlite3.Connection, boot: int, this_boot: int) -> int:
    """Return the service's time less a boot's clock: measured, else by the machine's own clock.

    This boot's has to be measured before.
    """
    known = find_anchor(db, boot)
    if known is not None:
        return known.offset_ms
    if boot == this_boot:
        raise RuntimeError("times were to be settled before the service's time was known")
    offset = _estimate_offset_ms(db, boot, this_boot)
    remember_anchor(db, boot, Anchor(offset, _UNSURE_MS, 0))
    return offset


def _estimate_offset_ms(db: sqlite3.Connection, boot: int, this_boot: int) -> int:
    """Return an anchor by the machine's own clock, for a boot that never reached the service.

    The last it said counts for the whole boot, since a clock that is corrected is right afterwards.
    But that boot ended before the next one that is known began, so its pictures are not later than
    that, nor earlier than what is known of the boot before.
    """
    offset, last_boot_ms = (
        db.execute(
            "SELECT wall_ms - boot_ms, boot_ms FROM pictures WHERE boot = ? ORDER BY id DESC "
            "LIMIT 1",
            (boot,),
        ).fetchone()
        or db.execute(
            "SELECT wall_ms - began_ms, began_ms FROM counts WHERE boot = ? ORDER BY id DESC "
            "LIMIT 1",
            (boot,),
        ).fetchone()
    )
    following = db.execute(
        "SELECT min(anchor_ms) FROM boots WHERE boot > ? AND boot <= ? AND anchor_ms IS NOT NULL",
        (boot, this_boot),
    ).fetchone()[0]
    bounds = find_bounds(db, boot, this_boot)
    least = offset if bounds is None else max(offset, bounds.least_ms)
    return int(least if following is None else min(least, following - last_boot_ms))


class Bounds(NamedTuple):
    """Bounds of the service's time less a boot's clock."""

    least_ms: int
    most_ms: int


def find_bounds(db: sqlite3.Connection, boot: int, this_boot: int) -> Bounds | None:
    """Return between what a boot's offset lies, by measured times alone; None: that is not known.

    A boot that nobody told the time began after the last that is known of the ones before it, and
    ended before the next one began that was told. What NTP alone said of it counts within these.
    """
    known = find_anchor(db, boot)
    is_measured = known is not None and known.uncertainty_ms < _UNSURE_MS
    if known is not None and is_measured and not known.is_of_ntp:
        return Bounds(known.offset_ms, known.offset_ms)
    last_ms = "(SELECT max({}) FROM {} AS its WHERE its.boot = boots.boot)"
    ends = [last_ms.format("boot_ms", "pictures"), last_ms.format("began_ms", "counts")]
    end = f"max(coalesce({ends[0]}, 0), coalesce({ends[1]}, 0), coalesce(anchored_at_boot_ms, 0))"
    measured = (
        f"anchor_ms IS NOT NULL AND uncertainty_ms < {_UNSURE_MS} "
        f"AND uncertainty_ms != {NTP_UNSURE_MS}"
    )
    ((least_ms,),) = db.execute(
        f"SELECT max(anchor_ms + {end}) FROM boots WHERE boot < ? AND {measured}", (boot,)
    )
    ((following_ms,),) = db.execute(
        f"SELECT min(anchor_ms) FROM boots WHERE boot > ? AND boot <= ? AND {measured}",
        (boot, this_boot),
    )
    ((ended_ms,),) = db.execute(f"SELECT {end} FROM boots WHERE boot = ?", (boot,))
    if known is not None and is_measured:
        is_after = least_ms is None or least_ms <= known.offset_ms
        is_before = following_ms is None or known.offset_ms <= following_ms - ended_ms
        if is_after and is_before:
            return Bounds(known.offset_ms, known.offset_ms)
    if least_ms is None or following_ms is None or least_ms > following_ms - ended_ms:
        return None
    return Bounds(least_ms, following_ms - ended_ms)
