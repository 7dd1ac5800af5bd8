"""Enrolment of somebody whom cameras know already: the new face absorbs the strangers who surely are that person."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.errors import Busy, StorageUnavailable, WrongModel
from chalicelib.core.model import STRANGER, Face, Tenant
from chalicelib.services.faces.faces import Faces

if TYPE_CHECKING:
    from chalicelib.services.joining.joining import Joining
    from chalicelib.services.merges.records import Merges


@dataclass
class Absorbing:
    faces: Faces
    merges: Merges
    joining: Callable[[], Joining]

    def strangers(self, tenant: Tenant, enrolled: Face) -> Face:
        """Let a face that was just enrolled absorb strangers, and return it as it is then.

        It is enrolled whatever becomes of this: what cannot be done now is done by the chore that joins faces. Somebody
        enrolled as a stranger is left to that chore, too, since of two strangers the older one keeps its id.
        """
        if not tenant.learns or enrolled.group_id == STRANGER:
            return enrolled
        with suppress(Busy, StorageUnavailable, WrongModel):
            if self.joining().look(tenant, enrolled.faceid):
                return self.faces.find(tenant, enrolled.faceid) or enrolled
        return enrolled

    def absorbed(self, tenant: Tenant, face: Face) -> list[str]:
        """Return the ids of the faces that the service has joined with this one by itself, oldest first."""
        if not face.merges:
            return []
        merges = self.merges.of_survivor(tenant.name, face.faceid)
        return [merge.other for merge in merges if merge.joined and merge.is_active]
