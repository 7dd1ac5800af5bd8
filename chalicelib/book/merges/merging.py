"""Merge of two faces of one person: pictures, arrivals, negatives and observations of one become the other's.

One transaction changes the faces and keeps a record of the other face for as long as the merge can be undone. Then its
observations follow (observations.py). The plan of it (`plan_merge_survivor` and what follows) reads and
changes nothing.

By an undo, within UNDONE_WITHIN (book/records/merges), the other face comes back as it was; the survivor keeps its own
data, and what it gained since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import TENANT_ROOM, Change, limited_groups
from chalicelib.book.faces import name_deletes, rename_actions
from chalicelib.book.idempotency import RequestId
from chalicelib.book.models import Embedder, known_of
from chalicelib.book.recognition.recognition import MAX_NEGATIVES
from chalicelib.book.records.faces import FACE_FREE, face_puts
from chalicelib.book.records.merges import (
    MAX_MERGES,
    UNDONE_WITHIN,
    Duplicate,
    Merge,
    MergeBackup,
    MergeState,
    merge_puts,
    said_two,
)
from chalicelib.book.records.observations import STORABLE, visits_item
from chalicelib.book.rooms import UseCase
from chalicelib.book.rules.choice import Chooser
from chalicelib.book.rules.hold import require_kept
from chalicelib.book.rules.templates import (
    ensure_given_picture,
    list_given_pictures,
    make_change_entries,
    make_delete_entry,
    reduce_templates,
)
from chalicelib.book.rules.visits import (
    KEPT_MS,
    Arrivals,
    FaceVisits,
    Promotion,
    PromotionRule,
    VisitPlan,
    Visits,
    apply_plan,
)
from chalicelib.book.visits import FACE_SAME, VISITS_SAME, face_put, visits_deletes, visits_puts
from chalicelib.book.words import keys
from chalicelib.book.words.errors import (
    ConditionFailed,
    Conflict,
    FaceExists,
    GroupFull,
    GroupNotFound,
    InvalidInput,
    LimitReached,
    MergeNotFound,
    TenantFull,
    TooManyPictures,
    Unusable,
)
from chalicelib.book.words.items import Changed, retry_if_changed
from chalicelib.book.words.keys import LAST_MS
from chalicelib.book.words.local_time import DAY_MS, Span
from chalicelib.book.words.model import (
    MAX_COMPARED,
    MAX_PICTURES,
    REGULAR,
    STRANGER,
    Edit,
    Face,
    Group,
    JournalEntry,
    Negative,
    Picture,
    Tenant,
)
from chalicelib.book.words.observations import ObservationKind
from chalicelib.book.words.ports import Action, Delete, Put, absent, equals
from chalicelib.book.words.values import milliseconds, time_ordered_id
from chalicelib.book.words.webhooks import Event, EventKind


class Merging(UseCase):
    @retry_if_changed("these faces are changed by others all the time: send the request again in a moment")
    def merge(
        self,
        tenant: Tenant,
        faceid: str,
        other_id: str,
        request: RequestId | None = None,
        *,
        also: Sequence[Action] = (),
        is_sure: bool = True,
    ) -> Merge:
        """Merge `other_id` into `faceid`. Called again, go on from there. The state may still be MOVING.

        `also`: actions of the same transaction; `is_sure`: somebody says that both are one person, so that the face is
        compared by the other's pictures, too, whatever they look like.

        Raises InvalidInput if both are one face, FaceNotFound, FaceHeld if the other one is, LimitReached if the face
        would come from over 20 merges that can be undone, TooManyPictures, Busy, AnsweredAlready with the id of the
        `merge`, which ObservationMover.finish continues.
        """
        if faceid == other_id:
            raise InvalidInput(f"a face is merged with another one, and {faceid[:70]!r} was named twice")
        survivor, other = (self.book.face_visits.read_face(tenant, one) for one in (faceid, other_id))
        if survivor is None:
            raise self.book.faces.missing(tenant, faceid)
        if other is None:
            return self._merged_before(tenant, faceid, other_id, request)
        if self.book.merges.mover.settle(tenant, survivor.face, other.face):
            raise Changed
        with self.book.requests.answering(tenant.name, request):
            return self.join(tenant, survivor, other, request, also=also, is_joined=False, is_sure=is_sure)

    def join(
        self,
        tenant: Tenant,
        survivor: FaceVisits,
        other: FaceVisits,
        request: RequestId | None = None,
        *,
        also: Sequence[Action] = (),
        is_joined: bool = True,
        is_sure: bool = True,
    ) -> Merge:
        """Merge two faces, if they still are as they were read. `is_joined`: no person does; the rest as in `merge`.

        Raises ConditionFailed, also if one of `also` was refused, FaceHeld, and LimitReached.
        """
        chooser = self.book.tenant_vision.chooser(tenant)
        both = merged_pictures(survivor.face, other.face, chooser, is_sure=is_sure)
        survivor, other = (self.book.face_visits.in_one_item(tenant, one) for one in (survivor, other))
        own = survivor.face.pictures
        pictures = tuple(
            one if one.is_among(own) else self.book.face_pictures.copy_picture(tenant, survivor.face, one)
            for one in both
        )
        with self.book.face_pictures.replace_pictures(survivor.face.picture_keys, [one.key for one in pictures]):
            merge, change = self._plan_merge(tenant, survivor, other, pictures, joined=is_joined)
            record = self.book.requests.make_answer_actions(tenant.name, request, {"merge": merge.id})
            self.book.writer.commit(tenant.name, replace(change, actions=(*change.actions, *record, *also)))
        self.book.webhooks.outbox.announce(tenant.name, change.actions)
        return self.book.merges.mover.finish(tenant, merge.id)

    @retry_if_changed("this face is changed by others all the time: send the request again in a moment")
    def undo(self, tenant: Tenant, merge_id: str, request: RequestId | None = None) -> Merge:
        """Make a merged face two again. Called again, go on from there. The state may still be UNDOING.

        If the tenant's model was changed since the merge, the other face is embedded again from its pictures. Raises
        MergeNotFound, FaceHeld if the survivor is, Conflict if it was merged into another face since (undo that first),
        GroupFull, TenantFull, GroupNotFound if the other's group is gone, FaceExists if another face has its id now,
        Busy, AnsweredAlready: ObservationMover.finish continues it.
        """
        merge = self.book.merges.records.get(tenant.name, merge_id)
        if not merge.is_active:
            self.book.requests.write(tenant.name, [], request)
            return self.book.merges.mover.finish(tenant, merge.id)
        kept = self._require_backup(merge)
        survivor = self.book.face_visits.read_face(tenant, merge.survivor)
        if survivor is None:
            raise self._survivor_gone_error(tenant, merge)
        require_kept(survivor.face)
        if self.book.merges.mover.settle(tenant, survivor.face):
            raise Changed
        survivor = self.book.face_visits.in_one_item(tenant, survivor)
        try:
            change, left_behind = self._change(tenant, merge, kept, survivor)
            self.book.tenants.announce_end(tenant, kept.face.consent)
            with self.book.requests.answering(tenant.name, request):
                record = self.book.requests.make_answer_actions(tenant.name, request)
                self.book.writer.commit(tenant.name, replace(change, actions=(*change.actions, *record)))
            self.book.face_pictures.discard(left_behind)
            self.book.duties.face_changed(tenant, merge.survivor)
        except ConditionFailed as error:
            _raise_refused(error, merge)
            raise
        return self.book.merges.mover.finish(tenant, merge.id)

    def _merged_before(self, tenant: Tenant, faceid: str, other_id: str, request: RequestId | None) -> Merge:
        for merge in reversed([*self.book.merges.records.all(tenant.name, faceid)]):
            if merge.other == other_id and merge.is_active:
                self.book.requests.write(tenant.name, [], request, {"merge": merge.id})
                return self.book.merges.mover.finish(tenant, merge.id)
        raise self.book.faces.missing(tenant, other_id)

    def _plan_merge(
        self, tenant: Tenant, survivor: FaceVisits, other: FaceVisits, pictures: tuple[Picture, ...], *, joined: bool
    ) -> tuple[Merge, Change]:
        """Plan the merge and the change to commit. `pictures`: the survivor's then, copies of the other's included."""
        now = self.book.clock.now()
        plan = plan_merge_survivor(survivor, other, survivor.groups.rule, milliseconds(now))
        own, others = (self.book.recognition.negatives.of_face(tenant.name, one.face) for one in (survivor, other))
        known = {one.sighting_id for one in own}
        lacked = [one for one in others if one.sighting_id not in known]  # oldest first
        taken = lacked[: max(MAX_NEGATIVES - len(own), 0)]
        number = self._number(tenant, survivor.face, other.face)
        merge_id = keys.merge(survivor.face.faceid, time_ordered_id(now))
        face = replace(
            apply_plan(survivor.face, plan),
            changed_at=survivor.face.changed_at if joined else now,
            name=survivor.face.name or other.face.name,
            note=survivor.face.note or other.face.note,
            consent=survivor.face.consent or other.face.consent,
            pictures=pictures,
            negatives=len(own) + len(taken),
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
            kept=_make_backup(survivor, other, pictures, others, taken),
            joined=joined,
        )
        negatives = [
            *(self.book.recognition.negatives.forgotten(tenant.name, merge.other, one.sighting_id) for one in others),
            *(self.book.recognition.negatives.make_put(tenant.name, face.faceid, one) for one in taken),
        ]
        actions = (
            face_put(tenant, survivor.face, face),
            *rename_actions(tenant.name, survivor.face, face),
            *visits_puts(tenant.name, face.faceid, survivor.visits, plan.visits),
            *absorption_actions(tenant.name, other.face, other.visits),
            *merge_puts(tenant.name, merge, absent("merge-free")),
            *negatives,
            *self.book.webhooks.outbox.actions(tenant.name, [_event(merge, face, survivor.name_of(face.group_id))]),
        )
        journal = (make_delete_entry(other.face), *make_change_entries(survivor.face, face))
        changed = counts([face.group_id], [survivor.face.group_id, other.face.group_id])
        limited = survivor.limited_groups | other.limited_groups
        return merge, Change(actions, journal, changed, limited, skips_model_check=True)

    def _number(self, tenant: Tenant, survivor: Face, other: Face) -> int:
        """Return how many merges the survivor comes from after this one. Raises LimitReached."""
        records = self.book.merges.records
        found = [records.active_below(tenant.name, one.faceid) for one in (survivor, other) if one.merges]
        before = [merge for merges in found for merge in merges]
        if len(before) >= MAX_MERGES:
            raise LimitReached(
                f"these faces come from {len(before)} merges that can be undone, and a face has {MAX_MERGES} at most: "
                "wait until the first are 30 days old, or undo some"
            )
        return len(before) + 1

    def _require_backup(self, merge: Merge) -> MergeBackup:
        if merge.kept is None or self.book.clock.now() - merge.at > UNDONE_WITHIN:
            raise MergeNotFound(f"merge {merge.id!r} can no longer be undone: it is over {UNDONE_WITHIN.days} days old")
        return merge.kept

    def _survivor_gone_error(self, tenant: Tenant, merge: Merge) -> Exception:
        into = self.book.merges.records.into(tenant.name, merge.survivor)
        if into is None:
            return MergeNotFound(f"face {merge.survivor!r} was deleted, and with it what was merged into it")
        return Conflict(
            f"face {merge.survivor!r} was itself merged into {into.survivor!r} since: undo merge {into.id!r} first"
        )

    def _change(
        self, tenant: Tenant, merge: Merge, kept: MergeBackup, survivor: FaceVisits
    ) -> tuple[Change, list[str]]:
        """Return the change, and the keys of the pictures that neither face has after it."""
        plan = self._undo_planned(tenant, merge, kept, survivor)
        face, other = self._faces_after(tenant, merge, kept, survivor, plan)
        before = survivor.visits.promotion if survivor.is_promoted else None
        undoing = replace(
            merge,
            state=MergeState.UNDOING,
            renaming=renaming(before, plan.survivor.visits.promotion) if survivor.is_grouped_by_visits else None,
        )
        negatives = {
            one.sighting_id: one for one in self.book.recognition.negatives.of_face(tenant.name, survivor.face)
        }
        own = negatives.keys() & kept.given
        # A new version, so that a writer that read them before the merge fails its condition.
        visits = replace(plan.other.visits, version=plan.other.visits.version + 1)
        actions: list[Action] = [
            face_put(tenant, survivor.face, replace(face, negatives=survivor.face.negatives - len(own))),
            *rename_actions(tenant.name, survivor.face, face),
            *visits_puts(tenant.name, face.faceid, survivor.visits, plan.survivor.visits),
            *face_puts(tenant, other),
            Put(keys.ARRIVALS, visits_item(tenant.name, other.faceid, visits)),
            *merge_puts(tenant.name, undoing, equals("state", MergeState.DONE, "merge-done")),
            *(self.book.recognition.negatives.forgotten(tenant.name, face.faceid, id_) for id_ in sorted(own)),
            # The survivor's, if it has it: that has a template of the present model, too.
            *(
                self.book.recognition.negatives.make_put(tenant.name, other.faceid, negatives.get(one.sighting_id, one))
                for one in kept.negatives
            ),
            said_two(tenant.name, Duplicate.of(face.faceid, other.faceid, self.book.clock.now())),
        ]
        put = JournalEntry(Edit.PUT, other.faceid, other.group_id, reduce_templates(other.templates))
        change = Change(
            tuple(actions),
            (put, *make_change_entries(survivor.face, face)),
            counts([face.group_id, other.group_id], [survivor.face.group_id]),
            survivor.limited_groups | limited_groups(plan.group),
            skips_model_check=not (_is_of_model(tenant, other) and _is_of_model(tenant, face)),
        )
        had = (*survivor.face.picture_keys, *kept.face.picture_keys)
        return change, [key for key in had if key not in (*face.picture_keys, *other.picture_keys)]

    def _undo_planned(self, tenant: Tenant, merge: Merge, kept: MergeBackup, survivor: FaceVisits) -> _UndoPlan:
        merged_ms, now_ms = (milliseconds(at) for at in (merge.at, self.book.clock.now()))
        own, others, rejected = self._returning(tenant, merge, kept, merged_ms)
        plan = plan_undo_survivor(survivor, kept, own, survivor.groups.rule, now_ms)
        other = plan_undo_other(kept, others, now_ms)
        group = self.book.groups.of_id(tenant, other.group_id)
        if group is None:
            raise GroupNotFound("the group of the face that was merged is gone: this merge cannot be undone any more")
        gained = counts([plan.group_id, group.id], [survivor.face.group_id])
        for one in (group, survivor.groups.stranger, survivor.groups.regular):
            if one.room is not None and gained.get(one.id, 0) > one.room:
                raise GroupFull(
                    f"group {one.name!r} holds {one.count} of {one.capacity} faces, and this one comes back to it: "
                    "delete or move some first"
                )
        return _UndoPlan(plan, other, group, rejected)

    def _returning(
        self, tenant: Tenant, merge: Merge, kept: MergeBackup, merged_ms: int
    ) -> tuple[Arrivals, Arrivals, frozenset[str]]:
        """Return the arrivals of the survivor and of the other, as they would be without the merge.

        Return also the sightings that the other had learnt from, and that were rejected since.
        """
        own, others = kept.survivor_visits.arrivals, kept.visits.arrivals
        span = Span(max(min(open_since(one, merged_ms) for one in (own, others)), 0), STORABLE.last_ms)
        came: list[tuple[int, int]] = []
        went: list[tuple[int, int]] = []
        learnt = (one.learnt for one in kept.face.pictures if one.learnt)
        rejected = {one.sighting_id for one in learnt if milliseconds(one.captured_at) >= span.first_ms}
        for chunk in self.book.merges.mover.chunks(tenant, {merge.survivor}, span):
            for one in chunk:
                if one.kind is ObservationKind.SIGHTING and one.gap_s is not None:
                    goes = bool(one.passages) and one.passages[-1].merge == merge.id
                    (went if goes else came).append((one.at_ms, one.gap_s * 1000))
                    rejected -= {one.id} if goes else set()
        return (
            arrivals_since(own, merged_ms, came),
            arrivals_since(others, merged_ms, went),
            frozenset(rejected),
        )

    def _faces_after(
        self, tenant: Tenant, merge: Merge, kept: MergeBackup, survivor: FaceVisits, plan: _UndoPlan
    ) -> tuple[Face, Face]:
        now, records = self.book.clock.now(), self.book.merges.records
        below, all_below = (records.active_below(tenant.name, one) for one in (merge.other, merge.survivor))
        face = replace(
            apply_plan(survivor.face, plan.survivor),
            name=_own(survivor.face.name, kept.name),
            note=_own(survivor.face.note, kept.note),
            consent=None if survivor.face.consent == kept.consent else survivor.face.consent,
            pictures=self._own_pictures(tenant, survivor.face.pictures, kept),
            merges=len(all_below) - len(below) - 1,
            moving=merge.id,
            changed_at=now,
        )
        left = (one for one in kept.face.pictures if not (one.learnt and one.learnt.sighting_id in plan.rejected))
        pictures = ensure_given_picture(tuple(left) or kept.face.pictures)
        other = self._of_today(tenant, apply_plan(replace(kept.face, pictures=pictures), plan.other))
        other = replace(
            other,
            user="",  # it left its user as it was merged
            merges=len(below),
            moving=merge.id,
            hold=None,  # held faces were merged once: the survivor took it on, and it was lifted there
            changed_at=now,
            version=kept.face.version + 1,
        )
        return face, other

    def _own_pictures(self, tenant: Tenant, pictures: tuple[Picture, ...], kept: MergeBackup) -> tuple[Picture, ...]:
        """Return the pictures but those that came from the other, or were learnt since.

        If that leaves none, since the survivor's own was rejected meanwhile, return the given ones, whosever they are.
        """
        own = (
            replace(one, spare=one.id in kept.spare)
            for one in pictures
            if one.id not in kept.pictures and (one.learnt is None or one.learnt.sighting_id in kept.learnt)
        )
        return self.book.tenant_vision.chooser(tenant).choose_pictures(
            ensure_given_picture(tuple(own) or list_given_pictures(pictures))
        )

    def _of_today(self, tenant: Tenant, face: Face) -> Face:
        """Return the face with templates of the tenant's model, made from its pictures if it has none.

        A picture that is gone, or in which the face is not found for certain, stays as it is.
        """
        if _is_of_model(tenant, face):
            return face
        return replace(face, pictures=tuple(self._embed_picture(tenant, face, one) for one in face.pictures))

    def _embed_picture(self, tenant: Tenant, face: Face, picture: Picture) -> Picture:
        jpeg = self.book.face_pictures.load_jpeg(picture)
        if jpeg is None:
            return picture
        vision = self.book.tenant_vision.of(tenant.model)
        try:
            template = Embedder(vision, vision).template(known_of(face, picture), jpeg)
        except Unusable:
            return picture
        return replace(picture, templates=(*picture.templates, template))


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


def _make_backup(
    survivor: FaceVisits,
    other: FaceVisits,
    pictures: Sequence[Picture],
    others: Sequence[Negative],
    taken: Sequence[Negative],
) -> MergeBackup:
    """Return the record for an undo. `others`: the other's negatives; `taken`: those that the survivor takes on."""
    return MergeBackup(
        face=other.face,
        visits=other.visits,
        negatives=tuple(others),
        survivor_group_id=survivor.face.group_id,
        survivor_visits=survivor.visits,
        pictures=tuple(one.id for one in pictures if not one.is_among(survivor.face.pictures)),
        spare=tuple(one.id for one in survivor.face.pictures if one.spare),
        learnt=tuple(one.learnt.sighting_id for one in survivor.face.pictures if one.learnt),
        given=tuple(one.sighting_id for one in taken),
        name="" if survivor.face.name else other.face.name,
        note="" if survivor.face.note else other.face.note,
        consent=None if survivor.face.consent else other.face.consent,
    )


