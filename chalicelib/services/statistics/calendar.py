"""The calendar of a tenant: the UTC days that hold observations, and how many of each day's were written late.

It has one item a UTC month. So a century without observations costs nothing to skip, and a year's late counts are 12
items to read.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.errors import Busy
from chalicelib.core.items import attempts, every, write_unless_changed
from chalicelib.core.ports import Check, Condition, Item, ItemStore, Put, Update, absent, equals, exists

LATE_SAME = "late-same"
"""Name of the condition that no late observation has come."""

_KNOWN = 10_000


@dataclass(frozen=True)
class ObservedDays:
    """A tenant's calendar as it was read: items by month. Days are counted from 1970, UTC."""

    tenant: str
    months: Mapping[str, Item]

    def __contains__(self, day: int) -> bool:
        return keys.calendar_field(day) in self.months.get(keys.calendar_month(day), {})

    def late(self, days: Iterable[int]) -> tuple[int, ...]:
        """Return how many observations of each day were late; 0 for a day without observations."""
        return tuple(
            int(self.months.get(keys.calendar_month(day), {}).get(keys.calendar_field(day), 0)) for day in days
        )

    def within(self, days: range) -> list[int]:
        """Return those of these days that hold observations, ascending."""
        named = (keys.calendar_day(month, field) for month, item in self.months.items() for field in _fields(item))
        return sorted(day for day in named if day in days)

    def unmoved(self, days: Iterable[int]) -> list[Check]:
        """Return checks that hold while the late counts of these days are as they were read (condition LATE_SAME)."""
        when: dict[str, list[Condition]] = defaultdict(list)
        for day in days:
            month = keys.calendar_month(day)
            if month in self.months:
                field = keys.calendar_field(day)
                when[month].append(equals(field, self.months[month].get(field), LATE_SAME))
            else:
                when[month] = [absent(LATE_SAME)]
        partition = keys.calendar(self.tenant)
        return [Check(keys.SUMMARIES, (partition, month), tuple(conditions)) for month, conditions in when.items()]


class Calendar:
    def __init__(self, items: ItemStore) -> None:
        self._items = items
        self._known: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def read(self, tenant: str, days: range) -> ObservedDays:
        """Read the months of these UTC days. Only months with observations are stored."""
        low, high = keys.calendar_month(days[0]), keys.calendar_month(days[-1])
        months = every(self._items, keys.SUMMARIES, keys.calendar(tenant), low=low, high=high)
        return ObservedDays(tenant, {item["day"]: item for item in months})

    def include(self, tenant: str, days: Iterable[int]) -> None:
        """Put these days into the calendar. Call it before an observation of them is written.

        A crash in between leaves a day without observations, which costs one read. A process remembers the days that
        are there, so it reads the calendar once for each of them. Raises Busy.
        """
        for day in days:
            if (tenant, day) not in self._known:
                if not any(self._included(tenant, day) for _ in attempts()):
                    raise Busy("the calendar is changed by others all the time: send the request again in a moment")
                with self._lock:
                    self._known = {(tenant, day)} if len(self._known) > _KNOWN else self._known | {(tenant, day)}

    def late(self, tenant: str, days: Iterable[int]) -> list[Update]:
        """Return the updates that count a late observation for each of these days, which are in the calendar.

        A day that is named twice counts twice.
        """
        added: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for day in days:
            added[keys.calendar_month(day)][keys.calendar_field(day)] += 1
        there = (exists("calendar-exists"),)
        partition = keys.calendar(tenant)
        return [Update(keys.SUMMARIES, (partition, month), there, add=dict(late)) for month, late in added.items()]

    def _included(self, tenant: str, day: int) -> bool:
        """Put one day into the calendar; return False if another process changed the month meanwhile."""
        key, field = (keys.calendar(tenant), keys.calendar_month(day)), keys.calendar_field(day)
        item = self._items.get(keys.SUMMARIES, key)
        if item is not None and field in item:
            return True
        action: Put | Update = Put(
            keys.SUMMARIES, {"tenant_zone": key[0], "day": key[1], field: 0}, (absent("month-free"),)
        )
        if item is not None:
            action = Update(keys.SUMMARIES, key, (equals(field, None, "day-free"),), set={field: 0})
        return write_unless_changed(self._items, [action])


def _fields(item: Item) -> list[str]:
    return [name for name in item if name not in ("tenant_zone", "day")]
