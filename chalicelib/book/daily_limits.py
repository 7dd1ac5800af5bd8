"""Daily quotas of a tenant's requests, and of a camera's captures.

A quota limits a tenant's requests with the AppCode, or the bytes of a camera's captures. Requests
are counted exactly, even if many arrive at once. A process reserves bytes ahead, a part of the
limit at once, so most offers cost no write. Bytes may be counted twice if storage's answer to their
count is lost. So a camera never gets more than its limit, and up to a thousandth less for each
process of the day. The dialect answers a request over the quota, book/captures an offer.
"""

from __future__ import annotations

import math
import threading
from datetime import datetime, timedelta
from datetime import time as clock_time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chalicelib.domain.errors import Busy, ConditionFailed
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import count_attempts, write, write_unless_changed
from chalicelib.storage.ports import Action, Item, Put, Update, absent, at_least, equals

if TYPE_CHECKING:
    from chalicelib.book.book import Book


MB = 1_000_000
"""Bytes in the MB of a tenant's settings."""


PARTS = 1_000
"""Parts of a camera's limit that a process counts ahead, one at a time. What it has not given out
when it ends, or when the day does, is lost."""


_SAME_DAY = "same-day"


_IN_QUOTA = "in-quota"


_NOT_BEGUN = "day-not-begun"


_DAYS_AHEAD = 2
"""Days by which a count may be ahead of today: so far dates differ between the zones that a tenant
may choose."""


class DailyLimits(Service["Book"]):
    """The counts. Each has one item: the day, and a `balance` that falls from 0.

    The balance falls because the item store can only compare with "at least". The quota itself is
    not in the item, so a changed quota holds at once. Without a quota, a count costs neither a read
    nor a write. A tenant may change its time zone; so that it gets no day twice, the day of a count
    does not go back.
    """

    def __init__(self, services: Book) -> None:
        super().__init__(services)
        self._lock = threading.Lock()
        self._ahead: dict[tuple[str, str], tuple[tuple[str, int], int]] = {}
        """By tenant and count: the day and the limit for which bytes were counted ahead, and how
        many are left."""

    def take_request(self, tenant: Tenant) -> bool:
        """Count one request for today, in the tenant's time zone.

        If today's quota is used up, return False.

        Raises Busy, StorageUnavailable. The request may be counted then, so a tenant never gets
        more than its quota.
        """
        return self._take_amount(tenant, keys.QUOTA_ITEM, 1, tenant.requests_a_day)

    def read_requests_today(self, tenant: Tenant) -> int | None:
        """Return how many requests of today were counted; None if they are not, since there is no
        quota."""
        if tenant.requests_a_day is None:
            return None
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.QUOTA_ITEM))
        is_of_today = item is not None and item["day"] in self._list_days(tenant)
        return -int(item["balance"]) if item is not None and is_of_today else 0

    def take_capture_bytes(self, tenant: Tenant, camera_id: str, size: int) -> bool:
        """Count `size` bytes of captures that a camera offers today.

        If they are more than is left, return False.

        Raises Busy, StorageUnavailable.
        """
        if tenant.capture_mb_a_day is None:
            return True
        quota, counter_id = tenant.capture_mb_a_day * MB, keys.camera_quota_item(camera_id)
        counter_key = (tenant.name, counter_id)
        day_and_quota = (_day_of(tenant, self.services.clock.now()), quota)
        if self._take_ahead(counter_key, day_and_quota, size):
            return True
        part_bytes = quota // PARTS
        if part_bytes > size and self._take_amount(
            tenant, counter_id, part_bytes, quota, repeatable=True
        ):
            # It keeps what this capture leaves of the part.
            return self._take_ahead(counter_key, day_and_quota, size - part_bytes)
        return self._take_amount(tenant, counter_id, size, quota, repeatable=True)

    def _take_ahead(
        self, counter_key: tuple[str, str], day_and_quota: tuple[str, int], size: int
    ) -> bool:
        """Take `size` bytes from those that were counted ahead (below 0: add them); return whether
        there are enough.

        What was counted ahead on another day, or for another quota, is lost.
        """
        with self._lock:
            counted_for, remaining_bytes = self._ahead.get(counter_key, (day_and_quota, 0))
            remaining_bytes = remaining_bytes - size if counted_for == day_and_quota else -size
            if remaining_bytes >= 0:
                self._ahead[counter_key] = day_and_quota, remaining_bytes
            return remaining_bytes >= 0

    def seconds_until_day_ends(self, tenant: Tenant) -> int:
        """Return the number of seconds until the tenant's next day."""
        now, zone = self.services.clock.now(), ZoneInfo(tenant.time_zone)
        midnight = datetime.combine(
            now.astimezone(zone).date() + timedelta(days=1), clock_time.min, zone
        )
        return math.ceil(midnight.timestamp() - now.timestamp())

    def _take_amount(
        self,
        tenant: Tenant,
        counter_id: str,
        amount: int,
        quota: int | None,
        *,
        repeatable: bool = False,
    ) -> bool:
        """Count an amount for today in the item `counter_id`.

        If it would be more than the quota, return False.
        """
        if quota is None:
            return True
        day = _day_of(tenant, self.services.clock.now())
        for _ in count_attempts():
            try:
                write(
                    self.services.items,
                    [
                        _count_update(
                            tenant, counter_id, day, amount, quota=quota, repeatable=repeatable
                        )
                    ],
                )
                return True
            except ConditionFailed as error:
                if error.names == {_IN_QUOTA}:
                    return False
            day = self._begin_day(tenant, counter_id)
        raise Busy(
            "many requests of this tenant arrive as its day begins: send this one again in a moment"
        )

    def _begin_day(self, tenant: Tenant, counter_id: str) -> str:
        """Begin today's count and return the day: today, or a later one if a fast clock or another
        zone began that."""
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, counter_id))
        days = self._list_days(tenant)
        if item is not None and item["day"] in days:
            return str(item["day"])
        # another request began it: the next try sees which day
        write_unless_changed(
            self.services.items, [_make_first_count(tenant, counter_id, days[0], item)]
        )
        return days[0]

    def _list_days(self, tenant: Tenant) -> list[str]:
        """Return today and the days that a count may be ahead of it."""
        now = self.services.clock.now()
        return [_day_of(tenant, now + timedelta(days=ahead)) for ahead in range(_DAYS_AHEAD + 1)]


def _day_of(tenant: Tenant, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(tenant.time_zone)):%Y%m%d}"


def _count_update(
    tenant: Tenant, counter_id: str, day: str, amount: int, *, quota: int, repeatable: bool
) -> Action:
    conditions = (
        equals("day", day, _SAME_DAY),
        at_least("balance", amount - quota, _IN_QUOTA),
    )
    return Update(
        keys.DIRECTORY,
        (tenant.name, counter_id),
        conditions,
        add={"balance": -amount},
        repeatable=repeatable,
    )


def _make_first_count(tenant: Tenant, counter_id: str, day: str, old_item: Item | None) -> Action:
    """Return the write that begins a day's count, on condition that `old_item` is still stored
    (None: nothing is)."""
    item: Item = {
        "tenant": tenant.name,
        "item": counter_id,
        "day": day,
        "balance": 0,
    }
    if old_item is None:
        return Put(keys.DIRECTORY, item, (absent(_NOT_BEGUN),))
    return Put(keys.DIRECTORY, item, (equals("day", old_item["day"], _SAME_DAY),))
