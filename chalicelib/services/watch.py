"""Chores of every few minutes: report silent cameras, send overdue events, resolve captures whose event was lost.

On one box also: join faces that are one person.

cameras decides when a camera is silent, captures/redrive how often a capture is tried.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from chalicelib.core import acts, keys, telemetry
from chalicelib.core.acts import chore as audited
from chalicelib.core.captures import Camera
from chalicelib.core.chores import OWED, STOPS_AT_S
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Update, equals
from chalicelib.core.telemetry import SWEEP_AGE, report_failure
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.core.webhooks import Event, EventKind
from chalicelib.services.cameras import silent_at
from chalicelib.services.rooms import UseCase

_log = logging.getLogger(__name__)

WATCHED_CAPTURES = timedelta(minutes=25)
"""How far back the watch looks for captures whose event was lost: two runs read each. The sweep looks further
(captures/redrive)."""

_EVERY = timedelta(minutes=5)
_GOLDEN_RATIO = 0.618034


class Watch(UseCase):
    """The chores of every few minutes, for all tenants.

    On one box faces are joined, too: it costs nothing to look more often. A function would load the gallery each time.
    """

    def run(self, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Report the age of the oldest sweep, and do all chores of all tenants; one that fails holds up no other.

        Silent cameras of a disabled tenant are not reported. Each run begins with other tenants, so that none waits for
        long if the time runs out.
        """
        tenants = self.book.tenants.all()
        self._report_sweeps(tenants)
        first = begins_with(len(tenants), self.book.clock.now())
        for number, tenant in enumerate([*tenants[first:], *tenants[:first]]):
            if left_s() < STOPS_AT_S:
                _log.warning(
                    "the time ran out: %s of %s tenants wait for the next run", len(tenants) - number, len(tenants)
                )
                return
            self._do("cameras", tenant, self._report_silent)
            self._do("boxes", tenant, self.book.cameras.fleet.advance)
            self._do(
                "captures", tenant, lambda known: self.book.captures.redrive.lost(known, captured_in=WATCHED_CAPTURES)
            )
            self._do("outbox", tenant, lambda known: self.book.webhooks.outbox.announce_overdue(known.name))
            if isinstance(self.book.settings.storage, Path):
                self._do("faces", tenant, self.book.joining.chore.tenant)

    def start(self) -> None:
        """Resume all work that was cut off. Call this when a box starts: nothing else is at work then.

        A message that a killed process held comes again by itself, when the time is over for which it is hidden.
        """
        for tenant in self.book.tenants.all():
            self._do("captures", tenant, lambda known: self.book.captures.redrive.lost(known, after=timedelta(0)))
            self._do(
                "outbox", tenant, lambda known: self.book.webhooks.outbox.announce_overdue(known.name, timedelta(0))
            )

    def _do(self, subject: str, tenant: Tenant, chore: Callable[[Tenant], object]) -> None:
        try:
            with acts.begun(audited(f"watch {subject}", tenant.name)):
                chore(tenant)
        except Exception as error:
            report_failure(error, f"the {subject} of tenant {tenant.name} are looked at again later")

    def _report_sweeps(self, tenants: Sequence[Tenant]) -> None:
        """Report how long ago the tenant was swept whole whose sweep is the oldest, so that no tenant is forgotten.

        What is owed each night counts from the next night on.
        """
        swept = self.book.items.get_many(keys.DIRECTORY, [(tenant.name, keys.SWEPT_ITEM) for tenant in tenants])
        for tenant, item in zip(tenants, swept, strict=True):
            noted = {**dict.fromkeys(("at", *OWED), milliseconds(tenant.created_at)), **(item or {})}
            dated = [moment(noted[name]) + timedelta(days=1) for name in OWED]
            late = self.book.clock.now() - min(moment(noted["at"]), *dated)
            telemetry.at_least(SWEEP_AGE, late.total_seconds())

    def _report_silent(self, tenant: Tenant) -> None:
        if tenant.disabled:
            return
        for camera in self.book.cameras.silent(tenant, self.book.clock.now()):
            actions = [
                _silenced(tenant.name, camera, milliseconds(self.book.clock.now())),
                *self.book.webhooks.outbox.actions(tenant.name, [silence(camera)]),
            ]
            try:
                write(self.book.items, actions)
            except ConditionFailed:  # the camera was heard meanwhile, or another process reported it
                continue
            heard = "ever" if camera.last_seen_at is None else f"since {time_text(camera.last_seen_at)}"
            _log.warning("camera %s of tenant %s fell silent: nothing came from it %s", camera.id, tenant.name, heard)
            self.book.webhooks.outbox.announce(tenant.name, actions)


def begins_with(count: int, now: datetime) -> int:
    """Return which of so many the run of this time begins with; runs that follow each other begin far apart."""
    return int(count * (now.timestamp() // _EVERY.total_seconds() * _GOLDEN_RATIO % 1))


def silence(camera: Camera) -> Event:
    """Return the event of a silent camera, at the time when its silence became too long.

    The id depends only on the silence, so a silence that is reported twice has one event.
    """
    heard_at = camera.last_seen_at or camera.created_at
    after_s = camera.silent_after_s or 0
    return Event(
        id=f"{EventKind.CAMERA_SILENT}-{camera.id}-{milliseconds(heard_at)}",
        kind=EventKind.CAMERA_SILENT,
        at=silent_at(camera),
        camera=camera.id,
        data={
            "name": camera.name,
            "last_seen_at": None if camera.last_seen_at is None else time_text(camera.last_seen_at),
            "silent_after_s": after_s,
            "error": None if camera.failing_at is None else camera.status.get("error"),
        },
    )


def _silenced(tenant: str, camera: Camera, now_ms: int) -> Update:
    """Return the update that marks the camera as silent, unless it was heard since it was read, or marked already."""
    seen = None if camera.last_seen_at is None else milliseconds(camera.last_seen_at)
    still = (equals("last_seen_at", seen, "still-silent"), equals("silent_since", None, "not-reported"))
    return Update(keys.CAMERAS, (tenant, camera.id), still, set={"silent_since": now_ms})
