"""How many pictures of captures a tenant keeps, and how many bytes: counted by the sweep, since only a list knows.

Beside it: pictures that are not kept, since their tenant or the group of somebody in them keeps none, and the crops of
faces, cut out when somebody first looks at one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState
from chalicelib.core.errors import CaptureNotFound, Conflict, InvalidInput, Unusable
from chalicelib.core.items import every_blob, held_faces, write
from chalicelib.core.model import Tenant
from chalicelib.core.pictures import DetectedFace
from chalicelib.core.ports import BlobStore, Clock, ItemStore, Put, UploadStore
from chalicelib.core.values import milliseconds, moment
from chalicelib.services.captures.captures import RULES, Captures, Kept, shown_faces
from chalicelib.services.models import TenantVision

COUNTED_EVERY = timedelta(hours=20)
"""A list of 1,000 pictures is one call to S3, so each day one sweep counts, and not each hour's."""


@dataclass
class KeptCaptures:
    items: ItemStore
    uploads: BlobStore
    clock: Clock

    def get(self, tenant: str) -> Kept | None:
        """Return what was counted last; None if nothing was counted yet."""
        item = self.items.get(keys.DIRECTORY, (tenant, keys.KEPT_ITEM))
        if item is None:
            return None
        return Kept(int(item["captures"]), int(item["size"]), moment(item["at"]))

    def count(self, tenant: str) -> None:
        """Count what is kept, unless that was done less than COUNTED_EVERY ago."""
        now, before = self.clock.now(), self.get(tenant)
        if before is not None and now - COUNTED_EVERY < before.counted_at <= now:
            return
        captures = size = 0
        for blob in every_blob(self.uploads, keys.capture_pictures(tenant)):
            captures += not blob.key.startswith(keys.crops(tenant))
            size += blob.size
        counted = {"captures": captures, "size": size, "at": milliseconds(now)}
        write(self.items, [Put(keys.DIRECTORY, {"tenant": tenant, "item": keys.KEPT_ITEM, **counted})])


@dataclass
class Unpictured:
    items: ItemStore
    uploads: BlobStore

    def among(self, tenant: Tenant, captures: Sequence[Capture]) -> list[Capture]:
        """Return those that need their picture no longer and may not keep it.

        A parked capture keeps it, so that it can be sent again, and so does one that shows a held face.
        """
        resolved = [one for one in captures if one.state is CaptureState.RESOLVED]
        if tenant.keeps_pictures and not tenant.no_pictures_of:
            return []
        held = held_faces(self.items, tenant.name)
        if not (tenant.keeps_pictures or held):
            return resolved
        seen = {one.id: shown_faces(self.items, tenant.name, one.id) for one in resolved}
        free = [one for one in resolved if held.isdisjoint(seen[one.id])]
        if not tenant.keeps_pictures:
            return free
        ids = sorted(set[str]().union(*seen.values()))
        found = self.items.get_many(keys.FACES, [(tenant.name, faceid) for faceid in ids]) if ids else []
        hidden = {face["faceid"] for face in found if face and face["group"] in tenant.no_pictures_of}
        return [one for one in free if seen[one.id] & hidden]

    def forget(self, tenant: Tenant, capture: Capture) -> None:
        """Delete the picture of a capture that has just been resolved, if it may not be kept.

        One that showed erased people only may have been put once more, by a URL of before.
        """
        if capture.is_erased or self.among(tenant, [capture]):
            self.uploads.delete(keys.capture_picture(tenant.name, capture.camera_id, capture.id))


NONE_KEPT = "this tenant keeps no pictures (its setting keeps_pictures): there is none of this capture"


@dataclass
class Crops:
    """The crops. They lie beside the captures, in the store of uploads, and are kept for as long."""

    captures: Captures
    uploads: UploadStore
    tenant_vision: TenantVision

    def url(self, tenant: Tenant, camera_id: str, capture_id: str, number: int) -> str:
        """Return the URL of the face `number` of a capture; cut it out first if nobody looked at it yet.

        Raises CaptureNotFound if there is no such capture or face, Conflict if the capture's picture is not kept any
        more or is not resolved yet.
        """
        capture = self.captures.get(tenant, camera_id, capture_id)
        if not tenant.keeps_pictures:
            raise Conflict(NONE_KEPT)
        key = keys.crop(tenant.name, camera_id, capture_id, number)
        if self.uploads.size(key) is None:
            self.uploads.put_if_absent(key, self._cut(tenant, capture, number), "image/jpeg")
        return self.uploads.signed_get(key)

    def _cut(self, tenant: Tenant, capture: Capture, number: int) -> bytes:
        sighting = next((one for one in capture.sightings if one.number == number), None)
        if sighting is None:
            raise CaptureNotFound(
                f"capture {capture.id!r} has no face {number}: it has {len(capture.sightings)}, counted from 0"
            )
        picture = self.uploads.get(keys.capture_picture(tenant.name, capture.camera_id, capture.id))
        if picture is None:
            raise Conflict("the picture of this capture is not kept any more")
        vision = self.tenant_vision.of(tenant.model)
        try:
            return vision.crop(vision.read(picture, RULES), DetectedFace(sighting.box, (), 1.0)).data
        except (Unusable, InvalidInput) as error:
            raise Conflict(f"the picture of this capture cannot be read any more: {error}") from error
