"""Statistics of merged faces: observations move to the other face, and back after an undo.

The transaction that changed the faces marked them (`moving`), and the merge's record. The
observations follow in chunks of one transaction each. If a request is cut off, the next request for
one of the faces continues, or the sweep. A repeated chunk changes nothing. Several may move at
once, so each chunk requires that the merge has not gone on since.

Scheduled jobs finish merges that were cut off, and delete those too old to be undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.visits import visits_puts
from chalicelib.domain.captures import parts_of_sighting
from chalicelib.domain.errors import Busy, ConditionFailed, RegularsError
from chalicelib.domain.jobs import FINISH_MERGES
from chalicelib.domain.local_time import DAY_MS, Span
from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.observations import (
    ChangedObservation,
    Observation,
    ObservationFilter,
    ObservationKind,
    Passage,
    is_new_id,
    is_of,
)
from chalicelib.domain.rules.visits import FaceVisits, name_by_promotion
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    count_attempts,
    observed_on,
    retry_if_changed,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import Action, Check, Update, at_least, equals
from chalicelib.storage.records.faces import face_from, face_update
from chalicelib.storage.records.merges import (
    IN_FLIGHT,
    UNDONE_WITHIN,
    Merge,
    MergeState,
    merge_deletes,
)
from chalicelib.storage.records.observations import STORABLE, days_of, observation_from
from chalicelib.storage.values import milliseconds
from chalicelib.telemetry import log_failure

if TYPE_CHECKING:
    from chalicelib.book.book import Book

REQUEST_S = 15.0
"""How long a request moves observations. A job behind it moves the rest (`finish_merge`)."""

REQUEST_CPU_S = 0.6
"""How much of a processor a request takes for it: 500 observations of sealed days take 0.5 s. Of
days whose seals do not hold, as after another merge, all observations are read."""

_A_TRANSACTION = 40
"""Observations that one transaction moves: each is two of the 100 actions that DynamoDB takes."""
_MERGE_STATE = "merge-state"

Reassignment = Callable[[Observation, FaceVisits], Observation | None]
"""A function that returns the changed observation, given the face whose visits decide its group;
None: no change."""


class _MovePlan(Struct, frozen=True):
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

    def holds(self, observation: Observation) -> bool:
        return self.span.first_ms <= observation.at_ms <= self.span.last_ms


class ObservationMover(Service["Book"]):
    """The mover of observations.

    `request_cpu_s`: the processor's time that a request takes for it.
    """

    request_cpu_s = REQUEST_CPU_S

    def list_observations(self, tenant: Tenant, faceid: str) -> Iterator[Observation]:
        """Yield the observations of a face, also of one that was deleted."""
        return (
            observation for chunk in self.list_in_chunks(tenant, {faceid}) for observation in chunk
        )

    def settle_faces(self, tenant: Tenant, *faces: Face) -> bool:
        """Finish moving the faces' observations.

        Return whether some were being moved: then the faces are others now.

        Raises Busy if some are left.
        """
        moving = [face.moving for face in faces if face.moving]
        for merge_id in moving:
            if self.finish_merge(tenant, merge_id).state in (MergeState.MOVING, MergeState.UNDOING):
                raise Busy(
                    "observations of this face are being moved after a merge: send the request "
                    "again in a moment"
                )
        return bool(moving)

    def finish_merge(
        self, tenant: Tenant, merge_id: str, within_s: float | None = REQUEST_S
    ) -> Merge:
        """Continue a merge or its undo for about `within_s` seconds and `request_cpu_s`; None: to
        the end.

        Return the merge as it is then. What is left to be moved, and the sealed days that do not
        hold any more, are asked for behind the request.

        Raises MergeNotFound, Busy.
        """
        merge = self.services.merges.records.get(tenant.name, merge_id)
        if merge.state not in (MergeState.MOVING, MergeState.UNDOING):
            return merge
        has_time = (
            _has_always_time if within_s is None else _limit_work(within_s, self.request_cpu_s)
        )
        moved_days: set[int] = set()
        plans = [*self._list_plans(tenant, merge)]
        is_complete = self._move_observations(tenant, plans, has_time, moved_days)
        finished_merge = self._store_finished_merge(tenant, merge) if is_complete else merge
        if within_s is not None:
            jobs = () if is_complete else (FINISH_MERGES,)
            self.services.statistics.request_seals(tenant, moved_days, *jobs)
        return finished_merge

    def move_stragglers(self, tenant: Tenant, merge: Merge) -> None:
        """Move the other face's observations that a search under way at the merge wrote after
        it."""
        at_ms, around_ms = milliseconds(merge.at), IN_FLIGHT // timedelta(milliseconds=1)
        span = Span(at_ms - around_ms, at_ms + around_ms)
        plan = self._make_merge_plan(tenant, merge, span)
        self._move_observations(tenant, [plan], _has_always_time, set())

    def work_off_merges(self, tenant: Tenant) -> None:
        """Do all jobs of the tenant's merges.

        If those of one fail, do the others', then raise Busy.
        """
        failed: list[str] = []
        for merge in list(self.services.merges.records.list_all(tenant.name)):
            try:
                self._work_off_merge(tenant, merge)
            except RegularsError as error:
                log_failure(
                    error, f"merge {merge.id} of tenant {tenant.name} is looked at again later"
                )
                failed.append(merge.id)
        if failed:
            raise Busy(f"these merges were not finished or deleted: {', '.join(failed)}")

    def list_in_chunks(
        self, tenant: Tenant, faceids: Set[str], span: Span = STORABLE, size: int = _A_TRANSACTION
    ) -> Iterator[list[Observation]]:
        """Yield up to `size` observations at a time, by local day.

        Those that change meanwhile may be missing.
        """
        return self._list_in_chunks(tenant, dict.fromkeys(faceids, span), size)

    def list_capture_ids(self, tenant: Tenant, faceid: str) -> set[str]:
        """Return the ids of all captures in which the face was seen."""
        kind = ObservationKind.SIGHTING
        return {
            parts_of_sighting(id_)[0]
            for of_day in self._list_ids_by_day(tenant, {faceid: STORABLE}, kind)
            for _, id_ in of_day
        }

    def read_by_keys(
        self, faceids: Set[str], observation_keys: Sequence[tuple[str, str]]
    ) -> list[Observation]:
        """Read those of the observations that still exist and are still of these faces."""
        items = self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
        return [observation_from(item) for item in items if item and item["faceid"] in faceids]

    def _list_plans(self, tenant: Tenant, merge: Merge) -> Iterator[_MovePlan]:
        """Yield what moves observations in this state of a merge, and then what renames them."""
        if merge.state is MergeState.MOVING:
            yield self._make_merge_plan(tenant, merge)
        else:
            yield _MovePlan(merge, merge.survivor, merge.other, _make_return(merge))
        if merge.renaming is not None:
            first_ms, behind_ms = merge.renaming
            span = Span(first_ms, behind_ms - 1)
            yield _MovePlan(merge, merge.survivor, merge.survivor, _set_group_name, span)

    def _list_in_chunks(
        self, tenant: Tenant, spans: Mapping[str, Span], size: int
    ) -> Iterator[list[Observation]]:
        """Yield as `list_in_chunks` does the observations of each face in its span."""
        found_keys: list[tuple[str, str]] = []
        for times_and_ids in self._list_ids_by_day(tenant, spans):
            found_keys += [
                keys.observation(tenant.name, at_ms, id_) for at_ms, id_ in times_and_ids
            ]
            while len(found_keys) >= size:
                yield self.read_by_keys(spans.keys(), found_keys[:size])
                found_keys = found_keys[size:]
        if found_keys:
            yield self.read_by_keys(spans.keys(), found_keys)

    def _make_merge_plan(self, tenant: Tenant, merge: Merge, span: Span = STORABLE) -> _MovePlan:
        """Return the plan of a merge: of what the other face's id has, that face's own."""
        face = merge.backup.face if merge.backup else None
        is_given = (
            face is not None and not is_new_id(face) and self._is_enrolled(tenant, merge, face)
        )
        return _MovePlan(
            merge,
            merge.other,
            merge.survivor,
            _make_reassignment(merge),
            span,
            face if is_given else None,
        )

    def _is_enrolled(self, tenant: Tenant, merge: Merge, face: Face) -> bool:
        """Return whether somebody enrolled the other face: as `own` of domain/observations does,
        with one read."""
        at_ms = milliseconds(face.enrolled_at)
        items = observed_on(self.services.items, tenant.name, at_ms // DAY_MS, at_ms, at_ms)
        enrolments = (
            observation_from(item) for item in items if item["kind"] == ObservationKind.ENROLMENT
        )
        return any(
            observation.faceid == merge.other
            or merge.id in {by.merge for by in observation.passages}
            for observation in enrolments
        )

    def _leave_out_others(
        self, tenant: Tenant, plan: _MovePlan, observations: list[Observation]
    ) -> list[Observation]:
        """Leave out those of other faces, which had the id before, or were enrolled with it since
        the merge.

        The face is read after its observations: it is stored with its first one.
        """
        item = (
            self.services.items.get(keys.FACES, (tenant.name, plan.source))
            if plan.source == plan.merge.other
            else None
        )
        enrolled_again = None if item is None else face_from(item)
        return [
            observation
            for observation in observations
            if (enrolled_again is None or not is_of(enrolled_again, observation))
            and (plan.merged is None or is_of(plan.merged, observation))
        ]

    def _move_observations(
        self,
        tenant: Tenant,
        plans: Sequence[_MovePlan],
        has_time: Callable[[], bool],
        moved_days: set[int],
    ) -> bool:
        """Move the observations, and add their UTC days. Return False if time ran out first.

        All plans are done by one look through the days: what one of them moves makes seals invalid
        by which the next one would find its observations.
        """
        spans: dict[str, Span] = {}
        for plan in plans:
            spans[plan.source] = plan.span.hull(spans.get(plan.source, plan.span))
        for observations in self._list_in_chunks(tenant, spans, _A_TRANSACTION):
            remaining = observations
            for plan in plans:
                own_observations = [
                    observation
                    for observation in remaining
                    if observation.faceid == plan.source and plan.holds(observation)
                ]
                changed_ids = self._move_chunk(tenant, plan, own_observations)
                remaining = [
                    observation for observation in remaining if observation.id not in changed_ids
                ]
            moved_days |= days_of(observations)
            if not has_time():
                return False
        return True

    def _move_chunk(
        self, tenant: Tenant, plan: _MovePlan, observations: list[Observation]
    ) -> set[str]:
        """Move some observations in one transaction. Return the ids of those that were to change.

        If others changed some meanwhile, read these again and move them.

        Nothing is moved if another process has finished the merge. Raises Busy.
        """
        if not observations:
            return set()
        if_same_state = Check(
            keys.MERGES,
            (tenant.name, plan.merge.id),
            (equals("state", plan.merge.state, _MERGE_STATE),),
        )
        for _ in count_attempts():
            face_visits = self.services.face_visits.read_face(tenant, plan.named_after)
            if face_visits is None:
                return set()
            changes = [
                ChangedObservation(observation, after)
                for observation in self._leave_out_others(tenant, plan, observations)
                if (after := plan.reassigned(observation, face_visits)) is not None
                and after != observation
            ]
            if not changes:
                return set()
            # A new version of the visits, for writers that are about to rename the face's sightings
            # and read too few.
            visits = visits_puts(
                tenant.name, face_visits.face.faceid, face_visits.visits, face_visits.visits
            )
            try:
                moves = self.services.statistics.make_actions(tenant.name, [], changes)
                write(self.services.items, [if_same_state, *visits, *moves])
            except ConditionFailed as error:
                if _MERGE_STATE in error.names:
                    return set()  # finished by another one, and perhaps undone since
                observation_keys = [
                    keys.observation(tenant.name, read_before.at_ms, read_before.id)
                    for read_before in observations
                ]
                observations = self.read_by_keys({plan.source}, observation_keys)
            else:
                return {change.before.id for change in changes}
        raise Busy("many sightings of this face arrive at once: send the request again in a moment")

    @retry_if_changed(
        "this face is changed by others all the time: send the request again in a moment"
    )
    def _store_finished_merge(self, tenant: Tenant, merge: Merge) -> Merge:
        """Store that all observations are moved, and release both faces.

        Return the merge with its new state. Raises Busy.
        """
        is_undone = merge.state is MergeState.UNDOING
        finished_merge = replace(
            merge,
            state=MergeState.UNDONE if is_undone else MergeState.DONE,
            renaming=None,
            backup=None if is_undone else merge.backup,
        )
        items = self.services.items.get_many(
            keys.FACES,
            [(tenant.name, merge.survivor), *([(tenant.name, merge.other)] if is_undone else [])],
        )
        faces = [face_from(item) for item in items if item]
        removed_fields = ("renaming", "kept") if is_undone else ("renaming",)
        actions: list[Action] = [
            Update(
                keys.MERGES,
                (tenant.name, merge.id),
                (equals("state", merge.state, _MERGE_STATE),),
                set={"state": finished_merge.state},
                remove=removed_fields,
            ),
            *(
                _release_update(tenant.name, face, merge)
                for face in faces
                if face.moving == merge.id
            ),
        ]
        try:
            write(self.services.items, actions)
        except ConditionFailed:
            merge_now = self.services.merges.records.get(tenant.name, merge.id)
            if merge_now.state is merge.state:
                raise
            return merge_now
        return finished_merge

    def _work_off_merge(self, tenant: Tenant, merge: Merge) -> None:
        """Do the jobs of a merge: finish it; delete it if it is too old to be undone; move late
        observations."""
        merge = self.finish_merge(tenant, merge.id, None)
        age = self.services.clock.now() - merge.at
        if age > UNDONE_WITHIN:
            if self._delete_merge(tenant.name, merge):
                self.services.face_pictures.discard_pictures(merge.picture_keys)
        elif merge.state is MergeState.DONE and _LOOKED_AGAIN[0] <= age <= _LOOKED_AGAIN[1]:
            self.move_stragglers(tenant, merge)

    def _delete_merge(self, tenant: str, merge: Merge) -> bool:
        """Delete a merge and lower the survivor's count of merges.

        Return False if the survivor is under hold or restricted.

        If the survivor is gone (merged itself, or deleted just now), delete the merge only.
        """
        deletes = merge_deletes(tenant, merge, equals("state", merge.state, "merge-state"))
        if_free = (equals("hold", None, _FREE), equals("restriction", None, _FREE))
        if_merged = at_least("merges", 1, "face-merged")
        survivor_update = face_update(
            tenant, merge.survivor, if_merged, *if_free, add={"merges": -1}
        )
        try:
            write(self.services.items, [*deletes, survivor_update] if merge.is_active else deletes)
        except ConditionFailed as error:
            survivor = (
                self.services.items.get(keys.FACES, (tenant, merge.survivor))
                if _FREE in error.names
                else None
            )
            if survivor is not None and survivor.keys() & {"hold", "restriction"}:
                return False
            write_unless_changed(self.services.items, deletes)
        return True

    def _list_ids_by_day(
        self, tenant: Tenant, spans: Mapping[str, Span], kind: ObservationKind | None = None
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield the time, in ms, and the id of each observation, by local day.

        `spans`: the time that is asked of each face.
        """
        whole_span = next(iter(spans.values()))
        for span in spans.values():
            whole_span = whole_span.hull(span)
        of_a_face = ObservationFilter(faceid=min(spans), kind=kind)
        observed_span = self.services.statistics.days.open_span(tenant, whole_span, of_a_face)
        return observed_span.list_ids(spans, kind)


