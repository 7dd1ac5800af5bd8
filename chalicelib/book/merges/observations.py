"""Statistics of merged faces: observations move to the other face, and back after an undo.

The transaction that changed the faces marked them (`moving`), and the merge's record. The observations follow in chunks
of one transaction each. If a request is cut off, the next request for one of the faces continues, or the sweep. A
repeated chunk changes nothing. Several may move at once, so each chunk requires that the merge has not gone on since.

Scheduled chores finish merges that were cut off, and delete those too old to be undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.records.faces import face_from
from chalicelib.book.records.merges import IN_FLIGHT, UNDONE_WITHIN, Merge, MergeState, merge_deletes
from chalicelib.book.records.observations import STORABLE, observation_from
from chalicelib.book.rooms import UseCase
from chalicelib.book.rules.visits import FaceVisits, named_by
from chalicelib.book.visits import visits_puts
from chalicelib.book.words import keys
from chalicelib.book.words.captures import parts_of_sighting
from chalicelib.book.words.errors import Busy, ConditionFailed, RegularsError
from chalicelib.book.words.items import attempts, observed_on, retry_if_changed, write, write_unless_changed
from chalicelib.book.words.local_time import DAY_MS, Span
from chalicelib.book.words.model import Face, Tenant
from chalicelib.book.words.observations import (
    ChangedObservation,
    Observation,
    ObservationFilter,
    ObservationKind,
    Passage,
    is_new_id,
    is_of,
)
from chalicelib.book.words.ports import Action, Check, Update, at_least, equals
from chalicelib.book.words.telemetry import log_failure
from chalicelib.book.words.values import milliseconds

REQUEST_S = 15.0
"""How long a request moves observations. The next request, or the sweep, moves the rest."""


_A_TRANSACTION = 40
_MERGE_STATE = "merge-state"

Reassignment = Callable[[Observation, FaceVisits], Observation | None]
"""A function that returns the changed observation, given the face whose visits decide its group; None: no change."""


class _Way(Struct, frozen=True):
    """The observations of `source` in the span, and how a merge or its undo changes them.

    `named_after`: the face whose visits decide the group that they name.
    """

    merge: Merge
    source: str
    named_after: str
    reassigned: Reassignment
    span: Span = STORABLE
    merged: Face | None = None
    """The face of `source`, if another one may have had its id before."""


class ObservationMover(UseCase):
    def list_observations(self, tenant: Tenant, faceid: str) -> Iterator[Observation]:
        """Yield the observations of a face, also of one that was deleted."""
        return (one for chunk in self.chunks(tenant, {faceid}) for one in chunk)

    def settle(self, tenant: Tenant, *faces: Face) -> bool:
        """Finish moving the faces' observations. Return whether some were being moved: then the faces are others now.

        Raises Busy if some are left.
        """
        moving = [face.moving for face in faces if face.moving]
        for merge_id in moving:
            if self.finish(tenant, merge_id).state in (MergeState.MOVING, MergeState.UNDOING):
                raise Busy(
                    "observations of this face are being moved after a merge: send the request again in a moment"
                )
        return bool(moving)

    def finish(self, tenant: Tenant, merge_id: str, within_s: float | None = REQUEST_S) -> Merge:
        """Continue a merge or its undo for about `within_s` seconds; None: to the end. Return the merge as it is then.

        Raises MergeNotFound, Busy.
        """
        merge = self.book.merges.records.get(tenant.name, merge_id)
        until = None if within_s is None else time.monotonic() + within_s
        if merge.state is MergeState.MOVING:
            whole = self._move(tenant, self._make_merge_way(tenant, merge), until)
        elif merge.state is MergeState.UNDOING:
            whole = self._move(tenant, _Way(merge, merge.survivor, merge.other, _make_return(merge)), until)
        else:
            return merge
        if whole and merge.renaming is not None:
            first_ms, behind_ms = merge.renaming
            span = Span(first_ms, behind_ms - 1)
            whole = self._move(tenant, _Way(merge, merge.survivor, merge.survivor, _set_group_name, span), until)
        return self._finish_merge(tenant, merge) if whole else merge

    def stragglers(self, tenant: Tenant, merge: Merge) -> None:
        """Move the other face's observations that a search under way at the merge wrote after it."""
        at_ms, around_ms = milliseconds(merge.at), IN_FLIGHT // timedelta(milliseconds=1)
        span = Span(at_ms - around_ms, at_ms + around_ms)
        self._move(tenant, self._make_merge_way(tenant, merge, span), None)

    def tenant(self, tenant: Tenant) -> None:
        """Do all chores of the tenant's merges. If those of one fail, do the others', then raise Busy."""
        failed: list[str] = []
        for merge in list(self.book.merges.records.all(tenant.name)):
            try:
                self._one(tenant, merge)
            except RegularsError as error:
                log_failure(error, f"merge {merge.id} of tenant {tenant.name} is looked at again later")
                failed.append(merge.id)
        if failed:
            raise Busy(f"these merges were not finished or deleted: {', '.join(failed)}")

    def chunks(
        self, tenant: Tenant, faceids: Set[str], span: Span = STORABLE, size: int = _A_TRANSACTION
    ) -> Iterator[list[Observation]]:
        """Yield up to `size` observations at a time, by local day. Those that change meanwhile may be missing."""
        found: list[tuple[str, str]] = []
        for of_day in self._ids(tenant, faceids, span):
            found += [keys.observation(tenant.name, at_ms, id_) for at_ms, id_ in of_day]
            while len(found) >= size:
                yield self.read_by_keys(faceids, found[:size])
                found = found[size:]
        if found:
            yield self.read_by_keys(faceids, found)

    def captures(self, tenant: Tenant, faceid: str) -> set[str]:
        """Return the ids of all captures in which the face was seen."""
        kind = ObservationKind.SIGHTING
        return {parts_of_sighting(id_)[0] for of_day in self._ids(tenant, {faceid}, kind=kind) for _, id_ in of_day}

    def read_by_keys(self, faceids: Set[str], observation_keys: Sequence[tuple[str, str]]) -> list[Observation]:
        """Read those of the observations that still exist and are still of these faces."""
        items = self.book.items.get_many(keys.OBSERVATIONS, observation_keys)
        return [observation_from(item) for item in items if item and item["faceid"] in faceids]

    def _make_merge_way(self, tenant: Tenant, merge: Merge, span: Span = STORABLE) -> _Way:
        """Return the way of a merge: of what the other face's id has, that face's own."""
        face = merge.kept.face if merge.kept else None
        is_given = face is not None and not is_new_id(face) and self._is_enrolled(tenant, merge, face)
        return _Way(merge, merge.other, merge.survivor, _make_reassignment(merge), span, face if is_given else None)

    def _is_enrolled(self, tenant: Tenant, merge: Merge, face: Face) -> bool:
        """Return whether somebody enrolled the other face: as `own` of book/words/observations does, with one read."""
        at_ms = milliseconds(face.enrolled_at)
        found = observed_on(self.book.items, tenant.name, at_ms // DAY_MS, at_ms, at_ms)
        enrolled = (observation_from(one) for one in found if one["kind"] == ObservationKind.ENROLMENT)
        return any(one.faceid == merge.other or merge.id in {by.merge for by in one.passages} for one in enrolled)

    def _without_others(self, tenant: Tenant, way: _Way, observations: list[Observation]) -> list[Observation]:
        """Leave out those of other faces, which had the id before, or were enrolled with it since the merge.

        The face is read after its observations: it is stored with its first one.
        """
        item = self.book.items.get(keys.FACES, (tenant.name, way.source)) if way.source == way.merge.other else None
        again = None if item is None else face_from(item)
        return [
            one
            for one in observations
            if (again is None or not is_of(again, one)) and (way.merged is None or is_of(way.merged, one))
        ]

    def _move(self, tenant: Tenant, way: _Way, until: float | None) -> bool:
        """Move the observations. Return False if time ran out first."""
        for observations in self.chunks(tenant, {way.source}, way.span):
            self._chunk(tenant, way, observations)
            if until is not None and time.monotonic() > until:
                return False
        return True

    def _chunk(self, tenant: Tenant, way: _Way, observations: list[Observation]) -> None:
        same = Check(keys.MERGES, (tenant.name, way.merge.id), (equals("state", way.merge.state, _MERGE_STATE),))
        for _ in attempts():
            held = self.book.face_visits.read_face(tenant, way.named_after)
            if held is None:
                return
            changes = [
                ChangedObservation(one, after)
                for one in self._without_others(tenant, way, observations)
                if (after := way.reassigned(one, held)) is not None and after != one
            ]
            if not changes:
                return
            # A new version of the visits, for writers that are about to rename the face's sightings and read too few.
            visits = visits_puts(tenant.name, held.face.faceid, held.visits, held.visits)
            try:
                write(self.book.items, [same, *visits, *self.book.statistics.actions(tenant.name, [], changes)])
            except ConditionFailed as error:
                if _MERGE_STATE in error.names:
                    return  # finished by another one, and perhaps undone since
                observations = self.read_by_keys(
                    {way.source}, [keys.observation(tenant.name, one.at_ms, one.id) for one in observations]
                )
            else:
                return
        raise Busy("many sightings of this face arrive at once: send the request again in a moment")

    @retry_if_changed("this face is changed by others all the time: send the request again in a moment")
    def _finish_merge(self, tenant: Tenant, merge: Merge) -> Merge:
        undone = merge.state is MergeState.UNDOING
        after = replace(merge, state=MergeState.UNDONE if undone else MergeState.DONE, renaming=None)
        if undone:
            after = replace(after, kept=None)
        found = self.book.items.get_many(
            keys.FACES, [(tenant.name, merge.survivor), *([(tenant.name, merge.other)] if undone else [])]
        )
        faces = [face_from(item) for item in found if item]
        gone = ("renaming", "kept") if undone else ("renaming",)
        actions: list[Action] = [
            Update(
                keys.MERGES,
                (tenant.name, merge.id),
                (equals("state", merge.state, _MERGE_STATE),),
                set={"state": after.state},
                remove=gone,
            ),
            *(_release_update(tenant.name, face, merge) for face in faces if face.moving == merge.id),
        ]
        try:
            write(self.book.items, actions)
        except ConditionFailed:
            merge_now = self.book.merges.records.get(tenant.name, merge.id)
            if merge_now.state is merge.state:
                raise
            return merge_now
        return after

    def _one(self, tenant: Tenant, merge: Merge) -> None:
        merge = self.finish(tenant, merge.id, None)
        age = self.book.clock.now() - merge.at
        if age > UNDONE_WITHIN:
            if self._delete_merge(tenant.name, merge):
                self.book.face_pictures.discard(merge.picture_keys)
        elif merge.state is MergeState.DONE and _LOOKED_AGAIN[0] <= age <= _LOOKED_AGAIN[1]:
            self.stragglers(tenant, merge)

    def _delete_merge(self, tenant: str, merge: Merge) -> bool:
        """Delete a merge and lower the survivor's count of merges; return False if that face is held or restricted.

        If the survivor is gone (merged itself, or deleted just now), delete the merge only.
        """
        deletes = merge_deletes(tenant, merge, equals("state", merge.state, "merge-state"))
        free = (equals("hold", None, _FREE), equals("restriction", None, _FREE))
        counted = (at_least("merges", 1, "face-merged"), *free)
        fewer = Update(keys.FACES, (tenant, merge.survivor), counted, add={"merges": -1, "version": 1})
        try:
            write(self.book.items, [*deletes, fewer] if merge.is_active else deletes)
        except ConditionFailed as error:
            survivor = self.book.items.get(keys.FACES, (tenant, merge.survivor)) if _FREE in error.names else None
            if survivor is not None and survivor.keys() & {"hold", "restriction"}:
                return False
            write_unless_changed(self.book.items, deletes)
        return True

    def _ids(
        self, tenant: Tenant, faceids: Set[str], span: Span = STORABLE, kind: ObservationKind | None = None
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield the time, in ms, and the id of each observation, by local day."""
        wanted = [ObservationFilter(faceid=faceid, kind=kind) for faceid in sorted(faceids)]
        observed = self.book.statistics.days.open_span(tenant, span, wanted[0])
        for _, columns in observed.columns(observed.days_with(faceids)):
            rows = [row for one in wanted for row in columns.select(one, span).tolist()]
            yield [(int(columns.at_ms[row]), columns.ids[row]) for row in sorted(rows)]


def _make_reassignment(merge: Merge) -> Reassignment:
    def assign_to_survivor(observation: Observation, survivor: FaceVisits) -> Observation | None:
        passages = (*observation.passages, Passage(merge.id, observation.group_name))
        named = _set_group_name(observation, survivor)
        return replace(named, faceid=merge.survivor, passages=passages, written_at=merge.at)

    return assign_to_survivor


def _make_return(merge: Merge) -> Reassignment:
    kept = merge.kept

    def assign_back(observation: Observation, other: FaceVisits) -> Observation | None:
        passages = observation.passages
        if not passages or passages[-1].merge != merge.id:
            return None
        late = merge.at if len(passages) > 1 or observation.at < other.face.enrolled_at else None
        back = replace(
            observation, faceid=merge.other, group_name=passages[-1].group_name, passages=passages[:-1], written_at=late
        )
        # With its old group name, unless the face's promotion has changed since.
        as_before = kept is not None and other.visits.promotion == kept.visits.promotion
        return back if as_before else _set_group_name(back, other)

    return assign_back


def _set_group_name(observation: Observation, held: FaceVisits) -> Observation:
    if not held.is_grouped_by_visits:
        return observation
    promotion = held.visits.promotion if held.is_promoted else None
    return named_by(held.groups, None if promotion is None else promotion.at_ms, observation)


def _release_update(tenant: str, face: Face, merge: Merge) -> Update:
    still = (equals("moving", merge.id, "still-moving"),)
    return Update(keys.FACES, (tenant, face.faceid), still, add={"version": 1}, remove=("moving",))


_LOOKED_AGAIN = (timedelta(minutes=5), timedelta(hours=6))
"""The age of a merge, from and to, at which the sweep moves observations that a search under way wrote too late."""


_FREE = "survivor-free"
