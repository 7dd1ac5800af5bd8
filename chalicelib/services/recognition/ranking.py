"""The faces of a group that are most similar to one, above a similarity that the caller chooses.

Which of them are the same person is decided in recognition's way (core/decision, negatives); the scale is
core/similarity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.core import acts
from chalicelib.core.decision import OperatingPoint
from chalicelib.core.errors import Busy, FaceNotFound
from chalicelib.core.items import attempts
from chalicelib.core.model import Face, Group, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.core.search import FaceSearch, SearchAnswer, SearchRequest, verdicts
from chalicelib.core.similarity import MATCH, judged, similarity
from chalicelib.core.templates import compared, vector
from chalicelib.core.values import known
from chalicelib.services.audit.sightings import decision_said
from chalicelib.services.commit.gallery import GalleryMoved
from chalicelib.services.faces.faces import Faces
from chalicelib.services.models.tenant_vision import TenantVision
from chalicelib.services.recognition.negatives import Negatives

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIES = 5


@dataclass(frozen=True)
class Similar:
    """A face and its similarity to the probe, 0..100."""

    face: Face
    similarity: float


@dataclass
class Ranking:
    items: ItemStore
    tenant_vision: TenantVision
    search: Callable[[], FaceSearch]
    faces: Faces
    fpir_target: float

    def of_probe(
        self,
        tenant: Tenant,
        group: Group,
        probe: NDArray[np.float32],
        quality: float | None,
        *,
        least: float = MATCH,
        most: int,
        besides: str | None = None,
    ) -> list[Similar]:
        """Return the `most` faces of a group with a similarity of `least` or more, the most similar first.

        `probe`: (dimensions,) float32, a unit vector of the tenant's model; `quality`: that of its picture, None if it
        was not measured; `besides`: a face that is left out. Ties are in the order of the ids. Raises Busy, WrongModel.
        """
        for _ in attempts(_TRIES):
            try:
                return self._ranked(tenant, group, probe, quality, least, most, besides)
            except GalleryMoved:
                continue
        raise Busy("the faces that are found are deleted or moved all the time: send the request again in a moment")

    def of_face(self, tenant: Tenant, group: Group, face: Face, *, least: float, most: int) -> list[Similar]:
        """Return the faces of a group that are similar to one of them, itself left out.

        Raises FaceNotFound if the face has no template of the tenant's model, and as `of_probe`.
        """
        own = next((one for one in compared(face.templates) if one.model == tenant.model), None)
        if own is None:
            raise FaceNotFound(f"face {face.faceid!r} has no template of the model {tenant.model!r} yet")
        quality = face.estimates.quality
        return self.of_probe(tenant, group, vector(own), quality, least=least, most=most, besides=face.faceid)

    def _ranked(
        self,
        tenant: Tenant,
        group: Group,
        probe: NDArray[np.float32],
        quality: float | None,
        least: float,
        most: int,
        besides: str | None,
    ) -> list[Similar]:
        curve = self.tenant_vision.of(tenant.model).impostor_curve
        decides = OperatingPoint(curve, self.fpir_target)
        limit = most if besides is None else most + 1
        answer = self._found(tenant, group, probe, limit, decides)
        judgements = verdicts(answer, decides, [quality])[0]
        matches = {one.candidate.faceid for one in judgements if one.candidate and one.match}
        found = answer.candidates[0]
        if least < MATCH:  # with an operating point, a search finds only what may match
            nearest = self._found(tenant, group, probe, limit, None)
            if nearest.seq != answer.seq:
                raise GalleryMoved
            found = nearest.candidates[0]
        candidates = [one for one in found if one.faceid != besides][:most]
        faces = self.faces.by_id(tenant, [one.faceid for one in candidates])
        ranked: list[Similar] = []
        for one in candidates:
            face = faces.get(one.faceid)
            if face is None or face.group_id != group.id:
                raise GalleryMoved
            match = one.faceid in matches and not Negatives(self.items).turn_down(
                tenant.name, face, probe, tenant.model, one.score
            )
            similar = judged(similarity(one.score, curve, answer.gallery_size, self.fpir_target), match=match)
            ranked.append(Similar(face, similar))
        ranked = [one for one in ranked if one.similarity >= least]
        best = judgements[0]
        said = {"face": ranked[0].face.faceid if ranked else None, "model": tenant.model, "found": len(ranked)}
        acts.decided([known({**said, **decision_said(replace(best.decision, seq=answer.seq))})])
        return sorted(ranked, key=lambda one: -one.similarity)  # stable: then by score, then by id

    def _found(
        self, tenant: Tenant, group: Group, probe: NDArray[np.float32], limit: int, decides: OperatingPoint | None
    ) -> SearchAnswer:
        request = SearchRequest(tenant.model, probe[None], [group.id], limit, operating_point=decides)
        return self.search().search(tenant.name, request)
