"""Learning: a sure sighting of a face becomes one of its pictures, in the transaction that writes the sighting.

When a sighting is sure: core/decision. Which learnt pictures a face keeps: core/learning. Learning is off if the
tenant, the camera, or the group that the face is in says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chalicelib.core.decision import anchor_threshold, is_sure
from chalicelib.core.ids import photo_id
from chalicelib.core.learning import adds_to, anchor, kept
from chalicelib.core.model import Decision, Learnt, Picture
from chalicelib.core.pictures import FaceJpeg
from chalicelib.core.records.faces import as_stored
from chalicelib.services.models import TenantVision
from chalicelib.services.portraits import Portraits, keys_of
from chalicelib.services.sightings.sighting import OpenSighting
from chalicelib.services.visits import FaceVisits


@dataclass
class Learning:
    tenant_vision: TenantVision
    portraits: Portraits

    @contextmanager
    def taught(
        self, open_sighting: OpenSighting, decision: Decision, crop: Callable[[], FaceJpeg], held: FaceVisits
    ) -> Iterator[tuple[Picture, ...]]:
        """Give the pictures that the face has after the sighting; the commit in the block stores them.

        `crop`: cuts the face out of its capture. That is stored before the commit, and deleted if the commit is
        refused. The pictures that the new one pushes out are deleted afterwards.
        """
        face = held.face
        pictures = self._after(open_sighting, decision, held)
        new = next((one for one in pictures if one not in face.pictures), None)
        if new is None:
            yield face.pictures
            return
        # Without a thumbnail, which would cost as much to store again: a learnt picture is no portrait.
        stored = self.portraits.kept(open_sighting.tenant, face, new, FaceJpeg(crop().data))
        after = tuple(stored if one is new else one for one in pictures)
        with self.portraits.discarded_if_refused([stored.key]):
            yield after
        self.portraits.discard(keys_of(one for one in face.pictures if one not in after))

    def _after(self, open_sighting: OpenSighting, decision: Decision, held: FaceVisits) -> tuple[Picture, ...]:
        """Return the face's pictures, and among them the sighting's if the face learns it."""
        own, seen = held.face.pictures, open_sighting.seen
        tenant, quality = open_sighting.tenant, seen.estimates.quality
        learns = tenant.learns and open_sighting.camera.learns and held.group.learns and open_sighting.arrives
        if not learns or not is_sure(decision, quality) or (quality or 0) < (tenant.enrol_quality or 0):
            return own
        new = Picture(
            photo_id(open_sighting.capture.sha256),
            "",
            open_sighting.now,
            (seen.template,),
            as_stored(seen.estimates),
            learnt=Learnt(open_sighting.id, open_sighting.camera.id, open_sighting.capture.captured_at),
        )
        after = own if any(one.id == new.id for one in own) else kept((*own, new))
        adds = new in after and adds_to(own, new, open_sighting.capture.captured_at)
        return after if adds and self._is_like_given(new, own) else own

    def _is_like_given(self, new: Picture, own: tuple[Picture, ...]) -> bool:
        """Return whether the picture looks like the given ones. False if the tenant's model knows none of those."""
        from chalicelib.core.templates import vector

        (template,) = new.templates
        mean = anchor(own, template.model)
        if mean is None:
            return False
        vision, probe = self.tenant_vision.of(template.model), vector(template)
        limit = anchor_threshold(vision.impostor_curve) + vision.population.demand(probe, mean)
        return float(probe @ mean) >= limit
