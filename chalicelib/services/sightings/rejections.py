"""The sightings that were rejected for a face, and the taking back of a rejection."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.errors import Busy, ConditionFailed, RejectionNotFound
from chalicelib.core.items import attempts
from chalicelib.core.model import Negative, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.services.faces import Faces
from chalicelib.services.idempotency import RequestId, Requests
from chalicelib.services.recognition.negatives import Negatives
from chalicelib.services.visits import face_put


class Rejections:
    def __init__(self, items: ItemStore, faces: Faces, requests: Requests) -> None:
        self._faces = faces
        self._requests = requests
        self._negatives = Negatives(items)

    def of_face(self, tenant: Tenant, faceid: str) -> list[Negative]:
        """Return what the face is not, newest first. Raises FaceNotFound."""
        face = self._faces.get(tenant, faceid)
        return self._negatives.of_face(tenant.name, face.faceid)[::-1] if face.negatives else []

    def take_back(self, tenant: Tenant, faceid: str, sighting_id: str, request: RequestId | None = None) -> None:
        """Forget that the face is not this sighting. The sighting stays what it was resolved to since.

        Raises FaceNotFound, RejectionNotFound, Busy, AnsweredAlready.
        """
        for _ in attempts():
            face = self._faces.get(tenant, faceid)
            if self._negatives.of_sighting(tenant.name, faceid, sighting_id) is None:
                raise RejectionNotFound(f"sighting {sighting_id[:100]!r} is not rejected for face {faceid!r}")
            actions = [
                face_put(tenant.name, face, replace(face, negatives=face.negatives - 1)),
                self._negatives.forgotten(tenant.name, faceid, sighting_id),
            ]
            try:
                return self._requests.write(tenant.name, actions, request)
            except ConditionFailed:
                continue
        raise Busy("this face is changed by others all the time: send the request again in a moment")
