"""Two faces that have become surely one person are joined: a merge without anybody's word, undone like any other.

A face whose pictures are few is often not found by its next picture, which then becomes a face of its own. When either
has more pictures, their means show that they are one: from which score, core/decision says (`is_one_person`).

A poor picture that a camera took before the better one of the same visit is a stranger, too, where Ingest would have
taken it for the face that the visit surely shows (SameVisit in recognition). It is compared in the same way afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, SeenFace, parts_of_sighting
from chalicelib.core.chores import Chore, unless
from chalicelib.core.decision import Verdict
from chalicelib.core.errors import CameraNotFound, LimitReached
from chalicelib.core.items import Changed, retried
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.merges import Merge, are_one, survivor_first
from chalicelib.core.model import REGULAR, STRANGER, Decision, Face, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.records.observations import observation_from
from chalicelib.core.templates import compared, vector
from chalicelib.core.values import milliseconds
from chalicelib.core.visits import FaceVisits
from chalicelib.services.joining.likeness import Likeness, Pair
from chalicelib.services.merges.merges import MAX_MERGES
from chalicelib.services.recognition.recognition import Recognised
from chalicelib.services.rooms import Made, UseCase

if TYPE_CHECKING:
    from chalicelib.services.joining.chore import JoiningChore

_FREE = frozenset({STRANGER, REGULAR})
"""Groups of faces that may be there without a person's word. Of two faces in others, none absorbs the other."""


class Joining(UseCase):
    """`tail`: as in JoiningChore."""

    likeness: Made[Likeness] = Made("joining.likeness.Likeness")

    chore: Made[JoiningChore] = Made("joining.chore.JoiningChore")
    of_visits: Made[JoiningOfVisits] = Made("joining.joining.JoiningOfVisits")

    def chores(self) -> tuple[Chore, ...]:
        return (Chore("joining", lambda one: unless(self.chore.tenant(one.tenant, one.left_s))),)

    def look(self, tenant: Tenant, faceid: str) -> tuple[Merge, ...]:
        """Join the face with those that are surely the same person, and say which merges that were, in their order.

        Nothing is suggested: that is left to the chore, which looks at each face that changed. The face may be one that
        another one absorbs: the last merge names the survivor. A face that is gone is joined with nobody. Raises Busy,
        WrongModel if the tenant's model was changed, StorageUnavailable.
        """
        merges: list[Merge] = []
        while len(merges) < MAX_MERGES and (merge := self._first(tenant, faceid)) is not None:
            merges.append(merge)
            faceid = merge.survivor
        return tuple(merges)

    def _first(self, tenant: Tenant, faceid: str) -> Merge | None:
        """Join the face with the first one that it can be joined with; None: there is none."""
        face = self.book.faces.find(tenant, faceid)
        pairs = self.likeness.of(tenant, [face]) if face else []
        free = [pair for pair in pairs if not _FREE.isdisjoint((pair.face.group_id, pair.other.group_id))]
        return next((merge for pair in free if (merge := self.decide(tenant, pair, suggests=False))), None)

    @retried("these faces are changed by others all the time: send the request again in a moment")
    def decide(self, tenant: Tenant, pair: Pair, *, suggests: bool = True) -> Merge | None:
        """Join a pair if it is surely one person, suggest it if it may be, unless something speaks against it.

        `suggests`: if False, what is not surely one person is left alone. A face that has other pictures by now is left
        alone, too: it is looked at again because of them. Raises Busy.
        """
        held = [self.book.face_visits.read(tenant, face.faceid) for face in (pair.face, pair.other)]
        one, other = held
        if one is None or other is None:
            return None
        if one.face.moving or other.face.moving:
            for each in (one, other):
                self.book.merges.mover.settle(tenant, each.face)
            raise Changed
        if (one.face.templates, other.face.templates) != (pair.face.templates, pair.other.templates):
            return None
        both = survivor_first(one, other)
        sure = both is not None and are_one(pair.decision, both, leads=pair.leads)
        if not (sure or suggests):
            return None
        known = self.book.merges.duplicates.between(tenant, one.face, other.face)
        # What is suggested already was looked at; to look at all captures again would find nothing new.
        if any(two.are_two for two in known) or ((sure or not known) and self._are_two(tenant, (one, other))):
            return None
        if both is not None and sure:
            try:
                still_one = self.book.merges.duplicates.still_one(tenant.name, one.face, other.face, known)
                return self.book.merges.merging.join(tenant, *both, still_one)
            except LimitReached:
                pass  # one of them comes from too many faces already: somebody has to look
        if suggests:
            self.book.merges.duplicates.suggest(tenant, one.face, other.face, pair.decision)
        return None

    def _are_two(self, tenant: Tenant, both: Sequence[FaceVisits]) -> bool:
        """Return whether the faces were seen in one picture, or a rejection speaks against their being one."""
        if any(self._turned_down(tenant, one, other) for one, other in permutations(both)):
            return True
        seen, seen_too = (self.book.merges.observations.captures(tenant, held.face.faceid) for held in both)
        return not seen.isdisjoint(seen_too)

    def _turned_down(self, tenant: Tenant, held: FaceVisits, other: FaceVisits) -> bool:
        """Return whether the other's mean, or one of its pictures, is nearer to a negative of the face than to it."""
        if not held.face.negatives:
            return False
        means = compared(held.face.templates)
        own = next(vector(mean) for mean in means if mean.model == tenant.model)
        probes = (*compared(other.face.templates), *other.face.templates)
        rows = [vector(template) for template in probes if template.model == tenant.model]
        negatives = self.book.recognition.negatives
        return any(negatives.turn_down(tenant.name, held.face, row, tenant.model, float(own @ row)) for row in rows)


