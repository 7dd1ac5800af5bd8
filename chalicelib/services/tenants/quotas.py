"""Daily quotas of requests. Requests are counted one by one and exactly, even if many arrive at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Action, Clock, Item, ItemStore, Put, Update, absent, at_least, equals
from chalicelib.services.commit.transaction import attempts, write

_SAME_ZONE = "same-zone"
_SAME_DAY = "same-day"
_IN_QUOTA = "in-quota"
_NOT_BEGUN = "day-not-begun"


class Quotas:
    """The counts of requests. A tenant has one item: the day, its time zone, and a `balance` that falls from 0.

    The balance falls because the item store can only compare with "at least". The quota itself is not in the item, so a
    changed quota holds at once. A tenant without a quota costs neither a read nor a write.
    """

    def __init__(self, items: ItemStore, clock: Clock) -> None:
        self._items = items
        self._clock = clock

    def take(self, tenant: Tenant) -> bool:
        """Count one request for today, in the tenant's time zone. If today's quota is used up, return False.

        Raises Busy, StorageUnavailable. The request may be counted then, so a tenant never gets more than its quota.
        """
        if tenant.requests_a_day is None:
            return True
        day = _day(tenant, self._clock.now())
        for _ in attempts():
            try:
                write(self._items, [_counted(tenant, day, tenant.requests_a_day)])
                return True
            except ConditionFailed as error:
                if error.names == {_IN_QUOTA}:
                    return False
            day = self._began(tenant)
        raise Busy("many requests of this tenant arrive as its day begins: send this one again in a moment")

    def _began(self, tenant: Tenant) -> str:
        """Begin today's count and return the day: today, or tomorrow if a process with a fast clock has begun that."""
        item = self._items.get(keys.DIRECTORY, _key(tenant))
        now = self._clock.now()
        today, tomorrow = _day(tenant, now), _day(tenant, now + timedelta(days=1))
        if item is not None and item["zone"] == tenant.time_zone and item["day"] in (today, tomorrow):
            return str(item["day"])
        with suppress(ConditionFailed):  # another request began it: the next try sees which day
            write(self._items, [_fresh(tenant, today, item)])
        return today


def _key(tenant: Tenant) -> tuple[str, str]:
    return tenant.name, keys.QUOTA_ITEM


def _day(tenant: Tenant, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(tenant.time_zone)):%Y%m%d}"


def _counted(tenant: Tenant, day: str, quota: int) -> Action:
    conditions = (
        equals("zone", tenant.time_zone, _SAME_ZONE),
        equals("day", day, _SAME_DAY),
        at_least("balance", 1 - quota, _IN_QUOTA),
    )
    return Update(keys.DIRECTORY, _key(tenant), conditions, add={"balance": -1})


def _fresh(tenant: Tenant, day: str, old: Item | None) -> Action:
    """Return the write that begins a day's count at 0, on condition that `old` is still stored (None: nothing is)."""
    item: Item = {
        "tenant": tenant.name,
        "item": keys.QUOTA_ITEM,
        "zone": tenant.time_zone,
        "day": day,
        "balance": 0,
    }
    if old is None:
        return Put(keys.DIRECTORY, item, (absent(_NOT_BEGUN),))
    unchanged = (equals("zone", old["zone"], _SAME_ZONE), equals("day", old["day"], _SAME_DAY))
    return Put(keys.DIRECTORY, item, unchanged)
