"""The faces or users of a group that are most similar to one, above a similarity that the caller
chooses.

Which of them are the same person is decided in recognition's way (domain/rules/decision,
negatives); the scale is domain/rules/decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from chalicelib.book.commit import retry_if_gallery_moved
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import decision_said
from chalicelib.domain.model import Candidate, Face, Group, Tenant
from chalicelib.domain.rules.decision import (
    MATCH,
    OperatingPoint,
    SearchRequest,
    Verdict,
    count_judged,
    fit_similarity,
    is_match,
    rate_similarity,
    subtract_demand,
)
from chalicelib.domain.rules.recognised import RankingRequest, Similar, SimilarUser
from chalicelib.domain.rules.templates import (
    User,
    gallery_group,
    id_of,
    is_users,
    parse_vector,
    template_of,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.records.faces import user_from
from chalicelib.storage.values import omit_none

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class Ranking(Service["Book"]):
    def rank_faces(
        self, tenant: Tenant, group: Group, ranking_request: RankingRequest
    ) -> list[Similar]:
        """Return the wanted faces of a group, the most similar first; ties in the order of the ids.

        Raises Busy, WrongModel.
        """
        ranked, faces = self._rank_entries(tenant, group.id, ranking_request)
        return [Similar(faces[faceid], similar) for faceid, similar in ranked]

    def rank_faces_like(
        self, tenant: Tenant, group: Group, face: Face, *, least_similarity: float, max_faces: int
    ) -> list[Similar]:
        """Return the faces of a group that are similar to one of them, itself left out.

        Raises FaceNotFound if the face has no template of the tenant's model, and as `rank_faces`.
        """
        return self.rank_faces(
            tenant,
            group,
            replace(
                _make_ranking_request(tenant, face, least_similarity, max_faces),
                excluded_id=face.faceid,
            ),
        )

    def rank_users(
        self, tenant: Tenant, group: Group, ranking_request: RankingRequest
    ) -> list[SimilarUser]:
        """Return the wanted users of a group by the means of their faces, the most similar first.

        Raises Busy, WrongModel.
        """
        ranked, _ = self._rank_entries(tenant, gallery_group(group.id), ranking_request)
        user_keys = [(tenant.name, keys.user_item(entry)) for entry, _ in ranked]
        audit_events.report_users(
            user_from(item)
            for item in self.services.items.get_many(keys.DIRECTORY, user_keys)
            if item
        )
        return [SimilarUser(id_of(entry), similar) for entry, similar in ranked]

    def rank_users_like_face(
        self, tenant: Tenant, group: Group, face: Face, *, least_similarity: float, max_users: int
    ) -> list[SimilarUser]:
        """Return the users that are similar to a face, its own too. Raises as `rank_faces_like`."""
        return self.rank_users(
            tenant, group, _make_ranking_request(tenant, face, least_similarity, max_users)
        )

    def rank_users_like_user(
        self, tenant: Tenant, group: Group, user: User, *, least_similarity: float, max_users: int
    ) -> list[SimilarUser]:
        """Return the users that are similar to one of them, itself left out; none if it has no
        faces."""
        mean = next(
            (template for template in user.templates if template.model == tenant.model), None
        )
        if mean is None:
            return []
        return self.rank_users(
            tenant,
            group,
            RankingRequest(parse_vector(mean), None, least_similarity, max_users, user.entry),
        )

    @retry_if_gallery_moved
    def _rank_entries(
        self, tenant: Tenant, group_id: str, ranking_request: RankingRequest
    ) -> tuple[list[tuple[str, float]], Mapping[str, Face]]:
        """Return the entries that are found with their similarity, and the faces among them by id.

        Raises GalleryMoved: search again.
        """
        point = self.services.tenant_vision.make_operating_point(tenant)
        search_point = (
            point if ranking_request.least_similarity >= MATCH else None
        )  # with it, a search finds only what may match
        max_entries = ranking_request.max_entries
        limit = count_judged(max_entries) + (ranking_request.excluded_id is not None)
        request = SearchRequest(
            tenant.model, ranking_request.probe[None], [group_id], limit, search_point
        )
        answer, (judgements,) = self.services.recognition.search_and_judge(tenant, request, point)
        entries = [
            _Entry(candidate, _rate_candidate(candidate, verdict, point, answer.gallery_size))
            for verdict in judgements
            if (candidate := verdict.candidate) and candidate.faceid != ranking_request.excluded_id
        ]
        likely = [
            entry
            for entry in _sort_entries(entries)
            if entry.similarity >= ranking_request.least_similarity
        ]
        of_users = is_users(group_id)
        no_faces: Mapping[str, Face] = {}
        ranked, faces = (
            (likely[:max_entries], no_faces)
            if of_users
            else self._rate_faces(tenant, likely, ranking_request)
        )
        best_faceid = None if of_users or not ranked else ranked[0].candidate.faceid
        report = {"face": best_faceid, "model": tenant.model, "found": len(ranked)}
        audit_events.report_decisions(
            [
                omit_none(
                    {**report, **decision_said(replace(judgements[0].decision, seq=answer.seq))}
                )
            ]
        )
        return [(entry.candidate.faceid, entry.similarity) for entry in ranked], faces

    def _rate_faces(
        self, tenant: Tenant, likely: Sequence[_Entry], ranking_request: RankingRequest
    ) -> tuple[list[_Entry], Mapping[str, Face]]:
        """Return the wanted faces' entries, the most similar first, and the faces that were read.

        `likely`: the most similar first. A face may turn out less similar once it is read, never
        more: so no more are read once the wanted ones come before all others.
        """
        wanted, faces = ranking_request.max_entries, dict[str, Face]()
        rated: list[_Entry] = []
        while len(rated) < len(likely):
            part = likely[len(rated) : len(rated) + wanted]
            faces.update(
                self.services.faces.read_candidate_faces(
                    tenant, (entry.candidate for entry in part)
                )
            )
            rated = _sort_entries(
                [
                    *rated,
                    *(
                        self._rate_read_face(
                            tenant, faces[entry.candidate.faceid], ranking_request, entry
                        )
                        for entry in part
                    ),
                ]
            )
            rest = likely[len(rated) : len(rated) + 1]
            if _sort_entries([*rated, *rest])[:wanted] == rated[:wanted] and len(rated) >= wanted:
                break
        least = ranking_request.least_similarity
        return [entry for entry in rated[:wanted] if entry.similarity >= least], faces

    def _rate_read_face(
        self, tenant: Tenant, face: Face, ranking_request: RankingRequest, entry: _Entry
    ) -> _Entry:
        if entry.similarity < MATCH or self._is_fit(
            tenant, face, ranking_request, entry.candidate.score
        ):
            return entry
        return entry._replace(similarity=fit_similarity(entry.similarity, match=False))

    def _is_fit(
        self, tenant: Tenant, face: Face, ranking_request: RankingRequest, score: float
    ) -> bool:
        """Return whether the face can be compared with what is wanted, and no negative turns that
        down."""
        if not is_match(score, -1.0, ranking_request.quality, face.estimates.quality):
            return False
        negatives = self.services.recognition.negatives
        return not negatives.turns_down(
            tenant.name, face, ranking_request.probe, tenant.model, score
        )


class _Entry(NamedTuple):
    """A face's or a user's entry in the gallery, and its similarity as far as it is known."""

    candidate: Candidate
    similarity: float


def _sort_entries(entries: Iterable[_Entry]) -> list[_Entry]:
    """Sort entries by similarity, then by score, then by id."""
    return sorted(
        entries,
        key=lambda entry: (-entry.similarity, -entry.candidate.score, entry.candidate.faceid),
    )


def _rate_candidate(
    candidate: Candidate, verdict: Verdict, point: OperatingPoint, gallery_size: int
) -> float:
    """Rate a candidate as if its picture were good, and no negative turned it down."""
    judged_score = subtract_demand(candidate.score, verdict.demand)
    similarity = rate_similarity(judged_score, point.curve, gallery_size, point.fpir_target)
    return fit_similarity(similarity, match=verdict.match)


def _make_ranking_request(
    tenant: Tenant, face: Face, least_similarity: float, max_number: int
) -> RankingRequest:
    return RankingRequest(
        parse_vector(template_of(face, tenant.model)),
        face.estimates.quality,
        least_similarity,
        max_number,
    )