def absorption_actions(tenant: str, face: Face, visits: Visits) -> list[Action]:
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


def merged_pictures(survivor: Face, other: Face, chooser: Chooser, *, is_sure: bool = True) -> tuple[Picture, ...]:
    """Return the survivor's pictures after a merge. `is_sure`: as in Merging.merge. Raises TooManyPictures.

    First its given ones and those of the other that it lacks, but for strangers' pictures without room to be compared;
    then the learnt ones of both that are kept. A held face has all its own first.
    """
    own = survivor.pictures if survivor.hold else list_given_pictures(survivor.pictures)
    lacked = [one for one in list_given_pictures(other.pictures) if not any(one.is_same(mine) for mine in own)]
    while len(own) + len(lacked) > MAX_COMPARED and any(one.founded_at for one in lacked):
        lacked.remove([one for one in lacked if one.founded_at][-1])
    if len(own) + len(lacked) > MAX_PICTURES:
        raise TooManyPictures(
            f"together they have {len(own) + len(lacked)} pictures, and {MAX_PICTURES} is the most of a face: take "
            "some away first"
        )
    new = (replace(one, spare=one.spare or not is_sure) for one in lacked)
    if survivor.hold:
        return chooser.choose_pictures((*own, *new), MAX_COMPARED - sum(one.learnt is not None for one in own))
    learnt = (one for face in (survivor, other) for one in face.pictures if one.learnt)
    return chooser.choose_pictures((*own, *new, *learnt))


