"""Analysis of a picture: which faces are on it, who may they be, and how good is each?

Nothing is recorded unless it is asked for.

`identify_faces` searches as a camera's search does, and shows the nearest faces too, matching or
not. Which face matches is decided in recognition; this module adds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import GalleryMoved, retry_if_gallery_moved
from chalicelib.book.idempotency import AnsweredAlready, RequestId
from chalicelib.book.models import (
    Estimated,
    choose_attributes,
    embed_faces,
    estimate_faces,
    examine_faces,
    include_pose,
    judge_estimates,
)
from chalicelib.book.statistics.statistics import new_id
from chalicelib.domain.errors import InvalidInput, Unusable
from chalicelib.domain.model import NO_LABELS, STRANGER, Face, Group, Labels, Tenant
from chalicelib.domain.observations import Observation, ObservationKind, observed_estimates
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    NO_ESTIMATES,
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    PictureRules,
)
from chalicelib.domain.rules.decision import SearchRequest, is_alike, is_comparable
from chalicelib.domain.rules.recognised import (
    MAX_FACES,
    DescribedFace,
    DescribedPicture,
    IdentifiedFace,
    IdentifiedPicture,
    Match,
    PictureOptions,
    PictureSearch,
    Probe,
    ProbePicture,
    Probes,
    RatedFace,
    Recognised,
    Search,
    SeenPicture,
    SimilarFaces,
)
from chalicelib.domain.rules.templates import parse_vector, template_of
from chalicelib.service import Service
from chalicelib.storage.items import retry_if_changed
from chalicelib.storage.ports import Vision
from chalicelib.telemetry import count_stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book
    from chalicelib.domain.captures import SeenFace


def make_search_observation(match: Match, labels: Labels, now: datetime) -> Observation:
    """Make the observation of a search's match, with the `labels` of the call or, if it has none,
    the face's."""
    face = match.face
    return Observation(
        at=now,
        id=new_id(),
        faceid=face.faceid,
        group_name=match.group.name,
        labels=face.labels if labels == NO_LABELS else labels,
        kind=ObservationKind.SEARCH,
        box=match.box,
        estimates=match.group.leave_kept(observed_estimates(face, match.estimates)),
        decision=match.decision,
    )


CANDIDATES = range(1, 21)
"""How many candidates a search of v1 may ask for."""
SIMILAR = range(1, 51)
"""How many similar faces may be asked for."""


def find_probes(
    vision: Vision, tenant: Tenant, picture: bytes, rules: PictureRules, max_faces: int
) -> ProbePicture:
    """Find and embed a picture's faces, the `max_faces` largest.

    Raises Unusable if it cannot be read.
    """
    image, (width, height), scale = _decode_picture(vision, picture, rules)
    faces = _find_faces(vision, image, max_faces)
    if not faces:
        return ProbePicture(width, height, vision.model, ())
    vectors, refusals = embed_faces(vision, tenant, image, faces)
    qualities = vision.qualities(image, faces)
    probes = tuple(
        Probe(_scale_box(face.box, scale), qualities[i], vectors[i], refusals[i] or "")
        for i, face in enumerate(faces)
    )
    return ProbePicture(width, height, vision.model, probes)


def _decode_picture(
    vision: Vision, picture: bytes, rules: PictureRules
) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[float, float]]:
    """Decode a picture; return it with its own size and the scale from its pixels to those, which
    may be more."""
    image = vision.read_picture(picture, rules)
    width, height = vision.size(picture, rules)
    return image, (width, height), (width / image.shape[1], height / image.shape[0])


def _find_faces(vision: Vision, image: NDArray[np.uint8], max_faces: int) -> list[DetectedFace]:
    return (vision.largest(image) if max_faces == 1 else vision.detect(image))[:max_faces]


