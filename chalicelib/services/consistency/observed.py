"""All observations of a tenant, by UTC day, whatever the calendar says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.items import every
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import Tenant
from chalicelib.core.observations import Observation
from chalicelib.core.ports import Clock, ItemStore
from chalicelib.core.records.observations import observation_from
from chalicelib.core.values import milliseconds
from chalicelib.services.statistics.calendar import Calendar
from chalicelib.services.statistics.days import STORABLE


def every_observation(items: ItemStore, clock: Clock, tenant: Tenant) -> Iterator[tuple[int, list[Observation]]]:
    """Yield each UTC day that has observations, counted from 1970, with its observations, oldest first.

    Days are looked for one by one from the day on which the tenant was made until tomorrow, since no read finds all
    that there are. Earlier ones, of captures that a camera had kept, are found if the calendar names them.
    """
    first, last = tenant.created_at, clock.now() + timedelta(days=1)
    days = {*range(milliseconds(first) // DAY_MS, milliseconds(last) // DAY_MS + 1)}
    days.update(Calendar(items).read(tenant.name, STORABLE.utc_days).within(STORABLE.utc_days))
    for day in sorted(days):
        stored = every(items, keys.OBSERVATIONS, keys.observations(tenant.name, day))
        found = list(map(observation_from, stored))
        if found:
            yield day, found
