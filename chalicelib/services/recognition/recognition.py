"""The decision whose face a probe is. Searches and sightings both take it from here.

When a score is a match: core/decision. Which face a candidate is not: negatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.core import acts
from chalicelib.core.captures import Camera, SeenFace
from chalicelib.core.decision import OperatingPoint, Verdict, is_match
from chalicelib.core.errors import Busy, FaceNotFound
from chalicelib.core.items import attempts
from chalicelib.core.lazy import lazy
from chalicelib.core.model import DEFAULT_GROUPS, Candidate, Decision, Face, Template, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.core.records.sighting_entries import decision_said
from chalicelib.core.search import FaceSearch, SearchRequest, verdicts
from chalicelib.core.telemetry import stage
from chalicelib.core.templates import of_model, vector
from chalicelib.services.commit import GalleryMoved
from chalicelib.services.faces import Faces
from chalicelib.services.models import TenantVision
from chalicelib.services.recognition.negatives import CANDIDATES, Negatives

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.ports import Clock, ObjectReader
    from chalicelib.services.groups import Groups
    from chalicelib.services.idempotency import Requests
    from chalicelib.services.recognition.identify import Identify
    from chalicelib.services.recognition.known import KnownFaces
    from chalicelib.services.recognition.looking import Looking
    from chalicelib.services.recognition.ranking import Ranking
    from chalicelib.services.recognition.same_visit import SameVisit
    from chalicelib.services.recognition.stored import StoredPictures
    from chalicelib.services.recognition.verification import Verification
    from chalicelib.services.statistics.statistics import Statistics

Find = Callable[[Tenant, str], Face | None]
_Found = TypeVar("_Found")

_TRIES = 5


@dataclass(frozen=True)
class Probes:
    """Embedded faces to search for. `vectors`: (n, dimensions) float32 unit rows of `model`; `qualities`: those of
    their pictures, 0..100, None if not measured.
    """

    model: str
    vectors: NDArray[np.float32]
    qualities: Sequence[float | None]


@dataclass(frozen=True)
class Recognised:
    """The face that a probe is, as of the gallery's `seq`.

    `face`: None if no face matches. `verdict`: on that face; without one, on the best candidate that was not turned
    down, if any.
    """

    face: Face | None
    verdict: Verdict
    seq: int

    @property
    def decision(self) -> Decision:
        """The verdict's decision, without a score if no face matches."""
        decision = replace(self.verdict.decision, seq=self.seq)
        return decision.without_score() if self.face is None else decision


