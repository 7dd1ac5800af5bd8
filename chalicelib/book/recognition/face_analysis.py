"""Analysis of a picture: its faces, the best matches of each, and their quality.

`identify_faces` searches as a camera's search does, and also shows the nearest faces that do not
match. It records nothing. The match is decided in recognition; this module adds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

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
    """Return the observation of a search's match: the record that statistics count.

    `labels` are those of the call that searched. If it has none, the face's own are taken.
    """
    face, group = match.face, match.group
    estimates = observed_estimates(face, match.estimates)
    return Observation(
        at=now,
        id=new_id(),
        faceid=face.faceid,
        group_name=group.name,
        labels=face.labels if labels == NO_LABELS else labels,
        kind=ObservationKind.SEARCH,
        box=match.box,
        estimates=group.leave_kept(estimates),  # what the group lets us keep
        decision=match.decision,
    )


CANDIDATES = range(1, 21)
"""How many candidates a search of v1 may ask for."""
SIMILAR = range(1, 51)
"""How many similar faces may be asked for."""


def find_probes(
    vision: Vision, tenant: Tenant, picture: bytes, rules: PictureRules, max_faces: int
) -> ProbePicture:
    """Return a picture's `max_faces` largest faces, embedded to be searched for (probes).

    A face that fails the tenant's check of liveness or age is among them, and its `spoof` says why
    it is refused. Decoding raises Unusable if the picture cannot be read.
    """
    decoded = _decode_picture(vision, picture, rules)  # maybe smaller than the picture as sent
    width, height = decoded.sides
    faces = _find_faces(vision, decoded.image, max_faces)
    if not faces:
        return ProbePicture(width, height, vision.model, ())
    vectors, refusals = embed_faces(vision, tenant, decoded.image, faces)
    qualities = vision.qualities(decoded.image, faces)
    probes = [
        Probe(_scale_box(face.box, decoded.scale), quality, vector, spoof=refusal or "")
        for face, quality, vector, refusal in zip(faces, qualities, vectors, refusals, strict=True)
    ]
    return ProbePicture(width, height, vision.model, tuple(probes))


class _Decoded(NamedTuple):
    """A picture's pixels: a large one is decoded smaller.

    `sides`: (width, height) of the picture as sent. `scale`: (across, down), which brings boxes in
    the pixels back to that.
    """

    image: NDArray[np.uint8]
    sides: tuple[int, int]
    scale: tuple[float, float]


def _decode_picture(vision: Vision, picture: bytes, rules: PictureRules) -> _Decoded:
    image = vision.read_picture(picture, rules)
    width, height = vision.size(picture, rules)
    scale = (width / image.shape[1], height / image.shape[0])
    return _Decoded(image, (width, height), scale)


def _find_faces(vision: Vision, image: NDArray[np.uint8], max_faces: int) -> list[DetectedFace]:
    """Return the `max_faces` largest faces; looking for a single one takes less work."""
    faces = vision.detect_largest(image) if max_faces == 1 else vision.detect(image)
    return faces[:max_faces]


def _examine_faces(
    vision: Vision,
    image: NDArray[np.uint8],
    faces: Sequence[DetectedFace],
    tenant: Tenant,
    options: PictureOptions,
) -> tuple[Sequence[Estimates], NDArray[np.float32]]:
    """Return the estimates (age, emotion and so on) and the embeddings of faces, as far as wanted.

    `options` say what is wanted. Without estimates they are empty, and without embeddings the array
    has no row. The settings of the `tenant` may forbid some estimates, or need others. If both are
    wanted, one pass over the picture makes both.
    """
    wanted = ATTRIBUTES if options.attributes is None else options.attributes  # None: all
    names = choose_attributes(tenant, wanted)
    is_estimated = options.poses or bool(names)
    if options.embeds and is_estimated:
        examined = vision.examine(image, faces, names)
        return examined.estimates, examined.embeddings
    estimates: Sequence[Estimates] = [NO_ESTIMATES] * len(faces)
    if is_estimated:
        estimates = vision.describe(image, faces, names)
    return estimates, vision.embed(image, faces if options.embeds else [])


def _make_description(
    vision: Vision,
    decoded: _Decoded,
    detected_faces: Sequence[DetectedFace],
    estimates: Sequence[Estimated],
) -> DescribedPicture:
    """Return a picture's faces with quality and estimates, in pixels of the picture as sent.

    `detected_faces` are in pixels of the `decoded` picture, which may be smaller, so their boxes
    are scaled. `estimates` has one for each of them.
    """
    qualities = vision.qualities(decoded.image, detected_faces) if detected_faces else []
    faces = []
    for face, quality, estimated in zip(detected_faces, qualities, estimates, strict=True):
        described_face = DescribedFace(
            detected=_scale_face(face, decoded.scale),
            quality=include_pose(quality, estimated.estimates),
            estimates=estimated.estimates,
            spoof=estimated.spoof,
            young=estimated.young,
        )
        faces.append(described_face)
    return DescribedPicture(*decoded.sides, tuple(faces))


def _scale_box(box: BoundingBox, scale: tuple[float, float]) -> BoundingBox:
    across, down = scale
    return BoundingBox(box.x * across, box.y * down, box.width * across, box.height * down)


def _scale_face(face: DetectedFace, scale: tuple[float, float]) -> DetectedFace:
    landmarks = tuple((x * scale[0], y * scale[1]) for x, y in face.landmarks)
    return replace(face, box=_scale_box(face.box, scale), landmarks=landmarks)


class FaceAnalysis(Service["Book"]):
    """Descriptions of a picture's faces, and three searches for them: `search_by_picture`,
    `search_all_in_picture` and `search_by_face`.

    In a search, a face that is too poor to be compared matches nobody, unless the very picture is
    enrolled. Each match is recorded as an observation, with the `labels` of the call or, if it has
    none, those of the face.
    """

    def detect(self, tenant: Tenant, picture: bytes, rules: PictureRules) -> DescribedPicture:
        """Return the faces of a picture, 80 at most, each with its quality, age, gender and so on.

        Values are rounded as those of enrolled faces. Decoding raises Unusable if the picture
        cannot be read.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        decoded = _decode_picture(vision, picture, rules)
        faces = vision.detect(decoded.image)[:MAX_FACES]
        estimates = estimate_faces(vision, tenant, decoded.image, faces)
        return _make_description(vision, decoded, faces, estimates)

    def describe_picture(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, options: PictureOptions
    ) -> SeenPicture:
        """Return the largest faces of a picture as they are estimated: nothing is rounded.

        `options` say how many faces, and what is wanted of each. If `is_cropped` is set, the
        picture is one face's. If none is found on it, the whole picture counts as one. Decoding
        raises Unusable if the picture cannot be read.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        decoded = _decode_picture(vision, picture, rules)
        image = decoded.image
        faces = _find_faces(vision, image, 1 if options.is_cropped else options.max_faces)
        if options.is_cropped and not faces:
            faces = [vision.take_whole_as_face(image)]
        if not options.checks_liveness:  # then no face is refused as a photo, or as too young
            tenant = replace(tenant, least_liveness=None, min_age=None)
        estimates, embeddings = _examine_faces(vision, image, faces, tenant, options)
        judged_estimates = [judge_estimates(tenant, each) for each in estimates]
        described_picture = _make_description(vision, decoded, faces, judged_estimates)

        def crop(number: int) -> FaceJpeg:  # the other boxes tell it which face is meant
            other_boxes = [face.box for face in faces if face is not faces[number]]
            return vision.crop(image, faces[number], other_boxes)

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
        """Return for each face of a picture its `max_candidates` nearest enrolled faces.

        Faces of these groups count (None: of all). Those that are not alike are left out. If one
        matches, it comes first, even if others are nearer, since people may have rejected this
        picture for those.

        Raises InvalidInput unless 1 to 20 are asked for, GroupNotFound, and Unusable if the picture
        cannot be read. The search raises Busy.
        """
        if max_candidates not in CANDIDATES:
            raise InvalidInput(f"k is {CANDIDATES[0]} to {CANDIDATES[-1]}, not {max_candidates}")
        group_ids = None
        if group_names is not None:
            groups = [self.services.groups.get_by_name(tenant, name) for name in group_names]
            group_ids = [group.id for group in groups]
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        probe_picture = find_probes(vision, tenant, picture, rules, MAX_FACES)
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
        left_out: Set[str] = frozenset(),
    ) -> SimilarFaces:
        """Return the `max_faces` faces (1..50) of all groups that are most like a face.

        The face itself is left out, and so are those that are not alike. If a `sighting` of the
        face is given, its picture is compared instead. If `since` is given, only strangers who came
        then or later count, of the STRANGERS (200) that are most like the face. `left_out` has the
        ids of further faces that are left out; others take their places.

        Raises InvalidInput. Raises FaceNotFound if there is no such face, or it has no template of
        the tenant's model. The search raises Busy.
        """
        if max_faces not in SIMILAR:
            raise InvalidInput(f"limit is {SIMILAR[0]} to {SIMILAR[-1]}, not {max_faces}")
        face = self.services.faces.get(tenant, faceid)
        template = template_of(face, tenant.model) if sighting is None else sighting.template
        probe = parse_vector(template)
        point = self.services.tenant_vision.make_operating_point(tenant)
        groups, limit = (None, max_faces) if since is None else ([STRANGER], STRANGERS)
        unwanted_ids = left_out | {faceid}
        search_limit = limit + len(unwanted_ids)  # all of these may be found, too
        request = SearchRequest(tenant.model, probe[None], groups, limit=search_limit)
        answer, (verdicts,) = self.services.recognition.search_and_judge(tenant, request, point)
        others = []
        for verdict in verdicts:
            candidate = verdict.candidate
            if candidate and candidate.faceid not in unwanted_ids:
                others.append((candidate, verdict.match))
        others = others[:limit]

        faces = self.services.faces.read_candidate_faces(
            tenant, (candidate for candidate, _ in others)
        )
        threshold = point.find_threshold(answer.gallery_size)
        alike_faces = []
        for candidate, match in others:
            other_face = faces[candidate.faceid]
            if since is not None and not _came_since(other_face, since):
                continue
            rated_face = rate_face(other_face, candidate.score, threshold, match=match)
            if rated_face.alike:
                alike_faces.append(rated_face)
        return SimilarFaces(threshold, answer.gallery_size, tuple(alike_faces[:max_faces]))

    def search_by_picture(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, labels: Labels = NO_LABELS
    ) -> Search:
        """Return the match of the picture's largest face; record it as an observation (statistics).

        The observation has these `labels`. Raises Unusable if the picture cannot be read, shows no
        face, or fails the tenant's check of liveness or age.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        image = vision.read_picture(picture, rules)
        faces = vision.detect_largest(image)[:1]
        if not faces:
            raise Unusable(
                "no face was found in the picture: send one with a face, upright and in focus",
                "no face",
            )
        vectors, (refusal,) = embed_faces(vision, tenant, image, faces)
        if refusal:
            raise Unusable(refusal)
        estimates = [Estimates(quality=quality.total) for quality in vision.qualities(image, faces)]
        [search] = self._search_and_decide(
            tenant, vision, vectors, group=None, boxes=[faces[0].box], estimates=estimates
        )
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
        """Return the matches of all faces of a picture in one group; record them as observations.

        An unknown group gives no matches. Faces that fail the tenant's check of liveness or age are
        not searched for. Age, gender and emotion are estimated only of faces that match, so that
        nobody learns them of strangers. Decoding raises Unusable if the picture cannot be read.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        image = vision.read_picture(picture, rules)
        faces = vision.detect(image)
        group = self.services.groups.find(tenant, group_name)
        if group is None or not faces:
            return PictureSearch([], len(faces))
        # Embed all faces, but estimate no more than the tenant's checks need.
        examined, estimated = examine_faces(vision, tenant, image, faces, wanted_attributes=())
        fit = [number for number, each in enumerate(estimated) if not each.spoof]
        if not fit:
            return PictureSearch([], len(faces))
        searches = self._search_and_decide(
            tenant,
            vision,
            examined.embeddings[fit],
            group,
            boxes=[faces[number].box for number in fit],
            estimates=[estimated[number].estimates for number in fit],
        )

        # Estimate age and the rest of those that match, all in one pass.
        known_faces, matches = [], []
        for number, search in zip(fit, searches, strict=True):
            if search.match:
                known_faces.append(faces[number])
                matches.append(search.match)
        if known_faces:
            known_estimated = estimate_faces(vision, tenant, image, known_faces)
            matches = [
                replace(match, estimates=each.estimates)
                for match, each in zip(matches, known_estimated, strict=True)
            ]
        self._record_matches(tenant, matches, labels)
        return PictureSearch(matches, len(faces))

    def search_by_face(
        self, tenant: Tenant, faceid: str, group_name: str, labels: Labels = NO_LABELS
    ) -> Match | None:
        """Return the face of a group that a stored face matches best, if any; record the match.

        The stored face may match itself, if it is in the group. An unknown group gives no match.
        Raises FaceNotFound if the face does not exist, or has no template of the tenant's model.
        """
        face = self.services.faces.get(tenant, faceid)
        group = self.services.groups.find(tenant, group_name)
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        probe = parse_vector(template_of(face, vision.model))
        if group is None:
            return None
        [search] = self._search_and_decide(
            tenant, vision, probe[None], group, boxes=[None], estimates=[face.estimates]
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
        """Return for each probe (embedded face) of a picture who it is, and who it may be.

        `group_ids` None stands for all groups. If a found face was deleted or moved after the
        search (GalleryMoved), the decorator does all again. After five times it raises Busy. The
        search raises WrongModel.
        """
        import numpy as np

        found_probes = probe_picture.probes
        if not found_probes:
            return []
        probes = Probes(
            probe_picture.model,
            vectors=np.stack([probe.vector for probe in found_probes]),
            qualities=[probe.quality.total for probe in found_probes],
        )
        recognised_probes = self.services.recognition.recognise(
            tenant, probes, group_ids=group_ids, max_nearest=max_candidates
        )
        nearest_of_probes = self._rate_nearest(tenant, recognised_probes, max_candidates)
        return [
            _make_identified_face(probe, recognised, nearest)
            for probe, recognised, nearest in zip(
                found_probes, recognised_probes, nearest_of_probes, strict=True
            )
        ]

    def _rate_nearest(
        self, tenant: Tenant, recognised_probes: Sequence[Recognised], max_candidates: int
    ) -> list[list[RatedFace]]:
        """Return for each probe its nearest faces with their scores, the one that matches first.

        They are `max_candidates` at most, without those that are not alike. `read_candidate_faces`
        raises GalleryMoved if one was deleted or moved after the search.
        """
        candidates = [near for recognised in recognised_probes for near in recognised.near]
        faces = self.services.faces.read_candidate_faces(tenant, candidates)
        rated_of_probes = []
        for recognised in recognised_probes:
            matched_face, best_candidate = recognised.face, recognised.verdict.candidate
            threshold = recognised.verdict.decision.threshold
            rated_faces = []
            if matched_face is not None and best_candidate is not None:
                score = best_candidate.score
                rated_faces.append(rate_face(matched_face, score, threshold, match=True))
            for near in recognised.near:  # it may have the match, too: that stands already
                if matched_face is None or near.faceid != matched_face.faceid:
                    near_face = faces[near.faceid]
                    rated_faces.append(rate_face(near_face, near.score, threshold, match=False))
            alike_faces = [rated_face for rated_face in rated_faces if rated_face.alike]
            rated_of_probes.append(alike_faces[:max_candidates])
        return rated_of_probes

    @retry_if_changed("many searches are recorded at once: send the request again in a moment")
    def record_once(
        self, tenant: Tenant, identified: Sequence[IdentifiedFace], request: RequestId | None = None
    ) -> None:
        """Record an observation, which statistics count, for each face that has a match.

        `request` is the id that the client gave its request. If one of that id was recorded before,
        as when a client tries again, nothing is recorded. Raises Busy if others change the same
        statistics at each try.
        """
        if request is not None and self.services.requests.find(tenant.name, request):
            return
        now = self.services.clock.now()
        observations = []
        for face in identified:
            if face.match is None:
                continue
            found_face, probe = face.match.face, face.probe
            group = self.services.groups.find_by_id(tenant, found_face.group_id)
            if group is None:  # it is just being deleted
                continue
            match = Match(found_face, group, probe.box, probe.estimates, face.decision)
            observations.append(make_search_observation(match, NO_LABELS, now))
        if not observations:
            return
        actions = self.services.statistics.make_actions(tenant.name, observations)
        with suppress(AnsweredAlready):  # the same request, recorded since by another worker
            self.services.requests.write_with_answer(tenant.name, actions, request)

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
        """Return for each face of a picture who it is, of those enrolled in a group, or nobody.

        `vectors` are the faces' embeddings, a row each. `boxes` are their places in the picture,
        and `estimates` their quality and so on. `group` None stands for all groups. If a found face
        was deleted or moved after the search (GalleryMoved), the decorator does all again. After
        five times it raises Busy. The search raises WrongModel.
        """
        qualities = [each.quality for each in estimates]
        recognised_probes = self.services.recognition.recognise(
            tenant,
            Probes(vision.model, vectors, qualities),
            group_ids=None if group is None else [group.id],
        )
        return [
            self._make_search(tenant, recognised, box, estimates_of_face)
            for recognised, box, estimates_of_face in zip(
                recognised_probes, boxes, estimates, strict=True
            )
        ]

    def _make_search(
        self, tenant: Tenant, recognised: Recognised, box: BoundingBox | None, estimates: Estimates
    ) -> Search:
        """Return the answer of a search for one face: the match, if any, and the decision.

        The decision loses its score if that is below the threshold. It loses it, too, if nobody
        matched and the picture is so poor that scores show only its blur. Raises GalleryMoved, so
        that it is searched again, if the found face's group is gone.
        """
        decision, match = recognised.verdict.decision, None
        if recognised.face is not None:
            group = self.services.groups.find_by_id(tenant, recognised.face.group_id)
            if group is None:
                raise GalleryMoved
            match = Match(recognised.face, group, box, estimates, decision)
        is_reached = decision.score is not None and decision.score >= decision.threshold
        is_meaningful = match is not None or is_comparable(estimates.quality)
        if not is_reached or not is_meaningful:
            decision = decision.without_score()
        return Search(match, decision)


def _make_identified_face(
    probe: Probe, recognised: Recognised, rated_faces: Sequence[RatedFace]
) -> IdentifiedFace:
    """Return who a face of a picture is, with its nearest faces (`rated_faces`).

    Two kinds of faces get none of these. One is refused, as a photo of a photo. The other is too
    poor to be compared, since the scores would show its blur. But if the very same picture is
    enrolled, it matches, however poor, and has them.
    """
    decision = recognised.verdict.decision
    is_refused = bool(probe.spoof)
    is_nobody_for_a_reason = bool(probe.reason) and recognised.face is None
    if is_refused or is_nobody_for_a_reason:
        return IdentifiedFace(probe, decision.without_score(), candidates=())
    return IdentifiedFace(probe, decision, candidates=tuple(rated_faces))


def _came_since(face: Face, since: datetime) -> bool:
    return (face.last_arrival_at or face.enrolled_at) >= since


def rate_face(face: Face, score: float, threshold: float, *, match: bool) -> RatedFace:
    """Rate a face by its score with a probe, and the `threshold` from which on it would match."""
    return RatedFace(face, min(score, 1.0), match, match or is_alike(score, threshold))


STRANGERS = 200
"""Strangers that are looked at for those who came since a time: somebody who was not recognised is
among the first."""
