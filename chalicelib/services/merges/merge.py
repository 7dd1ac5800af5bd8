"""Merge of two faces of one person: pictures, arrivals, negatives and observations of one become the other's.

One transaction changes the faces and keeps a record of the other face for as long as the merge can be undone. Then its
observations follow (services/merges/observations.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, FaceNotFound, InvalidInput, LimitReached
from chalicelib.core.items import attempts
from chalicelib.core.merges import Merge, MergeBackup, MergeState
from chalicelib.core.model import Face, Negative, Picture, Tenant
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Put, absent, equals
from chalicelib.core.records.merges import merge_item
from chalicelib.core.values import milliseconds, time_ordered_id
from chalicelib.core.visits import FaceVisits, VisitPlan, Visits, arrived
from chalicelib.core.webhooks import Event, EventKind
from chalicelib.services.commit.gallery import Change, GalleryWriter, deleted, edited
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.faces.faces import is_faceid
from chalicelib.services.faces.holds import held_again
from chalicelib.services.faces.names import name_deletes, renamed
from chalicelib.services.faces.portraits import Portraits, keys_of
from chalicelib.services.faces.visits import FACE_SAME, VISITS_SAME, FaceVisitsStore, face_put, visits_put
from chalicelib.services.merges.observations import REQUEST_S, ObservationMover
from chalicelib.services.merges.plan import counts, merged, merged_pictures, renaming
from chalicelib.services.merges.records import MAX_MERGES, Merges
from chalicelib.services.recognition.recognition import MAX_NEGATIVES, Negatives
from chalicelib.services.webhooks.outbox import Outbox


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


@dataclass
class Merging:
    items: ItemStore
    face_visits: FaceVisitsStore
    writer: GalleryWriter
    mover: ObservationMover
    portraits: Portraits
    requests: Requests
    outbox: Outbox
    clock: Clock

    def merge(self, tenant: Tenant, faceid: str, other_id: str, request: RequestId | None = None) -> Merge:
        """Merge `other_id` into `faceid`. Called again, continue where it stopped. The state may still be MOVING.

        Raises InvalidInput if both are one face, FaceNotFound, LimitReached if the face would come from over 20 merges
        that can be undone, Busy, AnsweredAlready with the id of the `merge`: `finish` continues that.
        """
        if faceid == other_id:
            raise InvalidInput(f"a face is merged with another one, and {faceid[:70]!r} was named twice")
        for _ in attempts():
            survivor, other = (self._held(tenant, one) for one in (faceid, other_id))
            if survivor is None:
                raise FaceNotFound(f"there is no face {faceid[:70]!r}")
            if other is None:
                return self._merged_before(tenant, faceid, other_id, request)
            if survivor.face.moving or other.face.moving:
                for held in (survivor, other):
                    self.mover.settle(tenant, held.face)
                continue
            try:
                with self.requests.answering(tenant.name, request):
                    return self._merged(tenant, survivor, other, request)
            except ConditionFailed:
                continue
        raise Busy("these faces are changed by others all the time: send the request again in a moment")

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
            one if one in own else self.portraits.copied(tenant, survivor.face, one)
            for one in merged_pictures(survivor.face, other.face)
        )
        with self.portraits.discarded_if_refused(keys_of(one for one in pictures if one not in own)):
            merge, change = self._planned(tenant, survivor, other, pictures, joined=joined is not None)
            record = self.requests.recorded(tenant.name, request, {"merge": merge.id})
            self.writer.commit(tenant.name, replace(change, actions=(*change.actions, *record, *(joined or ()))))
        self.outbox.announce(tenant.name, change.actions)
        self.portraits.discard(keys_of(one for one in own if one not in pictures))
        return self.mover.finish(tenant, merge.id, REQUEST_S)

    def finish(self, tenant: Tenant, merge_id: str) -> Merge:
        """Continue a merge, or its undo, that was begun. Raises MergeNotFound, Busy."""
        return self.mover.finish(tenant, merge_id, REQUEST_S)

    def _held(self, tenant: Tenant, faceid: str) -> FaceVisits | None:
        return self.face_visits.read(tenant, faceid) if is_faceid(faceid) else None

    def _merged_before(self, tenant: Tenant, faceid: str, other_id: str, request: RequestId | None) -> Merge:
        for merge in reversed(Merges(self.items).of_survivor(tenant.name, faceid)):
            if merge.other == other_id and merge.is_active:
                self.requests.note(tenant.name, request, {"merge": merge.id})
                return self.mover.finish(tenant, merge.id, REQUEST_S)
        raise FaceNotFound(f"there is no face {other_id[:70]!r}")

    def _planned(
        self, tenant: Tenant, survivor: FaceVisits, other: FaceVisits, pictures: tuple[Picture, ...], *, joined: bool
    ) -> tuple[Merge, Change]:
        """Plan the merge and the change to commit. `pictures`: the survivor's then, copies of the other's included."""
        now = self.clock.now()
        plan = merged(survivor, other, survivor.groups.rule, milliseconds(now))
        pair = _FacePair(survivor, other, *(self._negatives_of(tenant, held.face) for held in (survivor, other)))
        number = self._number(tenant, survivor.face, other.face)
        merge_id = keys.merge(survivor.face.faceid, time_ordered_id(now))
        face = replace(
            arrived(survivor.face, plan),
            hold=survivor.face.hold or other.face.hold,
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
        return Negatives(self.items).of_face(tenant.name, face.faceid) if face.negatives else []

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
        return [merge for merge in Merges(self.items).below(tenant.name, face.faceid) if merge.is_active]

    def _change(self, tenant: str, pair: _FacePair, face: Face, plan: VisitPlan, merge: Merge) -> Change:
        survivor, other = pair.survivor, pair.other
        actions: list[Action] = [
            face_put(tenant, survivor.face, face),
            *renamed(tenant, survivor.face, face),
            *held_again(tenant, survivor.face, face),
            visits_put(tenant, face.faceid, survivor.visits, plan.visits),
            *absorbed(tenant, other.face, other.visits),
            Put(keys.MERGES, merge_item(tenant, merge), (absent("merge-free"),)),
            *(Negatives(self.items).forgotten(tenant, other.face.faceid, one.sighting_id) for one in pair.others),
            *(Negatives(self.items).remembered(tenant, face.faceid, one) for one in pair.given),
            *self.outbox.actions(tenant, [_event(merge, face, survivor.name_of(face.group_id))]),
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
    """Return the actions that delete a face, its visits, name and hold, if they are as they were read.

    Conditions FACE_SAME, VISITS_SAME.
    """
    same = equals("version", visits.version, VISITS_SAME) if visits.version else absent(VISITS_SAME)
    return [
        Delete(keys.FACES, (tenant, face.faceid), (equals("version", face.version, FACE_SAME),)),
        Delete(keys.ARRIVALS, (tenant, face.faceid), (same,)),
        *name_deletes(tenant, face),
        *held_again(tenant, face, None),
    ]
