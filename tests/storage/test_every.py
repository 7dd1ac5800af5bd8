from itertools import islice
from typing import Any

import pytest

from chalicelib.domain.errors import TenantNotFound
from chalicelib.storage.items import directory_of, walk_items
from chalicelib.storage.keys import DIRECTORY, TENANT_ITEM
from chalicelib.storage.ports import Delete, ItemStore, Page, Put
from tests.support.meanwhile import Around

SORTS = [f"{number:02}" for number in range(23)]


class CountedReads(Around):
    """The real item store, and how many pages were read from it."""

    pages = 0

    def query(self, *given: Any, **named: Any) -> Page:
        self.pages += 1
        return self._items.query(*given, **named)


@pytest.fixture
def counted(items: ItemStore, tenant: str) -> CountedReads:
    items.transact([Put(DIRECTORY, {"tenant": tenant, "item": sort}) for sort in SORTS])
    return CountedReads(items)


@pytest.mark.parametrize("page_size", [None, 1, 2, 7, 22, 23, 24])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_item_comes_once_and_in_order_whatever_the_size_of_a_page(
    counted: CountedReads, tenant: str, page_size: int | None, reverse: bool
) -> None:
    found = walk_items(counted, DIRECTORY, tenant, reverse=reverse, page_size=page_size)
    assert [item["item"] for item in found] == (SORTS[::-1] if reverse else SORTS)


def test_both_bounds_are_included_and_bounds_with_nothing_between_them_yield_nothing(
    counted: CountedReads, tenant: str
) -> None:
    def found(low: str, high: str) -> list[str]:
        return [
            item["item"]
            for item in walk_items(counted, DIRECTORY, tenant, between=(low, high), page_size=2)
        ]

    assert found("03", "09") == SORTS[3:10]
    assert found("09", "03") == found("031", "032") == []


def test_a_page_is_read_when_its_first_item_is_asked_for(
    counted: CountedReads, tenant: str
) -> None:
    found = walk_items(counted, DIRECTORY, tenant, page_size=5)
    assert counted.pages == 0
    assert len(list(islice(found, 5))) == 5
    assert counted.pages == 1
    next(found)
    assert counted.pages == 2


@pytest.mark.parametrize("page_size", [1, 4, None])
def test_items_that_are_deleted_as_they_come_cost_no_other_item(
    counted: CountedReads, tenant: str, page_size: int | None
) -> None:
    met = []
    for item in walk_items(counted, DIRECTORY, tenant, page_size=page_size):
        counted.transact([Delete(DIRECTORY, (tenant, item["item"]))])
        met.append(item["item"])
    assert met == SORTS


def test_the_directory_of_no_tenant_is_not_found(items: ItemStore, tenant: str) -> None:
    with pytest.raises(TenantNotFound, match=tenant):
        directory_of(items, tenant)
    items.transact([Put(DIRECTORY, {"tenant": tenant, "item": TENANT_ITEM, "seq": 3})])
    assert directory_of(items, tenant)["seq"] == 3
