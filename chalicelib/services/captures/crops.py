"""The faces that captures show, cut out when somebody first looks at one."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.captures import Capture
from chalicelib.core.errors import CaptureNotFound, Conflict, InvalidInput, Unusable
from chalicelib.core.model import Tenant
from chalicelib.core.pictures import DetectedFace
from chalicelib.core.ports import UploadStore
from chalicelib.services.captures.captures import Captures
from chalicelib.services.captures.reading import RULES
from chalicelib.services.models.tenant_vision import TenantVision

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
