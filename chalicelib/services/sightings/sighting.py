"""One face of one capture: while it is being resolved, and the transaction that writes the outcome into the book.

That transaction changes arrivals, counts, group, observation and events. It requires that its face is the capture's
next one. So a capture that is delivered twice, or cut off anywhere, continues where it stopped and repeats nothing. A
face's visits have a version, so that no writer misses another's sighting.

The capture of a rejected sighting goes back to state STORED, and an attribute names the sighting. The next worker on
the capture continues: the request that rejected it, the same request sent again, or a worker that the watch calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, CaptureState, Resolution, SeenFace, Sighting, sighting_id
from chalicelib.core.errors import Busy, ConditionFailed
from chalicelib.core.items import attempts, write
from chalicelib.core.model import REGULAR, STRANGER, Decision, Face, Group, Labels, Picture, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Estimates
from chalicelib.core.ports import Action, Check, Item, ItemStore, Update, equals, exists
from chalicelib.core.records.captures import (
    ATTEMPTS,
    SENT_AT,
    capture_key,
    seen_from,
    seen_item,
    sides_fields,
    sighting_item,
)
from chalicelib.core.records.sighting_entries import sighting_put
from chalicelib.core.reviews import NearFace, Review, ReviewKind, is_uncertain
from chalicelib.core.values import milliseconds, time_text
from chalicelib.core.visits import KEPT_MS
from chalicelib.core.webhooks import Event, EventKind
from chalicelib.services.commit import GalleryMoved
from chalicelib.services.groups import events_of_full
from chalicelib.services.sightings.reviews import review_put
from chalicelib.services.statistics.statistics import OBSERVATION_NEW, ChangedObservation, Recorder, observed_estimates
from chalicelib.services.visits import (
    FACE_SAME,
    FaceVisits,
    FaceVisitsStore,
    arrived,
    face_update,
    visits_put,
    with_sighting,
)
from chalicelib.services.webhooks import Outbox

STEP = "capture-step"
"""The name of the condition that this face of the capture is the next one to be resolved."""

AGAIN = "again"
"""The attribute of a capture that holds the sighting to be resolved again."""

_WAITING = "rejected for the face that it matched; being resolved again"


@dataclass(frozen=True)
class OpenSighting:
    """One detected face of a capture, while it is being resolved.

    `capture.sightings`: the faces resolved already; `number`: its place among them; `total`: the faces detected.
    `correction`: how many sightings of the capture were rejected so far, this one last; 0: it is resolved for the first
    time. `not_face`: the face that it was rejected for. `near`: the nearest faces, if the match is uncertain.
    """

    tenant: Tenant
    camera: Camera
    capture: Capture
    seen: SeenFace
    number: int
    total: int
    now: datetime
    correction: int = 0
    not_face: str | None = None
    near: tuple[NearFace, ...] = ()

    @property
    def id(self) -> str:
        """The id of the sighting and of its observation."""
        return sighting_id(self.capture.id, self.number)

    @property
    def event_id(self) -> str:
        """The id for this sighting's events. Retries keep it; a rejection changes it."""
        return f"{self.id}-again{self.correction}" if self.correction else self.id

    @property
    def at_ms(self) -> int:
        return milliseconds(self.capture.captured_at)

    @property
    def gap_ms(self) -> int:
        return self.camera.gap_s * 1000

    @property
    def arrives(self) -> bool:
        """True if the sighting belongs to an arrival. One resolved over 100 days late is only an observation."""
        return self.at_ms >= milliseconds(self.now) - KEPT_MS

    def is_uncertain(self, decision: Decision | None) -> bool:
        """Return whether somebody should look at a match."""
        return decision is not None and is_uncertain(decision, self.tenant.review_margin)

    def sighting(
        self,
        resolution: Resolution,
        faceid: str | None = None,
        decision: Decision | None = None,
        reason: str = "",
    ) -> Sighting:
        box, quality = self.seen.detected.box, self.seen.estimates.quality
        return Sighting(
            number=self.number,
            resolution=resolution,
            box=box,
            faceid=faceid,
            quality=quality,
            reason=reason,
            decision=decision,
            resolved_at=self.now,
            model=self.seen.template.model,
            correction=self.correction,
        )

    def observation(self, sighting: Sighting, faceid: str, group_name: str, estimates: Estimates) -> Observation:
        return Observation(
            at=self.capture.captured_at,
            id=self.id,
            faceid=faceid,
            group_name=group_name,
            labels=self.camera.labels,
            kind=ObservationKind.SIGHTING,
            camera=self.camera.id,
            box=self.seen.detected.box,
            estimates=estimates,
            decision=sighting.decision if sighting.resolution is Resolution.MATCHED else None,
            gap_s=self.camera.gap_s if self.arrives else None,
        )

    def resolved_actions(self, sighting: Sighting) -> list[Action]:
        """Return the actions that store the outcome, once: condition STEP."""
        return [self._resolved_update(sighting), *sighting_put(self.tenant.name, self.capture, sighting)]

    def _resolved_update(self, sighting: Sighting) -> Update:
        tenant, after = self.tenant.name, self.resolved_capture(sighting)
        if not self.correction:
            return progress_update(tenant, after, self.number)
        waits = (equals("state", CaptureState.STORED, STEP), equals("corrections", self.correction, STEP))
        return _sightings_update(tenant, after, waits, remove=(AGAIN, ATTEMPTS, SENT_AT))

    def resolved_capture(self, sighting: Sighting) -> Capture:
        """Return the capture with this face resolved."""
        done = max(len(self.capture.sightings), self.number + 1)
        return _with(self.capture, sighting, CaptureState.RESOLVED if done == self.total else CaptureState.STORED)


