"""What one more sighting makes of a face's arrivals, and so of its group. Reads nothing and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import REGULAR, STRANGER, Group, Migration
from chalicelib.core.visits import Arrival, MigrationRule, Visits
from chalicelib.services.groups.groups import DefaultGroups


@dataclass(frozen=True)
class VisitPlan:
    """`group_id`: where the face belongs after it. `refused`: the group that it should be in and has no room."""

    visits: Visits
    group_id: str
    refused: Group | None = None


def rule_of(migration: Migration) -> MigrationRule:
    return MigrationRule(migration.arrive_times, migration.period_days * DAY_MS)


def with_sighting(
    group_id: str, visits: Visits, at_ms: int, gap_ms: int, now_ms: int, rule: MigrationRule, groups: DefaultGroups
) -> VisitPlan:
    """A stranger whose arrivals suffice becomes a regular; a regular by promotion whose do not, a stranger again."""
    before, arrivals = visits.arrivals, visits.arrivals.with_sighting(at_ms, gap_ms)
    visits = replace(visits, arrivals=arrivals, regrouping=False)
    # A sighting within an arrival changes nothing that a rule asks for, so it promotes nobody.
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
    """The group and promotion that a face's arrivals lead to.

    `joined`: the arrival that just got a sighting; only by it is a stranger promoted. Without room where a face should
    go, it stays where it is: a stranger is tried again at the next arrival.
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