@dataclass
class Recognition:
    """Whose face is it? `search`: made at the first search; `objects`: makes the reader of pictures that clients keep
    in S3, of which `own` are the deployment's buckets."""

    items: ItemStore
    tenant_vision: TenantVision
    search: Callable[[], FaceSearch]
    faces: Faces
    fpir_target: float
    groups: Groups
    statistics: Statistics
    requests: Requests
    clock: Clock
    objects: Callable[[], ObjectReader]
    own: Collection[str] = ()

    @lazy
    def same_visit(self) -> SameVisit:
        from chalicelib.services.recognition.same_visit import SameVisit

        return SameVisit(self.items, self.faces, self.tenant_vision)

    @lazy
    def known(self) -> KnownFaces:
        from chalicelib.services.recognition.known import KnownFaces

        return KnownFaces(self.items, self.faces, self.tenant_vision, self.search)

    @lazy
    def identify(self) -> Identify:
        from chalicelib.services.recognition.identify import Identify

        return Identify(
            self.tenant_vision, self, self.faces, self.groups, recorder=self.statistics.recorder, clock=self.clock
        )

    @lazy
    def ranking(self) -> Ranking:
        from chalicelib.services.recognition.ranking import Ranking

        return Ranking(self.items, self.tenant_vision, self.search, self.faces, self.fpir_target)

    @lazy
    def looking(self) -> Looking:
        from chalicelib.services.recognition.looking import Looking

        return Looking(
            self.tenant_vision,
            self,
            self.search,
            self.faces,
            groups=self.groups,
            recorder=self.statistics.recorder,
            requests=self.requests,
            clock=self.clock,
        )

    @lazy
    def verification(self) -> Verification:
        from chalicelib.services.recognition.verification import Verification

        return Verification(self.tenant_vision, self.faces, self.fpir_target)

    @lazy
    def stored_pictures(self) -> StoredPictures:
        from chalicelib.services.recognition.stored import StoredPictures

        return StoredPictures(self.objects, self.own)

    def of(
        self,
        tenant: Tenant,
        probes: Probes,
        *,
        group_ids: Sequence[str] | None = None,
        besides: str | None = None,
        find: Find | None = None,
    ) -> list[Recognised]:
        """Find for each probe the best candidate that matches and that no negative turns down.

        `group_ids`: None for all groups; `besides`: a face that no probe can be; `find`: reads a candidate's face, as
        Faces.find does. Raises GalleryMoved if a candidate was deleted or moved after the search (search again),
        WrongModel (embed again).
        """
        find = find or self.faces.find
        vision = self.tenant_vision.of(probes.model)
        decides = OperatingPoint(vision.impostor_curve, self.fpir_target)
        limit = 1 if besides is None else CANDIDATES
        while True:
            with stage("search"):
                request = SearchRequest(probes.model, probes.vectors, group_ids, limit, decides, templates=True)
                answer = self.search().search(tenant.name, request)
            judgements = verdicts(answer, decides, vision.population, probes.vectors)
            found = [
                self._first(tenant, probes, number, judged, besides, find=find)
                for number, judged in enumerate(judgements)
            ]
            if limit == CANDIDATES or None not in found:
                break
            limit = CANDIDATES
        nobody = decides.verdict(None, answer.gallery_size)
        recognised = [Recognised(*(one or (None, nobody)), answer.seq) for one in found]
        acts.decided([_said(probes.model, one) for one in recognised])
        return recognised

    def threshold(self, model: str, gallery_size: int, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Return the score that two templates must reach to be one person's in a gallery of this size."""
        vision = self.tenant_vision.of(model)
        point = OperatingPoint(vision.impostor_curve, self.fpir_target)
        return point.threshold(gallery_size, vision.population.demand(one, other))

    def of_seen_face(
        self, tenant: Tenant, camera: Camera, seen: SeenFace, *, besides: str | None, find: Find
    ) -> Recognised:
        """Search the camera's groups for a seen face. `besides`: a face that it is not; `find`: as in `of`.

        Raises GalleryMoved, WrongModel.
        """
        probes = Probes(seen.template.model, vector(seen.template)[None, :], [seen.estimates.quality])
        (found,) = self.of(tenant, probes, group_ids=searched(camera), besides=besides, find=find)
        return found

    def nearest(self, tenant: Tenant, camera: Camera, seen: SeenFace, most: int) -> tuple[Candidate, ...]:
        """Find the `most` faces of the camera's groups that a seen face is most like, matching or not.

        Raises WrongModel.
        """
        probe = vector(seen.template)[None, :]
        request = SearchRequest(seen.template.model, probe, searched(camera), most)
        return self.search().search(tenant.name, request).candidates[0]

    def _first(
        self,
        tenant: Tenant,
        probes: Probes,
        number: int,
        judged: Sequence[Verdict],
        besides: str | None,
        *,
        find: Find,
    ) -> tuple[Face | None, Verdict] | None:
        """Return the face that a probe is, or None if the best candidate left does not match; and its verdict.

        Return None if all candidates were turned down.
        """
        for verdict in judged:
            if verdict.candidate is None or not verdict.match:
                return None, verdict
            candidate = verdict.candidate
            face = find(tenant, candidate.faceid)
            if face is None or face.group_id != candidate.group_id:
                raise GalleryMoved
            probe, quality = probes.vectors[number], probes.qualities[number]
            if not is_match(candidate.score, verdict.decision.threshold, quality, face.estimates.quality):
                return None, replace(verdict, match=False)
            turned_down = Negatives(self.items).turn_down(tenant.name, face, probe, probes.model, candidate.score)
            if face.faceid != besides and not turned_down:
                return face, verdict
        return None


def settled(look: Callable[[], _Found]) -> _Found:
    """Return what `look` finds. Look again if the gallery changed while it looked (GalleryMoved). Raises Busy."""
    for _ in attempts(_TRIES):
        with suppress(GalleryMoved):
            return look()
    raise Busy("the faces that are found are deleted or moved all the time: send the request again in a moment")


def read_faces(faces: Faces, tenant: Tenant, candidates: Iterable[Candidate]) -> dict[str, Face]:
    """Read the candidates' faces, by id. Raises GalleryMoved if one is gone, or in another group."""
    groups = {one.faceid: one.group_id for one in candidates}
    found = faces.by_id(tenant, groups)
    if any(faceid not in found or found[faceid].group_id != group_id for faceid, group_id in groups.items()):
        raise GalleryMoved
    return found


def template_of(face: Face, model: str) -> Template:
    """Return the template by which a face is compared. Raises FaceNotFound if it has none of this model."""
    own = of_model(face.templates, model)
    if own is None:
        raise FaceNotFound(f"face {face.faceid!r} has no template of the model {model!r} yet")
    return own


def _said(model: str, found: Recognised) -> Mapping[str, Any]:
    """Describe a decision for the audit."""
    face = {} if found.face is None else {"face": found.face.faceid}
    return {**face, "model": model, **decision_said(found.decision)}


def searched(camera: Camera) -> list[str] | None:
    """Return the ids of the groups that a camera searches; None: all.

    They include the default groups, so that the camera finds the strangers that it made and those promoted since.
    """
    if camera.group_ids is None:
        return None
    return list(dict.fromkeys([*camera.group_ids, *DEFAULT_GROUPS]))
