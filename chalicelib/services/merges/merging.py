"""Merge of two faces of one person: pictures, arrivals, negatives and observations of one become the other's.

One transaction changes the faces and keeps a record of the other face for as long as the merge can be undone. Then its
observations follow (observations.py).

The plan of it (`merged` and what follows) reads nothing and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput, LimitReached
from chalicelib.core.holds import require_kept
from chalicelib.core.items import Changed, retried
from chalicelib.core.keys import LAST_MS
from chalicelib.core.learning import given, kept
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.merges import Merge, MergeBackup, MergeState
from chalicelib.core.model import MAX_PICTURES, REGULAR, STRANGER, Face, Negative, Picture, Tenant
from chalicelib.core.ports import Action, Delete, absent, equals
from chalicelib.core.records.merges import merge_puts
from chalicelib.core.values import milliseconds, time_ordered_id
from chalicelib.core.visits import KEPT_MS, Arrivals, FaceVisits, MigrationRule, Promotion, VisitPlan, Visits, arrived
from chalicelib.core.webhooks import Event, EventKind
from chalicelib.services.commit import Change, deleted, edited
from chalicelib.services.faces import is_faceid, name_deletes, renamed
from chalicelib.services.idempotency import RequestId
from chalicelib.services.merges.merges import MAX_MERGES
from chalicelib.services.merges.observations import REQUEST_S
from chalicelib.services.portraits import keys_of
from chalicelib.services.recognition.recognition import MAX_NEGATIVES
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import FACE_SAME, VISITS_SAME, face_put, visits_deletes, visits_puts


@dataclass(frozen=True)
class _FacePair:
    """Two faces as they were read. `own`: the survivor's negatives; `others`: those of the other face."""

    survivor: FaceVisits
    other: FaceVisits
    own: list[Negative]
    others: list[Negative]

    @property
    def given(self) -> list[Negative]:
        """The other's negatives that the survivor lacks, oldest first, up to the most that a face may have."""
        known = {one.sighting_id for one in self.own}
        room = max(MAX_NEGATIVES - len(self.own), 0)
        return [one for one in self.others if one.sighting_id not in known][:room]


