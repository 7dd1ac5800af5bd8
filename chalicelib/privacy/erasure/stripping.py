"""Removal of all but id and template of a person who asked to be remembered after consent ended.

The face is written anew in one transaction, with the record by which the steps of an erasure take
out all that is stored beside it (steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.book.commit import Change
from chalicelib.book.visits import visits_deletes
from chalicelib.domain import audit_events
from chalicelib.domain.consent import NO_WISH
from chalicelib.domain.errors import FaceNotFound
from chalicelib.domain.grounds import find_ended_record
from chalicelib.domain.model import Face, Tenant
from chalicelib.privacy.erasure_progress import Erasure
from chalicelib.privacy.retention import find_outlook, strip_face
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Changed
from chalicelib.storage.records.observations import visits_from
from chalicelib.storage.values import time_text

if TYPE_CHECKING:
    from chalicelib.services import Services

BY = "remembered"


class Stripping(Service["Services"]):
    def strip(self, tenant: Tenant, faceid: str) -> None:
        """Take all but id and templates from a face, if its time has come; then the steps follow.

        The audit's entry says on what ground the rest is kept, and since when: that of the
        withdrawal goes. Raises Busy.
        """
        records = self.services.erasure.records
        written: list[Erasure] = []

        def strip(face: Face) -> tuple[Face, Change] | None:
            if not self._is_due(tenant, face):
                return None
            if (ended_record := find_ended_record(face)) is not None:
                audit_events.add_details(ended_at=time_text(ended_record.at))
            wish = NO_WISH if face.remembered is None else face.remembered.describe()
            audit_events.add_details(**wish)
            record = records.make_erasure(tenant, [face], BY, erases=False, strips=True)
            written.append(record)
            arrivals = self.services.items.get(keys.ARRIVALS, (tenant.name, face.faceid))
            deletes = visits_deletes(tenant.name, face.faceid, visits_from(arrivals))
            actions = (*deletes, *records.make_put_actions(tenant, record))
            absorbed = self._list_absorbed(tenant, record.faceids)
            bare = strip_face(face, self.services.clock.now(), absorbed)
            return bare, Change(actions, ())

        with (
            suppress(FaceNotFound),
            audit_events.begin_audit_event(audit_events.job("sweep consents", tenant.name)),
        ):
            self.services.faces.change_face(tenant, faceid, strip, None, restricted=True)
        for record in written[-1:]:
            records.send_message(tenant.name, record)

    def _list_absorbed(self, tenant: Tenant, faceids: Sequence[str]) -> tuple[str, ...]:
        """List the faces that became a part of one, but those whose id somebody else has now.

        `faceids`: the face, and those of which merges tell; of older ones the audit does.
        """
        known = self.services.audit.erasing.with_absorbed(tenant.name, faceids, {})
        present = self.services.faces.by_id(tenant, known, restricted=True)
        return tuple(faceid for faceid in known if faceid not in present)

    def _is_due(self, tenant: Tenant, face: Face) -> bool:
        """Return whether all but the template goes now. Raises Changed if a merge of it went on."""
        outlook = find_outlook(tenant, face)
        if outlook is None or outlook.stripped_at is None:
            return False
        if outlook.stripped_at > self.services.clock.now():
            return False
        if self.services.merges.mover.settle_faces(tenant, face):
            raise Changed
        return True
