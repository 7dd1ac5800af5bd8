"""Checks that what was taken was taken in its camera's capture hours.

Nobody knows the hour before the service or NTP has said it. A machine without a battery goes on
with the time of its last shutdown. So pictures and counts are taken at any hour then, and kept with
the hours of their camera. Once the service has said their time, what is from outside goes: NTP can
be forged. Of a boot in which nobody said the time it is known when it began at the earliest and
ended at the latest: all of that has to lie in the hours.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import NamedTuple

from regulars_edge.clock import Anchor, Moment
from regulars_edge.pace import Hours
from regulars_edge.spool import times


class Checked(NamedTuple):
    """A picture's row; `is_out`: whether it cannot be shown to be of the hours."""

    id: int
    camera: str
    file: str | None
    size: int
    is_out: bool


def check_pictures(db: sqlite3.Connection, this_boot: int) -> list[Checked]:
    """Check all pictures that were not yet; none until the service has said this boot's time."""
    if not times.has_service_said(db, this_boot):
        return []
    rows = db.execute(
        "SELECT id, camera, file, size, boot, boot_ms, hours FROM pictures INDEXED BY unchecked "
        "WHERE hours IS NOT NULL"
    ).fetchall()
    boots = {boot for *_, boot, _, _ in rows}
    bounds = {boot: times.find_bounds(db, boot, this_boot) for boot in boots}
    return [
        Checked(row_id, camera, file, size, not is_inside(hours, bounds[boot], at_ms, at_ms))
        for row_id, camera, file, size, boot, at_ms, hours in rows
    ]


def is_surely_inside(hours: Hours, moment: Moment | None, anchor: Anchor | None) -> bool:
    """Tell whether a moment of this boot lies in the hours by what is known now; a stated time
    does."""
    if moment is None or not hours.ever_close:
        return True
    if anchor is None or anchor.is_of_ntp:
        return False
    return hours.is_open_at(moment.boot_ms + anchor.offset_ms)


def is_inside(text: str, bounds: times.Bounds | None, first_ms: int, last_ms: int) -> bool:
    """Tell whether a time of a boot's clock lies in these hours, as far as that can be known."""
    if bounds is None:
        return False
    return _read(text).is_open_through(first_ms + bounds.least_ms, last_ms + bounds.most_ms)


_read = cache(Hours.read)