def _has_always_time() -> bool:
    return True


def _limit_work(within_s: float, within_cpu_s: float) -> Callable[[], bool]:
    """Return what says whether there is time left: of the clock, and of this thread's processor."""
    ends_at, ends_at_cpu = time.monotonic() + within_s, time.thread_time() + within_cpu_s
    return lambda: time.monotonic() <= ends_at and time.thread_time() <= ends_at_cpu


def _make_reassignment(merge: Merge) -> Reassignment:
    def assign_to_survivor(observation: Observation, survivor: FaceVisits) -> Observation | None:
        """Return the observation as the survivor's, with a passage by which an undo finds it."""
        passages = (*observation.passages, Passage(merge.id, observation.group_name))
        named_observation = _set_group_name(observation, survivor)
        return replace(
            named_observation, faceid=merge.survivor, passages=passages, written_at=merge.at
        )

    return assign_to_survivor


def _make_return(merge: Merge) -> Reassignment:
    """Return the function that gives an observation back to the other face, by an undo."""
    backup = merge.backup

    def assign_back(observation: Observation, other: FaceVisits) -> Observation | None:
        """Return the observation as the other face's; None: this merge did not move it."""
        passages = observation.passages
        if not passages or passages[-1].merge != merge.id:
            return None
        # It keeps the time of the merge if another merge had moved it before, or it is older than
        # the face.
        late_at = merge.at if len(passages) > 1 or observation.at < other.face.enrolled_at else None
        returned = replace(
            observation,
            faceid=merge.other,
            group_name=passages[-1].group_name,
            passages=passages[:-1],
            written_at=late_at,
        )
        has_same_promotion = (
            backup is not None and other.visits.promotion == backup.visits.promotion
        )
        return returned if has_same_promotion else _set_group_name(returned, other)

    return assign_back


def _set_group_name(observation: Observation, face_visits: FaceVisits) -> Observation:
    if not face_visits.is_grouped_by_visits:
        return observation
    promotion = face_visits.visits.promotion if face_visits.is_promoted else None
    return name_by_promotion(
        face_visits.groups, None if promotion is None else promotion.at_ms, observation
    )


def _release_update(tenant: str, face: Face, merge: Merge) -> Update:
    return face_update(
        tenant, face.faceid, equals("moving", merge.id, "still-moving"), remove=("moving",)
    )


_LOOKED_AGAIN = (timedelta(minutes=5), timedelta(hours=6))
"""The age of a merge, from and to, at which the sweep moves observations that a search under way
wrote too late."""


_FREE = "survivor-free"
