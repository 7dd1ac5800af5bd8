"""Writing down who a face in a capture is: arrivals, counts, group, observation and events, once, in one transaction.

The capture counts its faces that are done, on a condition, so a capture that is delivered twice or cut off anywhere
goes on where it was and repeats nothing. A face's visits have a version, so whoever adds to them has seen all of them.
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
from chalicelib.services.sightings.events import Fullness, sighted
from chalicelib.services.sightings.sighting import STEP, Occasion
from chalicelib.services.statistics.recorder import OBSERVATION_NEW, ChangedObservation, Recorder, observed_estimates
from chalicelib.services.visits.face_visits import (
    FACE_SAME,
    HeldFace,
    HeldFaces,
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
        self,
        items: ItemStore,
        groups: Groups,
        writer: GalleryWriter,
        recorder: Recorder,
        outbox: Outbox,
        fullness: Fullness,
        faces: HeldFaces,
    ) -> None:
        self._items = items
        self._groups = groups
        self._writer = writer
        self._recorder = recorder
        self._outbox = outbox
        self._fullness = fullness
        self._faces = faces

    def skipped(self, occasion: Occasion, reason: str, decision: Decision | None = None) -> Capture:
        """Nobody: only the capture says that there was a face. Raises Overtaken."""
        sighting = occasion.sighting(Resolution.SKIPPED, reason=reason, decision=decision)
        try:
            write(self._items, [occasion.step(sighting)])
        except ConditionFailed as error:
            raise Overtaken from error
        return occasion.after(sighting)

    def matched(self, occasion: Occasion, faceid: str, decision: Decision) -> Capture:
        """A sighting of a face that there is. Raises Overtaken, GalleryMoved (the face went meanwhile)."""
        sighting = occasion.sighting(Resolution.MATCHED, faceid, decision)
        for _ in attempts():
            held = self._faces.read(occasion.tenant, faceid)
            if held is None:
                raise GalleryMoved
            try:
                return self._add(occasion, held, sighting)
            except ConditionFailed as error:
                if STEP in error.names:
                    raise Overtaken from error
                if OBSERVATION_NEW in error.names:
                    return self.skipped(occasion, "this sighting was counted before")
        raise Busy("many sightings of one face arrive at once: deliver this one again in a moment")

    def _add(self, occasion: Occasion, held: HeldFace, sighting: Sighting) -> Capture:
        if not occasion.arrives:
            present = Check(keys.FACES, (occasion.tenant.name, held.face.faceid), (exists(FACE_SAME),))
            name = held.name_at(held.visits, held.face.group_id, occasion.at_ms)
            write(self._items, [present, *self._seen(occasion, held.face, name, sighting)])
            return occasion.after(sighting)
        rule = rule_of(self._groups.migration(occasion.tenant))
        now_ms = milliseconds(occasion.now)
        plan = with_sighting(
            held.face.group_id, held.visits, occasion.at_ms, occasion.gap_ms, now_ms, rule, held.groups
        )
        held, renamed = self._faces.regrouped(occasion.tenant.name, held, plan)
        face, name = arrived(held.face, plan), held.name_at(plan.visits, plan.group_id, occasion.at_ms)
        actions = [
            *self._seen(occasion, face, name, sighting, renamed),
            visits_put(occasion.tenant.name, face.faceid, held.visits, plan.visits),
            *self._told(occasion, held, face, plan, sighting),
        ]
        if face != held.face:
            actions.append(face_update(occasion.tenant.name, held.face, face))
        self._commit(occasion, held, face, actions)
        return occasion.after(sighting)

    def _commit(self, occasion: Occasion, held: HeldFace, face: Face, actions: Sequence[Action]) -> None:
        if face.group_id == held.face.group_id:
            write(self._items, actions)
        else:
            self._writer.commit(occasion.tenant.name, move(held, face, actions))
        self._outbox.announce(occasion.tenant.name, actions)

    def _seen(
        self,
        occasion: Occasion,
        face: Face,
        group_name: str,
        sighting: Sighting,
        renamed: Sequence[ChangedObservation] = (),
    ) -> list[Action]:
        estimates = observed_estimates(face, occasion.seen.estimates)
        observation = occasion.observation(sighting, face.faceid, group_name, estimates)
        return [occasion.step(sighting), *self._recorder.actions(occasion.tenant.name, [observation], renamed)]

    def _told(
        self, occasion: Occasion, held: HeldFace, face: Face, plan: VisitPlan, sighting: Sighting
    ) -> list[Action]:
        """What goes into the outbox, and what remembers that it was told."""
        tenant = occasion.tenant.name
        group = held.name_of(face.group_id)
        events: list[Event] = []
        remembered: Sequence[Action] = ()
        if plan.visits.arrivals.count > held.visits.arrivals.count:
            events.append(sighted(EventKind.FACE_ARRIVED, occasion, face, group, sighting))
        full = plan.refused
        if (held.face.group_id, face.group_id) == (STRANGER, REGULAR):
            events.append(sighted(EventKind.STRANGER_PROMOTED, occasion, face, group, sighting))
            full = held.groups.regular if held.groups.regular.room == 1 else None
        if full is not None:
            told, remembered = self._fullness.told(tenant, full, occasion.camera.id, occasion.now)
            events += told
        return [*remembered, *self._outbox.actions(tenant, events)]
