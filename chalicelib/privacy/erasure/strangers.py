"""Strangers whom a tenant forgets: those that it kept before go, and so do the counts that are too
old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.grounds import more_than_a_stranger
from chalicelib.domain.hooks import FORGOTTEN
from chalicelib.domain.jobs import STOPS_AT_S
from chalicelib.domain.model import STRANGER, Face, Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts, faces_in, walk_items, write_in_parts
from chalicelib.storage.ports import Delete
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services

_AT_ONCE = 40
"""Strangers that are forgotten in one step."""


class StrangerErasure(Service["Services"]):
    def forget(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> bool:
        """Erase the strangers of a tenant that forgets them; return False if the time ran out
        first.

        A face that has a name, a given picture or a user is no stranger, and a face under hold
        stays. May be cut off anywhere and repeated. Raises Busy, StorageUnavailable.
        """
        if not tenant.forgets_strangers:
            return True
        faceids = (item["faceid"] for item in faces_in(self.services.items, tenant.name, STRANGER))
        for batch in cut_in_parts([*faceids], _AT_ONCE):
            forgotten_faceids = [
                face.faceid
                for face in self.services.faces.by_id(tenant, batch).values()
                if _is_forgotten(face)
            ]
            if forgotten_faceids:
                self.services.deletion.delete_faces(
                    tenant,
                    forgotten_faceids,
                    by=FORGOTTEN,
                    erase=True,
                    only=_is_forgotten,
                )
            if remaining_s() < STOPS_AT_S:
                return False
        return True

    def forget_counts(self, tenant: Tenant) -> None:
        """Delete the counts of hours that are older than the tenant keeps observations.

        One that keeps strangers has them, too, of people whose record of consent has ended.
        """
        if tenant.observation_days is None:
            return
        until_ms = milliseconds(self.services.clock.now() - timedelta(days=tenant.observation_days))
        between = keys.NOBODIES[0], keys.nobodies_item(max(until_ms, 0))
        old = walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=between)
        write_in_parts(
            self.services.items,
            (Delete(keys.DIRECTORY, (tenant.name, item["item"])) for item in old),
        )


def _is_forgotten(face: Face) -> bool:
    return face.hold is None and not [*more_than_a_stranger(face)]