_NOBODY = Recognised(None, Verdict(None, False, Decision(None, 1.0, 0)), 0)


class JoiningOfVisits(UseCase):
    def look(self, tenant: Tenant, face: Face) -> Merge | None:
        """Join a face that was seen only once with the face that the same visit surely shows. Raises Busy."""
        if face.arrive_count != 1 or len(face.pictures) != 1 or face.last_arrival_at is None:
            return None
        sightings = list(self._began(tenant.name, face))
        if len(sightings) != 1:
            return None
        capture = self._capture(tenant.name, sightings[0])
        template = next((one for one in face.templates if one.model == tenant.model), None)
        if capture is None or template is None:
            return None
        nowhere = DetectedFace(Box(0, 0, 0, 0), (), 0.0)
        seen = SeenFace(nowhere, template, face.estimates, "")
        camera = self._camera(tenant, capture)
        found = self.book.recognition.same_visit.recognise(tenant, camera, capture, seen, others=(), found=_NOBODY)
        if found.face is None:
            return None
        return self.book.joining.decide(tenant, Pair(face, found.face, found.decision))

    def _began(self, tenant: str, face: Face) -> Iterator[Observation]:
        """Yield the face's sightings at the moment when its last arrival began."""
        at_ms = milliseconds(face.last_arrival_at) if face.last_arrival_at else 0
        low, high = keys.observation_range(at_ms, at_ms)
        page = self.book.items.query(keys.OBSERVATIONS, keys.observations(tenant, at_ms // DAY_MS), low=low, high=high)
        for one in map(observation_from, page.items):
            if one.faceid == face.faceid and one.kind is ObservationKind.SIGHTING:
                yield one

    def _capture(self, tenant: str, sighting: Observation) -> Capture | None:
        capture_id, _ = parts_of_sighting(sighting.id)
        item = self.book.items.get(keys.CAPTURES, capture_key(tenant, sighting.camera, capture_id))
        return None if item is None else capture_from(item)

    def _camera(self, tenant: Tenant, capture: Capture) -> Camera:
        try:
            return self.book.cameras.get(tenant, capture.camera_id)
        except CameraNotFound:
            return Camera(capture.camera_id, capture.camera_id, capture.captured_at)
