"""All observations of a tenant, day by day, for checks that recount them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import Observation
from chalicelib.domain.rules.ended import Among, Unit, is_first_in
from chalicelib.storage.items import observed_on
from chalicelib.storage.records.observations import STORABLE, observation_from
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services


def read_observations_by_day(
    book: Services, tenant: Tenant
) -> Iterator[tuple[int, list[Observation]]]:
    """Yield each UTC day that has observations, counted from 1970, with its observations, oldest
    first.

    Days are looked for one by one from the day on which the tenant was made until tomorrow, since
    no read finds all that there are. Earlier ones, of captures that a camera had kept, are found if
    the calendar names them.
    """
    first_day = milliseconds(tenant.created_at) // DAY_MS
    tomorrow = milliseconds(book.clock.now() + timedelta(days=1)) // DAY_MS
    days = {*range(first_day, tomorrow + 1)}
    days.update(
        book.statistics.calendar.read_days(tenant.name, STORABLE.utc_days).list_within(
            STORABLE.utc_days
        )
    )
    for day in sorted(days):
        if observations := list(map(observation_from, observed_on(book.items, tenant.name, day))):
            yield day, observations


_EVERYBODY = 0
"""The place in a mark for people whatever their values are."""


def counts_hour(text: str) -> bool:
    """Return whether an observation counts its person in its hour: without a mark it does."""
    return not text or is_first_in(text, Unit.HOUR, _EVERYBODY, Among.ALL)
