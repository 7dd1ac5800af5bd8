"""Keys that are good for one service of a dialect, and reach one group (docs/decisions/0093, 0013)."""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.core.acts import Kind, kind_of
from chalicelib.core.errors import Unauthorized
from chalicelib.core.model import Group, Tenant
from chalicelib.core.roles import ApiKey
from chalicelib.services import Services


class Holder(NamedTuple):
    """The owner of a key. `group`: the one that it reaches; NO_GROUP for a service that has none."""

    tenant: Tenant
    key: ApiKey
    group: Group


NO_GROUP = Group("", "", "", 0, None)


def holder(services: Services, service: str, secret: str, what: str) -> Holder | None:
    """Return whose key a secret is; None if it is nobody's, of another service, or its group is gone.

    `what`: the name of the call in the audit. Raises TooManyRequests.
    """
    try:
        found = services.access.keys.by_service_key(secret)
    except Unauthorized:
        return None
    return None if found is None or found[1].service != service else reached(services, *found, what)


def reached(services: Services, tenant: Tenant, key: ApiKey, what: str) -> Holder | None:
    """Return what a key reaches now, and note its use; None if its tenant is disabled or its group is gone.

    A key may send as much as one of v1. Raises TooManyRequests.
    """
    if tenant.disabled:
        return None
    looks = kind_of(what) is Kind.DECISION or what.endswith(" detect")
    limit = services.access.rates.searches if looks else services.access.rates.requests
    limit.take(f"{tenant.name}#{key.id}")
    services.access.keys.used(tenant, key)
    group = services.groups.of_id(tenant, key.group) if key.group else NO_GROUP
    return None if group is None or group.id in tenant.gone else Holder(tenant, key, group)
