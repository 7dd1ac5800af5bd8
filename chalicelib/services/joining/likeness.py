"""How like is a face to the others of its gallery? The means of their pictures are compared, and both cohorts count.

A search compares a picture with faces; this compares faces with each other. So neither is the probe, and a pair has the
same decision from either side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.cohorts import COHORT_LOOKED_AT
from chalicelib.core.decision import JOIN_FPIR, SUGGEST_FPIR, OperatingPoint
from chalicelib.core.model import Candidate, Decision, Face, Tenant
from chalicelib.core.search import FaceSearch, SearchRequest
from chalicelib.services.faces.faces import Faces
from chalicelib.services.models.tenant_vision import TenantVision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CANDIDATES = 10
"""Faces that are looked at as candidates for each face: more would hardly all be one person."""


@dataclass(frozen=True)
class Pair:
    """Two faces that may be one person, as they were compared.

    `decision`: on the score of their means, by an operating point of JOIN_FPIR.
    """

    face: Face
    other: Face
    decision: Decision


@dataclass
class Likeness:
    faces: Faces
    tenant_vision: TenantVision
    search: Callable[[], FaceSearch]

    def of(self, tenant: Tenant, faces: Sequence[Face]) -> list[Pair]:
        """Return the pairs of each face with the others that reach the threshold of SUGGEST_FPIR, the likeliest first.

        Raises WrongModel if the tenant's model was changed, and the errors of a search.
        """
        means = _means(tenant, faces)
        if not means:
            return []
        suggests = OperatingPoint(self.tenant_vision.of(tenant.model).impostor_curve, SUGGEST_FPIR)
        request = SearchRequest(tenant.model, _rows(means), limit=_CANDIDATES + 1, operating_point=suggests)
        answer = self.search().search(tenant.name, request)
        known = {face.faceid: face for face in faces}
        found = [
            (known[faceid], one)
            for faceid, candidates in zip(means, answer.candidates, strict=True)
            for one in candidates
            if one.faceid != faceid
        ]
        known |= self.faces.by_id(tenant, [one.faceid for _, one in found])
        pairs = [(face, known[one.faceid], one.score) for face, one in found if one.faceid in known]
        return self._judged(tenant, pairs, answer.gallery_size)

    def _judged(self, tenant: Tenant, found: Sequence[tuple[Face, Face, float]], gallery_size: int) -> list[Pair]:
        """Judge pairs of faces by their score, and return those that reach the threshold of SUGGEST_FPIR."""
        curve = self.tenant_vision.of(tenant.model).impostor_curve
        joins, suggests = OperatingPoint(curve, JOIN_FPIR), OperatingPoint(curve, SUGGEST_FPIR)
        both = [face for face, other, _ in found for face in (face, other)]
        nearest = self._nearest(tenant, both, gallery_size) if suggests.normalises(gallery_size) else {}
        pairs = []
        for face, other, score in found:
            best, quality = Candidate(other.faceid, other.group_id, score), min(_quality(face), _quality(other))
            own, theirs = (suggests.cohort(score, nearest.get(one.faceid, ()), gallery_size) for one in (face, other))
            if suggests.verdict(best, own, gallery_size, quality, theirs).match:
                pairs.append(Pair(face, other, joins.verdict(best, own, gallery_size, quality, theirs).decision))
        return sorted(pairs, key=lambda pair: pair.decision.threshold - (pair.decision.score or 0.0))

    def _nearest(self, tenant: Tenant, faces: Sequence[Face], gallery_size: int) -> dict[str, Sequence[float]]:
        """Return each face's best scores, falling, in the sample in which cohorts are found."""
        means = _means(tenant, faces)
        if not means:
            return {}
        rows, limit = _rows(means), COHORT_LOOKED_AT + 1
        answer = self.search().search(
            tenant.name, SearchRequest(tenant.model, rows, limit=limit, sample_of=gallery_size)
        )
        scores = ([one.score for one in near] for near in answer.candidates)
        return dict(zip(means, scores, strict=True))


def _means(tenant: Tenant, faces: Sequence[Face]) -> dict[str, NDArray[np.float32]]:
    """Return the template by which each face is compared, (dimensions,), by faceid; without faces that have none."""
    from chalicelib.core.templates import compared, vector

    return {
        face.faceid: vector(mean) for face in faces for mean in compared(face.templates) if mean.model == tenant.model
    }


def _rows(means: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np

    return np.stack(list(means.values()))


def _quality(face: Face) -> float:
    """Return the quality of the face's best picture; one that was not measured counts as perfect."""
    return max(100.0 if one.estimates.quality is None else one.estimates.quality for one in face.pictures)