def progress_update(tenant: str, capture: Capture, done_before: int) -> Update:
    """Return the update that stores a capture's state and sightings.

    It requires that `done_before` of the capture's faces were resolved before: condition STEP.
    """
    resolved = capture.state is CaptureState.RESOLVED
    return Update(
        keys.CAPTURES,
        capture_key(tenant, capture.camera_id, capture.id),
        (equals("done", done_before or None, STEP),),
        set={
            "state": capture.state,
            "sightings": [sighting_item(one) for one in capture.sightings],
            **({"done": len(capture.sightings)} if capture.sightings else {}),
            **sides_fields(capture),
        },
        remove=("detection", "reason", ATTEMPTS, SENT_AT) if resolved else ("reason",),
    )


def corrected(tenant: Tenant, camera: Camera, capture: Capture, item: Item, now: datetime) -> OpenSighting:
    """Return the open sighting of a waiting capture, with the gap and the labels of the first time."""
    again = item[AGAIN]
    gap_s = camera.gap_s if again["gap_s"] is None else int(again["gap_s"])
    return OpenSighting(
        tenant,
        replace(camera, gap_s=gap_s, labels=Labels(*again["labels"])),
        capture,
        seen_from(again["seen"]),
        number=int(again["n"]),
        total=len(capture.sightings),
        now=now,
        correction=int(item["corrections"]),
        not_face=again["faceid"],
    )


def waiting(tenant: str, item: Item, capture: Capture, number: int, seen: SeenFace, observation: Observation) -> Update:
    """Return the update that makes a rejected sighting wait to be resolved again: condition STEP.

    `item`: the capture as stored; `observation`: the rejected sighting's.
    """
    before = int(item.get("corrections", 0))
    again = {
        "n": number,
        "faceid": observation.faceid,
        "seen": seen_item(seen),
        "gap_s": observation.gap_s,
        "labels": list(observation.labels),
    }
    old = capture.sightings[number]
    nobody = Sighting(number, Resolution.SKIPPED, old.box, quality=old.quality, reason=_WAITING)
    settled = (
        equals("state", CaptureState.RESOLVED, STEP),
        equals("corrections", before or None, STEP),
    )
    after = _with(capture, nobody, CaptureState.STORED)
    return _sightings_update(tenant, after, settled, fields={AGAIN: again, "corrections": before + 1})


def is_waiting_for(item: Item, faceid: str) -> bool:
    """Return whether the capture has a sighting that was rejected for this face and is not resolved again yet."""
    return AGAIN in item and item[AGAIN]["faceid"] == faceid


