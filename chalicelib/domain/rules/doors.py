"""Of which place was a camera a door, minute by minute?

A door counts for the place that it belonged to at that minute, whatever is set up today. A change
holds from the next minute on. A minute that no place had is of none. But a new place begins with
what its doors counted before they first were doors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.counts import MINUTE_MS, Arrangement, DoorChange, Place
from chalicelib.domain.local_time import DAY_MS, LAST_SECOND, Span
from chalicelib.storage.values import milliseconds

MAX_DOOR_CHANGES = 1_000
"""Changes of doors that are kept, the newest, of all places together: some 50 KB."""
NEEDED_MS = 34 * DAY_MS
"""So long a change of a door is kept: the 30 days that are shown, and the longest opening before
them."""
ALWAYS = Span(0, LAST_SECOND * 1000)
_NONE = ""


def list_spans(arrangement: Arrangement, place: Place, camera: str) -> list[Span]:
    """List the times in which a camera was a door of a place, and is."""
    changes = [change for change in arrangement.door_changes if change.camera == camera]
    if not changes:
        return [ALWAYS] if camera in place.doors else []
    ends_ms = [*(change.at_ms for change in changes[1:]), ALWAYS.last_ms]
    return [
        Span(change.at_ms, end_ms - 1)
        for change, end_ms in zip(changes, ends_ms, strict=True)
        if change.place == place.id
    ]


def list_cameras(arrangement: Arrangement, place: Place, within: Span) -> list[str]:
    """List the cameras that were doors of a place in a time."""
    former = (one.camera for one in arrangement.door_changes if one.place == place.id)
    return [
        camera
        for camera in dict.fromkeys((*place.doors, *former))
        if any(span.touches(within) for span in list_spans(arrangement, place, camera))
    ]


def arrange(before: Arrangement, places: Sequence[Place], now: datetime) -> Arrangement:
    """Return these places in the stead of those before, with what that changes of their doors."""
    now_ms = milliseconds(now)
    at_ms = (now_ms // MINUTE_MS + 1) * MINUTE_MS
    known_ids = {place.id for place in before.places}
    former, present = _map_doors(before.places), _map_doors(places)
    changes = list(before.door_changes)
    for camera in dict.fromkeys((*former, *present)):
        place_before, place = former.get(camera, _NONE), present.get(camera, _NONE)
        is_first = not any(change.camera == camera for change in changes)
        if place_before == place or (is_first and place_before == _NONE and place not in known_ids):
            continue
        if is_first and place_before != _NONE:
            changes.append(DoorChange(camera, 0, place_before))
        changes = _put_change(changes, DoorChange(camera, at_ms, place))
    kept_changes = _list_needed(changes, now_ms - NEEDED_MS, present)
    return Arrangement(tuple(places), tuple(kept_changes))


def _map_doors(places: Sequence[Place]) -> dict[str, str]:
    """Return the place of each camera that is a door, by ids."""
    return {camera: place.id for place in places for camera in place.doors}


def _put_change(changes: Sequence[DoorChange], made: DoorChange) -> list[DoorChange]:
    """Return the changes with a new one, which is the last word on all minutes from its own on.

    So are two changes in one minute, or one after the clock was put back: the earlier word goes.
    """
    kept = [one for one in changes if one.camera != made.camera or one.at_ms < made.at_ms]
    places = [change.place for change in kept if change.camera == made.camera]
    place_before = places[-1] if places else _NONE
    return kept if place_before == made.place else [*kept, made]


def _list_needed(
    changes: Sequence[DoorChange], first_ms: int, doors: Mapping[str, str]
) -> Iterator[DoorChange]:
    """Yield the changes without which a minute from `first_ms` on would be of another place.

    `doors`: the present place of each camera.
    """
    newest = sorted(changes, key=lambda change: change.at_ms)[-MAX_DOOR_CHANGES:]
    for camera in dict.fromkeys(change.camera for change in newest):
        of_camera = [change for change in newest if change.camera == camera]
        old = [change for change in of_camera if change.at_ms <= first_ms]
        needed = of_camera[max(len(old) - 1, 0) :]
        is_always = len(needed) == len(old[-1:]) and needed[0].place == doors.get(camera, _NONE)
        yield from () if is_always else needed


def set_ahead_right(arrangement: Arrangement, now: datetime) -> Arrangement:
    """Return an arrangement that has no change of a time that is more than a day ahead.

    The clock was wrong then, and nobody knows when it was. Such a change holds since the one
    before it.
    """
    last_ms = milliseconds(now) + DAY_MS
    if all(change.at_ms <= last_ms for change in arrangement.door_changes):
        return arrangement
    changes: list[DoorChange] = []
    for change in arrangement.door_changes:
        if change.at_ms > last_ms:
            of_camera = [one for one in changes if one.camera == change.camera]
            changes = [one for one in changes if one not in of_camera[-1:]]
            since_ms = of_camera[-1].at_ms if of_camera else 0
            changes.append(change._replace(at_ms=since_ms))
        else:
            changes.append(change)
    return replace(arrangement, door_changes=tuple(changes))
