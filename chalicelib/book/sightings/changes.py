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
    """Return the change, one transaction, that stores a sighting of a known face.

    `outcome` is what was decided. `face` is the face afterwards, with the keys of its pictures.
    `face_visits` has the face before, with its visits. `renamed_observations` are earlier sightings
    that get another group's name, without those that transactions before this one have stored.
    """
    open_sighting = outcome.context.open_sighting
    tenant = open_sighting.tenant.name
    actions: list[Action]
    if open_sighting.is_of_arrival:
        actions = visits_puts(tenant, face.faceid, face_visits.visits, outcome.visits)
        if face != face_visits.face:
            actions.append(make_visit_update(open_sighting.tenant, face_visits.face, face))
    else:
        # It came too late to change the visits, so nothing of the face is written. But the
        # transaction is refused if the face has gone or changed its group: condition FACE_SAME.
        if_same_group = equals("group", face.group_id, FACE_SAME)
        actions = [Check(keys.FACES, (tenant, face.faceid), (if_same_group,))]
    actions += _sighting_actions(outcome, renamed_observations)
    return make_face_change(face_visits.face, face, actions, face_visits.limited_groups)


def new_face_change(outcome: SightingOutcome, face: Face, seq: int) -> Change:
    """Return the change, one transaction, that makes a new face of a sighting.

    `face` has the keys of its pictures. `seq` is the version of the gallery (all faces that are
    searched) in which a search found nobody. The commit is refused if the gallery has another
    version by then. If the group was full, the same transaction deletes the stranger that was
    chosen to make room (`evicted`).
    """
    context = outcome.context
    tenant, evicted_stranger = context.open_sighting.tenant, context.evicted
    visits_before = context.face_visits.visits
    actions: list[Action] = [
        *face_puts(tenant, face),
        *visits_puts(tenant.name, face.faceid, visits_before, outcome.visits),
        *_sighting_actions(outcome),
    ]
    # The journal tells searches what changes in the gallery.
    journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
    counts = {face.group_id: 1}  # by group, how many faces it gains
    if evicted_stranger:
        actions += evicted_stranger.deletes
        journal.insert(0, make_delete_entry(evicted_stranger.face))  # first make room
        counts[STRANGER] = counts.get(STRANGER, 0) - 1
    return Change(
        actions=tuple(actions),
        journal=tuple(journal),
        counts=counts,
        limited_groups=context.face_visits.limited_groups,
        # The face has the next number, so the count of numbers grows by 1. It was read at this seq,
        # so no two strangers get the same.
        tenant={NUMBERED: 1},
        based_on=seq,
    )


def _sighting_actions(
    outcome: SightingOutcome, renamed_observations: Sequence[ChangedObservation] = ()
) -> list[Action]:
    """Return the actions that store a sighting beside its face and visits.

    The capture gets whose face it is. Statistics get an observation to count, people get reviews
    (to look at a doubtful match), and hooks get events. `renamed_observations` are earlier
    sightings that get another group's name.
    """
    context, open_sighting = outcome.context, outcome.context.open_sighting
    tenant_name, now = open_sighting.tenant.name, open_sighting.now
    actions: list[Action] = [resolution_update(open_sighting, outcome.capture)]
    actions += make_observation_actions(
        tenant_name, [outcome.observation], renamed_observations, context.months, now
    )
    actions += [Put(keys.REVIEWS, review_item(tenant_name, review)) for review in outcome.reviews]
    actions += event_puts(tenant_name, context.hooks, outcome.events, now)

    full_group = context.full_group
    if full_group is not None and context.tells_full:
        # One of the events says that the group is full. The tenant's directory notes when, since
        # the next one may come an hour later at the earliest.
        note_id = keys.full_item(full_group.id)
        note = {"tenant": tenant_name, "item": note_id, "at": milliseconds(now)}
        actions.append(Put(keys.DIRECTORY, note))
    return actions


def resolution_update(open_sighting: OpenSighting, capture_after: Capture) -> Update:
    """Return the update that stores in a capture whose face one of its faces is.

    Storage refuses it if another worker has stored this face meanwhile (condition STEP). If nothing
    may be kept of somebody on the picture, the same update deletes the detected faces (field
    "detection"). If all faces of the capture are nobody's at the end, it deletes the picture's
    hash, too.
    """
    tenant = open_sighting.tenant
    if open_sighting.correction:  # a person rejected this sighting, and it is resolved again
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
    is_unkept = shows_unkept(capture_after)  # somebody on it withdrew consent
    if is_unkept and "detection" not in removed_fields:
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

    Storage refuses it (condition STEP) unless exactly `done_before` of the capture's faces were
    resolved before. So if two workers are at the same face, only the first gets through.
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
    """Return the update that stores a capture's state and sightings; it does no harm done twice.

    Storage refuses it unless the conditions `when` hold. It is refused, too (condition STEP), if
    somebody on the capture was erased since it was read: it would bring them back. `fields` are
    stored besides, and the fields in `remove` are deleted.
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
    """Return the update that stores a capture's detected faces, before the first is resolved.

    So a worker that goes on after a crash resolves the same faces in the same order. Storage
    refuses it if another worker has begun (condition STEP).
    """
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
    """Return a capture's sighting that a person rejected, open to be resolved again.

    `item` is the stored capture, and its field AGAIN holds what was rejected. The camera's settings
    may have changed. So its labels and its gap (how long a visit lasts after a sighting) are those
    of the first time.
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
