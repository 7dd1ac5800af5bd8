from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.bootstrap import build
from chalicelib.core import keys
from chalicelib.core.errors import Busy, InvalidInput, TenantNotFound
from chalicelib.core.model import Profile, Tenant
from chalicelib.core.ports import Action, Item, ItemStore, Page, Table
from chalicelib.services import Services
from chalicelib.services.tenants.quotas import Quotas
from chalicelib.settings import Settings
from tests.fakes import FakeClock, FakeVision
from tests.services.conftest import add_tenant

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def shop(services: Services) -> Tenant:
    return replace(add_tenant(services, "shop", Profile.CLOUD), requests_a_day=3)


def taken(quotas: Quotas, tenant: Tenant, tries: int) -> int:
    return sum(quotas.take(tenant) for _ in range(tries))


def test_a_day_has_as_many_requests_as_the_quota_says(services: Services, shop: Tenant, clock: FakeClock) -> None:
    for _ in range(3):
        assert [services.quotas.take(shop) for _ in range(5)] == [True] * 3 + [False] * 2
        clock.advance(timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Asia/Shanghai", (2026, 3, 2)), ("America/New_York", (2026, 3, 8)), ("Europe/Berlin", (2026, 10, 25))],
)
def test_a_day_lasts_from_midnight_to_midnight_of_the_zone_daylight_saving_or_not(
    services: Services, shop: Tenant, clock: FakeClock, zone: str, day: tuple[int, int, int]
) -> None:
    there = replace(shop, time_zone=zone)
    midnight = datetime(*day, tzinfo=ZoneInfo(zone))
    clock.advance(midnight - clock.now())
    assert taken(services.quotas, there, 5) == 3
    clock.advance(midnight + timedelta(days=1) - clock.now() - timedelta(seconds=1))
    assert taken(services.quotas, there, 5) == 0
    clock.advance(timedelta(seconds=1))
    assert taken(services.quotas, there, 5) == 3


def test_a_tenant_that_changes_its_time_zone_gets_no_day_twice(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    zones = ("Asia/Shanghai", "Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Shanghai", "Europe/Berlin")
    there = [replace(shop, time_zone=zone) for zone in zones]
    assert [taken(services.quotas, one, 5) for one in there] == [3, 0, 3, 0, 0, 0], "only Kiritimati has tomorrow"
    assert [services.quotas.used(one) for one in there] == [3] * len(zones)
    clock.advance(timedelta(days=1))
    assert [taken(services.quotas, one, 5) for one in there] == [0, 0, 3, 0, 0, 0]


def test_tenants_are_counted_apart(services: Services, shop: Tenant) -> None:
    other = replace(add_tenant(services, "other", Profile.CLOUD), requests_a_day=1)
    assert (taken(services.quotas, shop, 5), taken(services.quotas, other, 5)) == (3, 1)


def test_clocks_that_differ_at_midnight_count_one_day_and_not_two(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    midnight = datetime(2026, 3, 2, tzinfo=SHANGHAI)
    clock.advance(midnight - clock.now())
    slow = Quotas(services.requests._items, FakeClock(midnight - timedelta(seconds=1)))
    assert [services.quotas.take(shop), slow.take(shop), services.quotas.take(shop)] == [True] * 3
    assert [services.quotas.take(shop), slow.take(shop)] == [False] * 2


def test_a_clock_that_was_far_ahead_is_forgotten(services: Services, shop: Tenant, clock: FakeClock) -> None:
    ahead = Quotas(services.requests._items, FakeClock(clock.now() + timedelta(days=400)))
    assert taken(ahead, shop, 5) == 3
    assert taken(services.quotas, shop, 5) == 3


def test_16_threads_in_two_processes_get_exactly_the_quota_also_as_a_day_begins(
    services: Services, shop: Tenant, clock: FakeClock, tmp_path: Path
) -> None:
    """Two item stores on one file are what two processes have."""
    vision = FakeVision()
    second = build(Settings(storage=tmp_path / "data"), clock=clock, vision=lambda: vision)
    busy = replace(shop, requests_a_day=100)
    for _ in range(3):
        with ThreadPoolExecutor(16) as pool:
            results = list(pool.map(lambda n: (services, second)[n % 2].quotas.take(busy), range(160)))
        assert sum(results) == 100
        clock.advance(timedelta(days=1))
    second.close()


class Watched:
    """An item store that remembers what was asked of it, and refuses as often as it is told."""

    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self.asked = 0
        self.refusals = 0

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        self.asked += 1
        return self._items.get(table, key)

    def transact(self, actions: list[Action]) -> None:
        self.asked += 1
        if self.refusals:
            self.refusals -= 1
            raise Busy("throttled")
        self._items.transact(actions)

    def query(self, *args: object, **named: object) -> Page:
        raise AssertionError("a quota needs no query")


@contextmanager
def watched(services: Services, clock: FakeClock) -> Iterator[tuple[Watched, Quotas]]:
    items = Watched(services.requests._items)
    yield items, Quotas(items, clock)  # type: ignore[arg-type]


def test_a_tenant_without_a_quota_costs_neither_a_read_nor_a_write(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    with watched(services, clock) as (items, quotas):
        assert taken(quotas, replace(shop, requests_a_day=None), 5) == 5
        assert items.asked == 0
        assert quotas.take(shop)
        begun = items.asked
        assert quotas.take(shop)
        assert items.asked == begun + 1, "within a day, a request costs one write"


def test_storage_that_is_busy_is_asked_again_and_counts_once(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    with watched(services, clock) as (items, quotas):
        assert quotas.take(shop)
        items.refusals = 3
        assert quotas.take(shop)
    item = services.requests._items.get(keys.DIRECTORY, ("shop", keys.QUOTA_ITEM))
    assert item is not None
    assert item["balance"] == -2


def test_a_quota_is_set_changed_and_taken_away(services: Services, shop: Tenant) -> None:
    def quota() -> int | None:
        return next(one for one in services.tenants.all() if one.name == "shop").requests_a_day

    assert quota() is None
    for requests_a_day in (5, 1, None):
        services.tenants.change("shop", {"requests_a_day": requests_a_day})
        assert quota() == requests_a_day
    for wrong in (0, -1):
        with pytest.raises(InvalidInput, match="at least 1"):
            services.tenants.change("shop", {"requests_a_day": wrong})
    with pytest.raises(TenantNotFound):
        services.tenants.change("nobody", {"requests_a_day": 1})


def test_a_time_zone_is_changed_to_one_that_there_is(services: Services, shop: Tenant) -> None:
    services.tenants.change("shop", {"time_zone": "Europe/Berlin"})
    assert next(one for one in services.tenants.all() if one.name == "shop").time_zone == "Europe/Berlin"
    with pytest.raises(InvalidInput, match="Mars"):
        services.tenants.change("shop", {"time_zone": "Mars"})