def _with(capture: Capture, sighting: Sighting, state: CaptureState) -> Capture:
    """Return the capture with the sighting at its number: replaced, or appended."""
    before, later = capture.sightings[: sighting.number], capture.sightings[sighting.number + 1 :]
    return replace(capture, sightings=(*before, sighting, *later), state=state)


def _sightings_update(
    tenant: str,
    capture: Capture,
    when: Sequence[Any],
    *,
    fields: Item | None = None,
    remove: tuple[str, ...] = (),
) -> Update:
    sightings = [sighting_item(one) for one in capture.sightings]
    return Update(
        keys.CAPTURES,
        capture_key(tenant, capture.camera_id, capture.id),
        tuple(when),
        set={"state": capture.state, "sightings": sightings, **(fields or {})},
        remove=remove,
    )


Taught = Callable[[FaceVisits], AbstractContextManager[tuple[Picture, ...]]]
"""Gives the pictures that a face has after the sighting; the commit in the block stores them (sightings/learning)."""


class Overtaken(Exception):
    """Another worker resolved this face of the capture first: read the capture again."""


@dataclass
class SightingCommit:
    """The writer of sightings of known faces, and of faces that are nobody's."""

    items: ItemStore
    faces: FaceVisitsStore
    recorder: Recorder
    outbox: Outbox

    def skipped(self, open_sighting: OpenSighting, reason: str, decision: Decision | None = None) -> Capture:
        """Record a face that is nobody's, in the capture only. Raises Overtaken."""
        sighting = open_sighting.sighting(Resolution.SKIPPED, reason=reason, decision=decision)
        try:
            write(self.items, open_sighting.resolved_actions(sighting))
        except ConditionFailed as error:
            raise Overtaken from error
        return open_sighting.resolved_capture(sighting)

    def matched(
        self,
        open_sighting: OpenSighting,
        faceid: str,
        decision: Decision,
        taught: Taught | None = None,
        held: FaceVisits | None = None,
    ) -> Capture:
        """Record a sighting of a known face, which learns from it if it is `taught`. `held`: the face as it was read.

        Raises Overtaken, GalleryMoved if the face was deleted meanwhile, Busy; WrongModel if it is to learn.
        """
        sighting = open_sighting.sighting(Resolution.MATCHED, faceid, decision)
        for _ in attempts():
            held = held or self.faces.read(open_sighting.tenant, faceid)
            if held is None:
                raise GalleryMoved
            try:
                with taught(held) if taught else nullcontext(held.face.pictures) as pictures:
                    self._add(open_sighting, held, sighting, pictures)
            except ConditionFailed as error:
                if STEP in error.names:
                    raise Overtaken from error
                if OBSERVATION_NEW in error.names:
                    return self.skipped(open_sighting, "this sighting was counted before")
                held = None  # it was changed since
            else:
                return open_sighting.resolved_capture(sighting)
        raise Busy("many sightings of one face arrive at once: deliver this one again in a moment")

    def _add(
        self, open_sighting: OpenSighting, held: FaceVisits, sighting: Sighting, pictures: tuple[Picture, ...]
    ) -> None:
        tenant = open_sighting.tenant.name
        if not open_sighting.arrives:
            present = Check(keys.FACES, (tenant, held.face.faceid), (exists(FACE_SAME),))
            name = held.name_at(held.visits, held.face.group_id, open_sighting.at_ms)
            return write(self.items, [present, *self.seen_actions(open_sighting, held.face, name, sighting)])
        now_ms = milliseconds(open_sighting.now)
        plan = with_sighting(
            held.face.group_id, held.visits, open_sighting.at_ms, open_sighting.gap_ms, now_ms, held.groups
        )
        held, renamed = self.faces.regrouped(tenant, held, plan)
        face = replace(arrived(held.face, plan), pictures=pictures)
        group_then = held.name_at(plan.visits, plan.group_id, open_sighting.at_ms)
        group_now = held.name_of(plan.group_id)
        actions: list[Action] = [visits_put(tenant, face.faceid, held.visits, plan.visits)]
        if face != held.face:
            actions.append(face_update(tenant, held.face, face))
        kinds, full = [], plan.refused
        if plan.visits.arrivals.count > held.visits.arrivals.count:
            kinds.append(EventKind.FACE_ARRIVED)
        if (held.face.group_id, face.group_id) == (STRANGER, REGULAR):
            kinds.append(EventKind.STRANGER_PROMOTED)
            full = held.groups.regular if held.groups.regular.room == 1 else None
        actions += self.seen_actions(open_sighting, face, group_then, sighting, renamed)
        actions += self.event_actions(open_sighting, kinds, face, group_now, sighting, full=full)
        self.faces.save(tenant, held, face, actions)
        return self.outbox.announce(tenant, actions)

    def seen_actions(
        self,
        open_sighting: OpenSighting,
        face: Face,
        group_name: str,
        sighting: Sighting,
        renamed: Sequence[ChangedObservation] = (),
    ) -> list[Action]:
        """Return the actions that store the outcome in the capture, and the observation, and a close match's review.

        `renamed`: earlier observations.
        """
        estimates = observed_estimates(face, open_sighting.seen.estimates)
        observation = open_sighting.observation(sighting, face.faceid, group_name, estimates)
        return [
            *open_sighting.resolved_actions(sighting),
            *self.recorder.actions(open_sighting.tenant.name, [observation], renamed),
            *_reviews_of_match(open_sighting, face, sighting),
        ]

    def event_actions(
        self,
        open_sighting: OpenSighting,
        kinds: Sequence[EventKind],
        face: Face,
        group_name: str,
        sighting: Sighting,
        *,
        full: Group | None,
    ) -> list[Action]:
        """Return the actions that put the sighting's events into the outbox, and what asks for a review of them.

        `full`: a group that has no room left.
        """
        tenant = open_sighting.tenant.name
        events = [_event(kind, open_sighting, face, group_name, sighting) for kind in kinds]
        noted: list[Action] = []
        if full is not None:
            full_events, noted = events_of_full(self.items, tenant, full, open_sighting.camera.id, open_sighting.now)
            events += full_events
        asked = [ReviewKind.PROMOTED] if EventKind.STRANGER_PROMOTED in kinds else []
        reviews = [_review(kind, open_sighting, face, sighting) for kind in asked]
        return [*noted, *self.outbox.actions(tenant, events), *reviews]


