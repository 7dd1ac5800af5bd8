"""What is left of somebody who is remembered after consent has ended? The template, and its id.

The face is written anew in one transaction, with the record by which the steps of an erasure take
out all that is stored beside it (steps).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.book.commit import Change
from chalicelib.book.visits import visits_deletes
from chalicelib.domain import audit_events
from chalicelib.domain.errors import FaceNotFound
from chalicelib.domain.model import Face, Tenant
from chalicelib.privacy.retention import find_outlook, strip_face
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Changed
from chalicelib.storage.records.observations import visits_from

if TYPE_CHECKING:
    from chalicelib.services import Services

BY = "remembered"


class Stripping(Service["Services"]):
    def strip(self, tenant: Tenant, faceid: str) -> None:
        """Take all but id and templates from a face, if its time has come; the sweep does the
        steps that follow.

        The audit's entry says on what ground the rest is kept. Raises Busy.
        """
        with (
            suppress(FaceNotFound),
            audit_events.begin_audit_event(audit_events.job("sweep consents", tenant.name)),
        ):
            self.services.faces.change_face(
                tenant, faceid, lambda face: self._strip(tenant, face), None, restricted=True
            )

    def _strip(self, tenant: Tenant, face: Face) -> tuple[Face, Change] | None:
        now, outlook = self.services.clock.now(), find_outlook(tenant, face)
        if outlook is None or outlook.stripped_at is None or outlook.stripped_at > now:
            return None
        if self.services.merges.mover.settle_faces(tenant, face):
            raise Changed
        if face.remembered is not None:
            audit_events.add_details(**face.remembered.describe())
        records = self.services.erasure.records
        record = records.make_erasure(tenant, [face], BY, erases=False, strips=True)
        arrivals = self.services.items.get(keys.ARRIVALS, (tenant.name, face.faceid))
        actions = (
            *visits_deletes(tenant.name, face.faceid, visits_from(arrivals)),
            *records.make_put_actions(tenant, record),
        )
        return strip_face(face, now), Change(actions, ())
