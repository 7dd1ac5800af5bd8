"""Erasure of strangers, and of counts that are too old, when a tenant stops keeping strangers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.domain.grounds import more_than_a_stranger
from chalicelib.domain.hooks import FORGOTTEN
from chalicelib.domain.jobs import STOPS_AT_S
from chalicelib.domain.model import STRANGER, Face, Tenant
from chalicelib.privacy.retention import unseen_since
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts, walk_items, write_in_parts
from chalicelib.storage.ports import Delete
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services

_AT_ONCE = 40
"""Strangers that are forgotten in one step."""

_CHOICE_ACTS = timedelta(days=1)
"""So long after a choice to keep strangers for fewer days, the others go without waiting as other
large deletions do: somebody has confirmed their number."""


class StrangerErasure(Service["Services"]):
    def forget(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> bool:
        """Erase the strangers that the tenant's last choice does not keep; return False if the time
        ran out first.

        May be cut off anywhere and repeated. Raises Busy, StorageUnavailable.
        """
        for batch in cut_in_parts(self._list_forgotten(tenant), _AT_ONCE):
            self.services.deletion.delete_faces(
                tenant,
                batch,
                by=FORGOTTEN,
                erase=True,
                only=partial(_is_forgotten, tenant),
            )
            if remaining_s() < STOPS_AT_S:
                return False
        return True

    def count_forgotten(self, tenant: Tenant, choice: Mapping[str, Any]) -> int:
        """Return how many strangers would go if the tenant chose so now.

        `choice`: values of the settings `strangers` and `stranger_days`; without the first, 0.
        """
        if "strangers" not in choice:
            return 0
        chosen = replace(tenant, **choice, strangers_chosen_at=self.services.clock.now())
        return sum(1 for _ in self._list_forgotten(chosen))

    def _list_forgotten(self, tenant: Tenant) -> Iterator[str]:
        """Yield the strangers whom the tenant's last choice does not keep: all, or for a day after
        it those who were unseen for too long then.

        What is due later is the retention's, of which a large deletion waits.
        """
        chosen_at, limit = tenant.strangers_chosen_at, _find_limit(tenant)
        if tenant.forgets_strangers or (
            limit and chosen_at and self.services.clock.now() - chosen_at < _CHOICE_ACTS
        ):
            group = self.services.groups.get(tenant, STRANGER)
            for face in self.services.faces.list_by_arrival(tenant, group, limit, _AT_ONCE):
                if _is_forgotten(tenant, face):
                    yield face.faceid

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


def _find_limit(tenant: Tenant) -> datetime | None:
    """Return since when strangers were unseen whom a choice to keep some does not keep; None: it
    keeps all, or the tenant keeps none."""
    days, chosen_at = tenant.stranger_days, tenant.strangers_chosen_at
    if tenant.forgets_strangers or days is None or chosen_at is None:
        return None
    return chosen_at - timedelta(days=days)


def _is_forgotten(tenant: Tenant, face: Face) -> bool:
    """Return whether the tenant's choice deletes a face.

    A face with a name, a given picture or a face set is no stranger, and a face under hold stays.
    """
    if face.hold is not None or [*more_than_a_stranger(face)]:
        return False
    limit = _find_limit(tenant)
    return tenant.forgets_strangers or (limit is not None and unseen_since(face) <= limit)