def _reviews_of_match(open_sighting: OpenSighting, face: Face, sighting: Sighting) -> list[Action]:
    if sighting.resolution is not Resolution.MATCHED or not open_sighting.is_uncertain(sighting.decision):
        return []
    return [_review(ReviewKind.UNCERTAIN, open_sighting, face, sighting, open_sighting.near)]


def _review(
    kind: ReviewKind, open_sighting: OpenSighting, face: Face, sighting: Sighting, near: tuple[NearFace, ...] = ()
) -> Action:
    review = Review(
        kind=kind,
        at=open_sighting.capture.captured_at,
        faceid=face.faceid,
        camera=open_sighting.camera.id,
        sighting_id=open_sighting.id,
        decision=sighting.decision if sighting.resolution is Resolution.MATCHED else None,
        box=sighting.box,
        near=near,
    )
    return review_put(open_sighting.tenant.name, review)


def _event(kind: EventKind, open_sighting: OpenSighting, face: Face, group_name: str, sighting: Sighting) -> Event:
    """Return an event of a sighting, with the score and the threshold of its decision if it has a score."""
    at, decision = open_sighting.capture.captured_at, sighting.decision
    capture, camera = open_sighting.capture.id, open_sighting.camera.id
    data: dict[str, Any] = {
        "faceid": face.faceid,
        "name": face.name,
        "arrive_count": face.arrive_count,
        "capture": capture,
        "sighting": open_sighting.id,
        "crop_url": f"/v1/captures/{capture}/crops/{open_sighting.number}?camera={camera}",
        "captured_at": time_text(at),
    }
    if decision is not None and decision.score is not None:
        data |= {
            "score": round(decision.score, 6),
            "threshold": round(decision.threshold, 6),
            "gallery_size": decision.gallery_size,
        }
        if decision.false_match_probability is not None:
            data["false_match_probability"] = float(f"{decision.false_match_probability:.3g}")
    return Event(f"{kind}-{open_sighting.event_id}", kind, at, group_name, camera, data)
