"""Who is it: search the gallery for the faces of a picture and decide by the gallery's threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.decision import OperatingPoint, comparable, is_match
from chalicelib.core.errors import FaceNotFound, Unusable
from chalicelib.core.model import (
    Box,
    Candidate,
    Estimates,
    Face,
    Group,
    Labels,
    Observation,
    ObservationKind,
    PictureRules,
    Tenant,
)
from chalicelib.core.ports import Clock, FaceSearch, Vision
from chalicelib.core.records import as_stored
from chalicelib.core.timing import stage
from chalicelib.services.faces import Faces
from chalicelib.services.groups import Groups
from chalicelib.services.negatives import CANDIDATES, Negatives
from chalicelib.services.recorder import Recorder, new_id, observed_estimates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_LABELS = Labels()

_TRIES = 5


@dataclass(frozen=True)
class Match:
    """An enrolled face that a probe was identified as. `box`, `estimates`: the probe's; no box if it was no picture."""

    face: Face
    group: Group
    score: float
    threshold: float
    gallery_size: int
    box: Box | None
    estimates: Estimates


@dataclass(frozen=True)
class Search:
    """The answer for one probe, and what it hung on: the score (None: nobody reached it) against the threshold."""

    match: Match | None
    best_score: float | None
    threshold: float
    gallery_size: int


@dataclass(frozen=True)
class PictureSearch:
    """One match for each face of a picture that was identified, largest first."""

    matches: list[Match]
    faces_found: int


