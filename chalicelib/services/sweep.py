"""Hourly chores: finish merges, delete pictures that no face names, and forget records that have expired."""

from __future__ import annotations

from chalicelib.core.model import Tenant
from chalicelib.core.ports import Clock
from chalicelib.services.captures.redrive import Redrive
from chalicelib.services.commit.idempotency import Requests
from chalicelib.services.erasure.captures import CaptureExpiry
from chalicelib.services.erasure.orphans import OrphanedPictures
from chalicelib.services.merges.chores import MergeChores
from chalicelib.services.webhooks.outbox import Outbox

LOST_CAPTURES_HOUR = 3
"""The hour, in UTC, in which the sweep searches all captures for lost events. `watch` searches only the newest."""


class Sweep:
    """The hourly chores. `expires_items`: storage itself deletes items after their `expires_at` (DynamoDB does)."""

    def __init__(
        self,
        requests: Requests,
        redrive: Redrive,
        outbox: Outbox,
        orphans: OrphanedPictures,
        capture_expiry: CaptureExpiry,
        merges: MergeChores,
        clock: Clock,
        *,
        expires_items: bool,
    ) -> None:
        self._requests = requests
        self._redrive = redrive
        self._outbox = outbox
        self._orphans = orphans
        self._capture_expiry = capture_expiry
        self._merges = merges
        self._clock = clock
        self._expires_items = expires_items

    def tenant(self, tenant: Tenant) -> None:
        """Do all chores of one tenant. Each may be cut off anywhere and repeated."""
        self._merges.tenant(tenant)
        self._orphans.delete(tenant.name)
        if self._clock.now().hour == LOST_CAPTURES_HOUR:
            self._redrive.lost(tenant)
        if not self._expires_items:
            self._requests.forget_expired(tenant.name)
            self._outbox.forget_expired(tenant.name)
            self._capture_expiry.tenant(tenant)
