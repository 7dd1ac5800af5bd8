"""The writes of a sighting: one face in a camera's picture (a capture), with or without a match in
the book.

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
    if_nobody_erased,
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

    `outcome` is what was decided. `face_visits` has the face before, with its visits, and `face` is
    the face afterwards, with the keys of its pictures. A sighting that comes late can make the face
    a regular from an earlier visit on. Then its sightings since that visit get the name of that
    group. `renamed_observations` are those of them that no transaction before this one has stored.
    """
    actions = [
        *_make_face_actions(outcome, face, face_visits),
        *_sighting_actions(outcome, renamed_observations),
    ]
    return make_face_change(face_visits.face, face, actions, face_visits.limited_groups)


def _make_face_actions(
    outcome: SightingOutcome, face: Face, face_visits: FaceVisits
) -> list[Action]:
    """Return the writes of a known face and its visits after a sighting.

    A sighting that came too late (`is_of_arrival` is False) changes neither. Then nothing of the
    face is written, but the transaction is refused if the face has gone or changed its group.
    """
    tenant, face_before = outcome.facts.open_sighting.tenant, face_visits.face
    if not outcome.facts.open_sighting.is_of_arrival:
        if_same_group = equals("group", face.group_id, FACE_SAME)
        return [Check(keys.FACES, (tenant.name, face.faceid), (if_same_group,))]
    actions = visits_puts(tenant.name, face.faceid, face_visits.visits, outcome.visits)
    if face != face_before:
        actions.append(make_visit_update(tenant, face_before, face))
    return actions


def new_face_change(outcome: SightingOutcome, face: Face, seq: int) -> Change:
    """Return the change, one transaction, that makes a new face of a sighting.

    `face` has the keys of its pictures. `seq` is the version of the gallery (all faces that are
    searched) in which a search found nobody. The commit is refused if the gallery has another
    version by then. If the group was full, the same transaction deletes the stranger that was
    chosen to make room (`evicted`).
    """
    facts = outcome.facts
    tenant, evicted_stranger = facts.open_sighting.tenant, facts.evicted
    visits_before = facts.face_visits.visits
    actions: list[Action] = [
        *face_puts(tenant, face),
        *visits_puts(tenant.name, face.faceid, visits_before, outcome.visits),
        *_sighting_actions(outcome),
    ]
    # The journal tells searches what changes in the gallery.
    journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
    gained_faces = {face.group_id: 1}  # by group; with an evicted stranger, its group loses one
    if evicted_stranger:
        actions += evicted_stranger.deletes
        journal = [make_delete_entry(evicted_stranger.face), *journal]  # first make room
        gained_faces[STRANGER] = gained_faces.get(STRANGER, 0) - 1
    return Change(
        actions=tuple(actions),
        journal=tuple(journal),
        counts=gained_faces,
        limited_groups=facts.face_visits.limited_groups,
        # New faces are numbered for people, as `stranger 17`. The tenant counts them, and 1 is
        # added. The count was read at this seq, and each new face makes another seq. So no two
        # faces get the same number.
        directory_counts={NUMBERED: 1},
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
    facts, open_sighting = outcome.facts, outcome.facts.open_sighting
    tenant_name, now = open_sighting.tenant.name, open_sighting.now
    actions: list[Action] = [resolution_update(open_sighting, outcome.capture)]
    actions += make_observation_actions(
        tenant_name, [outcome.observation], renamed_observations, facts.months, now
    )
    actions += [Put(keys.REVIEWS, review_item(tenant_name, review)) for review in outcome.reviews]
    actions += event_puts(tenant_name, facts.hooks, outcome.events, now)

    full_group = facts.full_group
    if full_group is not None and facts.tells_full:
        # One of the events says that the group is full. The tenant's directory notes when, since
        # the next one may come an hour later at the earliest.
        note_id = keys.full_item(full_group.id)
        note = {"tenant": tenant_name, "item": note_id, "at": milliseconds(now)}
        actions.append(Put(keys.DIRECTORY, note))
    return actions


def resolution_update(open_sighting: OpenSighting, capture_after: Capture) -> Update:
    """Return the update that stores the match of one of a capture's faces in it.

    Storage refuses it if another worker has stored this face meanwhile (condition STEP). If nothing
    may be kept of somebody on the picture, the same update deletes the detected faces (field
    "detection"). If all faces of the capture are nobody's at the end, it deletes the picture's
    hash, too.
    """
    tenant = open_sighting.tenant
    if open_sighting.correction:  # a person rejected this sighting, and it is resolved again
        update = _correction_update(tenant.name, capture_after, open_sighting.correction)
    else:
        update = progress_update(tenant.name, capture_after, open_sighting.number)
    if shows_unkept(capture_after):  # somebody on it withdrew consent
        removed_fields = dict.fromkeys([*update.remove, "detection"])  # each once
        update = replace(update, remove=tuple(removed_fields))
    if _keeps_no_hash(tenant, capture_after):
        no_hash = CAPTURE.write(replace(capture_after, sha256=""), "sha256")
        update = replace(update, set={**update.set, **no_hash})
    return update


def _keeps_no_hash(tenant: Tenant, capture: Capture) -> bool:
    """Return whether a capture is not to keep the hash of its picture.

    So it is if all its faces are resolved, and each is nobody's. Besides, the tenant has to forget
    strangers, or one of the faces is of somebody who withdrew consent.
    """
    is_resolved = capture.state is CaptureState.RESOLVED
    if not (is_resolved and (tenant.forgets_strangers or shows_unkept(capture))):
        return False
    return all(sighting.resolution is Resolution.SKIPPED for sighting in capture.sightings)


def _correction_update(tenant: str, capture: Capture, correction: int) -> Update:
    """Return the update that stores a capture after a rejected sighting was resolved again.

    `correction` is how many of its sightings were rejected so far. Storage refuses it (condition
    STEP) unless the capture waits for just this correction.
    """
    if_waiting = (
        equals("state", CaptureState.STORED, STEP),
        equals("corrections", correction, STEP),
    )
    done_with = (AGAIN, ATTEMPTS, SENT_AT)
    return sightings_update(tenant, capture, if_waiting, fields={}, remove=done_with)


def progress_update(tenant: str, capture: Capture, done_before: int) -> Update:
    """Return the update that stores how far a capture is: its state, and its sightings so far.

    Storage refuses it (condition STEP) unless exactly `done_before` of the capture's faces were
    resolved before. So if two workers are at the same face, only the first gets through.
    """
    # Stored besides state and sightings: how many faces are done, and the picture's sides.
    fields = CAPTURE.write(capture, "sides")
    if capture.sightings:
        fields = {"done": len(capture.sightings), **fields}
    # The reason says why a capture was given up (PARKED). It goes on, so the reason goes.
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
        (*when, *if_nobody_erased(capture, STEP)),
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
    """Return the update that parks a capture: it is not retried automatically.

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
