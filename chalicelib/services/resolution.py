"""Who a face in a capture is: the best candidate of the camera's groups that nothing speaks against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core import keys, records
from chalicelib.core.capture import Camera, SeenFace
from chalicelib.core.decision import OperatingPoint, is_match
from chalicelib.core.model import DEFAULT_GROUPS, Candidate, Face, Tenant
from chalicelib.core.ports import FaceSearch, ItemStore, Vision
from chalicelib.core.timing import stage
from chalicelib.services.gallery_writer import GalleryMoved
from chalicelib.services.negatives import CANDIDATES, Negatives


@dataclass(frozen=True)
class Resolved:
    """The face that a probe is, or None, as of the gallery's `seq`."""

    face: Face | None
    score: float | None
    seq: int


class Resolver:
    def __init__(
        self,
        items: ItemStore,
        vision: Callable[[], Vision],
        search: Callable[[], FaceSearch],
        negatives: Negatives,
        fpir_target: float,
    ) -> None:
        self._items = items
        self._vision = vision
        self._search = search
        self._negatives = negatives
        self._fpir_target = fpir_target

    def resolve(self, tenant: Tenant, camera: Camera, seen: SeenFace, *, besides: str | None = None) -> Resolved:
        """Search the camera's groups. `besides`: a face that it is not. Raises GalleryMoved where the gallery changed
        between the search and the look at what it found: search again."""
        from chalicelib.core.templates import vector

        probe = vector(seen.template)
        decides = OperatingPoint(self._vision().impostor_curve, self._fpir_target)
        with stage("search"):
            answer = self._search().search(
                tenant.name,
                seen.template.model,
                probe[None, :],
                group_ids=searched(camera),
                limit=CANDIDATES,
                least=decides,
            )
        threshold = decides.threshold(answer.gallery_size)
        for candidate in answer.candidates[0]:
            if not is_match(candidate.score, threshold, seen.estimates.quality):
                break
            face = self._face(tenant, candidate)
            turned_down = self._negatives.turn_down(tenant.name, face, probe, seen.template.model, candidate.score)
            if face.faceid != besides and not turned_down:
                return Resolved(face, candidate.score, answer.seq)
        return Resolved(None, None, answer.seq)

    def _face(self, tenant: Tenant, candidate: Candidate) -> Face:
        item = self._items.get(keys.FACES, (tenant.name, candidate.faceid))
        if item is None or item["group"] != candidate.group_id:
            raise GalleryMoved
        return records.face_from(item)


def searched(camera: Camera) -> list[str] | None:
    """Group ids. Strangers that this camera made, and who became regulars, are always known to it."""
    if camera.group_ids is None:
        return None
    return list(dict.fromkeys([*camera.group_ids, *DEFAULT_GROUPS]))
