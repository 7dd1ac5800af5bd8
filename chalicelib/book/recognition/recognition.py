"""Recognition: finds the person of a probe, the face that is searched for.

Searches and cameras' sightings both ask here.

When a score is a match: domain/rules/decision. Beside the search itself:

- Negatives: pictures a user rejected for a face. A probe closer to a negative than to the face does
  not match it.
- Duplicates: whether somebody is enrolled already. A face that would be enrolled twice is worse
  than a missed search, so this needs more likeness: DUPLICATE_FPIR.
- The same visit: a face that was surely seen a moment before or after is recognised by a lower
  score. A search compares with the whole gallery, so a poor picture of a known person may miss the
  threshold that so many faces ask for. If the same camera surely saw that person within a minute,
  or on the same track, only the few faces that were seen there are in question, and the threshold
  is that of so small a gallery (domain/rules/decision).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.commit import GalleryMoved
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import decision_said
from chalicelib.domain.captures import (
    Camera,
    Capture,
    CaptureState,
    SeenFace,
    captured_ms,
    sighting_id,
)
from chalicelib.domain.model import DEFAULT_GROUPS, Candidate, Face, Negative, Template, Tenant
from chalicelib.domain.rules.decision import (
    DUPLICATE_FPIR,
    MOST_LIFT,
    OperatingPoint,
    SearchAnswer,
    SearchRequest,
    Verdict,
    is_comparable,
    is_match,
    judge_candidates,
    judge_in_visit,
    subtract_demand,
)
from chalicelib.domain.rules.recognised import Probes, Recognised, SightingTime
from chalicelib.domain.rules.templates import of_model, parse_vector
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Bounds, walk_items, write_unless_changed
from chalicelib.storage.ports import Action, Delete, Item, Put, Update, exists
from chalicelib.storage.records.captures import capture_from
from chalicelib.storage.values import Codec
from chalicelib.telemetry import count_stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book
    from chalicelib.book.recognition.face_analysis import FaceAnalysis
    from chalicelib.book.recognition.ranking import Ranking
    from chalicelib.book.recognition.stored_pictures import StoredPictures
    from chalicelib.book.recognition.verification import Verification
    from chalicelib.domain.rules.visits import FaceVisits


CANDIDATES = 5
"""Candidates that a search asks for, so that another one is left if a negative turns the best
down."""

MINUTE_MS = 60_000
"""Two captures of one camera within this time, in ms, are evidence for each other."""

TRACK_MS = 300_000
"""Captures of one track that are further apart are no evidence: a camera may use a track's name
again."""

NEAREST = 4
"""Faces that a picture is compared with: those on its track, then those seen nearest in time. More
do not stand before one camera at one moment, and in a stream of people each would be one more
chance of a false match."""

_MOST_CAPTURES = 100
"""Captures of that time that are read: a camera that sends more has them within seconds."""


class Recognition(Service["Book"]):
    """Searches for the person of a probe."""

    @lazy
    def negatives(self) -> Negatives:
        return Negatives(self.services)

    @lazy
    def ranking(self) -> Ranking:
        from chalicelib.book.recognition.ranking import Ranking

        return Ranking(self.services)

    @lazy
    def face_analysis(self) -> FaceAnalysis:
        from chalicelib.book.recognition.face_analysis import FaceAnalysis

        return FaceAnalysis(self.services)

    @lazy
    def verification(self) -> Verification:
        from chalicelib.book.recognition.verification import Verification

        return Verification(self.services)

    @lazy
    def stored_pictures(self) -> StoredPictures:
        from chalicelib.book.recognition.stored_pictures import StoredPictures

        storage = self.services.settings.storage
        own_buckets = () if isinstance(storage, Path) else (storage.bucket, storage.captures_bucket)
        return StoredPictures(self.services.ports.objects, own_buckets)

    def recognise(
        self,
        tenant: Tenant,
        probes: Probes,
        *,
        group_ids: Sequence[str] | None = None,
        excluded_faceid: str | None = None,
        sighting_time: SightingTime | None = None,
        max_nearest: int = 0,
    ) -> list[Recognised]:
        """Return the match of each probe (a face that is searched for); report it to the audit log.

        The answer is the best match, or nobody. It is nobody, too, if the probe is more like a
        picture that a person rejected for the face (a negative).

        `group_ids`: None for all groups. `excluded_faceid`: a face that no probe can be.
        `max_nearest`: how many of the nearest faces to return, too, matching or not.
        `sighting_time`: that of a camera's sighting. With it the face comes with its visits; of a
        person's several faces (a face set) it is the one that has the visits.

        The search raises Busy, and WrongModel: embed the picture again. Raises GalleryMoved (search
        again) if a candidate was deleted or moved after it.
        """
        recognised = self._match_probes(
            tenant,
            probes,
            self.services.tenant_vision.make_operating_point(tenant, probes.model),
            group_ids=group_ids,
            excluded_faceid=excluded_faceid,
            sighting_time=sighting_time,
            max_nearest=max_nearest,
        )
        audit_events.report_decisions(
            [_describe_decision(probes.model, each) for each in recognised]
        )
        return recognised

    def find_duplicates(
        self, tenant: Tenant, probes: Probes, *, group_ids: Sequence[str] | None = None
    ) -> list[Recognised]:
        """Return for each probe the enrolled face that is surely the same person's, or None.

        A match needs a higher score than in a search, since a face that is enrolled twice is worse
        than a miss. Of a thousand strangers one may find somebody (DUPLICATE_FPIR). The audit log
        is not told. `group_ids`: None for all groups. Raises GalleryMoved, WrongModel and Busy, as
        `recognise`.
        """
        tenant_point = self.services.tenant_vision.make_operating_point(tenant, probes.model)
        # An operating point is the rule from which score on two faces match.
        strict_point = OperatingPoint(tenant_point.curve, DUPLICATE_FPIR)
        return self._match_probes(tenant, probes, strict_point, group_ids=group_ids)

    def _match_probes(
        self,
        tenant: Tenant,
        probes: Probes,
        point: OperatingPoint,
        *,
        group_ids: Sequence[str] | None = None,
        excluded_faceid: str | None = None,
        sighting_time: SightingTime | None = None,
        max_nearest: int = 0,
    ) -> list[Recognised]:
        """Return for each probe the face that it is, or nobody, as `recognise`, but tell no audit.

        `point` is the rule by which a score is a match. With each answer come `max_nearest` of the
        nearest faces, matching or not. The search raises WrongModel and Busy. `_choose_match`
        raises GalleryMoved if a candidate was deleted or moved after the search.
        """
        # With a point, the search returns only what may match, which is less work.
        search_point = None if max_nearest else point
        # The seq is the version of the gallery, the faces that are searched: if it was just read,
        # the search need not read it.
        seq = sighting_time.groups.seq if sighting_time else None
        with count_stage("search"):
            request = SearchRequest(
                probes.model,
                probes.vectors,
                group_ids,
                limit=max(max_nearest, CANDIDATES),
                operating_point=search_point,
                seq=seq,
            )
            # Further views of a sighting may lift a face to a match that just misses it.
            margin = MOST_LIFT if sighting_time else 0.0
            answer, judgements = self.search_and_judge(tenant, request, point, margin=margin)
            matches_of_probes = [
                _choose_matches(verdicts, point, answer.gallery_size) for verdicts in judgements
            ]
        nobody = Recognised(None, point.judge_candidate(None, answer.gallery_size), answer.seq)
        recognised_probes = []
        for number, matches in enumerate(matches_of_probes):
            recognised = self._choose_match(
                tenant,
                probes,
                number,
                matches,
                seq=answer.seq,
                excluded_faceid=excluded_faceid,
                sighting_time=sighting_time,
            )
            nearest = answer.candidates[number][:max_nearest]
            # The least by which a candidate misses its threshold: `needs_views` asks for it.
            shortfall = min(verdict.shortfall for verdict in judgements[number])
            recognised_probes.append(
                replace(recognised or nobody, near=nearest, shortfall=shortfall)
            )
        return recognised_probes

    def search_and_judge(
        self,
        tenant: Tenant,
        request: SearchRequest,
        operating_point: OperatingPoint,
        *,
        margin: float = 0.0,
    ) -> tuple[SearchAnswer, list[list[Verdict]]]:
        """Return the answer of a search, and for each probe a verdict on each of its candidates.

        A verdict says whether the two are one person, by the rule `operating_point`. If the
        `request` has a point of its own, the search leaves out faces that cannot match, which is
        less work. It keeps those that miss their threshold by `margin` at most. Without a point,
        the nearest faces come, matching or not. The search raises WrongModel and Busy.
        """
        population = self.services.tenant_vision.choose_vision(request.model).population
        # A pair's demand is added to its threshold, by how many people resemble the two. With 0.45
        # and -0.03, a score of 0.42 matches. To leave out nobody who matches, the search is told
        # the least demand that a probe can have with any face.
        bounds = population.bound_demands(request.probes) if request.operating_point else ()
        least_demands = [bound - margin for bound in bounds]
        # The demands are computed of the candidates' templates.
        full_request = request._replace(templates=True, least_demands=least_demands)
        answer = self.services.ports.search.search(tenant.name, full_request)
        return answer, judge_candidates(answer, operating_point, population, request.probes)

    def find_nearest(
        self, tenant: Tenant, camera: Camera, seen_face: SeenFace, max_faces: int
    ) -> tuple[Candidate, ...]:
        """Return the `max_faces` faces that a seen face is most like, whether they match or not.

        Only groups that the camera searches count. The search raises WrongModel if the tenant has
        another model than the one that embedded the face.
        """
        template = seen_face.template
        request = SearchRequest(
            template.model,
            parse_vector(template)[None, :],
            group_ids=list_searched_groups(camera),
            limit=max_faces,
        )
        return self.services.ports.search.search(tenant.name, request).candidates[0]

    def recognise_by_visit(
        self,
        tenant: Tenant,
        camera: Camera,
        capture: Capture,
        seen_face: SeenFace,
        *,
        other_faces: Sequence[SeenFace],
        searched: Recognised,
        excluded_faceid: str | None = None,
    ) -> Recognised:
        """Return the match of a seen face among the faces of its visit, if a search found none.

        Faces of the visit are those that the same camera surely saw just before or after. They are
        few, so less likeness is enough than in a search among all. `searched` is what the search
        found. It is returned if it is somebody, or if no face of the visit matches. `other_faces`
        are the picture's other faces. `excluded_faceid` is a face that it cannot be.
        """
        if searched.face is not None or not is_comparable(seen_face.estimates.quality):
            return searched
        # Is the face alone in the picture? Only then it is known to be the one of the track.
        is_alone = not other_faces and len(capture.sightings) <= 1
        faces_of_visit = self.find_faces_of_visit(tenant, capture, is_alone=is_alone)
        # Nobody is twice in a picture: a face that one of its sightings is already cannot be it.
        faceids_in_picture = [sighting.faceid for sighting in capture.sightings]
        chosen = _choose_of_visit(
            (face for face, _ in faces_of_visit.values()),
            list_searched_groups(camera),
            seen_face.template,
            other_faces,
            nearest=searched.verdict.candidate,
            excluded_faceids={excluded_faceid, *faceids_in_picture},
        )
        if chosen is None:
            return searched
        score, face = chosen
        _, recent_sighting = faces_of_visit[face.faceid]  # which shows that it was there
        # The verdict says whether so much likeness is enough among so few.
        verdict = self._judge_by_visit(
            seen_face,
            face,
            score,
            recent_sighting,
            gallery_size=searched.verdict.decision.gallery_size,
        )
        if not verdict.match:
            return searched
        # It is none, either, if it is more like a picture that a person rejected for the face.
        probe, model = parse_vector(seen_face.template), seen_face.template.model
        if self.negatives.turns_down(tenant.name, face, probe, model, score):
            return searched
        return Recognised(face, verdict, searched.seq)

    def find_faces_of_visit(
        self, tenant: Tenant, capture: Capture, *, is_alone: bool
    ) -> dict[str, tuple[Face, RecentSighting]]:
        """Return the faces that the camera surely saw just before or after a capture, its picture.

        There are NEAREST at most. Each comes by id, with the sighting that best shows that it was
        there. Best is one on the same track (a face's way through the pictures), else the nearest
        in time. A sighting is sure if its own score was enough, or if the face was made from it.
        `is_alone`: the capture shows one face only; else nobody knows whose its track is.
        """
        sightings = sorted(  # the best first
            self._list_recent_sightings(tenant.name, capture, is_alone),
            key=lambda sighting: (not sighting.same_track, sighting.apart_ms),
        )
        if not sightings:
            return {}
        faceids = {
            (captured_ms(sighting.sighting_id), sighting.sighting_id): sighting.faceid
            for sighting in sightings
        }
        # A sighting may have been given to another face since, by a merge for example.
        faces = self.services.faces.find_by_sightings(tenant, faceids)
        best_sightings: dict[str, tuple[Face, RecentSighting]] = {}
        for sighting in sightings:
            face = faces.get(sighting.sighting_id)
            if face is not None and len(best_sightings) < NEAREST:
                best_sightings.setdefault(face.faceid, (face, sighting))
        return best_sightings

    def _choose_match(
        self,
        tenant: Tenant,
        probes: Probes,
        number: int,
        verdicts: Sequence[Verdict],
        seq: int,
        *,
        excluded_faceid: str | None,
        sighting_time: SightingTime | None,
    ) -> Recognised | None:
        """Return the first of a probe's candidates that is not turned down, or nobody.

        A negative, a picture that a person rejected for a face, turns down a probe that is more
        like it than like the face. `excluded_faceid` is turned down always. None: all candidates
        are.

        `number` says which probe it is, and `verdicts` are those on its candidates, the best first.
        `seq`, the gallery's version that was searched, is noted in the answer. `sighting_time` is
        given for a camera's sighting only. Raises GalleryMoved if a candidate is gone, or in
        another group, since the search.
        """
        probe, quality = probes.vectors[number], probes.qualities[number]
        for verdict in verdicts:
            candidate = verdict.candidate
            if candidate is None or not verdict.match:
                return Recognised(None, verdict, seq)  # those that follow match even less
            face, face_visits = self._read_face(tenant, candidate.faceid, sighting_time)
            if face is None or face.group_id != candidate.group_id:
                raise GalleryMoved
            threshold, qualities = verdict.decision.threshold, (quality, face.estimates.quality)
            if not is_match(candidate.score, threshold, *qualities):  # both pictures are poor
                return Recognised(None, replace(verdict, match=False), seq)

            # The probe matches `face`. But a person may have several faces (a set), of which one,
            # the visitor, has the visits: a sighting is that one's. So either's negatives count.
            visitor = face
            if sighting_time or excluded_faceid:  # only a sighting has either
                visitor, face_visits = self._read_visitor(tenant, face, face_visits, sighting_time)
            is_turned_down = any(
                each.faceid == excluded_faceid
                or self.negatives.turns_down(
                    tenant.name, each, probe, probes.model, candidate.score
                )
                for each in {face.faceid: face, visitor.faceid: visitor}.values()
            )
            if not is_turned_down:
                return Recognised(visitor, verdict, seq, face_visits)
        return None

    def _read_visitor(
        self,
        tenant: Tenant,
        face: Face,
        face_visits: FaceVisits | None,
        sighting_time: SightingTime | None,
    ) -> tuple[Face, FaceVisits | None]:
        """Return the face that has the visits of a face's person, and that face with its visits.

        A face set has all visits at one of its faces, the visitor. A face without a set has its
        own; then `face` and `face_visits` are returned as
        they are. Raises GalleryMoved if the visitor was deleted meanwhile.
        """
        if not face.face_set:
            return face, face_visits
        visitor_id = self.services.faces.find_faceid_with_visits(tenant, face)
        if visitor_id == face.faceid:
            return face, face_visits
        visitor, visits_of_visitor = self._read_face(tenant, visitor_id, sighting_time)
        if visitor is None:
            raise GalleryMoved
        return visitor, visits_of_visitor

    def _read_face(
        self, tenant: Tenant, faceid: str, sighting_time: SightingTime | None
    ) -> tuple[Face | None, FaceVisits | None]:
        """Return a face and, for a sighting, the face with its visits. None: it is gone."""
        if sighting_time is None:
            return self.services.faces.find(tenant, faceid), None
        face_visits = self.services.face_visits.read_face(tenant, faceid, *sighting_time)
        return face_visits.face if face_visits else None, face_visits

    def _list_recent_sightings(
        self, tenant: str, capture: Capture, is_alone: bool
    ) -> Iterator[RecentSighting]:
        """Yield the sightings that surely show a face in the camera's captures around this one.

        Around it is within a minute, or on the same track within five (TRACK_MS). A track is a
        face's way through pictures. It is known to be one face's only if both captures show one
        face. `is_alone`: this capture does.
        """
        at_ms = captured_ms(capture.id)
        reach_ms = TRACK_MS if capture.track and is_alone else MINUTE_MS
        low, high = keys.capture_range(
            max(at_ms - reach_ms, 0), min(at_ms + reach_ms, keys.LAST_MS)
        )
        page = self.services.items.query(
            keys.CAPTURES,
            keys.captures(tenant, capture.camera_id),
            low=low,
            high=high,
            reverse=True,
            limit=_MOST_CAPTURES,
        )
        for other in map(capture_from, page.items):
            if other.id == capture.id:
                continue
            apart_ms = abs(captured_ms(other.id) - at_ms)
            is_resolved = other.state is CaptureState.RESOLVED
            shows_one = is_resolved and len(other.sightings) == 1
            has_track = capture.track == other.track != ""
            same_track = is_alone and has_track and shows_one  # the track is this face's
            if not same_track and apart_ms > MINUTE_MS:
                continue
            for sighting in other.sightings:
                # A sighting that was itself recognised by another one (`by`) proves nothing.
                is_sure = sighting.decision is None or sighting.decision.by is None
                if sighting.faceid is not None and is_sure:
                    yield RecentSighting(
                        faceid=sighting.faceid,
                        sighting_id=sighting_id(other.id, sighting.number),
                        same_track=same_track,
                        apart_ms=apart_ms,
                    )

    def _judge_by_visit(
        self,
        seen_face: SeenFace,
        face: Face,
        score: float,
        recent_sighting: RecentSighting,
        *,
        gallery_size: int,
    ) -> Verdict:
        """Return whether a seen face is this face, which the camera saw just before or after.

        `score` says how alike the two are. A search asks for much, since it compares with all
        faces, and any of them may be as like by chance. Here only the few who were before the
        camera then are in question, and of one track still fewer, so a lower score is enough.

        `recent_sighting` is the one that surely shows the face. `gallery_size` is that of the
        search before, which found nobody; it is only noted.
        """
        model = seen_face.template.model
        vision = self.services.tenant_vision.choose_vision(model)
        probe = parse_vector(seen_face.template)
        template = of_model(face.templates, model)
        # How much more alike than usual these two must be, since many people resemble them. Without
        # a template of the face it is 0, as for the usual pair.
        demand = 0.0
        if template is not None:
            demand = vision.population.compute_demand(probe, parse_vector(template))
        return judge_in_visit(
            vision.impostor_curve,
            Candidate(face.faceid, face.group_id, score),
            demand,
            same_track=recent_sighting.same_track,
            beside_sighting=recent_sighting.sighting_id,
            gallery_size=gallery_size,
            condition=vision.population.find_condition(probe),
        )


def _choose_of_visit(
    faces: Iterable[Face],
    group_ids: Sequence[str] | None,
    template: Template,
    other_faces: Iterable[SeenFace],
    *,
    nearest: Candidate | None,
    excluded_faceids: Set[str | None],
) -> tuple[float, Face] | None:
    """Return the one of a visit's faces that a template is most like, with the score; or None.

    `faces` are those that the camera saw just before and after. Only those in these groups (None:
    any) that are not excluded count. Two things speak against the best one, and give None. The
    search came nearest to another face (`nearest`); or another face in the picture is more like the
    best one (`other_faces`).
    """
    scored_faces: list[tuple[float, Face]] = []
    for face in faces:
        score = score_with(face, template)
        is_searched = group_ids is None or face.group_id in group_ids
        if face.faceid not in excluded_faceids and is_searched and score is not None:
            scored_faces.append((score, face))
    if not scored_faces:
        return None
    best_score, best = max(scored_faces, key=lambda entry: (entry[0], entry[1].faceid))
    if nearest is not None and nearest.faceid not in {best.faceid, *excluded_faceids}:
        return None
    for other_face in other_faces:
        other_score = score_with(best, other_face.template) or 0.0
        if other_score > best_score:
            return None
    return best_score, best


def _choose_matches(
    verdicts: Sequence[Verdict], operating_point: OperatingPoint, gallery_size: int
) -> list[Verdict]:
    """Return the verdicts on a probe's candidates that may be whom it shows, the best first.

    A verdict stays if it says match, or would without the pair's demand, which is added to the
    threshold. The order is that of the score less the demand. So 0.50 with a demand of 0.02 (0.48)
    comes before 0.52 with one of 0.06 (0.46). Only the CANDIDATES nearest faces count. If none is
    left, the only verdict returned is on nobody.
    """
    threshold = operating_point.find_threshold(gallery_size)
    scored_verdicts = []
    for verdict in verdicts[:CANDIDATES]:
        candidate = verdict.candidate
        if candidate and (verdict.match or candidate.score >= threshold):
            scored_verdicts.append((subtract_demand(candidate.score, verdict.demand), verdict))
    if not scored_verdicts:
        return [operating_point.judge_candidate(None, gallery_size)]
    scored_verdicts.sort(key=lambda entry: -entry[0])
    return [verdict for _, verdict in scored_verdicts]


def _describe_decision(model: str, recognised: Recognised) -> Mapping[str, Any]:
    """Describe a decision for the audit."""
    face = {} if recognised.face is None else {"face": recognised.face.faceid}
    return {**face, "model": model, **decision_said(recognised.decision)}


def list_searched_groups(camera: Camera) -> list[str] | None:
    """Return the ids of the groups that a camera searches; None: all.

    Strangers and regulars (the default groups) are always among them. So a camera finds again the
    strangers that it made, also when they have become regulars.
    """
    if camera.group_ids is None:
        return None
    return list(dict.fromkeys([*camera.group_ids, *DEFAULT_GROUPS]))


class Negatives(Service["Book"]):
    """Reads and writes negatives: pictures that people rejected for a face.

    A probe that is more like one of them than like the face is not that face.
    """

    def turns_down(
        self, tenant: str, face: Face, probe: NDArray[np.float32], model: str, score: float
    ) -> bool:
        """Return whether a probe is more like a picture that was rejected for the face.

        `probe` is a unit vector of `model`, and `score` says how alike it is to the face. For
        example, the face scores 0.50 and a rejected picture 0.61. Then the probe is not this face:
        True.
        """
        return any(
            float(parse_vector(template) @ probe) > score
            for negative in self.read_of_face(tenant, face)
            for template in negative.templates
            if template.model == model
        )

    def read_of_face(self, tenant: str, face: Face) -> list[Negative]:
        """Read the face's negatives in the order of their sightings, oldest first.

        Costs nothing if it has none.
        """
        return list(self._list_of_face(tenant, face.faceid)) if face.negatives else []

    def _list_of_face(self, tenant: str, faceid: str) -> Iterator[Negative]:
        return map(_negative_from, self._list_items(tenant, keys.negatives_range(faceid)))

    def list_all(self, tenant: str) -> Iterator[tuple[str, Negative]]:
        """Yield (faceid, negative) for all negatives of the tenant."""
        for item in self._list_items(tenant):
            yield keys.parts_of_negative(item["id"])[0], _negative_from(item)

    def add_template(
        self, tenant: str, faceid: str, negative: Negative, template: Template
    ) -> bool:
        """Add a template of one more model. Return False if the negative was deleted meanwhile."""
        changed_negative = replace(negative, templates=(*negative.templates, template))
        update = Update(
            keys.NEGATIVES,
            (tenant, keys.negative(faceid, negative.sighting_id)),
            (exists("negative-there"),),
            set=_NEGATIVE.write(changed_negative, "templates"),
        )
        return write_unless_changed(self.services.items, [update])

    def find_by_sighting(self, tenant: str, faceid: str, sighting_id: str) -> Negative | None:
        for negative in self._list_of_face(tenant, faceid):
            if negative.sighting_id == sighting_id:
                return negative
        return None

    def make_delete_actions(self, tenant: str, face: Face) -> list[Action]:
        """Return the actions that delete the face's negatives, for the transaction that deletes the
        face."""
        return [
            self.make_delete(tenant, face.faceid, negative.sighting_id)
            for negative in self.read_of_face(tenant, face)
        ]

    def make_put(self, tenant: str, faceid: str, negative: Negative) -> Action:
        """Return the action that stores a negative.

        The same transaction must raise the face's `negatives` by 1.
        """
        item_key = {"tenant": tenant, "id": keys.negative(faceid, negative.sighting_id)}
        return Put(keys.NEGATIVES, {**item_key, **_NEGATIVE.write(negative)})

    def make_delete(self, tenant: str, faceid: str, sighting_id: str) -> Action:
        """Return the action that deletes a negative.

        The same transaction must lower the face's `negatives` by 1.
        """
        return Delete(keys.NEGATIVES, (tenant, keys.negative(faceid, sighting_id)))

    def _list_items(self, tenant: str, between: Bounds = (None, None)) -> Iterator[Item]:
        return walk_items(self.services.items, keys.NEGATIVES, tenant, between=between)


_NEGATIVE = Codec(Negative, apart="sighting_id", rare="was asked learnt")


def _negative_from(item: Item) -> Negative:
    return _NEGATIVE.read(item, sighting_id=keys.parts_of_negative(item["id"])[1])


class RecentSighting(Struct, frozen=True):
    """A sighting that surely shows a face, just before or after a capture.

    `same_track`: both are on one track; `apart_ms`: the time between the two.
    """

    faceid: str
    sighting_id: str
    same_track: bool
    apart_ms: int


def score_with(face: Face, template: Template) -> float | None:
    """Return the score of a template with a face; None if the face has none of its model."""
    template_of_face = of_model(face.templates, template.model)
    if template_of_face is None:
        return None
    return float(parse_vector(template_of_face) @ parse_vector(template))
