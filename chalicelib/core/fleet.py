"""Settings of all boxes of a tenant, which come to them in a wave: one box, a tenth of them, all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

SETTLES = timedelta(minutes=30)
"""After so long the next boxes follow: a box that cannot run a version runs the former again within 15 minutes."""
HEARD = timedelta(minutes=15)
"""A box that was not heard for so long is silent; heartbeats are written every seven minutes."""
NAMES = ("version", "kib_per_s", "mib_per_month", "upload_hours")
"""Settings of a whole box."""


@dataclass(frozen=True)
class Told:
    """A box by its last heartbeat."""

    is_heard: bool
    version: object = None


@dataclass(frozen=True)
class Wave:
    """`reached`: the boxes that have the settings, in the order in which they got them, the last of them at `at`."""

    at: datetime
    settings: Mapping[str, Any] = field(default_factory=dict)
    reached: tuple[str, ...] = ()
    is_done: bool = False
    """Whether all have them, those that come later, too."""
    stopped: str | None = None
    """Why no more boxes follow."""


def advanced(wave: Wave, boxes: Mapping[str, Told], now: datetime) -> Wave:
    """Return the wave as it is to be now. It stops by itself if a box that has the settings is not well."""
    if wave.is_done or wave.stopped:
        return wave
    there = {box: boxes.get(box, Told(is_heard=False)) for box in wave.reached}
    if silent := [box for box, told in there.items() if not told.is_heard]:
        return replace(wave, stopped=f"silent: {', '.join(silent[:5])}")
    if wave.reached and now - wave.at < SETTLES:
        return wave
    wanted = wave.settings.get("version")
    if others := [box for box, told in there.items() if wanted not in (None, told.version)]:
        return replace(wave, stopped=f"{wanted} does not run: {', '.join(others[:5])}")
    most = next((most for most in (1, -(-len(boxes) // 10)) if most > len(wave.reached)), len(boxes))
    if most == len(boxes):
        return replace(wave, reached=tuple(boxes), is_done=True, at=now)
    heard = [box for box, told in boxes.items() if told.is_heard and box not in there]
    more = tuple(heard[: most - len(there)])
    return replace(wave, reached=wave.reached + more, at=now) if more else wave
