"""The way of a camera's picture (a capture) into the book: each face in it is matched, remembered
as a stranger, or skipped, exactly once.

For each face all that the decision needs is read first (facts), domain/rules/sighting decides,
its Outcome becomes actions (changes), and one transaction commits them. It changes arrivals,
counts, group, observation and events. A face's visits have a version, so that no writer misses
another's sighting.

The commit of a new face requires that the gallery has not changed since the search, so two captures
of one new person make one stranger. If the group or the tenant is full, the same transaction
deletes the stranger last seen longest ago.

How often a capture is tried before it is parked: book/captures/redrive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from msgspec.structs import replace

from chalicelib import telemetry
from chalicelib.book.commit import A_COMMIT_S, Change, GalleryMoved
from chalicelib.book.models import Reading
from chalicelib.book.sightings.changes import (
    detected_faces,
    detection_update,
    known_face_change,
    new_face_change,
    open_correction,
    parking_update,
    progress_update,
    resolution_update,
)
from chalicelib.book.sightings.facts import SightingSearch
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.captures import (
    UNKEPT,
    Camera,
    Capture,
    CaptureState,
    Instead,
    Resolution,
    SeenFace,
)
from chalicelib.domain.errors import (
    Busy,
    CaptureNotFound,
    ConditionFailed,
    ConsentMissing,
    InvalidInput,
    TenantNotFound,
    Unusable,
    WrongModel,
)
from chalicelib.domain.local_time import DAY_MS, HOUR_MS
from chalicelib.domain.model import STRANGER, Face, Picture, Tenant
from chalicelib.domain.pictures import FaceJpeg
from chalicelib.domain.rules.sighting import (
    OpenSighting,
    SightingOutcome,
    UnrememberedSighting,
    resolve_sighting,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import count_attempts, write, write_unless_changed
from chalicelib.storage.ports import SENT_AGAIN, Action, Item, Put, Update, absent, exists
from chalicelib.storage.records.captures import AGAIN, ATTEMPTS, STEP, camera_of, capture_from
from chalicelib.storage.records.observations import OBSERVATION_NEW
from chalicelib.storage.values import time_ordered_id
from chalicelib.telemetry import (
    CAPTURES_PARKED,
    CAPTURES_RESOLVED,
    FACES_MATCHED,
    FACES_NEW,
    FACES_SKIPPED,
)

if TYPE_CHECKING:
    from chalicelib.book.book import Book

TAKES_TURNS_AFTER = timedelta(seconds=3)
"""If a capture waited longer, the queue is taken for long, and it is sent again in its tenant's
name. It then waits about twice as long."""

_log = logging.getLogger(__name__)


class _StoredCapture(NamedTuple):
    """A capture (a camera's picture) as it was read, with the item in which it is stored.

    `picture`: None: there is nothing to do. The capture is done, or its picture is not uploaded yet
    or was deleted.
    """

    tenant: Tenant
    camera: Camera
    capture: Capture
    item: Item
    picture: bytes | None


class Ingest(Service["Book"]):
    def take_message(
        self, body: str, receive_count: int = 1, sent_at: datetime | None = None
    ) -> None:
        """Resolve the captures (camera pictures) that a message of the queue (SQS) names.

        `body` is an event of S3. `receive_count` says how often the queue has delivered it, and
        `sent_at` when it was sent. S3's test event, and captures that are not ours or were erased,
        are passed over.

        S3 does not tell the queue the tenant, so one tenant's many captures would keep others
        waiting. So an event that waited for longer than TAKES_TURNS_AFTER is not resolved, but sent
        again in its tenant's name. The queue then lets the tenants take turns.

        If anything is raised, the queue delivers the message again, and after some tries puts it
        aside. `resolve_capture` raises Busy and StorageUnavailable. `_list_picture_keys` raises
        InvalidInput if it is no event of S3.
        """
        for key, is_sent_again in _list_picture_keys(body):
            try:
                capture_ids = keys.capture_of_picture(key)
                tenant_name, _, _ = capture_ids
                telemetry.of_tenant(tenant_name)  # what is counted from here on is this tenant's
                is_long_queue = False
                if sent_at and not is_sent_again:  # once only: then it has had its turn
                    is_long_queue = self.services.clock.now() - sent_at > TAKES_TURNS_AFTER
                if is_long_queue:
                    self.services.captures.redrive.send(*capture_ids)
                else:
                    # A picture that ends its worker comes again: such attempts are counted.
                    is_repeat = is_sent_again or receive_count > 1
                    self.resolve_capture(*capture_ids, is_repeat=is_repeat)
            except (ValueError, CaptureNotFound, TenantNotFound):
                continue  # not offered by us, or erased since

    def resolve_capture(
        self, tenant_name: str, camera_id: str, capture_id: str, *, is_repeat: bool = False
    ) -> Capture:
        """Match each face of a capture, unless that is done; return the resolved capture.

        A capture is a camera's picture. A second call changes nothing that is stored: it goes on
        after the last resolved face. `is_repeat` is True if another worker may have died of this
        picture. Then the attempt is counted, and after some the capture is parked: nobody tries it
        again. So is one whose picture cannot be used.

        Raises CaptureNotFound; Busy if other workers change the capture at each try;
        StorageUnavailable. Raises InvalidInput if storage or search refused what we asked.
        """
        # One call for the audit, however many tries it takes.
        call = AuditEvent(
            "sighting", f"camera {camera_id}", Kind.SIGHTING, tenant_name, {"of": capture_id}
        )
        capture_ids = tenant_name, camera_id, capture_id
        for _ in count_attempts():
            try:
                with audit_events.begin_audit_event(call):
                    tenant, capture = self._resolve_stored(capture_ids, is_repeat)
            except WrongModel:
                continue  # the tenant got another face model just now: embed the faces with that
            except ConditionFailed as error:
                is_overtaken = STEP in error.names  # another worker has stored a face of it
                if not is_overtaken:
                    raise
                continue  # read the capture again, and go on after that face
            self.services.captures.pictures.forget(tenant, capture)  # unless it may be kept
            return capture
        raise Busy("another worker is at this capture: deliver it again in a moment")

    def _resolve_stored(
        self, capture_ids: tuple[str, str, str], is_repeat: bool
    ) -> tuple[Tenant, Capture]:
        """Read a capture and resolve its faces, from the one at which the last worker stopped.

        A capture whose picture cannot be used is parked instead. `capture_ids` are the names of
        tenant, camera and capture. `is_repeat`: the attempt is counted. The tenant is returned,
        too, since it is read at each try: its face model may be another by then.

        `_read_stored` raises CaptureNotFound. `_resolve_faces` raises WrongModel if the model was
        changed, and ConditionFailed (STEP) if another worker has gone on with the capture.
        """
        tenant, camera, capture, item, picture = self._read_stored(capture_ids)
        if picture is None:
            return tenant, capture
        redrive = self.services.captures.redrive
        # `make_reading(faces)` decodes the picture; with None it detects the faces, too.
        make_reading = partial(
            Reading,
            self.services.tenant_vision.choose_vision(tenant.model),
            tenant,
            picture,
            attempt=partial(redrive.count_attempt, item) if is_repeat else nullcontext,
            # The file's further views may be what kills workers: the last try leaves them out.
            has_views=not redrive.is_last_attempt(item),
            has_died=ATTEMPTS in item,  # an attempt that ends deletes its count
        )
        try:
            resolved = self._resolve_faces(tenant, camera, capture, item, make_reading)
        except Unusable as error:  # it cannot be decoded, or too many attempts did not end
            return tenant, self._park(tenant, capture, str(error))
        _count_outcomes(resolved)
        return tenant, resolved

    def _read_stored(self, capture_ids: tuple[str, str, str]) -> _StoredCapture:
        """Read a capture with its tenant, camera and picture. Raises CaptureNotFound."""
        tenant_name, camera_id, capture_id = capture_ids
        # The picture begins to come while the rest is read. `begin_call` returns a function that
        # waits for it.
        get_picture = partial(self.services.storage.uploads.get, keys.capture_picture(*capture_ids))
        wait_for_picture = self.services.storage.begin_call(get_picture)
        tenant_item, camera_item, item = self.services.items.get_each(
            [
                (keys.TENANTS, keys.tenant_item(tenant_name)),
                (keys.CAMERAS, (tenant_name, camera_id)),
                (keys.CAPTURES, keys.capture(tenant_name, camera_id, capture_id)),
            ]
        )
        if tenant_item is None or item is None:
            raise CaptureNotFound(f"there is no capture {capture_id!r} of camera {camera_id!r}")
        capture = capture_from(item)
        is_done = capture.state in (CaptureState.RESOLVED, CaptureState.PARKED)
        return _StoredCapture(
            tenant=self.services.tenants.open_if_restricted(tenant_item),
            camera=camera_of(capture, camera_item),
            capture=capture,
            item=item,
            picture=None if is_done else wait_for_picture(),
        )

    def _resolve_faces(
        self,
        tenant: Tenant,
        camera: Camera,
        capture: Capture,
        item: Item,
        make_reading: Callable[[Sequence[SeenFace] | None], Reading],
    ) -> Capture:
        """Resolve one by one the faces of a capture that are not resolved; return the capture then.

        `item` is the stored capture. If it has the field AGAIN, a person rejected one of its
        sightings (said that it is not this face). Then only that sighting is resolved again.
        `make_reading(faces)` reads the picture; with None it detects the faces, too.
        """
        if AGAIN in item:  # the rejected sighting
            now = self.services.clock.now()
            correction = open_correction(tenant, camera, capture, item, now)
            reading = make_reading([correction.seen_face])
            return self._resolve_face(replace(correction, seen_face=reading.faces[0]), reading)

        reading = make_reading(detected_faces(item))
        faces = reading.faces
        capture = replace(capture, sides=reading.sides or capture.sides)
        if not faces:
            faceless_capture = replace(capture, state=CaptureState.RESOLVED)
            write(self.services.items, [progress_update(tenant.name, faceless_capture, 0)])
            return faceless_capture
        if _must_note_faces(tenant, capture, item, len(faces)):
            write(self.services.items, [detection_update(tenant.name, capture, faces)])

        # A resolved face is a sighting of the capture, so their number is the next face's.
        while (number := len(capture.sightings)) < len(faces):
            open_sighting = OpenSighting(
                tenant,
                camera,
                capture,
                faces[number],
                number=number,
                total=len(faces),
                now=self.services.clock.now(),
                faces_of_capture=faces,
            )
            capture = self._resolve_face(open_sighting, reading)
        return capture

    def _resolve_face(self, open_sighting: OpenSighting, reading: Reading) -> Capture:
        """Decide whose face of a capture this is, and store that; return the capture afterwards.

        It is a sighting of a known face, or makes a new face (a stranger). If nothing of it may be
        remembered, only the capture says that a face was there.

        Each try reads, decides and writes. A write is refused if anything that was read has changed
        since; then the next try reads it anew. `read_facts` raises WrongModel: embed the face
        again. A write raises ConditionFailed (STEP) if another worker has stored this face. Busy is
        raised after the last try.
        """
        search = SightingSearch(self.services, open_sighting, reading.fuse_views)
        crop = partial(reading.crop_face, open_sighting.seen_face)
        # If nobody is found, this stranger is made, with the same id at each try.
        new_face = Face(time_ordered_id(open_sighting.now), STRANGER, open_sighting.now, ())
        for _ in count_attempts():
            try:
                found = self.services.sightings.fact_reader.read_facts(
                    open_sighting, search, new_face
                )
                if isinstance(found, UnrememberedSighting):
                    return self._write_nobody(found)
                outcome = resolve_sighting(found)  # the decision; it reads and writes nothing
                if found.is_new:
                    return self._write_new(outcome, crop, search)
                return self._write_known(outcome, crop)
            except ConsentMissing:
                # A write looked at all pictures of the stranger: it is somebody who withdrew.
                reason = open_sighting.why_withdrawn
                return self._write_nobody(UnrememberedSighting(open_sighting, reason))
            except GalleryMoved:
                # The found face is gone, or others changed the gallery: search again. If a person
                # had said which face it is (`right_faceid`), it is that one that is gone.
                open_sighting = replace(open_sighting, right_faceid=None)
            except ConditionFailed as error:
                if STEP in error.names:
                    raise  # another worker has stored this face: `resolve_capture` goes on after it
                if OBSERVATION_NEW in error.names:
                    # Statistics have this sighting already: a second would count the visit twice.
                    reason = "this sighting was counted before"
                    return self._write_nobody(UnrememberedSighting(open_sighting, reason))
                # Any other: the face or its visits were changed since they were read. Try again.
        raise Busy(
            "the faces that this one is like are changed all the time: deliver this capture again "
            "in a moment"
        )

    def _write_nobody(self, unremembered: UnrememberedSighting) -> Capture:
        """Store in the capture that one of its faces is nobody's; return the capture afterwards.

        Of some faces nothing may be kept: the tenant forgets strangers, or the person's consent has
        ended (UNKEPT). Those are at least counted by the hour. The write raises ConditionFailed
        (STEP) if another worker has stored this face.
        """
        open_sighting, sighting = unremembered.open_sighting, unremembered.sighting
        tenant = open_sighting.tenant
        capture = open_sighting.resolved_capture(sighting)
        actions = [
            resolution_update(open_sighting, capture),
            *self.services.book_hooks.sighting_resolved(tenant.name, capture, sighting),
        ]
        is_forgotten = tenant.forgets_strangers or sighting.reason == UNKEPT
        # Instead.NOBODY: a person said that it is no face at all, so nobody is counted.
        if is_forgotten and open_sighting.instead is not Instead.NOBODY:
            hour_ms = open_sighting.at_ms - open_sighting.at_ms % HOUR_MS
            actions.append(self._count_nobody(tenant.name, hour_ms))
        write(self.services.items, actions)
        return capture

    def _count_nobody(self, tenant: str, hour_ms: int) -> Update:
        """Return the update that adds 1 to the faces that were nobody's in an hour.

        An update needs an item to change. So if the hour has no counter yet, one of 0 is written at
        once. The caller's transaction then adds to it, whichever worker made it.
        """
        counter_id = keys.nobodies_item(hour_ms)
        if self.services.items.get(keys.DIRECTORY, (tenant, counter_id)) is None:
            none_yet = {"tenant": tenant, "item": counter_id, "at": hour_ms, "number": 0}
            put = Put(keys.DIRECTORY, none_yet, (absent("hour-free"),))
            write_unless_changed(self.services.items, [put])  # False: another worker made it
        if_begun = exists("hour-begun")
        return Update(keys.DIRECTORY, (tenant, counter_id), (if_begun,), add={"number": 1})

    def _write_known(self, outcome: SightingOutcome, crop: Callable[[], FaceJpeg]) -> Capture:
        """Store a sighting of a known face, one of the book; return the capture afterwards.

        `outcome` has what the sighting changes. One that comes late can make the face a regular
        from an earlier visit on. Then its sightings since that visit get the name of that group.
        They may be too many for one transaction: the surplus is stored before it.

        `crop` cuts the face out of the capture, and is called only if the face learns this picture.
        `writer.save` raises ConditionFailed if the face was changed since it was read, and
        GalleryMoved if it is gone. It raises WrongModel if the face learns and the tenant changed
        its face model.
        """
        tenant = outcome.facts.open_sighting.tenant.name
        with self._store_pictures(outcome, crop) as pictures:
            face_visits, remaining_renamed = self.services.face_visits.write_surplus_changes(
                tenant, outcome.facts.face_visits, outcome.renamed
            )
            face = replace(outcome.face, pictures=pictures)
            change = known_face_change(outcome, face, face_visits, remaining_renamed)
            change = self._add_hook_actions(outcome, change)
            self.services.writer.save(tenant, change)
        self._deliver_events(outcome, change.actions)
        return outcome.capture

    def _write_new(
        self, outcome: SightingOutcome, crop: Callable[[], FaceJpeg], search: SightingSearch
    ) -> Capture:
        """Make a new face of a sighting, unless a last `search` finds somebody; return the capture.

        Two captures of one new person must make one face. So the commit is refused (GalleryMoved)
        if the gallery, all faces that are searched, changed after the search. Its version is the
        `seq`. The less happens between search and commit, the fewer workers collide, so all else is
        done before. `crop` cuts out the picture.

        Raises GalleryMoved if the search finds somebody, and Busy after the last try. The commit
        raises ConditionFailed (STEP, OBSERVATION_NEW) if another worker has stored this sighting.
        """
        fact_reader, writer = self.services.sightings.fact_reader, self.services.writer
        tenant = outcome.facts.open_sighting.tenant.name
        with self._store_pictures(outcome, crop) as pictures:
            for attempt, _ in enumerate(count_attempts(first_s=A_COMMIT_S)):
                facts = fact_reader.read_again(outcome.facts) if attempt else outcome.facts
                with writer.hold_up_commits(tenant):  # those of other threads of this process
                    # The first try need not search if the gallery still has the seq that was
                    # searched for the decision.
                    known_seq = None if attempt else writer.read_seq(tenant)
                    recognised = search.find_again(known_seq)
                    if recognised.face is not None:
                        raise GalleryMoved  # `_resolve_face` begins anew, and finds this face
                    if facts.face_visits.groups.seq != recognised.seq:
                        facts = fact_reader.read_again(facts)  # the room may be gone by now
                    if facts is not outcome.facts:  # something has changed: decide anew
                        why_nobody = search.decision_of(recognised)
                        outcome = resolve_sighting(replace(facts, decision=why_nobody))
                    try:
                        return self._commit_new(outcome, pictures, recognised.seq)
                    except GalleryMoved:
                        continue  # the gallery changed after the search: read and search again
                    except ConditionFailed as error:
                        if error.names & {STEP, OBSERVATION_NEW}:
                            raise  # another worker has stored this sighting
        raise Busy(
            "many faces of this tenant are made at once: deliver this capture again in a moment"
        )

    def _commit_new(
        self, outcome: SightingOutcome, pictures: tuple[Picture, ...], seq: int
    ) -> Capture:
        """Commit a new face with its pictures if the gallery still has the version `seq`.

        Then the events are delivered to hooks. If a stranger was deleted to make room for the face,
        its pictures are deleted. `writer.commit` raises ConditionFailed, and GalleryMoved if the
        gallery has another version.
        """
        facts = outcome.facts
        face = replace(outcome.face, pictures=pictures)
        change = self._add_hook_actions(outcome, new_face_change(outcome, face, seq))
        self.services.writer.commit(facts.open_sighting.tenant.name, change)
        self._deliver_events(outcome, change.actions)
        if facts.evicted:
            self.services.face_pictures.discard_pictures(facts.evicted.picture_keys)
        return outcome.capture

    def _add_hook_actions(self, outcome: SightingOutcome, change: Change) -> Change:
        """Return the change with the actions by which others (book_hooks) note the sighting."""
        tenant = outcome.facts.open_sighting.tenant.name
        entry = self.services.book_hooks.sighting_resolved(
            tenant, outcome.capture, outcome.sighting
        )
        return replace(change, actions=(*change.actions, *entry))

    @contextmanager
    def _store_pictures(
        self, outcome: SightingOutcome, crop: Callable[[], FaceJpeg]
    ) -> Iterator[tuple[Picture, ...]]:
        """Yield the face's pictures with their keys in blob storage; the block commits the face.

        The JPEG of a new picture is stored before the block, and deleted if the commit is refused.
        Pictures that had to go for it are deleted after the block. `crop` cuts out the JPEG.
        """
        facts, new_picture = outcome.facts, outcome.new_picture
        if new_picture is None:  # the face learns nothing: no blob is touched
            yield outcome.face.pictures
            return
        jpeg = crop()
        if not facts.is_new:
            # Only a face's first picture is its portrait. One that it learnt needs no thumbnail,
            # which would be a second blob to pay for.
            jpeg = FaceJpeg(jpeg.data)
        face_before = facts.face_visits.face
        stored_picture = self.services.face_pictures.write_picture(
            facts.open_sighting.tenant, face_before, new_picture, jpeg
        )
        pictures = tuple(
            stored_picture if picture is new_picture else picture
            for picture in outcome.face.pictures
        )
        keys_after = [picture.key for picture in pictures if picture.key]
        with self.services.face_pictures.replace_pictures(face_before.picture_keys, keys_after):
            yield pictures

    def _deliver_events(self, outcome: SightingOutcome, actions: Sequence[Action]) -> None:
        """Have the events delivered that a transaction stored, and note that the day has sightings.

        `actions`: those of the transaction; the events are among them.
        """
        open_sighting = outcome.facts.open_sighting
        tenant = open_sighting.tenant.name
        self.services.statistics.calendar.note_days(tenant, [open_sighting.at_ms // DAY_MS])
        self.services.webhooks.outbox.send_messages(tenant, actions)

    def _park(self, tenant: Tenant, capture: Capture, reason: str) -> Capture:
        write(self.services.items, [parking_update(tenant.name, capture, reason)])
        telemetry.count(CAPTURES_PARKED)
        _log.warning("capture %s of camera %s is parked: %s", capture.id, capture.camera_id, reason)
        return replace(capture, state=CaptureState.PARKED, reason=reason)


def _must_note_faces(tenant: Tenant, capture: Capture, item: Item, face_count: int) -> bool:
    """Return whether a capture's detected faces must be stored before the first is resolved.

    If this worker dies, the next one must number them alike. With one face nothing can be left
    over. A tenant that forgets strangers stores none. `item` is the stored capture. Its field
    "detection" has them if a worker before has stored them.
    """
    if face_count == 1 or tenant.forgets_strangers or "detection" in item:
        return False
    # With sightings, they were stored, and deleted since somebody on the picture withdrew consent.
    return not capture.sightings


_OUTCOMES = {
    Resolution.MATCHED: FACES_MATCHED,
    Resolution.STRANGER: FACES_NEW,
    Resolution.SKIPPED: FACES_SKIPPED,
}


def _count_outcomes(capture: Capture) -> None:
    """Count in telemetry how the capture's faces were resolved."""
    outcomes = [_OUTCOMES[sighting.resolution] for sighting in capture.sightings]
    telemetry.count(CAPTURES_RESOLVED, *outcomes)


def _list_picture_keys(body: str) -> list[tuple[str, bool]]:
    """Return the pictures that an S3 event names: key, and whether we sent the event again.

    `body`: the event as JSON; S3's test event has no pictures. Raises InvalidInput if it is no
    event of S3.
    """
    try:
        event: Any = json.loads(body)
        records = event.get("Records", []) if isinstance(event, dict) else []
        return [
            (unquote_plus(record["s3"]["object"]["key"]), record.get("eventName") == SENT_AGAIN)
            for record in records
            if "s3" in record
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"this is no event of S3: {body[:100]!r}") from error
