"""The visitor book: its services, each made at its first use, so that a cold start imports only
what its route needs.

It stands alone: it neither imports nor calls privacy, auth or api. What they have to do when it
changes stands in `book_hooks`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.domain.errors import RegularsError
from chalicelib.lazy import lazy
from chalicelib.storage.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.book.cameras import Cameras
    from chalicelib.book.captures.captures import Captures
    from chalicelib.book.commit import GalleryWriter
    from chalicelib.book.counts.counts import Counts
    from chalicelib.book.daily_limits import DailyLimits
    from chalicelib.book.deletion.deletion import Deletion
    from chalicelib.book.enrolment.enrolment import Enrolment
    from chalicelib.book.face_pictures import FacePictures
    from chalicelib.book.faces import Faces
    from chalicelib.book.groups import Groups
    from chalicelib.book.idempotency import Requests
    from chalicelib.book.joining import Joining
    from chalicelib.book.machinery import BookSettings, Machinery
    from chalicelib.book.merges.merges import Merges
    from chalicelib.book.model_change import Reembedding
    from chalicelib.book.models import TenantVision
    from chalicelib.book.portraits import Portraits
    from chalicelib.book.recognition.recognition import Recognition
    from chalicelib.book.search.compact import Compactor
    from chalicelib.book.sightings.sightings import Sightings
    from chalicelib.book.statistics.statistics import Statistics
    from chalicelib.book.tenants import Tenants
    from chalicelib.book.visits import FaceVisitsStore
    from chalicelib.book.webhooks import Webhooks
    from chalicelib.domain.consent import Consent, EndedRecords
    from chalicelib.domain.face_sets import FaceSets
    from chalicelib.domain.hooks import BookHooks
    from chalicelib.storage.ports import ItemStore


class Book:
    """The services of the book, as attributes.

    Set an attribute to replace a service. `items`: None: the storage's own.
    """

    def __init__(
        self, settings: BookSettings, ports: Machinery, items: ItemStore | None = None
    ) -> None:
        self.settings = settings
        self.ports = ports
        self.clock = ports.clock
        self.storage = ports.storage
        self.items = items or ports.storage.items

    def close(self) -> None:
        """Close the database connections. The book cannot be used afterwards."""
        self.storage.close()

    @lazy
    def book_hooks(self) -> BookHooks:
        from chalicelib.domain.hooks import BookHooks

        return BookHooks()

    @lazy
    def face_sets(self) -> FaceSets:
        from chalicelib.domain.face_sets import FaceSets

        return FaceSets()

    @lazy
    def index(self) -> Compactor:
        return self.ports.index(self.deletion.orphans.delete_of)

    @lazy
    def requests(self) -> Requests:
        from chalicelib.book.idempotency import Requests, Signatures

        # a time stamp may be as far ahead as behind
        valid = timedelta(seconds=2 * self.settings.clock_tolerance_s)
        # Only on one box may there be plain http, and one process that hears all requests.
        is_box = isinstance(self.settings.storage, Path)
        return Requests(
            self.items, self.clock, valid, Signatures(self.clock, valid) if is_box else None
        )

    @lazy
    def writer(self) -> GalleryWriter:
        from chalicelib.book.commit import GalleryWriter

        return GalleryWriter(
            self.items,
            self.clock,
            self.wake,
            self._forget_withdrawn,
            self.book_hooks.refuse_ended,
            lambda: self.face_sets,
        )

    @lazy
    def tenant_vision(self) -> TenantVision:
        from chalicelib.book.models import TenantVision

        return TenantVision(self)

    @lazy
    def webhooks(self) -> Webhooks:
        from chalicelib.book.webhooks import Webhooks

        return Webhooks(self)

    @lazy
    def tenants(self) -> Tenants:
        from chalicelib.book.tenants import Tenants

        return Tenants(self)

    @lazy
    def groups(self) -> Groups:
        from chalicelib.book.groups import Groups

        return Groups(self)

    @lazy
    def faces(self) -> Faces:
        from chalicelib.book.faces import Faces

        return Faces(self)

    @lazy
    def face_pictures(self) -> FacePictures:
        from chalicelib.book.face_pictures import FacePictures

        return FacePictures(self)

    @lazy
    def portraits(self) -> Portraits:
        from chalicelib.book.portraits import Portraits

        return Portraits(self)

    @lazy
    def cameras(self) -> Cameras:
        from chalicelib.book.cameras import Cameras

        return Cameras(self)

    @lazy
    def counts(self) -> Counts:
        from chalicelib.book.counts.counts import Counts

        return Counts(self)

    @lazy
    def captures(self) -> Captures:
        from chalicelib.book.captures.captures import Captures

        return Captures(self)

    @lazy
    def daily_limits(self) -> DailyLimits:
        from chalicelib.book.daily_limits import DailyLimits

        return DailyLimits(self)

    @lazy
    def statistics(self) -> Statistics:
        from chalicelib.book.statistics.statistics import Statistics

        return Statistics(self)

    @lazy
    def face_visits(self) -> FaceVisitsStore:
        from chalicelib.book.visits import FaceVisitsStore

        return FaceVisitsStore(self)

    @lazy
    def recognition(self) -> Recognition:
        from chalicelib.book.recognition.recognition import Recognition

        return Recognition(self)

    @lazy
    def merges(self) -> Merges:
        from chalicelib.book.merges.merges import Merges

        return Merges(self)

    @lazy
    def joining(self) -> Joining:
        from chalicelib.book.joining import Joining

        return Joining(self)

    @lazy
    def enrolment(self) -> Enrolment:
        from chalicelib.book.enrolment.enrolment import Enrolment

        return Enrolment(self)

    @lazy
    def sightings(self) -> Sightings:
        from chalicelib.book.sightings.sightings import Sightings

        return Sightings(self)

    @lazy
    def deletion(self) -> Deletion:
        from chalicelib.book.deletion.deletion import Deletion

        return Deletion(self)

    @lazy
    def reembedding(self) -> Reembedding:
        from chalicelib.book.model_change import Reembedding

        return Reembedding(self)

    def _forget_withdrawn(
        self, tenant: str, ended_records: EndedRecords, strangers: Mapping[str, Consent | None]
    ) -> None:
        """Erase strangers who withdrew. Deletion is loaded here, so a cold start does without."""
        self.deletion.forget_withdrawn(tenant, ended_records, strangers)

    def wake(self, tenant: str, delay_s: int = 0, **work: object) -> None:
        """Have the sweep go on with an `erasure`, a `group`, `consents` or `chores` of the tenant,
        or with snapshots.

        A loss is no harm.
        """
        with suppress(RegularsError):
            self.storage.index_queue.send(json.dumps({"tenant": tenant, **work}), delay_s, tenant)

    def request_jobs(self, tenant: str, jobs: Sequence[str]) -> None:
        """Have the sweep do these jobs of the tenant at once, behind this request."""
        self.wake(tenant, hour=milliseconds(self.clock.now()), chores=jobs, after="", is_part=True)
