"""Merge of two faces of one person: pictures, arrivals, negatives and observations of one become
the other's.

One transaction changes the faces and keeps a record of the other face for as long as the merge can
be undone. Then its observations follow (observations.py). The plan of it
(`plan_survivor_after_merge` and what follows) reads and changes nothing.

By an undo, within UNDONE_WITHIN (storage/records/merges), the other face comes back as it was; the
survivor keeps its own data, and what it gained since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import TENANT_ROOM, Change, limited_groups, make_rise_conditions
from chalicelib.book.faces import name_deletes, rename_actions
from chalicelib.book.idempotency import RequestId
from chalicelib.book.models import Embedder, list_known_templates
from chalicelib.book.visits import FACE_SAME, VISITS_SAME, face_put, visits_deletes, visits_puts
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import (
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
from chalicelib.domain.events import FaceMerged
from chalicelib.domain.grounds import has_ground
from chalicelib.domain.local_time import DAY_MS, Span
from chalicelib.domain.model import (
    MAX_COMPARED,
    MAX_NEGATIVES,
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
from chalicelib.domain.observations import ObservationKind
from chalicelib.domain.rules.choice import Chooser
from chalicelib.domain.rules.hold import require_no_loss
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.domain.rules.templates import (
    ensure_given_picture,
    list_given_pictures,
    make_change_entries,
    make_delete_entry,
    reduce_templates,
)
from chalicelib.domain.rules.visits import (
    KEPT_MS,
    Arrivals,
    FaceVisits,
    VisitPlan,
    Visits,
    apply_plan,
)
from chalicelib.domain.webhooks import Event
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Changed, retry_if_changed
from chalicelib.storage.keys import LAST_MS
from chalicelib.storage.ports import Action, Delete, Put, absent, equals
from chalicelib.storage.records.faces import FACE_FREE, face_puts
from chalicelib.storage.records.merges import (
    MAX_MERGES,
    UNDONE_WITHIN,
    Duplicate,
    Merge,
    MergeBackup,
    MergeState,
    add_taken_values,
    find_taken_values,
    merge_puts,
    remove_taken_values,
    two_people_put,
)
from chalicelib.storage.records.observations import STORABLE, visits_item
from chalicelib.storage.values import milliseconds, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class Merging(Service["Book"]):
    @retry_if_changed(
        "these faces are changed by others all the time: send the request again in a moment"
    )
    def merge(
        self,
        tenant: Tenant,
        faceid: str,
        other_id: str,
        request: RequestId | None = None,
        *,
        more_actions: Sequence[Action] = (),
        is_sure: bool = True,
        gives_name: bool = True,
    ) -> Merge:
        """Merge `other_id` into `faceid`.

        Called again, go on from there. The state may still be MOVING.

        `more_actions`: actions of the same transaction; `is_sure`: somebody says that both are one
        person, so the face is compared by the other's pictures, too, whatever they look like;
        `gives_name`: a face without a name takes over the other's.

        Raises InvalidInput if both are one face, FaceNotFound, FaceHeld if the other one is,
        LimitReached if the face would come from over 20 merges that can be undone, TooManyPictures,
        Busy, AnsweredAlready with the id of the `merge`, which ObservationMover.finish continues.
        """
        if faceid == other_id:
            raise InvalidInput(
                f"a face is merged with another one, and {faceid[:70]!r} was named twice"
            )
        survivor, other = (
            self.services.face_visits.read_face(tenant, id_) for id_ in (faceid, other_id)
        )
        if survivor is None:
            raise self.services.faces.make_missing_error(tenant, faceid)
        if other is None:
            return self._continue_merge(tenant, faceid, other_id, request)
        if self.services.merges.mover.settle_faces(tenant, survivor.face, other.face):
            raise Changed
        with self.services.requests.raise_if_answered(tenant.name, request):
            return self.merge_read_faces(
                tenant,
                survivor,
                other,
                request,
                more_actions=more_actions,
                is_joined=False,
                is_sure=is_sure,
                gives_name=gives_name,
            )

    def merge_read_faces(
        self,
        tenant: Tenant,
        survivor: FaceVisits,
        other: FaceVisits,
        request: RequestId | None = None,
        *,
        more_actions: Sequence[Action] = (),
        is_joined: bool = True,
        is_sure: bool = True,
        gives_name: bool = True,
    ) -> Merge:
        """Merge two faces, if they still are as they were read.

        `is_joined`: the service joins them by itself, else a person merges them; `more_actions`,
        `is_sure`, `gives_name`: as in `merge`. Raises ConditionFailed, also if one of the
        `more_actions` was refused, FaceHeld, LimitReached, TooManyPictures.
        """
        chooser = self.services.tenant_vision.make_chooser(tenant)
        chosen_pictures = choose_merged_pictures(
            survivor.face, other.face, chooser, is_sure=is_sure
        )
        # One transaction has no room for both faces' pages of visits.
        survivor, other = (
            self.services.face_visits.store_in_one_item(tenant, face_visits)
            for face_visits in (survivor, other)
        )
        own_pictures = survivor.face.pictures
        pictures = tuple(
            picture
            if picture.is_among(own_pictures)
            else self.services.face_pictures.copy_picture(tenant, survivor.face, picture)
            for picture in chosen_pictures
        )
        with self.services.face_pictures.replace_pictures(
            survivor.face.picture_keys, [picture.key for picture in pictures]
        ):
            merge, change = self._plan_merge(
                tenant, survivor, other, pictures, joined=is_joined, gives_name=gives_name
            )
            answer = self.services.requests.make_answer_actions(
                tenant.name, request, {"merge": merge.id}
            )
            self.services.writer.commit(
                tenant.name, replace(change, actions=(*change.actions, *answer, *more_actions))
            )
        self.services.webhooks.outbox.send_messages(tenant.name, change.actions)
        return self.services.merges.mover.finish_merge(tenant, merge.id)

    @retry_if_changed(
        "this face is changed by others all the time: send the request again in a moment"
    )
    def undo(self, tenant: Tenant, merge_id: str, request: RequestId | None = None) -> Merge:
        """Make a merged face two again.

        Called again, go on from there. The state may still be UNDOING.

        If the tenant's model was changed since the merge, the other face is embedded again from its
        pictures. Raises MergeNotFound, FaceHeld if the survivor is, Conflict if it was merged into
        another face since (undo that first), GroupFull, TenantFull, GroupNotFound if the other's
        group is gone, FaceExists if another face has its id now, Busy, AnsweredAlready:
        ObservationMover.finish continues it.
        """
        merge = self.services.merges.records.get(tenant.name, merge_id)
        if not merge.is_active:
            self.services.requests.write_with_answer(tenant.name, [], request)
            return self.services.merges.mover.finish_merge(tenant, merge.id)
        backup = self._require_backup(merge)
        survivor = self.services.face_visits.read_face(tenant, merge.survivor)
        if survivor is None:
            raise self._survivor_gone_error(tenant, merge)
        require_no_loss(survivor.face)
        if self.services.merges.mover.settle_faces(tenant, survivor.face):
            raise Changed
        survivor = self.services.face_visits.store_in_one_item(tenant, survivor)
        try:
            change, unused_pictures = self._make_undo_change(tenant, merge, backup, survivor)
            self.services.tenants.announce_consent_end(tenant, backup.face.consent)
            with self.services.requests.raise_if_answered(tenant.name, request):
                answer = self.services.requests.make_answer_actions(tenant.name, request)
                self.services.writer.commit(
                    tenant.name, replace(change, actions=(*change.actions, *answer))
                )
            self.services.face_pictures.discard_pictures(unused_pictures)
            self.services.book_hooks.face_changed(tenant, merge.survivor)
        except ConditionFailed as error:
            _raise_refused(error, merge)
            raise
        return self.services.merges.mover.finish_merge(tenant, merge.id)

    def _continue_merge(
        self, tenant: Tenant, faceid: str, other_id: str, request: RequestId | None
    ) -> Merge:
        for merge in reversed([*self.services.merges.records.list_all(tenant.name, faceid)]):
            if merge.other == other_id and merge.is_active:
                self.services.requests.write_with_answer(
                    tenant.name, [], request, {"merge": merge.id}
                )
                return self.services.merges.mover.finish_merge(tenant, merge.id)
        raise self.services.faces.make_missing_error(tenant, other_id)

    def _plan_merge(
        self,
        tenant: Tenant,
        survivor: FaceVisits,
        other: FaceVisits,
        pictures: tuple[Picture, ...],
        *,
        joined: bool,
        gives_name: bool,
    ) -> tuple[Merge, Change]:
        """Plan the merge and the change to commit.

        `pictures`: the survivor's then, copies of the other's included.
        """
        now = self.services.clock.now()
        plan = plan_survivor_after_merge(survivor, other, survivor.groups.rule, milliseconds(now))
        negatives = self.services.recognition.negatives
        own_negatives = negatives.read_of_face(tenant.name, survivor.face)
        other_negatives = negatives.read_of_face(tenant.name, other.face)
        adopted_negatives = choose_adopted_negatives(own_negatives, other_negatives)
        taken_values = find_taken_values(survivor.face, other.face)
        if not gives_name:
            taken_values["name"] = ""
        merge = _make_merge(
            survivor,
            plan,
            _make_backup(
                survivor, other, pictures, other_negatives, adopted_negatives, taken_values
            ),
            now,
            joined=joined,
        )
        face = _make_merged_face(
            survivor.face,
            other.face,
            plan,
            merge,
            taken_values=taken_values,
            pictures=pictures,
            negative_count=len(own_negatives) + len(adopted_negatives),
            merge_count=self._count_merges(tenant, survivor.face, other.face),
        )
        actions = (
            *self._move_negatives(tenant, other_negatives, other.face, adopted_negatives, to=face),
            *self.services.webhooks.outbox.make_delivery_puts(
                tenant.name, [_make_event(merge, face, survivor.name_of(face.group_id))]
            ),
        )
        return merge, _make_merge_change(
            tenant, survivor, other, face, merge=merge, plan=plan, actions=actions
        )

    def _move_negatives(
        self,
        tenant: Tenant,
        lost: Iterable[Negative],
        source: Face,
        gained: Iterable[Negative],
        *,
        to: Face,
    ) -> list[Action]:
        """Return the actions by which the face `source` loses these negatives, and the face `to`
        gains those."""
        negatives = self.services.recognition.negatives
        return [
            *(
                negatives.make_delete(tenant.name, source.faceid, negative.sighting_id)
                for negative in lost
            ),
            *(negatives.make_put(tenant.name, to.faceid, negative) for negative in gained),
        ]

    def _count_merges(self, tenant: Tenant, survivor: Face, other: Face) -> int:
        """Return how many merges the survivor comes from after this one. Raises LimitReached."""
        records = self.services.merges.records
        merges_of_faces = [
            records.list_active_below(tenant.name, face.faceid)
            for face in (survivor, other)
            if face.merges
        ]
        earlier_merges = [merge for merges in merges_of_faces for merge in merges]
        if len(earlier_merges) >= MAX_MERGES:
            raise LimitReached(
                f"these faces come from {len(earlier_merges)} merges that can be undone, and a "
                f"face has {MAX_MERGES} "
                "at most: wait until the first are 30 days old, or undo some"
            )
        return len(earlier_merges) + 1

    def _require_backup(self, merge: Merge) -> MergeBackup:
        if merge.backup is None or self.services.clock.now() - merge.at > UNDONE_WITHIN:
            raise MergeNotFound(
                f"merge {merge.id!r} can no longer be undone: it is over {UNDONE_WITHIN.days} days "
                "old"
            )
        return merge.backup

    def _survivor_gone_error(self, tenant: Tenant, merge: Merge) -> Exception:
        into = self.services.merges.records.find_absorbing_merge(tenant.name, merge.survivor)
        if into is None:
            return MergeNotFound(
                f"face {merge.survivor!r} was deleted, and with it what was merged into it"
            )
        return Conflict(
            f"face {merge.survivor!r} was itself merged into {into.survivor!r} since: undo merge "
            f"{into.id!r} first"
        )

    def _make_undo_change(
        self, tenant: Tenant, merge: Merge, backup: MergeBackup, survivor: FaceVisits
    ) -> tuple[Change, list[str]]:
        """Return the change, and the keys of the pictures that neither face has after it."""
        plan = self._plan_undo(tenant, merge, backup, survivor)
        unmerged_face, other = self._make_faces_after_undo(tenant, merge, backup, survivor, plan)
        own_negatives = self.services.recognition.negatives.read_of_face(tenant.name, survivor.face)
        returned, gained = _choose_returned_negatives(own_negatives, backup)
        face = replace(unmerged_face, negatives=survivor.face.negatives - len(returned))
        actions = (
            *self._move_negatives(tenant, returned, face, gained, to=other),
            two_people_put(
                tenant.name,
                Duplicate.make_ordered(face.faceid, other.faceid, self.services.clock.now()),
            ),
        )
        change = _make_return_change(
            tenant, survivor, face, other, merge=merge, plan=plan, actions=actions
        )
        old_picture_keys = (*survivor.face.picture_keys, *backup.face.picture_keys)
        return change, [
            key for key in old_picture_keys if key not in (*face.picture_keys, *other.picture_keys)
        ]

    def _plan_undo(
        self, tenant: Tenant, merge: Merge, backup: MergeBackup, survivor: FaceVisits
    ) -> _UndoPlan:
        """Plan an undo. Raises GroupNotFound, and GroupFull if a group has no room for the face
        that comes back."""
        merged_ms, now_ms = (milliseconds(at) for at in (merge.at, self.services.clock.now()))
        own_arrivals, other_arrivals, rejected_sightings = self._split_arrivals(
            tenant, merge, backup, merged_ms
        )
        survivor_plan = plan_survivor_after_undo(
            survivor, backup, own_arrivals, survivor.groups.rule, now_ms
        )
        other_plan = plan_other_after_undo(backup, other_arrivals, now_ms)
        group = self.services.groups.find_by_id(tenant, other_plan.group_id)
        if group is None:
            raise GroupNotFound(
                "the group of the face that was merged is gone: this merge cannot be undone any "
                "more"
            )
        group_gains = count_group_gains(
            [survivor_plan.group_id, group.id], [survivor.face.group_id]
        )
        for target in (group, survivor.groups.stranger, survivor.groups.regular):
            if target.room is not None and group_gains.get(target.id, 0) > target.room:
                raise GroupFull(
                    f"group {target.name!r} holds {target.count} of {target.capacity} faces, and "
                    "this one comes back "
                    "to it: delete or move some first"
                )
        return _UndoPlan(survivor_plan, other_plan, group, rejected_sightings)

    def _split_arrivals(
        self, tenant: Tenant, merge: Merge, backup: MergeBackup, merged_ms: int
    ) -> tuple[Arrivals, Arrivals, frozenset[str]]:
        """Return the survivor's arrivals and the other's, as they would be without the merge, and
        rejected sightings.

        The third value: the ids of the sightings from which the other had learnt a picture, and
        which were rejected since.
        """
        own_arrivals, other_arrivals = backup.survivor_visits.arrivals, backup.visits.arrivals
        open_since_ms = min(
            find_open_since(own_arrivals, merged_ms), find_open_since(other_arrivals, merged_ms)
        )
        span = Span(max(open_since_ms, 0), STORABLE.last_ms)
        own_sightings: list[tuple[int, int]] = []  # (at_ms, gap_ms) of each
        other_sightings: list[tuple[int, int]] = []
        learnt = (picture.learnt for picture in backup.face.pictures if picture.learnt)
        rejected_sightings = {
            learnt_from.sighting_id
            for learnt_from in learnt
            if milliseconds(learnt_from.captured_at) >= span.first_ms
        }
        for chunk in self.services.merges.mover.list_in_chunks(tenant, {merge.survivor}, span):
            for observation in chunk:
                if observation.kind is ObservationKind.SIGHTING and observation.gap_s is not None:
                    is_of_other = (
                        bool(observation.passages) and observation.passages[-1].merge == merge.id
                    )
                    sightings = other_sightings if is_of_other else own_sightings
                    sightings.append((observation.at_ms, observation.gap_s * 1000))
                    if is_of_other:  # it is there yet, so nobody rejected it
                        rejected_sightings.discard(observation.id)
        return (
            update_arrivals(own_arrivals, merged_ms, own_sightings),
            update_arrivals(other_arrivals, merged_ms, other_sightings),
            frozenset(rejected_sightings),
        )

    def _make_faces_after_undo(
        self,
        tenant: Tenant,
        merge: Merge,
        backup: MergeBackup,
        survivor: FaceVisits,
        plan: _UndoPlan,
    ) -> tuple[Face, Face]:
        """Return the survivor and the other face as they are after the undo."""
        now, records = self.services.clock.now(), self.services.merges.records
        other_merges, survivor_merges = (
            records.list_active_below(tenant.name, faceid)
            for faceid in (merge.other, merge.survivor)
        )
        survivor_after = replace(
            remove_taken_values(apply_plan(survivor.face, plan.survivor), backup),
            pictures=self._choose_own_pictures(tenant, survivor.face.pictures, backup),
            merges=len(survivor_merges) - len(other_merges) - 1,
            moving=merge.id,
            withdrawn_at=_find_own_withdrawal(survivor.face, merge, backup, survivor_merges),
            changed_at=now,
        )
        kept_pictures = (
            picture
            for picture in backup.face.pictures
            if not (picture.learnt and picture.learnt.sighting_id in plan.rejected)
        )
        pictures = ensure_given_picture(tuple(kept_pictures) or backup.face.pictures)
        other_face = apply_plan(replace(backup.face, pictures=pictures), plan.other)
        other_after = replace(
            self._embed_with_present_model(tenant, other_face),
            face_set="",  # it left that as it was merged
            merges=len(other_merges),
            moving=merge.id,
            # held faces were merged once: the survivor took it on, and it was lifted there
            hold=None,
            withdrawn_at=_find_withdrawal(backup.face, survivor.face, merge.at),
            changed_at=now,
            version=backup.face.version + 1,
        )
        return survivor_after, other_after

    def _choose_own_pictures(
        self, tenant: Tenant, pictures: tuple[Picture, ...], backup: MergeBackup
    ) -> tuple[Picture, ...]:
        """Return the survivor's pictures without those that came from the other, and without those
        learnt since.

        If none is left, since the survivor's own one was rejected meanwhile, return all given
        pictures, the other's too.
        """
        own_pictures = (
            replace(picture, spare=picture.id in backup.spare)
            for picture in pictures
            if picture.id not in backup.pictures
            and (picture.learnt is None or picture.learnt.sighting_id in backup.learnt)
        )
        return self.services.tenant_vision.make_chooser(tenant).choose_pictures(
            ensure_given_picture(tuple(own_pictures) or list_given_pictures(pictures))
        )

    def _embed_with_present_model(self, tenant: Tenant, face: Face) -> Face:
        """Return the face with templates of the tenant's model, made from its pictures if it has
        none.

        A picture that is gone, or in which the face is not found for certain, stays as it is.
        """
        if _is_of_model(tenant, face):
            return face
        return replace(
            face,
            pictures=tuple(self._embed_picture(tenant, face, picture) for picture in face.pictures),
        )

    def _embed_picture(self, tenant: Tenant, face: Face, picture: Picture) -> Picture:
        jpeg = self.services.face_pictures.load_jpeg(picture)
        if jpeg is None:
            return picture
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        try:
            template = Embedder(vision, vision).make_template(
                list_known_templates(face, picture), jpeg
            )
        except Unusable:
            return picture
        return replace(picture, templates=(*picture.templates, template))


def _make_event(merge: Merge, face: Face, group_name: str) -> Event:
    """Return the event of a merge. `face`: the survivor, as it is after it."""
    data = FaceMerged(
        faceid=face.faceid,
        name=face.name,
        number=face.number or None,
        other=merge.other,
        arrive_count=face.arrive_count,
        merge=merge.id,
        joined=merge.joined,
    )
    # messages of queues name no face
    id_ = f"{data.KIND}-{merge.id.rpartition('.')[2]}"
    return Event(id_, data, merge.at, group_name)


def _make_backup(
    survivor: FaceVisits,
    other: FaceVisits,
    pictures: Sequence[Picture],
    other_negatives: Sequence[Negative],
    adopted_negatives: Sequence[Negative],
    taken_values: Mapping[str, Any],
) -> MergeBackup:
    """Return what an undo of the merge needs. `pictures`: the survivor's after the merge.

    `other_negatives`: all negatives of the other face; `adopted_negatives`: those of them that the
    survivor gets.
    """
    return MergeBackup(
        face=other.face,
        visits=other.visits,
        negatives=tuple(other_negatives),
        survivor_group_id=survivor.face.group_id,
        survivor_visits=survivor.visits,
        pictures=tuple(
            picture.id for picture in pictures if not picture.is_among(survivor.face.pictures)
        ),
        spare=tuple(picture.id for picture in survivor.face.pictures if picture.spare),
        learnt=tuple(
            picture.learnt.sighting_id for picture in survivor.face.pictures if picture.learnt
        ),
        given=tuple(negative.sighting_id for negative in adopted_negatives),
        survivor_withdrawn_at=survivor.face.withdrawn_at,
        **taken_values,
    )


def choose_adopted_negatives(
    own_negatives: Sequence[Negative], other_negatives: Iterable[Negative]
) -> Sequence[Negative]:
    """Return those of the other's negatives, oldest first, that the survivor lacks and has room
    for."""
    own_sightings = {negative.sighting_id for negative in own_negatives}
    lacked_negatives = [
        negative for negative in other_negatives if negative.sighting_id not in own_sightings
    ]
    return lacked_negatives[: max(MAX_NEGATIVES - len(own_negatives), 0)]


def _choose_returned_negatives(
    own_negatives: Iterable[Negative], backup: MergeBackup
) -> tuple[list[Negative], list[Negative]]:
    """Return the negatives that the survivor loses by an undo, and those that the other face gains.

    The latter are as the survivor has them, if it does: those have a template of the present model,
    too.
    """
    own_by_sighting = {negative.sighting_id: negative for negative in own_negatives}
    returned = [own_by_sighting[id_] for id_ in sorted(own_by_sighting.keys() & backup.given)]
    return returned, [
        own_by_sighting.get(negative.sighting_id, negative) for negative in backup.negatives
    ]


def _find_renaming(survivor: FaceVisits, plan: VisitPlan) -> tuple[int, int] | None:
    """Return between which times, in ms, the survivor's sightings get another group's name; None:
    none does."""
    if not survivor.is_grouped_by_visits:
        return None
    promotion_before = survivor.visits.promotion if survivor.is_promoted else None
    return find_renaming_times(promotion_before, plan.visits.promotion)


def _make_survivor_actions(
    tenant: Tenant, survivor: FaceVisits, face: Face, plan: VisitPlan
) -> list[Action]:
    """Return the actions that store the survivor as `face`, by a merge or its undo."""
    return [
        face_put(tenant, survivor.face, face),
        *rename_actions(tenant.name, survivor.face, face),
        *visits_puts(tenant.name, face.faceid, survivor.visits, plan.visits),
    ]


def _make_merge_change(
    tenant: Tenant,
    survivor: FaceVisits,
    other: FaceVisits,
    face: Face,
    *,
    merge: Merge,
    plan: VisitPlan,
    actions: Iterable[Action],
) -> Change:
    """Return the change that makes the survivor `face`, removes the other one, and records the
    merge.

    `actions`: what else it does.
    """
    return Change(
        (
            *_make_survivor_actions(tenant, survivor, face, plan),
            *make_absorption_actions(tenant.name, other.face, other.visits, into=face),
            *merge_puts(tenant.name, merge, absent("merge-free")),
            *actions,
        ),
        (make_delete_entry(other.face), *make_change_entries(survivor.face, face)),
        count_group_gains([face.group_id], [survivor.face.group_id, other.face.group_id]),
        survivor.limited_groups | other.limited_groups,
        skips_model_check=True,
        is_somebody_else=True,  # who is in the book already
    )


def _make_return_change(
    tenant: Tenant,
    survivor: FaceVisits,
    face: Face,
    other: Face,
    *,
    merge: Merge,
    plan: _UndoPlan,
    actions: Iterable[Action],
) -> Change:
    """Return the change that makes the survivor `face`, stores the other one again, and begins to
    undo the merge.

    `actions`: what else it does.
    """
    # A new version, so that a writer that read them before the merge fails its condition.
    visits = replace(plan.other.visits, version=plan.other.visits.version + 1)
    undoing = replace(
        merge, state=MergeState.UNDOING, renaming=_find_renaming(survivor, plan.survivor)
    )
    put = JournalEntry(Edit.PUT, other.faceid, other.group_id, reduce_templates(other.templates))
    return Change(
        (
            *_make_survivor_actions(tenant, survivor, face, plan.survivor),
            *face_puts(tenant, other),
            Put(keys.ARRIVALS, visits_item(tenant.name, other.faceid, visits)),
            *merge_puts(tenant.name, undoing, equals("state", MergeState.DONE, "merge-done")),
            *actions,
        ),
        (put, *make_change_entries(survivor.face, face)),
        count_group_gains([face.group_id, other.group_id], [survivor.face.group_id]),
        survivor.limited_groups | limited_groups(plan.group),
        skips_model_check=not (_is_of_model(tenant, other) and _is_of_model(tenant, face)),
        is_somebody_else=True,  # who was in the book before the merge
    )


def _make_merge(
    survivor: FaceVisits, plan: VisitPlan, backup: MergeBackup, at: datetime, *, joined: bool
) -> Merge:
    return Merge(
        id=keys.merge(survivor.face.faceid, time_ordered_id(at)),
        survivor=survivor.face.faceid,
        other=backup.face.faceid,
        at=at,
        state=MergeState.MOVING,
        renaming=_find_renaming(survivor, plan),
        backup=backup,
        joined=joined,
    )


def _make_merged_face(
    survivor: Face,
    other: Face,
    plan: VisitPlan,
    merge: Merge,
    *,
    taken_values: Mapping[str, Any],
    pictures: tuple[Picture, ...],
    negative_count: int,
    merge_count: int,
) -> Face:
    """Return the survivor as it is after the merge, with what it takes on from the other one."""
    return replace(
        add_taken_values(apply_plan(survivor, plan), taken_values),
        changed_at=survivor.changed_at if merge.joined else merge.at,
        withdrawn_at=_find_later(survivor.withdrawn_at, other.withdrawn_at),
        moving=merge.id,
        pictures=pictures,
        negatives=negative_count,
        merges=merge_count,
    )


def _find_withdrawal(other: Face, survivor: Face, merged_at: datetime) -> datetime | None:
    """Return when the other's record was withdrawn last: by the survivor's withdrawal, too, while
    it was a part of that."""
    withdrawn_at = survivor.withdrawn_at
    if withdrawn_at is None or withdrawn_at < merged_at:
        return other.withdrawn_at
    return _find_later(other.withdrawn_at, withdrawn_at)


def _find_own_withdrawal(
    survivor: Face, merge: Merge, backup: MergeBackup, active_merges: Iterable[Merge]
) -> datetime | None:
    """Return when the survivor's record was withdrawn last, without what came from the other.

    What came from faces that are still a part of it stays. `active_merges`: all below it.
    """
    if survivor.withdrawn_at is None or survivor.withdrawn_at >= merge.at:
        return survivor.withdrawn_at
    parts = (
        part.backup.face
        for part in active_merges
        if part.survivor == merge.survivor and part.id != merge.id and part.backup is not None
    )
    return _find_later(backup.survivor_withdrawn_at, *(face.withdrawn_at for face in parts))


def _find_later(*times: datetime | None) -> datetime | None:
    return max(filter(None, times), default=None)


def make_absorption_actions(tenant: str, face: Face, visits: Visits, *, into: Face) -> list[Action]:
    """Return the actions that delete a face, its visits and name, if they are as they were read.

    Conditions FACE_SAME, VISITS_SAME. Raises FaceHeld: another face may become a part of a held
    one, not it of another.

    `into`: the face that it becomes a part of. Nobody is compared before it becomes a part of
    somebody with a record of consent.
    """
    require_no_loss(face)
    joined = replace(face, merges=face.merges + 1)
    rise_conditions = () if has_ground(into.consent) else make_rise_conditions(face, joined)
    if_same = (
        equals("version", visits.version, VISITS_SAME) if visits.version else absent(VISITS_SAME)
    )
    return [
        Delete(
            keys.FACES,
            (tenant, face.faceid),
            (equals("version", face.version, FACE_SAME), *rise_conditions),
            ((Effect.JOINS, face.faceid),),
        ),
        *visits_deletes(tenant, face.faceid, visits, (if_same,)),
        *name_deletes(tenant, face),
    ]


def choose_merged_pictures(
    survivor: Face, other: Face, chooser: Chooser, *, is_sure: bool = True
) -> tuple[Picture, ...]:
    """Return the survivor's pictures after a merge. Raises TooManyPictures.

    First come the survivor's given pictures; under legal hold, all that it has. Then come the
    other's given pictures that the survivor lacks. If they are too many to be compared, those are
    left out that a stranger was made from (`founded_at`), the last one first. Then come the learnt
    pictures of both, as far as there is room. A survivor under legal hold gets none of the other's
    learnt pictures.

    `is_sure`: whether both are surely one person. If not, those of the other's pictures that look
    unlike the survivor's are spare: they are compared with nobody.
    """
    own_pictures = survivor.pictures if survivor.hold else list_given_pictures(survivor.pictures)
    lacked_pictures = [
        picture
        for picture in list_given_pictures(other.pictures)
        if not any(picture.is_same(mine) for mine in own_pictures)
    ]
    while len(own_pictures) + len(lacked_pictures) > MAX_COMPARED and any(
        picture.founded_at for picture in lacked_pictures
    ):
        lacked_pictures.remove([picture for picture in lacked_pictures if picture.founded_at][-1])
    if len(own_pictures) + len(lacked_pictures) > MAX_PICTURES:
        raise TooManyPictures(
            f"together they have {len(own_pictures) + len(lacked_pictures)} pictures, and "
            f"{MAX_PICTURES} is the most "
            "of a face: take some away first"
        )
    added_pictures = (
        replace(picture, spare=picture.spare or not is_sure) for picture in lacked_pictures
    )
    if survivor.hold:
        return chooser.choose_pictures(
            (*own_pictures, *added_pictures),
            MAX_COMPARED - sum(picture.learnt is not None for picture in own_pictures),
        )
    learnt_pictures = (
        picture for face in (survivor, other) for picture in face.pictures if picture.learnt
    )
    return chooser.choose_pictures((*own_pictures, *added_pictures, *learnt_pictures))


def plan_survivor_after_merge(
    survivor: FaceVisits, other: FaceVisits, rule: PromotionRule, now_ms: int
) -> VisitPlan:
    """Plan the visits and the group of a merge's survivor, from the arrivals of both faces.

    A face that a user put into its group stays there, and so does one under legal hold. The group
    of any other face follows from its arrivals. A promotion of either face holds if the arrivals of
    both meet its rule; the earlier one, if both do. If none holds, the present `rule` decides, over
    all periods. If the group that the face should go to is full, it stays in its own.

    `two strangers of two visits each, three in 30 days promote`: the survivor has four, and becomes
    a regular.
    """
    arrivals = survivor.visits.arrivals.join_arrivals(other.visits.arrivals)
    is_regrouped = survivor.visits.is_regrouped or other.visits.is_regrouped
    visits = replace(survivor.visits, arrivals=arrivals, promotion=None, is_regrouped=is_regrouped)
    if survivor.face.hold is not None:
        return VisitPlan(
            replace(visits, promotion=survivor.visits.promotion), survivor.face.group_id
        )
    if not survivor.is_grouped_by_visits:
        return VisitPlan(visits, survivor.face.group_id)
    promotions = [
        promotion
        for face_visits in (survivor, other)
        if face_visits.is_promoted
        and (
            promotion := replace(face_visits.visits, arrivals=arrivals).promotion_of_promoted(
                now_ms
            )
        )
        is not None
    ]
    earliest = min(promotions, key=lambda promotion: promotion.at_ms, default=None)
    promotion = earliest or visits.promotion_of_stranger(rule)
    if not (survivor.is_promoted or survivor.groups.promotes or other.groups.promotes):
        promotion = None  # the tenant asks for a ground, and neither face has one
    plan = _plan_group(visits, promotion)
    target = survivor.groups.regular if promotion else survivor.groups.stranger
    if (
        plan.group_id != survivor.face.group_id
        and target.is_full
        and other.face.group_id != target.id
    ):
        visits_in_own_group = replace(
            visits, promotion=survivor.visits.promotion if survivor.is_promoted else None
        )
        return VisitPlan(visits_in_own_group, survivor.face.group_id, refused=target)
    return plan


def plan_survivor_after_undo(
    survivor: FaceVisits, backup: MergeBackup, arrivals: Arrivals, rule: PromotionRule, now_ms: int
) -> VisitPlan:
    """Plan the visits and the group of the face that survived a merge, when that is undone.

    `arrivals`: its own, without the other's; `rule`: the present rule of promotion. A face that a
    person put into its group stays there. A face that may not be promoted becomes a stranger. If
    its arrivals are the same as before the merge, it gets the promotion of then. Otherwise the rule
    of its promotion decides; if it has none, `rule` does.
    """
    visits = replace(survivor.visits, arrivals=arrivals, promotion=None)
    if not survivor.is_grouped_by_visits:
        return VisitPlan(visits, survivor.face.group_id)
    if not (survivor.is_promoted or survivor.groups.promotes):
        return VisitPlan(visits, STRANGER)
    visits_before = backup.survivor_visits
    was_promoted = backup.survivor_group_id == REGULAR and visits_before.promotion is not None
    if arrivals == visits_before.arrivals:
        return _plan_group(visits, visits_before.promotion if was_promoted else None)
    if was_promoted:
        return _plan_group(
            visits, replace(visits_before, arrivals=arrivals).promotion_of_promoted(now_ms)
        )
    promotion = survivor.visits.promotion
    return _plan_group(visits, visits.promotion_of_stranger(promotion.rule if promotion else rule))


def plan_other_after_undo(backup: MergeBackup, arrivals: Arrivals, now_ms: int) -> VisitPlan:
    """Plan the visits and the group of the other face after an undo. `arrivals`: its own.

    They are as before the merge, unless sightings of it were rejected since.
    """
    visits = replace(backup.visits, arrivals=arrivals)
    was_promoted = backup.face.group_id == REGULAR and visits.promotion is not None
    if arrivals == backup.visits.arrivals or not was_promoted:
        return VisitPlan(visits, backup.face.group_id)
    return _plan_group(replace(visits, promotion=None), visits.promotion_of_promoted(now_ms))


def update_arrivals(
    arrivals_before: Arrivals, merged_ms: int, sightings: Iterable[tuple[int, int]]
) -> Arrivals:
    """Return a face's arrivals at the merge, updated by its sightings of now: (at_ms, gap_ms) of
    each.

    Sightings captured 100 days before the merge, or earlier, cannot have come or gone since. So the
    arrivals that ended by then are taken as they were, and the rest are counted anew. A day is
    added for clocks that differ.
    """
    limit_ms = merged_ms - KEPT_MS - DAY_MS
    closed_arrivals = tuple(
        arrival for arrival in arrivals_before.recent if arrival.until_ms <= limit_ms
    )
    first_ms = find_open_since(arrivals_before, merged_ms)
    arrivals = replace(arrivals_before, recent=closed_arrivals)
    for at_ms, gap_ms in sightings:
        if at_ms >= max(first_ms, arrivals_before.folded_until_ms):
            arrivals = arrivals.add_sighting(at_ms, gap_ms)
    return arrivals.fold_oldest()


def find_open_since(arrivals_before: Arrivals, merged_ms: int) -> int:
    """Return the time, in ms, from which on sightings may have changed since the merge."""
    limit_ms = merged_ms - KEPT_MS - DAY_MS
    return min(
        [
            limit_ms,
            *(
                arrival.first_ms
                for arrival in arrivals_before.recent
                if arrival.until_ms > limit_ms
            ),
        ]
    )


def find_renaming_times(
    before: Promotion | None, after: Promotion | None
) -> tuple[int, int] | None:
    """Return the times, in ms, between which the two promotions put sightings into different
    groups; None: nowhere."""
    old_ms, new_ms = (
        None if promotion is None else promotion.at_ms for promotion in (before, after)
    )
    if old_ms == new_ms:
        return None
    times_ms = sorted(at for at in (old_ms, new_ms) if at is not None)
    return times_ms[0], times_ms[1] if len(times_ms) > 1 else LAST_MS


def count_group_gains(gained: Sequence[str], lost: Sequence[str]) -> Mapping[str, int]:
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


def _raise_refused(error: ConditionFailed, merge: Merge) -> None:
    """Raise the error that another try would meet too, if it is one."""
    if FACE_FREE in error.names:
        raise FaceExists(
            f"another face was enrolled as {merge.other!r} since: delete that one first"
        ) from error
    if TENANT_ROOM in error.names:
        raise TenantFull("the tenant holds as many faces as it may: delete some first") from error
