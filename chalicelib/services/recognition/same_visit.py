"""Evidence of the same visit: a face that was surely seen a moment before or after is recognised by a lower score.

A search compares with the whole gallery, so a poor picture of a known person may miss the threshold that so many faces
ask for. If the same camera surely saw that person within a minute, or on the same track, only the few faces that were
seen there are in question, and the threshold is that of so small a gallery (core/decision).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, CaptureState, SeenFace, captured_ms, sighting_id
from chalicelib.core.decision import Verdict, comparable, visit_verdict
from chalicelib.core.model import Candidate, Face, Template, Tenant
from chalicelib.core.ports import ItemStore
from chalicelib.core.records.captures import capture_from
from chalicelib.core.templates import of_model, vector
from chalicelib.services.faces import Faces
from chalicelib.services.models import TenantVision
from chalicelib.services.recognition.negatives import Negatives
from chalicelib.services.recognition.recognition import Recognised, searched

MINUTE_MS = 60_000
TRACK_MS = 300_000
"""Captures of one track that are further apart are no evidence: a camera may use a track's name again."""

NEAREST = 4
"""Faces that a picture is compared with: those on its track, then those seen nearest in time. More do not stand before
one camera at one moment, and in a stream of people each would be one more chance of a false match."""

_MOST_CAPTURES = 100


@dataclass(frozen=True)
class Shown:
    """A sighting that surely shows a face, beside a capture."""

    faceid: str
    sighting_id: str
    same_track: bool
    apart_ms: int


@dataclass
class SameVisit:
    items: ItemStore
    faces: Faces
    tenant_vision: TenantVision

    def recognise(
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
        """Return `found`, what a search says of a seen face; if that is nobody, the face of the same visit that it is.

        `others`: the picture's other faces. If one of them is more like that face, or is that face already, this one
        is not. Nor is it if the search found a face that it is more like, nor `not_face`, nor against a negative.
        """
        if found.face is not None or not comparable(seen.estimates.quality):
            return found
        taken = {not_face, *(one.faceid for one in capture.sightings)}
        beside = self.beside(tenant, capture, alone=not others and len(capture.sightings) <= 1)
        groups = searched(camera)
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
        if self._is_turned_down(tenant, face, seen, score):
            return found
        return Recognised(face, verdict, found.seq)

    def beside(self, tenant: Tenant, capture: Capture, *, alone: bool) -> dict[str, tuple[Face, Shown]]:
        """Return the faces that other captures of the same visit surely show, by id, each with its best evidence.

        They are the NEAREST at most. A sighting surely shows a face if its score was enough by itself, or if the face
        was made from it. `alone`: whether the capture shows one face only. A track says whose it is only if both do.
        """
        shown = sorted(self._shown(tenant.name, capture, alone), key=lambda one: (not one.same_track, one.apart_ms))
        if not shown:
            return {}
        faces = self.faces.by_id(tenant, (one.faceid for one in shown))
        merged = [one for one in shown if one.faceid not in faces]
        if merged:  # a capture keeps what it was resolved to, an observation follows its face
            shown_now = self._observed(tenant.name, merged)
            shown = [replace(one, faceid=shown_now.get(one.sighting_id, one.faceid)) for one in shown]
            faces |= self.faces.by_id(tenant, shown_now.values())
        best: dict[str, tuple[Face, Shown]] = {}
        for one in shown:
            if one.faceid in faces and len(best) < NEAREST:
                best.setdefault(one.faceid, (faces[one.faceid], one))
        return best

    def _shown(self, tenant: str, capture: Capture, alone: bool) -> Iterator[Shown]:
        """Yield what the camera's captures of the same visit surely show."""
        at_ms, reach_ms = captured_ms(capture.id), TRACK_MS if capture.track and alone else MINUTE_MS
        low, high = keys.capture_range(max(at_ms - reach_ms, 0), min(at_ms + reach_ms, keys.LAST_MS))
        partition = keys.captures(tenant, capture.camera_id)
        page = self.items.query(keys.CAPTURES, partition, low=low, high=high, reverse=True, limit=_MOST_CAPTURES)
        for other in map(capture_from, page.items):
            apart_ms = abs(captured_ms(other.id) - at_ms)
            same_track = alone and capture.track == other.track != "" and _shows_one_face(other)
            if other.id == capture.id or not (same_track or apart_ms <= MINUTE_MS):
                continue
            for one in other.sightings:
                if one.faceid is not None and (one.decision is None or one.decision.by is None):
                    yield Shown(one.faceid, sighting_id(other.id, one.number), same_track, apart_ms)

    def _observed(self, tenant: str, shown: Sequence[Shown]) -> dict[str, str]:
        """Return the faces that these sightings are of now, by the sightings' ids."""
        places = [keys.observation(tenant, captured_ms(one.sighting_id), one.sighting_id) for one in shown]
        items = self.items.get_many(keys.OBSERVATIONS, places)
        return {one.sighting_id: item["faceid"] for one, item in zip(shown, items, strict=True) if item is not None}

    def _verdict(self, seen: SeenFace, face: Face, score: float, shown: Shown, found: Recognised) -> Verdict:
        vision, own = self.tenant_vision.of(seen.template.model), of_model(face.templates, seen.template.model)
        demand = 0.0 if own is None else vision.population.demand(vector(seen.template), vector(own))
        return visit_verdict(
            vision.impostor_curve,
            Candidate(face.faceid, face.group_id, score),
            demand,
            same_track=shown.same_track,
            beside=shown.sighting_id,
            gallery_size=found.verdict.decision.gallery_size,
        )

    def _is_turned_down(self, tenant: Tenant, face: Face, seen: SeenFace, score: float) -> bool:
        probe, model = vector(seen.template), seen.template.model
        return Negatives(self.items).turn_down(tenant.name, face, probe, model, score)


def score_with(face: Face, template: Template) -> float | None:
    """Return the score of a template with a face; None if the face has none of its model."""
    own = of_model(face.templates, template.model)
    return None if own is None else float(vector(own) @ vector(template))


def _shows_one_face(capture: Capture) -> bool:
    return capture.state is CaptureState.RESOLVED and len(capture.sightings) == 1
