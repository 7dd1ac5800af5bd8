"""One face of one capture while it is being resolved: for the first time, or again after a rejection.

The capture of a rejected sighting goes back to state STORED, and an attribute names the sighting. The next worker on
the capture continues: the request that rejected it, the same request sent again, or a worker that the watch calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, CaptureState, Resolution, SeenFace, Sighting, sighting_id
from chalicelib.core.model import Decision, Labels, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Estimates
from chalicelib.core.ports import Item, Update, equals
from chalicelib.core.records.captures import capture_key, seen_from, seen_item, sighting_item
from chalicelib.core.records.values import milliseconds
from chalicelib.core.visits import KEPT_MS

STEP = "capture-step"
"""The name of the condition that this face of the capture is the next one to be resolved."""

AGAIN = "again"
"""The attribute of a capture that holds the sighting to be resolved again."""

_WAITING = "said not to be the face that it was taken for; being resolved anew"


@dataclass(frozen=True)
class OpenSighting:
    """One detected face of a capture, while it is being resolved.

    `capture.sightings`: the faces resolved already; `number`: its place among them; `total`: the faces detected.
    `correction`: how many sightings of the capture were rejected so far, this one last; 0: it is resolved for the first
    time. `not_face`: the face that it was rejected for.
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
        """Whether the sighting belongs to an arrival. One resolved over 100 days late is only an observation."""
        return self.at_ms >= milliseconds(self.now) - KEPT_MS

    def sighting(
        self,
        resolution: Resolution,
        faceid: str | None = None,
        decision: Decision | None = None,
        reason: str = "",
    ) -> Sighting:
        box, quality = self.seen.detected.box, self.seen.estimates.quality
        return Sighting(self.number, resolution, box, faceid, quality, reason, decision)

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

    def resolved_update(self, sighting: Sighting) -> Update:
        """Return the update that stores the outcome, once: condition STEP."""
        tenant, after = self.tenant.name, self.resolved_capture(sighting)
        if not self.correction:
            return progress_update(tenant, after, self.number)
        waits = (equals("state", CaptureState.STORED, STEP), equals("corrections", self.correction, STEP))
        return _sightings_update(tenant, after, waits, remove=(AGAIN,))

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
        },
        remove=("detection", "reason") if resolved else ("reason",),
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
    labels = observation.labels
    again = {
        "n": number,
        "faceid": observation.faceid,
        "seen": seen_item(seen),
        "gap_s": observation.gap_s,
        "labels": [labels.a, labels.b, labels.c, labels.d],
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
