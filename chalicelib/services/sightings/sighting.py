"""One face of one capture, on its way to being resolved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, CaptureState, Resolution, SeenFace, Sighting, sighting_id
from chalicelib.core.model import Decision, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Estimates
from chalicelib.core.ports import Update, equals
from chalicelib.core.records.captures import capture_key, sighting_item
from chalicelib.core.records.faces import milliseconds
from chalicelib.core.visits import KEPT_MS

STEP = "capture-step"
"""Name of the condition that this face of the capture is the next one to be resolved."""


@dataclass(frozen=True)
class Occasion:
    """`capture.sightings` are those before it; `total`: faces in the capture."""

    tenant: Tenant
    camera: Camera
    capture: Capture
    seen: SeenFace
    total: int
    now: datetime

    @property
    def number(self) -> int:
        return len(self.capture.sightings)

    @property
    def id(self) -> str:
        """The sighting's, and its observation's."""
        return sighting_id(self.capture.id, self.number)

    @property
    def event_id(self) -> str:
        """What happens now, told as this: the same however often it is worked on."""
        return self.id

    @property
    def besides(self) -> str | None:
        """A face that it is not."""
        return None

    @property
    def at_ms(self) -> int:
        return milliseconds(self.capture.captured_at)

    @property
    def gap_ms(self) -> int:
        return self.camera.gap_s * 1000

    @property
    def arrives(self) -> bool:
        """False: so long after its capture, a sighting is an observation only."""
        return self.at_ms >= milliseconds(self.now) - KEPT_MS

    def sighting(
        self,
        resolution: Resolution,
        faceid: str | None = None,
        score: float | None = None,
        decision: Decision | None = None,
        reason: str = "",
    ) -> Sighting:
        box, quality = self.seen.detected.box, self.seen.estimates.quality
        return Sighting(self.number, resolution, box, faceid, score, quality, reason, decision)

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
            score=sighting.score,
            decision=None if sighting.score is None else sighting.decision,
            gap_s=self.camera.gap_s if self.arrives else None,
        )

    def step(self, sighting: Sighting) -> Update:
        """Write the outcome down, once: condition STEP."""
        after = self.after(sighting)
        return advanced(self.tenant.name, after, self.number)

    def after(self, sighting: Sighting) -> Capture:
        """The capture with this face resolved."""
        done = len(self.capture.sightings) + 1
        state = CaptureState.RESOLVED if done == self.total else CaptureState.STORED
        return replace(self.capture, sightings=(*self.capture.sightings, sighting), state=state)


def advanced(tenant: str, capture: Capture, done_before: int) -> Update:
    """Store a capture's state and sightings, on condition that so many of its faces were done before."""
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
