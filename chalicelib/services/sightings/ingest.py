"""Resolution of stored captures: each face is matched, remembered as a stranger, or skipped, exactly once.

How often a capture is tried before it is parked: captures/redrive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.core import acts, keys, telemetry
from chalicelib.core.acts import Act, kind_of
from chalicelib.core.captures import SENT_AGAIN, Camera, Capture, CaptureState, Resolution, SeenFace
from chalicelib.core.decision import MIN_QUALITY
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
from chalicelib.core.model import Face, Tenant
from chalicelib.core.pictures import FaceJpeg, Quality
from chalicelib.core.ports import Beside, BlobStore, Clock, Item, ItemStore, Update, equals, exists
from chalicelib.core.records.captures import capture_from, capture_key, seen_from, seen_item, sides_fields
from chalicelib.core.reviews import NearFace
from chalicelib.core.telemetry import CAPTURES_PARKED, CAPTURES_RESOLVED, FACES_MATCHED, FACES_NEW, FACES_SKIPPED
from chalicelib.services.cameras import Cameras
from chalicelib.services.captures.captures import Reading
from chalicelib.services.captures.kept import Unpictured
from chalicelib.services.captures.redrive import Attempts
from chalicelib.services.commit import GalleryMoved
from chalicelib.services.faces import shown_to
from chalicelib.services.models import TenantVision
from chalicelib.services.portraits import MIN_SIDE_PX
from chalicelib.services.recognition.negatives import CANDIDATES
from chalicelib.services.recognition.recognition import Recognised, Recognition
from chalicelib.services.recognition.same_visit import SameVisit
from chalicelib.services.sightings.learning import Learning
from chalicelib.services.sightings.sighting import (
    AGAIN,
    OpenSighting,
    Overtaken,
    SightingCommit,
    corrected,
    progress_update,
)
from chalicelib.services.sightings.strangers import NoRoom, Strangers
from chalicelib.services.statistics.statistics import OBSERVATION_NEW
from chalicelib.services.tenants import Tenants
from chalicelib.services.visits import FaceVisits

_log = logging.getLogger(__name__)

_DETECTED = "not-detected-yet"


@dataclass
class Ingest:
    items: ItemStore
    uploads: BlobStore
    tenants: Tenants
    cameras: Cameras
    attempts: Attempts
    tenant_vision: TenantVision
    recognition: Recognition
    same_visit: SameVisit
    commit: SightingCommit
    strangers: Strangers
    learning: Learning
    unpictured: Unpictured
    clock: Clock
    beside: Beside

    def message(self, body: str, receive_count: int = 1) -> None:
        """Resolve the captures of an S3 event, as SQS carries it. `receive_count`: how often SQS has given it out.

        The first attempt at a capture is not counted. Any that may be a repeat is counted before the picture is opened:
        a message that was received before, or an event that was sent again.

        A message that names no capture of ours (S3's test event) counts as done. Raises Busy, StorageUnavailable or
        InvalidInput if it must be delivered again; a message that is no event so ends in the dead letters.
        """
        for key, sent_again in _stored_keys(body):
            try:
                place = keys.capture_of_picture(key)
                if sent_again or receive_count > 1:
                    self._counted(*place)
                else:
                    self.capture(*place)
            except (ValueError, CaptureNotFound, TenantNotFound):
                continue  # not offered by us, or erased since

    def _counted(self, tenant_name: str, camera_id: str, capture_id: str) -> None:
        """Resolve the capture, and count the attempt unless an error of core.errors ended it: that is no fault of the
        picture, which parks the capture instead."""
        if not self.attempts.begin(tenant_name, camera_id, capture_id):
            return
        try:
            self.capture(tenant_name, camera_id, capture_id)
        except RegularsError:
            self.attempts.give_back(tenant_name, camera_id, capture_id)
            raise

    def capture(self, tenant_name: str, camera_id: str, capture_id: str) -> Capture:
        """Resolve the faces of a capture that are not resolved yet. Called again, change nothing.

        A capture whose picture cannot be used is parked with the reason, and for nothing else. Faces embedded with a
        model that is no longer the tenant's are embedded again. Raises CaptureNotFound, TenantNotFound, Busy,
        StorageUnavailable, InvalidInput if an adapter refused what we asked of it.
        """
        telemetry.of_tenant(tenant_name)
        act = Act("sighting", f"camera {camera_id}", kind_of("sighting"), tenant_name, {"of": capture_id})
        for _ in attempts():
            picture = self.beside(partial(self.uploads.get, keys.capture_picture(tenant_name, camera_id, capture_id)))
            tenant = self.tenants.named(tenant_name)  # each time, since its model may be another
            try:
                with acts.begun(act):
                    capture = self._as_it_is(tenant, camera_id, capture_id, picture)
            except (Overtaken, WrongModel):
                continue
            self.unpictured.forget(tenant, capture)
            return capture
        raise Busy("another worker is at this capture: deliver it again in a moment")

    def _as_it_is(
        self, tenant: Tenant, camera_id: str, capture_id: str, awaited: Callable[[], bytes | None]
    ) -> Capture:
        """Continue where the last worker stopped. `awaited`: gives the picture. Raises Overtaken, WrongModel."""
        item = self.items.get(keys.CAPTURES, capture_key(tenant.name, camera_id, capture_id))
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
            return self.cameras.get(tenant, camera_id)
        except CameraNotFound:
            return Camera(camera_id, camera_id, self.clock.now())

    def _resolve(self, tenant: Tenant, camera: Camera, capture: Capture, item: Item, picture: bytes) -> Capture:
        if AGAIN in item:
            again = corrected(tenant, camera, capture, item, self.clock.now())
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
                tenant, camera, capture, seen, len(capture.sightings), len(reading.faces), self.clock.now()
            )
            capture = self._face(open_sighting, reading)
        return capture

    def _read(self, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None) -> Reading:
        return Reading(self.tenant_vision.of(tenant.model), tenant, picture, faces)

    def _without_faces(self, tenant: Tenant, capture: Capture) -> Capture:
        """Store the outcome of a capture that shows no face."""
        try:
            write(self.items, [progress_update(tenant.name, capture, 0)])
        except ConditionFailed as error:
            raise Overtaken from error
        return capture

    def _keep_detection(self, tenant: Tenant, capture: Capture, reading: Reading) -> None:
        """Store the detected faces, so that a worker that continues after a cut-off resolves the same faces."""
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        found = [seen_item(seen) for seen in reading.faces]
        when = (equals("detection", None, _DETECTED), equals("done", None, _DETECTED))
        try:
            write(self.items, [Update(keys.CAPTURES, key, when, set={"detection": found, **sides_fields(capture)})])
        except ConditionFailed as error:
            raise Overtaken from error

    def _face(self, open_sighting: OpenSighting, reading: Reading) -> Capture:
        """Search and commit. Search again if the gallery changed in between."""
        if open_sighting.seen.spoof:
            return self.commit.skipped(open_sighting, open_sighting.seen.spoof)

        held: dict[str, FaceVisits] = {}
        search = self._search(open_sighting, [one for one in reading.faces if one is not open_sighting.seen], held)

        def crop() -> FaceJpeg:
            return reading.crop(open_sighting.seen)

        for _ in attempts():
            try:
                found = search()
                if found.face is not None:
                    if open_sighting.is_uncertain(found.decision):
                        open_sighting = replace(open_sighting, near=self._near(open_sighting))
                    taught = partial(self.learning.taught, open_sighting, found.decision, crop)
                    faceid = found.face.faceid
                    return self.commit.matched(open_sighting, faceid, found.decision, taught, held.get(faceid))
                reason = _unworthy(open_sighting)
                if reason:
                    return self.commit.skipped(open_sighting, reason, found.decision)
                return self.strangers.create(open_sighting, crop(), search)
            except GalleryMoved:
                continue
            except NoRoom:
                return self.commit.skipped(open_sighting, "the group of strangers is full, and nobody could go for it")
            except ConditionFailed as error:
                if OBSERVATION_NEW not in error.names:
                    raise
                return self.commit.skipped(open_sighting, "this sighting was counted before")
        raise Busy("the faces that this one is like are changed all the time: deliver this capture again in a moment")

    def _search(
        self, one: OpenSighting, others: Sequence[SeenFace], held: dict[str, FaceVisits]
    ) -> Callable[[], Recognised]:
        """Return the search for the face that a sighting is. `others`: the other faces in its picture.

        It keeps the faces that it reads in `held`, with their visits, so that they are not read again to be changed.
        If nobody is found, the faces of the same visit are looked at: once, unless the gallery has changed since.
        """
        looked_at: set[int] = set()

        def find(tenant: Tenant, faceid: str) -> Face | None:
            read = self.commit.faces.read(tenant, faceid)
            if read is None:
                return None
            held[faceid] = read
            return shown_to(tenant, read.face)

        def search() -> Recognised:
            held.clear()
            found = self.recognition.of_seen_face(one.tenant, one.camera, one.seen, besides=one.not_face, find=find)
            if found.face is not None or found.seq in looked_at:
                return found
            looked_at.add(found.seq)
            return self.same_visit.recognise(
                one.tenant, one.camera, one.capture, one.seen, others=others, found=found, not_face=one.not_face
            )

        return search

    def _near(self, one: OpenSighting) -> tuple[NearFace, ...]:
        """Find the faces nearest to a sighting, for people who look at an uncertain match."""
        found = self.recognition.nearest(one.tenant, one.camera, one.seen, CANDIDATES)
        return tuple(NearFace(candidate.faceid, min(candidate.score, 1.0)) for candidate in found)

    def _park(self, tenant: Tenant, capture: Capture, reason: str) -> Capture:
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        fields = {"state": CaptureState.PARKED, "reason": reason}
        write(self.items, [Update(keys.CAPTURES, key, (exists("capture-there"),), set=fields)])
        telemetry.count(CAPTURES_PARKED)
        _log.warning("capture %s of camera %s is parked: %s", capture.id, capture.camera_id, reason)
        return replace(capture, state=CaptureState.PARKED, reason=reason)


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


def _unworthy(open_sighting: OpenSighting) -> str:
    """Return why a face without a match is not remembered; "" if it is.

    Its quality must satisfy the camera's limit for strangers as well as the tenant's limit for all enrolments.
    """
    camera, seen = open_sighting.camera, open_sighting.seen
    box, quality = seen.detected.box, seen.estimates.quality
    side = min(box.width, box.height)
    if not camera.keeps_strangers:
        return "nobody; this camera keeps no strangers"
    if side < MIN_SIDE_PX:
        return f"nobody, and too small to be remembered: {int(side)} of {MIN_SIDE_PX} px"
    least = max(camera.stranger_quality, open_sighting.tenant.enrol_quality or 0.0, MIN_QUALITY)
    if quality is not None and quality < least:
        return f"nobody, and too poor to be remembered, {Quality(quality, seen.flaw, quality).short_of(least)}"
    return ""


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
