"""What is not closed yet: entries that wait as items, and sightings that their captures tell of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.audit import HOUR_MS, Leaf, leaf_of
from chalicelib.core.items import camera_ids, every
from chalicelib.core.ports import Item, ItemStore
from chalicelib.core.records.captures import capture_from
from chalicelib.core.values import milliseconds
from chalicelib.services.audit.sightings import CLOSED_WITH, has_item, sighting_entry

_REACH_MS = int(CLOSED_WITH.total_seconds() * 1000)


@dataclass(frozen=True)
class Open:
    """An entry that is not closed. `item`: its key, if it waits as an item."""

    id: str
    at_ms: int
    leaf: Leaf
    item: tuple[str, str] | None = None

    @property
    def hour(self) -> int:
        return self.at_ms // HOUR_MS * HOUR_MS


class Pending:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def items(self, tenant: str) -> Iterator[Open]:
        """Yield the entries that wait as items, the oldest first."""
        low, high = keys.AUDIT_OPEN
        for item in every(self._items, keys.AUDIT, tenant, low=low, high=high):
            yield _open(item)

    def sightings(self, tenant: str, since_ms: int, until_ms: int) -> Iterator[Open]:
        """Yield the entries of sightings that were resolved in a time and have no items, camera by camera."""
        low, high = keys.capture_range(max(since_ms - _REACH_MS, 0), until_ms + _REACH_MS)
        for camera in camera_ids(self._items, tenant):
            for item in every(self._items, keys.CAPTURES, keys.captures(tenant, camera), low=low, high=high):
                capture = capture_from(item)
                for one in capture.sightings:
                    if one.resolved_at is None or has_item(capture.id, one):
                        continue
                    at_ms = milliseconds(one.resolved_at)
                    if since_ms <= at_ms < until_ms:
                        entry = sighting_entry(capture, one)
                        yield Open(entry["id"], at_ms, leaf_of(entry))


def _open(item: Item) -> Open:
    key = (item["tenant"], item["id"])
    if "leaf" in item:
        return Open(item["id"], int(item["at"]), Leaf(item["leaf"]), key)
    return Open(item["id"], int(item["at"]), leaf_of(json.loads(item["entry"]), item["salt"]), key)
