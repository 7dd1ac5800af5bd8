"""The writes that a sighting needs: one face in a camera's picture (a capture), resolved to a face
of the book or to nobody.

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
    """Return the change, one transaction, that stores a sighting of a face of the book.

    `outcome`: what was decided. `face`: the face afterwards, with the keys of its pictures.
    `face_visits`: the face before, with its visits. `renamed_observations`: earlier sightings that
    get another group's name, as far as no transaction before stored them.
    """
    open_sighting = outcome.context.open_sighting
    tenant = open_sighting.tenant.name
    actions: list[Action]
    if open_sighting.is_of_arrival:
        actions = visits_puts(tenant, face.faceid, face_visits.visits, outcome.visits)
        if face != face_visits.face:
            actions.append(make_visit_update(open_sighting.tenant, face_visits.face, face))
    else:  # it came too late to change the visits: the face must only be where it was
        if_same_group = equals("group", face.group_id, FACE_SAME)
        actions = [Check(keys.FACES, (tenant, face.faceid), (if_same_group,))]
    actions += _sighting_actions(outcome, renamed_observations)
    return make_face_change(face_visits.face, face, actions, face_visits.limited_groups)


def new_face_change(outcome: SightingOutcome, face: Face, seq: int) -> Change:
    """Return the change, one transaction, that makes a new face of a sighting.

    If the group is full, the stranger that makes room goes in the same transaction. `face`: with
    the keys of its pictures. `seq`: the version of the gallery (the faces that are searched) in
    which a search found nobody. The change is refused if the gallery has another by then.
    """
    context = outcome.context
    tenant, evicted_stranger = context.open_sighting.tenant, context.evicted
    visits_before = context.face_visits.visits
    actions: list[Action] = [
        *face_puts(tenant, face),
        *visits_puts(tenant.name, face.faceid, visits_before, outcome.visits),
        *_sighting_actions(outcome),
    ]
    # What changes in the gallery, and how many faces each group gains.
    journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
    counts = {face.group_id: 1}
    if evicted_stranger:
        actions += evicted_stranger.deletes
        journal.insert(0, make_delete_entry(evicted_stranger.face))
        counts[STRANGER] = counts.get(STRANGER, 0) - 1
    return Change(
        actions=tuple(actions),
        journal=tuple(journal),
        counts=counts,
        limited_groups=context.face_visits.limited_groups,
        # The next stranger's number is one more. The last was read at this seq, so that no two
        # strangers get the same.
        tenant={NUMBERED: 1},
        based_on=seq,
    )


def _sighting_actions(
    outcome: SightingOutcome, renamed_observations: Sequence[ChangedObservation] = ()
) -> list[Action]:
    """Return the actions that store a sighting: its capture's entry, observation, reviews and
    events.

    An observation is what statistics count, a review asks a person to look, and events go to hooks.
    `renamed_observations`: earlier sightings that get another group's name.
    """
    context, open_sighting = outcome.context, outcome.context.open_sighting
    tenant, now = open_sighting.tenant.name, open_sighting.now
    actions: list[Action] = [resolution_update(open_sighting, outcome.capture)]
    actions += make_observation_actions(
        tenant, [outcome.observation], renamed_observations, context.months, now
    )
    actions += [Put(keys.REVIEWS, review_item(tenant, review)) for review in outcome.reviews]
    actions += event_puts(tenant, context.hooks, outcome.events, now)

    full_group = context.full_group
    if full_group is not None and context.tells_full:
        # When it was told last that the group is full: it is told once an hour.
        note = {"tenant": tenant, "item": keys.full_item(full_group.id), "at": milliseconds(now)}
        actions.append(Put(keys.DIRECTORY, note))
    return actions


def resolution_update(open_sighting: OpenSighting, capture_after: Capture) -> Update:
    """Return the update that stores in a capture how one of its faces was resolved, once.

    It requires that nobody has gone on with the capture meanwhile: condition STEP.

    What tells of people of whom nothing may be kept goes with it: the faces that were noted for the
    next worker, and at the end the picture's hash, if all of the capture's faces are nobody's.
    """
    tenant = open_sighting.tenant
    if open_sighting.correction:  # one of its sightings was rejected, and is resolved again
        if_waiting = (
            equals("state", CaptureState.STORED, STEP),
            equals("corrections", open_sighting.correction, STEP),
        )
        update = sightings_update(
            tenant.name, capture_after, if_waiting, fields={}, remove=(AGAIN, ATTEMPTS, SENT_AT)
        )
    else:
        update = progress_update(tenant.name, capture_after, open_sighting.number)

    removed_fields, set_fields = update.remove, update.set
    is_unkept = shows_unkept(capture_after)
    if is_unkept and "detection" not in removed_fields:  # the noted faces, with their templates
        removed_fields = (*removed_fields, "detection")
    is_resolved = capture_after.state is CaptureState.RESOLVED
    if is_resolved and (tenant.forgets_strangers or is_unkept):
        are_nobody = all(
            sighting.resolution is Resolution.SKIPPED for sighting in capture_after.sightings
        )
        if are_nobody:
            no_hash = CAPTURE.write(replace(capture_after, sha256=""), "sha256")
            set_fields = {**set_fields, **no_hash}
    return replace(update, remove=removed_fields, set=set_fields)


def progress_update(tenant: str, capture: Capture, done_before: int) -> Update:
    """Return the update that stores how far a capture is: its state, and its sightings so far.

    It requires that just `done_before` of its faces were resolved before: condition STEP. So of two
    workers on the same capture only one gets through.
    """
    fields = CAPTURE.write(capture, "sides")  # width and height of the picture
    if capture.sightings:
        fields = {"done": len(capture.sightings), **fields}
    removed_fields: tuple[str, ...] = ("reason",)
    if capture.state is CaptureState.RESOLVED:  # nobody goes on with it or tries again
        removed_fields = ("detection", "reason", ATTEMPTS, SENT_AT)
    # Before the first face there is no field "done", hence None.
    if_next = equals("done", done_before or None, STEP)
    return sightings_update(tenant, capture, [if_next], fields=fields, remove=removed_fields)


def sightings_update(
    tenant: str,
    capture: Capture,
    when: Sequence[Condition],
    fields: Item,
    remove: tuple[str, ...] = (),
) -> Update:
    """Return the update that stores a capture's state and sightings; a repeat finds it done.

    `when`: what it requires, besides that nobody on the capture was erased since it was read
    (condition STEP). `fields`, `remove`: what else is stored, and the fields that go.
    """
    sightings = [sighting_item(sighting) for sighting in capture.sightings]
    return Update(
        keys.CAPTURES,
        _capture_key(tenant, capture),
        (*when, *require_no_erasure(capture, STEP)),
        set={"state": capture.state, "sightings": sightings, **fields},
        remove=remove,
        repeatable=True,
    )


def detection_update(tenant: str, capture: Capture, faces: Sequence[SeenFace]) -> Update:
    """Return the update that stores the detected faces, so that a worker that continues resolves
    the same ones."""
    if_first = (equals("detection", None, STEP), equals("done", None, STEP))
    fields = {"detection": [seen_item(face) for face in faces], **CAPTURE.write(capture, "sides")}
    return Update(
        keys.CAPTURES, _capture_key(tenant, capture), if_first, set=fields, repeatable=True
    )


def parking_update(tenant: str, capture: Capture, reason: str) -> Update:
    """Return the update that parks a capture: nobody tries it again by itself.

    It requires that others have not gone on with it or erased it: condition STEP.
    """
    if_same_state = equals("state", capture.state, STEP)
    fields = {"state": CaptureState.PARKED, "reason": reason}
    return Update(keys.CAPTURES, _capture_key(tenant, capture), (if_same_state,), set=fields)


def _capture_key(tenant: str, capture: Capture) -> tuple[str, str]:
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
    """Return the sighting of a capture that a person rejected: it is to be resolved again.

    `item`: the stored capture; its field AGAIN holds what was rejected. Labels and gap (how long a
    visit lasts after a sighting) are those by which it was resolved at first.
    """
    rejected = item[AGAIN]
    gap_s = camera.gap_s if rejected["gap_s"] is None else int(rejected["gap_s"])
    return OpenSighting(
        tenant=tenant,
        camera=replace(camera, gap_s=gap_s, labels=Labels(*rejected["labels"])),
        capture=capture,
        seen_face=seen_from(rejected["seen"]),
        number=int(rejected["n"]),
        total=len(capture.sightings),
        now=now,
        correction=int(item["corrections"]),
        rejected_faceid=rejected["faceid"],
        right_faceid=rejected.get("other"),  # whose it is, if the person said so
        instead=parse_optional(Instead, rejected.get("instead")),  # or what else it is
    )
