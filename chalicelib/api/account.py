"""The settings that tenants change themselves, and their use of their limits.

All other settings are its operator's (tenants).

Usage comes from counts that are kept anyway, so that an answer reads a few items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.book.groups import make_promotion_settings_update
from chalicelib.book.idempotency import RequestId
from chalicelib.book.tenants import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT
from chalicelib.domain.captures import PictureCount
from chalicelib.domain.model import PROMOTION_SETTINGS, PromotionSettings, Tenant
from chalicelib.domain.tenant_settings import OF_TENANT
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import directory_of, retry_if_changed, walk_items
from chalicelib.storage.ports import Action, Disk
from chalicelib.storage.values import milliseconds, moment

if TYPE_CHECKING:
    from chalicelib.services import Services

OF_PROMOTION_SETTINGS = tuple(PROMOTION_SETTINGS)
"""Fields of PromotionSettings."""


class Usage(Struct, frozen=True):
    """The amounts that a tenant uses."""

    groups: int
    faces: int
    capacity_left: int
    """The room by which the capacities of groups may still grow, all together."""
    cameras: int
    hooks: int
    requests_today: int | None
    """None: they are not counted, since the tenant may send any number."""
    kept: PictureCount | None
    """None: the captures were not counted yet."""
    changes: int
    """How many changes its gallery has seen."""
    disk: Disk | None
    """The disk that everything is on; None: storage has no end."""
    nobodies: tuple[tuple[datetime, int], ...]
    """The hours of the last day in which somebody matched nobody and was forgotten, and how
    many."""
    snapshot_lag: int
    """How many of the last changes a search function that starts cold has to read beside the
    snapshot."""


class Account(Service["Services"]):
    """A tenant's own account: the settings that it may change itself, and how much of its limits it
    uses."""

    def read_settings(self, tenant: Tenant) -> tuple[Tenant, PromotionSettings]:
        """Return the tenant as it is now, and when a stranger becomes a regular.

        Raises TenantNotFound.
        """
        return self.services.tenants.get_by_name(
            tenant.name
        ), self.services.groups.read_promotion_settings(tenant)

    @retry_if_changed(
        "the settings of this tenant are changed all the time: send the request again in a moment"
    )
    def change(
        self, tenant: Tenant, changes: Mapping[str, Any], request: RequestId | None = None
    ) -> None:
        """Set the fields in `changes` in one write, then start what follows from the new values.

        `changes`: by the names in OF_TENANT and OF_PROMOTION_SETTINGS; other names are left out.

        Raises InvalidInput, TenantNotFound, Busy, AnsweredAlready.
        """
        tenant_changes = {name: changes[name] for name in OF_TENANT if name in changes}
        promotion_changes = {
            name: changes[name] for name in OF_PROMOTION_SETTINGS if name in changes
        }
        actions: list[Action] = []
        if tenant_changes:
            actions.append(
                self.services.tenants.make_settings_update(
                    self.services.tenants.get_by_name(tenant.name), tenant_changes
                )
            )
        if promotion_changes:
            directory = directory_of(self.services.items, tenant.name)
            actions.append(
                make_promotion_settings_update(tenant.name, directory, promotion_changes)
            )
        self.services.requests.write_with_answer(tenant.name, actions, request)
        self.services.tenants.begin_consequences(tenant.name, tenant_changes)

    def measure_usage(self, tenant: Tenant) -> Usage:
        """Return the tenant's use of its limits now. Raises TenantNotFound."""
        directory, limits = directory_of(self.services.items, tenant.name), tenant.limits
        pointer = self.services.items.get(
            keys.DIRECTORY, (tenant.name, keys.index_item(directory["model"]))
        )
        changes = int(directory["seq"])
        return Usage(
            groups=limits.groups - int(directory[GROUPS_LEFT]),
            faces=limits.faces - int(directory[FACES_LEFT]),
            capacity_left=int(directory[CAPACITY_LEFT]),
            cameras=self.services.cameras.count(tenant),
            hooks=len(self.services.webhooks.hooks.list_all(tenant.name)),
            requests_today=self.services.daily_limits.read_requests_today(tenant),
            kept=self.services.captures.pictures.get(tenant.name),
            changes=changes,
            nobodies=tuple(self._read_nobodies(tenant)),
            disk=None if self.services.storage.disk is None else self.services.storage.disk(),
            snapshot_lag=changes - (int(pointer["seq"]) if pointer else 0),
        )

    def _read_nobodies(self, tenant: Tenant) -> Iterator[tuple[datetime, int]]:
        since = milliseconds(self.services.clock.now() - timedelta(days=1))
        between = keys.nobodies_item(max(since, 0)), keys.NOBODIES[1]
        for item in walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=between):
            yield moment(item["at"]), int(item["number"])