class Merging(UseCase):
    @retried("these faces are changed by others all the time: send the request again in a moment")
    def merge(self, tenant: Tenant, faceid: str, other_id: str, request: RequestId | None = None) -> Merge:
        """Merge `other_id` into `faceid`. Called again, continue where it stopped. The state may still be MOVING.

        Raises InvalidInput if both are one face, FaceNotFound, FaceHeld if the other one is, LimitReached if the face
        would come from over 20 merges that can be undone, Busy, AnsweredAlready with the id of the `merge`: `finish`
        continues that.
        """
        if faceid == other_id:
            raise InvalidInput(f"a face is merged with another one, and {faceid[:70]!r} was named twice")
        survivor, other = (self._held(tenant, one) for one in (faceid, other_id))
        if survivor is None:
            raise self.book.faces.missing(tenant, faceid)
        if other is None:
            return self._merged_before(tenant, faceid, other_id, request)
        if survivor.face.moving or other.face.moving:
            for held in (survivor, other):
                self.book.merges.mover.settle(tenant, held.face)
            raise Changed
        with self.book.requests.answering(tenant.name, request):
            return self._merged(tenant, survivor, other, request)

    def join(self, tenant: Tenant, survivor: FaceVisits, other: FaceVisits, also: Action) -> Merge:
        """Merge two faces that the service takes for one person, if they still are as they were read.

        `also`: an action of the same transaction. Raises ConditionFailed, also if that was refused, and LimitReached.
        """
        return self._merged(tenant, survivor, other, joined=(also,))

    def _merged(
        self,
        tenant: Tenant,
        survivor: FaceVisits,
        other: FaceVisits,
        request: RequestId | None = None,
        *,
        joined: Sequence[Action] | None = None,
    ) -> Merge:
        """Merge two faces as they were read. `joined`: actions of a join; None: a person merges them."""
        own = survivor.face.pictures
        pictures = tuple(
            one if one in own else self.book.portraits.copied(tenant, survivor.face, one)
            for one in merged_pictures(survivor.face, other.face)
        )
        with self.book.portraits.discarded_if_refused(keys_of(one for one in pictures if one not in own)):
            merge, change = self._planned(tenant, survivor, other, pictures, joined=joined is not None)
            record = self.book.requests.recorded(tenant.name, request, {"merge": merge.id})
            self.book.writer.commit(tenant.name, replace(change, actions=(*change.actions, *record, *(joined or ()))))
        self.book.webhooks.outbox.announce(tenant.name, change.actions)
        self.book.portraits.discard(keys_of(one for one in own if one not in pictures))
        return self.book.merges.mover.finish(tenant, merge.id, REQUEST_S)

    def finish(self, tenant: Tenant, merge_id: str) -> Merge:
        """Continue a merge, or its undo, that was begun. Raises MergeNotFound, Busy."""
        return self.book.merges.mover.finish(tenant, merge_id, REQUEST_S)

    def _held(self, tenant: Tenant, faceid: str) -> FaceVisits | None:
        return self.book.face_visits.read(tenant, faceid) if is_faceid(faceid) else None

    def _merged_before(self, tenant: Tenant, faceid: str, other_id: str, request: RequestId | None) -> Merge:
        for merge in reversed(self.book.merges.records.of_survivor(tenant.name, faceid)):
            if merge.other == other_id and merge.is_active:
                self.book.requests.note(tenant.name, request, {"merge": merge.id})
                return self.book.merges.mover.finish(tenant, merge.id, REQUEST_S)
        raise self.book.faces.missing(tenant, other_id)

    def _planned(
        self, tenant: Tenant, survivor: FaceVisits, other: FaceVisits, pictures: tuple[Picture, ...], *, joined: bool
    ) -> tuple[Merge, Change]:
        """Plan the merge and the change to commit. `pictures`: the survivor's then, copies of the other's included."""
        now = self.book.clock.now()
        plan = merged(survivor, other, survivor.groups.rule, milliseconds(now))
        pair = _FacePair(survivor, other, *(self._negatives_of(tenant, held.face) for held in (survivor, other)))
        number = self._number(tenant, survivor.face, other.face)
        merge_id = keys.merge(survivor.face.faceid, time_ordered_id(now))
        face = replace(
            arrived(survivor.face, plan),
            changed_at=survivor.face.changed_at if joined else now,
            name=survivor.face.name or other.face.name,
            note=survivor.face.note or other.face.note,
            consent=survivor.face.consent or other.face.consent,
            pictures=pictures,
            negatives=len(pair.own) + len(pair.given),
            merges=number,
            moving=merge_id,
        )
        before = survivor.visits.promotion if survivor.is_promoted else None
        merge = Merge(
            id=merge_id,
            survivor=face.faceid,
            other=other.face.faceid,
            at=now,
            state=MergeState.MOVING,
            renaming=renaming(before, plan.visits.promotion) if survivor.is_grouped_by_visits else None,
            kept=_kept(pair, pictures),
            joined=joined,
        )
        return merge, self._change(tenant.name, pair, face, plan, merge)

    def _negatives_of(self, tenant: Tenant, face: Face) -> list[Negative]:
        return self.book.recognition.negatives.of_face(tenant.name, face.faceid) if face.negatives else []

    def _number(self, tenant: Tenant, survivor: Face, other: Face) -> int:
        """Return how many merges the survivor comes from after this one. Raises LimitReached."""
        before = [merge for face in (survivor, other) if face.merges for merge in self._below(tenant, face)]
        if len(before) >= MAX_MERGES:
            raise LimitReached(
                f"these faces come from {len(before)} merges that can be undone, and a face has {MAX_MERGES} at most: "
                "wait until the first are 30 days old, or undo some"
            )
        return len(before) + 1

    def _below(self, tenant: Tenant, face: Face) -> list[Merge]:
        return [merge for merge in self.book.merges.records.below(tenant.name, face.faceid) if merge.is_active]

    def _change(self, tenant: str, pair: _FacePair, face: Face, plan: VisitPlan, merge: Merge) -> Change:
        survivor, other = pair.survivor, pair.other
        actions: list[Action] = [
            face_put(tenant, survivor.face, face),
            *renamed(tenant, survivor.face, face),
            *visits_puts(tenant, face.faceid, survivor.visits, plan.visits),
            *absorbed(tenant, other.face, other.visits),
            *merge_puts(tenant, merge, absent("merge-free")),
            *(
                self.book.recognition.negatives.forgotten(tenant, other.face.faceid, one.sighting_id)
                for one in pair.others
            ),
            *(self.book.recognition.negatives.remembered(tenant, face.faceid, one) for one in pair.given),
            *self.book.webhooks.outbox.actions(tenant, [_event(merge, face, survivor.name_of(face.group_id))]),
        ]
        journal = (deleted(other.face), *edited(survivor.face, face))
        changed = counts([face.group_id], [survivor.face.group_id, other.face.group_id])
        return Change(
            tuple(actions),
            journal,
            changed,
            survivor.limited_groups | other.limited_groups,
            skips_model_check=True,
        )