def _examine_faces(
    vision: Vision,
    image: NDArray[np.uint8],
    faces: Sequence[DetectedFace],
    tenant: Tenant,
    options: PictureOptions,
) -> tuple[Sequence[Estimates], NDArray[np.float32]]:
    """Return the estimates and the embeddings of faces, as far as they are wanted.

    `tenant`: by whose rules.
    """
    names = choose_attributes(
        tenant, ATTRIBUTES if options.attributes is None else options.attributes
    )
    is_estimated = options.poses or bool(names)
    if options.embeds and is_estimated:
        examined = vision.examine(image, faces, names)
        return examined.estimates, examined.embeddings
    estimates = (
        vision.describe(image, faces, names) if is_estimated else [NO_ESTIMATES] * len(faces)
    )
    return estimates, vision.embed(image, faces if options.embeds else [])


def _make_description(
    sides: tuple[int, int],
    scale: tuple[float, float],
    vision: Vision,
    image: NDArray[np.uint8],
    detected_faces: Sequence[DetectedFace],
    estimates: Sequence[Estimated],
) -> DescribedPicture:
    """Describe the faces that were found on a picture, in the pixels of the picture as it was
    sent."""
    qualities = vision.qualities(image, detected_faces) if detected_faces else []
    faces = (
        DescribedFace(
            _scale_face(face, scale),
            include_pose(quality, estimated.estimates),
            estimated.estimates,
            estimated.spoof,
            estimated.young,
        )
        for face, quality, estimated in zip(detected_faces, qualities, estimates, strict=True)
    )
    return DescribedPicture(*sides, tuple(faces))


def _scale_box(box: BoundingBox, scale: tuple[float, float]) -> BoundingBox:
    across, down = scale
    return BoundingBox(box.x * across, box.y * down, box.width * across, box.height * down)


def _scale_face(face: DetectedFace, scale: tuple[float, float]) -> DetectedFace:
    landmarks = tuple((x * scale[0], y * scale[1]) for x, y in face.landmarks)
    return replace(face, box=_scale_box(face.box, scale), landmarks=landmarks)


