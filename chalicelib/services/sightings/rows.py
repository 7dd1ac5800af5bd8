"""The outcome of a sighting as actions: what its capture, its face, the statistics and the hooks store of it.

Nothing is read here. services/sightings/writing commits these actions.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, Instead, Resolution, SeenFace, Sighting
from chalicelib.core.model import STRANGER, Edit, Face, JournalEntry
from chalicelib.core.observations import ChangedObservation, Observation
from chalicelib.core.ports import Action, Check, Condition, Item, Put, Update, absent, equals
from chalicelib.core.records.captures import (
    AGAIN,
    ATTEMPTS,
    CAPTURE,
    SENT_AT,
    capture_key,
    seen_item,
    sighting_item,
)
from chalicelib.core.records.faces import face_item
from chalicelib.core.records.recording import recorded
from chalicelib.core.records.sighting_entries import sighting_put
from chalicelib.core.records.webhooks import event_puts
from chalicelib.core.sighting import OpenSighting, Outcome
from chalicelib.core.values import known, milliseconds
from chalicelib.core.visits import FaceVisits
from chalicelib.services.commit import Change, deleted
from chalicelib.services.faces import name_puts
from chalicelib.services.sightings.reviews import review_put
from chalicelib.services.tenants import NUMBERED
from chalicelib.services.visits import FACE_SAME, face_update, visits_puts

STEP = "capture-step"
"""The name of the condition that this face of the capture is the next one to be resolved."""

_WAITING = "rejected for the face that it matched; being resolved again"


def of_known(outcome: Outcome, face: Face, held: FaceVisits, renamed: Sequence[ChangedObservation]) -> list[Action]:
    """Return the actions of a known face's sighting.

    `face`: with the keys of its pictures; `held`, `renamed`: what is left after the parts that were renamed before.
    """
    tenant = outcome.sighted.tenant.name
    if not outcome.sighted.arrives:
        present = Check(keys.FACES, (tenant, face.faceid), (equals("group", face.group_id, FACE_SAME),))
        return [present, *_seen(outcome), *_told(outcome)]
    actions: list[Action] = visits_puts(tenant, face.faceid, held.visits, outcome.visits)
    if face != held.face:
        actions.append(face_update(tenant, held.face, face))
    return [*actions, *_seen(outcome, renamed), *_told(outcome)]


def of_new(outcome: Outcome, seq: int) -> Change:
    """Return the change that makes a new face, and deletes the one that goes for it."""
    evicted, face, held = outcome.context.evicted, outcome.face, outcome.held
    tenant, counts = outcome.sighted.tenant.name, {face.group_id: 1}
    journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
    actions: list[Action] = [
        Put(keys.FACES, face_item(tenant, face), (absent("face-free"),)),
        *name_puts(tenant, face),
        *visits_puts(tenant, face.faceid, held.visits, outcome.visits),
        *_seen(outcome),
        *_told(outcome),
    ]
    if evicted:
        actions += evicted.deletes
        journal.insert(0, deleted(evicted.face))
        counts[STRANGER] = counts.get(STRANGER, 0) - 1
    numbered = {NUMBERED: 1}  # based on the seq at which the last number was read: so each is given once
    return Change(tuple(actions), tuple(journal), counts, held.limited_groups, tenant=numbered, based_on=seq)


def _seen(outcome: Outcome, renamed: Sequence[ChangedObservation] = ()) -> list[Action]:
    """Return the actions that store the sighting in its capture, and the observation. `renamed`: earlier ones."""
    one = outcome.sighted
    stored = recorded(one.tenant.name, [outcome.observation], renamed, outcome.context.months, one.now)
    return [*resolved(one, outcome.sighting), *stored]


def _told(outcome: Outcome) -> list[Action]:
    """Return the actions that put the events into the outbox, and those that ask for reviews."""
    tenant, now, full = outcome.sighted.tenant.name, outcome.sighted.now, outcome.context.full
    actions: list[Action] = [review_put(tenant, one) for one in outcome.reviews]
    if full is not None and outcome.context.tells_full:
        noted = {"tenant": tenant, "item": keys.full_item(full.id), "at": milliseconds(now)}
        actions.append(Put(keys.DIRECTORY, noted))
    return [*actions, *event_puts(tenant, outcome.context.hooks, outcome.events, now)]


def resolved(one: OpenSighting, sighting: Sighting) -> list[Action]:
    """Return the actions that store the outcome in the capture, once: condition STEP."""
    tenant, after = one.tenant.name, one.resolved_capture(sighting)
    if one.correction:
        waits = (equals("state", CaptureState.STORED, STEP), equals("corrections", one.correction, STEP))
        update = _sightings_update(tenant, after, waits, remove=(AGAIN, ATTEMPTS, SENT_AT))
    else:
        update = progress_update(tenant, after, one.number)
    return [update, *sighting_put(tenant, one.capture, sighting)]


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
            **CAPTURE.write(capture, "sides"),
        },
        remove=("detection", "reason", ATTEMPTS, SENT_AT) if resolved else ("reason",),
    )


def waiting(
    tenant: str,
    item: Item,
    capture: Capture,
    number: int,
    seen: SeenFace,
    *,
    observation: Observation,
    other: str | None,
    instead: Instead | None,
) -> Update:
    """Return the update that makes a rejected sighting wait to be resolved again: condition STEP.

    `item`: the capture as stored; `observation`: the rejected sighting's; `other`, `instead`: as in OpenSighting.
    """
    before = int(item.get("corrections", 0))
    again = {
        "n": number,
        "faceid": observation.faceid,
        "seen": seen_item(seen),
        "gap_s": observation.gap_s,
        "labels": list(observation.labels),
        **known({"other": other, "instead": instead}),
    }
    old = capture.sightings[number]
    nobody = Sighting(number, Resolution.SKIPPED, old.box, quality=old.quality, reason=_WAITING)
    settled = (
        equals("state", CaptureState.RESOLVED, STEP),
        equals("corrections", before or None, STEP),
    )
    after = capture.with_sighting(nobody, CaptureState.STORED)
    return _sightings_update(tenant, after, settled, fields={AGAIN: again, "corrections": before + 1})


def is_waiting_for(item: Item, faceid: str) -> bool:
    """Return whether the capture has a sighting that was rejected for this face and is not resolved again yet."""
    return AGAIN in item and item[AGAIN]["faceid"] == faceid


def _sightings_update(
    tenant: str,
    capture: Capture,
    when: Sequence[Condition],
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
