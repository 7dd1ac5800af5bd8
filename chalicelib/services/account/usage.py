"""How much of its limits a tenant uses: from counts that are kept anyway, so that an answer reads a few items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.items import directory_of, every
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Disk, ItemStore
from chalicelib.services.captures.cameras import Cameras
from chalicelib.services.captures.kept import Kept, KeptCaptures
from chalicelib.services.tenants.accounts import CAPACITY_LEFT, FACES_LEFT, GROUPS_LEFT
from chalicelib.services.tenants.quotas import Quotas
from chalicelib.services.webhooks.hooks import Hooks


@dataclass(frozen=True)
class Usage:
    """The amounts that a tenant uses."""

    groups: int
    faces: int
    capacity_left: int
    """What the capacities of groups may still grow by, all together."""
    cameras: int
    hooks: int
    requests_today: int | None
    """None: they are not counted, since the tenant may send any number."""
    kept: Kept | None
    """None: the captures were not counted yet."""
    changes: int
    """How many changes its gallery has seen."""
    disk: Disk | None
    """The disk that everything is on; None: storage has no end."""
    snapshot_lag: int
    """How many of the last changes a search function that starts cold has to read beside the snapshot."""


@dataclass
class UsageReader:
    items: ItemStore
    cameras: Cameras
    hooks: Hooks
    quotas: Quotas
    kept: KeptCaptures
    disk: Callable[[], Disk] | None

    def of(self, tenant: Tenant) -> Usage:
        """Return what the tenant uses now. Raises TenantNotFound."""
        directory, limits = directory_of(self.items, tenant.name), tenant.limits
        changes = int(directory["seq"])
        return Usage(
            groups=limits.groups - int(directory[GROUPS_LEFT]),
            faces=limits.faces - int(directory[FACES_LEFT]),
            capacity_left=int(directory[CAPACITY_LEFT]),
            cameras=self.cameras.count(tenant),
            hooks=len(self.hooks.all(tenant.name)),
            requests_today=self.quotas.used(tenant),
            kept=self.kept.get(tenant.name),
            changes=changes,
            disk=None if self.disk is None else self.disk(),
            snapshot_lag=changes - self._snapshot(tenant.name, directory["model"]),
        )

    def _snapshot(self, tenant: str, model: str) -> int:
        """Return up to which change the snapshots of all shards are; 0 if there is none."""
        low, high = keys.INDEX_RANGE
        pointers = every(self.items, keys.DIRECTORY, tenant, low=low, high=high)
        newest = [one["snapshots"][-1] for one in pointers if keys.model_of_index(one["item"]) == model]
        return min(map(keys.seq_of_snapshot, newest), default=0)
