"""Commit of one resolved face of a capture: arrivals, counts, group, observation and events, in one transaction.

Each commit requires that its face is the capture's next one. So a capture that is delivered twice, or cut off anywhere,
continues where it stopped and repeats nothing. A face's visits have a version, so that no writer misses another's
sighting.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core import keys
from chalicelib.core.captures import Capture, Resolution, Sighting
from chalicelib.core.errors import Busy, ConditionFailed
from chalicelib.core.model import REGULAR, STRANGER, Decision, Face
from chalicelib.core.ports import Action, Check, ItemStore, exists
from chalicelib.core.records.values import milliseconds
from chalicelib.core.webhooks import Event, EventKind
from chalicelib.services.commit.gallery import GalleryMoved, GalleryWriter
from chalicelib.services.commit.transaction import attempts, write
from chalicelib.services.groups.groups import Groups
from chalicelib.services.sightings.events import GroupFullEvents, sighted
from chalicelib.services.sightings.sighting import STEP, OpenSighting
from chalicelib.services.statistics.recorder import OBSERVATION_NEW, ChangedObservation, Recorder, observed_estimates
from chalicelib.services.visits.face_visits import (
    FACE_SAME,
    FaceVisits,
    FaceVisitsStore,
    arrived,
    face_update,
    move,
    visits_put,
)
from chalicelib.services.visits.plan import VisitPlan, rule_of, with_sighting
from chalicelib.services.webhooks.outbox import Outbox


class Overtaken(Exception):
    """Another worker resolved this face of the capture first: read the capture again."""


class SightingCommit:
    def __init__(
        self, items: ItemStore, groups: Groups, writer: GalleryWriter, recorder: Recorder, outbox: Outbox
    ) -> None:
        self._items = items
        self._groups = groups
        self._writer = writer
        self._recorder = recorder
        self._outbox = outbox
        self._group_full = GroupFullEvents(items)
        self._faces = FaceVisitsStore(items, groups, recorder)

    def skipped(self, open_sighting: OpenSighting, reason: str, decision: Decision | None = None) -> Capture:
        """Record a face that is nobody's, in the capture only. Raises Overtaken."""
        sighting = open_sighting.sighting(Resolution.SKIPPED, reason=reason, decision=decision)
        try:
            write(self._items, [open_sighting.resolved_update(sighting)])
        except ConditionFailed as error:
            raise Overtaken from error
        return open_sighting.resolved_capture(sighting)

    def matched(self, open_sighting: OpenSighting, faceid: str, decision: Decision) -> Capture:
        """Record a sighting of a known face. Raises Overtaken, GalleryMoved if the face was deleted meanwhile, Busy."""
        sighting = open_sighting.sighting(Resolution.MATCHED, faceid, decision)
        for _ in attempts():
            held = self._faces.read(open_sighting.tenant, faceid)
            if held is None:
                raise GalleryMoved
            try:
                return self._add(open_sighting, held, sighting)
            except ConditionFailed as error:
                if STEP in error.names:
                    raise Overtaken from error
                if OBSERVATION_NEW in error.names:
                    return self.skipped(open_sighting, "this sighting was counted before")
        raise Busy("many sightings of one face arrive at once: deliver this one again in a moment")

    def _add(self, open_sighting: OpenSighting, held: FaceVisits, sighting: Sighting) -> Capture:
        if not open_sighting.arrives:
            present = Check(keys.FACES, (open_sighting.tenant.name, held.face.faceid), (exists(FACE_SAME),))
            name = held.name_at(held.visits, held.face.group_id, open_sighting.at_ms)
            write(self._items, [present, *self._seen(open_sighting, held.face, name, sighting)])
            return open_sighting.resolved_capture(sighting)
        rule = rule_of(self._groups.migration(open_sighting.tenant))
        now_ms = milliseconds(open_sighting.now)
        plan = with_sighting(
            held.face.group_id, held.visits, open_sighting.at_ms, open_sighting.gap_ms, now_ms, rule, held.groups
        )
        held, renamed = self._faces.regrouped(open_sighting.tenant.name, held, plan)
        face, name = arrived(held.face, plan), held.name_at(plan.visits, plan.group_id, open_sighting.at_ms)
        actions = [
            *self._seen(open_sighting, face, name, sighting, renamed),
            visits_put(open_sighting.tenant.name, face.faceid, held.visits, plan.visits),
            *self._event_actions(open_sighting, held, face, plan, sighting),
        ]
        if face != held.face:
            actions.append(face_update(open_sighting.tenant.name, held.face, face))
        self._commit(open_sighting, held, face, actions)
        return open_sighting.resolved_capture(sighting)

    def _commit(self, open_sighting: OpenSighting, held: FaceVisits, face: Face, actions: Sequence[Action]) -> None:
        if face.group_id == held.face.group_id:
            write(self._items, actions)
        else:
            self._writer.commit(open_sighting.tenant.name, move(held, face, actions))
        self._outbox.announce(open_sighting.tenant.name, actions)

    def _seen(
        self,
        open_sighting: OpenSighting,
        face: Face,
        group_name: str,
        sighting: Sighting,
        renamed: Sequence[ChangedObservation] = (),
    ) -> list[Action]:
        estimates = observed_estimates(face, open_sighting.seen.estimates)
        observation = open_sighting.observation(sighting, face.faceid, group_name, estimates)
        return [
            open_sighting.resolved_update(sighting),
            *self._recorder.actions(open_sighting.tenant.name, [observation], renamed),
        ]

    def _event_actions(
        self, open_sighting: OpenSighting, held: FaceVisits, face: Face, plan: VisitPlan, sighting: Sighting
    ) -> list[Action]:
        """Return the actions that put the sighting's events into the outbox, and the note that a group is full."""
        tenant = open_sighting.tenant.name
        group = held.name_of(face.group_id)
        events: list[Event] = []
        remembered: Sequence[Action] = ()
        if plan.visits.arrivals.count > held.visits.arrivals.count:
            events.append(sighted(EventKind.FACE_ARRIVED, open_sighting, face, group, sighting))
        full = plan.refused
        if (held.face.group_id, face.group_id) == (STRANGER, REGULAR):
            events.append(sighted(EventKind.STRANGER_PROMOTED, open_sighting, face, group, sighting))
            full = held.groups.regular if held.groups.regular.room == 1 else None
        if full is not None:
            full_events, remembered = self._group_full.once_an_hour(
                tenant, full, open_sighting.camera.id, open_sighting.now
            )
            events += full_events
        return [*remembered, *self._outbox.actions(tenant, events)]
