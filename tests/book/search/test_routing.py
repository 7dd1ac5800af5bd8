from dataclasses import dataclass, field

import numpy as np
import pytest

from chalicelib.book.search.routing import COUNT_REMEMBERED_S, NearSearch
from chalicelib.domain.model import STRANGER, Profile, Tenant
from chalicelib.domain.rules.decision import SearchAnswer, SearchRequest
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from tests.support.book.tenants import add_tenant


@pytest.fixture
def tenant(services: Services) -> Tenant:
    return add_tenant(services, "cloud", Profile.CLOUD)


MOST = 100
WHOLE = SearchRequest("m", np.zeros((1, 4), np.float32))
IN_A_GROUP = SearchRequest("m", np.zeros((1, 4), np.float32), ["staff"])


@dataclass
class Asked:
    """A search that finds nobody, and counts."""

    times: int = 0

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        self.times += 1
        return SearchAnswer(1, 0, ((),))


@dataclass
class Both:
    services: Services
    tenant: Tenant
    most: int = MOST
    now: float = 0.0
    near: Asked = field(default_factory=Asked)
    far: Asked = field(default_factory=Asked)

    def __post_init__(self) -> None:
        items = self.services.requests._items
        self.search = NearSearch(lambda: self.near, self.far, items, self.most, lambda: self.now)

    def has(self, faces: int) -> None:
        """Make the tenant's groups count so many faces."""
        place = (self.tenant.name, keys.group_item(STRANGER))
        there = (exists("group"),)
        self.services.requests._items.transact(
            [Update(keys.DIRECTORY, place, there, set={"count": faces})]
        )

    def places(self, *requests: SearchRequest) -> str:
        """Search, and say of each request whether that was near or far."""
        said = ""
        for request in requests:
            before = self.near.times
            self.search.search(self.tenant.name, request)
            said += "n" if self.near.times > before else "f"
        return said


def test_a_small_gallery_is_searched_here_whatever_is_asked_of_it(
    services: Services, tenant: Tenant
) -> None:
    both = Both(services, tenant)
    both.has(MOST)
    assert both.places(WHOLE, IN_A_GROUP) == "nn"


def test_a_large_gallery_is_searched_by_the_function_whatever_is_asked_of_it(
    services: Services, tenant: Tenant
) -> None:
    both = Both(services, tenant)
    both.has(MOST + 1)
    assert both.places(WHOLE, IN_A_GROUP) == "ff"


def test_the_faces_are_counted_again_after_a_quarter_of_an_hour(
    services: Services, tenant: Tenant
) -> None:
    both = Both(services, tenant)
    both.has(MOST)
    assert both.places(WHOLE) == "n"
    both.has(MOST + 1)
    both.now = COUNT_REMEMBERED_S - 1
    assert both.places(WHOLE) == "n"
    both.now = COUNT_REMEMBERED_S
    assert both.places(WHOLE) == "f"


def test_a_limit_of_none_searches_everything_by_the_function(
    services: Services, tenant: Tenant
) -> None:
    assert Both(services, tenant, most=0).places(WHOLE, WHOLE) == "ff"
