"""Faces whose consent has expired: erased by the sweep, if the tenant says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core.model import Face, Tenant
from chalicelib.core.ports import Clock
from chalicelib.services.consents import Consents
from chalicelib.services.erasure.faces import MAX_DELETED, Deletion
from chalicelib.services.erasure.pictures import STOPS_AT_S


@dataclass
class ConsentExpiry:
    consents: Consents
    deletion: Deletion
    clock: Clock

    def tenant(self, tenant: Tenant, left_s: Callable[[], float]) -> None:
        """Erase the faces whose consent has expired, 100 at a time, but those under legal hold.

        What is left over when the time runs out is for the next hour.
        """
        if not tenant.expired_consent_erases:
            return
        token: str | None = None
        while True:
            page = self.consents.page(tenant, self.clock.now(), MAX_DELETED, token)
            if expired := [face.faceid for face in page.rows if face.hold is None]:
                self.deletion.of_faces(tenant, expired, by="expired consent", erase=True, only=self._has_expired)
            token = page.next_token
            if token is None or left_s() < STOPS_AT_S:
                return

    def _has_expired(self, face: Face) -> bool:
        """Tell it of the face as it is deleted: somebody may have renewed the record since the list was read."""
        end = None if face.consent is None else face.consent.expires_at
        return end is not None and end <= self.clock.now()
