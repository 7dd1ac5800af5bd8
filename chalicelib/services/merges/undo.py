"""Undo of a merge: the other face comes back as it was; the survivor keeps its own data, and what it gained since.

A merge can be undone for UNDONE_WITHIN (core/merges).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.errors import (
    ConditionFailed,
    Conflict,
    FaceExists,
    GroupFull,
    GroupNotFound,
    MergeNotFound,
    TenantFull,
    Unusable,
)
from chalicelib.core.holds import require_kept
from chalicelib.core.items import Changed, retried
from chalicelib.core.learning import given, with_a_given_one
from chalicelib.core.local_time import Span
from chalicelib.core.merges import UNDONE_WITHIN, Duplicate, Merge, MergeBackup, MergeState
from chalicelib.core.model import Edit, Face, Group, JournalEntry, Picture, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.ports import Action, Put, absent, equals
from chalicelib.core.records.faces import face_item
from chalicelib.core.records.merges import merge_puts
from chalicelib.core.records.observations import STORABLE
from chalicelib.core.templates import compared
from chalicelib.core.values import milliseconds
from chalicelib.core.visits import Arrivals, FaceVisits, VisitPlan, Visits, arrived
from chalicelib.services.commit import TENANT_ROOM, Change, edited, limited_groups
from chalicelib.services.faces import name_puts, renamed
from chalicelib.services.idempotency import RequestId
from chalicelib.services.merges.merging import arrivals_since, counts, open_since, renaming, returned, unmerged
from chalicelib.services.merges.observations import REQUEST_S
from chalicelib.services.merges.records import said_two
from chalicelib.services.models import Embedder
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_put, returning_puts, visits_puts

_RETURNED = "merged-face-free"


@dataclass(frozen=True)
class _UndoPlan:
    """The plans for both faces of an undo."""

    survivor: VisitPlan
    other: VisitPlan
    group: Group
    """The group of the other face."""
    rejected: frozenset[str]
    """The sightings that the other face had learnt from, and that were rejected since the merge."""


class MergeUndo(UseCase):
    @retried("this face is changed by others all the time: send the request again in a moment")
    def undo(self, tenant: Tenant, merge_id: str, request: RequestId | None = None) -> Merge:
        """Make a merged face two again. Called again, continue where it stopped. The state may still be UNDOING.

        If the tenant's model was changed since the merge, the other face is embedded again from its pictures. Raises
        MergeNotFound, FaceHeld if the survivor is, Conflict if it was merged into another face since (undo that first),
        GroupFull, TenantFull, GroupNotFound if the other's group is gone, FaceExists if another face has its id now,
        Busy, AnsweredAlready: Merging.finish continues it.
        """
        merge = self.book.merges.records.get(tenant.name, merge_id)
        if not merge.is_active:
            self.book.requests.note(tenant.name, request)
            return self.book.merges.mover.finish(tenant, merge.id, REQUEST_S)
        kept = self._kept(merge)
        survivor = self.book.face_visits.read(tenant, merge.survivor)
        if survivor is None:
            raise self._gone(tenant, merge)
        require_kept(survivor.face)
        if survivor.face.moving:
            self.book.merges.mover.settle(tenant, survivor.face)
            raise Changed
        try:
            change, left_behind = self._change(tenant, merge, kept, survivor)
            with self.book.requests.answering(tenant.name, request):
                record = self.book.requests.recorded(tenant.name, request)
                self.book.writer.commit(tenant.name, replace(change, actions=(*change.actions, *record)))
            self.book.portraits.discard(left_behind)
        except ConditionFailed as error:
            _raise_refused(error, merge)
            raise
        return self.book.merges.mover.finish(tenant, merge.id, REQUEST_S)

    def _kept(self, merge: Merge) -> MergeBackup:
        if merge.kept is None or self.book.clock.now() - merge.at > UNDONE_WITHIN:
            raise MergeNotFound(f"merge {merge.id!r} can no longer be undone: it is over {UNDONE_WITHIN.days} days old")
        return merge.kept

    def _gone(self, tenant: Tenant, merge: Merge) -> Exception:
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
        plan = self._planned(tenant, merge, kept, survivor)
        face, other = self._faces_after(tenant, merge, kept, survivor, plan)
        before = survivor.visits.promotion if survivor.is_promoted else None
        undoing = replace(
            merge,
            state=MergeState.UNDOING,
            renaming=renaming(before, plan.survivor.visits.promotion) if survivor.is_grouped_by_visits else None,
        )
        negatives = {one.sighting_id: one for one in self.book.recognition.negatives.of_face(tenant.name, face.faceid)}
        own = negatives.keys() & kept.given
        actions: list[Action] = [
            face_put(tenant.name, survivor.face, replace(face, negatives=survivor.face.negatives - len(own))),
            *renamed(tenant.name, survivor.face, face),
            *visits_puts(tenant.name, face.faceid, survivor.visits, plan.survivor.visits),
            Put(keys.FACES, face_item(tenant.name, other), (absent(_RETURNED),)),
            *name_puts(tenant.name, other),
            *returning_puts(tenant.name, other.faceid, _returning(plan.other.visits, survivor.visits)),
            *merge_puts(tenant.name, undoing, equals("state", MergeState.DONE, "merge-done")),
            *(self.book.recognition.negatives.forgotten(tenant.name, face.faceid, id_) for id_ in sorted(own)),
            # The survivor's, if it has it: that has a template of the present model, too.
            *(
                self.book.recognition.negatives.remembered(
                    tenant.name, other.faceid, negatives.get(one.sighting_id, one)
                )
                for one in kept.negatives
            ),
            said_two(tenant.name, Duplicate.of(face.faceid, other.faceid, self.book.clock.now())),
        ]
        put = JournalEntry(Edit.PUT, other.faceid, other.group_id, compared(other.templates))
        change = Change(
            tuple(actions),
            (put, *edited(survivor.face, face)),
            counts([face.group_id, other.group_id], [survivor.face.group_id]),
            survivor.limited_groups | limited_groups(plan.group),
            skips_model_check=not (_is_of_model(tenant, other) and _is_of_model(tenant, face)),
        )
        had = (*survivor.face.picture_keys, *kept.face.picture_keys)
        return change, [key for key in had if key not in (*face.picture_keys, *other.picture_keys)]

    def _planned(self, tenant: Tenant, merge: Merge, kept: MergeBackup, survivor: FaceVisits) -> _UndoPlan:
        merged_ms, now_ms = (milliseconds(at) for at in (merge.at, self.book.clock.now()))
        own, others, rejected = self._returning(tenant, merge, kept, merged_ms)
        plan = unmerged(survivor, kept, own, survivor.groups.rule, now_ms)
        other = returned(kept, others, now_ms)
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
        for chunk in self.book.merges.observations.chunks(tenant, {merge.survivor}, span):
            for one in chunk:
                if one.kind is ObservationKind.SIGHTING and one.gap_s is not None:
                    goes = _came_by(one, merge)
                    (went if goes else came).append((milliseconds(one.at), one.gap_s * 1000))
                    rejected -= {one.id} if goes else set()
        return (
            arrivals_since(own, merged_ms, came),
            arrivals_since(others, merged_ms, went),
            frozenset(rejected),
        )

    def _faces_after(
        self, tenant: Tenant, merge: Merge, kept: MergeBackup, survivor: FaceVisits, plan: _UndoPlan
    ) -> tuple[Face, Face]:
        below = [one for one in self.book.merges.records.below(tenant.name, merge.other) if one.is_active]
        now = self.book.clock.now()
        all_below = [one for one in self.book.merges.records.below(tenant.name, merge.survivor) if one.is_active]
        face = replace(
            arrived(survivor.face, plan.survivor),
            name=_own(survivor.face.name, kept.name),
            note=_own(survivor.face.note, kept.note),
            consent=None if survivor.face.consent == kept.consent else survivor.face.consent,
            pictures=_own_pictures(survivor.face.pictures, kept),
            merges=len(all_below) - len(below) - 1,
            moving=merge.id,
            changed_at=now,
        )
        pictures = _not_rejected(kept.face.pictures, plan.rejected)
        other = self._of_today(tenant, arrived(replace(kept.face, pictures=pictures), plan.other))
        other = replace(
            other,
            user="",  # it left its user as it was merged
            merges=len(below),
            moving=merge.id,
            hold=None,  # of before held faces stayed out of merges: the survivor took it on, and it was lifted there
            changed_at=now,
            version=kept.face.version + 1,
        )
        return face, other

    def _of_today(self, tenant: Tenant, face: Face) -> Face:
        """Return the face with templates of the tenant's model, made from its pictures if it has none.

        A picture that is gone, or in which the face is not found for certain, stays as it is.
        """
        if _is_of_model(tenant, face):
            return face
        return replace(face, pictures=tuple(self._embedded(tenant, face, one) for one in face.pictures))

    def _embedded(self, tenant: Tenant, face: Face, picture: Picture) -> Picture:
        jpeg = self.book.portraits.load_jpeg(picture)
        if jpeg is None:
            return picture
        vision = self.book.tenant_vision.of(tenant.model)
        try:
            template = Embedder(vision, vision).template(face.templates, jpeg)
        except Unusable:
            return picture
        return replace(picture, templates=(*picture.templates, template))


def _is_of_model(tenant: Tenant, face: Face) -> bool:
    return any(picture.has(tenant.model) for picture in face.pictures)


def _came_by(observation: Observation, merge: Merge) -> bool:
    return bool(observation.passages) and observation.passages[-1].merge == merge.id


def _returning(visits: Visits, survivor: Visits) -> Visits:
    """Return the visits with a new version, so that a writer that read them before the merge fails its condition."""
    return replace(visits, version=visits.version + 1, in_one_item=survivor.in_one_item)


def _own_pictures(pictures: tuple[Picture, ...], kept: MergeBackup) -> tuple[Picture, ...]:
    """Return the pictures but those that came from the other, or were learnt since.

    If that leaves none, since the survivor's own was rejected meanwhile, return the given ones, whosever they are.
    """
    own = (
        one
        for one in pictures
        if one.id not in kept.pictures and (one.learnt is None or one.learnt.sighting_id in kept.learnt)
    )
    return with_a_given_one(tuple(own) or given(pictures))


def _not_rejected(pictures: tuple[Picture, ...], rejected: Collection[str]) -> tuple[Picture, ...]:
    """Return the other face's pictures but those that it had learnt from sightings that were rejected since."""
    left = tuple(one for one in pictures if one.learnt is None or one.learnt.sighting_id not in rejected)
    return with_a_given_one(left or pictures)


def _own(text: str, given: str) -> str:
    """Return the survivor's name or note without the one that came from the other, unless a user changed it since."""
    return "" if text == given else text


def _raise_refused(error: ConditionFailed, merge: Merge) -> None:
    """Raise the error that another try would meet too, if it is one."""
    if _RETURNED in error.names:
        raise FaceExists(f"another face was enrolled as {merge.other!r} since: delete that one first") from error
    if TENANT_ROOM in error.names:
        raise TenantFull("the tenant holds as many faces as it may: delete some first") from error
