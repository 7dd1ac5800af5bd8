import pytest
from chalice.app import Chalice

from chalicelib.api.dialects import SERVICES
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from tests.support.api.compreface.client import Client


@pytest.fixture
def keys(services: Services) -> dict[str, str]:
    """A tenant's three keys; that of recognition reaches the group `family`."""
    services.tenants.add("home", Profile.CLOUD, TenantSettings(deletes_erase=False))
    return made(services, "home", "family")


def made(services: Services, tenant_name: str, group_name: str) -> dict[str, str]:
    tenant = services.tenants.get_by_name(tenant_name)
    services.groups.create(tenant, group_name, None, "")
    group = services.groups.get_by_name(tenant, group_name)
    return {
        service: add_service_key(
            services, tenant, service, service, group.id if service == "recognition" else ""
        )
        for service in SERVICES
    }


@pytest.fixture
def home(app: Chalice, keys: dict[str, str]) -> Client:
    """A client of the recognition service."""
    return Client(app, keys["recognition"])


@pytest.fixture
def detection(home: Client, keys: dict[str, str]) -> Client:
    return home.with_key(keys["detection"])


@pytest.fixture
def verification(home: Client, keys: dict[str, str]) -> Client:
    return home.with_key(keys["verification"])
