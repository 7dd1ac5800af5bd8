"""The visitor book: its rooms, each made at its first use, so that a cold start imports only what its route needs.

It stands alone: it neither imports nor calls rights or doors. What they have to do when it changes stands in `duties`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.errors import RegularsError
from chalicelib.core.lazy import lazy
from chalicelib.services.rooms import Made

if TYPE_CHECKING:
    from chalicelib.core.duties import Duties
    from chalicelib.core.ports import ItemStore
    from chalicelib.index.compact import Compactor
    from chalicelib.services.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.commit import GalleryWriter
    from chalicelib.services.deletion.deletion import Deletion
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.face_pictures import FacePictures
    from chalicelib.services.faces import Faces
    from chalicelib.services.groups import Groups
    from chalicelib.services.idempotency import Requests
    from chalicelib.services.joining import Joining
    from chalicelib.services.machinery import BookSettings, Machinery
    from chalicelib.services.merges.merges import Merges
    from chalicelib.services.model_change import Reembedding
    from chalicelib.services.models import TenantVision
    from chalicelib.services.portraits import Portraits
    from chalicelib.services.quotas import Quotas
    from chalicelib.services.recognition.recognition import Recognition
    from chalicelib.services.sightings.sightings import Sightings
    from chalicelib.services.statistics.statistics import Statistics
    from chalicelib.services.subjects import Subjects
    from chalicelib.services.tenants import Tenants
    from chalicelib.services.users import Users
    from chalicelib.services.visits import FaceVisitsStore
    from chalicelib.services.webhooks import Webhooks


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
        from chalicelib.core.duties import Duties

        return Duties()

    @lazy
    def index(self) -> Compactor:
        return self.ports.index(self.deletion.orphans.delete_of)

    @lazy
    def requests(self) -> Requests:
        from chalicelib.services.idempotency import Requests, Signatures

        valid = timedelta(seconds=2 * self.settings.clock_tolerance_s)  # a time stamp may be as far ahead as behind
        # Only on one box may there be plain http, and one process that hears all requests.
        is_box = isinstance(self.settings.storage, Path)
        return Requests(self.items, self.clock, valid, Signatures(self.clock, valid) if is_box else None)

    @lazy
    def writer(self) -> GalleryWriter:
        from chalicelib.services.commit import GalleryWriter

        return GalleryWriter(self.items, self.clock, self.wake)

    tenant_vision: Made[TenantVision] = Made("services.models.TenantVision")
    webhooks: Made[Webhooks] = Made("services.webhooks.Webhooks")
    tenants: Made[Tenants] = Made("services.tenants.Tenants")
    groups: Made[Groups] = Made("services.groups.Groups")
    faces: Made[Faces] = Made("services.faces.Faces")
    face_pictures: Made[FacePictures] = Made("services.face_pictures.FacePictures")
    portraits: Made[Portraits] = Made("services.portraits.Portraits")
    cameras: Made[Cameras] = Made("services.cameras.Cameras")
    captures: Made[Captures] = Made("services.captures.captures.Captures")
    quotas: Made[Quotas] = Made("services.quotas.Quotas")
    statistics: Made[Statistics] = Made("services.statistics.statistics.Statistics")
    face_visits: Made[FaceVisitsStore] = Made("services.visits.FaceVisitsStore")
    recognition: Made[Recognition] = Made("services.recognition.recognition.Recognition")
    users: Made[Users] = Made("services.users.Users")
    subjects: Made[Subjects] = Made("services.subjects.Subjects")
    merges: Made[Merges] = Made("services.merges.merges.Merges")
    joining: Made[Joining] = Made("services.joining.Joining")
    enrolment: Made[Enrolment] = Made("services.enrolment.enrolment.Enrolment")
    sightings: Made[Sightings] = Made("services.sightings.sightings.Sightings")
    deletion: Made[Deletion] = Made("services.deletion.deletion.Deletion")
    reembedding: Made[Reembedding] = Made("services.model_change.Reembedding")

    def wake(self, tenant: str, delay_s: int = 0, **work: object) -> None:
        """Have the sweep go on with an `erasure`, a `group` or `chores` of the tenant, or with snapshots.

        A loss is no harm.
        """
        with suppress(RegularsError):
            self.storage.index_queue.send(json.dumps({"tenant": tenant, **work}), delay_s, tenant)
