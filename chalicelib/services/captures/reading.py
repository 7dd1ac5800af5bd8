"""The faces in a capture's picture, and later once more the one face that a sighting is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.captures import SeenFace, captured_ms, parts_of_sighting
from chalicelib.core.errors import Conflict, InvalidInput, SightingNotFound, Unusable
from chalicelib.core.model import Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import MAX_PICTURE_BYTES, Box, FaceJpeg, PictureRules, Sides
from chalicelib.core.ports import BlobStore, ItemStore, Vision
from chalicelib.core.records.observations import observation_from
from chalicelib.core.templates import canonical
from chalicelib.services.models.estimation import examined, of_any_age, whole
from chalicelib.services.models.tenant_vision import TenantVision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MAX_FACES = 100
"""Faces of one capture at most: the largest ones."""

RULES = PictureRules(frozenset({"JPEG", "PNG"}), MAX_PICTURE_BYTES, max_long_side_px=8_192, max_short_side_px=8_192)


class Reading:
    """A capture's faces, largest first, and their picture, which is decoded only when it is needed."""

    def __init__(self, vision: Vision, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None = None) -> None:
        self._vision = vision
        self._tenant = tenant
        self._picture = picture
        self._image: NDArray[np.uint8] | None = None
        self.faces: Sequence[SeenFace] = self._seen() if faces is None else self._of_model(faces)

    @property
    def sides(self) -> Sides | None:
        """Those of the picture; None if it was not decoded, since its faces were known."""
        return None if self._image is None else Sides(*self._image.shape[1::-1])

    def crop(self, seen: SeenFace) -> FaceJpeg:
        """Cut out the JPEG that a face will own if it is made from this sighting."""
        return self._vision.crop(self._decoded(), seen.detected)

    def _decoded(self) -> NDArray[np.uint8]:
        if self._image is None:
            self._image = self._vision.read(self._picture, RULES)
        return self._image

    def _of_model(self, faces: Sequence[SeenFace]) -> list[SeenFace]:
        """Embed faces again, at their places in the picture, if they were found before the model was changed."""
        vision = self._vision
        if all(face.template.model == vision.model for face in faces):
            return list(faces)
        embeddings = vision.embed(self._decoded(), [face.detected for face in faces])
        return [replace(face, template=canonical(vision.model, embeddings[i])) for i, face in enumerate(faces)]

    def _seen(self) -> list[SeenFace]:
        vision, image = self._vision, self._decoded()
        found = vision.detect(image)[:MAX_FACES]
        if not found:
            return []
        seen, estimated = examined(vision, self._tenant, image, found)
        qualities = vision.qualities(image, found)
        return [
            SeenFace(
                face,
                canonical(vision.model, seen.embeddings[i]),
                one.estimates,
                whole(qualities[i], one.estimates).flaw,
                one.spoof or "",
            )
            for i, (face, one) in enumerate(zip(found, estimated, strict=True))
        ]


@dataclass(frozen=True)
class SightedFace:
    """A face that a camera saw. `reading`: of the whole picture, from which the face can be cut out."""

    reading: Reading
    seen: SeenFace


class SightedFaces:
    def __init__(self, items: ItemStore, uploads: BlobStore, tenant_vision: TenantVision) -> None:
        self._items = items
        self._uploads = uploads
        self._tenant_vision = tenant_vision

    def observation(self, tenant: Tenant, faceid: str, sighting_id: str) -> Observation | None:
        """Return the observation of a sighting; None if the face has no such sighting.

        Raises SightingNotFound if the id does not have the form of a sighting's.
        """
        try:
            at_ms = captured_ms(parts_of_sighting(sighting_id)[0])
        except ValueError:
            raise not_found(faceid, sighting_id) from None
        item = self._items.get(keys.OBSERVATIONS, keys.observation(tenant.name, at_ms, sighting_id))
        if item is None or item["faceid"] != faceid or item["kind"] != ObservationKind.SIGHTING:
            return None
        return observation_from(item)

    def of(self, tenant: Tenant, camera_id: str, capture_id: str, box: Box) -> SightedFace:
        """Return the face of the capture's picture that was sighted in this box, by the tenant's present model.

        Raises Conflict if the picture is gone, cannot be read or shows no face any more.
        """
        picture = self._uploads.get(keys.capture_picture(tenant.name, camera_id, capture_id))
        if picture is None:
            off = "" if tenant.keeps_pictures else ": this tenant keeps none (its setting keeps_pictures)"
            raise Conflict(f"the picture of this sighting is not kept any more{off}")
        try:
            reading = Reading(self._tenant_vision.of(tenant.model), of_any_age(tenant), picture)
        except (Unusable, InvalidInput) as error:
            raise Conflict(f"the picture of this sighting cannot be read any more: {error}") from error
        if not reading.faces:
            raise Conflict("no face is found any more on the picture of this sighting")
        return SightedFace(reading, _nearest(reading.faces, box))


def not_found(faceid: str, sighting_id: str) -> SightingNotFound:
    return SightingNotFound(f"face {faceid[:70]!r} has no sighting {sighting_id[:100]!r}")


def _nearest(seen: Sequence[SeenFace], box: Box) -> SeenFace:
    """Return the face with the centre of its box nearest to that of `box`."""

    def distance(face: SeenFace) -> float:
        other = face.detected.box
        across = (other.x + other.width / 2) - (box.x + box.width / 2)
        down = (other.y + other.height / 2) - (box.y + box.height / 2)
        return across * across + down * down

    return min(seen, key=distance)
