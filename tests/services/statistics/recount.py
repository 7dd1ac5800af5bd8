"""The truth that statistics are held against: all raw observations, read again and counted in the plainest way."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.core import keys
from chalicelib.core.items import every
from chalicelib.core.local_time import Granularity
from chalicelib.core.model import Tenant
from chalicelib.core.observations import Observation, ObservationFilter
from chalicelib.core.ports import ItemStore
from chalicelib.core.records.observations import observation_from
from chalicelib.services import Services
from chalicelib.services.statistics.amounts import Bucket


def items_of(services: Services) -> ItemStore:
    return services.requests._items


def every_observation(items: ItemStore, tenant: Tenant, days: range) -> list[Observation]:
    """Newest first, of these UTC days, whatever calendar and summaries say."""
    found: list[Observation] = []
    for day in days:
        found += map(observation_from, every(items, keys.OBSERVATIONS, keys.observations(tenant.name, day)))
    return sorted(found, key=lambda one: (one.at, one.id), reverse=True)


def meant(observed: list[Observation], wanted: ObservationFilter, start: int, end: int) -> list[Observation]:
    fits = [
        all(given in ("", has) for given, has in zip(wanted.labels, one.labels, strict=True))
        and wanted.group_name in (None, one.group_name)
        and wanted.faceid in (None, one.faceid)
        and start <= int(one.at.timestamp()) <= end
        for one in observed
    ]
    return [one for one, fit in zip(observed, fits, strict=True) if fit]


def time_of(at: datetime, zone: str, granularity: Granularity) -> str:
    local = at.astimezone(ZoneInfo(zone))
    if granularity is Granularity.WEEK:
        local -= timedelta(days=local.weekday())
    return local.strftime({Granularity.MONTH: "%Y%m", Granularity.HOUR: "%Y%m%d%H"}.get(granularity, "%Y%m%d"))


def recount(observed: list[Observation], zone: str, granularity: Granularity, *, distinct: bool) -> list[Bucket]:
    buckets: dict[str, list[str]] = defaultdict(list)
    for one in observed:
        buckets[time_of(one.at, zone, granularity)].append(one.faceid)
    return [Bucket(time, len(set(ids) if distinct else ids)) for time, ids in sorted(buckets.items())]
