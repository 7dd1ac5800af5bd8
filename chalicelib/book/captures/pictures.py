"""How many pictures of captures a tenant keeps, and how many bytes: counted by the sweep, since
only a list knows.

Beside it: pictures that are not kept, since their tenant or the group of somebody in them keeps
none, and what is made of a picture when somebody first looks: crops of its faces, and a thumbnail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.captures import (
    ERASED,
    RULES,
    SOMEBODY,
    Capture,
    CaptureState,
    PictureCount,
    Sighting,
    shows_nobody,
    shows_unkept,
)
from chalicelib.domain.errors import CaptureNotFound, Conflict, InvalidInput, Unusable
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import spared_faces, write
from chalicelib.storage.ports import Put, Vision
from chalicelib.storage.records.observations import list_shown_faces
from chalicelib.storage.values import Codec, parse_optional

if TYPE_CHECKING:
    from chalicelib.book.book import Book

COUNTED_EVERY = timedelta(hours=20)
"""A list of 1,000 pictures is one call to S3, so each day one sweep counts, and not each hour's."""


_PICTURE_COUNT = Codec(PictureCount, {"counted_at": "at"})


class CapturePictures(Service["Book"]):
    def get(self, tenant: str) -> PictureCount | None:
        """Return what was counted last; None if nothing was counted yet."""
        return parse_optional(
            _PICTURE_COUNT.read, self.services.items.get(keys.DIRECTORY, (tenant, keys.KEPT_ITEM))
        )

    def count(self, tenant: str) -> None:
        """Count the kept pictures, unless that was done less than COUNTED_EVERY ago."""
        now, before = self.services.clock.now(), self.get(tenant)
        if before is not None and now - COUNTED_EVERY < before.counted_at <= now:
            return
        captures = size = 0
        for blob in self.services.storage.uploads.walk(keys.capture_pictures(tenant)):
            captures += not blob.key.startswith(keys.crops(tenant))
            size += blob.size
        item = {
            "tenant": tenant,
            "item": keys.KEPT_ITEM,
            **_PICTURE_COUNT.write(PictureCount(captures, size, now)),
        }
        write(self.services.items, [Put(keys.DIRECTORY, item)])

    def list_to_forget(self, tenant: Tenant, captures: Sequence[Capture]) -> list[Capture]:
        """Return the captures whose picture is to be deleted: it is needed no longer, and may not
        be kept.

        A tenant may keep no pictures, none of some groups, or nothing of strangers, and nobody
        keeps one of somebody whose record of consent has ended. A parked capture keeps its picture,
        so that it can be sent again, unless the tenant forgets strangers: it may show one. One that
        shows a face under legal hold, or a restricted one, keeps it, too.
        """
        forgets_strangers = tenant.forgets_strangers
        final_states = (
            {CaptureState.RESOLVED, CaptureState.PARKED}
            if forgets_strangers
            else {CaptureState.RESOLVED}
        )

        def is_unkept(capture: Capture) -> bool:
            return shows_unkept(capture) or (forgets_strangers and shows_nobody(capture))

        keeps_others = tenant.keeps_pictures and not tenant.no_pictures_of
        final_captures = [
            capture
            for capture in captures
            if capture.state in final_states and (is_unkept(capture) or not keeps_others)
        ]
        if not final_captures:
            return []
        spared_faceids = spared_faces(self.services.items, tenant.name)
        if not (tenant.keeps_pictures or spared_faceids):
            return final_captures
        faceids_of = {
            capture.id: list_shown_faces(self.services.items, tenant.name, capture.id)
            for capture in final_captures
        }
        unspared_captures = [
            capture
            for capture in final_captures
            if spared_faceids.isdisjoint(faceids_of[capture.id])
        ]
        if not tenant.keeps_pictures:
            return unspared_captures
        unpictured_faceids = self._find_unpictured(
            tenant, sorted(set[str]().union(*faceids_of.values()))
        )
        return [
            capture
            for capture in unspared_captures
            if faceids_of[capture.id] & unpictured_faceids or is_unkept(capture)
        ]

    def _find_unpictured(self, tenant: Tenant, faceids: Sequence[str]) -> set[str]:
        """Return those of the faces that are in a group of which no pictures are kept."""
        if not faceids:
            return set()
        items = self.services.items.get_many(
            keys.FACES, [(tenant.name, faceid) for faceid in faceids]
        )
        return {face["faceid"] for face in items if face and face["group"] in tenant.no_pictures_of}

    def forget(self, tenant: Tenant, capture: Capture) -> None:
        """Delete the picture of a capture that has its outcome, if it may not be kept.

        If somebody on it was erased, a camera may put it once more by the URL that it still has.
        """
        key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        if self._came_again(key, capture) or self.list_to_forget(tenant, [capture]):
            self.services.storage.uploads.delete(key)

    def get_crop_url(self, tenant: Tenant, camera_id: str, capture_id: str, number: int) -> str:
        """Return the URL of the face `number` of a capture; cut it out first if nobody looked at it
        yet.

        Raises CaptureNotFound if there is no such capture or face, Conflict if the capture's
        picture is not kept any more or is not resolved yet, or if the person was erased or is
        restricted.
        """
        capture, hidden = self._read_shown(tenant, camera_id, capture_id)
        sighting = _find_sighting(capture, number)
        if sighting.reason == ERASED:
            raise Conflict(f"this face is shown to nobody: {SOMEBODY}")

        def cut_face(vision: Vision, picture: bytes) -> bytes:
            box = sighting.box
            other_boxes = [
                sighting.box for sighting in capture.sightings if sighting.number != number
            ]
            return vision.show_face(vision.read_picture(picture, RULES), box, other_boxes)

        return self._make_url(tenant, capture, number, cut_face, hidden)

    def get_picture_url(self, tenant: Tenant, camera_id: str, capture_id: str) -> str:
        """Return the URL of a capture's whole picture; make one first if restricted people have to
        be hidden in it.

        Raises CaptureNotFound if there is no such capture, Conflict if it shows nobody else. With
        somebody to hide, also raises Conflict if the picture is not kept any more.
        """
        capture, hidden = self._read_shown(tenant, camera_id, capture_id)
        if hidden:
            return self._make_url(tenant, capture, keys.PICTURE, lambda _, picture: picture, hidden)
        return self.services.storage.uploads.signed_get(
            keys.capture_picture(tenant.name, camera_id, capture_id)
        )

    def _read_shown(
        self, tenant: Tenant, camera_id: str, capture_id: str
    ) -> tuple[Capture, list[Sighting]]:
        """Return a capture as it is shown, and its sightings of restricted people.

        Raises CaptureNotFound; Conflict if they are all that is on it, as an erasure deletes such a
        picture.
        """
        capture = self.services.captures.get(tenant, camera_id, capture_id)
        [shown] = self.services.captures.shown.hide_restricted(tenant, [capture])
        pairs = zip(capture.sightings, shown.sightings, strict=True)
        hidden = [sighting for sighting, as_shown in pairs if sighting is not as_shown]
        if hidden and all(sighting.reason == ERASED for sighting in shown.sightings):
            raise Conflict(_PICTURE_GONE)
        return shown, hidden

    def list_crops(self, tenant: Tenant) -> dict[str, list[str]]:
        """Return the keys of the faces that were cut out of captures, by the ids of their
        sightings."""
        crops: dict[str, list[str]] = {}
        for blob in self.services.storage.uploads.walk(keys.crops(tenant.name)):
            sighting = blob.key.rpartition("/")[2].partition(".")[0]
            crops.setdefault(sighting, []).append(blob.key)
        return crops

    def get_thumbnail_url(self, tenant: Tenant, camera_id: str, capture_id: str) -> str:
        """Return the URL of a capture's thumbnail of up to 320 pixels; make it first if nobody
        looked at it yet.

        Before the capture is resolved there is none: then its picture may not be kept. Raises as
        `get_crop_url`.
        """
        capture, hidden = self._read_shown(tenant, camera_id, capture_id)
        if capture.state is not CaptureState.RESOLVED:
            raise Conflict("this capture is not resolved, so it has no thumbnail")

        def make_thumbnail(vision: Vision, picture: bytes) -> bytes:
            return vision.thumbnail(
                vision.read_picture(picture, THUMBNAIL_RULES), THUMBNAIL_SIDE_PX
            )

        return self._make_url(tenant, capture, keys.WHOLE, make_thumbnail, hidden)

    def _came_again(self, key: str, capture: Capture) -> bool:
        """Tell if somebody on the picture was erased, and it is the one that the camera offered."""
        if all(sighting.reason != ERASED for sighting in capture.sightings):
            return False
        picture = self.services.storage.uploads.get(key)
        if picture is None:
            return False
        is_as_noted = hashlib.sha256(picture).hexdigest() == capture.sha256
        return is_as_noted is not capture.is_of_rest

    def _make_url(
        self,
        tenant: Tenant,
        capture: Capture,
        part: int | str,
        draw_part: Callable[[Vision, bytes], bytes],
        hidden: Sequence[Sighting],
    ) -> str:
        """Return the URL of a part of a capture's picture: `part` is a face's number, WHOLE or
        PICTURE.

        A part that is not stored yet is made first by `draw_part`, from the whole picture, in which
        the `hidden` faces are averaged as an erasure does it.

        Raises Conflict if the picture is not kept, cannot be read, or is changed meanwhile by an
        erasure.
        """
        if not tenant.keeps_pictures:
            raise Conflict(NO_PICTURES_KEPT)
        place = (tenant.name, capture.camera_id, capture.id, part)
        numbers = [sighting.number for sighting in hidden]
        part_key = keys.shown_part(*place, numbers) if hidden else keys.crop(*place)
        if self.services.storage.uploads.size(part_key) is None:
            whole_key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
            picture = self.services.storage.uploads.get(whole_key)
            if picture is None:
                raise Conflict(_PICTURE_GONE)
            vision = self.services.tenant_vision.choose_vision(tenant.model)
            boxes = [sighting.box for sighting in hidden]
            try:
                shown = (
                    vision.hidden(vision.read_picture(picture, RULES), boxes) if hidden else picture
                )
                part_jpeg = draw_part(vision, shown)
            except (Unusable, InvalidInput) as error:
                raise Conflict(
                    f"the picture of this capture cannot be read any more: {error}"
                ) from error
            self.services.storage.uploads.put_if_absent(part_key, part_jpeg, "image/jpeg")
            # Another size: somebody was hidden in it meanwhile, or it was deleted.
            if self.services.storage.uploads.size(whole_key) != len(picture):
                self.services.storage.uploads.delete(part_key)
                raise Conflict("the picture of this capture is changed at this moment: ask again")
        return self.services.storage.uploads.signed_get(part_key)


_PICTURE_GONE = "the picture of this capture is not kept any more"
NO_PICTURES_KEPT = (
    "this tenant keeps no pictures (its setting keeps_pictures): there is none of this capture"
)


THUMBNAIL_SIDE_PX = 320
"""Longest side of a capture's small picture, in pixels: a tile of the console."""
THUMBNAIL_RULES = replace(RULES, most_pixels=(2 * THUMBNAIL_SIDE_PX) ** 2)
"""A thumbnail needs a quarter of the pixels of a frame or fewer, and a JPEG is reduced while it is
decoded."""


def _find_sighting(capture: Capture, number: int) -> Sighting:
    found_sighting = next(
        (sighting for sighting in capture.sightings if sighting.number == number), None
    )
    if found_sighting is None:
        raise CaptureNotFound(
            f"capture {capture.id!r} has no face {number}: it has {len(capture.sightings)}, "
            "counted from 0"
        )
    return found_sighting
