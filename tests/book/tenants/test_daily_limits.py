from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.daily_limits import MB, PARTS, DailyLimits
from chalicelib.bootstrap import build
from chalicelib.domain.errors import Busy
from chalicelib.domain.model import Profile, Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.ports import Action, Item, ItemStore, Page, Table
from tests.support.book.book_with import book_of, book_with
from tests.support.book.tenants import add_tenant
from tests.support.fakes import FakeClock, FakeVision

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def shop(services: Services) -> Tenant:
    return replace(add_tenant(services, "shop", Profile.CLOUD), requests_a_day=3)


def count_taken_requests(quotas: DailyLimits, tenant: Tenant, tries: int) -> int:
    return sum(quotas.take_request(tenant) for _ in range(tries))


def test_a_day_has_as_many_requests_as_the_quota_says(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    for _ in range(3):
        assert [services.daily_limits.take_request(shop) for _ in range(5)] == [True] * 3 + [
            False
        ] * 2
        clock.advance(timedelta(days=1))


@pytest.mark.shows("icredit", "A quota is of a day in the tenant's time zone.")
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Asia/Shanghai", (2026, 3, 2)),
        ("America/New_York", (2026, 3, 8)),
        ("Europe/Berlin", (2026, 10, 25)),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight_of_the_zone_daylight_saving_or_not(
    services: Services, shop: Tenant, clock: FakeClock, zone: str, day: tuple[int, int, int]
) -> None:
    there = replace(shop, time_zone=zone)
    midnight = datetime(*day, tzinfo=ZoneInfo(zone))
    clock.advance(midnight - clock.now())
    assert count_taken_requests(services.daily_limits, there, 5) == 3
    clock.advance(midnight + timedelta(days=1) - clock.now() - timedelta(seconds=1))
    assert count_taken_requests(services.daily_limits, there, 5) == 0
    clock.advance(timedelta(seconds=1))
    assert count_taken_requests(services.daily_limits, there, 5) == 3


def test_a_tenant_that_changes_its_time_zone_gets_no_day_twice(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    zones = (
        "Asia/Shanghai",
        "Europe/Berlin",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
        "Asia/Shanghai",
        "Europe/Berlin",
    )
    there = [replace(shop, time_zone=zone) for zone in zones]
    assert [count_taken_requests(services.daily_limits, one, 5) for one in there] == [
        3,
        0,
        3,
        0,
        0,
        0,
    ], "only Kiritimati has tomorrow"
    assert [services.daily_limits.read_requests_today(one) for one in there] == [3] * len(zones)
    clock.advance(timedelta(days=1))
    assert [count_taken_requests(services.daily_limits, one, 5) for one in there] == [
        0,
        0,
        3,
        0,
        0,
        0,
    ]


def test_tenants_are_counted_apart(services: Services, shop: Tenant) -> None:
    other = replace(add_tenant(services, "other", Profile.CLOUD), requests_a_day=1)
    assert (
        count_taken_requests(services.daily_limits, shop, 5),
        count_taken_requests(services.daily_limits, other, 5),
    ) == (3, 1)


def test_clocks_that_differ_at_midnight_count_one_day_and_not_two(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    midnight = datetime(2026, 3, 2, tzinfo=SHANGHAI)
    clock.advance(midnight - clock.now())
    slow = book_with(services, clock=FakeClock(midnight - timedelta(seconds=1))).daily_limits
    assert [
        services.daily_limits.take_request(shop),
        slow.take_request(shop),
        services.daily_limits.take_request(shop),
    ] == [True] * 3
    assert [services.daily_limits.take_request(shop), slow.take_request(shop)] == [False] * 2


def test_a_clock_that_was_far_ahead_is_forgotten(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    ahead = book_with(services, clock=FakeClock(clock.now() + timedelta(days=400))).daily_limits
    assert count_taken_requests(ahead, shop, 5) == 3
    assert count_taken_requests(services.daily_limits, shop, 5) == 3


def test_16_threads_in_two_processes_get_exactly_the_quota_also_as_a_day_begins(
    services: Services, shop: Tenant, clock: FakeClock, tmp_path: Path
) -> None:
    """Two item stores on one file are what two processes have."""
    vision = FakeVision()
    second = build(Settings(storage=tmp_path / "data"), clock=clock, vision=lambda: vision)
    busy = replace(shop, requests_a_day=100)
    for _ in range(3):
        with ThreadPoolExecutor(16) as pool:
            results = list(
                pool.map(
                    lambda n: (services, second)[n % 2].daily_limits.take_request(busy), range(160)
                )
            )
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
def watch_items(services: Services, clock: FakeClock) -> Iterator[tuple[Watched, DailyLimits]]:
    items = Watched(services.requests._items)
    yield items, book_with(services, items=items).daily_limits


def test_a_tenant_without_a_quota_costs_neither_a_read_nor_a_write(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    with watch_items(services, clock) as (items, quotas):
        assert count_taken_requests(quotas, replace(shop, requests_a_day=None), 5) == 5
        assert items.asked == 0
        assert quotas.take_request(shop)
        begun = items.asked
        assert quotas.take_request(shop)
        assert items.asked == begun + 1, "within a day, a request costs one write"


def test_storage_that_is_busy_is_asked_again_and_counts_once(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    with watch_items(services, clock) as (items, quotas):
        assert quotas.take_request(shop)
        items.refusals = 3
        assert quotas.take_request(shop)
    item = services.requests._items.get(keys.DIRECTORY, ("shop", keys.QUOTA_ITEM))
    assert item["balance"] == -2


def offerings(quotas: list[DailyLimits], tenant: Tenant, sizes: list[int]) -> int:
    """Offer the sizes in turns to the processes; return how many bytes were taken."""
    return sum(
        size
        for nth, size in enumerate(sizes)
        if quotas[nth % len(quotas)].take_capture_bytes(tenant, "door", size)
    )


@given(
    limit=st.integers(21, 400),
    sizes=st.lists(st.integers(64_000, 20 * MB), min_size=1, max_size=40),
    processes=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_a_camera_gets_never_more_than_its_limit_and_a_little_less_from_several_processes(
    limit: int, sizes: list[int], processes: int
) -> None:
    clock = FakeClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    shop = Tenant("shop", Profile.CLOUD, "A", clock.now(), "fake", capture_mb_a_day=limit)
    with (
        TemporaryDirectory() as folder,
        closing(SqliteItemStore(Path(folder) / "items.db", keys.TABLES)) as items,
    ):
        given_out = offerings(
            [book_of(items, clock).daily_limits for _ in range(processes)], shop, sizes
        )
    assert given_out <= limit * MB
    assert given_out == sum(sizes) or given_out > limit * MB * (1 - processes / PARTS) - max(sizes)


def test_bytes_are_counted_ahead_so_most_offers_cost_no_write(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    large = replace(shop, capture_mb_a_day=20_000)
    with watch_items(services, clock) as (items, quotas):
        assert quotas.take_capture_bytes(large, "door", 150_000)
        begun = items.asked
        assert all(quotas.take_capture_bytes(large, "door", 150_000) for _ in range(132))
        assert items.asked == begun
        clock.advance(timedelta(days=1))
        assert quotas.take_capture_bytes(large, "door", 150_000)
        assert items.asked > begun, "another day has a count of its own"
        asked = items.asked
        assert not quotas.take_capture_bytes(replace(large, capture_mb_a_day=10), "door", 11 * MB)
        assert items.asked > asked, "a changed limit holds at once"