class FaceAnalysis(Service["Book"]):
    """Analysis of a picture, and three searches: `search_by_picture`, `search_all_in_picture` and
    `search_by_face`.

    In a search, a face that is too poor to be compared matches nobody, unless the very picture is
    enrolled. Each match is recorded as an observation, with the `labels` of the call or, if it has
    none, those of the face.
    """

    def detect(self, tenant: Tenant, picture: bytes, rules: PictureRules) -> DescribedPicture:
        """Describe a picture's faces, as an enrolment would see them.

        Raises Unusable if it cannot be read.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        image, sides, scale = _decode_picture(vision, picture, rules)
        faces = vision.detect(image)[:MAX_FACES]
        return _make_description(
            sides, scale, vision, image, faces, estimate_faces(vision, tenant, image, faces)
        )

    def describe_picture(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, options: PictureOptions
    ) -> SeenPicture:
        """Describe the largest faces as they are estimated: nothing is rounded.

        Raises Unusable if the picture cannot be read.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        image, sides, scale = _decode_picture(vision, picture, rules)
        faces = _find_faces(vision, image, 1 if options.is_cropped else options.max_faces)
        if options.is_cropped and not faces:
            faces = [vision.whole(image)]
        judging_tenant = (
            tenant
            if options.checks_liveness
            else replace(tenant, least_liveness=None, min_age=None)
        )
        estimates, embeddings = _examine_faces(vision, image, faces, judging_tenant, options)
        estimated = [
            judge_estimates(judging_tenant, face_estimates) for face_estimates in estimates
        ]
        described_picture = _make_description(sides, scale, vision, image, faces, estimated)

        def crop(number: int) -> FaceJpeg:
            return vision.crop(
                image, faces[number], [face.box for face in faces if face is not faces[number]]
            )

        return SeenPicture(described_picture, vision.model, embeddings, crop)

    def identify_faces(
        self,
        tenant: Tenant,
        picture: bytes,
        rules: PictureRules,
        *,
        group_names: Sequence[str] | None = None,
        max_candidates: int = 5,
    ) -> IdentifiedPicture:
        """Find for each face of the picture its `max_candidates` nearest faces (1..20) in some
        groups, or in all.

        They are the same, in the same order, that a comparison with each face of these groups
        finds, without those that are not alike. The face that matches is among them even if there
        are more that are nearer, and that the picture was rejected for. Raises InvalidInput,
        GroupNotFound, Unusable if the picture cannot be read, and Busy.
        """
        if max_candidates not in CANDIDATES:
            raise InvalidInput(f"k is {CANDIDATES[0]} to {CANDIDATES[-1]}, not {max_candidates}")
        group_ids = (
            None
            if group_names is None
            else [self.services.groups.get_by_name(tenant, name).id for name in group_names]
        )
        probe_picture = find_probes(
            self.services.tenant_vision.choose_vision(tenant.model),
            tenant,
            picture,
            rules,
            MAX_FACES,
        )
        identified = self._identify_probes(tenant, probe_picture, group_ids, max_candidates)
        return IdentifiedPicture(probe_picture.width, probe_picture.height, tuple(identified))

    @retry_if_gallery_moved
    def find_similar_faces(
        self,
        tenant: Tenant,
        faceid: str,
        max_faces: int = 10,
        sighting: SeenFace | None = None,
        *,
        since: datetime | None = None,
    ) -> SimilarFaces:
        """Find the `max_faces` faces (1..50) of all groups that are most like a face, itself left
        out.

        Those that are not alike are left out, too.

        `sighting`: a sighting of the face; then they are most like that. `since`: strangers alone
        who came then or later, of the STRANGERS that are most like it. Raises FaceNotFound, also if
        the face has no template of the tenant's model, InvalidInput, Busy.
        """
        if max_faces not in SIMILAR:
            raise InvalidInput(f"limit is {SIMILAR[0]} to {SIMILAR[-1]}, not {max_faces}")
        face = self.services.faces.get(tenant, faceid)
        probe = parse_vector(
            template_of(face, tenant.model) if sighting is None else sighting.template
        )
        point = self.services.tenant_vision.make_operating_point(tenant)
        groups, limit = (None, max_faces) if since is None else ([STRANGER], STRANGERS)
        request = SearchRequest(tenant.model, probe[None], groups, limit + 1)
        answer, (verdicts,) = self.services.recognition.search_and_judge(tenant, request, point)
        other_candidates = [
            (candidate, verdict)
            for verdict in verdicts
            if (candidate := verdict.candidate) and candidate.faceid != faceid
        ][:limit]
        faces = self.services.faces.read_candidate_faces(
            tenant, (candidate for candidate, _ in other_candidates)
        )
        threshold = point.find_threshold(answer.gallery_size)
        rated_faces = [
            rate_face(faces[candidate.faceid], candidate.score, threshold, match=verdict.match)
            for candidate, verdict in other_candidates
            if since is None or _came_since(faces[candidate.faceid], since)
        ]
        alike_faces = [rated_face for rated_face in rated_faces if rated_face.alike]
        return SimilarFaces(threshold, answer.gallery_size, tuple(alike_faces[:max_faces]))

    def search_by_picture(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, labels: Labels = NO_LABELS
    ) -> Search:
        """Search all groups for the picture's largest face.

        Raises Unusable if the picture cannot be read, shows no face, or fails the tenant's check of
        liveness or age.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        image = vision.read_picture(picture, rules)
        faces = vision.largest(image)[:1]
        if not faces:
            raise Unusable(
                "no face was found in the picture: send one with a face, upright and in focus"
            )
        vectors, (refusal,) = embed_faces(vision, tenant, image, faces)
        if refusal:
            raise Unusable(refusal)
        estimates = [Estimates(quality=quality.total) for quality in vision.qualities(image, faces)]
        [search] = self._search_and_decide(tenant, vision, vectors, None, [faces[0].box], estimates)
        self._record_matches(tenant, [search.match] if search.match else [], labels)
        return search

    def search_all_in_picture(
        self,
        tenant: Tenant,
        picture: bytes,
        group_name: str,
        rules: PictureRules,
        labels: Labels = NO_LABELS,
    ) -> PictureSearch:
        """Search one group for every face of the picture.

        An unknown group gives no matches. Faces that fail the tenant's check of liveness or age are
        treated as unknown. Age, gender and emotion are estimated of those that match alone: nobody
        is told those of others. Raises Unusable if the picture cannot be read.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        image = vision.read_picture(picture, rules)
        faces = vision.detect(image)
        group = self.services.groups.find(tenant, group_name)
        if group is None or not faces:
            return PictureSearch([], len(faces))
        examined, all_estimated = examine_faces(vision, tenant, image, faces, ())
        fit_numbers = [
            number for number, estimated in enumerate(all_estimated) if not estimated.spoof
        ]
        if not fit_numbers:
            return PictureSearch([], len(faces))
        boxes = [faces[number].box for number in fit_numbers]
        estimates = [all_estimated[number].estimates for number in fit_numbers]
        searches = self._search_and_decide(
            tenant, vision, examined.embeddings[fit_numbers], group, boxes, estimates
        )
        known_faces = [
            (faces[number], search.match)
            for number, search in zip(fit_numbers, searches, strict=True)
            if search.match
        ]
        known_estimated = (
            estimate_faces(vision, tenant, image, [face for face, _ in known_faces])
            if known_faces
            else []
        )
        matches = [
            replace(match, estimates=estimated.estimates)
            for (_, match), estimated in zip(known_faces, known_estimated, strict=True)
        ]
        self._record_matches(tenant, matches, labels)
        return PictureSearch(matches, len(faces))

    def search_by_face(
        self, tenant: Tenant, faceid: str, group_name: str, labels: Labels = NO_LABELS
    ) -> Match | None:
        """Compare a stored face with the faces of a group, itself included.

        Return the best match, if any.

        Raises FaceNotFound if the face does not exist, or has no template of the tenant's model.
        """
        face = self.services.faces.get(tenant, faceid)
        group = self.services.groups.find(tenant, group_name)
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        probe = parse_vector(template_of(face, vision.model))
        if group is None:
            return None
        [search] = self._search_and_decide(
            tenant, vision, probe[None], group, [None], [face.estimates]
        )
        self._record_matches(tenant, [search.match] if search.match else [], labels)
        return search.match

    @retry_if_gallery_moved
    def _identify_probes(
        self,
        tenant: Tenant,
        probe_picture: ProbePicture,
        group_ids: Sequence[str] | None,
        max_candidates: int,
    ) -> list[IdentifiedFace]:
        """Search and decide.

        Search again if the gallery changed in between. Raises Busy, WrongModel.
        """
        import numpy as np

        if not probe_picture.probes:
            return []
        vectors = np.stack([probe.vector for probe in probe_picture.probes])
        probes = Probes(
            probe_picture.model, vectors, [probe.quality.total for probe in probe_picture.probes]
        )
        recognised_probes = self.services.recognition.recognise(
            tenant, probes, group_ids=group_ids, max_nearest=max_candidates
        )
        rated_faces = self._rate_nearest(tenant, recognised_probes, max_candidates)
        return [
            _make_identified_face(*of_probe)
            for of_probe in zip(probe_picture.probes, recognised_probes, rated_faces, strict=True)
        ]

    def _rate_nearest(
        self, tenant: Tenant, recognised_probes: Sequence[Recognised], max_candidates: int
    ) -> list[list[RatedFace]]:
        """Return for each probe the one that matches, and then its nearest faces.

        Raises GalleryMoved.
        """
        candidates = [
            candidate for recognised in recognised_probes for candidate in recognised.near
        ]
        faces = self.services.faces.read_candidate_faces(tenant, candidates)
        rated_faces = []
        for recognised in recognised_probes:
            matched_face, best_candidate = recognised.face, recognised.verdict.candidate
            threshold = recognised.verdict.decision.threshold
            rated = [
                rate_face(faces[candidate.faceid], candidate.score, threshold, match=False)
                for candidate in recognised.near
                if matched_face is None or candidate.faceid != matched_face.faceid
            ]
            if matched_face is not None and best_candidate is not None:
                rated.insert(
                    0, rate_face(matched_face, best_candidate.score, threshold, match=True)
                )
            alike_faces = [rated_face for rated_face in rated if rated_face.alike]
            rated_faces.append(alike_faces[:max_candidates])
        return rated_faces

    @retry_if_changed("many searches are recorded at once: send the request again in a moment")
    def record_once(
        self, tenant: Tenant, identified: Sequence[IdentifiedFace], request: RequestId | None = None
    ) -> None:
        """Record an observation of each match.

        A repeat of the request finds it done. Raises Busy.
        """
        if request is not None and self.services.requests.find(tenant.name, request):
            return
        now = self.services.clock.now()
        observations = []
        for face in identified:
            if (found_face := face.match) and (
                group := self.services.groups.find_by_id(tenant, found_face.face.group_id)
            ):
                match = Match(
                    found_face.face, group, face.probe.box, face.probe.estimates, face.decision
                )
                observations.append(make_search_observation(match, NO_LABELS, now))
        if observations:
            with suppress(AnsweredAlready):
                self.services.requests.write_with_answer(
                    tenant.name,
                    self.services.statistics.make_actions(tenant.name, observations),
                    request,
                )

    def _record_matches(self, tenant: Tenant, matches: Sequence[Match], labels: Labels) -> None:
        """Record the matches.

        If that fails, the search fails too, so that the client sends it again.
        """
        now = self.services.clock.now()
        observations = [make_search_observation(match, labels, now) for match in matches]
        with count_stage("observe"):
            self.services.statistics.store_observations(tenant.name, observations)

    @retry_if_gallery_moved
    def _search_and_decide(
        self,
        tenant: Tenant,
        vision: Vision,
        vectors: NDArray[np.float32],
        group: Group | None,
        boxes: Sequence[BoundingBox | None],
        estimates: Sequence[Estimates],
    ) -> list[Search]:
        """Search and decide.

        Search again if a found face was deleted or moved in between. Raises Busy, WrongModel.
        """
        probes = Probes(vision.model, vectors, [estimate.quality for estimate in estimates])
        recognised = self.services.recognition.recognise(
            tenant, probes, group_ids=None if group is None else [group.id]
        )
        return [
            self._make_search(tenant, *of_probe)
            for of_probe in zip(recognised, boxes, estimates, strict=True)
        ]

    def _make_search(
        self, tenant: Tenant, recognised: Recognised, box: BoundingBox | None, estimates: Estimates
    ) -> Search:
        decision, match = recognised.verdict.decision, None
        if recognised.face is not None:
            group = self.services.groups.find_by_id(tenant, recognised.face.group_id)
            if group is None:
                raise GalleryMoved
            match = Match(recognised.face, group, box, estimates, decision)
        reached = decision.score is not None and decision.score >= decision.threshold
        if not reached or not (match or is_comparable(estimates.quality)):
            decision = decision.without_score()
        return Search(match, decision)


def _make_identified_face(
    probe: Probe, recognised: Recognised, rated_faces: Sequence[RatedFace]
) -> IdentifiedFace:
    """Put a face together.

    One that cannot be compared has no candidates: their scores would show the blur.
    """
    if probe.spoof or (probe.reason and recognised.face is None):
        return IdentifiedFace(probe, recognised.verdict.decision.without_score(), ())
    return IdentifiedFace(probe, recognised.verdict.decision, tuple(rated_faces))


def _came_since(face: Face, since: datetime) -> bool:
    return (face.last_arrival_at or face.enrolled_at) >= since


def rate_face(face: Face, score: float, threshold: float, *, match: bool) -> RatedFace:
    """Rate a face by its score with a probe, and the `threshold` from which on it would match."""
    return RatedFace(face, min(score, 1.0), match, match or is_alike(score, threshold))


STRANGERS = 200
"""Strangers that are looked at for those who came since a time: somebody who was not recognised is
among the first."""
