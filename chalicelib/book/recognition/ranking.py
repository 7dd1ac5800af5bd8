"""The faces or face sets of a group that are most similar to one, above a similarity that the
caller chooses.

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
from chalicelib.domain.rules.recognised import RankingRequest, Similar
from chalicelib.domain.rules.templates import (
    gallery_group,
    is_face_set,
    parse_vector,
    template_of,
)
from chalicelib.service import Service
from chalicelib.storage.values import omit_none

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class Ranking(Service["Book"]):
    def rank_faces(
        self, tenant: Tenant, group: Group, ranking_request: RankingRequest
    ) -> list[Similar]:
        """Return the wanted faces of a group, the most similar first; ties in the order of the ids.

        `ranking_request`: the face that they are compared with, how many, from which similarity on.
        The search raises Busy, and WrongModel if the tenant changed its face model meanwhile.
        """
        ranked, faces = self._rank_entries(tenant, group.id, ranking_request)
        return [Similar(faces[faceid], similar) for faceid, similar in ranked]

    def rank_faces_like(
        self, tenant: Tenant, group: Group, face: Face, *, least_similarity: float, max_faces: int
    ) -> list[Similar]:
        """Return the faces of a group that are similar to one of them, itself left out.

        The most similar come first. Raises FaceNotFound if the face has no template of the tenant's
        model, and as `rank_faces`.
        """
        request = _make_ranking_request(tenant, face, least_similarity, max_faces)
        return self.rank_faces(tenant, group, replace(request, excluded_id=face.faceid))

    def rank_face_sets(
        self, tenant: Tenant, group: Group, ranking_request: RankingRequest
    ) -> list[tuple[str, float]]:
        """Return the wanted face sets of a group by the means of their faces, the most similar
        first: the entry of each, and its similarity, 0..100.

        The search raises Busy and WrongModel.
        """
        ranked, _ = self._rank_entries(tenant, gallery_group(group.id), ranking_request)
        return ranked

    @retry_if_gallery_moved
    def _rank_entries(
        self, tenant: Tenant, group_id: str, ranking_request: RankingRequest
    ) -> tuple[list[tuple[str, float]], Mapping[str, Face]]:
        """Return the most similar entries of a group, (id, similarity) each, and the faces by id.

        An entry is a face or, in a group of face sets (`gallery_group`), one of these, for which no
        faces are returned. First a search rates more entries than
        are wanted, by their scores. Then the best faces are read, since what is stored of a face
        may make it less similar. The audit log is told the best face.

        Reading the faces raises GalleryMoved if one was deleted or moved since the search. Then all
        is done again, and Busy is raised after five times. The search raises Busy and WrongModel.
        """
        wanted = ranking_request
        # The operating point is the rule from which score on two faces match (similarity 80). If
        # only matches are wanted, a search that is told it leaves out the others, with less work.
        point = self.services.tenant_vision.make_operating_point(tenant)
        search_point = point if wanted.least_similarity >= MATCH else None
        # The search orders by score, the ranking by similarity: more are found than are wanted.
        limit = count_judged(wanted.max_entries)
        if wanted.excluded_id is not None:
            limit += 1  # it is found, too, and left out below
        request = SearchRequest(tenant.model, wanted.probe[None], [group_id], limit, search_point)
        answer, (verdicts,) = self.services.recognition.search_and_judge(tenant, request, point)

        likely = []
        for verdict in verdicts:
            candidate = verdict.candidate
            if candidate is None or candidate.faceid == wanted.excluded_id:
                continue
            similarity = _rate_candidate(candidate, verdict, point, answer.gallery_size)
            if similarity >= wanted.least_similarity:
                likely.append(_Entry(candidate, similarity))
        ranked = _sort_entries(likely)
        faces: Mapping[str, Face] = {}
        best_faceid = None
        if is_face_set(group_id):  # a set has no picture of its own, nor rejected ones
            ranked = ranked[: wanted.max_entries]
        else:  # what a face's record says may make it less similar
            ranked, faces = self._rate_faces(tenant, ranked, wanted)
            best_faceid = ranked[0].candidate.faceid if ranked else None

        report = {"face": best_faceid, "model": tenant.model, "found": len(ranked)}
        # The nearest entry's; `seq`: the gallery's version.
        decision = replace(verdicts[0].decision, seq=answer.seq)
        audit_events.report_decisions([omit_none({**report, **decision_said(decision)})])
        return [(entry.candidate.faceid, entry.similarity) for entry in ranked], faces

    def _rate_faces(
        self, tenant: Tenant, likely: Sequence[_Entry], ranking_request: RankingRequest
    ) -> tuple[list[_Entry], Mapping[str, Face]]:
        """Return the wanted entries, the most similar first, and the faces that were read for them.

        `likely` are the entries as the search alone rates them, the most similar first. A face may
        be rated lower once it is read, never higher: its picture is poor, or a person rejected the
        probe for it. So faces are read, `max_entries` at a time, until no unread one can be among
        the best.

        Example: two are wanted, and likely are 90, 85 and 82. If 85 turns out to be below 80, 82 is
        read, too.
        """
        wanted = ranking_request.max_entries
        faces: dict[str, Face] = {}
        rated: list[_Entry] = []
        while len(rated) < len(likely):
            part = likely[len(rated) : len(rated) + wanted]
            candidates = (entry.candidate for entry in part)
            faces.update(self.services.faces.read_candidate_faces(tenant, candidates))
            newly_rated = [
                self._rate_read_face(tenant, faces[entry.candidate.faceid], ranking_request, entry)
                for entry in part
            ]
            rated = _sort_entries([*rated, *newly_rated])
            next_unread = likely[len(rated) : len(rated) + 1]
            best_so_far = _sort_entries([*rated, *next_unread])[:wanted]
            if len(rated) >= wanted and best_so_far == rated[:wanted]:
                break
        least = ranking_request.least_similarity
        return [entry for entry in rated[:wanted] if entry.similarity >= least], faces

    def _rate_read_face(
        self, tenant: Tenant, face: Face, ranking_request: RankingRequest, entry: _Entry
    ) -> _Entry:
        """Return a face's entry, with a similarity just below 80 if the read face may not match."""
        if entry.similarity < MATCH:
            return entry
        if self._may_match(tenant, face, ranking_request, entry.candidate.score):
            return entry
        return entry._replace(similarity=fit_similarity(entry.similarity, match=False))

    def _may_match(
        self, tenant: Tenant, face: Face, ranking_request: RankingRequest, score: float
    ) -> bool:
        """Return whether a face may match the probe, as far as the search could not see.

        A search knows the score alone, and two things that it does not know speak against a match.
        Both pictures may be too poor, so that the `score` shows only that they are blurred alike.
        Or the probe is more like a picture that a person rejected for the face (a negative).
        """
        qualities = (ranking_request.quality, face.estimates.quality)
        # The search held the score against its threshold. So here every score reaches it (-1 is the
        # least cosine), and `is_match` looks at the qualities alone.
        if not is_match(score, -1.0, *qualities):
            return False
        negatives = self.services.recognition.negatives
        return not negatives.turns_down(
            tenant.name, face, ranking_request.probe, tenant.model, score
        )


class _Entry(NamedTuple):
    """A face's or a face set's entry in the gallery, and its similarity as far as it is known."""

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
    """Return a candidate's similarity, 0..100: 80 or more if the verdict says match.

    It is the highest possible: the face's picture and its negatives are not looked at yet.
    """
    # A pair's demand: what it needs beyond the usual score, if many people resemble the two.
    judged_score = subtract_demand(candidate.score, verdict.demand)
    similarity = rate_similarity(judged_score, point.curve, gallery_size, point.fpir_target)
    return fit_similarity(similarity, match=verdict.match)


def _make_ranking_request(
    tenant: Tenant, face: Face, least_similarity: float, max_number: int
) -> RankingRequest:
    """Return the request for those that are most similar to a face, itself included."""
    return RankingRequest(
        probe=parse_vector(template_of(face, tenant.model)),
        quality=face.estimates.quality,
        least_similarity=least_similarity,
        max_entries=max_number,
    )
