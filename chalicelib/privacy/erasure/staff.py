"""Removal of estimated emotion and beauty of people who are staff."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.faces import drop_feelings
from chalicelib.book.visits import face_put
from chalicelib.domain.jobs import STOPS_AT_S
from chalicelib.domain.model import Face, Group, Tenant
from chalicelib.domain.observations import ChangedObservation
from chalicelib.service import Service
from chalicelib.storage.items import cut_in_parts, faces_in, write_unless_changed

if TYPE_CHECKING:
    from chalicelib.services import Services

_AT_ONCE = 10
"""Observations or faces of one write or read: a transaction has room for them."""


class StaffFeelings(Service["Services"]):
    """The removal of emotion and beauty of people who were moved to a group of staff, or whose
    group became one."""

    def remove(self, tenant: Tenant, remaining_s: Callable[[], float]) -> bool:
        """Remove them. Return False if the time ran out: the next run goes on with those left."""
        for group in self.services.groups.list_all(tenant):
            if not group.staff:
                continue
            items = faces_in(self.services.items, tenant.name, group.id)
            for part in cut_in_parts(items, _AT_ONCE):
                faces = self.services.faces.by_id(tenant, [item["faceid"] for item in part])
                for face in faces.values():
                    self._remove_of_face(tenant, group, face)
                if remaining_s() < STOPS_AT_S:
                    return False
        return True

    def _remove_of_face(self, tenant: Tenant, group: Group, face: Face) -> None:
        """Remove them from observations first: the face tells that they are to be looked at."""
        after = drop_feelings(group, face)
        if after == face:
            return
        observations = self.services.merges.mover.list_observations(tenant, face.faceid)
        changes = (
            ChangedObservation(
                observation, replace(observation, estimates=group.leave_kept(observation.estimates))
            )
            for observation in observations
        )
        needed = (change for change in changes if change.after != change.before)
        for part in cut_in_parts(needed, _AT_ONCE):
            actions = self.services.statistics.make_actions(tenant.name, [], part)
            # else the next night finds it
            if not write_unless_changed(self.services.items, actions):
                return
        write_unless_changed(self.services.items, [face_put(tenant, face, after)])
