"""The pictures that cameras sent (captures): their URLs, how many are kept, which are deleted.

Some are not kept, since their tenant or the group of somebody in them keeps none. When somebody
first looks, crops of its faces and a thumbnail are made of a picture. The sweep, a job of each
hour, counts the kept ones, since only a list knows.
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
    """The pictures of a tenant's captures, and the crops made from them."""

    def get(self, tenant: str) -> PictureCount | None:
        """Return what was counted last; None if nothing was counted yet."""
        return parse_optional(
            _PICTURE_COUNT.read, self.services.items.get(keys.DIRECTORY, (tenant, keys.KEPT_ITEM))
        )

    def count(self, tenant: str) -> None:
        """Count the kept pictures of a tenant's cameras, and their bytes, about once a day.

        The hourly sweep calls it. A count of less than COUNTED_EVERY ago stays, but not one from
        the future: the clock was wrong then.
        """
        now, last_count = self.services.clock.now(), self.get(tenant)
        if last_count is not None and now - COUNTED_EVERY < last_count.counted_at <= now:
            return
        captures = size = 0
        for blob in self.services.storage.uploads.walk(keys.capture_pictures(tenant)):
            is_crop = blob.key.startswith(keys.crops(tenant))  # cut out of another picture
            captures += not is_crop
            size += blob.size  # crops take room, too
        count = _PICTURE_COUNT.write(PictureCount(captures, size, now))
        item = {"tenant": tenant, "item": keys.KEPT_ITEM, **count}
        write(self.services.items, [Put(keys.DIRECTORY, item)])

    def list_to_forget(self, tenant: Tenant, captures: Sequence[Capture]) -> list[Capture]:
        """Return the captures whose picture is to be deleted: it is processed, and may not be kept.

        Not kept are pictures, as the tenant chose, at all, of some groups or of strangers; nor of
        somebody whose consent ended. One that shows a face under legal hold, or a restricted one,
        stays. A PARKED capture failed, and may be tried again with its picture. But where strangers
        are forgotten, that is deleted: it may show one.
        """
        final_states = {CaptureState.RESOLVED}
        if tenant.forgets_strangers:
            final_states.add(CaptureState.PARKED)
        keeps_others = tenant.keeps_pictures and not tenant.no_pictures_of
        unkept_ids, final_captures = set(), []
        for capture in captures:
            shows_stranger = tenant.forgets_strangers and shows_nobody(capture)
            is_unkept = shows_unkept(capture) or shows_stranger
            if capture.state in final_states and (is_unkept or not keeps_others):
                final_captures.append(capture)
            if is_unkept:
                unkept_ids.add(capture.id)
        if not final_captures:
            return []

        # Who is on these pictures? Held and restricted faces spare them.
        spared_faceids = spared_faces(self.services.items, tenant.name)
        if not (tenant.keeps_pictures or spared_faceids):
            return final_captures
        faceids_of = {
            capture.id: list_shown_faces(self.services.items, tenant.name, capture.id)
            for capture in final_captures
        }
        unspared = [each for each in final_captures if not faceids_of[each.id] & spared_faceids]
        if not tenant.keeps_pictures:
            return unspared

        shown_faceids = sorted(set[str]().union(*faceids_of.values()))
        unpictured = self._find_unpictured(tenant, shown_faceids)
        return [
            each for each in unspared if faceids_of[each.id] & unpictured or each.id in unkept_ids
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
        """Return the URL of a picture of one face, cut out of a capture (a camera's picture).

        The face is cut out when somebody first asks for it. `number`: which face, the largest is 0.
        Raises CaptureNotFound if there is no such capture or face. Raises Conflict if the picture
        is not kept any more or not resolved yet, or if the person was erased or is restricted.
        """
        capture, hidden = self._read_shown(tenant, camera_id, capture_id)
        chosen = _find_sighting(capture, number)
        if chosen.reason == ERASED:
            raise Conflict(f"this face is shown to nobody: {SOMEBODY}")

        def cut_face(vision: Vision, picture: bytes) -> bytes:
            # If the cut shows one of the others, all but the chosen face is darker.
            others = [each.box for each in capture.sightings if each.number != number]
            image = vision.read_picture(picture, capture.rules)
            return vision.show_face(image, chosen.box, others)

        return self._make_url(tenant, capture, number, cut_face, hidden)

    def get_picture_url(self, tenant: Tenant, camera_id: str, capture_id: str) -> str:
        """Return the URL of a capture's whole picture, in which restricted people are hidden.

        If there are such people, a picture without their faces is made first. Raises
        CaptureNotFound if there is no such capture, Conflict if it shows nobody else. Only with
        somebody to hide the picture is read; then it raises Conflict if it is not kept any more.
        """
        capture, hidden = self._read_shown(tenant, camera_id, capture_id)
        if hidden:

            def take_whole(_: Vision, picture_without_hidden: bytes) -> bytes:
                return picture_without_hidden

            return self._make_url(tenant, capture, keys.PICTURE, take_whole, hidden)
        picture_key = keys.capture_picture(tenant.name, camera_id, capture_id)
        return self.services.storage.uploads.signed_get(picture_key)

    def _read_shown(
        self, tenant: Tenant, camera_id: str, capture_id: str
    ) -> tuple[Capture, list[Sighting]]:
        """Return a capture as everybody sees it, and those of its faces that are to be hidden.

        These are of restricted people, whose data are kept and used for nothing: they look as if
        they were erased. Raises CaptureNotFound. Raises Conflict if the capture shows nobody else:
        were they erased, its picture would be gone.
        """
        capture = self.services.captures.get(tenant, camera_id, capture_id)
        [shown] = self.services.captures.shown.hide_restricted(tenant, [capture])
        pairs = zip(capture.sightings, shown.sightings, strict=True)
        # What hide_restricted has replaced by another object is what it hides.
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
        """Return the URL of a capture's thumbnail of up to 320 pixels; make it first if need be.

        None is made before the capture is resolved, its faces looked for in the book: its picture
        may turn out to be one that is not kept. Raises CaptureNotFound, and Conflict if it is not
        resolved, or its picture is not kept any more.
        """
        capture, hidden = self._read_shown(tenant, camera_id, capture_id)
        if capture.state is not CaptureState.RESOLVED:
            raise Conflict("this capture is not resolved, so it has no thumbnail")

        def make_thumbnail(vision: Vision, picture: bytes) -> bytes:
            image = vision.read_picture(picture, THUMBNAIL_RULES)
            return vision.thumbnail(image, THUMBNAIL_SIDE_PX)

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
        """Return the URL of a JPEG made of a capture's picture; make and store it the first time.

        `part`: a face's number, WHOLE (the thumbnail) or PICTURE: names the JPEG in the store.
        `draw_part` makes it of the picture, in which `hidden` faces are averaged first. Raises
        Conflict if the picture is not kept, cannot be read, or is changed meanwhile by an erasure.
        """
        if not tenant.keeps_pictures:
            raise Conflict(NO_PICTURES_KEPT)
        uploads = self.services.storage.uploads
        capture_place = (tenant.name, capture.camera_id, capture.id)
        place, numbers = (*capture_place, part), [sighting.number for sighting in hidden]
        part_key = keys.shown_part(*place, numbers) if hidden else keys.crop(*place)
        if uploads.size(part_key) is not None:
            return uploads.signed_get(part_key)

        whole_key = keys.capture_picture(*capture_place)
        if (picture := uploads.get(whole_key)) is None:
            raise Conflict(_PICTURE_GONE)
        vision, shown = self.services.tenant_vision.choose_vision(tenant.model), picture
        try:
            if hidden:
                image = vision.read_picture(picture, capture.rules)
                shown = vision.hide_faces(image, [sighting.box for sighting in hidden])
            part_jpeg = draw_part(vision, shown)
        except (Unusable, InvalidInput) as error:
            message = f"the picture of this capture cannot be read any more: {error}"
            raise Conflict(message) from error
        uploads.put_if_absent(part_key, part_jpeg, "image/jpeg")
        if uploads.size(whole_key) != len(picture):  # an erasure hid somebody in it, or deleted it
            uploads.delete(part_key)
            raise Conflict("the picture of this capture is changed at this moment: ask again")
        return uploads.signed_get(part_key)


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
    """Return the face `number` of a capture and its outcome. Raises CaptureNotFound."""
    for sighting in capture.sightings:
        if sighting.number == number:
            return sighting
    raise CaptureNotFound(
        f"capture {capture.id!r} has no face {number}: it has {len(capture.sightings)}, "
        "counted from 0"
    )
