"""Strangers who were made before the better picture of the same visit was resolved: they are joined afterwards.

Ingest takes a poor picture for a face that the same visit surely shows (recognition/same_visit). If the poor picture
was resolved first, it has become a stranger. The chore compares that stranger in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, SeenFace, parts_of_sighting
from chalicelib.core.decision import Verdict
from chalicelib.core.errors import CameraNotFound
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.merges import Merge
from chalicelib.core.model import Decision, Face, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.core.ports import ItemStore
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.records.observations import observation_from
from chalicelib.core.values import milliseconds
from chalicelib.services.cameras import Cameras
from chalicelib.services.joining.joining import Joining
from chalicelib.services.joining.likeness import Pair
from chalicelib.services.recognition.recognition import Recognised
from chalicelib.services.recognition.same_visit import SameVisit

_NOBODY = Recognised(None, Verdict(None, False, Decision(None, 1.0, 0)), 0)


@dataclass
class JoiningOfVisits:
    items: ItemStore
    cameras: Cameras
    same_visit: SameVisit
    joining: Joining

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
        found = self.same_visit.recognise(tenant, camera, capture, seen, others=(), found=_NOBODY)
        if found.face is None:
            return None
        return self.joining.decide(tenant, Pair(face, found.face, found.decision))

    def _began(self, tenant: str, face: Face) -> Iterator[Observation]:
        """Yield the face's sightings at the moment when its last arrival began."""
        at_ms = milliseconds(face.last_arrival_at) if face.last_arrival_at else 0
        low, high = keys.observation_range(at_ms, at_ms)
        page = self.items.query(keys.OBSERVATIONS, keys.observations(tenant, at_ms // DAY_MS), low=low, high=high)
        for one in map(observation_from, page.items):
            if one.faceid == face.faceid and one.kind is ObservationKind.SIGHTING:
                yield one

    def _capture(self, tenant: str, sighting: Observation) -> Capture | None:
        capture_id, _ = parts_of_sighting(sighting.id)
        item = self.items.get(keys.CAPTURES, capture_key(tenant, sighting.camera, capture_id))
        return None if item is None else capture_from(item)

    def _camera(self, tenant: Tenant, capture: Capture) -> Camera:
        try:
            return self.cameras.get(tenant, capture.camera_id)
        except CameraNotFound:
            return Camera(capture.camera_id, capture.camera_id, capture.captured_at)
