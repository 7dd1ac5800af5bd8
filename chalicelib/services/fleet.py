"""Settings of whole boxes, which a wave brings from one box to all (core/fleet.py)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from chalicelib.core import keys
from chalicelib.core.errors import CameraNotFound, Changed
from chalicelib.core.fleet import HEARD, NAMES, Told, Wave, advanced
from chalicelib.core.items import write_unless_changed
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Put, equals
from chalicelib.core.records.fleet import wave_from, wave_item
from chalicelib.core.values import milliseconds
from chalicelib.services.idempotency import RequestId
from chalicelib.services.rooms import UseCase


class Fleet(UseCase):
    def wave(self, tenant: Tenant) -> Wave:
        """Return how far the settings are that were set last; before that, nothing is set, and all have it."""
        item = self.book.items.get(keys.CAMERAS, (tenant.name, keys.FLEET))
        return Wave(tenant.created_at, is_done=True) if item is None else wave_from(item)

    def begin(self, tenant: Tenant, settings: Mapping[str, Any], request: RequestId | None = None) -> Wave:
        """Begin a wave, in place of the one before. Raises Busy, AnsweredAlready."""
        wave = Wave(self.book.clock.now(), settings)
        self.book.requests.write(tenant.name, [Put(keys.CAMERAS, wave_item(tenant.name, wave))], request)
        return wave

    def advance(self, tenant: Tenant) -> None:
        """Let the wave go on, and give each box that it has reached the settings, by its cameras. Raises Busy.

        What somebody sets meanwhile, of the boxes or of a camera, is kept: the next call goes on from there.
        """
        item = self.book.items.get(keys.CAMERAS, (tenant.name, keys.FLEET))
        if item is None:
            return
        before = wave_from(item)
        now, cameras = self.book.clock.now(), self.book.cameras.all(tenant)
        boxes = self.book.cameras.boxes(cameras)
        told = {
            box.id: Told(box.last_seen_at is not None and now - box.last_seen_at < HEARD, box.status.get("version"))
            for box in boxes
        }
        wave = advanced(before, told, now)
        unmoved = (equals("at", milliseconds(before.at), "the-same-wave"),)
        put = Put(keys.CAMERAS, wave_item(tenant.name, wave), unmoved)
        if wave != before and not write_unless_changed(self.book.items, [put]):
            return
        by_id = {camera.id: camera for camera in cameras}
        for id_ in [id_ for box in boxes if box.id in wave.reached or wave.is_done for id_ in box.cameras]:
            camera = by_id[id_]
            edge = {name: value for name, value in camera.edge.items() if name not in NAMES} | dict(wave.settings)
            if edge != camera.edge:
                with suppress(Changed, CameraNotFound):
                    self.book.cameras.change(tenant, id_, {"edge": edge}, revision=camera.version)
