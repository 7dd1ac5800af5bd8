"""Telling that a group is full: when a capture takes its last place or finds none, and once an hour at most."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.events import Event, EventKind
from chalicelib.core.model import Group
from chalicelib.core.ports import Action, ItemStore, Put
from chalicelib.core.records import faces as records

TOLD_AGAIN_AFTER = timedelta(hours=1)


class Fullness:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def told(self, tenant: str, group: Group, camera: str, now: datetime) -> tuple[Sequence[Event], Sequence[Action]]:
        """The event, and what remembers it in the same transaction; nothing if it was told within the hour."""
        item = self._items.get(keys.DIRECTORY, (tenant, keys.full_item(group.id)))
        if item is not None and now - records.moment(item["at"]) < TOLD_AGAIN_AFTER:
            return [], []
        at_ms = records.milliseconds(now)
        event = Event(
            id=f"{EventKind.GROUP_FULL}-{group.id}-{at_ms}",
            kind=EventKind.GROUP_FULL,
            at=now,
            group=group.name,
            camera=camera,
            data={"capacity": group.capacity},
        )
        remembered = {"tenant": tenant, "item": keys.full_item(group.id), "at": at_ms}
        return [event], [Put(keys.DIRECTORY, remembered)]
