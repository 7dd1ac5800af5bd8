"""All use cases: a face a room, each made at its first use, so that a cold start imports only what its route needs."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import RegularsError
from chalicelib.core.lazy import lazy
from chalicelib.services.rooms import Made

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.bootstrap import Adapters
    from chalicelib.index.compact import Compactor
    from chalicelib.services.access.access import Access
    from chalicelib.services.account import Account
    from chalicelib.services.audit.audit import Audit
    from chalicelib.services.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.commit import GalleryWriter
    from chalicelib.services.consents import Consents
    from chalicelib.services.consistency import Consistency
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.erasure.erasure import Deletions
    from chalicelib.services.faces import Faces
    from chalicelib.services.groups import Groups
    from chalicelib.services.idempotency import Requests
    from chalicelib.services.joining import Joining
    from chalicelib.services.merges.merges import Merges
    from chalicelib.services.model_change import Reembedding
    from chalicelib.services.models import TenantVision
    from chalicelib.services.portraits import Portraits
    from chalicelib.services.readiness import Readiness
    from chalicelib.services.recognition.recognition import Recognition
    from chalicelib.services.sightings.sightings import Sightings
    from chalicelib.services.statistics.statistics import Statistics
    from chalicelib.services.subject_access import Archives
    from chalicelib.services.subjects import Subjects
    from chalicelib.services.sweep import Sweep, Watch
    from chalicelib.services.tenants import Tenants
    from chalicelib.services.users import Users
    from chalicelib.services.visits import FaceVisitsStore
    from chalicelib.services.webhooks import Webhooks
    from chalicelib.settings import Settings

INDEX_EVERY = 256
"""Commits between two calls of the index builder. The schedule calls it too, so a lost message does no harm."""


class Services:
    """All use cases, as attributes, a room each. Set an attribute to replace a room."""

    def __init__(self, settings: Settings, ports: Adapters) -> None:
        from chalicelib.services.audit.audit import AuditedItems  # not when the application is imported

        self.settings, self.ports, self.clock, self.storage = settings, ports, ports.clock, ports.storage
        self.items = AuditedItems(ports.storage.items, ports.clock, self._sign)

    @property
    def book(self) -> Services:
        return self

    def close(self) -> None:
        """Close the database connections. The services cannot be used afterwards."""
        self.storage.close()

    @lazy
    def index(self) -> Compactor:
        return self.ports.index(self.erasure.pictures.delete_of)

    def _sign(self, tenant: str, statement: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.audit.signing.sign(tenant, statement)  # the room is made when something is signed

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

        return GalleryWriter(self.items, self.clock, self._announce_index)

    tenant_vision: Made[TenantVision] = Made("models.TenantVision")
    audit: Made[Audit] = Made("audit.audit.Audit")
    webhooks: Made[Webhooks] = Made("webhooks.Webhooks")
    access: Made[Access] = Made("access.access.Access")
    tenants: Made[Tenants] = Made("tenants.Tenants")
    groups: Made[Groups] = Made("groups.Groups")
    faces: Made[Faces] = Made("faces.Faces")
    portraits: Made[Portraits] = Made("portraits.Portraits")
    cameras: Made[Cameras] = Made("cameras.Cameras")
    captures: Made[Captures] = Made("captures.captures.Captures")
    statistics: Made[Statistics] = Made("statistics.statistics.Statistics")
    face_visits: Made[FaceVisitsStore] = Made("visits.FaceVisitsStore")
    recognition: Made[Recognition] = Made("recognition.recognition.Recognition")
    users: Made[Users] = Made("users.Users")
    subjects: Made[Subjects] = Made("subjects.Subjects")
    merges: Made[Merges] = Made("merges.merges.Merges")
    consents: Made[Consents] = Made("consents.Consents")
    joining: Made[Joining] = Made("joining.Joining")
    enrolment: Made[Enrolment] = Made("enrolment.enrolment.Enrolment")
    sightings: Made[Sightings] = Made("sightings.sightings.Sightings")
    reembedding: Made[Reembedding] = Made("model_change.Reembedding")
    erasure: Made[Deletions] = Made("erasure.erasure.Deletions")
    archives: Made[Archives] = Made("subject_access.Archives")
    account: Made[Account] = Made("account.Account")
    readiness: Made[Readiness] = Made("readiness.Readiness")
    consistency: Made[Consistency] = Made("consistency.Consistency")
    watch: Made[Watch] = Made("sweep.Watch")
    sweep: Made[Sweep] = Made("sweep.Sweep")

    def wake(self, tenant: str, delay_s: int = 0, **work: str) -> None:
        """Have the sweep go on with an `erasure` or a `group` of the tenant, or with snapshots. A loss is no harm."""
        with suppress(RegularsError):
            self.storage.index_queue.send(json.dumps({"tenant": tenant, **work}), delay_s, tenant)

    def _announce_index(self, tenant: str, seq: int) -> None:
        if seq % INDEX_EVERY == 0:
            self.wake(tenant)
