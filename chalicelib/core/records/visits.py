"""A face's visits to an item and back."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.ports import Item
from chalicelib.core.values import known, optional
from chalicelib.core.visits import Arrivals, MigrationRule, Promotion, Visits


def visits_item(tenant: str, faceid: str, visits: Visits) -> Item:
    arrivals, promotion = visits.arrivals, visits.promotion
    fields = {
        "tenant": tenant,
        "faceid": faceid,
        "recent": arrivals.packed(),
        "folded": arrivals.folded,
        "folded_sightings": arrivals.folded_sightings,
        "version": visits.version,
        "promotion": promotion and [promotion.at_ms, promotion.rule.arrive_times, promotion.rule.period_ms],
        "regrouping": visits.regrouping or None,
    }
    return known(fields)


def visits_from(item: Item | None) -> Visits:
    """Read a face's visits; None: the face has no item, since it never arrived."""
    if item is None:
        return Visits()
    return Visits(
        Arrivals.unpacked(bytes(item["recent"]), int(item["folded"]), int(item["folded_sightings"])),
        optional(_promotion, item.get("promotion")),
        bool(item.get("regrouping", False)),
        int(item["version"]),
    )


def _promotion(item: Sequence[int]) -> Promotion:
    at_ms, arrive_times, period_ms = map(int, item)
    return Promotion(at_ms, MigrationRule(arrive_times, period_ms))
