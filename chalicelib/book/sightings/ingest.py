"""Resolution of stored captures: each face is matched, remembered as a stranger, or skipped,
exactly once.

For each face all that the decision needs is read first (contexts), domain/rules/sighting decides,
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
from typing import TYPE_CHECKING, Any
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
from chalicelib.book.sightings.contexts import SightingSearch
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


class Ingest(Service["Book"]):
    def take_message(
        self, body: str, receive_count: int = 1, sent_at: datetime | None = None
    ) -> None:
        """Resolve the captures of an S3 event, as SQS carries it.

        `receive_count`: how often SQS has given it out.

        S3 does not tell SQS the tenant, so events of a tenant with many captures would be before
        those of others. One that waited since `sent_at` for longer than TAKES_TURNS_AFTER is sent
        again in the tenant's name, and takes its turn. The first attempt at a capture is not
        counted, but any that may be a repeat (book/captures/redrive): of a message that was
        received before, or an event that was sent again.

        A message that names no capture of ours (S3's test event) counts as done. Raises Busy,
        StorageUnavailable or InvalidInput if it must be delivered again; a message that is no event
        so ends in the dead letters.
        """
        for key, is_sent_again in _stored_keys(body):
            try:
                capture_ids = keys.capture_of_picture(key)
                telemetry.of_tenant(capture_ids[0])
                if (
                    sent_at
                    and not is_sent_again
                    and self.services.clock.now() - sent_at > TAKES_TURNS_AFTER
                ):
                    self.services.captures.redrive.send(*capture_ids)
                else:
                    self.resolve_capture(*capture_ids, is_repeat=is_sent_again or receive_count > 1)
            except (ValueError, CaptureNotFound, TenantNotFound):
                continue  # not offered by us, or erased since

    def resolve_capture(
        self, tenant_name: str, camera_id: str, capture_id: str, *, is_repeat: bool = False
    ) -> Capture:
        """Resolve the faces of a capture that are not resolved yet. Called again, change nothing.

        `is_repeat`: its picture may have been opened before, so the attempt is counted
        (book/captures/redrive). A capture whose picture cannot be used is parked with the reason,
        and for nothing else. Faces embedded with a model that is no longer the tenant's are
        embedded again. Raises CaptureNotFound, Busy, StorageUnavailable, InvalidInput if an adapter
        refused what we asked of it.
        """
        act = AuditEvent(
            "sighting", f"camera {camera_id}", Kind.SIGHTING, tenant_name, {"of": capture_id}
        )
        for _ in count_attempts():
            # The picture comes while tenant, camera and capture are read.
            wait_for_picture = self.services.storage.begin_call(
                partial(
                    self.services.storage.uploads.get,
                    keys.capture_picture(tenant_name, camera_id, capture_id),
                )
            )
            capture_ids = tenant_name, camera_id, capture_id
            try:
                with audit_events.begin_audit_event(act):
                    tenant, capture = self._resolve_stored(capture_ids, wait_for_picture, is_repeat)
            except WrongModel:
                continue
            except ConditionFailed as error:
                if STEP not in error.names:
                    raise
                continue
            self.services.captures.pictures.forget(tenant, capture)
            return capture
        raise Busy("another worker is at this capture: deliver it again in a moment")

    def _resolve_stored(
        self,
        capture_ids: tuple[str, str, str],
        wait_for_picture: Callable[[], bytes | None],
        is_repeat: bool,
    ) -> tuple[Tenant, Capture]:
        """Resolve a capture as it is stored, from the point at which the last worker stopped.

        `capture_ids`: names of tenant, camera and capture; `wait_for_picture`: returns the picture
        when it is there, None if there is none. The tenant is read each time, since its model may
        be another. Raises CaptureNotFound, WrongModel, and ConditionFailed (STEP) if another worker
        has begun with the picture or resolved a face.
        """
        tenant_name, camera_id, capture_id = capture_ids
        tenant_item, camera_item, item = self.services.items.get_each(
            [
                (keys.TENANTS, keys.tenant_item(tenant_name)),
                (keys.CAMERAS, (tenant_name, camera_id)),
                (keys.CAPTURES, keys.capture(tenant_name, camera_id, capture_id)),
            ]
        )
        if tenant_item is None or item is None:
            raise CaptureNotFound(f"there is no capture {capture_id!r} of camera {camera_id!r}")
        tenant, capture = self.services.tenants.open_if_restricted(tenant_item), capture_from(item)
        is_done = capture.state in (CaptureState.RESOLVED, CaptureState.PARKED)
        picture = None if is_done else wait_for_picture()
        if picture is None:
            return tenant, capture
        try:
            camera = camera_of(capture, camera_item)
            attempt = (
                partial(self.services.captures.redrive.count_attempt, item)
                if is_repeat
                else nullcontext
            )
            make_reading = partial(
                Reading,
                self.services.tenant_vision.choose_vision(tenant.model),
                tenant,
                picture,
                attempt=attempt,
                # its views may be what kills the worker
                has_views=not self.services.captures.redrive.is_last_attempt(item),
                has_died=ATTEMPTS in item,
            )
            return tenant, _count_outcomes(
                self._resolve_faces(tenant, camera, capture, item, make_reading)
            )
        except Unusable as error:
            return tenant, self._park(tenant, capture, str(error))

    def _resolve_faces(
        self,
        tenant: Tenant,
        camera: Camera,
        capture: Capture,
        item: Item,
        make_reading: Callable[[Sequence[SeenFace] | None], Reading],
    ) -> Capture:
        """Resolve the faces of a capture that are not resolved yet, or the one that was rejected.

        `item`: the stored capture; `make_reading`: reads the picture, and detects its faces unless
        it is given them.
        """
        if AGAIN in item:  # one of its faces was rejected
            correction = open_correction(tenant, camera, capture, item, self.services.clock.now())
            reading = make_reading([correction.seen_face])
            return self._resolve_face(replace(correction, seen_face=reading.faces[0]), reading)
        reading = make_reading(detected_faces(item))
        read_capture = replace(capture, sides=reading.sides or capture.sides)
        if not reading.faces:
            faceless_capture = replace(read_capture, state=CaptureState.RESOLVED)
            write(self.services.items, [progress_update(tenant.name, faceless_capture, 0)])
            return faceless_capture
        # So that a worker that continues resolves the same faces. Of one face there is nothing to
        # continue. One that has begun lacks them if nothing may be kept of somebody on it.
        notes_faces = (
            len(reading.faces) > 1 and not read_capture.sightings and not tenant.forgets_strangers
        )
        if notes_faces and "detection" not in item:
            write(self.services.items, [detection_update(tenant.name, read_capture, reading.faces)])
        resolved_capture = read_capture
        while (number := len(resolved_capture.sightings)) < len(reading.faces):
            open_sighting = OpenSighting(
                tenant,
                camera,
                resolved_capture,
                reading.faces[number],
                number=number,
                total=len(reading.faces),
                now=self.services.clock.now(),
                faces_of_capture=reading.faces,
            )
            resolved_capture = self._resolve_face(open_sighting, reading)
        return resolved_capture

    def _resolve_face(self, open_sighting: OpenSighting, reading: Reading) -> Capture:
        """Resolve a face of a capture: decide whose it is, write that, and return the capture as it
        is then.

        `like a face of the book`: it is that face's sighting; `like none`: it is a new face. It is
        nobody's, and noted in the capture only, if nothing may be remembered of it.

        What the decision needs is read before, and all is done again if that has changed in
        between. Raises WrongModel; ConditionFailed (STEP) if another worker has gone on with the
        capture; Busy.
        """
        search = SightingSearch(self.services, open_sighting, reading.fuse_views)
        crop = partial(reading.crop_face, open_sighting.seen_face)
        new_face = Face(time_ordered_id(open_sighting.now), STRANGER, open_sighting.now, ())
        for _ in count_attempts():
            try:
                context = self.services.sightings.contexts.read_context(
                    open_sighting, search, new_face
                )
                if isinstance(context, UnrememberedSighting):
                    return self._write_nobody(context)
                if context.is_new:
                    return self._write_new(resolve_sighting(context), crop, search)
                return self._write_known(resolve_sighting(context), crop)
            except ConsentMissing:  # by all its pictures, the stranger is somebody who withdrew
                reason = open_sighting.why_nothing_kept
                return self._write_nobody(UnrememberedSighting(open_sighting, reason))
            except GalleryMoved:
                # The gallery has changed since the search, as by a face that was deleted: search
                # again. If somebody said who it is, that face is gone.
                open_sighting = replace(open_sighting, right_faceid=None)
            except ConditionFailed as error:
                if STEP in error.names:
                    raise  # what the other worker wrote counts
                # The book has this sighting already: a second one would count the visit twice.
                if OBSERVATION_NEW in error.names:
                    return self._write_nobody(
                        UnrememberedSighting(open_sighting, "this sighting was counted before")
                    )
        raise Busy(
            "the faces that this one is like are changed all the time: deliver this capture again "
            "in a moment"
        )

    def _write_nobody(self, unremembered: UnrememberedSighting) -> Capture:
        """Write a face that is nobody's, in the capture only. Raises ConditionFailed (STEP).

        If the tenant forgets strangers, or the person's record of consent has ended, nothing of the
        face is in it, and it is counted.
        """
        open_sighting, sighting = unremembered.open_sighting, unremembered.sighting
        capture, tenant = open_sighting.resolved_capture(sighting), open_sighting.tenant.name
        actions = [
            resolution_update(open_sighting, capture),
            *self.services.book_hooks.sighting_resolved(tenant, capture, sighting),
        ]
        is_forgotten = open_sighting.tenant.forgets_strangers or sighting.reason == UNKEPT
        if is_forgotten and open_sighting.instead is not Instead.NOBODY:
            actions.append(
                self._count_nobody(tenant, open_sighting.at_ms - open_sighting.at_ms % HOUR_MS)
            )
        write(self.services.items, actions)
        return capture

    def _count_nobody(self, tenant: str, hour_ms: int) -> Update:
        """Return the update that counts a face that matched nobody, in the hour in which it was
        seen."""
        counter_key = tenant, keys.nobodies_item(hour_ms)
        if self.services.items.get(keys.DIRECTORY, counter_key) is None:
            none_yet = {"tenant": tenant, "item": counter_key[1], "at": hour_ms, "number": 0}
            write_unless_changed(
                self.services.items, [Put(keys.DIRECTORY, none_yet, (absent("hour-free"),))]
            )
        return Update(keys.DIRECTORY, counter_key, (exists("hour-begun"),), add={"number": 1})

    def _write_known(self, outcome: SightingOutcome, crop: Callable[[], FaceJpeg]) -> Capture:
        """Write a sighting of a known face, which may learn its picture: `crop` cuts that out of
        the capture.

        Raises ConditionFailed if the face was changed, GalleryMoved; WrongModel if it is to learn.
        """
        tenant = outcome.context.open_sighting.tenant.name
        with self._store_pictures(outcome, crop) as pictures:
            face_visits, renamed_observations = self.services.face_visits.write_surplus_changes(
                tenant, outcome.context.face_visits, outcome.renamed
            )
            face = replace(outcome.face, pictures=pictures)
            change = self._add_entry(
                outcome, known_face_change(outcome, face, face_visits, renamed_observations)
            )
            self.services.writer.save(tenant, change)
        self._deliver(outcome, change.actions)
        return outcome.capture

    def _write_new(
        self, outcome: SightingOutcome, crop: Callable[[], FaceJpeg], search: SightingSearch
    ) -> Capture:
        """Make a face, if a last `search` finds nobody in the gallery as it is now.

        Another process may change the gallery between that search and the commit: the less we do
        there, the fewer collide. So the picture is stored before it, once, and what else is needed
        is read before it. It costs nothing while the gallery has not moved. Raises GalleryMoved if
        it finds somebody, ConditionFailed, Busy, StorageUnavailable.
        """
        contexts = self.services.sightings.contexts
        tenant = outcome.context.open_sighting.tenant.name
        with self._store_pictures(outcome, crop) as pictures:
            for attempt, _ in enumerate(count_attempts(first_s=A_COMMIT_S)):
                context = contexts.read_again(outcome.context) if attempt else outcome.context
                with self.services.writer.hold_up_commits(tenant):
                    recognised = search.find_again(
                        None if attempt else self.services.writer.read_seq(tenant)
                    )
                    if recognised.face is not None:
                        raise GalleryMoved
                    if context.face_visits.groups.seq != recognised.seq:
                        context = contexts.read_again(context)
                    if context is not outcome.context:
                        outcome = resolve_sighting(
                            replace(context, decision=search.decision_of(recognised))
                        )
                    try:
                        return self._commit_new(outcome, pictures, recognised.seq)
                    except GalleryMoved:
                        continue
                    except ConditionFailed as error:
                        if error.names & {STEP, OBSERVATION_NEW}:
                            raise
        raise Busy(
            "many faces of this tenant are made at once: deliver this capture again in a moment"
        )

    def _commit_new(
        self, outcome: SightingOutcome, pictures: tuple[Picture, ...], seq: int
    ) -> Capture:
        """Commit a new face with its pictures, if the gallery is still at `seq`.

        Raises as `writer.commit`.
        """
        change = self._add_entry(
            outcome, new_face_change(outcome, replace(outcome.face, pictures=pictures), seq)
        )
        self.services.writer.commit(outcome.context.open_sighting.tenant.name, change)
        self._deliver(outcome, change.actions)
        if outcome.context.evicted:
            self.services.face_pictures.discard_pictures(outcome.context.evicted.picture_keys)
        return outcome.capture

    def _add_entry(self, outcome: SightingOutcome, change: Change) -> Change:
        """Return the change with the actions by which others take note of the sighting."""
        tenant = outcome.context.open_sighting.tenant.name
        entry = self.services.book_hooks.sighting_resolved(
            tenant, outcome.capture, outcome.sighting
        )
        return replace(change, actions=(*change.actions, *entry))

    @contextmanager
    def _store_pictures(
        self, outcome: SightingOutcome, crop: Callable[[], FaceJpeg]
    ) -> Iterator[tuple[Picture, ...]]:
        """Give the face's pictures with their keys; the commit in the block stores them.

        A new picture's JPEG is stored before the commit, and deleted if the commit is refused.
        Those that it pushes out are deleted afterwards.
        """
        face_before, new_picture = outcome.context.face_visits.face, outcome.new_picture
        if new_picture is None:
            yield outcome.face.pictures
            return
        # A learnt picture is no portrait: it has no thumbnail, which would cost as much to store
        # again.
        jpeg = crop() if outcome.context.is_new else FaceJpeg(crop().data)
        stored_picture = self.services.face_pictures.write_picture(
            outcome.context.open_sighting.tenant, face_before, new_picture, jpeg
        )
        pictures = tuple(
            stored_picture if picture is new_picture else picture
            for picture in outcome.face.pictures
        )
        with self.services.face_pictures.replace_pictures(
            face_before.picture_keys, [picture.key for picture in pictures if picture.key]
        ):
            yield pictures

    def _deliver(self, outcome: SightingOutcome, actions: Sequence[Action]) -> None:
        """Have the events delivered that a transaction has stored."""
        tenant = outcome.context.open_sighting.tenant.name
        self.services.statistics.calendar.note_days(
            tenant, [outcome.context.open_sighting.at_ms // DAY_MS]
        )
        self.services.webhooks.outbox.send_messages(tenant, actions)

    def _park(self, tenant: Tenant, capture: Capture, reason: str) -> Capture:
        write(self.services.items, [parking_update(tenant.name, capture, reason)])
        telemetry.count(CAPTURES_PARKED)
        _log.warning("capture %s of camera %s is parked: %s", capture.id, capture.camera_id, reason)
        return replace(capture, state=CaptureState.PARKED, reason=reason)


_OUTCOMES = {
    Resolution.MATCHED: FACES_MATCHED,
    Resolution.STRANGER: FACES_NEW,
    Resolution.SKIPPED: FACES_SKIPPED,
}


def _count_outcomes(capture: Capture) -> Capture:
    telemetry.count(
        CAPTURES_RESOLVED, *(_OUTCOMES[sighting.resolution] for sighting in capture.sightings)
    )
    return capture


def _stored_keys(body: str) -> list[tuple[str, bool]]:
    """Return the keys of an event's pictures, and for each whether we sent the event again."""
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
