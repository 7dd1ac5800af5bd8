"""All use cases: a face a room, each made at its first use, so that a cold start imports only what its route needs."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.core.errors import RegularsError
from chalicelib.core.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from chalicelib.core.model import JournalEntry, Tenant
    from chalicelib.core.ports import Clock, ObjectReader, PictureFetcher, Postman, Storage, Vision
    from chalicelib.core.search import FaceSearch, IndexBuilder, IndexedFace
    from chalicelib.services.access.access import Access
    from chalicelib.services.account import Account
    from chalicelib.services.audit.audit import Audit
    from chalicelib.services.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.commit import GalleryWriter
    from chalicelib.services.consents import Consents
    from chalicelib.services.consistency.consistency import Consistency
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.erasure.erasure import Deletions
    from chalicelib.services.faces import Faces
    from chalicelib.services.groups import Groups
    from chalicelib.services.idempotency import Requests
    from chalicelib.services.joining.joining import Joining
    from chalicelib.services.merges.merges import Merges
    from chalicelib.services.model_change import Reembedding
    from chalicelib.services.models import TenantVision
    from chalicelib.services.portraits import Portraits
    from chalicelib.services.readiness import Readiness
    from chalicelib.services.recognition.recognition import Recognition
    from chalicelib.services.sightings.sightings import Sightings
    from chalicelib.services.statistics.statistics import Statistics
    from chalicelib.services.subject_access.subject_access import Archives
    from chalicelib.services.subjects import Subjects
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenants import Tenants
    from chalicelib.services.users import Users
    from chalicelib.services.visits import FaceVisitsStore
    from chalicelib.services.watch import Watch
    from chalicelib.services.webhooks import Webhooks
    from chalicelib.settings import Settings

INDEX_EVERY = 256
"""Commits between two calls of the index builder. The schedule calls it too, so a lost message does no harm."""


class Ports(Protocol):
    """The adapters that the settings choose (chalicelib.bootstrap). `model` and `vision` are those of new tenants."""

    clock: Clock
    storage: Storage
    model: Callable[[], str]
    vision: Callable[[], Vision]
    vision_of: Callable[[str], Vision]

    @property
    def search(self) -> FaceSearch:
        """The search in galleries."""

    def index(self, forget: Callable[[str, set[str]], object]) -> IndexBuilder:
        """Make the builder of snapshots. `forget`: deletes the pictures that changed faces of a tenant left behind."""

    def journal(self, tenant: str, held: int, wanted: int) -> list[JournalEntry] | None:
        """Read the changes with seq held + 1 to wanted. Return None if one of them was trimmed."""

    def indexed(self, tenant: str) -> Iterable[IndexedFace]:
        """Read each face that a search process finds which has just started."""

    def model_number(self, model: str) -> int:
        """Return the number that clients know an embedding model by."""

    @property
    def postman(self) -> Postman:
        """The adapter that posts to hooks."""

    @property
    def pictures_by_url(self) -> PictureFetcher:
        """The adapter that fetches pictures from URLs that a client sent."""

    def objects(self) -> ObjectReader:
        """Make the adapter that reads what clients keep in S3."""


class Services:
    """All use cases, as attributes, a room each. Set an attribute to replace a room."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        from chalicelib.services.audit.audit import AuditedItems  # not when the application is imported

        self.settings, self.ports, self.clock = settings, ports, ports.clock
        self.items = AuditedItems(ports.storage.items, ports.clock, self._sign)

    def close(self) -> None:
        """Close the database connections. The services cannot be used afterwards."""
        self.ports.storage.close()

    @lazy
    def index(self) -> IndexBuilder:
        return self.ports.index(self.erasure.pictures.delete_of)

    def _sign(self, tenant: str, statement: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.audit.signing.sign(tenant, statement)  # the room is made when something is signed

    @lazy
    def audit(self) -> Audit:
        from chalicelib.services.audit.audit import Audit

        return Audit(self.items, self.ports.storage.blobs, self.ports.storage.vault, self.clock)

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

    @lazy
    def tenants(self) -> Tenants:
        from chalicelib.services.tenants import Tenants

        return Tenants(self.items, self.ports.storage.vault, self.clock, self.ports.model, self.settings.capture_days)

    @lazy
    def access(self) -> Access:
        from chalicelib.services.access.access import Access

        limits = self.settings
        return Access(self.items, self.requests, self.clock, limits.requests_a_second, limits.searches_a_second)

    @lazy
    def tenant_vision(self) -> TenantVision:
        from chalicelib.services.models import TenantVision

        return TenantVision(self.ports.vision, self.ports.vision_of, self.settings.fpir_target)

    @lazy
    def groups(self) -> Groups:
        from chalicelib.services.groups import Groups

        return Groups(self.items, self.requests, self.clock)

    @lazy
    def faces(self) -> Faces:
        from chalicelib.services.faces import Faces

        return Faces(self.items, self.groups, self.requests, self.writer, self.clock)

    @lazy
    def portraits(self) -> Portraits:
        from chalicelib.services.portraits import Portraits

        return Portraits(self.tenant_vision, self.ports.storage.blobs, self.ports.storage.beside)

    @lazy
    def cameras(self) -> Cameras:
        from chalicelib.services.cameras import Cameras

        return Cameras(self.items, self.tenants, self.groups, self.requests, self.clock, self.ports.storage.beside)

    @lazy
    def captures(self) -> Captures:
        from chalicelib.services.captures.captures import Captures

        return Captures(
            self.items,
            self.ports.storage.uploads,
            self.cameras,
            self.access,
            clock=self.clock,
            clock_tolerance_s=self.settings.clock_tolerance_s,
            requests=self.requests,
            tenant_vision=self.tenant_vision,
            queue=self.ports.storage.captures_queue,
        )

    @lazy
    def statistics(self) -> Statistics:
        from chalicelib.services.statistics.statistics import Statistics

        return Statistics(self.items, self.ports.storage.blobs, self.clock)

    @lazy
    def face_visits(self) -> FaceVisitsStore:
        from chalicelib.services.visits import FaceVisitsStore

        return FaceVisitsStore(
            self.items, self.groups, self.statistics.recorder, self.writer, self.ports.storage.beside
        )

    @lazy
    def webhooks(self) -> Webhooks:
        from chalicelib.services.webhooks import Webhooks

        storage = self.ports.storage
        return Webhooks(
            self.items,
            storage.vault,
            storage.deliveries_queue,
            lambda: self.ports.postman,
            requests=self.requests,
            clock=self.clock,
        )

    @lazy
    def recognition(self) -> Recognition:
        from chalicelib.services.recognition.recognition import Recognition

        storage = self.settings.storage
        own = () if isinstance(storage, Path) else (storage.bucket, storage.captures_bucket)
        return Recognition(
            self.items,
            self.tenant_vision,
            lambda: self.ports.search,
            self.faces,
            groups=self.groups,
            statistics=self.statistics,
            requests=self.requests,
            clock=self.clock,
            objects=self.ports.objects,
            own=own,
        )

    @lazy
    def users(self) -> Users:
        from chalicelib.services.users import Users

        return Users(self.items, self.faces, self.writer, self.requests, self.tenant_vision)

    @lazy
    def subjects(self) -> Subjects:
        from chalicelib.services.subjects import Subjects

        return Subjects(
            self.items,
            self.users,
            self.faces,
            self.portraits,
            enrolment=self.enrolment,
            erasure=self.erasure,
            search=lambda: self.ports.search,
            tenant_vision=self.tenant_vision,
            writer=self.writer,
            clock=self.clock,
        )

    @lazy
    def merges(self) -> Merges:
        from chalicelib.services.merges.merges import Merges

        return Merges(
            self.items,
            self.groups,
            self.faces,
            self.portraits,
            face_visits=self.face_visits,
            statistics=self.statistics,
            webhooks=self.webhooks,
            tenant_vision=self.tenant_vision,
            writer=self.writer,
            requests=self.requests,
            clock=self.clock,
        )

    @lazy
    def consents(self) -> Consents:
        from chalicelib.services.consents import Consents

        return Consents(self.items, self.faces, self.merges, self.requests, self.clock)

    @lazy
    def joining(self) -> Joining:
        from chalicelib.services.joining.joining import Joining

        return Joining(
            self.items,
            self.faces,
            self.face_visits,
            self.merges,
            cameras=self.cameras,
            recognition=self.recognition,
            tail=self.ports.journal,
        )

    @lazy
    def enrolment(self) -> Enrolment:
        from chalicelib.services.enrolment.enrolment import Enrolment

        return Enrolment(
            self.items,
            self.groups,
            self.faces,
            self.portraits,
            writer=self.writer,
            recognition=self.recognition,
            merges=self.merges,
            joining=lambda: self.joining,
            statistics=self.statistics,
            captures=self.captures,
            tenant_vision=self.tenant_vision,
            requests=self.requests,
            clock=self.clock,
        )

    @lazy
    def sightings(self) -> Sightings:
        from chalicelib.services.sightings.sightings import Sightings

        return Sightings(
            self.items,
            self.ports.storage.uploads,
            self.tenants,
            self.cameras,
            groups=self.groups,
            faces=self.faces,
            portraits=self.portraits,
            face_visits=self.face_visits,
            captures=self.captures,
            recognition=self.recognition,
            statistics=self.statistics,
            merges=self.merges,
            enrolment=lambda: self.enrolment,
            webhooks=self.webhooks,
            writer=self.writer,
            requests=self.requests,
            clock=self.clock,
            beside=self.ports.storage.beside,
            audit=self.audit,
            capture_days=self.settings.capture_days,
        )

    @lazy
    def reembedding(self) -> Reembedding:
        from chalicelib.services.model_change import Reembedding

        return Reembedding(
            self.items,
            self.ports.storage.blobs,
            self.ports.storage.uploads,
            self.writer,
            self.index,
            self.ports.journal,
        )

    @lazy
    def erasure(self) -> Deletions:
        from chalicelib.services.erasure.erasure import Deletions

        return Deletions(
            self.items,
            self.ports.storage,
            self.groups,
            self.faces,
            portraits=self.portraits,
            captures=self.captures,
            statistics=self.statistics,
            merges=self.merges,
            consents=self.consents,
            enrolment=lambda: self.enrolment,
            in_review=self._in_review,
            tenant_vision=self.tenant_vision,
            audit=self.audit,
            index=lambda: self.index,
            writer=self.writer,
            requests=self.requests,
            clock=self.clock,
            capture_days=self.settings.capture_days,
        )

    @lazy
    def archives(self) -> Archives:
        from chalicelib.services.subject_access.subject_access import Archives

        return Archives(
            self.items,
            self.ports.storage.blobs,
            self.ports.storage.uploads,
            self.faces,
            groups=self.groups,
            merges=self.merges,
            tenant_vision=self.tenant_vision,
            audit=self.audit,
            clock=self.clock,
            capture_days=self.settings.capture_days,
            notice=self._notice,
        )

    def _notice(self, tenant: Tenant, language: str) -> dict[str, list[str]]:
        from chalicelib.services.account import Language, notice

        sections = notice(tenant, Language(language), self.settings.capture_days).sections
        return {one.heading: one.lines for one in sections}

    @lazy
    def account(self) -> Account:
        from chalicelib.services.account import Account

        return Account(
            self.items,
            self.tenants,
            self.groups,
            self.cameras,
            access=self.access,
            captures=self.captures,
            webhooks=self.webhooks,
            requests=self.requests,
            disk=self.ports.storage.disk,
        )

    @lazy
    def readiness(self) -> Readiness:
        from chalicelib.services.readiness import Readiness

        return Readiness(
            self.items,
            self.ports.storage.blobs,
            self.ports.model,
            self.tenant_vision.of,
            search=lambda: self.ports.search,
            clock=self.clock,
            disk=self.ports.storage.disk,
            damage=self.ports.storage.damage,
        )

    @lazy
    def consistency(self) -> Consistency:
        from chalicelib.services.consistency.consistency import Consistency

        return Consistency(
            self.items,
            self.ports.storage,
            self.tenants,
            self.groups,
            statistics=self.statistics,
            merges=self.merges,
            erasure=self.erasure,
            writer=self.writer,
            clock=self.clock,
            indexed=self.ports.indexed,
        )

    @lazy
    def watch(self) -> Watch:
        from chalicelib.services.watch import Watch

        return Watch(
            self.items,
            self.tenants,
            self.cameras,
            self.webhooks.outbox,
            captures=self.captures,
            joining=self.joining if isinstance(self.settings.storage, Path) else None,
            clock=self.clock,
        )

    @lazy
    def sweep(self) -> Sweep:
        from chalicelib.services.sweep import Sweep

        # First what erases.
        rooms = (
            self.erasure,
            self.merges,
            self.statistics,
            self.captures,
            self.audit,
            self.sightings,
            self.requests,
            self.access,
            self.webhooks,
            self.joining,
        )
        return Sweep(
            self.items,
            self.ports.storage,
            self.tenants,
            self.index,
            erasure=self.erasure,
            joining=self.joining,
            rooms=rooms,
            inspect=self.readiness.inspect,
            clock=self.clock,
        )

    def _in_review(self, tenant: Tenant) -> Collection[str]:
        return self.sightings.reviews.faces(tenant)

    def _announce_index(self, tenant: str, seq: int) -> None:
        if seq % INDEX_EVERY == 0:
            with suppress(RegularsError):
                self.ports.storage.index_queue.send(json.dumps({"tenant": tenant}), group=tenant)
