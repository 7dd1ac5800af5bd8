"""What a sighting that leaves makes of a face's arrivals, and so of its group. Reads nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chalicelib.core.model import STRANGER
from chalicelib.core.visits import Arrival, MigrationRule
from chalicelib.services.visits.face_visits import HeldFace
from chalicelib.services.visits.plan import VisitPlan, settled


def without_sighting(
    held: HeldFace, arrival: Arrival, remaining: Iterable[tuple[int, int]], now_ms: int, rule: MigrationRule
) -> VisitPlan:
    """`remaining`: (at_ms, gap_ms) of the other sightings of the `arrival` that it was in.

    A regular by promotion may be a stranger again; and since an arrival may fall into two, a stranger may have come
    often enough.
    """
    before = held.visits.arrivals
    arrivals = before.recounted(arrival, remaining)
    visits = replace(held.visits, arrivals=arrivals, regrouping=False)
    plan = settled(held.face.group_id, visits, now_ms, rule, held.groups)
    if held.face.group_id != STRANGER:
        return plan
    parts = [one for one in arrivals.recent if one not in before.recent]
    plans = [settled(STRANGER, visits, now_ms, rule, held.groups, part) for part in parts]
    promoted = [(one.visits.promotion.at_ms, one) for one in plans if one.visits.promotion is not None]
    return min(promoted, key=lambda entry: entry[0])[1] if promoted else plan
