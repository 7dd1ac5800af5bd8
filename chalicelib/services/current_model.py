"""Faces that come back from before their tenant's model was changed."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.errors import Unusable
from chalicelib.core.model import Face, Tenant
from chalicelib.services.embedder import Embedder
from chalicelib.services.portraits import Portraits
from chalicelib.services.visions import Visions


class CurrentModel:
    def __init__(self, visions: Visions, portraits: Portraits) -> None:
        self._visions = visions
        self._portraits = portraits

    def has(self, tenant: Tenant, face: Face) -> bool:
        """Whether searches find it, as far as is known which model they go by."""
        model = self._visions(tenant.name).model
        return any(template.model == model for template in face.templates)

    def embedded(self, tenant: Tenant, face: Face) -> Face:
        """The face with a template that searches go by, made of its picture; as it is where that cannot be had: its
        picture is gone, or shows several, of whom the present model cannot tell which it is."""
        jpeg = None if self.has(tenant, face) else self._portraits.load(face.picture_key)
        if jpeg is None:
            return face
        vision = self._visions(tenant.name)
        try:
            template = Embedder(vision, vision).template(face.templates, jpeg)
        except Unusable:
            return face
        return replace(face, templates=(*face.templates, template))

    def forget(self, tenant: str) -> None:
        """Its model was changed."""
        self._visions.forget(tenant)
