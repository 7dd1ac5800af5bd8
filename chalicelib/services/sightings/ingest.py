"""Resolution of stored captures: each face is matched, remembered as a stranger, or skipped, exactly once.

How often a capture is tried before it is parked: services/captures/redrive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.core import acts, keys, telemetry
from chalicelib.core.acts import Act, kind_of
from chalicelib.core.captures import SENT_AGAIN, Camera, Capture, CaptureState, Resolution, SeenFace
from chalicelib.core.errors import (
    Busy,
    CameraNotFound,
    CaptureNotFound,
    ConditionFailed,
    InvalidInput,
    RegularsError,
    TenantNotFound,
    Unusable,
    WrongModel,
)
from chalicelib.core.items import attempts, write
from chalicelib.core.model import Decision, Tenant
from chalicelib.core.pictures import FaceJpeg
from chalicelib.core.ports import Item, Update, equals, exists
from chalicelib.core.records.captures import AGAIN, CAPTURE, capture_from, capture_key, seen_from, seen_item
from chalicelib.core.sighting import OpenSighting, Refused, resolve
from chalicelib.core.telemetry import CAPTURES_PARKED, CAPTURES_RESOLVED, FACES_MATCHED, FACES_NEW, FACES_SKIPPED
from chalicelib.services.captures.captures import Reading
from chalicelib.services.commit import A_COMMIT_S, GalleryMoved
from chalicelib.services.recognition.recognition import Recognised
from chalicelib.services.rooms import UseCase
from chalicelib.services.sightings.reading import corrected
from chalicelib.services.sightings.rows import STEP, progress_update
from chalicelib.services.sightings.writing import Overtaken, once

TAKES_TURNS_AFTER = timedelta(seconds=3)
"""A capture that waited longer is taken to be behind many. Beside a backlog it waits about twice as long."""

_log = logging.getLogger(__name__)


class Ingest(UseCase):
    def message(self, body: str, receive_count: int = 1, sent_at: datetime | None = None) -> None:
        """Resolve the captures of an S3 event, as SQS carries it. `receive_count`: how often SQS has given it out.

        One of S3's that was `sent_at` a time long ago takes its turn: S3 does not tell SQS the tenant, so those of a
        tenant with many would be before those of others. It is sent again in the tenant's name.

        The first attempt at a capture is not counted. Any that may be a repeat is counted before the picture is opened:
        a message that was received before, or an event that was sent again.

        A message that names no capture of ours (S3's test event) counts as done. Raises Busy, StorageUnavailable or
        InvalidInput if it must be delivered again; a message that is no event so ends in the dead letters.
        """
        for key, sent_again in _stored_keys(body):
            try:
                place = keys.capture_of_picture(key)
                telemetry.of_tenant(place[0])
                if sent_at and not sent_again and self.book.clock.now() - sent_at > TAKES_TURNS_AFTER:
                    self.book.captures.redrive.send(*place)
                elif sent_again or receive_count > 1:
                    self._counted(*place)
                else:
                    self.capture(*place)
            except (ValueError, CaptureNotFound, TenantNotFound):
                continue  # not offered by us, or erased since

    def _counted(self, tenant_name: str, camera_id: str, capture_id: str) -> None:
        """Resolve the capture, and count the attempt unless an error of core.errors ended it: that is no fault of the
        picture, which parks the capture instead."""
        if not self.book.captures.attempts.begin(tenant_name, camera_id, capture_id):
            return
        try:
            self.capture(tenant_name, camera_id, capture_id)
        except RegularsError:
            self.book.captures.attempts.give_back(tenant_name, camera_id, capture_id)
            raise

    def capture(self, tenant_name: str, camera_id: str, capture_id: str) -> Capture:
        """Resolve the faces of a capture that are not resolved yet. Called again, change nothing.

        A capture whose picture cannot be used is parked with the reason, and for nothing else. Faces embedded with a
        model that is no longer the tenant's are embedded again. Raises CaptureNotFound, TenantNotFound, Busy,
        StorageUnavailable, InvalidInput if an adapter refused what we asked of it.
        """
        act = Act("sighting", f"camera {camera_id}", kind_of("sighting"), tenant_name, {"of": capture_id})
        for _ in attempts():
            picture = self.book.storage.beside(
                partial(self.book.storage.uploads.get, keys.capture_picture(tenant_name, camera_id, capture_id))
            )
            tenant = self.book.tenants.named(tenant_name)  # each time, since its model may be another
            try:
                with acts.begun(act):
                    capture = self._as_it_is(tenant, camera_id, capture_id, picture)
            except (Overtaken, WrongModel):
                continue
            self.book.captures.unpictured.forget(tenant, capture)
            return capture
        raise Busy("another worker is at this capture: deliver it again in a moment")

    def _as_it_is(
        self, tenant: Tenant, camera_id: str, capture_id: str, awaited: Callable[[], bytes | None]
    ) -> Capture:
        """Continue where the last worker stopped. `awaited`: gives the picture. Raises Overtaken, WrongModel."""
        item = self.book.items.get(keys.CAPTURES, capture_key(tenant.name, camera_id, capture_id))
        if item is None:
            raise CaptureNotFound(f"there is no capture {capture_id!r} of camera {camera_id!r}")
        capture = capture_from(item)
        if capture.state in (CaptureState.RESOLVED, CaptureState.PARKED):
            return capture
        camera, picture = self._camera(tenant, camera_id), awaited()
        if picture is None:
            return capture
        try:
            return _measured(self._resolve(tenant, camera, capture, item, picture))
        except Unusable as error:
            return self._park(tenant, capture, str(error))

    def _camera(self, tenant: Tenant, camera_id: str) -> Camera:
        """Read the camera. Captures may outlive it: then return one with default settings."""
        try:
            return self.book.cameras.get(tenant, camera_id)
        except CameraNotFound:
            return Camera(camera_id, camera_id, self.book.clock.now())

    def _resolve(self, tenant: Tenant, camera: Camera, capture: Capture, item: Item, picture: bytes) -> Capture:
        if AGAIN in item:
            again = corrected(tenant, camera, capture, item, self.book.clock.now())
            reading = self._read(tenant, picture, [again.seen])
            return self._face(replace(again, seen=reading.faces[0]), reading)
        reading = self._read(tenant, picture, _detection(item))
        capture = replace(capture, sides=reading.sides or capture.sides)
        if not reading.faces:
            resolved = replace(capture, state=CaptureState.RESOLVED)
            return self._without_faces(tenant, resolved)
        if len(reading.faces) > 1 and "detection" not in item:
            self._keep_detection(tenant, capture, reading)
        while len(capture.sightings) < len(reading.faces):
            seen = reading.faces[len(capture.sightings)]
            open_sighting = OpenSighting(
                tenant, camera, capture, seen, len(capture.sightings), len(reading.faces), self.book.clock.now()
            )
            capture = self._face(open_sighting, reading)
        return capture

    def _read(self, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None) -> Reading:
        return Reading(self.book.tenant_vision.of(tenant.model), tenant, picture, faces)

    def _without_faces(self, tenant: Tenant, capture: Capture) -> Capture:
        """Store the outcome of a capture that shows no face."""
        with once():
            write(self.book.items, [progress_update(tenant.name, capture, 0)])
        return capture

    def _keep_detection(self, tenant: Tenant, capture: Capture, reading: Reading) -> None:
        """Store the detected faces, so that a worker that continues after a cut-off resolves the same faces."""
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        found = [seen_item(seen) for seen in reading.faces]
        when = (equals("detection", None, STEP), equals("done", None, STEP))
        update = Update(keys.CAPTURES, key, when, set={"detection": found, **CAPTURE.write(capture, "sides")})
        with once():
            write(self.book.items, [update])

    def _face(self, one: OpenSighting, reading: Reading) -> Capture:
        """Match, read, decide and write. Match again if the gallery changed in between."""
        book = self.book.sightings
        try:
            if one.unsearched:
                raise Refused(one.unsearched)
            search = book.reader.search(one, [other for other in reading.faces if other is not one.seen])
            crop = partial(reading.crop, one.seen)
            for _ in attempts():
                try:
                    if one.other is not None:
                        return self._known(one, one.other, None, crop)
                    found = search()
                    if found.face is not None:
                        return self._known(one, found.face.faceid, found, crop)
                    if one.unworthy:
                        raise Refused(one.unworthy, _why(one, found))
                    return self._new(one, crop(), search)
                except GalleryMoved:
                    one = replace(one, other=None)  # if somebody said who it is, that face is gone
        except Refused as why:
            return book.writer.skipped(one, why.reason, why.decision)
        raise Busy("the faces that this one is like are changed all the time: deliver this capture again in a moment")

    def _known(self, one: OpenSighting, faceid: str, found: Recognised | None, crop: Callable[[], FaceJpeg]) -> Capture:
        """Record a sighting of a known face. `found`: what the search says; None: somebody said who it is.

        Raises GalleryMoved if the face was deleted meanwhile, Overtaken, Refused, Busy; WrongModel if it is to learn.
        """
        book, held, decision = self.book.sightings, found.held if found else None, found.decision if found else None
        for _ in attempts():
            outcome = resolve(book.reader.of_known(one, faceid, decision, held))
            try:
                return book.writer.known(outcome, crop)
            except ConditionFailed:
                held = None  # it was changed since
        raise Busy("many sightings of one face arrive at once: deliver this one again in a moment")

    def _new(self, one: OpenSighting, jpeg: FaceJpeg, search: Callable[[], Recognised]) -> Capture:
        """Make a face, if the gallery is still at the seq of a `search` that finds nobody.

        Another process may change the gallery in between: the less lies in between, the fewer do. So all is read before
        the search, and again only if the gallery moved up to the search. Raises GalleryMoved if the search finds
        somebody; Refused, Overtaken, Busy, StorageUnavailable.
        """
        book, tenant = self.book.sightings, one.tenant.name
        with book.writer.portrayed(one, jpeg) as face:
            for _ in attempts(first_s=A_COMMIT_S):
                context = book.reader.of_new(one, face)
                with self.book.writer.exclusive(tenant):
                    found = search()
                    if found.face is not None:
                        raise GalleryMoved
                    if context.held.groups.seq != found.seq:
                        context = book.reader.of_new(one, face)
                    # Room and faces can only fail if the gallery has moved.
                    with suppress(GalleryMoved, ConditionFailed):
                        return book.writer.new(resolve(replace(context, decision=_why(one, found))), found.seq)
        raise Busy("many faces of this tenant are made at once: deliver this capture again in a moment")

    def _park(self, tenant: Tenant, capture: Capture, reason: str) -> Capture:
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        fields = {"state": CaptureState.PARKED, "reason": reason}
        write(self.book.items, [Update(keys.CAPTURES, key, (exists("capture-there"),), set=fields)])
        telemetry.count(CAPTURES_PARKED)
        _log.warning("capture %s of camera %s is parked: %s", capture.id, capture.camera_id, reason)
        return replace(capture, state=CaptureState.PARKED, reason=reason)


def _why(one: OpenSighting, found: Recognised) -> Decision | None:
    """Return the decision by which a sighting is nobody known; None: somebody said so."""
    return found.decision if one.instead is None else None


_OUTCOMES = {
    Resolution.MATCHED: FACES_MATCHED,
    Resolution.STRANGER: FACES_NEW,
    Resolution.SKIPPED: FACES_SKIPPED,
}


def _measured(capture: Capture) -> Capture:
    telemetry.count(CAPTURES_RESOLVED)
    for sighting in capture.sightings:
        telemetry.count(_OUTCOMES[sighting.resolution])
    return capture


def _detection(item: Item) -> list[SeenFace] | None:
    return [seen_from(one) for one in item["detection"]] if "detection" in item else None


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
