"""The visitor book: its rooms, each made at its first use, so that a cold start imports only what its route needs.

It stands alone: it neither imports nor calls rights or doors. What they have to do when it changes stands in `duties`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.book.rooms import Made
from chalicelib.book.words.errors import RegularsError
from chalicelib.book.words.lazy import lazy

if TYPE_CHECKING:
    from chalicelib.book.cameras import Cameras
    from chalicelib.book.captures.captures import Captures
    from chalicelib.book.commit import GalleryWriter
    from chalicelib.book.daily_limits import DailyLimits
    from chalicelib.book.deletion.deletion import Deletion
    from chalicelib.book.enrolment.enrolment import Enrolment
    from chalicelib.book.face_pictures import FacePictures
    from chalicelib.book.faces import Faces
    from chalicelib.book.groups import Groups
    from chalicelib.book.idempotency import Requests
    from chalicelib.book.index.compact import Compactor
    from chalicelib.book.joining import Joining
    from chalicelib.book.machinery import BookSettings, Machinery
    from chalicelib.book.merges.merges import Merges
    from chalicelib.book.model_change import Reembedding
    from chalicelib.book.models import TenantVision
    from chalicelib.book.portraits import Portraits
    from chalicelib.book.recognition.recognition import Recognition
    from chalicelib.book.sightings.sightings import Sightings
    from chalicelib.book.statistics.statistics import Statistics
    from chalicelib.book.subjects import Subjects
    from chalicelib.book.tenants import Tenants
    from chalicelib.book.users import Users
    from chalicelib.book.visits import FaceVisitsStore
    from chalicelib.book.webhooks import Webhooks
    from chalicelib.book.words.duties import Duties
    from chalicelib.book.words.ports import ItemStore


class Book:
    """The rooms of the book, as attributes. Set an attribute to replace a room. `items`: None: the storage's own."""

    def __init__(self, settings: BookSettings, ports: Machinery, items: ItemStore | None = None) -> None:
        self.settings, self.ports, self.clock, self.storage = settings, ports, ports.clock, ports.storage
        self.items = items or ports.storage.items

    @property
    def book(self) -> Book:
        return self

    def close(self) -> None:
        """Close the database connections. The book cannot be used afterwards."""
        self.storage.close()

    @lazy
    def duties(self) -> Duties:
        from chalicelib.book.words.duties import Duties

        return Duties()

    @lazy
    def index(self) -> Compactor:
        return self.ports.index(self.deletion.orphans.delete_of)

    @lazy
    def requests(self) -> Requests:
        from chalicelib.book.idempotency import Requests, Signatures

        valid = timedelta(seconds=2 * self.settings.clock_tolerance_s)  # a time stamp may be as far ahead as behind
        # Only on one box may there be plain http, and one process that hears all requests.
        is_box = isinstance(self.settings.storage, Path)
        return Requests(self.items, self.clock, valid, Signatures(self.clock, valid) if is_box else None)

    @lazy
    def writer(self) -> GalleryWriter:
        from chalicelib.book.commit import GalleryWriter

        return GalleryWriter(self.items, self.clock, self.wake)

    tenant_vision: Made[TenantVision] = Made("book.models.TenantVision")
    webhooks: Made[Webhooks] = Made("book.webhooks.Webhooks")
    tenants: Made[Tenants] = Made("book.tenants.Tenants")
    groups: Made[Groups] = Made("book.groups.Groups")
    faces: Made[Faces] = Made("book.faces.Faces")
    face_pictures: Made[FacePictures] = Made("book.face_pictures.FacePictures")
    portraits: Made[Portraits] = Made("book.portraits.Portraits")
    cameras: Made[Cameras] = Made("book.cameras.Cameras")
    captures: Made[Captures] = Made("book.captures.captures.Captures")
    daily_limits: Made[DailyLimits] = Made("book.daily_limits.DailyLimits")
    statistics: Made[Statistics] = Made("book.statistics.statistics.Statistics")
    face_visits: Made[FaceVisitsStore] = Made("book.visits.FaceVisitsStore")
    recognition: Made[Recognition] = Made("book.recognition.recognition.Recognition")
    users: Made[Users] = Made("book.users.Users")
    subjects: Made[Subjects] = Made("book.subjects.Subjects")
    merges: Made[Merges] = Made("book.merges.merges.Merges")
    joining: Made[Joining] = Made("book.joining.Joining")
    enrolment: Made[Enrolment] = Made("book.enrolment.enrolment.Enrolment")
    sightings: Made[Sightings] = Made("book.sightings.sightings.Sightings")
    deletion: Made[Deletion] = Made("book.deletion.deletion.Deletion")
    reembedding: Made[Reembedding] = Made("book.model_change.Reembedding")

    def wake(self, tenant: str, delay_s: int = 0, **work: object) -> None:
        """Have the sweep go on with an `erasure`, a `group`, `consents` or `chores` of the tenant, or with snapshots.

        A loss is no harm.
        """
        with suppress(RegularsError):
            self.storage.index_queue.send(json.dumps({"tenant": tenant, **work}), delay_s, tenant)
