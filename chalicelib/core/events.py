"""What somebody may want to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    FACE_ARRIVED = "face.arrived"
    STRANGER_CREATED = "stranger.created"
    STRANGER_PROMOTED = "stranger.promoted"
    GROUP_FULL = "group.full"
    CAMERA_SILENT = "camera.silent"


@dataclass(frozen=True)
class Event:
    """Something that happened. The same happening has the same `id`, however often it is worked on.

    `group`, `camera`: what hooks filter by; None where the event has none. `data`: JSON values, told as they are.
    """

    id: str
    kind: EventKind
    at: datetime
    group: str | None = None
    """Name of the group."""
    camera: str | None = None
    """Id of the camera."""
    data: Mapping[str, Any] = field(default_factory=dict)


def time_text(at: datetime) -> str:
    """As events write times, RFC 3339 in UTC: `2026-11-20T10:22:40.123Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
