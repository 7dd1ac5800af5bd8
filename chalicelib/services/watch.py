"""Chores of every few minutes: report silent cameras, send overdue events, resolve captures whose event was lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.captures import Camera
from chalicelib.core.errors import ConditionFailed, RegularsError
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Clock, ItemStore, Update, equals
from chalicelib.core.records.values import milliseconds
from chalicelib.core.webhooks import Event, EventKind, time_text
from chalicelib.services.captures.cameras import Cameras
from chalicelib.services.commit.transaction import write
from chalicelib.services.tenants.accounts import Tenants
from chalicelib.services.webhooks.outbox import Outbox

_log = logging.getLogger(__name__)


class Watch:
    """The chores of every few minutes, for all tenants.

    `requeue_lost` queues a tenant's captures whose event was lost; `cut_off` queues all that are not resolved.
    """

    def __init__(
        self,
        items: ItemStore,
        tenants: Tenants,
        cameras: Cameras,
        outbox: Outbox,
        requeue_lost: Callable[[Tenant], object],
        cut_off: Callable[[Tenant], object],
        clock: Clock,
    ) -> None:
        self._items = items
        self._tenants = tenants
        self._cameras = cameras
        self._outbox = outbox
        self._requeue_lost = requeue_lost
        self._cut_off = cut_off
        self._clock = clock

    def run(self) -> None:
        """Do all chores of all tenants. A chore that fails does not hold up the others.

        Silent cameras of a disabled tenant are not reported.
        """
        for tenant in self._tenants.all():
            self._do("cameras", tenant, self._report_silent)
            self._do("captures", tenant, self._requeue_lost)
            self._do("outbox", tenant, lambda known: self._outbox.announce_overdue(known.name))

    def start(self) -> None:
        """Resume all work that was cut off. Call this when a box starts: nothing else is at work then."""
        for tenant in self._tenants.all():
            self._do("captures", tenant, self._cut_off)
            self._do("outbox", tenant, lambda known: self._outbox.announce_overdue(known.name, timedelta(0)))

    def _do(self, subject: str, tenant: Tenant, chore: Callable[[Tenant], object]) -> None:
        try:
            chore(tenant)
        except RegularsError as error:
            _log.warning("the %s of tenant %s are looked at again later: %s", subject, tenant.name, error)
        except Exception:
            _log.exception("the %s of tenant %s are looked at again later", subject, tenant.name)

    def _report_silent(self, tenant: Tenant) -> None:
        if tenant.disabled:
            return
        for camera in self._cameras.silent(tenant, self._clock.now()):
            actions = [
                _silenced(tenant.name, camera, milliseconds(self._clock.now())),
                *self._outbox.actions(tenant.name, [silence(camera)]),
            ]
            try:
                write(self._items, actions)
            except ConditionFailed:  # the camera was heard meanwhile, or another process reported it
                continue
            self._outbox.announce(tenant.name, actions)


def silence(camera: Camera) -> Event:
    """Return the event of a silent camera, at the time when its silence became too long.

    The id depends only on the silence, so a silence that is reported twice has one event.
    """
    heard_at = camera.last_seen_at or camera.created_at
    after_s = camera.silent_after_s or 0
    return Event(
        id=f"{EventKind.CAMERA_SILENT}-{camera.id}-{milliseconds(heard_at)}",
        kind=EventKind.CAMERA_SILENT,
        at=heard_at + timedelta(seconds=after_s),
        camera=camera.id,
        data={
            "name": camera.name,
            "last_seen_at": None if camera.last_seen_at is None else time_text(camera.last_seen_at),
            "silent_after_s": after_s,
        },
    )


def _silenced(tenant: str, camera: Camera, now_ms: int) -> Update:
    """Return the update that marks the camera as silent, unless it was heard since it was read, or marked already."""
    seen = None if camera.last_seen_at is None else milliseconds(camera.last_seen_at)
    still = (equals("last_seen_at", seen, "still-silent"), equals("silent_since", None, "not-told"))
    return Update(keys.CAMERAS, (tenant, camera.id), still, set={"silent_since": now_ms})
