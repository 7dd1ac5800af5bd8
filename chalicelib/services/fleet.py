"""Which settings have the boxes, and how far are they? A wave brings them from one box to all (core/fleet.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core import keys
from chalicelib.core.fleet import HEARD, NAMES, Told, Wave, advanced
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Put
from chalicelib.core.records.fleet import wave_from, wave_item
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
        """Let the wave go on, and give each box that it has reached the settings, by its cameras. Raises Busy."""
        if self.book.items.get(keys.CAMERAS, (tenant.name, keys.FLEET)) is None:
            return
        now, cameras = self.book.clock.now(), self.book.cameras.all(tenant)
        boxes = self.book.cameras.boxes(cameras)
        told = {
            box.id: Told(box.last_seen_at is not None and now - box.last_seen_at < HEARD, box.status.get("version"))
            for box in boxes
        }
        before = self.wave(tenant)
        wave = advanced(before, told, now)
        if wave != before:
            write(self.book.items, [Put(keys.CAMERAS, wave_item(tenant.name, wave))])
        edges = {camera.id: camera.edge for camera in cameras}
        for box in boxes:
            for id_ in box.cameras if box.id in wave.reached or wave.is_done else ():
                edge = {name: value for name, value in edges[id_].items() if name not in NAMES} | dict(wave.settings)
                if edge != edges[id_]:
                    self.book.cameras.change(tenant, id_, {"edge": edge})
