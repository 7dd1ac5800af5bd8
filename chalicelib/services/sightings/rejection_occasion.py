"""A sighting that was found not to be its face, on its way to being resolved anew.

Its capture is waiting again (state STORED) and says so in an attribute, so whoever works on the capture next goes on:
the request that rejected it, the same request sent again, or the worker whom the watch sends it to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, CaptureState, Resolution, SeenFace, Sighting
from chalicelib.core.model import Labels, Tenant
from chalicelib.core.observations import Observation
from chalicelib.core.ports import Item, Update, equals
from chalicelib.core.records.captures import capture_key, seen_from, seen_item, sighting_item
from chalicelib.services.sightings.sighting import STEP, Occasion

AGAIN = "again"
"""The attribute of a capture with a sighting that is to be resolved anew."""

_WAITING = "said not to be the face that it was taken for; being resolved anew"


@dataclass(frozen=True)
class CorrectedOccasion(Occasion):
    """`correction`: how many sightings of the capture were rejected so far."""

    place: int = 0
    correction: int = 1
    rejected: str = ""

    @property
    def number(self) -> int:
        return self.place

    @property
    def event_id(self) -> str:
        return f"{self.id}-again{self.correction}"

    @property
    def besides(self) -> str | None:
        return self.rejected

    def step(self, sighting: Sighting) -> Update:
        """Write the outcome down, once: condition STEP."""
        waits = (
            equals("state", CaptureState.STORED, STEP),
            equals("corrections", self.correction, STEP),
        )
        return _sightings_update(self.tenant.name, self.after(sighting), waits, remove=(AGAIN,))

    def after(self, sighting: Sighting) -> Capture:
        return _with(self.capture, sighting, CaptureState.RESOLVED)


def corrected(tenant: Tenant, camera: Camera, capture: Capture, item: Item, now: datetime) -> CorrectedOccasion:
    """What a waiting capture is to be resolved as: with the gap and the labels of then."""
    again = item[AGAIN]
    gap_s = camera.gap_s if again["gap_s"] is None else int(again["gap_s"])
    return CorrectedOccasion(
        tenant,
        replace(camera, gap_s=gap_s, labels=Labels(*again["labels"])),
        capture,
        seen_from(again["seen"]),
        len(capture.sightings),
        now,
        place=int(again["n"]),
        correction=int(item["corrections"]),
        rejected=again["faceid"],
    )


def waiting(tenant: str, item: Item, capture: Capture, number: int, seen: SeenFace, observation: Observation) -> Update:
    """Have a sighting resolved anew that was the observation's face: condition STEP. `item`: the capture, stored."""
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
    """Whether the capture has a sighting that was rejected for this face, and is not resolved yet."""
    return AGAIN in item and item[AGAIN]["faceid"] == faceid


def _with(capture: Capture, sighting: Sighting, state: CaptureState) -> Capture:
    sightings = list(capture.sightings)
    sightings[sighting.number] = sighting
    return replace(capture, sightings=tuple(sightings), state=state)


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
