"""Events, who is told of them, and what is on its way to them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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


GIVEN_UP_AFTER = timedelta(hours=24)
"""So long after it was written, a delivery is tried for the last time."""

FAILING_FROM = 5
"""Consecutive failures from which on a hook is tried with one delivery at a time."""

_FIRST_DELAY_S = 10
_LONGEST_DELAY_S = 3_600
_LONGEST_PAUSE_S = 900


@dataclass(frozen=True)
class Hook:
    """A URL that is told of events: all that its filters take; None takes any."""

    id: str
    """Digits; never changes."""
    url: str
    created_at: datetime
    sealed_secret: bytes = field(repr=False)
    """What signs its deliveries, as the Vault sealed it."""
    kinds: tuple[EventKind, ...] | None = None
    groups: tuple[str, ...] | None = None
    """Names, as the groups are called when something happens."""
    cameras: tuple[str, ...] | None = None
    """Ids."""
    enabled: bool = True
    failures: int = 0
    """How many of its deliveries failed since the last that did not."""
    paused_until: datetime | None = None
    """Until then nothing is sent to a hook that is failing."""
    version: int = 1
    """Grows with what the tenant changes."""

    @property
    def is_failing(self) -> bool:
        return self.failures >= FAILING_FROM

    def takes(self, event: Event) -> bool:
        """Whether every filter takes the event; one of groups takes none that has no group, one of cameras likewise."""
        return (
            self.enabled
            and (self.kinds is None or event.kind in self.kinds)
            and (self.groups is None or event.group in self.groups)
            and (self.cameras is None or event.camera in self.cameras)
        )


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one hook; `parked`: it is given up, and waits to be sent again by hand."""

    tenant: str
    hook_id: str
    event_id: str
    kind: EventKind
    payload: str
    """The body, the same at each attempt."""
    created_at: datetime
    next_at: datetime
    """When it is tried; of a parked one, when it was parked."""
    attempts: int = 0
    last_error: str = ""
    parked: bool = False

    @property
    def ends_at(self) -> datetime:
        return self.created_at + GIVEN_UP_AFTER


def payload(tenant: str, event: Event) -> str:
    """What a hook is sent, as JSON."""
    body = {
        "id": event.id,
        "type": event.kind,
        "at": time_text(event.at),
        "tenant": tenant,
        "group": event.group,
        "camera": event.camera,
        "data": dict(event.data),
    }
    return json.dumps(body, ensure_ascii=False, allow_nan=False)


def signature(secret: str, at: datetime, body: bytes) -> str:
    """`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 by the secret's bytes over the time, a dot and the body."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def longest_delay_s(attempts: int) -> int:
    """The most that is waited after so many attempts (1 or more) failed: 10 s, doubling up to an hour."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S << min(attempts - 1, 20))


def pause_s(failures: int) -> int:
    """How long a hook with so many consecutive failures is left alone: 10 s, doubling up to 15 minutes."""
    return min(_LONGEST_PAUSE_S, _FIRST_DELAY_S << min(max(failures - FAILING_FROM, 0), 20))
