"""The faces or users of a group that are most similar to one, above a similarity that the caller chooses.

Which of them are the same person is decided in recognition's way (core/decision, negatives); the scale is
core/decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.core import acts
from chalicelib.core.decision import MATCH, is_match, judged, judged_score, similarity
from chalicelib.core.model import Candidate, Face, Group, Tenant
from chalicelib.core.recognised import Similar, SimilarUser, Wanted
from chalicelib.core.records.sighting_entries import decision_said
from chalicelib.core.search import SearchRequest, demands, verdicts
from chalicelib.core.templates import vector
from chalicelib.core.users import User, gallery_group, id_of, is_users
from chalicelib.core.values import known
from chalicelib.services.recognition.recognition import read_faces, settled, template_of
from chalicelib.services.rooms import UseCase

if TYPE_CHECKING:
    pass


class Ranking(UseCase):
    def of_probe(self, tenant: Tenant, group: Group, wanted: Wanted) -> list[Similar]:
        """Return the wanted faces of a group, the most similar first; ties in the order of the ids.

        Raises Busy, WrongModel.
        """
        faces: dict[str, Face] = {}

        def turns_down(one: Candidate) -> bool:
            face, negatives = faces[one.faceid], self.book.recognition.negatives
            if not is_match(one.score, -1.0, wanted.quality, face.estimates.quality):
                return True
            return negatives.turn_down(tenant.name, face, wanted.probe, tenant.model, one.score)

        def read(candidates: Sequence[Candidate]) -> Callable[[Candidate], bool]:
            faces.update(read_faces(self.book.faces, tenant, candidates))
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
        vision = self.book.tenant_vision.of(tenant.model)
        decides = self.book.tenant_vision.decides(tenant)
        limit = wanted.most if wanted.besides is None else wanted.most + 1
        point = decides if wanted.least >= MATCH else None  # with it, a search finds only what may match
        request = SearchRequest(tenant.model, wanted.probe[None], [group_id], limit, point, templates=True)
        answer = self.book.ports.search.search(tenant.name, request)
        (asked,) = demands(answer, wanted.probe[None], vision.population)
        (judgements,) = verdicts(answer, decides, vision.population, wanted.probe[None])
        found = list(zip(answer.candidates[0], asked, judgements, strict=False))
        candidates = [one for one in found if one[0].faceid != wanted.besides][: wanted.most]
        turns_down = read([one for one, _, _ in candidates])
        ranked: list[tuple[str, float]] = []
        for one, demand, verdict in candidates:
            match = verdict.match and not turns_down(one)
            likeness = similarity(
                judged_score(one.score, demand), decides.curve, answer.gallery_size, decides.fpir_target
            )
            if judged(likeness, match=match) >= wanted.least:
                ranked.append((one.faceid, judged(likeness, match=match)))
        best = ranked[0][0] if ranked and not is_users(ranked[0][0]) else None
        said = {"face": best, "model": tenant.model, "found": len(ranked)}
        acts.decided([known({**said, **decision_said(replace(judgements[0].decision, seq=answer.seq))})])
        return sorted(ranked, key=lambda one: -one[1])  # stable: then by score, then by id


def _like(tenant: Tenant, face: Face, least: float, most: int) -> Wanted:
    return Wanted(vector(template_of(face, tenant.model)), face.estimates.quality, least, most)
