"""Captures to be worked on again: those that were parked, and those whose event was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from chalicelib.core import keys, telemetry
from chalicelib.core.captures import Capture, CaptureState
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import every
from chalicelib.core.model import Tenant
from chalicelib.core.ports import BlobStore, Clock, Item, ItemStore, Queue, Update, equals
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.records.values import milliseconds, moment
from chalicelib.core.telemetry import CAPTURES_PARKED
from chalicelib.services.captures.cameras import Cameras
from chalicelib.services.commit.transaction import write

LOST_AFTER = timedelta(minutes=15)
"""A capture is sent again if its picture is there, it is not resolved, and it was offered this long ago."""

MAX_SENT = 5
"""Times that a capture is sent again. After them it is parked, since the queue is not at fault."""


class Redrive:
    def __init__(self, items: ItemStore, uploads: BlobStore, cameras: Cameras, queue: Queue, clock: Clock) -> None:
        self._items = items
        self._uploads = uploads
        self._cameras = cameras
        self._queue = queue
        self._clock = clock

    def parked(self, tenant: Tenant, camera_id: str | None = None) -> list[Capture]:
        """Return the parked captures of a camera, or of all cameras ever, by camera, oldest first."""
        cameras = [camera_id] if camera_id is not None else self._cameras.ids_ever(tenant)
        return [
            capture_from(item)
            for camera in cameras
            for item in self._of_camera(tenant, camera, 0)
            if item["state"] == CaptureState.PARKED
        ]

    def redrive(self, tenant: Tenant, captures: list[Capture]) -> int:
        """Send parked captures again; return how many. Raises Busy, StorageUnavailable; some may be sent by then."""
        sent = 0
        for capture in captures:
            if self._unpark(tenant, capture):
                self._queue.send(stored_event(tenant.name, capture))
                sent += 1
        return sent

    def lost(self, tenant: Tenant, captured_in: timedelta | None = None) -> int:
        """Send captures again whose picture is here and that are not resolved after LOST_AFTER; return how many.

        `captured_in`: only captures of that time before now, which are few to read; None: all.
        """
        now = self._clock.now()
        first_ms = 0 if captured_in is None else milliseconds(now - captured_in)
        overdue = (item for item in self._waiting(tenant, first_ms) if now - moment(item["offered_at"]) >= LOST_AFTER)
        return sum(self._send_lost(tenant, item) for item in overdue)

    def cut_off(self, tenant: Tenant) -> int:
        """Send every capture whose picture is here and that is not resolved; return how many.

        A box calls it when it starts, since nothing works on any of them then.
        """
        sent = 0
        for item in self._waiting(tenant, 0):
            capture = capture_from(item)
            if self._is_here(tenant, capture):
                self._queue.send(stored_event(tenant.name, capture))
                sent += 1
        return sent

    def _waiting(self, tenant: Tenant, first_ms: int) -> Iterator[Item]:
        for camera_id in self._cameras.ids_ever(tenant):
            for item in self._of_camera(tenant, camera_id, first_ms):
                if item["state"] in (CaptureState.WANTED, CaptureState.STORED):
                    yield item

    def _is_here(self, tenant: Tenant, capture: Capture) -> bool:
        return self._uploads.size(keys.capture_picture(tenant.name, capture.camera_id, capture.id)) is not None

    def _send_lost(self, tenant: Tenant, item: Item) -> int:
        capture = capture_from(item)
        if not self._is_here(tenant, capture):
            return 0
        times = int(item.get("sent_again", 0))
        same = equals("sent_again", times or None, "sent-again-same")
        fields: dict[str, Any] = {"sent_again": times + 1}
        if times >= MAX_SENT:
            fields |= {"state": CaptureState.PARKED, "reason": f"it was worked on {times} times without coming through"}
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        try:
            write(self._items, [Update(keys.CAPTURES, key, (same,), set=fields)])
        except ConditionFailed:
            return 0  # another sweep is at it
        if times >= MAX_SENT:
            telemetry.count(CAPTURES_PARKED)
            return 0
        self._queue.send(stored_event(tenant.name, capture))
        return 1

    def _unpark(self, tenant: Tenant, capture: Capture) -> bool:
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        parked = equals("state", CaptureState.PARKED, "still-parked")
        fields = {"state": CaptureState.STORED}
        try:
            action = Update(keys.CAPTURES, key, (parked,), set=fields, remove=("reason", "sent_again"))
            write(self._items, [action])
        except ConditionFailed:
            return False
        return True

    def _of_camera(self, tenant: Tenant, camera_id: str, first_ms: int) -> Iterator[Item]:
        low, high = keys.capture_range(first_ms, keys.LAST_MS)
        return every(self._items, keys.CAPTURES, keys.captures(tenant.name, camera_id), low=low, high=high)


def stored_event(tenant: str, capture: Capture) -> str:
    """Return the event that S3 sends when a capture's picture is stored, as far as it is read."""
    key = keys.capture_picture(tenant, capture.camera_id, capture.id)
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote(key)}}}]})
