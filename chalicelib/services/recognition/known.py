"""Whether somebody is enrolled already: the face that a new portrait would repeat.

A face that would be enrolled twice is worse than a missed search, so this needs more likeness: DUPLICATE_FPIR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.decision import DUPLICATE_FPIR, is_match
from chalicelib.core.model import Candidate, Face, Group, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.core.search import FaceSearch, SearchRequest
from chalicelib.services.faces.faces import Faces
from chalicelib.services.models.tenant_vision import TenantVision
from chalicelib.services.recognition.negatives import CANDIDATES, Negatives
from chalicelib.services.recognition.recognition import Probes, read_faces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class KnownFace:
    """A face that is enrolled already, and the score of the probe that is its."""

    face: Face
    score: float


@dataclass(frozen=True)
class Known:
    """For each probe the face that it is, or None. They hold while the gallery is at `seq`."""

    faces: list[KnownFace | None]
    seq: int
    threshold: float


@dataclass
class KnownFaces:
    items: ItemStore
    faces: Faces
    tenant_vision: TenantVision
    search: Callable[[], FaceSearch]

    def of(self, tenant: Tenant, probes: Probes, group: Group | None = None) -> Known:
        """Find for each probe the face of the group, or of any group, that it is, if no negative turns it down.

        Raises GalleryMoved if a candidate was deleted or moved after the search (search again), WrongModel.
        """
        vision = self.tenant_vision.of(probes.model)
        limit = 1
        while True:
            group_ids = None if group is None else [group.id]
            request = SearchRequest(probes.model, probes.vectors, group_ids, limit=limit)
            answer = self.search().search(tenant.name, request)
            threshold = vision.impostor_curve.operating_threshold(answer.gallery_size, DUPLICATE_FPIR)
            above = [[one for one in found if one.score >= threshold] for found in answer.candidates]
            faces = read_faces(self.faces, tenant, (one for found in above for one in found))
            left = [
                [one for one in found if not self._turned_down(tenant, faces[one.faceid], probes.model, probe, one)]
                for found, probe in zip(above, probes.vectors, strict=True)
            ]
            if limit == CANDIDATES or left == above:
                break
            limit = CANDIDATES
        return Known(
            [
                KnownFace(faces[found[0].faceid], found[0].score)
                if found and is_match(found[0].score, threshold, quality, faces[found[0].faceid].estimates.quality)
                else None
                for found, quality in zip(left, probes.qualities, strict=True)
            ],
            answer.seq,
            threshold,
        )

    def _turned_down(
        self, tenant: Tenant, face: Face, model: str, probe: NDArray[np.float32], candidate: Candidate
    ) -> bool:
        return Negatives(self.items).turn_down(tenant.name, face, probe, model, candidate.score)
