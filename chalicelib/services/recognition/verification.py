"""Verification (1:1): whether two pictures, or a picture and an enrolled face, are of one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core import acts
from chalicelib.core.decision import OperatingPoint, is_match
from chalicelib.core.errors import Unusable, WrongModel
from chalicelib.core.model import Decision, Template, Tenant
from chalicelib.core.pictures import PictureRules
from chalicelib.core.similarity import judged, similarity
from chalicelib.core.templates import canonical, vector
from chalicelib.core.values import known
from chalicelib.services.audit.sightings import decision_said
from chalicelib.services.faces.faces import Faces
from chalicelib.services.models.tenant_vision import TenantVision
from chalicelib.services.recognition.looking import Probe, SeenPicture, probes_of
from chalicelib.services.recognition.recognition import template_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Comparison:
    """The judgement of one pair. `score` is at most 1.

    `threshold`: as of a search in a small gallery, so that both say the same. `false_match_probability`: the chance
    that two strangers score as high. `probes`: the faces that were compared, of the picture and of the other one.
    """

    score: float
    threshold: float
    match: bool
    false_match_probability: float
    probes: tuple[Probe, ...]

    @property
    def reason(self) -> str:
        """Say why the pair cannot be compared; "" if it can. The same picture twice always can."""
        return "" if self.match else next((probe.reason for probe in self.probes if probe.reason), "")


@dataclass
class Verification:
    tenant_vision: TenantVision
    faces: Faces
    fpir_target: float

    def with_face(self, tenant: Tenant, picture: bytes, rules: PictureRules, faceid: str) -> Comparison:
        """Compare the largest face of a picture with an enrolled face.

        Raises FaceNotFound, also if the face has no template of the tenant's model, and Unusable.
        """
        own = template_of(self.faces.get(tenant, faceid), tenant.model)
        return self._judged(tenant, [self._largest(tenant, picture, rules, "the picture")], own, faceid)

    def with_picture(self, tenant: Tenant, picture: bytes, other: bytes, rules: PictureRules) -> Comparison:
        """Compare the largest faces of two pictures. Raises Unusable if a picture cannot be read or shows no face."""
        probes = [
            self._largest(tenant, picture, rules, "the picture"),
            self._largest(tenant, other, rules, "the other picture"),
        ]
        return self._judged(tenant, probes, canonical(tenant.model, probes[1].vector))

    def similarities(self, tenant: Tenant, source: SeenPicture, target: SeenPicture) -> list[float]:
        """Return how similar the source's first face is to each of the target's, 0..100 (core/similarity).

        Both pictures were embedded by the tenant's model. Raises WrongModel if it was changed meanwhile.
        """
        if not (source.model == target.model == tenant.model):
            raise WrongModel(f"tenant {tenant.name!r} is searched with another model by now: send the request again")
        curve = self.tenant_vision.of(tenant.model).impostor_curve
        threshold = OperatingPoint(curve, self.fpir_target).threshold(1)
        quality = source.described.faces[0].quality.total
        scores = [_score(source.embeddings[0], canonical(target.model, one)) for one in target.embeddings]
        matches = [
            is_match(score, threshold, quality, face.quality.total)
            for score, face in zip(scores, target.described.faces, strict=True)
        ]
        judgements = list(zip(scores, matches, strict=True))
        acts.decided([_said(tenant.model, score, threshold, match=match) for score, match in judgements])
        return [judged(similarity(score, curve, 1, self.fpir_target), match=match) for score, match in judgements]

    def _largest(self, tenant: Tenant, picture: bytes, rules: PictureRules, which: str) -> Probe:
        vision = self.tenant_vision.of(tenant.model)
        probes = probes_of(vision, tenant, picture, rules, 1).probes
        if not probes:
            raise Unusable(f"no face was found in {which}: send one with a face, upright and in focus")
        return probes[0]

    def _judged(self, tenant: Tenant, probes: list[Probe], template: Template, faceid: str | None = None) -> Comparison:
        """Judge the first probe's score with a template, as a search does."""
        curve = self.tenant_vision.of(tenant.model).impostor_curve
        score = _score(probes[0].vector, template)
        threshold = OperatingPoint(curve, self.fpir_target).threshold(1)
        is_one = is_match(score, threshold, *(probe.quality.total for probe in probes))
        is_live = not any(probe.spoof for probe in probes)
        acts.decided([{**known({"face": faceid}), **_said(tenant.model, score, threshold, match=is_one and is_live)}])
        return Comparison(min(score, 1.0), threshold, is_one and is_live, curve.fmr_at(score), tuple(probes))


def _said(model: str, score: float, threshold: float, *, match: bool) -> dict[str, Any]:
    """Describe a judgement for the audit."""
    return {"model": model, "match": match, **decision_said(Decision(min(score, 1.0), threshold, 1))}


def _score(probe: NDArray[np.float32], template: Template) -> float:
    """Return the score as a search computes it: in float64, with the canonical template."""
    import numpy as np

    return float(probe.astype(np.float64) @ vector(template).astype(np.float64))
