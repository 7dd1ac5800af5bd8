"""Privacy's part in changes of the book. The service that is responsible for a hook runs it
(domain/hooks)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.domain.captures import Capture, Sighting
from chalicelib.domain.errors import Busy
from chalicelib.domain.hooks import BookHooks, Departure
from chalicelib.domain.model import Face, Tenant
from chalicelib.service import Service
from chalicelib.storage.ports import Action
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services


class PrivacyHooks(Service["Services"], BookHooks):
    """Privacy's hooks: records for the erasure of faces that leave, restrictions of people whose
    consent has expired, erasures of strangers, deletion of archives that show another face, entries
    of sightings."""

    def faces_leave(
        self,
        tenant: Tenant,
        faces: Sequence[Face],
        by: str,
        *,
        erases: bool,
        refuses: bool = False,
        asked_at: datetime | None = None,
    ) -> Departure:
        """Return the actions for faces that are about to be deleted: their record, by which a job
        erases the rest.

        The record is written with the deletion. A message about it goes after that, by `follow`.
        Parameters as in BookHooks.
        """
        records = self.services.erasure.records
        erasure = records.make_erasure(
            tenant, faces, by, erases=erases, refuses=refuses, asked_at=asked_at
        )
        follow = partial(records.send_message, tenant.name, erasure)
        return Departure(
            erasure.id, erasure.faceids, tuple(records.make_put_actions(tenant, erasure)), follow
        )

    def refuse_ended(
        self, tenant: str, before: Face | None, face: Face, *, is_somebody_else: bool
    ) -> None:
        self.services.refusals.refuse_ended(tenant, before, face, is_somebody_else=is_somebody_else)

    def restrict_expired(self, tenant: Tenant) -> None:
        self.services.restrictions.restrict_expired(tenant)

    def raise_busy_until_restricted(self, tenant: Tenant) -> None:
        self.services.restrictions.request_expiry(tenant)
        raise Busy(
            "the consent of somebody has just expired, and the sweep puts them away: try again in "
            "a moment"
        )

    def strangers_go(self, tenant: str) -> None:
        """Have the sweep erase those that were kept, now.

        If the queue fails, it does so within the hour.
        """
        now, jobs = milliseconds(self.services.clock.now()), ("strangers", "pictures off")
        self.services.wake(tenant, hour=now, chores=jobs, after="", is_part=True)

    def face_changed(self, tenant: Tenant, faceid: str) -> None:
        self.services.archives.forget(tenant, faceid)

    def sighting_resolved(
        self, tenant: str, capture: Capture, sighting: Sighting
    ) -> Sequence[Action]:
        from chalicelib.privacy.audit.sightings import sighting_put

        return sighting_put(tenant, capture, sighting)

    def sighting_rejected(
        self, tenant: str, capture: Capture, sighting: Sighting
    ) -> Sequence[Action]:
        from chalicelib.privacy.audit.sightings import rejected_put

        return rejected_put(tenant, self.services.clock, capture, sighting)
