"""Keys that are good for one service of a dialect, and reach one group (docs/decisions/0093, 0095)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.core.access import ApiKey
from chalicelib.core.errors import Unauthorized
from chalicelib.core.model import Group, Tenant

if TYPE_CHECKING:
    from chalicelib.services import Services


class Holder(NamedTuple):
    """Whose key it is. `group`: what it reaches; NO_GROUP for a service that has none."""

    tenant: Tenant
    key: ApiKey
    group: Group


NO_GROUP = Group("", "", "", 0, None)


def holder(services: Services, service: str, secret: str) -> Holder | None:
    """Return whose key a secret is; None if it is nobody's, of another service, or its group is gone."""
    try:
        found = services.access.keys.by_service_key(secret)
    except Unauthorized:
        return None
    return None if found is None or found[1].service != service else reached(services, *found)


def reached(services: Services, tenant: Tenant, key: ApiKey) -> Holder | None:
    """Return what a key reaches now, and note its use; None if its tenant is disabled or its group is gone."""
    if tenant.disabled:
        return None
    services.access.keys.used(tenant, key)
    group = services.groups.of_id(tenant, key.group) if key.group else NO_GROUP
    return None if group is None or group.id in tenant.gone else Holder(tenant, key, group)
