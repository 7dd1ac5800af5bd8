"""Timelines of faces: when one was seen, where, and on which picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.chores import Chore
from chalicelib.core.errors import InvalidInput
from chalicelib.core.lazy import lazy
from chalicelib.core.model import Face, Tenant
from chalicelib.core.observations import Observation
from chalicelib.core.page_tokens import require_page_size
from chalicelib.core.ports import ItemStore, UploadStore
from chalicelib.core.records.visits import visits_from
from chalicelib.core.visits import Arrival
from chalicelib.services.faces import Faces
from chalicelib.services.visits import sightings_newest_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.ports import Beside, Clock
    from chalicelib.core.search import PastGallery
    from chalicelib.services.audit.audit import Audit
    from chalicelib.services.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.commit import GalleryWriter
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.groups import Groups
    from chalicelib.services.idempotency import Requests
    from chalicelib.services.merges.merges import Merges
    from chalicelib.services.portraits import Portraits
    from chalicelib.services.recognition.recognition import Recognition
    from chalicelib.services.sightings.arrivals import ArrivalBook
    from chalicelib.services.sightings.ingest import Ingest
    from chalicelib.services.sightings.rejection import Rejection
    from chalicelib.services.sightings.rejections import Rejections
    from chalicelib.services.sightings.replay import Replay
    from chalicelib.services.sightings.reviews import Reviews
    from chalicelib.services.sightings.strangers import Strangers
    from chalicelib.services.statistics.statistics import Statistics
    from chalicelib.services.tenants import Tenants
    from chalicelib.services.visits import FaceVisitsStore
    from chalicelib.services.webhooks import Webhooks


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


@dataclass
class Sightings:
    """What cameras saw: how it gets into the book, and what a face's sightings were.

    `enrolment`: made for the first sighting that becomes a picture of a face.
    """

    items: ItemStore
    uploads: UploadStore
    tenants: Tenants
    cameras: Cameras
    groups: Groups
    faces: Faces
    portraits: Portraits
    face_visits: FaceVisitsStore
    captures: Captures
    recognition: Recognition
    statistics: Statistics
    merges: Merges
    enrolment: Callable[[], Enrolment]
    webhooks: Webhooks
    writer: GalleryWriter
    requests: Requests
    clock: Clock
    beside: Beside
    audit: Audit
    past: Callable[[str, str, int], PastGallery | int]
    capture_days: int

    @lazy
    def ingest(self) -> Ingest:
        from chalicelib.services.sightings.ingest import Ingest
        from chalicelib.services.sightings.learning import Learning

        return Ingest(
            self.items,
            self.uploads,
            self.tenants,
            self.cameras,
            attempts=self.captures.attempts,
            tenant_vision=self.recognition.tenant_vision,
            recognition=self.recognition,
            same_visit=self.recognition.same_visit,
            commit=self.strangers.commit,
            strangers=self.strangers,
            learning=Learning(self.recognition.tenant_vision, self.portraits),
            unpictured=self.captures.unpictured,
            clock=self.clock,
            beside=self.beside,
        )

    @lazy
    def strangers(self) -> Strangers:
        from chalicelib.services.sightings.sighting import SightingCommit
        from chalicelib.services.sightings.strangers import Strangers

        outbox = self.webhooks.outbox
        return Strangers(
            self.items,
            self.groups,
            self.faces,
            self.portraits,
            commit=SightingCommit(self.items, self.face_visits, self.statistics.recorder, outbox),
            writer=self.writer,
            outbox=outbox,
        )

    @lazy
    def rejection(self) -> Rejection:
        from chalicelib.services.sightings.rejection import Rejection

        return Rejection(
            self.items,
            self.faces,
            self.face_visits,
            self.captures.sighted,
            pictures=self.enrolment().pictures,
            recorder=self.statistics.recorder,
            mover=self.merges.mover,
            ingest=self.ingest,
            merging=self.merges.merging,
            requests=self.requests,
            clock=self.clock,
        )

    @lazy
    def rejections(self) -> Rejections:
        from chalicelib.services.sightings.rejections import Rejections

        return Rejections(self.items, self.faces, self.requests)

    @lazy
    def reviews(self) -> Reviews:
        from chalicelib.services.sightings.reviews import Reviews

        return Reviews(self.items, self.requests, self.clock, self.capture_days)

    @lazy
    def arrivals(self) -> ArrivalBook:
        from chalicelib.services.sightings.arrivals import ArrivalBook

        return ArrivalBook(self.items, self.faces, self.statistics)

    def timeline(self, tenant: Tenant, faceid: str, limit: int = 50, token: str | None = None) -> Timeline:
        """Read a page of a face's sightings, as far back as its arrivals are kept.

        Raises FaceNotFound, InvalidInput.
        """
        require_page_size(limit)
        face = self.faces.get(tenant, faceid)
        visits = visits_from(self.items.get(keys.ARRIVALS, (tenant.name, faceid)))
        below = None if token is None else _place(token)
        found = list(islice(sightings_newest_first(self.items, tenant.name, faceid, visits, below), limit + 1))
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
        return self.uploads.signed_get(keys.capture_picture(tenant.name, camera_id, capture_id))

    def _seen(self, tenant: Tenant, observation: Observation) -> TimelineSighting:
        capture_id, _ = parts_of_sighting(observation.id)
        url = self.picture_url(tenant, observation.camera, observation.id)
        return TimelineSighting(observation, capture_id, url)

    @lazy
    def replay(self) -> Replay:
        from chalicelib.services.sightings.replay import Replay

        recognition = self.recognition
        return Replay(
            self.audit, self.cameras, self.uploads, recognition.tenant_vision, self.past, recognition.fpir_target
        )

    def chores(self) -> tuple[Chore, ...]:
        return (Chore("reviews", lambda one: self.reviews.tidy(one.tenant), nightly=True),)


def _place(token: str) -> str:
    """Return the place in the index that a token names: it is the last sighting's id. Raises InvalidInput."""
    try:
        capture_id, _ = parts_of_sighting(token)
        at_ms = int(capture_id.partition("-")[0])
    except ValueError as error:
        raise InvalidInput("the token is damaged: start again without it") from error
    return keys.observation("", at_ms, token)[1]
