"""Changes by sightings: what one transaction stores of an outcome, and what a capture holds while
it is being resolved.

A transaction requires that its face is the capture's next one: condition STEP. So a capture that is
delivered twice, or cut off anywhere, continues where it stopped and repeats nothing.

The capture of a rejected sighting goes back to state STORED, and the attribute AGAIN holds the
sighting. The next worker on the capture continues: the request that rejected it, the same request
sent again, or a worker that the watch calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from chalicelib.book.commit import Change, make_face_change
from chalicelib.book.tenants import NUMBERED
from chalicelib.book.visits import FACE_SAME, make_visit_update, visits_puts
from chalicelib.domain.captures import (
    Camera,
    Capture,
    CaptureState,
    Instead,
    Resolution,
    SeenFace,
    shows_unkept,
)
from chalicelib.domain.model import STRANGER, Edit, Face, JournalEntry, Labels, Tenant
from chalicelib.domain.observations import ChangedObservation
from chalicelib.domain.rules.sighting import OpenSighting, SightingOutcome
from chalicelib.domain.rules.templates import make_delete_entry
from chalicelib.domain.rules.visits import FaceVisits
from chalicelib.domain.webhooks import event_puts
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Check, Condition, Item, Put, Update, equals
from chalicelib.storage.records.captures import (
    AGAIN,
    ATTEMPTS,
    CAPTURE,
    SENT_AT,
    STEP,
    require_no_erasure,
    seen_from,
    seen_item,
    sighting_item,
)
from chalicelib.storage.records.faces import face_puts
from chalicelib.storage.records.observations import make_observation_actions, review_item
from chalicelib.storage.values import milliseconds, parse_optional


def known_face_change(
    outcome: SightingOutcome,
    face: Face,
    face_visits: FaceVisits,
    renamed_observations: Sequence[ChangedObservation],
) -> Change:
    """Return the change by which a known face gets a sighting.

    `face`: with the keys of its pictures; `face_visits`, `renamed_observations`: as
    `write_surplus_changes` left them.
    """
    open_sighting = outcome.context.open_sighting
    tenant = open_sighting.tenant.name
    if open_sighting.is_of_arrival:
        actions = visits_puts(tenant, face.faceid, face_visits.visits, outcome.visits)
        if face != face_visits.face:
            actions.append(make_visit_update(open_sighting.tenant, face_visits.face, face))
    else:
        actions = [
            Check(keys.FACES, (tenant, face.faceid), (equals("group", face.group_id, FACE_SAME),))
        ]
    actions += _sighting_actions(outcome, renamed_observations)
    return make_face_change(face_visits.face, face, actions, face_visits.limited_groups)


def new_face_change(outcome: SightingOutcome, face: Face, seq: int) -> Change:
    """Return the change that makes a new face, and deletes the stranger that makes room for it, if
    one does.

    `face`: with the keys of its pictures; `seq`: the gallery's, at which a search found nobody.
    """
    evicted_stranger, face_visits = outcome.context.evicted, outcome.context.face_visits
    tenant, counts = outcome.context.open_sighting.tenant.name, {face.group_id: 1}
    journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
    actions: list[Action] = [
        *face_puts(outcome.context.open_sighting.tenant, face),
        *visits_puts(tenant, face.faceid, face_visits.visits, outcome.visits),
        *_sighting_actions(outcome),
    ]
    if evicted_stranger:
        actions += evicted_stranger.deletes
        journal.insert(0, make_delete_entry(evicted_stranger.face))
        counts[STRANGER] = counts.get(STRANGER, 0) - 1
    # The next stranger's number is one more. It is based on the seq at which the last was read: so
    # each is given once.
    number_gain = {NUMBERED: 1}
    return Change(
        tuple(actions),
        tuple(journal),
        counts,
        face_visits.limited_groups,
        tenant=number_gain,
        based_on=seq,
    )


def _sighting_actions(
    outcome: SightingOutcome, renamed_observations: Sequence[ChangedObservation] = ()
) -> list[Action]:
    """Return the actions that store a sighting: its capture's entry, observation, reviews and
    events.

    `renamed_observations`: earlier sightings that get another group's name. If it tells that a
    group is full, that is noted, too.
    """
    context, open_sighting = outcome.context, outcome.context.open_sighting
    tenant = open_sighting.tenant.name
    actions: list[Action] = [
        resolution_update(open_sighting, outcome.capture),
        *make_observation_actions(
            tenant, [outcome.observation], renamed_observations, context.months, open_sighting.now
        ),
        *(Put(keys.REVIEWS, review_item(tenant, review)) for review in outcome.reviews),
        *event_puts(tenant, context.hooks, outcome.events, open_sighting.now),
    ]
    if (full_group := context.full_group) is not None and context.tells_full:
        note = {
            "tenant": tenant,
            "item": keys.full_item(full_group.id),
            "at": milliseconds(open_sighting.now),
        }
        actions.append(Put(keys.DIRECTORY, note))
    return actions


def resolution_update(open_sighting: OpenSighting, capture_after: Capture) -> Update:
    """Return the update that stores in a capture how one of its faces was resolved, once: condition
    STEP.

    If all faces of it are resolved to nobody, and nothing is kept of one, the picture's hash goes,
    too. So do the templates that were noted of all its faces, as soon as one is such a person's.
    """
    tenant = open_sighting.tenant.name
    if open_sighting.correction:
        if_waiting = (
            equals("state", CaptureState.STORED, STEP),
            equals("corrections", open_sighting.correction, STEP),
        )
        update = sightings_update(tenant, capture_after, if_waiting, {}, (AGAIN, ATTEMPTS, SENT_AT))
    else:
        update = progress_update(tenant, capture_after, open_sighting.number)
    is_unkept = shows_unkept(capture_after)
    noted = ("detection",) if is_unkept and "detection" not in update.remove else ()
    are_unknown = all(
        sighting.resolution is Resolution.SKIPPED for sighting in capture_after.sightings
    )
    is_forgotten = open_sighting.tenant.forgets_strangers or is_unkept
    loses_hash = is_forgotten and capture_after.state is CaptureState.RESOLVED and are_unknown
    no_hash = CAPTURE.write(replace(capture_after, sha256=""), "sha256") if loses_hash else {}
    return replace(update, remove=(*update.remove, *noted), set={**update.set, **no_hash})


def progress_update(tenant: str, capture: Capture, done_before: int) -> Update:
    """Return the update that stores a capture's state and sightings.

    It requires that `done_before` of the capture's faces were resolved before: condition STEP.
    """
    fields = {
        **({"done": len(capture.sightings)} if capture.sightings else {}),
        **CAPTURE.write(capture, "sides"),
    }
    removed_fields = (
        ("detection", "reason", ATTEMPTS, SENT_AT)
        if capture.state is CaptureState.RESOLVED
        else ("reason",)
    )
    return sightings_update(
        tenant, capture, [equals("done", done_before or None, STEP)], fields, removed_fields
    )


def sightings_update(
    tenant: str,
    capture: Capture,
    when: Sequence[Condition],
    fields: Item,
    remove: tuple[str, ...] = (),
) -> Update:
    """Return the update that stores a capture's state and sightings, and other fields; a repeat
    finds it done.

    It requires that nobody on the capture was erased since it was read: condition STEP.
    """
    sightings = [sighting_item(sighting) for sighting in capture.sightings]
    changed_fields = {"state": capture.state, "sightings": sightings, **fields}
    conditions = (*when, *require_no_erasure(capture, STEP))
    return Update(
        keys.CAPTURES,
        _key(tenant, capture),
        conditions,
        set=changed_fields,
        remove=remove,
        repeatable=True,
    )


def detection_update(tenant: str, capture: Capture, faces: Sequence[SeenFace]) -> Update:
    """Return the update that stores the detected faces, so that a worker that continues resolves
    the same ones."""
    if_first = (equals("detection", None, STEP), equals("done", None, STEP))
    fields = {"detection": [seen_item(face) for face in faces], **CAPTURE.write(capture, "sides")}
    return Update(keys.CAPTURES, _key(tenant, capture), if_first, set=fields, repeatable=True)


def parking_update(tenant: str, capture: Capture, reason: str) -> Update:
    """Return the update that parks a capture, unless others have gone on with it or erased it:
    condition STEP."""
    fields = {"state": CaptureState.PARKED, "reason": reason}
    return Update(
        keys.CAPTURES, _key(tenant, capture), (equals("state", capture.state, STEP),), set=fields
    )


def _key(tenant: str, capture: Capture) -> tuple[str, str]:
    return keys.capture(tenant, capture.camera_id, capture.id)


def detected_faces(item: Item) -> list[SeenFace] | None:
    """Return the faces that were detected by a worker that was cut off; None if there was none."""
    return [seen_from(face) for face in item["detection"]] if "detection" in item else None


def is_waiting_for(item: Item, faceid: str) -> bool:
    """Return whether the capture has a sighting that was rejected for this face and is not resolved
    again yet."""
    return AGAIN in item and item[AGAIN]["faceid"] == faceid


def open_correction(
    tenant: Tenant, camera: Camera, capture: Capture, item: Item, now: datetime
) -> OpenSighting:
    """Return the rejected sighting of a capture, which waits to be resolved again.

    `item`: the stored capture.

    Gap and labels are those by which it was resolved at first.
    """
    correction = item[AGAIN]
    gap_s = camera.gap_s if correction["gap_s"] is None else int(correction["gap_s"])
    return OpenSighting(
        tenant,
        replace(camera, gap_s=gap_s, labels=Labels(*correction["labels"])),
        capture,
        seen_from(correction["seen"]),
        number=int(correction["n"]),
        total=len(capture.sightings),
        now=now,
        correction=int(item["corrections"]),
        rejected_faceid=correction["faceid"],
        right_faceid=correction.get("other"),
        instead=parse_optional(Instead, correction.get("instead")),
    )
