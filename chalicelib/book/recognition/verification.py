"""Verification (1:1): are two pictures, or a picture and an enrolled face, of one person?"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.book.recognition.face_analysis import find_probes, rate_face
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import decision_said
from chalicelib.domain.consent import Consent, EndedRecord, EndedRecords
from chalicelib.domain.errors import ConsentMissing, Unusable, WrongModel
from chalicelib.domain.grounds import find_ended_record, has_ground, say_withdrawn
from chalicelib.domain.model import Decision, Face, Template, Tenant
from chalicelib.domain.pictures import PictureRules
from chalicelib.domain.rules.decision import (
    SearchRequest,
    fit_similarity,
    is_match,
    rate_similarity,
    subtract_demand,
)
from chalicelib.domain.rules.recognised import Comparison, Probe, SeenPicture, SimilarFaces
from chalicelib.domain.rules.templates import make_template, of_model, parse_vector, template_of
from chalicelib.service import Service
from chalicelib.storage.items import directory_of, read_ended_records
from chalicelib.storage.values import omit_none

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book


class _Compared(NamedTuple):
    """Two templates, as they were compared.

    `judged`: the score less the demand, by which faces that resemble many others have to be more
    alike.
    """

    score: float
    threshold: float
    match: bool
    judged: float


_REMEMBERED = 64
"""Tenants whose people with ended records a process remembers: a kilobyte for each person."""


_MOST_OF_ONE = 1_000
"""Faces that are looked at for those of one person."""


class _Look(NamedTuple):
    """The look of a face that a search does not find.

    `quality`: that of its picture. `ended_record`: None: nobody's consent ended.
    """

    faceid: str
    template: Template
    quality: float | None
    ended_record: EndedRecord | None


def _list_looks(faces: Sequence[Face], model: str) -> list[_Look]:
    """List the looks of those of the faces that have a template of the model."""
    templates = ((face, of_model(face.templates, model)) for face in faces)
    return [
        _Look(face.faceid, template, face.estimates.quality, find_ended_record(face))
        for face, template in templates
        if template
    ]


class Verification(Service["Book"]):
    def __init__(self, services: Book) -> None:
        """Remember nobody yet whose record has ended."""
        super().__init__(services)
        self._lock = threading.Lock()
        self._withdrawn = dict[str, tuple[tuple[str, EndedRecords], list[_Look]]]()
        """By tenant, with the model and the state of the records of which it is."""

    def compare_with_face(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, faceid: str
    ) -> Comparison:
        """Compare the largest face of a picture with an enrolled face.

        Raises FaceNotFound, also if the face has no template of the tenant's model, and Unusable.
        """
        template = template_of(self.services.faces.get(tenant, faceid), tenant.model)
        probe = self._find_largest_face(tenant, picture, rules, "the picture")
        return self._judge_probe(tenant, [probe], template, faceid)

    def compare_faces(
        self, tenant: Tenant, faceid: str, other_faceids: Sequence[str]
    ) -> SimilarFaces:
        """Compare a face with some others, however little they are alike: before somebody takes
        them for one person.

        They come in the order of their ids, without those that are not there. The threshold is that
        of the whole gallery. Raises FaceNotFound, also if the face has no template of the tenant's
        model, Busy.
        """
        face = self.services.faces.get(tenant, faceid)
        probe = parse_vector(template_of(face, tenant.model))
        point = self.services.tenant_vision.make_operating_point(tenant)
        request = SearchRequest(tenant.model, probe[None], None, 1)
        answer, _ = self.services.recognition.search_and_judge(tenant, request, point)
        threshold = point.find_threshold(answer.gallery_size)
        rated_faces = []
        for other in self.services.faces.by_id(tenant, other_faceids).values():
            if template := of_model(other.templates, tenant.model):
                qualities = (face.estimates.quality, other.estimates.quality)
                pair = self._judge_templates(
                    tenant, probe, template, qualities, gallery_size=answer.gallery_size
                )
                rated_faces.append(rate_face(other, pair.score, threshold, match=pair.match))
        return SimilarFaces(threshold, answer.gallery_size, tuple(rated_faces))

    def compare_pictures(
        self, tenant: Tenant, picture: bytes, other: bytes, rules: PictureRules
    ) -> Comparison:
        """Compare the largest faces of two pictures.

        Raises Unusable if a picture cannot be read or shows no face.
        """
        probes = [
            self._find_largest_face(tenant, picture, rules, "the picture"),
            self._find_largest_face(tenant, other, rules, "the other picture"),
        ]
        return self._judge_probe(tenant, probes, make_template(tenant.model, probes[1].vector))

    def rate_similarities(
        self, tenant: Tenant, source: SeenPicture, target: SeenPicture
    ) -> list[float]:
        """Return how similar the source's first face is to each of the target's, 0..100
        (domain/rules/decision).

        Raises WrongModel if the tenant's model was changed since a picture was embedded.
        """
        if not (source.model == target.model == tenant.model):
            raise WrongModel(
                f"tenant {tenant.name!r} is searched with another model by now: send the request "
                "again"
            )
        pairs = [
            self._judge_templates(
                tenant,
                source.embeddings[0],
                make_template(target.model, other),
                (source.described.faces[0].quality.total, face.quality.total),
            )
            for other, face in zip(target.embeddings, target.described.faces, strict=True)
        ]
        audit_events.report_decisions([_describe_judgement(tenant.model, pair) for pair in pairs])
        return [self._scale_similarity(tenant, pair) for pair in pairs]

    def rate_similarity(
        self,
        tenant: Tenant,
        probe: NDArray[np.float32],
        template: Template,
        qualities: Sequence[float | None],
    ) -> float:
        """Return how similar two templates of the tenant's model are, 0..100
        (domain/rules/decision)."""
        return self._scale_similarity(
            tenant, self._judge_templates(tenant, probe, template, qualities)
        )

    def _scale_similarity(self, tenant: Tenant, pair: _Compared) -> float:
        point = self.services.tenant_vision.make_operating_point(tenant)
        return fit_similarity(
            rate_similarity(pair.judged, point.curve, 1, point.fpir_target), match=pair.match
        )

    def find_all(self, tenant: Tenant, probe: Probe) -> list[str]:
        """Return each face that a probe is, restricted ones first, for the person's own request.

        A person may be in the book twice without anybody's knowing. Raises WrongModel.
        """
        looks = _list_looks(self.services.faces.list_restricted(tenant), tenant.model)
        pairs = self._compare_each(tenant, looks, probe.vector, probe.quality.total)
        restricted = [faceid for faceid, pair in pairs if pair.match]
        point = self.services.tenant_vision.make_operating_point(tenant)
        request = SearchRequest(tenant.model, probe.vector[None], None, _MOST_OF_ONE, point)
        _, [verdicts] = self.services.recognition.search_and_judge(tenant, request, point)
        found = [each.candidate.faceid for each in verdicts if each.candidate and each.match]
        return [*dict.fromkeys([*restricted, *found])]

    def find_withdrawn(
        self,
        tenant: Tenant,
        ended_records: EndedRecords,
        probe: NDArray[np.float32],
        quality: float | None,
        *,
        excluded_faceid: str | None = None,
    ) -> float | None:
        """Return the score less the demand with the face that a probe is, of those whose record of
        consent has ended.

        None: it is none of them. They are a gallery of their own, so the threshold is that of their
        number. `ended_records`: the state as the directory has it now; `quality`: that of the
        probe's picture; `excluded_faceid`: a face that the probe cannot be.
        """
        looks = [
            look
            for look in self._read_withdrawn(tenant, ended_records)
            if look.faceid != excluded_faceid
        ]
        pairs = self._compare_each(tenant, looks, probe, quality)
        return max((pair.judged for _, pair in pairs if pair.match), default=None)

    def is_newcomer_withdrawn(
        self,
        tenant: Tenant,
        ended_records: EndedRecords,
        probe: NDArray[np.float32],
        quality: float | None,
        *,
        excluded_faceid: str | None = None,
    ) -> bool:
        """Return whether a newcomer, found by no search, is somebody whose record has ended.

        A mistake leaves one stranger out of the book. A miss keeps somebody who said no. So less
        likeness than a match needs is enough. The parameters are those of `find_withdrawn`.
        """
        looks = self._read_withdrawn(tenant, ended_records)
        point = self.services.tenant_vision.make_operating_point(tenant)
        threshold = point.find_newcomer_threshold(len(looks))
        pairs = zip(looks, self._compare_each(tenant, looks, probe, quality), strict=True)
        return any(
            is_match(pair.judged, threshold, quality, look.quality)
            for look, (_, pair) in pairs
            if look.faceid != excluded_faceid
        )

    def find_withdrawn_strangers(
        self,
        tenant: Tenant,
        ended_records: EndedRecords,
        strangers: Mapping[str, Consent | None],
    ) -> dict[str, bool]:
        """Return the ids of those of these strangers who are somebody whose record has ended, by
        all their pictures: True of whom that is so likely that nothing of it is kept.

        `strangers`: by id, the record of consent that each gets. It is a new yes. Raises
        ConsentOlder if it was given before that end.
        """
        looks = self._read_withdrawn(tenant, ended_records)
        faces = self.services.faces.by_id(tenant, strangers).values() if looks else ()
        found = {}
        for face in faces:
            alike = self._list_alike(tenant, face, looks)
            consent = strangers[face.faceid]
            if consent is not None and has_ground(consent):
                self._require_newer([look for look, _ in alike], consent)
            elif alike:
                found[face.faceid] = any(is_likely for _, is_likely in alike)
        return found

    def _list_alike(
        self, tenant: Tenant, face: Face, looks: Sequence[_Look]
    ) -> list[tuple[_Look, bool]]:
        """List the looks of people who withdrew that a stranger has, by its pictures of the
        tenant's model.

        With each it says whether that is likely enough to forget the stranger. All are compared by
        one product: the gallery waits for it.
        """
        import numpy as np

        templates = [
            template
            for picture in face.pictures
            for template in picture.templates
            if template.model == tenant.model
        ]
        if not templates:
            return []
        rows = np.stack([parse_vector(template) for template in templates])
        others = np.stack([parse_vector(look.template) for look in looks])
        scores = rows.astype(np.float64) @ others.astype(np.float64).T
        population = self.services.tenant_vision.choose_vision(tenant.model).population
        demands = population.compute_demands(rows, others)
        means = np.vectorize(subtract_demand)(scores, demands).mean(axis=0)
        point = self.services.tenant_vision.make_operating_point(tenant)
        thresholds = point.find_stranger_thresholds(len(rows), len(looks))
        alike = np.flatnonzero(means >= thresholds.kept_back).tolist()
        return [(looks[at], bool(means[at] >= thresholds.forgotten)) for at in alike]

    def require_nobody_withdrawn(
        self,
        tenant: Tenant,
        consent: Consent | None,
        probe: NDArray[np.float32],
        quality: float | None,
    ) -> None:
        """Raise ConsentMissing if somebody is enrolled again whose record has ended, without a new
        record; ConsentOlder if the record was given before that end.

        `consent`: that of the new face. Costs a read if there is nobody whose record has ended.
        """
        ended_records = read_ended_records(directory_of(self.services.items, tenant.name))
        looks = self._read_withdrawn(tenant, ended_records)
        pairs = self._compare_each(tenant, looks, probe, quality)
        alike = [look for look, (_, pair) in zip(looks, pairs, strict=True) if pair.match]
        if consent is None or not has_ground(consent):
            if alike:
                raise ConsentMissing(say_withdrawn())
            return
        self._require_newer(alike, consent)

    def _require_newer(self, alike: Sequence[_Look], consent: Consent) -> None:
        for look in alike:
            if look.ended_record is not None:
                look.ended_record.require_newer(
                    consent, "somebody whom the picture shows", self.services.clock.now()
                )

    def _read_withdrawn(self, tenant: Tenant, ended_records: EndedRecords) -> Sequence[_Look]:
        """Read how those look whose record has ended, once for each state of these records.

        The state was read before the faces are, so they are never older than what is remembered
        under it. They are read by each process also if the state says that there are none: an
        earlier version, to which somebody went back, may not have counted.
        """
        key = tenant.model, ended_records
        with self._lock:
            remembered = self._withdrawn.get(tenant.name)
        if remembered is not None and remembered[0] == key and ended_records.ends is not None:
            return remembered[1]
        looks = _list_looks(self.services.faces.list_withdrawn(tenant), tenant.model)
        with self._lock:
            self._withdrawn[tenant.name] = key, looks
            while len(self._withdrawn) > _REMEMBERED:
                del self._withdrawn[next(iter(self._withdrawn))]
        return looks

    def _compare_each(
        self,
        tenant: Tenant,
        looks: Sequence[_Look],
        probe: NDArray[np.float32],
        quality: float | None,
    ) -> list[tuple[str, _Compared]]:
        """Compare a probe with each of these looks, as a search in a gallery of them alone does."""
        return [
            (
                look.faceid,
                self._judge_templates(
                    tenant, probe, look.template, (quality, look.quality), gallery_size=len(looks)
                ),
            )
            for look in looks
        ]

    def _judge_templates(
        self,
        tenant: Tenant,
        probe: NDArray[np.float32],
        template: Template,
        qualities: Sequence[float | None],
        *,
        gallery_size: int = 1,
    ) -> _Compared:
        """Compare a probe with a template as a search in a gallery of that size does: in float64.

        `qualities`: of the pictures of both; a picture that is too poor matches nobody.
        """
        import numpy as np

        vision = self.services.tenant_vision.choose_vision(tenant.model)
        template_vector = parse_vector(template)
        score = float(probe.astype(np.float64) @ template_vector.astype(np.float64))
        demand = vision.population.compute_demand(probe, template_vector)
        threshold = self.services.tenant_vision.make_operating_point(tenant).find_threshold(
            gallery_size, demand
        )
        match = is_match(score, threshold, *qualities)
        return _Compared(min(score, 1.0), threshold, match, subtract_demand(score, demand))

    def _find_largest_face(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, which: str
    ) -> Probe:
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        probes = find_probes(vision, tenant, picture, rules, 1).probes
        if not probes:
            raise Unusable(
                f"no face was found in {which}: send one with a face, upright and in focus"
            )
        return probes[0]

    def _judge_probe(
        self, tenant: Tenant, probes: list[Probe], template: Template, faceid: str | None = None
    ) -> Comparison:
        """Judge the first probe's score with a template, as a search does."""
        pair = self._judge_templates(
            tenant, probes[0].vector, template, [probe.quality.total for probe in probes]
        )
        is_fit = not any(probe.spoof for probe in probes)
        pair = pair._replace(match=pair.match and is_fit)
        audit_events.report_decisions(
            [{**omit_none({"face": faceid}), **_describe_judgement(tenant.model, pair)}]
        )
        fmr = self.services.tenant_vision.choose_vision(tenant.model).impostor_curve.fmr_at(
            pair.judged
        )
        return Comparison(pair.score, pair.threshold, pair.match, fmr, tuple(probes))


def _describe_judgement(model: str, pair: _Compared) -> dict[str, Any]:
    """Describe a judgement for the audit."""
    return {
        "model": model,
        "match": pair.match,
        **decision_said(Decision(pair.score, pair.threshold, 1)),
    }
