"""How like is a face to the others of its gallery? The means of their pictures are compared, and both cohorts count.

A search compares a picture with faces; this compares faces with each other. So neither is the probe, and a pair has the
same decision from either side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.cohorts import COHORT_LOOKED_AT
from chalicelib.core.decision import DEFAULT_FPIR, JOIN_FPIR, SUGGEST_FPIR, OperatingPoint
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

    `decision`: on the score of their means, by an operating point of JOIN_FPIR. `leads`: they are one also because no
    third face is nearly as like either.
    """

    face: Face
    other: Face
    decision: Decision
    leads: bool = False


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
        joins, suggests, searches = (OperatingPoint(curve, fpir) for fpir in (JOIN_FPIR, SUGGEST_FPIR, DEFAULT_FPIR))
        both = [face for face, other, _ in found for face in (face, other)]
        nearest = self._nearest(tenant, both, gallery_size) if suggests.normalises(gallery_size) else {}
        pairs = []
        for face, other, score in found:
            best, quality = Candidate(other.faceid, other.group_id, score), min(_quality(face), _quality(other))
            near = [nearest.get(one.faceid, []) for one in (face, other)]
            own, theirs = (suggests.cohort(score, [one.score for one in each], gallery_size) for each in near)
            if suggests.verdict(best, own, gallery_size, quality, theirs).match:
                decision = joins.verdict(best, own, gallery_size, quality, theirs).decision
                third = [one.score for each in near for one in each if one.faceid not in (face.faceid, other.faceid)]
                pairs.append(Pair(face, other, decision, leads=_leads(searches, score, third, gallery_size)))
        return sorted(pairs, key=lambda pair: pair.decision.threshold - (pair.decision.score or 0.0))

    def _nearest(self, tenant: Tenant, faces: Sequence[Face], gallery_size: int) -> dict[str, list[Candidate]]:
        """Return the faces most like each face, best first, in the sample in which cohorts are found."""
        means = _means(tenant, faces)
        if not means:
            return {}
        rows, limit = _rows(means), COHORT_LOOKED_AT + 1
        answer = self.search().search(
            tenant.name, SearchRequest(tenant.model, rows, limit=limit, sample_of=gallery_size)
        )
        return dict(zip(means, map(list, answer.candidates), strict=True))


def _leads(point: OperatingPoint, score: float, third: Sequence[float], gallery_size: int) -> bool:
    """Return whether a pair is one person by its lead. `third`: the scores of either with other faces."""
    return bool(third) and score > max(third) and score >= point.threshold_of_leader(gallery_size, max(third))


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
