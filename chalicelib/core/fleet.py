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
BEATS = timedelta(minutes=5)
"""So long after an outage boxes may take to be heard again: they beat every two minutes."""
NAMES = ("version", "kib_per_s", "mib_per_month", "upload_hours")
"""Settings of a whole box."""


@dataclass(frozen=True)
class Heard:
    """A box, as it was heard last."""

    at: datetime | None
    version: object = None

    def is_heard(self, now: datetime) -> bool:
        return self.at is not None and now - self.at < HEARD


@dataclass(frozen=True)
class Wave:
    """`reached`: the boxes that have the settings, in the order in which they got them, the last of them at `at`.

    It is empty once all have them: a thousand ids do not fit a stored item.
    """

    at: datetime
    settings: Mapping[str, Any] = field(default_factory=dict)
    reached: tuple[str, ...] = ()
    is_done: bool = False
    """Whether all have them, those that come later, too."""
    stopped: str | None = None
    """Why no more boxes follow."""
    missed_at: datetime | None = None
    """When one of these boxes was silent first, or the whole service; None: all are heard."""

    def has(self, box: object) -> bool:
        """Return whether a box has the settings. Its id is as its heartbeat says; without one it is none."""
        return isinstance(box, str) and bool(box) and (self.is_done or box in self.reached)


def edge_of(wave: Wave, box: object, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a camera that is to have those `wanted`: what a wave sets stays as the wave says.

    A box that the wave has not reached keeps those of the wave before, in `before`, but for what is wanted otherwise.
    """
    if wave.has(box):
        return {name: value for name, value in wanted.items() if name not in NAMES} | dict(wave.settings)
    former = {name: value for name, value in before.items() if name in NAMES and box}
    return {**former, **wanted}


def advanced(wave: Wave, boxes: Mapping[str, Heard], now: datetime) -> Wave:
    """Return the wave as it is to be now. It stops by itself if a box that has the settings is not well.

    After an outage of the service no box was heard. So one is silent only if it is missed for a while in which
    another one is heard, or for longer.
    """
    if wave.is_done or wave.stopped:
        return wave
    there = {box: boxes.get(box, Heard(None)) for box in wave.reached}
    if silent := [box for box, told in there.items() if not told.is_heard(now)]:
        since = wave.missed_at or now
        is_up = any(told.at is not None and told.at > since for told in boxes.values())
        if now - since < (BEATS if is_up else SETTLES):
            return replace(wave, missed_at=since)
        return replace(wave, stopped=f"silent: {', '.join(silent[:5])}")
    wave = replace(wave, missed_at=None)
    if wave.reached and now - wave.at < SETTLES:
        return wave
    wanted = wave.settings.get("version")
    if others := [box for box, told in there.items() if wanted not in (None, told.version)]:
        return replace(wave, stopped=f"{wanted} does not run: {', '.join(others[:5])}")
    most = next((most for most in (1, -(-len(boxes) // 10)) if most > len(wave.reached)), len(boxes))
    if most == len(boxes):
        return replace(wave, reached=(), is_done=True, at=now)
    heard = [box for box, told in boxes.items() if told.is_heard(now) and box not in there]
    more = tuple(heard[: most - len(there)])
    return replace(wave, reached=wave.reached + more, at=now) if more else wave
