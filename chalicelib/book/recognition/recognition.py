"""The decision whose face a probe is. Searches and sightings both take it from here.

When a score is a match: book/rules/decision. Beside the search itself:

- Negatives: pictures a user rejected for a face. A probe closer to a negative than to the face does not match it.
- Duplicates: whether somebody is enrolled already. A face that would be enrolled twice is worse than a missed search,
  so this needs more likeness: DUPLICATE_FPIR.
- The same visit: a face that was surely seen a moment before or after is recognised by a lower score. A search compares
  with the whole gallery, so a poor picture of a known person may miss the threshold that so many faces ask for. If the
  same camera surely saw that person within a minute, or on the same track, only the few faces that were seen there are
  in question, and the threshold is that of so small a gallery (book/rules/decision).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import GalleryMoved
from chalicelib.book.records.captures import capture_from
from chalicelib.book.rooms import Made, UseCase
from chalicelib.book.rules.decision import (
    DUPLICATE_FPIR,
    OperatingPoint,
    SearchAnswer,
    SearchRequest,
    Verdict,
    comparable,
    is_match,
    judge_candidates,
    judge_in_visit,
    subtract_demand,
)
from chalicelib.book.rules.recognised import Probes, Recognised
from chalicelib.book.rules.templates import of_model, vector
from chalicelib.book.words import acts, keys
from chalicelib.book.words.acts import decision_said
from chalicelib.book.words.captures import Camera, Capture, CaptureState, SeenFace, captured_ms, sighting_id
from chalicelib.book.words.items import Bounds, every, write_unless_changed
from chalicelib.book.words.lazy import lazy
from chalicelib.book.words.model import DEFAULT_GROUPS, Candidate, Face, Negative, Template, Tenant
from chalicelib.book.words.ports import Action, Delete, Item, Put, Update, exists
from chalicelib.book.words.telemetry import stage
from chalicelib.book.words.values import Codec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.recognition.face_analysis import FaceAnalysis
    from chalicelib.book.recognition.ranking import Ranking
    from chalicelib.book.recognition.stored_pictures import StoredPictures
    from chalicelib.book.recognition.verification import Verification
    from chalicelib.book.rules.visits import DefaultGroups, FaceVisits


CANDIDATES = 5
"""Candidates that a search asks for, so that another one is left if a negative turns the best down."""

MAX_NEGATIVES = 20
"""The most negatives of one face. A face that is mistaken more often needs a better picture."""

MINUTE_MS = 60_000

TRACK_MS = 300_000
"""Captures of one track that are further apart are no evidence: a camera may use a track's name again."""

NEAREST = 4
"""Faces that a picture is compared with: those on its track, then those seen nearest in time. More do not stand before
one camera at one moment, and in a stream of people each would be one more chance of a false match."""

_MOST_CAPTURES = 100


