"""The arrivals, groups and pictures of two faces after a merge or its undo. Reads nothing and changes nothing.

Their observations, which statistics count, are in observations.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from chalicelib.core.keys import LAST_MS
from chalicelib.core.learning import given, kept
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.merges import MergeBackup
from chalicelib.core.model import MAX_PICTURES, REGULAR, STRANGER, Face, Picture
from chalicelib.core.visits import KEPT_MS, Arrivals, FaceVisits, MigrationRule, Promotion, VisitPlan, Visits


def merged_pictures(survivor: Face, other: Face) -> tuple[Picture, ...]:
    """Return the survivor's pictures after a merge.

    First its given ones and those of the other that it lacks, as many as there is room for; then the learnt ones of
    both that are kept.
    """
    own = given(survivor.pictures)
    lacked = [one for one in given(other.pictures) if not any(one.is_same(mine) for mine in own)]
    learnt = (one for face in (survivor, other) for one in face.pictures if one.learnt)
    return kept((*[*own, *lacked][:MAX_PICTURES], *learnt))


def merged(survivor: FaceVisits, other: FaceVisits, rule: MigrationRule, now_ms: int) -> VisitPlan:
    """Plan the survivor of a merge: the arrivals of both faces, and the group that follows from them.

    A face that a user put into its group stays there. Otherwise a promotion of either face holds if the arrivals of
    both meet its rule; the earlier one, if both do. If none holds, the present rule decides, over all periods. If the
    group that it should go to is full, the face stays where it is.
    """
    arrivals = survivor.visits.arrivals.joined(other.visits.arrivals)
    regrouping = survivor.visits.regrouping or other.visits.regrouping
    visits = replace(survivor.visits, arrivals=arrivals, promotion=None, regrouping=regrouping)
    if not survivor.is_grouped_by_visits:
        return VisitPlan(visits, survivor.face.group_id)
    kept = [
        promotion
        for held in (survivor, other)
        if held.is_promoted
        and (promotion := replace(held.visits, arrivals=arrivals).promotion_of_promoted(now_ms)) is not None
    ]
    promotion = min(kept, key=lambda one: one.at_ms, default=None) or _by_rule(arrivals, rule)
    plan = _grouped(visits, promotion)
    target = survivor.groups.regular if promotion else survivor.groups.stranger
    if plan.group_id != survivor.face.group_id and target.is_full and other.face.group_id != target.id:
        stays = replace(visits, promotion=survivor.visits.promotion if survivor.is_promoted else None)
        return VisitPlan(stays, survivor.face.group_id, target)
    return plan


def unmerged(
    survivor: FaceVisits, kept: MergeBackup, arrivals: Arrivals, rule: MigrationRule, now_ms: int
) -> VisitPlan:
    """Plan the survivor of an undo with these arrivals, its own.

    It is as it was before the merge if its arrivals are the same as then. Otherwise its rule decides.
    """
    visits = replace(survivor.visits, arrivals=arrivals, promotion=None)
    if not survivor.is_grouped_by_visits:
        return VisitPlan(visits, survivor.face.group_id)
    before = kept.survivor_visits
    promoted_before = kept.survivor_group_id == REGULAR and before.promotion is not None
    if arrivals == before.arrivals:
        return _grouped(visits, before.promotion if promoted_before else None)
    if promoted_before:
        return _grouped(visits, replace(before, arrivals=arrivals).promotion_of_promoted(now_ms))
    promotion = survivor.visits.promotion
    return _grouped(visits, _by_rule(arrivals, promotion.rule if promotion else rule))


def returned(kept: MergeBackup, arrivals: Arrivals, now_ms: int) -> VisitPlan:
    """Plan the other face after an undo, with these arrivals.

    It is as it was before the merge, unless sightings of it were rejected since.
    """
    visits = replace(kept.visits, arrivals=arrivals)
    was_promoted = kept.face.group_id == REGULAR and visits.promotion is not None
    if arrivals == kept.visits.arrivals or not was_promoted:
        return VisitPlan(visits, kept.face.group_id)
    return _grouped(replace(visits, promotion=None), visits.promotion_of_promoted(now_ms))


def arrivals_since(before: Arrivals, merged_ms: int, sightings: Iterable[tuple[int, int]]) -> Arrivals:
    """Return a face's arrivals at the merge, updated by its sightings of now: (at_ms, gap_ms) of each.

    Sightings captured 100 days before the merge, or earlier, cannot have come or gone since. So the arrivals that ended
    by then are taken as they were, and the rest are counted anew. A day is added for clocks that differ.
    """
    limit = merged_ms - KEPT_MS - DAY_MS
    closed = tuple(arrival for arrival in before.recent if arrival.until_ms <= limit)
    first_ms = open_since(before, merged_ms)
    arrivals = Arrivals(closed, before.folded, before.folded_sightings)
    for at_ms, gap_ms in sightings:
        if at_ms >= first_ms:
            arrivals = arrivals.with_sighting(at_ms, gap_ms)
    return arrivals


def open_since(before: Arrivals, merged_ms: int) -> int:
    """Return the time, in ms, from which on sightings may have changed since the merge."""
    limit = merged_ms - KEPT_MS - DAY_MS
    return min([limit, *(arrival.first_ms for arrival in before.recent if arrival.until_ms > limit)])


def renaming(before: Promotion | None, after: Promotion | None) -> tuple[int, int] | None:
    """Return the times, in ms, between which the two promotions put sightings into different groups; None: nowhere."""
    old, new = (None if promotion is None else promotion.at_ms for promotion in (before, after))
    if old == new:
        return None
    both = sorted(at for at in (old, new) if at is not None)
    return both[0], both[1] if len(both) > 1 else LAST_MS


def counts(gained: Sequence[str], lost: Sequence[str]) -> Mapping[str, int]:
    """Return how many faces each group gains (negative: loses), without groups that stay the same.

    `gained`, `lost`: a group id for each face.
    """
    changes = Counter(gained)
    changes.subtract(lost)
    return {group_id: number for group_id, number in changes.items() if number}


def _by_rule(arrivals: Arrivals, rule: MigrationRule) -> Promotion | None:
    at_ms = rule.met_at(arrivals.recent)
    return None if at_ms is None else Promotion(at_ms, rule)


def _grouped(visits: Visits, promotion: Promotion | None) -> VisitPlan:
    return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)
