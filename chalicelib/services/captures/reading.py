"""From a capture's picture to the faces in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.core.captures import MAX_PICTURE_BYTES, SeenFace
from chalicelib.core.model import Tenant
from chalicelib.core.pictures import PictureRules
from chalicelib.core.ports import Vision
from chalicelib.services.models.estimation import estimated, whole
from chalicelib.services.models.tenant_model import Visions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_FACES = 100
"""Of one capture; the largest count."""

RULES = PictureRules(frozenset({"JPEG", "PNG"}), MAX_PICTURE_BYTES, max_long_side_px=8_192, max_short_side_px=8_192)


class Reading:
    """A capture's faces, largest first, and the picture they are cut from, decoded when it is needed."""

    def __init__(self, vision: Vision, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None = None) -> None:
        self._vision = vision
        self._tenant = tenant
        self._picture = picture
        self._image: NDArray[np.uint8] | None = None
        self.faces: Sequence[SeenFace] = self._seen() if faces is None else self._of_model(faces)

    def crop(self, seen: SeenFace) -> bytes:
        """The JPEG that a face made from this sighting owns."""
        return self._vision.crop(self._decoded(), seen.detected)

    def _decoded(self) -> NDArray[np.uint8]:
        if self._image is None:
            self._image = self._vision.read(self._picture, RULES)
        return self._image

    def _of_model(self, faces: Sequence[SeenFace]) -> list[SeenFace]:
        """Faces that were found before the tenant's model was changed, embedded again where they were found."""
        from chalicelib.core.templates import canonical

        vision = self._vision
        if all(face.template.model == vision.model for face in faces):
            return list(faces)
        embeddings = vision.embed(self._decoded(), [face.detected for face in faces])
        return [replace(face, template=canonical(vision.model, embeddings[i])) for i, face in enumerate(faces)]

    def _seen(self) -> list[SeenFace]:
        from chalicelib.core.templates import canonical

        vision, image = self._vision, self._decoded()
        found = vision.detect(image)[:MAX_FACES]
        if not found:
            return []
        embeddings = vision.embed(image, found)
        qualities = vision.qualities(image, found)
        return [
            SeenFace(
                face,
                canonical(vision.model, embeddings[i]),
                one.estimates,
                whole(qualities[i], one.estimates).flaw,
                one.spoof or "",
            )
            for i, (face, one) in enumerate(zip(found, estimated(vision, self._tenant, image, found), strict=True))
        ]


class CaptureReading:
    """Raises Unusable for what is no picture, as `read` does; WrongModel."""

    def __init__(self, vision: Visions) -> None:
        self._vision = vision

    def of(self, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None = None) -> Reading:
        """`faces`: those that were found in it before, which are not looked for again."""
        vision = self._vision(tenant.name)
        reading = Reading(vision, tenant, picture, faces)
        if faces is None and (len(reading.faces) != 1 or reading.faces[0].spoof):
            # One face that looks alive is searched next, which tells. Nobody is not, and several are kept before that.
            self._vision.require_current(tenant.name, vision.model)
        return reading

    def by_current_model(self, tenant: Tenant, picture: bytes) -> Reading:
        """For what is kept of it though it is not searched for."""
        self._vision.forget(tenant.name)
        return self.of(tenant, picture)

    def forget_model(self, tenant: str) -> None:
        self._vision.forget(tenant)
