"""Waves of settings to items and back."""

from __future__ import annotations

import json

from chalicelib.core import keys
from chalicelib.core.fleet import Wave
from chalicelib.core.ports import Item
from chalicelib.core.values import known, milliseconds, moment


def wave_item(tenant: str, wave: Wave) -> Item:
    fields = {
        "at": milliseconds(wave.at),
        "settings": json.dumps(dict(wave.settings), ensure_ascii=False),
        "reached": list(wave.reached),
        "is_done": wave.is_done,
        "stopped": wave.stopped,
    }
    return {"tenant": tenant, "id": keys.FLEET, **known(fields)}


def wave_from(item: Item) -> Wave:
    at, settings, reached = moment(item["at"]), json.loads(item["settings"]), tuple(item["reached"])
    return Wave(at, settings, reached, is_done=item["is_done"], stopped=item.get("stopped"))