def _event(merge: Merge, face: Face, group_name: str) -> Event:
    """Return the event of a merge. `face`: the survivor, as it is after it."""
    data = {
        "faceid": face.faceid,
        "name": face.name,
        "number": face.number or None,
        "other": merge.other,
        "arrive_count": face.arrive_count,
        "merge": merge.id,
        "joined": merge.joined,
    }
    id_ = f"{EventKind.FACE_MERGED}-{merge.id.rpartition('.')[2]}"  # messages of queues name no face
    return Event(id_, EventKind.FACE_MERGED, merge.at, group_name, data=data)


def _kept(pair: _FacePair, pictures: Sequence[Picture]) -> MergeBackup:
    survivor, other = pair.survivor, pair.other
    return MergeBackup(
        face=other.face,
        visits=other.visits,
        negatives=tuple(pair.others),
        survivor_group_id=survivor.face.group_id,
        survivor_visits=survivor.visits,
        pictures=tuple(one.id for one in pictures if one not in survivor.face.pictures),
        learnt=tuple(one.learnt.sighting_id for one in survivor.face.pictures if one.learnt),
        given=tuple(one.sighting_id for one in pair.given),
        name="" if survivor.face.name else other.face.name,
        note="" if survivor.face.note else other.face.note,
        consent=None if survivor.face.consent else other.face.consent,
    )


def absorbed(tenant: str, face: Face, visits: Visits) -> list[Action]:
    """Return the actions that delete a face, its visits and name, if they are as they were read.

    Conditions FACE_SAME, VISITS_SAME. Raises FaceHeld: another face may become a part of a held one, not it of another.
    """
    require_kept(face)
    same = equals("version", visits.version, VISITS_SAME) if visits.version else absent(VISITS_SAME)
    return [
        Delete(keys.FACES, (tenant, face.faceid), (equals("version", face.version, FACE_SAME),)),
        *visits_deletes(tenant, face.faceid, visits, (same,)),
        *name_deletes(tenant, face),
    ]


def merged_pictures(survivor: Face, other: Face) -> tuple[Picture, ...]:
    """Return the survivor's pictures after a merge.

    First its given ones and those of the other that it lacks, as many as there is room for; then the learnt ones of
    both that are kept. A held face has all its own first.
    """
    own = given(survivor.pictures)
    lacked = [one for one in given(other.pictures) if not any(one.is_same(mine) for mine in own)]
    if survivor.hold is not None:
        return (*survivor.pictures, *lacked)[:MAX_PICTURES]
    learnt = (one for face in (survivor, other) for one in face.pictures if one.learnt)
    return kept((*[*own, *lacked][:MAX_PICTURES], *learnt))


def merged(survivor: FaceVisits, other: FaceVisits, rule: MigrationRule, now_ms: int) -> VisitPlan:
    """Plan the survivor of a merge: the arrivals of both faces, and the group that follows from them.

    A face that a user put into its group stays there. Otherwise a promotion of either face holds if the arrivals of
    both meet its rule; the earlier one, if both do. If none holds, the present rule decides, over all periods. If the
    group that it should go to is full, the face stays where it is. So does a held one.
    """
    arrivals = survivor.visits.arrivals.joined(other.visits.arrivals)
    regrouping = survivor.visits.regrouping or other.visits.regrouping
    visits = replace(survivor.visits, arrivals=arrivals, promotion=None, regrouping=regrouping)
    if survivor.face.hold is not None:
        return VisitPlan(replace(visits, promotion=survivor.visits.promotion), survivor.face.group_id)
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
    arrivals = replace(before, recent=closed)
    for at_ms, gap_ms in sightings:
        if at_ms >= max(first_ms, before.folded_until_ms):
            arrivals = arrivals.with_sighting(at_ms, gap_ms)
    return arrivals.at_most()


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