class Recognition(UseCase):
    """The searches that tell whose face a probe is."""

    negatives: Made[Negatives] = Made("book.recognition.recognition.Negatives")
    ranking: Made[Ranking] = Made("book.recognition.ranking.Ranking")
    face_analysis: Made[FaceAnalysis] = Made("book.recognition.face_analysis.FaceAnalysis")
    verification: Made[Verification] = Made("book.recognition.verification.Verification")

    @lazy
    def stored_pictures(self) -> StoredPictures:
        from chalicelib.book.recognition.stored_pictures import StoredPictures

        storage = self.book.settings.storage
        own = () if isinstance(storage, Path) else (storage.bucket, storage.captures_bucket)
        return StoredPictures(self.book.ports.objects, own)

    def of(
        self,
        tenant: Tenant,
        probes: Probes,
        *,
        group_ids: Sequence[str] | None = None,
        besides: str | None = None,
        visit: tuple[int, DefaultGroups] | None = None,
        most: int = 0,
        surely: bool = False,
    ) -> list[Recognised]:
        """Find for each probe the best candidate that matches and that no negative turns down.

        `group_ids`: None for all groups; `besides`: a face that no probe can be; `visit`: the time of a sighting, for
        which a face is read with its visits (of a user's faces the one that has the user's), and the tenant's groups,
        which were read just before; `most`: how many of the nearest faces to find, matching or not; `surely`: by
        DUPLICATE_FPIR, which is no decision that the audit has. Raises GalleryMoved if a candidate was deleted or moved
        after the search (search again), WrongModel (embed
        again).
        """
        decides = self.book.tenant_vision.decides(tenant, probes.model)
        decides = OperatingPoint(decides.curve, DUPLICATE_FPIR) if surely else decides
        limit, point = max(most, CANDIDATES), None if most else decides
        with stage("search"):
            request = SearchRequest(probes.model, probes.vectors, group_ids, limit, point, seq=visit and visit[1].seq)
            answer, judgements = self.search_and_judge(tenant, request, decides, are_matches=True)
        nobody = Recognised(None, decides.judge_candidate(None, answer.gallery_size), answer.seq)
        found = (
            self._first(tenant, probes, number, judged, answer.seq, besides=besides, visit=visit)
            for number, judged in enumerate(judgements)
        )
        recognised = [
            replace(one or nobody, near=near[:most]) for one, near in zip(found, answer.candidates, strict=True)
        ]
        if not surely:
            acts.report_decisions([_describe_decision(probes.model, one) for one in recognised])
        return recognised

    def search_and_judge(
        self, tenant: Tenant, request: SearchRequest, decides: OperatingPoint, *, are_matches: bool = False
    ) -> tuple[SearchAnswer, list[list[Verdict]]]:
        """Search, and judge the candidates of each probe, as `judge_candidates` does.

        `are_matches`: as `_choose_matches` does.
        Raises WrongModel, and the errors of a search.
        """
        population = self.book.tenant_vision.of(request.model).population
        least = population.bound_demands(request.probes) if request.operating_point else ()
        answer = self.book.ports.search.search(tenant.name, request._replace(templates=True, least_demands=least))
        judgements = judge_candidates(answer, decides, population, request.probes)
        if are_matches:
            judgements = [_choose_matches(judged, decides, answer.gallery_size) for judged in judgements]
        return answer, judgements

    def nearest(self, tenant: Tenant, camera: Camera, seen: SeenFace, most: int) -> tuple[Candidate, ...]:
        """Find the `most` faces of the camera's groups that a seen face is most like, matching or not.

        Raises WrongModel.
        """
        probe = vector(seen.template)[None, :]
        request = SearchRequest(seen.template.model, probe, list_searched_groups(camera), most)
        return self.book.ports.search.search(tenant.name, request).candidates[0]

    def of_visit(
        self,
        tenant: Tenant,
        camera: Camera,
        capture: Capture,
        seen: SeenFace,
        *,
        others: Sequence[SeenFace],
        found: Recognised,
        not_face: str | None = None,
    ) -> Recognised:
        """Return `found`, or the face of the same visit if the search found nobody.

        `others`: the picture's other faces. A face is not taken if one of them is more like it, or is it already; if
        the search's nearest is another face; if it is `not_face`; or if a negative turns it down.
        """
        if found.face is not None or not comparable(seen.estimates.quality):
            return found
        taken = {not_face, *(one.faceid for one in capture.sightings)}
        beside = self.beside(tenant, capture, alone=not others and len(capture.sightings) <= 1)
        groups = list_searched_groups(camera)
        rated = [
            (score, face.faceid, face)
            for face, _ in beside.values()
            if face.faceid not in taken
            and (groups is None or face.group_id in groups)
            and (score := score_with(face, seen.template)) is not None
        ]
        nearest = found.verdict.candidate
        if not rated or (nearest is not None and nearest.faceid not in {max(rated)[1], *taken}):
            return found
        score, _, face = max(rated)
        verdict = self._verdict(seen, face, score, beside[face.faceid][1], found)
        if not verdict.match or any((score_with(face, one.template) or 0.0) > score for one in others):
            return found
        probe, model = vector(seen.template), seen.template.model
        if self.negatives.turn_down(tenant.name, face, probe, model, score):
            return found
        return Recognised(face, verdict, found.seq)

    def beside(self, tenant: Tenant, capture: Capture, *, alone: bool) -> dict[str, tuple[Face, RecentSighting]]:
        """Return the faces that other captures of the same visit surely show, by id, each with its best evidence.

        They are the NEAREST at most. A sighting surely shows a face if its score was enough by itself, or if the face
        was made from it. `alone`: whether the capture shows one face only. A track counts only if both do.
        """
        shown = sorted(
            self._list_recent_sightings(tenant.name, capture, alone), key=lambda one: (not one.same_track, one.apart_ms)
        )
        ids = {(captured_ms(one.sighting_id), one.sighting_id): one.faceid for one in shown}
        faces = self.book.faces.find_by_sightings(tenant, ids) if ids else {}
        best: dict[str, tuple[Face, RecentSighting]] = {}
        for one in shown:
            if (face := faces.get(one.sighting_id)) and len(best) < NEAREST:
                best.setdefault(face.faceid, (face, one))
        return best

    def _first(
        self,
        tenant: Tenant,
        probes: Probes,
        number: int,
        judged: Sequence[Verdict],
        seq: int,
        *,
        besides: str | None,
        visit: tuple[int, DefaultGroups] | None,
    ) -> Recognised | None:
        """Return the match, without a face if the best candidate left does not match.

        Return None if all candidates were turned down.
        """
        for verdict in judged:
            if verdict.candidate is None or not verdict.match:
                return Recognised(None, verdict, seq)
            candidate = verdict.candidate
            held = self.book.face_visits.read_face(tenant, candidate.faceid, *visit) if visit else None
            face = held.face if held else None if visit else self.book.faces.find(tenant, candidate.faceid)
            if face is None or face.group_id != candidate.group_id:
                raise GalleryMoved
            probe, quality = probes.vectors[number], probes.qualities[number]
            if not is_match(candidate.score, verdict.decision.threshold, quality, face.estimates.quality):
                return Recognised(None, replace(verdict, match=False), seq)
            visitor = face
            if visit or besides:  # it is asked for a sighting
                visitor, held = self._visitor(tenant, face, held, visit)
            if not any(
                one.faceid == besides
                or self.negatives.turn_down(tenant.name, one, probe, probes.model, candidate.score)
                for one in {face.faceid: face, visitor.faceid: visitor}.values()
            ):
                return Recognised(visitor, verdict, seq, held)
        return None

    def _visitor(
        self, tenant: Tenant, face: Face, held: FaceVisits | None, visit: tuple[int, DefaultGroups] | None
    ) -> tuple[Face, FaceVisits | None]:
        """Return the face that has the visits of the face's user, itself if it has none; and that with its visits."""
        if not face.user or (id_ := self.book.faces.visitor(tenant, face)) == face.faceid:
            return face, held
        held = self.book.face_visits.read_face(tenant, id_, *visit) if visit else None
        visitor = held.face if held else None if visit else self.book.faces.find(tenant, id_)
        if visitor is None:
            raise GalleryMoved
        return visitor, held

    def _list_recent_sightings(self, tenant: str, capture: Capture, alone: bool) -> Iterator[RecentSighting]:
        """Yield what the camera's captures of the same visit surely show."""
        at_ms, reach_ms = captured_ms(capture.id), TRACK_MS if capture.track and alone else MINUTE_MS
        low, high = keys.capture_range(max(at_ms - reach_ms, 0), min(at_ms + reach_ms, keys.LAST_MS))
        partition = keys.captures(tenant, capture.camera_id)
        page = self.book.items.query(keys.CAPTURES, partition, low=low, high=high, reverse=True, limit=_MOST_CAPTURES)
        for other in map(capture_from, page.items):
            apart_ms = abs(captured_ms(other.id) - at_ms)
            shows_one = other.state is CaptureState.RESOLVED and len(other.sightings) == 1
            same_track = alone and capture.track == other.track != "" and shows_one
            if other.id == capture.id or not (same_track or apart_ms <= MINUTE_MS):
                continue
            for one in other.sightings:
                if one.faceid is not None and (one.decision is None or one.decision.by is None):
                    yield RecentSighting(one.faceid, sighting_id(other.id, one.number), same_track, apart_ms)

    def _verdict(self, seen: SeenFace, face: Face, score: float, shown: RecentSighting, found: Recognised) -> Verdict:
        vision, own = self.book.tenant_vision.of(seen.template.model), of_model(face.templates, seen.template.model)
        demand = 0.0 if own is None else vision.population.compute_demand(vector(seen.template), vector(own))
        return judge_in_visit(
            vision.impostor_curve,
            Candidate(face.faceid, face.group_id, score),
            demand,
            same_track=shown.same_track,
            beside=shown.sighting_id,
            gallery_size=found.verdict.decision.gallery_size,
        )


