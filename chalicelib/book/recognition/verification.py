"""Verification (1:1): whether two pictures, or a picture and an enrolled face, show one person.

Here, too, a face is compared with the few people who withdrew consent: no search finds them.
"""

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
    """The likeness of two templates, and whether they are one person's.

    `score`: their cosine, at most 1. `threshold`: what it must reach for these two. People who
    resemble many others have to be more alike: that addition is the pair's demand. The
    `comparable_score` is the score less it, and so means the same for all pairs. With a score of
    0.50 and a demand of 0.03 it is 0.47.
    """

    score: float
    threshold: float
    match: bool
    comparable_score: float


_REMEMBERED = 64
"""Tenants whose people with ended records a process remembers: a kilobyte for each person."""


_MOST_OF_ONE = 1_000
"""Faces that are looked at for those of one person."""


class _Look(NamedTuple):
    """The looks of a face that no search finds: it is restricted, or its consent has ended.

    `quality`: that of its picture. `ended_record`: None: nobody's consent ended.
    """

    faceid: str
    template: Template
    quality: float | None
    ended_record: EndedRecord | None


def _list_looks(faces: Sequence[Face], model: str) -> list[_Look]:
    """Return the looks of those of the faces that have a template of the model."""
    looks = []
    for face in faces:
        template = of_model(face.templates, model)
        if template:
            ended_record = find_ended_record(face)
            looks.append(_Look(face.faceid, template, face.estimates.quality, ended_record))
    return looks


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
        """Return whether the largest face of a picture matches an enrolled face; report it to the
        audit log.

        `faceid` is that of the enrolled face. Raises FaceNotFound if it is not there, or has no
        template of the tenant's model. Raises Unusable if the picture cannot be read or shows no
        face.
        """
        template = template_of(self.services.faces.get(tenant, faceid), tenant.model)
        probe = self._find_largest_face(tenant, picture, rules, which="the picture")
        return self._judge_probe(tenant, [probe], template, faceid)

    def compare_faces(
        self, tenant: Tenant, faceid: str, other_faceids: Sequence[str]
    ) -> SimilarFaces:
        """Return the similarity of a face to each of some others, before they are merged.

        All others are in the answer, in the order of `other_faceids`, however little they are
        alike. Left out are those that are not there, or have no template of the tenant's model. If
        this is so of the face itself, `faces.get` or `template_of` raises FaceNotFound. The search
        raises Busy.
        """
        face = self.services.faces.get(tenant, faceid)
        probe = parse_vector(template_of(face, tenant.model))
        # A pair counts as one person if a search in the whole gallery would say so, and that needs
        # a higher score the more faces there are.
        gallery_size = self._count_searched(tenant, probe)
        # the rule from which score on two faces match
        point = self.services.tenant_vision.make_operating_point(tenant)
        threshold = point.find_threshold(gallery_size)
        rated_faces = []
        for other in self.services.faces.by_id(tenant, other_faceids).values():
            template = of_model(other.templates, tenant.model)
            if not template:
                continue
            qualities = (face.estimates.quality, other.estimates.quality)
            pair = self._judge_templates(
                tenant, probe, template, qualities, gallery_size=gallery_size
            )
            rated_faces.append(rate_face(other, pair.score, threshold, match=pair.match))
        return SimilarFaces(threshold, gallery_size, tuple(rated_faces))

    def _count_searched(self, tenant: Tenant, probe: NDArray[np.float32]) -> int:
        """Return how many faces a search of the tenant compares with a probe, by searching once.

        Only a search knows the number. The face that it finds does not matter.
        """
        request = SearchRequest(tenant.model, probe[None], group_ids=None, limit=1)
        point = self.services.tenant_vision.make_operating_point(tenant)
        answer, _ = self.services.recognition.search_and_judge(tenant, request, point)
        return answer.gallery_size

    def compare_pictures(
        self, tenant: Tenant, picture: bytes, other: bytes, rules: PictureRules
    ) -> Comparison:
        """Return whether the largest faces of two pictures match; report it to the audit log.

        Raises Unusable if a picture cannot be read or shows no face.
        """
        probe = self._find_largest_face(tenant, picture, rules, which="the picture")
        other_probe = self._find_largest_face(tenant, other, rules, which="the other picture")
        other_template = make_template(tenant.model, other_probe.vector)
        return self._judge_probe(tenant, [probe, other_probe], other_template)

    def rate_similarities(
        self, tenant: Tenant, source: SeenPicture, target: SeenPicture
    ) -> list[float]:
        """Return how similar the source's first face is to each of the target's, 0..100.

        80 or more is a match (domain/rules/decision). The audit log is told each judgement. Raises
        WrongModel if the tenant's model was changed since a picture was embedded, since scores of
        two models cannot be compared.
        """
        if not (source.model == target.model == tenant.model):
            raise WrongModel(
                f"tenant {tenant.name!r} is searched with another model by now: send the request "
                "again"
            )
        source_vector = source.embeddings[0]
        source_quality = source.described.faces[0].quality.total
        pairs = []
        for vector, face in zip(target.embeddings, target.described.faces, strict=True):
            template = make_template(target.model, vector)
            qualities = (source_quality, face.quality.total)
            pairs.append(self._judge_templates(tenant, source_vector, template, qualities))
        audit_events.report_decisions([_describe_judgement(tenant.model, pair) for pair in pairs])
        return [self._scale_similarity(tenant, pair) for pair in pairs]

    def rate_similarity(
        self,
        tenant: Tenant,
        probe: NDArray[np.float32],
        template: Template,
        qualities: Sequence[float | None],
    ) -> float:
        """Return how similar two templates of the tenant's model are, 0..100: from 80 on a match.

        `probe` is the first of them, as a unit vector, and `template` the second. `qualities` are
        those of their two pictures.
        """
        pair = self._judge_templates(tenant, probe, template, qualities)
        return self._scale_similarity(tenant, pair)

    def _scale_similarity(self, tenant: Tenant, pair: _Compared) -> float:
        """Return the similarity of a pair, 0..100: 80 or more just if it was decided a match."""
        point = self.services.tenant_vision.make_operating_point(tenant)
        similarity = rate_similarity(pair.comparable_score, point.curve, 1, point.fpir_target)
        return fit_similarity(similarity, match=pair.match)

    def find_faces_of_person(self, tenant: Tenant, probe: Probe) -> list[str]:
        """Return the ids of all faces of a person who requests their stored data.

        `probe` is the person's face, of a picture. Several faces of the book may be the same person
        without anybody's knowing. Restricted faces, whose data may only be stored, are in no
        search. So they are compared one by one, and come first. The search for the others finds the
        1,000 nearest at most, and raises Busy and WrongModel.
        """
        looks = _list_looks(self.services.faces.list_restricted(tenant), tenant.model)
        pairs = self._compare_each(tenant, looks, probe.vector, probe.quality.total)
        restricted_faceids = [look.faceid for look, pair in pairs if pair.match]

        # The operating point is the rule from which score on two faces match.
        point = self.services.tenant_vision.make_operating_point(tenant)
        request = SearchRequest(
            tenant.model, probe.vector[None], limit=_MOST_OF_ONE, operating_point=point
        )
        _, [verdicts] = self.services.recognition.search_and_judge(tenant, request, point)
        found_faceids = [
            verdict.candidate.faceid for verdict in verdicts if verdict.candidate and verdict.match
        ]
        return [*dict.fromkeys([*restricted_faceids, *found_faceids])]  # each id once

    def find_withdrawn(
        self,
        tenant: Tenant,
        ended_records: EndedRecords,
        probe: NDArray[np.float32],
        quality: float | None,
        *,
        excluded_faceid: str | None = None,
    ) -> float | None:
        """Return how alike a probe is to the person that it is, if that person withdrew consent.

        None: the probe is nobody who withdrew. Else the result is the highest score with one of
        them that matches, less the pair's demand. The demand is by how much more alike two must be
        whom many people resemble. Only those who withdrew are in question, so the threshold is that
        of a gallery of so many faces.

        `ended_records` is the state of their records, as just read. `quality` is that of the
        probe's picture. `excluded_faceid` is a face that the probe cannot be.
        """
        looks = [
            look
            for look in self._read_withdrawn(tenant, ended_records)
            if look.faceid != excluded_faceid
        ]
        pairs = self._compare_each(tenant, looks, probe, quality)
        return max((pair.comparable_score for _, pair in pairs if pair.match), default=None)

    def is_newcomer_withdrawn(
        self,
        tenant: Tenant,
        ended_records: EndedRecords,
        probe: NDArray[np.float32],
        quality: float | None,
        *,
        excluded_faceid: str | None = None,
    ) -> bool:
        """Return whether a newcomer, for whom no search found a match, is a person who withdrew
        consent.

        Less likeness than a match needs is enough. For a mistake leaves one stranger out of the
        book, while a miss keeps somebody who said no. The parameters are those of `find_withdrawn`.
        """
        looks = self._read_withdrawn(tenant, ended_records)
        point = self.services.tenant_vision.make_operating_point(tenant)
        low_threshold = point.find_newcomer_threshold(len(looks))
        for look, pair in self._compare_each(tenant, looks, probe, quality):
            if look.faceid == excluded_faceid:
                continue
            # The threshold is one for all pairs, so the score that counts is the comparable one. Of
            # two poor pictures it may be high by their blur alone, which `is_match` does not take.
            if is_match(pair.comparable_score, low_threshold, quality, look.quality):
                return True
        return False

    def find_withdrawn_strangers(
        self,
        tenant: Tenant,
        ended_records: EndedRecords,
        strangers: Mapping[str, Consent | None],
    ) -> dict[str, bool]:
        """Return the strangers who, by all their pictures, are people who withdrew consent.

        Those who are have an entry: whether the likeness is so high that the stranger is to be
        erased. If not, it is only kept from becoming a regular or getting a name. `strangers` has
        by id the record of consent that each is to get, if any: one with a new yes may stay.
        `_require_newer` raises ConsentOlder if that was given before the person withdrew.
        """
        looks = self._read_withdrawn(tenant, ended_records)
        if not looks:
            return {}
        found = {}
        for face in self.services.faces.by_id(tenant, strangers).values():
            alike = self._list_alike(tenant, face, looks)
            consent = strangers[face.faceid]
            if consent is not None and has_ground(consent):  # a new yes: the stranger may stay
                self._require_newer([look for look, _ in alike], consent)
            elif alike:
                found[face.faceid] = any(is_likely for _, is_likely in alike)
        return found

    def _list_alike(
        self, tenant: Tenant, face: Face, looks: Sequence[_Look]
    ) -> list[tuple[_Look, bool]]:
        """Return those of `looks`, people who withdrew consent, whom a stranger (`face`) is like.

        Each comes as (look, is_likely): whether the two are so surely one that the stranger is
        erased. What counts is the mean of a look's scores with all pictures of the stranger. One
        product of matrices makes them all, since other commits wait for it.
        """
        import numpy as np

        vectors = [
            parse_vector(template)
            for picture in face.pictures
            for template in picture.templates
            if template.model == tenant.model
        ]
        if not vectors:
            return []
        rows = np.stack(vectors)
        others = np.stack([parse_vector(look.template) for look in looks])
        scores = rows.astype(np.float64) @ others.astype(np.float64).T
        # A pair's demand: what it needs beyond the usual score, if many people resemble the two.
        population = self.services.tenant_vision.choose_vision(tenant.model).population
        demands = population.compute_demands(rows, others)
        means = np.vectorize(subtract_demand)(scores, demands).mean(axis=0)  # one for each look

        # From `kept_back` on the stranger may become no more; from `forgotten` on it is erased.
        point = self.services.tenant_vision.make_operating_point(tenant)
        thresholds = point.find_stranger_thresholds(pictures=len(rows), gallery_size=len(looks))
        alike_indexes = np.flatnonzero(means >= thresholds.kept_back).tolist()
        return [(looks[i], bool(means[i] >= thresholds.forgotten)) for i in alike_indexes]

    def require_nobody_withdrawn(
        self,
        tenant: Tenant,
        consent: Consent | None,
        probe: NDArray[np.float32],
        quality: float | None,
    ) -> None:
        """Raise ConsentMissing if a person who withdrew consent is to be enrolled without a new
        consent.

        `probe` is the face that is to be enrolled, as a unit vector, and `quality` its picture's.
        `consent` is its record of consent, if any. `_require_newer` raises ConsentOlder if that was
        given before the person withdrew.
        """
        ended_records = read_ended_records(directory_of(self.services.items, tenant.name))
        looks = self._read_withdrawn(tenant, ended_records)
        pairs = self._compare_each(tenant, looks, probe, quality)
        alike = [look for look, pair in pairs if pair.match]
        if consent is not None and has_ground(consent):
            self._require_newer(alike, consent)
        elif alike:
            raise ConsentMissing(say_withdrawn())

    def _require_newer(self, alike: Sequence[_Look], consent: Consent) -> None:
        for look in alike:
            if look.ended_record is not None:
                look.ended_record.require_newer(
                    consent, "somebody whom the picture shows", self.services.clock.now()
                )

    def _read_withdrawn(self, tenant: Tenant, ended_records: EndedRecords) -> Sequence[_Look]:
        """Return how the people look (templates) whose record of consent has ended; remember it.

        `ended_records` is the state of these records, and changes with each that ends. So the faces
        are read once for each state and model. The state was read first, so the faces are as new as
        it, or newer.
        """
        key = tenant.model, ended_records
        with self._lock:
            remembered = self._withdrawn.get(tenant.name)
        if remembered is not None:
            remembered_key, looks = remembered
            if remembered_key == key:
                return looks
        looks = _list_looks(self.services.faces.list_withdrawn(tenant), tenant.model)
        with self._lock:
            self._withdrawn[tenant.name] = key, looks
            while len(self._withdrawn) > _REMEMBERED:  # forget the tenant that came first
                del self._withdrawn[next(iter(self._withdrawn))]
        return looks

    def _compare_each(
        self,
        tenant: Tenant,
        looks: Sequence[_Look],
        probe: NDArray[np.float32],
        quality: float | None,
    ) -> list[tuple[_Look, _Compared]]:
        """Return each of these looks with how alike the probe and the look are.

        A look is a face's template. The threshold is that of a search in a gallery of these faces
        alone. `quality` is that of the probe's picture.
        """
        compared = []
        for look in looks:
            pair = self._judge_templates(
                tenant, probe, look.template, (quality, look.quality), gallery_size=len(looks)
            )
            compared.append((look, pair))
        return compared

    def _judge_templates(
        self,
        tenant: Tenant,
        probe: NDArray[np.float32],
        template: Template,
        qualities: Sequence[float | None],
        *,
        gallery_size: int = 1,
    ) -> _Compared:
        """Return how alike a probe and a template are, and whether they are one person's.

        The answer is the same as of a search in a gallery of `gallery_size` faces. `qualities` are
        those of the two pictures. If both are too poor, only the very same picture matches.
        """
        import numpy as np

        template_vector = parse_vector(template)
        # In float64, as a search computes it.
        score = float(probe.astype(np.float64) @ template_vector.astype(np.float64))
        # The demand is what the pair needs beyond the usual threshold if many people resemble the
        # two: with a demand of 0.03 and a threshold of 0.45 it needs 0.48.
        population = self.services.tenant_vision.choose_vision(tenant.model).population
        demand = population.compute_demand(probe, template_vector)
        point = self.services.tenant_vision.make_operating_point(tenant)
        threshold = point.find_threshold(gallery_size, demand)
        return _Compared(
            score=min(score, 1.0),
            threshold=threshold,
            match=is_match(score, threshold, *qualities),
            comparable_score=subtract_demand(score, demand),
        )

    def _find_largest_face(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, which: str
    ) -> Probe:
        """Return the largest face of a picture, embedded; `which`: the picture, as errors call it.

        Raises Unusable if the picture cannot be read or shows no face.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        probes = find_probes(vision, tenant, picture, rules, max_faces=1).probes
        if not probes:
            raise Unusable(
                f"no face was found in {which}: send one with a face, upright and in focus"
            )
        return probes[0]

    def _judge_probe(
        self, tenant: Tenant, probes: list[Probe], template: Template, faceid: str | None = None
    ) -> Comparison:
        """Return whether the first probe's face is the template's; tell the audit log.

        `probes` are the faces of the pictures that were sent: one, or two if the template is of the
        second. If there is one only, `faceid` is the enrolled face that the template is of.
        """
        qualities = [probe.quality.total for probe in probes]
        pair = self._judge_templates(tenant, probes[0].vector, template, qualities)
        if any(probe.spoof for probe in probes):  # as a photo of a photo: it matches nobody
            pair = pair._replace(match=False)
        report = {**omit_none({"face": faceid}), **_describe_judgement(tenant.model, pair)}
        audit_events.report_decisions([report])
        curve = self.services.tenant_vision.choose_vision(tenant.model).impostor_curve
        fmr = curve.fmr_at(
            pair.comparable_score
        )  # the share of pairs of strangers that are as alike
        return Comparison(pair.score, pair.threshold, pair.match, fmr, tuple(probes))


def _describe_judgement(model: str, pair: _Compared) -> dict[str, Any]:
    """Describe a judgement for the audit."""
    return {
        "model": model,
        "match": pair.match,
        **decision_said(Decision(pair.score, pair.threshold, 1)),
    }
