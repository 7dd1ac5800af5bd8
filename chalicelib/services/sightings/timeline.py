"""Timelines of faces: when one was seen, where, and on which picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Face, Tenant
from chalicelib.core.observations import Observation
from chalicelib.core.page_tokens import require_page_size
from chalicelib.core.ports import ItemStore, UploadStore
from chalicelib.core.records.visits import visits_from
from chalicelib.core.visits import Arrival
from chalicelib.services.faces.faces import Faces
from chalicelib.services.faces.visits import sightings_newest_first


@dataclass(frozen=True)
class TimelineSighting:
    """A sighting, and the link to its picture, which works while the capture's picture is kept."""

    observation: Observation
    capture_id: str
    picture_url: str


@dataclass(frozen=True)
class Timeline:
    """A page of a face's sightings, newest first.

    `total` and `arrivals`: those of the whole face; `next_token`: for the next page; None: this is the last.
    """

    face: Face
    sightings: list[TimelineSighting]
    arrivals: list[Arrival]
    total: int
    next_token: str | None


class Sightings:
    def __init__(self, items: ItemStore, faces: Faces, uploads: UploadStore) -> None:
        self._items = items
        self._faces = faces
        self._uploads = uploads

    def timeline(self, tenant: Tenant, faceid: str, limit: int = 50, token: str | None = None) -> Timeline:
        """Read a page of a face's sightings, as far back as its arrivals are kept.

        Raises FaceNotFound, InvalidInput.
        """
        require_page_size(limit)
        face = self._faces.get(tenant, faceid)
        visits = visits_from(self._items.get(keys.ARRIVALS, (tenant.name, faceid)))
        below = None if token is None else _place(token)
        found = list(islice(sightings_newest_first(self._items, tenant.name, faceid, visits, below), limit + 1))
        page = found[:limit]
        more = len(found) > limit
        return Timeline(
            face,
            [self._seen(tenant, observation) for observation in page],
            list(reversed(visits.arrivals.recent)),
            visits.arrivals.sightings,
            page[-1].id if more else None,
        )

    def picture_url(self, tenant: Tenant, camera_id: str, sighting_id: str) -> str:
        """Make the link to the picture of a sighting's capture, which works while that is kept."""
        capture_id, _ = parts_of_sighting(sighting_id)
        return self._uploads.signed_get(keys.capture_picture(tenant.name, camera_id, capture_id))

    def _seen(self, tenant: Tenant, observation: Observation) -> TimelineSighting:
        capture_id, _ = parts_of_sighting(observation.id)
        url = self.picture_url(tenant, observation.camera, observation.id)
        return TimelineSighting(observation, capture_id, url)


def _place(token: str) -> str:
    """Return the place in the index that a token names: it is the last sighting's id. Raises InvalidInput."""
    try:
        capture_id, _ = parts_of_sighting(token)
        at_ms = int(capture_id.partition("-")[0])
    except ValueError as error:
        raise InvalidInput("the token is damaged: start again without it") from error
    return keys.observation("", at_ms, token)[1]
