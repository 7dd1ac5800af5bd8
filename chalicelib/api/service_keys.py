"""Keys that are good for one service of a dialect, and reach one group (docs/decisions/0093,
0013)."""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.api.dialect import Dialect
from chalicelib.api.dialects import SERVICES
from chalicelib.auth.roles import ApiKey
from chalicelib.domain.audit_events import Kind
from chalicelib.domain.errors import Unauthorized
from chalicelib.domain.model import Group, Tenant
from chalicelib.services import Services


class Holder(NamedTuple):
    """The owner of a key.

    `group`: the one that it reaches; NO_GROUP for a service that has none.
    """

    tenant: Tenant
    key: ApiKey
    group: Group


_DETECTS = "detect"
"""The act of any dialect that looks for faces in a picture and decides nothing."""

NO_GROUP = Group(id="", name="", description="", count=0, capacity=None)
"""Reach of a key whose service has no group."""


def add_service_key(
    services: Services,
    tenant: Tenant,
    name: str,
    service: str,
    group: str = "",
    given_uuid: str | None = None,
) -> str:
    """Make a key of one of SERVICES, or take the UUID that is `given_uuid`, and return it.

    Raises InvalidInput, TooManyKeys, Busy.
    """
    return services.access.keys.add_service_key(
        tenant, name, service, SERVICES[service], group=group, given_secret=given_uuid
    )


def find_holder(
    services: Services, dialect: Dialect, service: str, secret: str, act: str
) -> Holder | None:
    """Return the owner of a key; None if there is none, the key is of another service, or its group
    is gone.

    `act`: the name of the call among the dialect's acts. Raises TooManyRequests.
    """
    try:
        tenant_and_key = services.access.keys.find_by_service_key(secret)
    except Unauthorized:
        return None
    return (
        None
        if tenant_and_key is None or tenant_and_key[1].service != service
        else use_key(services, dialect, *tenant_and_key, act)
    )


def use_key(
    services: Services, dialect: Dialect, tenant: Tenant, key: ApiKey, act: str
) -> Holder | None:
    """Return what a key may access now, and record its use; None if its tenant is disabled or its
    group is gone.

    The call counts against the key's rate, which is as high as that of v1's keys. Raises
    TooManyRequests.
    """
    if tenant.disabled:
        return None
    is_decision = dialect.acts.get(act) is Kind.DECISION or act == _DETECTS
    limit = services.access.rates.searches if is_decision else services.access.rates.requests
    limit.take(f"{tenant.name}#{key.id}")
    services.access.keys.note_use(tenant, key)
    group = services.groups.find_by_id(tenant, key.group) if key.group else NO_GROUP
    return None if group is None or group.id in tenant.gone else Holder(tenant, key, group)
