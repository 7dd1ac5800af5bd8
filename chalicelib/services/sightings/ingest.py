"""Resolution of stored captures: each face is matched, remembered as a stranger, or skipped, exactly once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.core import keys, telemetry
from chalicelib.core.captures import Camera, Capture, CaptureState, Resolution, SeenFace
from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.errors import (
    Busy,
    CameraNotFound,
    CaptureNotFound,
    ConditionFailed,
    InvalidInput,
    TenantNotFound,
    Unusable,
    WrongModel,
)
from chalicelib.core.model import Tenant
from chalicelib.core.pictures import Quality
from chalicelib.core.ports import BlobStore, Clock, Item, ItemStore, Update, equals, exists
from chalicelib.core.records.captures import capture_from, capture_key, seen_from, seen_item
from chalicelib.core.telemetry import CAPTURES_PARKED, CAPTURES_RESOLVED, FACES_MATCHED, FACES_NEW, FACES_SKIPPED
from chalicelib.services.captures.cameras import Cameras
from chalicelib.services.captures.reading import Reading
from chalicelib.services.commit.gallery import GalleryMoved, GalleryWriter
from chalicelib.services.commit.transaction import attempts, write
from chalicelib.services.faces.portraits import MIN_SIDE_PX
from chalicelib.services.models.visions import Visions
from chalicelib.services.recognition.recognition import Recognition, Resolver
from chalicelib.services.sightings.commit import Overtaken, SightingCommit
from chalicelib.services.sightings.sighting import AGAIN, OpenSighting, corrected, progress_update
from chalicelib.services.sightings.strangers import NoRoom, Strangers
from chalicelib.services.statistics.recorder import OBSERVATION_NEW
from chalicelib.services.tenants.accounts import Tenants

_DETECTED = "not-detected-yet"


class Ingest:
    def __init__(
        self,
        items: ItemStore,
        uploads: BlobStore,
        tenants: Tenants,
        cameras: Cameras,
        visions: Visions,
        recognition: Recognition,
        commit: SightingCommit,
        strangers: Strangers,
        writer: GalleryWriter,
        clock: Clock,
    ) -> None:
        self._items = items
        self._uploads = uploads
        self._tenants = tenants
        self._cameras = cameras
        self._visions = visions
        self._resolver = Resolver(recognition)
        self._commit = commit
        self._strangers = strangers
        self._writer = writer
        self._clock = clock

    def message(self, body: str) -> None:
        """Resolve the captures of an S3 event, as SQS carries it.

        A message that names no capture of ours (S3's test event) counts as done. Raises Busy or StorageUnavailable if
        it must be delivered again, InvalidInput if it is not JSON, so that it ends in the dead letters.
        """
        for key in _stored_keys(body):
            try:
                self.capture(*keys.capture_of_picture(key))
            except (ValueError, CaptureNotFound, TenantNotFound):
                continue  # not offered by us, or erased since

    def capture(self, tenant_name: str, camera_id: str, capture_id: str) -> Capture:
        """Resolve the faces of a capture that are not resolved yet. Called again, change nothing.

        A capture whose picture cannot be used is parked with the reason. Faces embedded with a model that is no longer
        the tenant's are embedded again. Raises CaptureNotFound, TenantNotFound, Busy, StorageUnavailable.
        """
        telemetry.of_tenant(tenant_name)
        for _ in attempts():
            tenant = self._tenants.named(tenant_name)  # each time, since its model may be another
            try:
                return self._as_it_is(tenant, camera_id, capture_id)
            except (Overtaken, WrongModel):
                continue
        raise Busy("another worker is at this capture: deliver it again in a moment")

    def _as_it_is(self, tenant: Tenant, camera_id: str, capture_id: str) -> Capture:
        """Continue where the last worker stopped. Raises Overtaken, WrongModel."""
        item = self._items.get(keys.CAPTURES, capture_key(tenant.name, camera_id, capture_id))
        if item is None:
            raise CaptureNotFound(f"there is no capture {capture_id!r} of camera {camera_id!r}")
        capture = capture_from(item)
        if capture.state in (CaptureState.RESOLVED, CaptureState.PARKED):
            return capture
        picture = self._uploads.get(keys.capture_picture(tenant.name, camera_id, capture_id))
        if picture is None:
            return capture
        try:
            return _counted(self._resolve(tenant, self._camera(tenant, camera_id), capture, item, picture))
        except (Unusable, InvalidInput) as error:
            return self._park(tenant, capture, str(error))

    def _camera(self, tenant: Tenant, camera_id: str) -> Camera:
        """Read the camera. Captures may outlive it: then return one with default settings."""
        try:
            return self._cameras.get(tenant, camera_id)
        except CameraNotFound:
            return Camera(camera_id, camera_id, self._clock.now())

    def _resolve(self, tenant: Tenant, camera: Camera, capture: Capture, item: Item, picture: bytes) -> Capture:
        if AGAIN in item:
            again = corrected(tenant, camera, capture, item, self._clock.now())
            reading = self._read(tenant, picture, [again.seen])
            return self._face(replace(again, seen=reading.faces[0]), reading)
        reading = self._read(tenant, picture, _detection(item))
        if not reading.faces:
            resolved = replace(capture, state=CaptureState.RESOLVED)
            return self._without_faces(tenant, resolved)
        if len(reading.faces) > 1 and "detection" not in item:
            self._keep_detection(tenant, capture, reading)
        while len(capture.sightings) < len(reading.faces):
            seen = reading.faces[len(capture.sightings)]
            open_sighting = OpenSighting(
                tenant, camera, capture, seen, len(capture.sightings), len(reading.faces), self._clock.now()
            )
            capture = self._face(open_sighting, reading)
        return capture

    def _read(self, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None) -> Reading:
        return Reading(self._visions.of(tenant.model), tenant, picture, faces)

    def _without_faces(self, tenant: Tenant, capture: Capture) -> Capture:
        """Store the outcome of a capture that shows no face."""
        try:
            write(self._items, [progress_update(tenant.name, capture, 0)])
        except ConditionFailed as error:
            raise Overtaken from error
        return capture

    def _keep_detection(self, tenant: Tenant, capture: Capture, reading: Reading) -> None:
        """Store the detected faces, so that a worker that continues after a cut-off resolves the same faces."""
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        found = [seen_item(seen) for seen in reading.faces]
        when = (equals("detection", None, _DETECTED), equals("done", None, _DETECTED))
        try:
            write(self._items, [Update(keys.CAPTURES, key, when, set={"detection": found})])
        except ConditionFailed as error:
            raise Overtaken from error

    def _face(self, open_sighting: OpenSighting, reading: Reading) -> Capture:
        """Search and commit. Search again if the gallery changed in between."""
        if open_sighting.seen.spoof:
            return self._commit.skipped(open_sighting, open_sighting.seen.spoof)
        for _ in attempts():
            try:
                found = self._resolver.resolve(
                    open_sighting.tenant, open_sighting.camera, open_sighting.seen, besides=open_sighting.not_face
                )
                if found.face is not None:
                    return self._commit.matched(open_sighting, found.face.faceid, found.decision)
                reason = _unworthy(open_sighting)
                if reason:
                    return self._commit.skipped(open_sighting, reason, found.decision)
                return self._stranger(open_sighting, reading)
            except GalleryMoved:
                continue
            except NoRoom:
                return self._commit.skipped(open_sighting, "the group of strangers is full, and nobody could go for it")
            except ConditionFailed as error:
                if OBSERVATION_NEW not in error.names:
                    raise
                return self._commit.skipped(open_sighting, "this sighting was counted before")
        raise Busy("many faces of this tenant are made at once: deliver this capture again in a moment")

    def _stranger(self, open_sighting: OpenSighting, reading: Reading) -> Capture:
        """Search again and create a stranger, in the turn: no other thread creates a face in between."""
        jpeg = reading.crop(open_sighting.seen)
        with self._writer.exclusive(open_sighting.tenant.name):
            found = self._resolver.resolve(
                open_sighting.tenant, open_sighting.camera, open_sighting.seen, besides=open_sighting.not_face
            )
            if found.face is None:
                return self._strangers.create(open_sighting, jpeg, found)
        raise GalleryMoved

    def _park(self, tenant: Tenant, capture: Capture, reason: str) -> Capture:
        key = capture_key(tenant.name, capture.camera_id, capture.id)
        fields = {"state": CaptureState.PARKED, "reason": reason}
        write(self._items, [Update(keys.CAPTURES, key, (exists("capture-there"),), set=fields)])
        telemetry.count(CAPTURES_PARKED)
        return replace(capture, state=CaptureState.PARKED, reason=reason)


_OUTCOMES = {
    Resolution.MATCHED: FACES_MATCHED,
    Resolution.STRANGER: FACES_NEW,
    Resolution.SKIPPED: FACES_SKIPPED,
}


def _counted(capture: Capture) -> Capture:
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


def _stored_keys(body: str) -> list[str]:
    try:
        event: Any = json.loads(body)
    except ValueError as error:
        raise InvalidInput(f"this is no event of S3: {body[:100]!r}") from error
    records = event.get("Records", []) if isinstance(event, dict) else []
    return [unquote_plus(record["s3"]["object"]["key"]) for record in records if "s3" in record]
