"""Reads of a face's visits from their head and its pages (decision 0087)."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.core import keys
from chalicelib.core.ports import ItemStore
from chalicelib.core.records.observations import pages_from, visits_from
from chalicelib.core.visits import Visits


def visits_of(items: ItemStore, tenant: str, faceid: str) -> Visits:
    """Read a face's visits whole."""
    return with_pages(items, tenant, faceid, visits_from(items.get(keys.ARRIVALS, (tenant, faceid))))


def with_pages(items: ItemStore, tenant: str, faceid: str, visits: Visits) -> Visits:
    """Read what is missing to the visits of which the head was read."""
    if visits.is_whole:
        return visits
    keys_of_pages = ((tenant, keys.visits_page(faceid, start)) for start in visits.pages)
    return visits.with_pages(pages_from(items.get(keys.ARRIVALS, key) for key in keys_of_pages))


def visits_reaching(items: ItemStore, tenant: str, begins: Iterable[tuple[int, str]]) -> dict[str, Visits]:
    """Read visits by faceid, each so far back as the times, in ms, with its faceid among `begins` ask for."""
    earliest: dict[str, int] = {}
    for at_ms, faceid in begins:
        earliest[faceid] = min(at_ms, earliest.get(faceid, at_ms))
    found = items.get_many(keys.ARRIVALS, [(tenant, faceid) for faceid in earliest]) if earliest else []
    heads = {faceid: visits_from(item) for faceid, item in zip(earliest, found, strict=True)}
    return {
        faceid: head if head.reaches(earliest[faceid]) else with_pages(items, tenant, faceid, head)
        for faceid, head in heads.items()
    }
