"""A tenant of a book."""

from typing import Any

from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.tenant_settings import KEEP, TenantSettings
from chalicelib.services import Services

CHOICE: dict[str, Any] = {
    "strangers": KEEP,
    "basis": "explicit consent",
    "strangers_decided_by": "Eva Lee",
}
"""The choice of a tenant that keeps strangers, as most tests and benches need: a new one forgets
them until somebody chooses."""

KEEPING = TenantSettings(**CHOICE)

OLD_SETTINGS = TenantSettings(**CHOICE, deletes_erase=False, feelings=True)
"""Of a tenant that sees every estimate, and whose deletions are no erasures."""


def add_tenant(services: Services, name: str, profile: Profile) -> Tenant:
    credentials = services.tenants.add(name, profile, OLD_SETTINGS)
    found = services.tenants.find_by_app_id(credentials.app_id)
    return found[0]
