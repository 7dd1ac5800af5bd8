"""The faces or users of a group that are most similar to one, above a similarity that the caller chooses.

Which of them are the same person is decided in recognition's way (core/decision, negatives); the scale is
core/similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.core import acts
from chalicelib.core.decision import OperatingPoint
from chalicelib.core.model import Candidate, Face, Group, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.core.search import FaceSearch, SearchAnswer, SearchRequest, verdicts
from chalicelib.core.similarity import MATCH, judged, similarity
from chalicelib.core.templates import vector
from chalicelib.core.users import User, gallery_group, id_of, is_users
from chalicelib.core.values import known
from chalicelib.services.audit.sightings import decision_said
from chalicelib.services.commit.gallery import GalleryMoved
from chalicelib.services.faces.faces import Faces
from chalicelib.services.models.tenant_vision import TenantVision
from chalicelib.services.recognition.negatives import Negatives
from chalicelib.services.recognition.recognition import read_faces, settled, template_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Similar:
    """A face and its similarity to the probe, 0..100."""

    face: Face
    similarity: float


@dataclass(frozen=True)
class SimilarUser:
    """A user's id and its similarity to the probe, 0..100."""

    id: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Wanted:
    """A probe, and what is wanted of its ranking: the `most` entries with a similarity of `least` or more.

    `probe`: (dimensions,) float32, a unit vector of the tenant's model; `quality`: that of its picture, None if it was
    not measured; `besides`: a face, or a user's entry, that is left out.
    """

    probe: NDArray[np.float32]
    quality: float | None
    least: float
    most: int
    besides: str | None = None


@dataclass
class Ranking:
    items: ItemStore
    tenant_vision: TenantVision
    search: Callable[[], FaceSearch]
    faces: Faces
    fpir_target: float

    def of_probe(self, tenant: Tenant, group: Group, wanted: Wanted) -> list[Similar]:
        """Return the wanted faces of a group, the most similar first; ties in the order of the ids.

        Raises Busy, WrongModel.
        """
        faces: dict[str, Face] = {}

        def turns_down(one: Candidate) -> bool:
            return Negatives(self.items).turn_down(
                tenant.name, faces[one.faceid], wanted.probe, tenant.model, one.score
            )

        def read(candidates: Sequence[Candidate]) -> Callable[[Candidate], bool]:
            faces.update(read_faces(self.faces, tenant, candidates))
            return turns_down

        found = settled(lambda: self._ranked(tenant, group.id, wanted, read))
        return [Similar(faces[faceid], similar) for faceid, similar in found]

    def of_face(self, tenant: Tenant, group: Group, face: Face, *, least: float, most: int) -> list[Similar]:
        """Return the faces of a group that are similar to one of them, itself left out.

        Raises FaceNotFound if the face has no template of the tenant's model, and as `of_probe`.
        """
        return self.of_probe(tenant, group, replace(_like(tenant, face, least, most), besides=face.faceid))

    def users_of_probe(self, tenant: Tenant, group: Group, wanted: Wanted) -> list[SimilarUser]:
        """Return the users of a group by the means of their faces, as `of_probe` does."""
        found = settled(
            lambda: self._ranked(tenant, gallery_group(group.id), wanted, lambda _: lambda _: False),
        )
        return [SimilarUser(id_of(entry), similar) for entry, similar in found]

    def users_of_face(self, tenant: Tenant, group: Group, face: Face, *, least: float, most: int) -> list[SimilarUser]:
        """Return the users that are similar to a face, its own too. Raises as `of_face`."""
        return self.users_of_probe(tenant, group, _like(tenant, face, least, most))

    def users_of_user(self, tenant: Tenant, group: Group, user: User, *, least: float, most: int) -> list[SimilarUser]:
        """Return the users that are similar to one of them, itself left out; none if it has no faces."""
        own = next((one for one in user.templates if one.model == tenant.model), None)
        if own is None:
            return []
        return self.users_of_probe(tenant, group, Wanted(vector(own), None, least, most, user.entry))

    def _ranked(
        self,
        tenant: Tenant,
        group_id: str,
        wanted: Wanted,
        read: Callable[[Sequence[Candidate]], Callable[[Candidate], bool]],
    ) -> list[tuple[str, float]]:
        """Return the entries that are found with their similarity. `read`: reads them, and returns what turns one down.

        Raises GalleryMoved: search again.
        """
        curve = self.tenant_vision.of(tenant.model).impostor_curve
        decides = OperatingPoint(curve, self.fpir_target)
        answer = self._found(tenant, group_id, wanted, decides)
        judgements = verdicts(answer, decides, [wanted.quality])[0]
        matches = {one.candidate.faceid for one in judgements if one.candidate and one.match}
        found = answer.candidates[0]
        if wanted.least < MATCH:  # with an operating point, a search finds only what may match
            nearest = self._found(tenant, group_id, wanted, None)
            if nearest.seq != answer.seq:
                raise GalleryMoved
            found = nearest.candidates[0]
        candidates = [one for one in found if one.faceid != wanted.besides][: wanted.most]
        turns_down = read(candidates)
        ranked: list[tuple[str, float]] = []
        for one in candidates:
            match = one.faceid in matches and not turns_down(one)
            similar = judged(similarity(one.score, curve, answer.gallery_size, self.fpir_target), match=match)
            if similar >= wanted.least:
                ranked.append((one.faceid, similar))
        best = ranked[0][0] if ranked and not is_users(ranked[0][0]) else None
        said = {"face": best, "model": tenant.model, "found": len(ranked)}
        acts.decided([known({**said, **decision_said(replace(judgements[0].decision, seq=answer.seq))})])
        return sorted(ranked, key=lambda one: -one[1])  # stable: then by score, then by id

    def _found(self, tenant: Tenant, group_id: str, wanted: Wanted, decides: OperatingPoint | None) -> SearchAnswer:
        limit = wanted.most if wanted.besides is None else wanted.most + 1
        request = SearchRequest(tenant.model, wanted.probe[None], [group_id], limit, operating_point=decides)
        return self.search().search(tenant.name, request)


def _like(tenant: Tenant, face: Face, least: float, most: int) -> Wanted:
    return Wanted(vector(template_of(face, tenant.model)), face.estimates.quality, least, most)
