"""Faces that come back from before their tenant's model was changed."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.errors import Unusable
from chalicelib.core.model import Face, Picture, Tenant
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.models.embedder import Embedder
from chalicelib.services.models.tenant_model import Visions


class CurrentModel:
    def __init__(self, visions: Visions, portraits: Portraits) -> None:
        self._visions = visions
        self._portraits = portraits

    def has(self, tenant: Tenant, face: Face) -> bool:
        """Whether searches find it, as far as is known which model they go by."""
        model = self._visions(tenant.name).model
        return any(picture.has(model) for picture in face.pictures)

    def embedded(self, tenant: Tenant, face: Face) -> Face:
        """The face with templates that searches go by, made of its pictures; one is as it is where that cannot be had:
        it is gone, or shows several, of whom the present model cannot tell which it is."""
        if self.has(tenant, face):
            return face
        return replace(face, pictures=tuple(self._embedded(tenant, face, one) for one in face.pictures))

    def _embedded(self, tenant: Tenant, face: Face, picture: Picture) -> Picture:
        jpeg = self._portraits.load(picture.key) if picture.key else None
        if jpeg is None:
            return picture
        vision = self._visions(tenant.name)
        try:
            template = Embedder(vision, vision).template(face.templates, jpeg)
        except Unusable:
            return picture
        return replace(picture, templates=(*picture.templates, template))

    def forget(self, tenant: str) -> None:
        """Its model was changed."""
        self._visions.forget(tenant)
