"""Identification (1:N) of the faces of a picture, decided by the gallery's threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.core.decision import comparable
from chalicelib.core.errors import Unusable
from chalicelib.core.model import NO_LABELS, Group, Labels, Tenant
from chalicelib.core.observations import Observation, ObservationKind, observed_estimates
from chalicelib.core.pictures import Box, Estimates, PictureRules
from chalicelib.core.ports import Vision
from chalicelib.core.recognised import Match, PictureSearch, Search
from chalicelib.core.telemetry import stage
from chalicelib.core.templates import vector
from chalicelib.services.commit import GalleryMoved
from chalicelib.services.models import embedded, estimated, examined
from chalicelib.services.recognition.recognition import Probes, Recognised, settled, template_of
from chalicelib.services.rooms import UseCase
from chalicelib.services.statistics.statistics import new_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def search_observation(match: Match, labels: Labels, now: datetime) -> Observation:
    """Make the observation of a search's match, with the `labels` of the call or, if it has none, the face's."""
    face = match.face
    return Observation(
        at=now,
        id=new_id(),
        faceid=face.faceid,
        group_name=match.group.name,
        labels=face.labels if labels == NO_LABELS else labels,
        kind=ObservationKind.SEARCH,
        box=match.box,
        estimates=observed_estimates(face, match.estimates),
        decision=match.decision,
    )


class Identify(UseCase):
    """Searches by a picture or by a stored face.

    A face that is too poor to be compared matches nobody, unless the very picture is enrolled. Each match is recorded
    as an observation, with the `labels` of the call or, if it has none, those of the face.
    """

    def by_picture(self, tenant: Tenant, picture: bytes, rules: PictureRules, labels: Labels = NO_LABELS) -> Search:
        """Search all groups for the picture's largest face.

        Raises Unusable if the picture cannot be read, shows no face, or fails the tenant's check of liveness or age.
        """
        vision = self.book.tenant_vision.of(tenant.model)
        image = vision.read(picture, rules)
        faces = vision.largest(image)[:1]
        if not faces:
            raise Unusable("no face was found in the picture: send one with a face, upright and in focus")
        probes, (why,) = embedded(vision, tenant, image, faces)
        if why:
            raise Unusable(why)
        estimates = [Estimates(quality=quality.total) for quality in vision.qualities(image, faces)]
        found = self._identify(tenant, vision, probes, None, [faces[0].box], estimates)[0]
        self._observe(tenant, [found.match] if found.match else [], labels)
        return found

    def all_in_picture(
        self, tenant: Tenant, picture: bytes, group_name: str, rules: PictureRules, labels: Labels = NO_LABELS
    ) -> PictureSearch:
        """Search one group for every face of the picture.

        An unknown group gives no matches. Faces that fail the tenant's check of liveness or age are treated as
        unknown. Age, gender and emotion are estimated of those that match alone: nobody is told those of others. Raises
        Unusable if the picture cannot be read.
        """
        vision = self.book.tenant_vision.of(tenant.model)
        image = vision.read(picture, rules)
        faces = vision.detect(image)
        group = self.book.groups.find(tenant, group_name)
        if group is None or not faces:
            return PictureSearch([], len(faces))
        found, seen = examined(vision, tenant, image, faces, ())
        fit = [number for number, one in enumerate(seen) if not one.spoof]
        if not fit:
            return PictureSearch([], len(faces))
        boxes, estimates = [faces[number].box for number in fit], [seen[number].estimates for number in fit]
        searches = self._identify(tenant, vision, found.embeddings[fit], group, boxes, estimates)
        known = {number: search.match for number, search in zip(fit, searches, strict=True) if search.match}
        seen = estimated(vision, tenant, image, [faces[number] for number in known]) if known else []
        matches = [replace(match, estimates=one.estimates) for match, one in zip(known.values(), seen, strict=True)]
        self._observe(tenant, matches, labels)
        return PictureSearch(matches, len(faces))

    def by_face(self, tenant: Tenant, faceid: str, group_name: str, labels: Labels = NO_LABELS) -> Match | None:
        """Compare a stored face with the faces of a group, itself included. Return the best match, if any.

        Raises FaceNotFound if the face does not exist, or has no template of the tenant's model.
        """
        face = self.book.faces.get(tenant, faceid)
        group = self.book.groups.find(tenant, group_name)
        vision = self.book.tenant_vision.of(tenant.model)
        own = vector(template_of(face, vision.model))
        if group is None:
            return None
        best = self._identify(tenant, vision, own[None], group, [None], [face.estimates])[0].match
        self._observe(tenant, [best] if best else [], labels)
        return best

    def _observe(self, tenant: Tenant, matches: Sequence[Match], labels: Labels) -> None:
        """Record the matches. If that fails, the search fails too, so that the client sends it again."""
        now = self.book.clock.now()
        observations = [search_observation(match, labels, now) for match in matches]
        with stage("observe"):
            self.book.statistics.recorder.record(tenant.name, observations)

    def _identify(
        self,
        tenant: Tenant,
        vision: Vision,
        vectors: NDArray[np.float32],
        group: Group | None,
        boxes: Sequence[Box | None],
        estimates: Sequence[Estimates],
    ) -> list[Search]:
        """Search and decide. Search again if a found face was deleted or moved in between. Raises Busy, WrongModel."""
        probes = Probes(vision.model, vectors, [estimate.quality for estimate in estimates])
        group_ids = None if group is None else [group.id]

        def searched() -> list[Search]:
            found = self.book.recognition.of(tenant, probes, group_ids=group_ids)
            return [self._search(tenant, *one) for one in zip(found, boxes, estimates, strict=True)]

        return settled(searched)

    def _search(self, tenant: Tenant, found: Recognised, box: Box | None, estimates: Estimates) -> Search:
        decision, match = found.verdict.decision, None
        if found.face is not None:
            group = self.book.groups.of_id(tenant, found.face.group_id)
            if group is None:
                raise GalleryMoved
            match = Match(found.face, group, box, estimates, decision)
        reached = decision.score is not None and decision.score >= decision.threshold
        if not reached or not (match or comparable(estimates.quality)):
            decision = decision.without_score()
        return Search(match, decision)
