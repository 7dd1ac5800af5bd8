"""Whether somebody is enrolled already: the face that a new portrait would repeat.

A face that would be enrolled twice is worse than a missed search, so this needs more likeness: DUPLICATE_FPIR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.decision import DUPLICATE_FPIR, OperatingPoint, is_match
from chalicelib.core.model import Candidate, Face, Group, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.core.search import FaceSearch, SearchRequest, verdicts
from chalicelib.services.faces import Faces
from chalicelib.services.models import TenantVision
from chalicelib.services.recognition.negatives import CANDIDATES, Negatives
from chalicelib.services.recognition.recognition import Probes, read_faces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class KnownFace:
    """A face that is enrolled already, the score of the probe that is its, and the threshold that this reached."""

    face: Face
    score: float
    threshold: float

    def is_probe(self, quality: float | None) -> bool:
        """Return whether a probe of this quality is so surely the face."""
        return is_match(self.score, self.threshold, quality, self.face.estimates.quality)


@dataclass(frozen=True)
class Known:
    """For each probe the face that it is, or None. They hold while the gallery is at `seq`."""

    faces: list[KnownFace | None]
    seq: int


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
        vision, limit = self.tenant_vision.of(probes.model), 1
        decides = OperatingPoint(vision.impostor_curve, DUPLICATE_FPIR)
        group_ids = None if group is None else [group.id]
        while True:
            request = SearchRequest(probes.model, probes.vectors, group_ids, limit, decides, templates=True)
            answer = self.search().search(tenant.name, request)
            judged = verdicts(answer, decides, vision.population, probes.vectors)
            above = [[(c, one) for one in theirs if (c := one.candidate) and one.match] for theirs in judged]
            faces = read_faces(self.faces, tenant, (one for found in above for one, _ in found))
            left = [
                [
                    KnownFace(face, one.score, verdict.decision.threshold)
                    for one, verdict in found
                    if not self._turned_down(tenant, face := faces[one.faceid], probes.model, probe, one)
                ]
                for found, probe in zip(above, probes.vectors, strict=True)
            ]
            if limit == CANDIDATES or list(map(len, left)) == list(map(len, above)):
                break
            limit = CANDIDATES
        return Known(
            [
                found[0] if found and found[0].is_probe(quality) else None
                for found, quality in zip(left, probes.qualities, strict=True)
            ],
            answer.seq,
        )

    def _turned_down(
        self, tenant: Tenant, face: Face, model: str, probe: NDArray[np.float32], candidate: Candidate
    ) -> bool:
        return Negatives(self.items).turn_down(tenant.name, face, probe, model, candidate.score)
