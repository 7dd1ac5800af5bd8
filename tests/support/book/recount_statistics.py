"""The truth that statistics are held against: all raw observations, read again and counted in the
plainest way."""

from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.book.statistics.statistics import SplitBucket
from chalicelib.domain.local_time import Granularity, LocalTime
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    Observation,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.domain.rules.ended import choose_among, find_place, find_unit, is_first_in
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import ItemStore
from chalicelib.storage.records.observations import observation_from


def items_of(services: Services) -> ItemStore:
    return services.requests._items


def every_observation(items: ItemStore, tenant: Tenant, days: range) -> list[Observation]:
    """Newest first, of these UTC days, whatever calendar and summaries say."""
    found: list[Observation] = []
    for day in days:
        found += map(
            observation_from,
            walk_items(items, keys.OBSERVATIONS, keys.observations(tenant.name, day)),
        )
    return sorted(found, key=lambda one: (one.at, one.id), reverse=True)


def meant(
    observed: list[Observation], wanted: ObservationFilter, start: int, end: int
) -> list[Observation]:
    fits = [
        all(given in ("", has) for given, has in zip(wanted.labels, one.labels, strict=True))
        and wanted.group_name in (None, one.group_name)
        and wanted.faceid in (None, one.faceid)
        and wanted.kind in (None, one.kind)
        and wanted.camera in (None, one.camera)
        and start <= int(one.at.timestamp()) <= end
        for one in observed
    ]
    return [one for one, fit in zip(observed, fits, strict=True) if fit]


def arrivals_begun(observed: list[Observation]) -> list[Observation]:
    """The sightings, newest first, that no earlier one of the face reaches by its gap; of two at
    once the first id."""
    present_until: dict[str, datetime] = {}
    begun = []
    for one in sorted(observed, key=lambda one: (one.at, one.id)):
        if one.kind is ObservationKind.SIGHTING and one.gap_s:
            until = present_until.get(one.faceid)
            if until is None or one.at >= until:
                begun.append(one)
            present_until[one.faceid] = max(until or one.at, one.at + timedelta(seconds=one.gap_s))
    return begun[::-1]


def value_of(one: Observation, split: Split | None) -> str:
    match split:
        case None:
            return ""
        case Split.CAMERA:
            return one.camera
        case Split.GROUP:
            return one.group_name
        case Split.KIND:
            return one.kind
        case Split.GENDER:
            return one.estimates.gender or "unknown"
        case Split.AGE:
            return (
                "unknown" if one.estimates.age is None else str(round(one.estimates.age) // 10 * 10)
            )
    return one.labels["abcd".index(split[-1])]


def time_of(at: datetime, zone: str, granularity: Granularity, first_weekday: int = 0) -> str:
    local = at.astimezone(ZoneInfo(zone))
    while granularity is Granularity.WEEK and local.weekday() != first_weekday:
        local -= timedelta(days=1)
    return local.strftime(
        {Granularity.MONTH: "%Y%m", Granularity.HOUR: "%Y%m%d%H"}.get(granularity, "%Y%m%d")
    )


def recount(
    observed: list[Observation], zone: str, granularity: Granularity, *, distinct: bool
) -> dict[str, int]:
    split = split_recount(observed, zone, granularity, None, distinct=distinct)
    return {bucket.time: bucket.amounts[""] for bucket in split}


def counts_person(mark: str, granularity: Granularity, split: Split | None) -> bool:
    """Whether an erased person counts by this observation: erased people have one name a visit."""
    place = find_place(EVERYTHING, split)
    return is_first_in(
        mark, find_unit(LocalTime("UTC"), granularity), place, choose_among(EVERYTHING, split)
    )


def split_recount(
    observed: list[Observation],
    zone: str,
    granularity: Granularity,
    split: Split | None,
    *,
    distinct: bool,
) -> list[SplitBucket]:
    buckets: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in observed:
        if distinct and one.mark and not counts_person(one.mark, granularity, split):
            continue
        buckets[time_of(one.at, zone, granularity)][value_of(one, split)].append(one.faceid)
    return [
        SplitBucket(
            time, {value: len(set(ids) if distinct else ids) for value, ids in by_value.items()}
        )
        for time, by_value in sorted(buckets.items())
    ]
