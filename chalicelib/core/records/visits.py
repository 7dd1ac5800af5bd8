"""A face's visits to an item and back."""

from __future__ import annotations

from typing import Any

from chalicelib.core.ports import Item
from chalicelib.core.visits import Arrivals, MigrationRule, Promotion, Visits


def visits_item(tenant: str, faceid: str, visits: Visits) -> Item:
    arrivals, promotion = visits.arrivals, visits.promotion
    item: dict[str, Any] = {
        "tenant": tenant,
        "faceid": faceid,
        "recent": arrivals.packed(),
        "folded": arrivals.folded,
        "folded_sightings": arrivals.folded_sightings,
        "version": visits.version,
    }
    if promotion is not None:
        item["promotion"] = [promotion.at_ms, promotion.rule.arrive_times, promotion.rule.period_ms]
    if visits.regrouping:
        item["regrouping"] = True
    return item


def visits_from(item: Item | None) -> Visits:
    """Read a face's visits; None: the face has no item, since it never arrived."""
    if item is None:
        return Visits()
    promotion = item.get("promotion")
    return Visits(
        Arrivals.unpacked(bytes(item["recent"]), int(item["folded"]), int(item["folded_sightings"])),
        None if promotion is None else _promotion(*(int(number) for number in promotion)),
        bool(item.get("regrouping", False)),
        int(item["version"]),
    )


def _promotion(at_ms: int, arrive_times: int, period_ms: int) -> Promotion:
    return Promotion(at_ms, MigrationRule(arrive_times, period_ms))
