"""The effect of one more sighting on a face's arrivals and group. Nothing here reads or changes storage."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import REGULAR, STRANGER, Group, Migration
from chalicelib.core.visits import Arrival, MigrationRule, Visits
from chalicelib.services.groups.groups import DefaultGroups


@dataclass(frozen=True)
class VisitPlan:
    """A face's new visits. `group_id`: the group that it is in then. `refused`: a full group that it should be in."""

    visits: Visits
    group_id: str
    refused: Group | None = None


def rule_of(migration: Migration) -> MigrationRule:
    return MigrationRule(migration.arrive_times, migration.period_days * DAY_MS)


def with_sighting(
    group_id: str, visits: Visits, at_ms: int, gap_ms: int, now_ms: int, rule: MigrationRule, groups: DefaultGroups
) -> VisitPlan:
    """Plan a face's visits and group after one more sighting.

    A stranger with enough arrivals becomes a regular. A regular that was promoted becomes a stranger again if its
    arrivals are not enough any more.
    """
    before, arrivals = visits.arrivals, visits.arrivals.with_sighting(at_ms, gap_ms)
    visits = replace(visits, arrivals=arrivals, regrouping=False)
    # Rules only ask when arrivals begin. A sighting within an arrival does not change that, so it promotes nobody.
    joined = None if arrivals.began == before.began else arrivals.around(at_ms)
    plan = settled(group_id, visits, now_ms, rule, groups, joined)
    promotion = plan.visits.promotion
    period_ms = max(rule.period_ms, promotion.rule.period_ms) if promotion else rule.period_ms
    return replace(plan, visits=replace(plan.visits, arrivals=arrivals.folded_before(now_ms, period_ms)))


def settled(
    group_id: str,
    visits: Visits,
    now_ms: int,
    rule: MigrationRule,
    groups: DefaultGroups,
    joined: Arrival | None = None,
) -> VisitPlan:
    """Plan the group and promotion that a face's arrivals lead to.

    `joined`: the arrival that just got a sighting; a stranger is only promoted by it. If the group that a face should
    go to is full, the face stays in its group; a stranger is tried again at its next arrival.
    """
    if group_id == STRANGER:
        promotion = visits.promotion_of_stranger(rule, joined) if joined else None
        if promotion and groups.regular.is_full:
            return VisitPlan(replace(visits, promotion=None), STRANGER, groups.regular)
        return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)
    if group_id == REGULAR and visits.promotion:
        promotion = visits.promotion_of_promoted(now_ms)
        if promotion is None and groups.stranger.is_full:
            return VisitPlan(visits, REGULAR, groups.stranger)
        return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)
    return VisitPlan(replace(visits, promotion=None), group_id)
