"""The faces or users of a group that are most similar to one, above a similarity that the caller chooses.

Which of them are the same person is decided in recognition's way (book/rules/decision, negatives); the scale is
book/rules/decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import settled
from chalicelib.book.records.faces import user_from
from chalicelib.book.rooms import UseCase
from chalicelib.book.rules.decision import (
    MATCH,
    SearchRequest,
    fit_similarity,
    is_match,
    rate_similarity,
    subtract_demand,
)
from chalicelib.book.rules.recognised import Similar, SimilarUser, Wanted
from chalicelib.book.rules.templates import User, gallery_group, id_of, is_users, template_of, vector
from chalicelib.book.words import acts, keys
from chalicelib.book.words.acts import decision_said
from chalicelib.book.words.model import Face, Group, Tenant
from chalicelib.book.words.values import omit_none

if TYPE_CHECKING:
    pass


class Ranking(UseCase):
    def of_probe(self, tenant: Tenant, group: Group, wanted: Wanted) -> list[Similar]:
        """Return the wanted faces of a group, the most similar first; ties in the order of the ids.

        Raises Busy, WrongModel.
        """
        found, faces = self._rank_entries(tenant, group.id, wanted)
        return [Similar(faces[faceid], similar) for faceid, similar in found]

    def of_face(self, tenant: Tenant, group: Group, face: Face, *, least: float, most: int) -> list[Similar]:
        """Return the faces of a group that are similar to one of them, itself left out.

        Raises FaceNotFound if the face has no template of the tenant's model, and as `of_probe`.
        """
        return self.of_probe(tenant, group, replace(_like(tenant, face, least, most), besides=face.faceid))

    def users_of_probe(self, tenant: Tenant, group: Group, wanted: Wanted) -> list[SimilarUser]:
        """Return the users of a group by the means of their faces, as `of_probe` does."""
        found, _ = self._rank_entries(tenant, gallery_group(group.id), wanted)
        places = [(tenant.name, keys.user_item(entry)) for entry, _ in found]
        acts.read_users(user_from(item) for item in self.book.items.get_many(keys.DIRECTORY, places) if item)
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

    @settled
    def _rank_entries(
        self, tenant: Tenant, group_id: str, wanted: Wanted
    ) -> tuple[list[tuple[str, float]], Mapping[str, Face]]:
        """Return the entries that are found with their similarity, and the faces among them by id.

        Raises GalleryMoved: search again.
        """
        decides = self.book.tenant_vision.decides(tenant)
        limit = wanted.most if wanted.besides is None else wanted.most + 1
        point = decides if wanted.least >= MATCH else None  # with it, a search finds only what may match
        request = SearchRequest(tenant.model, wanted.probe[None], [group_id], limit, point)
        answer, (judgements,) = self.book.recognition.search_and_judge(tenant, request, decides)
        found = [(one, verdict) for verdict in judgements if (one := verdict.candidate)]
        candidates = [both for both in found if both[0].faceid != wanted.besides][: wanted.most]
        of_users = is_users(group_id)
        faces = {} if of_users else self.book.faces.of_candidates(tenant, (one for one, _ in candidates))
        ranked: list[tuple[str, float]] = []
        for one, verdict in candidates:
            match = verdict.match and (of_users or self._is_fit(tenant, faces[one.faceid], wanted, one.score))
            likeness = rate_similarity(
                subtract_demand(one.score, verdict.demand), decides.curve, answer.gallery_size, decides.fpir_target
            )
            if fit_similarity(likeness, match=match) >= wanted.least:
                ranked.append((one.faceid, fit_similarity(likeness, match=match)))
        best = ranked[0][0] if ranked and not of_users else None
        said = {"face": best, "model": tenant.model, "found": len(ranked)}
        acts.report_decisions([omit_none({**said, **decision_said(replace(judgements[0].decision, seq=answer.seq))})])
        return sorted(ranked, key=lambda one: -one[1]), faces  # stable: then by score, then by id

    def _is_fit(self, tenant: Tenant, face: Face, wanted: Wanted, score: float) -> bool:
        """Return whether the face can be compared with what is wanted, and no negative turns that down."""
        if not is_match(score, -1.0, wanted.quality, face.estimates.quality):
            return False
        negatives = self.book.recognition.negatives
        return not negatives.turn_down(tenant.name, face, wanted.probe, tenant.model, score)


def _like(tenant: Tenant, face: Face, least: float, most: int) -> Wanted:
    return Wanted(vector(template_of(face, tenant.model)), face.estimates.quality, least, most)