def plan_merge_survivor(survivor: FaceVisits, other: FaceVisits, rule: PromotionRule, now_ms: int) -> VisitPlan:
    """Plan the survivor of a merge: the arrivals of both faces, and the group that follows from them.

    A face that a user put into its group stays there. Otherwise a promotion of either face holds if the arrivals of
    both meet its rule; the earlier one, if both do. If none holds, the present rule decides, over all periods. If the
    group that it should go to is full, the face stays in its own. So does a held one.
    """
    arrivals = survivor.visits.arrivals.join_arrivals(other.visits.arrivals)
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
    promotion = min(kept, key=lambda one: one.at_ms, default=None) or visits.promotion_of_stranger(rule)
    if not (survivor.is_promoted or survivor.groups.promotes or other.groups.promotes):
        promotion = None
    plan = _plan_group(visits, promotion)
    target = survivor.groups.regular if promotion else survivor.groups.stranger
    if plan.group_id != survivor.face.group_id and target.is_full and other.face.group_id != target.id:
        stays = replace(visits, promotion=survivor.visits.promotion if survivor.is_promoted else None)
        return VisitPlan(stays, survivor.face.group_id, target)
    return plan


def plan_undo_survivor(
    survivor: FaceVisits, kept: MergeBackup, arrivals: Arrivals, rule: PromotionRule, now_ms: int
) -> VisitPlan:
    """Plan the survivor of an undo with these arrivals, its own.

    It is as it was before the merge if its arrivals are the same as then. Otherwise its rule decides.
    """
    visits = replace(survivor.visits, arrivals=arrivals, promotion=None)
    if not survivor.is_grouped_by_visits:
        return VisitPlan(visits, survivor.face.group_id)
    if not (survivor.is_promoted or survivor.groups.promotes):
        return VisitPlan(visits, STRANGER)
    before = kept.survivor_visits
    promoted_before = kept.survivor_group_id == REGULAR and before.promotion is not None
    if arrivals == before.arrivals:
        return _plan_group(visits, before.promotion if promoted_before else None)
    if promoted_before:
        return _plan_group(visits, replace(before, arrivals=arrivals).promotion_of_promoted(now_ms))
    promotion = survivor.visits.promotion
    return _plan_group(visits, visits.promotion_of_stranger(promotion.rule if promotion else rule))


