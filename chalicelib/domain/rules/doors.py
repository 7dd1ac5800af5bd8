"""The assignment of doors (cameras) to places, minute by minute.

A door counts for the place that it belonged to at that minute, whatever is configured today. A
change applies from the next minute on. A minute without a place counts for none. But a new place
includes what its doors counted before they first were doors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain

from msgspec.structs import replace

from chalicelib.domain.counts import MAX_AHEAD, MINUTE_MS, Arrangement, DoorChange, Place
from chalicelib.domain.local_time import DAY_MS, LAST_SECOND, Span
from chalicelib.storage.values import milliseconds

MAX_CHANGES_OF_DOOR = 50
MAX_CHANGES = 4_000
"""Changes that are kept of a door, and of all together: some 250 KB, of the 400 of an item."""
NEEDED_MS = 34 * DAY_MS
"""So long a change of a door is kept: the 30 days that are shown, and the longest opening before
them."""
ALWAYS = Span(0, LAST_SECOND * 1000)
_NONE = ""


def map_doors(arrangement: Arrangement, within: Span) -> dict[str, dict[str, list[Span]]]:
    """Map each place, by id, to the cameras that were its doors in a time, and when these were.

    The doors of today that never were another's come first. Deleted places are there, too.
    """
    changes_by_camera = _group_by_camera(arrangement.door_changes)
    doors: dict[str, dict[str, list[Span]]] = {
        place.id: {camera: [ALWAYS] for camera in place.doors if camera not in changes_by_camera}
        for place in arrangement.places
    }
    for camera, changes in changes_by_camera.items():
        ends_ms = [*(change.at_ms for change in changes[1:]), ALWAYS.last_ms]
        for change, end_ms in zip(changes, ends_ms, strict=True):
            span = Span(change.at_ms, end_ms - 1)
            if span.touches(within):
                doors.setdefault(change.place, {}).setdefault(camera, []).append(span)
    return doors


def arrange(before: Arrangement, places: Sequence[Place], now: datetime) -> Arrangement:
    """Return these places in place of the former ones, with the changes of their doors."""
    now_ms, at_ms = milliseconds(now), _find_next_minute(now)
    known_ids = {place.id for place in before.places}
    former, present = _map_doors(before.places), _map_doors(places)
    changes_by_camera = _group_by_camera(
        _list_needed(before.door_changes, now_ms - NEEDED_MS, former)
    )
    for camera in dict.fromkeys((*former, *present)):
        place_before, place = former.get(camera, _NONE), present.get(camera, _NONE)
        changes = changes_by_camera.get(camera, [])
        is_new = not changes and place_before == _NONE and place not in known_ids
        if place_before == place or is_new:
            continue
        if not changes and place_before != _NONE:
            changes = [DoorChange(camera, 0, place_before)]
        changes_by_camera[camera] = _put_change(changes, DoorChange(camera, at_ms, place))
    all_changes = chain(*changes_by_camera.values())
    kept_changes = _list_needed(all_changes, now_ms - NEEDED_MS, present)
    return Arrangement(tuple(places), tuple(kept_changes))


def _map_doors(places: Sequence[Place]) -> dict[str, str]:
    """Return the place of each camera that is a door, by ids."""
    return {camera: place.id for place in places for camera in place.doors}


def _put_change(changes: Sequence[DoorChange], made: DoorChange) -> list[DoorChange]:
    """Return a camera's changes with a new one, which is the last word on all minutes from its own
    on.

    So are two changes in one minute, or one after the clock was put back: the earlier word goes.
    """
    kept = [one for one in changes if one.at_ms < made.at_ms]
    place_before = kept[-1].place if kept else _NONE
    return kept if place_before == made.place else [*kept, made]


def _list_needed(
    changes: Iterable[DoorChange], first_ms: int, doors: Mapping[str, str]
) -> list[DoorChange]:
    """List the changes without which a minute from `first_ms` on would be of another place.

    Of those that are too many the oldest go. The oldest that stays then holds since ever. `doors`:
    the present place of each camera.
    """
    changes_by_camera = _group_by_camera(changes)
    share = MAX_CHANGES // max(len(changes_by_camera), 1)
    most = max(min(MAX_CHANGES_OF_DOOR, share), 1)
    all_needed: list[DoorChange] = []
    for camera, of_camera in changes_by_camera.items():
        old = [change for change in of_camera if change.at_ms <= first_ms]
        needed = of_camera[max(len(old) - 1, 0) :]
        if len(needed) > most:
            needed = [needed[-most]._replace(at_ms=0), *needed[len(needed) - most + 1 :]]
        is_always = needed[0].at_ms <= first_ms and needed[0].place == doors.get(camera, _NONE)
        all_needed += [] if is_always and len(needed) == 1 else needed
    return all_needed


def _group_by_camera(changes: Iterable[DoorChange]) -> dict[str, list[DoorChange]]:
    changes_by_camera: dict[str, list[DoorChange]] = {}
    for change in changes:
        changes_by_camera.setdefault(change.camera, []).append(change)
    return changes_by_camera


def _find_next_minute(now: datetime) -> int:
    return (milliseconds(now) // MINUTE_MS + 1) * MINUTE_MS


def set_ahead_right(arrangement: Arrangement, now: datetime) -> Arrangement:
    """Return an arrangement that has no change that is further ahead than a clock may be.

    The clock was wrong then, and nobody knows when it was. Such a change holds from now on.
    """
    last_ms = milliseconds(now + MAX_AHEAD)
    if all(change.at_ms <= last_ms for change in arrangement.door_changes):
        return arrangement
    right: dict[str, list[DoorChange]] = {}
    for change in arrangement.door_changes:
        at_ms = change.at_ms if change.at_ms <= last_ms else _find_next_minute(now)
        changes = right.get(change.camera, [])
        right[change.camera] = _put_change(changes, change._replace(at_ms=at_ms))
    return replace(arrangement, door_changes=tuple(chain(*right.values())))
