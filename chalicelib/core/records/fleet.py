"""Waves of settings to items and back."""

from __future__ import annotations

from chalicelib.core import keys
from chalicelib.core.fleet import Wave
from chalicelib.core.ports import Item
from chalicelib.core.records.captures import STATUS
from chalicelib.core.values import Codec

_WAVE = Codec(Wave, settings=STATUS)
wave_from = _WAVE.read


def wave_item(tenant: str, wave: Wave) -> Item:
    return {"tenant": tenant, "id": keys.FLEET, **_WAVE.write(wave)}
