"""The face that a sighting is of, looked at once more on its capture's picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.captures import SeenFace, captured_ms, parts_of_sighting
from chalicelib.core.errors import Conflict, InvalidInput, SightingNotFound, Unusable
from chalicelib.core.model import Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.pictures import Box
from chalicelib.core.ports import BlobStore, ItemStore
from chalicelib.core.records import faces as records
from chalicelib.services.captures.reading import CaptureReading, Reading


@dataclass(frozen=True)
class SightedFace:
    """`reading`: of the whole picture, from which the face can be cut out."""

    reading: Reading
    seen: SeenFace


class SightedFaces:
    def __init__(self, items: ItemStore, uploads: BlobStore, reading: CaptureReading) -> None:
        self._items = items
        self._uploads = uploads
        self._reading = reading

    def observation(self, tenant: Tenant, faceid: str, sighting_id: str) -> Observation | None:
        """The sighting's, if it is this face's. Raises SightingNotFound: nothing has such an id."""
        try:
            at_ms = captured_ms(parts_of_sighting(sighting_id)[0])
        except ValueError:
            raise not_found(faceid, sighting_id) from None
        item = self._items.get(keys.OBSERVATIONS, keys.observation(tenant.name, at_ms, sighting_id))
        if item is None or item["faceid"] != faceid or item["kind"] != ObservationKind.SIGHTING:
            return None
        return records.observation_from(item)

    def of(self, tenant: Tenant, camera_id: str, capture_id: str, box: Box) -> SightedFace:
        """The face on the capture's picture that was sighted in this box, by the tenant's present model.

        Raises Conflict: it is not seen any more; WrongModel: the model was changed just now.
        """
        picture = self._uploads.get(keys.capture_picture(tenant.name, camera_id, capture_id))
        if picture is None:
            raise Conflict("the picture of this sighting is not kept any more")
        try:
            reading = self._reading.by_current_model(tenant, picture)
        except (Unusable, InvalidInput) as error:
            raise Conflict(f"the picture of this sighting cannot be read any more: {error}") from error
        if not reading.faces:
            raise Conflict("no face is found any more on the picture of this sighting")
        return SightedFace(reading, _nearest(reading.faces, box))


def not_found(faceid: str, sighting_id: str) -> SightingNotFound:
    return SightingNotFound(f"face {faceid[:70]!r} has no sighting {sighting_id[:100]!r}")


def _nearest(seen: Sequence[SeenFace], box: Box) -> SeenFace:
    """By the centres of their boxes."""

    def distance(face: SeenFace) -> float:
        other = face.detected.box
        across = (other.x + other.width / 2) - (box.x + box.width / 2)
        down = (other.y + other.height / 2) - (box.y + box.height / 2)
        return across * across + down * down

    return min(seen, key=distance)
