"""Removal of learnt pictures that a tenant keeps no longer: `learnt_days` after their capture."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.errors import FaceNotFound
from chalicelib.core.items import every
from chalicelib.core.model import Face, Picture, Tenant
from chalicelib.core.ports import Clock, ItemStore
from chalicelib.core.records.faces import face_from
from chalicelib.services.enrolment.pictures import FacePictures


@dataclass
class LearntExpiry:
    items: ItemStore
    pictures: FacePictures
    clock: Clock

    def tenant(self, tenant: Tenant) -> None:
        """Remove the tenant's learnt pictures that it keeps no longer, if it says for how long; not of held faces."""
        if tenant.learnt_days is None:
            return
        limit = self.clock.now() - timedelta(days=tenant.learnt_days)

        def left(face: Face) -> tuple[Picture, ...]:
            return tuple(one for one in face.pictures if one.learnt is None or one.learnt.captured_at >= limit)

        for item in every(self.items, keys.FACES, tenant.name):
            face = face_from(item)
            if face.hold is None and left(face) != face.pictures:
                with suppress(FaceNotFound):  # it was deleted meanwhile
                    self.pictures.keep(tenant, face.faceid, left)
