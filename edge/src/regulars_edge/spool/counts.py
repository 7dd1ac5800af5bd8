"""The minutes of cameras that count people, in the spool.

A part of a minute is a row, which never changes but for what it was told to. So two processes in
one minute add up, and a minute that has grown since it was told is told again, whole: the service
keeps the one that was watched for longer.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from regulars_edge.spool import shops, times
from regulars_edge.spool.hours import is_inside
from regulars_edge.spool.model import DueMinutes, Minute, MinutePart

if TYPE_CHECKING:
    from regulars_edge.pace import Hours
    from regulars_edge.spool.database import SpoolDatabase

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
KEPT_MS = 48 * HOUR_MS
"""How long minutes are kept while the machine runs; told ones, too: a book may be restored."""
OLDEST_MS = 30 * 24 * HOUR_MS - HOUR_MS
"""The service takes no older minutes; a machine may have been off for long."""
QUIET_MS = 600_000
"""So long minutes wait in which nobody crossed, to go together: each call costs."""
MOST_MINUTES = 1_440
"""Of one call: a day. The service takes twice as many."""
LEAST_WATCHED = 0.9
"""Of a minute: who crossed in the rest of it may be missing."""
MOST_CROSSINGS = 1_000
"""Of a minute, as the service takes them."""
_SMALL_STEP_MS = 2_000
"""By how much an offset changes at most as it becomes surer."""

_OF_ITS_SHOP = shops.OF_ITS_SHOP.replace("pictures", "counts")
_TOLD_LIFE = "(SELECT life FROM shops WHERE shops.shop = counts.shop LIMIT 1)"
_IS_UNTOLD = f"(counts.life IS NULL OR counts.life IS NOT {_TOLD_LIFE})"
"""SQL: the life of the book that answered last was not told."""


_WATCHED_MS = "CASE WHEN doubts > 0 AND lost = '' THEN 0 ELSE watched_ms END"
"""SQL: an uploader from before `lost` doubts whole minutes, and says no reason."""


def add_part(
    db: sqlite3.Connection, camera: str, part: MinutePart, books: SpoolDatabase, hours: Hours
) -> None:
    """Write a part of a minute of this boot, for the shop that the camera is opened for."""
    row = {
        "camera": camera,
        "shop": shops.find_shop_of_camera(db, camera),
        "boot": books.boot,
        "began_ms": part.began_ms,
        "wall_ms": books.clock.wall_ms() - books.clock.boot_ms() + part.began_ms,
        "watched_ms": part.watched_ms,
        "came_in": part.came_in,
        "went_out": part.went_out,
        "faces": part.faces,
        "doubts": sum(part.lost.values()),
        "lost": _write_lost(part.lost),
        "counted_at_ms": books.now_ms(),
        "hours": hours.write() or None,
    }
    db.execute(f"INSERT INTO counts ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)


def list_due(db: sqlite3.Connection, camera: str, service_ms: int) -> DueMinutes:
    """Return the oldest finished minutes to be reported, whole; none if they may wait."""
    over_ms = service_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
    untold = db.execute(
        "SELECT at_ms, max(came_in + went_out + faces) FROM counts "
        f"WHERE camera = ? AND at_ms BETWEEN ? AND ? AND {_IS_UNTOLD} AND {_OF_ITS_SHOP} "
        "GROUP BY at_ms ORDER BY at_ms LIMIT ?",
        (camera, service_ms - OLDEST_MS, over_ms, MOST_MINUTES),
    ).fetchall()
    if not any(crossed or at_ms <= over_ms - QUIET_MS for at_ms, crossed in untold):
        return DueMinutes((), "", 0)
    rows = db.execute(
        f"SELECT at_ms, sum({_WATCHED_MS}), sum(came_in), sum(went_out), sum(faces), "
        "group_concat(lost, ' '), max(shop), max(id) FROM counts "
        f"WHERE camera = ? AND at_ms BETWEEN ? AND ? AND {_OF_ITS_SHOP} "
        "AND at_ms IN (SELECT at_ms FROM counts AS untold WHERE camera = ?1 AND "
        f"{_IS_UNTOLD.replace('counts.', 'untold.')}) GROUP BY at_ms ORDER BY at_ms",
        (camera, untold[0][0], untold[-1][0]),
    ).fetchall()
    minutes = tuple(_make_minute(*row[:6]) for row in rows)
    return DueMinutes(minutes, rows[0][6], max(row[7] for row in rows))


def settle_times(db: sqlite3.Connection, camera: str, this_boot: int) -> int:
    """Settle to which minute of the service each row belongs, as far as the time is known; delete
    what cannot be shown to be of its camera's capture hours, and return how many minutes that
    were."""
    rows = db.execute(
        "SELECT id, boot, began_ms, hours FROM counts WHERE camera = ? AND at_ms IS NULL",
        (camera,),
    ).fetchall()
    is_timed = times.find_anchor(db, this_boot) is not None
    is_said = times.has_service_said(db, this_boot)
    bounds = {boot: times.find_bounds(db, boot, this_boot) for boot in {row[1] for row in rows}}
    find_offset_ms = cache(partial(times.find_offset_ms, db, this_boot=this_boot))
    settled, out, minutes_out = list[tuple[int, int]](), list[tuple[int]](), set[object]()
    for row_id, boot, began_ms, hours in rows:
        if (not is_said and hours is not None) or (not is_timed and boot == this_boot):
            continue
        if hours is not None and not _is_inside(bounds[boot], began_ms, hours):
            out.append((row_id,))
            minutes_out.add((boot, began_ms, hours))
            continue
        minutes = round((began_ms + find_offset_ms(boot)) / MINUTE_MS)
        settled.append((minutes * MINUTE_MS, row_id))
    db.executemany("DELETE FROM counts WHERE id = ?", out)
    db.executemany("UPDATE counts SET at_ms = ? WHERE id = ?", settled)
    return len(minutes_out)


def _is_inside(bounds: times.Bounds | None, began_ms: int, hours: str) -> bool:
    """Tell whether a minute lies in the hours, but for what an offset moves as it becomes surer."""
    ends_ms = began_ms + MINUTE_MS - _SMALL_STEP_MS
    return is_inside(hours, bounds, began_ms + _SMALL_STEP_MS, ends_ms)


def _make_minute(
    at_ms: int, watched_ms: int, came_in: int, went_out: int, faces: int, lost: str
) -> Minute:
    """Sum a minute up: of one that was not watched for nine tenths, nothing is known."""
    seconds = min(60, round(watched_ms / 1000))
    is_watched = watched_ms >= LEAST_WATCHED * MINUTE_MS
    if not is_watched or came_in > MOST_CROSSINGS or went_out > MOST_CROSSINGS:
        by_doubt = _read_lost(lost)
        doubt = max(by_doubt, key=lambda why: by_doubt[why], default="")
        # the line lay elsewhere for a part of a minute in which the camera was moved
        is_sure = bool(doubt) and "moved" not in by_doubt
        sure = (min(crossed, MOST_CROSSINGS) if is_sure else 0 for crossed in (came_in, went_out))
        return Minute(at_ms, seconds, None, None, None, doubt, *sure)
    return Minute(at_ms, seconds, came_in, went_out, min(faces, came_in))


def _write_lost(lost: Mapping[str, int]) -> str:
    """Write the time that was lost, in ms by reason: `dark=4000 slow=800`."""
    return " ".join(f"{why}={lost_ms}" for why, lost_ms in sorted(lost.items()))


def _read_lost(text: str) -> Counter[str]:
    """Sum up what `_write_lost` wrote, of several rows."""
    by_doubt = Counter[str]()
    for part in text.split():
        why, _, lost_ms = part.partition("=")
        by_doubt[why] += int(lost_ms)
    return by_doubt


def note_told(db: sqlite3.Connection, camera: str, due: DueMinutes, life: str) -> None:
    """Record that these minutes were reported to a life of the shop's book, as they were when they
    were listed."""
    db.executemany(
        "UPDATE counts SET life = ? WHERE camera = ? AND shop = ? AND at_ms = ? AND id <= ?",
        [(life, camera, due.shop, minute.at_ms, due.last_row) for minute in due.minutes],
    )


def drop_old(db: sqlite3.Connection, now_ms: int) -> None:
    """Delete what is older than is kept. `now_ms`: the time that ages are counted by."""
    db.execute("DELETE FROM counts WHERE counted_at_ms < ?", (now_ms - KEPT_MS,))


@dataclass(frozen=True)
class CountSums:
    """Sums of one camera in the last hour and day, in and out; doubted minutes, too."""

    in_hour: int
    out_hour: int
    in_day: int
    out_day: int
    untold_minutes: int


def sum_by_camera(db: sqlite3.Connection, now_ms: int) -> dict[str, CountSums]:
    """Sum up what each camera has counted for the shop that it is opened for, or is opened for
    next.

    `now_ms`: the time that ages are counted by.
    """
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'counts'").fetchone():
        return {}  # no uploader of this version has opened the spool
    rows = db.execute(
        "SELECT camera, coalesce(sum(came_in) FILTER (WHERE counted_at_ms > ?1), 0), "
        "coalesce(sum(went_out) FILTER (WHERE counted_at_ms > ?1), 0), sum(came_in), "
        "sum(went_out), count(DISTINCT began_ms) FILTER (WHERE life IS NULL) FROM counts "
        f"WHERE counted_at_ms > ?2 AND (shop = '' OR {_OF_ITS_SHOP}) "
        "GROUP BY camera ORDER BY camera",
        (now_ms - HOUR_MS, now_ms - 24 * HOUR_MS),
    )
    return {camera: CountSums(*sums) for camera, *sums in rows}
