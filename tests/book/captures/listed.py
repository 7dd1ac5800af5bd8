"""The captures of a camera as they are stored."""

from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.support.book.recount_statistics import items_of


def written(services: Services, tenant: Tenant, camera: str = "door") -> list[str]:
    page = items_of(services).query(keys.CAPTURES, keys.captures(tenant.name, camera))
    return [item["capture"] for item in page.items]
