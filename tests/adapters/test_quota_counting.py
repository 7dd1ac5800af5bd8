"""The one service whose exactness is a single conditional write: the same on every item store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chalicelib.core.model import Profile, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.services.access.quotas import Quotas
from tests.fakes import FakeClock


def test_a_quota_is_counted_alike_on_every_item_store(items: ItemStore, tenant: str, clock: FakeClock) -> None:
    shop = Tenant(tenant, Profile.CLOUD, "A", datetime(2026, 1, 1, tzinfo=UTC), "fake", requests_a_day=3)
    first, second = Quotas(items, clock), Quotas(items, clock)
    for _ in range(2):
        assert [quotas.take(shop) for quotas in (first, second) * 3] == [True] * 3 + [False] * 3
        clock.advance(timedelta(days=1))