def plan_undo_other(kept: MergeBackup, arrivals: Arrivals, now_ms: int) -> VisitPlan:
    """Plan the other face after an undo, with these arrivals.

    It is as it was before the merge, unless sightings of it were rejected since.
    """
    visits = replace(kept.visits, arrivals=arrivals)
    was_promoted = kept.face.group_id == REGULAR and visits.promotion is not None
    if arrivals == kept.visits.arrivals or not was_promoted:
        return VisitPlan(visits, kept.face.group_id)
    return _plan_group(replace(visits, promotion=None), visits.promotion_of_promoted(now_ms))


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


def _plan_group(visits: Visits, promotion: Promotion | None) -> VisitPlan:
    return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)


class _UndoPlan(Struct, frozen=True):
    """The plans for both faces of an undo."""

    survivor: VisitPlan
    other: VisitPlan
    group: Group
    """The group of the other face."""
    rejected: frozenset[str]
    """The sightings that the other face had learnt from, and that were rejected since the merge."""


def _is_of_model(tenant: Tenant, face: Face) -> bool:
    return any(picture.has(tenant.model) for picture in face.compared)


def _own(text: str, given: str) -> str:
    """Return the survivor's name or note without the one that came from the other, unless a user changed it since."""
    return "" if text == given else text


def _raise_refused(error: ConditionFailed, merge: Merge) -> None:
    """Raise the error that another try would meet too, if it is one."""
    if FACE_FREE in error.names:
        raise FaceExists(f"another face was enrolled as {merge.other!r} since: delete that one first") from error
    if TENANT_ROOM in error.names:
        raise TenantFull("the tenant holds as many faces as it may: delete some first") from error
