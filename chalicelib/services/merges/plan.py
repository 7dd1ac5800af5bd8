"""What a merge, and its undoing, make of two faces' arrivals, groups and pictures. Reads and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from chalicelib.core.keys import LAST_MS
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.merges import Kept
from chalicelib.core.model import MAX_PICTURES, REGULAR, STRANGER, Face, Picture
from chalicelib.core.visits import KEPT_MS, Arrivals, MigrationRule, Promotion, Visits
from chalicelib.services.faces.portraits import is_same
from chalicelib.services.visits.face_visits import FaceVisits
from chalicelib.services.visits.plan import VisitPlan


def lacked_pictures(survivor: Face, other: Face) -> tuple[Picture, ...]:
    """The other's that the survivor lacks, each face's portrait first, as many as the survivor has room for."""
    lacked = [one for one in other.pictures if not any(is_same(one, own) for own in survivor.pictures)]
    return tuple(lacked[: max(MAX_PICTURES - len(survivor.pictures), 0)])


def merged(survivor: FaceVisits, other: FaceVisits, rule: MigrationRule, now_ms: int) -> VisitPlan:
    """The arrivals of both as one face's, and where it belongs after them.

    A face that somebody put into its group stays there. Else a promotion of either counts on while its rule is met by
    the arrivals of both, and where there is none, the present rule is asked, of all periods. Without room where it
    should go, the face stays where it is.
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


def unmerged(survivor: FaceVisits, kept: Kept, arrivals: Arrivals, rule: MigrationRule, now_ms: int) -> VisitPlan:
    """The survivor with these arrivals, its own: as it was before, where nothing came since; else by its rule."""
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


def returned(kept: Kept, arrivals: Arrivals, now_ms: int) -> VisitPlan:
    """The other face with these arrivals: as it was, unless sightings were found since not to be its."""
    visits = replace(kept.visits, arrivals=arrivals)
    was_promoted = kept.face.group_id == REGULAR and visits.promotion is not None
    if arrivals == kept.visits.arrivals or not was_promoted:
        return VisitPlan(visits, kept.face.group_id)
    return _grouped(replace(visits, promotion=None), visits.promotion_of_promoted(now_ms))


def arrivals_since(before: Arrivals, merged_ms: int, sightings: Iterable[tuple[int, int]]) -> Arrivals:
    """Arrivals as they were at the merge, with what became of their sightings since: (at_ms, gap_ms) of each.

    Nothing that was captured 100 days before the merge can have come or gone since, so what ended by then is taken as
    it was, and the rest is counted anew. A day more than that, for clocks that differ.
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
    """The first time whose sightings may have changed since the merge."""
    limit = merged_ms - KEPT_MS - DAY_MS
    return min([limit, *(arrival.first_ms for arrival in before.recent if arrival.until_ms > limit)])


def renaming(before: Promotion | None, after: Promotion | None) -> tuple[int, int] | None:
    """Between which times, in ms, sightings were of another group than by the promotion before."""
    old, new = (None if promotion is None else promotion.at_ms for promotion in (before, after))
    if old == new:
        return None
    both = sorted(at for at in (old, new) if at is not None)
    return both[0], both[1] if len(both) > 1 else LAST_MS


def counts(gained: Sequence[str], lost: Sequence[str]) -> Mapping[str, int]:
    """Faces that each group gains, without those that gain none."""
    changes = Counter(gained)
    changes.subtract(lost)
    return {group_id: number for group_id, number in changes.items() if number}


def _by_rule(arrivals: Arrivals, rule: MigrationRule) -> Promotion | None:
    at_ms = rule.met_at(arrivals.recent)
    return None if at_ms is None else Promotion(at_ms, rule)


def _grouped(visits: Visits, promotion: Promotion | None) -> VisitPlan:
    return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)
