"""How like is a face to the others of its gallery? The means of their pictures are compared.

A search compares a picture with faces; this compares faces with each other. So neither is the probe, and a pair has the
same decision from either side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.core.decision import DEFAULT_FPIR, JOIN_FPIR, SUGGEST_FPIR, OperatingPoint, comparable
from chalicelib.core.model import Candidate, Decision, Face, Tenant
from chalicelib.core.search import SearchRequest, demands
from chalicelib.services.rooms import UseCase

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


class Likeness(UseCase):
    def of(self, tenant: Tenant, faces: Sequence[Face]) -> list[Pair]:
        """Return the pairs of each face with the others that reach the threshold of SUGGEST_FPIR, the likeliest first.

        Raises WrongModel if the tenant's model was changed, and the errors of a search.
        """
        near = self._near(tenant, faces)
        suggests = OperatingPoint(self.book.tenant_vision.of(tenant.model).impostor_curve, SUGGEST_FPIR)
        known = {face.faceid: face for face in faces}
        found = [
            (known[faceid], one)
            for faceid, others in near.faces.items()
            for one in others
            if one.score >= suggests.threshold(near.gallery_size, one.demand)
        ]
        others = self.book.faces.by_id(tenant, {one.faceid for _, one in found} - known.keys())
        both = _Nearest(near.gallery_size, {**self._near(tenant, list(others.values())).faces, **near.faces})
        known |= others
        pairs = [
            self._judged(tenant, (face, known[one.faceid]), one, both) for face, one in found if one.faceid in known
        ]
        return sorted(filter(None, pairs), key=lambda pair: pair.decision.threshold - (pair.decision.score or 0.0))

    def _judged(self, tenant: Tenant, both: tuple[Face, Face], near: _Near, nearest: _Nearest) -> Pair | None:
        """Judge two faces, the second by what it is to the first; None if they are too poor to be compared."""
        curve, quality = self.book.tenant_vision.of(tenant.model).impostor_curve, min(map(_quality, both))
        if not comparable(quality):
            return None
        joins, searches = (OperatingPoint(curve, fpir) for fpir in (JOIN_FPIR, DEFAULT_FPIR))
        candidate, size = Candidate(near.faceid, both[1].group_id, near.score), nearest.gallery_size
        decision, ids = joins.verdict(candidate, size, near.demand).decision, [one.faceid for one in both]
        third = [one.judged for faceid in ids for one in nearest.faces.get(faceid, ()) if one.faceid not in ids]
        return Pair(*both, decision, leads=searches.leads(near.judged, third, size))

    def _near(self, tenant: Tenant, faces: Sequence[Face]) -> _Nearest:
        """Return the faces most like each face, itself left out."""
        means = _means(tenant, faces)
        if not means:
            return _Nearest(0, {})
        probes = _rows(means)
        request = SearchRequest(tenant.model, probes, limit=_CANDIDATES + 1, templates=True)
        answer = self.book.ports.search.search(tenant.name, request)
        asked = demands(answer, probes, self.book.tenant_vision.of(tenant.model).population)
        found = {
            faceid: [
                _Near(one.faceid, one.score, demand)
                for one, demand in zip(candidates, theirs, strict=True)
                if one.faceid != faceid
            ]
            for faceid, candidates, theirs in zip(means, answer.candidates, asked, strict=True)
        }
        return _Nearest(answer.gallery_size, found)


class _Near(NamedTuple):
    """A face that is like another one, their score, and by how much their threshold is raised."""

    faceid: str
    score: float
    demand: float

    @property
    def judged(self) -> float:
        return self.score - self.demand


class _Nearest(NamedTuple):
    """The faces nearest to each of some, by faceid, in a gallery of so many."""

    gallery_size: int
    faces: Mapping[str, list[_Near]]


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