def _choose_matches(judged: Sequence[Verdict], decides: OperatingPoint, gallery_size: int) -> list[Verdict]:
    """Return those of the CANDIDATES nearest faces that match or would without their demand.

    The first is the one that its score less the demand speaks for most. If there are none, the verdict is on nobody.
    """
    usual = decides.threshold(gallery_size)
    near = [
        (subtract_demand(one.candidate.score, one.demand), one)
        for one in judged[:CANDIDATES]
        if one.candidate and (one.match or one.candidate.score >= usual)
    ]
    return [one for _, one in sorted(near, key=lambda both: -both[0])] or [decides.judge_candidate(None, gallery_size)]


def _describe_decision(model: str, found: Recognised) -> Mapping[str, Any]:
    """Describe a decision for the audit."""
    face = {} if found.face is None else {"face": found.face.faceid}
    return {**face, "model": model, **decision_said(found.decision)}


def list_searched_groups(camera: Camera) -> list[str] | None:
    """Return the ids of the groups that a camera searches; None: all.

    They include the default groups, so that the camera finds the strangers that it made and those promoted since.
    """
    if camera.group_ids is None:
        return None
    return list(dict.fromkeys([*camera.group_ids, *DEFAULT_GROUPS]))


class Negatives(UseCase):
    """The pictures that users rejected for a face."""

    def turn_down(self, tenant: str, face: Face, probe: NDArray[np.float32], model: str, score: float) -> bool:
        """Return whether the probe is closer to one of the face's negatives than to the face.

        `probe`: a unit vector of `model`; `score`: its score with the face.
        """
        return any(
            float(vector(template) @ probe) > score
            for one in self.of_face(tenant, face)
            for template in one.templates
            if template.model == model
        )

    def of_face(self, tenant: str, face: Face) -> list[Negative]:
        """Read the face's negatives in the order of their sightings, oldest first. Costs nothing if it has none."""
        return list(self._of_id(tenant, face.faceid)) if face.negatives else []

    def _of_id(self, tenant: str, faceid: str) -> Iterator[Negative]:
        return map(_negative_from, self._list_items(tenant, keys.negatives_range(faceid)))

    def every(self, tenant: str) -> Iterator[tuple[str, Negative]]:
        """Yield (faceid, negative) for all negatives of the tenant."""
        for item in self._list_items(tenant):
            yield keys.parts_of_negative(item["id"])[0], _negative_from(item)

    def add_template(self, tenant: str, faceid: str, negative: Negative, template: Template) -> bool:
        """Add a template of one more model. Return False if the negative was deleted meanwhile."""
        key = (tenant, keys.negative(faceid, negative.sighting_id))
        changed = replace(negative, templates=(*negative.templates, template))
        update = Update(keys.NEGATIVES, key, (exists("negative-there"),), set=_NEGATIVE.write(changed, "templates"))
        return write_unless_changed(self.book.items, [update])

    def of_sighting(self, tenant: str, faceid: str, sighting_id: str) -> Negative | None:
        return next((one for one in self._of_id(tenant, faceid) if one.sighting_id == sighting_id), None)

    def deletes(self, tenant: str, face: Face) -> list[Action]:
        """Return the actions that delete the face's negatives, for the transaction that deletes the face."""
        return [self.forgotten(tenant, face.faceid, one.sighting_id) for one in self.of_face(tenant, face)]

    def make_put(self, tenant: str, faceid: str, negative: Negative) -> Action:
        """Return the action that stores a negative. The same transaction must raise the face's `negatives` by 1."""
        place = {"tenant": tenant, "id": keys.negative(faceid, negative.sighting_id)}
        return Put(keys.NEGATIVES, {**place, **_NEGATIVE.write(negative)})

    def forgotten(self, tenant: str, faceid: str, sighting_id: str) -> Action:
        """Return the action that deletes a negative. The same transaction must lower the face's `negatives` by 1."""
        return Delete(keys.NEGATIVES, (tenant, keys.negative(faceid, sighting_id)))

    def _list_items(self, tenant: str, between: Bounds = (None, None)) -> Iterator[Item]:
        return every(self.book.items, keys.NEGATIVES, tenant, between=between)


_NEGATIVE = Codec(Negative, apart="sighting_id", rare="was asked learnt")


def _negative_from(item: Item) -> Negative:
    return _NEGATIVE.read(item, sighting_id=keys.parts_of_negative(item["id"])[1])


class RecentSighting(Struct, frozen=True):
    """A sighting that surely shows a face, beside a capture."""

    faceid: str
    sighting_id: str
    same_track: bool
    apart_ms: int


def score_with(face: Face, template: Template) -> float | None:
    """Return the score of a template with a face; None if the face has none of its model."""
    own = of_model(face.templates, template.model)
    return None if own is None else float(vector(own) @ vector(template))