class Identify:
    """A face that is too poor to be compared is nobody, unless the very picture is enrolled.

    Each match is an observation, with the `labels` of the call or, where it has none, the face's own.
    """

    def __init__(
        self,
        vision: Callable[[], Vision],
        search: Callable[[], FaceSearch],
        faces: Faces,
        groups: Groups,
        recorder: Recorder,
        negatives: Negatives,
        clock: Clock,
        fpir_target: float,
    ) -> None:
        self._vision = vision
        self._search = search
        self._faces = faces
        self._groups = groups
        self._recorder = recorder
        self._negatives = negatives
        self._clock = clock
        self._fpir_target = fpir_target

    def by_picture(self, tenant: Tenant, picture: bytes, rules: PictureRules, labels: Labels = NO_LABELS) -> Search:
        """Search the picture's largest face in all groups. Raises Unusable: no picture, no face."""
        vision = self._vision()
        image = vision.read(picture, rules)
        faces = vision.detect(image)[:1]
        if not faces:
            raise Unusable("no face was found in the picture: send one with a face, upright and in focus")
        probes = vision.embed(image, faces)
        estimates = [Estimates(quality=quality.total) for quality in vision.qualities(image, faces)]
        found = self._identify(tenant, vision, probes, None, [faces[0].box], estimates)[0]
        self._observe(tenant, [found.match] if found.match else [], labels)
        return found

    def all_in_picture(
        self, tenant: Tenant, picture: bytes, group_name: str, rules: PictureRules, labels: Labels = NO_LABELS
    ) -> PictureSearch:
        """Search every face of the picture in one group; an unknown group holds nobody. Raises Unusable: no picture."""
        vision = self._vision()
        image = vision.read(picture, rules)
        faces = vision.detect(image)
        group = self._groups.find(tenant, group_name)
        if group is None or not faces:
            return PictureSearch([], len(faces))
        probes = vision.embed(image, faces)
        estimates = [as_stored(one) for one in vision.describe(image, faces)]
        searches = self._identify(tenant, vision, probes, group, [face.box for face in faces], estimates)
        matches = [search.match for search in searches if search.match]
        self._observe(tenant, matches, labels)
        return PictureSearch(matches, len(faces))

    def by_face(self, tenant: Tenant, faceid: str, group_name: str, labels: Labels = NO_LABELS) -> Match | None:
        """Compare a stored face with a group, itself included. Raises FaceNotFound."""
        import numpy as np

        from chalicelib.core.templates import vector

        face = self._faces.get(tenant, faceid)
        group = self._groups.find(tenant, group_name)
        vision = self._vision()
        vectors = [vector(t) for t in face.templates if t.model == vision.model]
        if not vectors:
            raise FaceNotFound(f"face {faceid!r} has no template of the model {vision.model!r} yet")
        if group is None:
            return None
        boxes, estimates = [None] * len(vectors), [face.estimates] * len(vectors)
        searches = self._identify(tenant, vision, np.stack(vectors), group, boxes, estimates)
        matches = [search.match for search in searches if search.match]
        best = max(matches, key=lambda match: match.score, default=None)
        self._observe(tenant, [best] if best else [], labels)
        return best

    def _observe(self, tenant: Tenant, matches: Sequence[Match], labels: Labels) -> None:
        """Write down who was found; a search that cannot be counted fails, and may be sent again."""
        now = self._clock.now()
        observations = [
            Observation(
                at=now,
                id=new_id(),
                faceid=match.face.faceid,
                group_name=match.group.name,
                labels=match.face.labels if labels == NO_LABELS else labels,
                kind=ObservationKind.SEARCH,
                box=match.box,
                estimates=observed_estimates(match.face, match.estimates),
                score=match.score,
            )
            for match in matches
        ]
        with stage("observe"):
            self._recorder.record(tenant.name, observations)

    def _identify(
        self,
        tenant: Tenant,
        vision: Vision,
        probes: NDArray[np.float32],
        group: Group | None,
        boxes: Sequence[Box | None],
        estimates: Sequence[Estimates],
    ) -> list[Search]:
        """Search, decide, read the face. A face that was deleted or moved in between is searched for again, and where
        the best candidate is turned down, so are the next ones."""
        group_ids = None if group is None else [group.id]
        limit = 1
        decides = OperatingPoint(vision.impostor_curve, self._fpir_target)
        for attempt in range(_TRIES):
            with stage("search"):
                answer = self._search().search(
                    tenant.name, vision.model, probes, group_ids=group_ids, limit=limit, least=decides
                )
            threshold = decides.threshold(answer.gallery_size)
            searches = []
            for probe, found, box, estimate in zip(probes, answer.candidates, boxes, estimates, strict=True):
                asked = Search(None, None, threshold, answer.gallery_size)
                best, match = self._undisputed(tenant, vision.model, probe, found, asked, box, estimate)
                if match is None and attempt < _TRIES - 1:
                    if best is None and found and limit < CANDIDATES:
                        limit = CANDIDATES
                        break
                    if best is not None and is_match(best.score, threshold, estimate.quality):
                        break
                score = best.score if best and (match or comparable(estimate.quality)) else None
                searches.append(Search(match, score, threshold, answer.gallery_size))
            else:
                break
        return searches

    def _undisputed(
        self,
        tenant: Tenant,
        model: str,
        probe: NDArray[np.float32],
        candidates: Sequence[Candidate],
        asked: Search,
        box: Box | None,
        estimates: Estimates,
    ) -> tuple[Candidate | None, Match | None]:
        """The first candidate that is not turned down, and whom the probe is identified as: None, nobody, or a face
        that was just deleted or moved."""
        for candidate in candidates:
            if not is_match(candidate.score, asked.threshold, estimates.quality):
                return candidate, None
            match = self._match(tenant, candidate, asked.threshold, asked.gallery_size, box, estimates)
            if match is None or not self._negatives.turn_down(tenant.name, match.face, probe, model, candidate.score):
                return candidate, match
        return None, None

    def _match(
        self,
        tenant: Tenant,
        best: Candidate,
        threshold: float,
        gallery_size: int,
        box: Box | None,
        estimates: Estimates,
    ) -> Match | None:
        face = self._faces.find(tenant, best.faceid)
        group = self._groups.of_id(tenant, best.group_id)
        if face is None or group is None or face.group_id != group.id:
            return None
        return Match(face, group, best.score, threshold, gallery_size, box, estimates)
