"""Erasure of people from captures.

A capture that shows nobody else loses its picture. In a picture that shows others, the face is
averaged to a few grey cells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.book.commit import Change, make_face_change
from chalicelib.domain.captures import ERASED, Capture, leave_place, sighting_id
from chalicelib.domain.errors import FaceMerged, FaceNotFound, InvalidInput, Unusable
from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.pictures import BoundingBox
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import retry_if_changed, write
from chalicelib.storage.ports import Item, Update, equals
from chalicelib.storage.records.captures import capture_from, if_nobody_erased, sighting_item
from chalicelib.storage.records.merges import PHOTOS, MergeBackup, make_backup_update
from chalicelib.storage.values import milliseconds, photo_id

if TYPE_CHECKING:
    from chalicelib.services import Services


class CaptureErasure(Service["Services"]):
    """The erasure of people from captures: from the record, the picture, and all that was cut out
    of it."""

    def delete_crop(self, tenant: Tenant, camera_id: str, capture_id: str, number: int) -> None:
        """Delete the cached crop of a face from a capture, and all versions of the picture in which
        restricted people are hidden."""
        self.services.storage.uploads.delete(keys.crop(tenant.name, camera_id, capture_id, number))
        self._delete_shown_parts(tenant.name, camera_id, capture_id)

    @retry_if_changed(
        "this capture is changed by others all the time: send the request again in a moment"
    )
    def hide(
        self, tenant: Tenant, camera_id: str, capture_id: str, numbers: Collection[int]
    ) -> str:
        """Take these faces out of a capture: its record, its picture, and all that was cut out of
        it.

        Return the fate of the picture: "deleted" if nobody else is on it or it cannot be read,
        "hidden", or "" if there is none. May be cut off anywhere and repeated.
        """
        capture_key = keys.capture(tenant.name, camera_id, capture_id)
        capture_ids = (tenant.name, camera_id, capture_id)
        item = self.services.items.get(keys.CAPTURES, capture_key)
        if item is None:
            return self._delete_picture(*capture_ids, max(numbers) + 1)
        capture = capture_from(item)
        sightings = [sighting for sighting in capture.sightings if sighting.number in numbers]
        is_done = all(sighting.reason == ERASED for sighting in sightings)
        if is_done and not (sightings and self._is_other_picture(tenant, capture)):
            return ""
        fate, fields = "", dict[str, Any]()
        if _shows_others(capture, item, numbers):
            boxes = [
                sighting.box
                for sighting in capture.sightings
                if sighting.number in numbers or sighting.reason == ERASED
            ]
            fate, fields = self._hide_faces(tenant, capture, boxes)
        fate = fate or self._delete_picture(*capture_ids, len(capture.sightings))
        self._rename_photo(tenant, capture, numbers)
        write(self.services.items, [_make_update(capture_key, capture, item, numbers, fields)])
        return fate

    def _rename_photo(self, tenant: Tenant, capture: Capture, numbers: Collection[int]) -> None:
        """Give the pictures that others have of a capture an id that does not follow from the
        picture that came.

        They are found by the new id, too. May be cut off anywhere and repeated, before the capture
        is changed.
        """
        old_id, new_id = photo_id(capture.sha256), capture.photo_after_erasure

        def rename_id(id_: str) -> str:
            return new_id if id_ == old_id else id_

        def rename(face: Face) -> Face:
            pictures = tuple(
                replace(picture, id=rename_id(picture.id)) for picture in face.pictures
            )
            return replace(face, pictures=pictures, portrait_id=rename_id(face.portrait_id))

        def rename_in_backup(backup: MergeBackup) -> MergeBackup:
            ids = {name: tuple(map(rename_id, getattr(backup, name))) for name in PHOTOS}
            return replace(backup, face=rename(backup.face), **ids)

        def rename_of_face(face: Face) -> tuple[Face, Change] | None:
            """Return the face with the photo's new id, also in the backups by which merges are
            undone.

            None: it has no picture of that capture, and nothing is to be written.
            """
            merges = (
                self.services.merges.records.list_below(tenant.name, face.faceid)
                if face.merges
                else []
            )
            backups = [
                (merge, merge.backup, rename_in_backup(merge.backup))
                for merge in merges
                if merge.backup is not None
            ]
            updates = [
                make_backup_update(tenant.name, merge, after)
                for merge, before, after in backups
                if after != before
            ]
            renamed_face = rename(face)
            return (
                (renamed_face, make_face_change(face, renamed_face, updates))
                if updates or renamed_face != face
                else None
            )

        for faceid in self._list_faces_beside(tenant, capture, numbers):
            with suppress(FaceNotFound):
                self.services.faces.change_face(
                    tenant, faceid, rename_of_face, None, restricted=True
                )

    def _list_faces_beside(
        self, tenant: Tenant, capture: Capture, numbers: Collection[int]
    ) -> list[str]:
        """Return the ids of the faces that have a capture's other sightings, those whose number is
        not in `numbers`.

        A face that was merged into another since then is among them, too: the sighting's
        observation still names it.
        """
        other_sightings = [
            sighting
            for sighting in capture.sightings
            if sighting.faceid is not None and sighting.number not in numbers
        ]
        at_ms = milliseconds(capture.captured_at)
        observation_keys = [
            keys.observation(tenant.name, at_ms, sighting_id(capture.id, sighting.number))
            for sighting in other_sightings
        ]
        observed_faceids = [
            str(item["faceid"])
            for item in self.services.items.get_many(keys.OBSERVATIONS, observation_keys)
            if item
        ]
        faceids = dict.fromkeys(
            [*(str(sighting.faceid) for sighting in other_sightings), *observed_faceids]
        )
        present_faces = self.services.faces.by_id(tenant, faceids, restricted=True)
        errors = [
            self.services.faces.make_missing_error(tenant, faceid, restricted=True)
            for faceid in faceids
            if faceid not in present_faces
        ]
        survivors = [
            str(face_not_found.details["into"])
            for face_not_found in errors
            if isinstance(face_not_found, FaceMerged)
        ]
        return list(dict.fromkeys([*present_faces, *survivors]))

    def _delete_picture(self, tenant: str, camera_id: str, capture_id: str, face_count: int) -> str:
        """Delete the picture, and all that was cut out of it.

        Return "deleted", or "" if there was none.
        """
        key = keys.capture_picture(tenant, camera_id, capture_id)
        is_there = self.services.storage.uploads.size(key) is not None
        self.services.storage.uploads.delete(key)
        self._delete_crops(tenant, camera_id, capture_id, face_count)
        return "deleted" if is_there else ""

    def _delete_crops(self, tenant: str, camera_id: str, capture_id: str, face_count: int) -> None:
        for part in (keys.WHOLE, *range(face_count)):
            self.services.storage.uploads.delete(keys.crop(tenant, camera_id, capture_id, part))
        self._delete_shown_parts(tenant, camera_id, capture_id)

    def _delete_shown_parts(self, tenant: str, camera_id: str, capture_id: str) -> None:
        """Delete what was made of the picture to hide restricted people in it."""
        for blob in self.services.storage.uploads.walk(
            keys.shown_parts(tenant, camera_id, capture_id)
        ):
            self.services.storage.uploads.delete(blob.key)

    def _is_other_picture(self, tenant: Tenant, capture: Capture) -> bool:
        """Return whether the picture is not the one that an erasure left: another one beside it
        replaced it since."""
        picture = self.services.storage.uploads.get(
            keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        )
        return picture is not None and hashlib.sha256(picture).hexdigest() != capture.sha256

    def _hide_faces(
        self, tenant: Tenant, capture: Capture, boxes: list[BoundingBox]
    ) -> tuple[str, dict[str, Any]]:
        """Replace the picture by one in which the faces in the boxes are averaged.

        Among the boxes are those of earlier erasures: another one at the same time may have stored
        a picture that shows them again. Return "hidden" and the record's new fields; "" if it
        cannot be read any more.
        """
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        old_picture = self.services.storage.uploads.get(key)
        if old_picture is None:
            return "", {}
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        try:
            new_picture = vision.hide_faces(vision.read_picture(old_picture, capture.rules), boxes)
        except (Unusable, InvalidInput):
            return "", {}
        self.services.storage.uploads.replace(key, new_picture, "image/jpeg")
        self._delete_crops(tenant.name, capture.camera_id, capture.id, len(capture.sightings))
        return "hidden", {
            "size": len(new_picture),
            "content_type": "image/jpeg",
            "sha256": hashlib.sha256(new_picture).digest(),
        }


def _shows_others(capture: Capture, item: Item, numbers: Collection[int]) -> bool:
    """Return whether anybody else is on the picture, as far as it was looked at."""
    other_sightings = [
        sighting
        for sighting in capture.sightings
        if sighting.number not in numbers and sighting.reason != ERASED
    ]
    return bool(other_sightings) or len(item.get("detection", ())) > len(capture.sightings)


def _make_update(
    capture_key: tuple[str, str],
    capture: Capture,
    item: Item,
    numbers: Collection[int],
    fields: dict[str, Any],
) -> Update:
    """Return the update that leaves only the boxes of these sightings, unless others changed the
    capture."""
    sightings = [
        leave_place(sighting) if sighting.number in numbers else sighting
        for sighting in capture.sightings
    ]
    # Nobody can tell any more who has the picture that came; that is known by the capture's id if
    # it is offered again.
    hash_of_nothing = hashlib.sha256(b"").digest()
    new_fields = {
        "sha256": hash_of_nothing,
        **fields,
        "is_of_rest": True,
        "sightings": list(map(sighting_item, sightings)),
    }
    new_fields["erasures"] = capture.erasures + 1
    if "detection" in item:
        new_fields["detection"] = [
            {**found_face, "vector": b"\0" * len(bytes(found_face["vector"])), "estimates": {}}
            if number in numbers
            else found_face
            for number, found_face in enumerate(item["detection"])
        ]
    if_same = tuple(
        equals(name, item.get(name), "as-it-was-read") for name in ("state", "done", "corrections")
    )
    if_same += if_nobody_erased(capture, "as-it-was-read")
    return Update(keys.CAPTURES, capture_key, if_same, set=new_fields)
