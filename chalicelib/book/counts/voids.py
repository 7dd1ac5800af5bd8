"""Voids: counts of cameras that are wrong, and that are left out of all figures until the void is
taken back.

All voids of a tenant are one item. They apply when counts are read, and change nothing that is
stored. So a minute that is sent again stays void, and a void that is taken back leaves the counts
as they were. When minutes become hours, after 30 days, void minutes become hours of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.book.idempotency import RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.counts import Void, cut_voids, join_voids, require_void
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import TooMany
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import next_version, retry_if_changed
from chalicelib.storage.ports import Check, Item, Put
from chalicelib.storage.records.counts import voids_from, voids_item
from chalicelib.storage.values import moment, time_text

if TYPE_CHECKING:
    from chalicelib.book.book import Book

MAX_VOIDS = 200
"""Voids of a tenant."""

_BUSY = "the voids are changed by others all the time: send the request again in a moment"
_VOIDS_SAME = "voids-same"
"""Name of the condition that the voids are as they were read."""


class Voids(Service["Book"]):
    def list_all(self, tenant: str) -> list[Void]:
        """Return all voids, by camera and time."""
        return voids_from(self._find_item(tenant))

    def read_with_check(self, tenant: str) -> tuple[list[Void], Check]:
        """Return all voids, and the check that they are still so when others write by them."""
        item = self._find_item(tenant)
        _, if_same = next_version(item, _VOIDS_SAME)
        return voids_from(item), Check(keys.DIRECTORY, (tenant, keys.VOIDS_ITEM), (if_same,))

    @retry_if_changed(_BUSY)
    def add(self, tenant: Tenant, void: Void, request: RequestId | None = None) -> None:
        """Void a camera's counts of a time, including those that it reports later.

        Raises InvalidInput, TooMany, Busy, AnsweredAlready.
        """
        require_void(void, self.services.clock.now())
        item = self._find_item(tenant.name)
        self._store(tenant, void, join_voids(voids_from(item), void), item, request)

    @retry_if_changed(_BUSY)
    def take_back(self, tenant: Tenant, counting: Void, request: RequestId | None = None) -> None:
        """Have a camera's counts of a time count again.

        Raises InvalidInput, TooMany, Busy, AnsweredAlready.
        """
        require_void(counting, self.services.clock.now())
        item = self._find_item(tenant.name)
        self._store(tenant, counting, cut_voids(voids_from(item), counting), item, request)

    def _store(
        self,
        tenant: Tenant,
        changed: Void,
        voids: Sequence[Void],
        item_before: Item | None,
        request: RequestId | None,
    ) -> None:
        """Store the voids, unless they are so already, and tell hooks in the same transaction if a
        place gets full by it, or free. Raises TooMany."""
        requests = self.services.requests
        if voids == voids_from(item_before):
            requests.write_with_answer(tenant.name, [], request)
            return
        if len(voids) > MAX_VOIDS:
            raise TooMany(
                f"there are {MAX_VOIDS} voids already, the most of a tenant: make one of several, "
                "by a time that holds them, or take a whole one back"
            )
        first, end = (time_text(moment(ms)) for ms in (changed.first_ms, changed.end_ms))
        audit_events.add_details(**{"of": changed.camera, "from": first, "to": end})
        places = self.services.counts.places
        told = places.make_crossing_actions(tenant, changed.camera, {}, voids)
        put = _make_put(tenant.name, voids, item_before)
        requests.write_with_answer(tenant.name, [put, *told], request)
        self.services.webhooks.outbox.send_messages(tenant.name, told)

    def _find_item(self, tenant: str) -> Item | None:
        return self.services.items.get(keys.DIRECTORY, (tenant, keys.VOIDS_ITEM))


def _make_put(tenant: str, voids: Sequence[Void], item_before: Item | None) -> Put:
    """Return the action that stores all voids, if they are as they were read."""
    version, condition = next_version(item_before, _VOIDS_SAME)
    does = ((Effect.ARRANGES, "voids"),)
    return Put(keys.DIRECTORY, voids_item(tenant, voids, version), (condition,), does)
