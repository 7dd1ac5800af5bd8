"""A tenant of a book."""

from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services

OLD_SETTINGS = TenantSettings(deletes_erase=False, feelings=True)
"""Of a tenant that sees every estimate, and whose deletions are no erasures."""


def add_tenant(services: Services, name: str, profile: Profile) -> Tenant:
    credentials = services.tenants.add(name, profile, OLD_SETTINGS)
    found = services.tenants.find_by_app_id(credentials.app_id)
    return found[0]
