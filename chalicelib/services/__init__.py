"""All use cases, each wired on first use, so that a cold start imports only what its route needs."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.errors import RegularsError
from chalicelib.core.once import once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.core.model import JournalEntry
    from chalicelib.core.ports import Clock, ObjectReader, PictureFetcher, Postman, Standing, Storage, Vision
    from chalicelib.core.search import FaceSearch, IndexBuilder, PastGallery
    from chalicelib.services.account.settings import OwnSettings
    from chalicelib.services.account.usage import UsageReader
    from chalicelib.services.audit.chain import Chain
    from chalicelib.services.audit.closing import Closing
    from chalicelib.services.audit.entries import Reads
    from chalicelib.services.audit.erasing import AuditErasing
    from chalicelib.services.audit.pending import Pending
    from chalicelib.services.audit.reading import AuditReading
    from chalicelib.services.audit.verify import Verifying
    from chalicelib.services.captures.cameras import Cameras
    from chalicelib.services.captures.captures import Captures
    from chalicelib.services.captures.crops import Crops
    from chalicelib.services.captures.kept import KeptCaptures
    from chalicelib.services.captures.one_step import OneStep
    from chalicelib.services.captures.reading import SightedFaces
    from chalicelib.services.captures.redrive import Redrive
    from chalicelib.services.captures.unpictured import Unpictured
    from chalicelib.services.commit.gallery import GalleryWriter
    from chalicelib.services.commit.idempotency import Requests
    from chalicelib.services.consents import Consents
    from chalicelib.services.consistency.consistency import Consistency
    from chalicelib.services.consistency.gallery import IndexedFace
    from chalicelib.services.enrolment.absorbing import Absorbing
    from chalicelib.services.enrolment.enrolment import Enrolment
    from chalicelib.services.enrolment.everybody import GroupEnrolment
    from chalicelib.services.enrolment.indexing import Indexing
    from chalicelib.services.enrolment.many import ManyFaces
    from chalicelib.services.enrolment.pictures import FacePictures
    from chalicelib.services.enrolment.update import FaceUpdate
    from chalicelib.services.erasure.erasing import Erasing, Erasures
    from chalicelib.services.erasure.faces import Deletion
    from chalicelib.services.erasure.groups import GroupDeletion
    from chalicelib.services.erasure.pictures import OrphanedPictures
    from chalicelib.services.erasure.retention import Retention
    from chalicelib.services.erasure.traces import Traces
    from chalicelib.services.everything.archive import Archives
    from chalicelib.services.faces.faces import Faces
    from chalicelib.services.faces.holds import Holds
    from chalicelib.services.faces.lists import FaceLists
    from chalicelib.services.faces.names import Names
    from chalicelib.services.faces.portraits import Portraits
    from chalicelib.services.groups.groups import Groups
    from chalicelib.services.joining.chore import JoiningChore
    from chalicelib.services.joining.joining import Joining
    from chalicelib.services.joining.likeness import Likeness
    from chalicelib.services.merges.duplicates import Duplicates
    from chalicelib.services.merges.merge import Merging
    from chalicelib.services.merges.observations import ObservationMover
    from chalicelib.services.merges.records import Merges
    from chalicelib.services.merges.undo import MergeUndo
    from chalicelib.services.model_change.reembedding import Reembedding
    from chalicelib.services.models.tenant_vision import TenantVision
    from chalicelib.services.readiness import Readiness
    from chalicelib.services.recognition.identify import Identify
    from chalicelib.services.recognition.known import KnownFaces
    from chalicelib.services.recognition.looking import Looking
    from chalicelib.services.recognition.ranking import Ranking
    from chalicelib.services.recognition.recognition import Recognition
    from chalicelib.services.recognition.same_visit import SameVisit
    from chalicelib.services.recognition.stored import StoredPictures
    from chalicelib.services.recognition.verification import Verification
    from chalicelib.services.replay import Replay
    from chalicelib.services.sightings.arrivals import ArrivalBook
    from chalicelib.services.sightings.ingest import Ingest
    from chalicelib.services.sightings.rejection import Rejection
    from chalicelib.services.sightings.rejections import Rejections
    from chalicelib.services.sightings.reviews import Reviews
    from chalicelib.services.sightings.timeline import Sightings
    from chalicelib.services.statistics.amounts import Statistics
    from chalicelib.services.statistics.days import DayReader
    from chalicelib.services.statistics.observations import Observations
    from chalicelib.services.statistics.recorder import Recorder
    from chalicelib.services.statistics.sealing import Sealing
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenants.accounts import Tenants
    from chalicelib.services.tenants.key_ring import KeyRing
    from chalicelib.services.tenants.quotas import Quotas
    from chalicelib.services.tenants.rates import Rates
    from chalicelib.services.tenants.sessions import Sessions
    from chalicelib.services.tenants.signing import Signing
    from chalicelib.services.users.users import Users
    from chalicelib.services.visits import FaceVisitsStore
    from chalicelib.services.watch import Watch
    from chalicelib.services.webhooks.deliveries import Deliveries
    from chalicelib.services.webhooks.hooks import Hooks
    from chalicelib.services.webhooks.outbox import Outbox
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

    def search(self) -> FaceSearch:
        """Make the search in galleries."""

    def index(self, forget: Callable[[str, set[str]], object]) -> IndexBuilder:
        """Make the builder of snapshots. `forget`: deletes the pictures that changed faces of a tenant left behind."""

    def journal(self, tenant: str, held: int, wanted: int) -> list[JournalEntry] | None:
        """Read the changes with seq held + 1 to wanted. Return None if one of them was trimmed."""

    def past(self, tenant: str, model: str, seq: int) -> PastGallery | int:
        """Make a tenant's gallery as it was at `seq`; the lowest seq that can be made if that one cannot."""

    def indexed(self, tenant: str) -> Iterable[IndexedFace]:
        """Read each face that a search process finds which has just started."""

    def standing(self, model: str) -> Standing | None:
        """Compare the model's pack with the best one; None: no pack has the model."""

    def model_number(self, model: str) -> int:
        """Return the number that clients know an embedding model by."""

    def postman(self) -> Postman:
        """Make the adapter that posts to hooks."""

    def pictures_by_url(self) -> PictureFetcher:
        """Make the adapter that fetches pictures from URLs that a client sent."""

    def objects(self) -> ObjectReader:
        """Make the adapter that reads what clients keep in S3."""


class Services:
    """All use cases, as attributes. Set an attribute to replace a use case."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self.settings, self.ports, self.clock = settings, ports, ports.clock
        storage = ports.storage
        from chalicelib.services.audit.entries import AuditedItems  # not when the application is imported

        self._items, self._blobs, self._vault = AuditedItems(storage.items, ports.clock), storage.blobs, storage.vault
        self.uploads = storage.uploads
        self._beside = storage.beside
        self.pictures = storage.blobs
        self.index_queue = storage.index_queue
        self.captures_queue = storage.captures_queue
        self.deliveries_queue = storage.deliveries_queue

    def close(self) -> None:
        """Close the database connections. The services cannot be used afterwards."""
        self.ports.storage.close()

    def model_number(self, model: str) -> int:
        """Return the number that clients know an embedding model by; 0 if no pack of this version has it."""
        return self.ports.model_number(model)

    @once
    def search(self) -> FaceSearch:
        return self.ports.search()

    @once
    def index(self) -> IndexBuilder:
        return self.ports.index(self.orphans.delete_of)

    @once
    def pictures_by_url(self) -> PictureFetcher:
        return self.ports.pictures_by_url()

    @once
    def stored_pictures(self) -> StoredPictures:
        from chalicelib.services.recognition.stored import StoredPictures

        storage = self.settings.storage
        own = () if isinstance(storage, Path) else (storage.bucket, storage.captures_bucket)
        return StoredPictures(self.ports.objects, own)

    @once
    def _postman(self) -> Postman:
        return self.ports.postman()

    @once
    def requests(self) -> Requests:
        from chalicelib.services.commit.idempotency import Requests

        valid = timedelta(seconds=2 * self.settings.clock_tolerance_s)  # a time stamp may be as far ahead as behind
        if not isinstance(self.settings.storage, Path):
            return Requests(self._items, self.clock, valid)
        from chalicelib.services.commit.reads import SignedReads

        # Only on one box may there be plain http, and one process that hears all requests.
        return Requests(self._items, self.clock, valid, SignedReads(self.clock, valid))

    @once
    def reads(self) -> Reads:
        from chalicelib.services.audit.entries import Reads

        return Reads(self._items, self.clock)

    @once
    def audit_chain(self) -> Chain:
        from chalicelib.services.audit.chain import Chain

        return Chain(self._items, self._blobs, self.clock)

    @once
    def audit_pending(self) -> Pending:
        from chalicelib.services.audit.pending import Pending

        return Pending(self._items)

    @once
    def audit_closing(self) -> Closing:
        from chalicelib.services.audit.closing import Closing

        return Closing(self._items, self.audit_chain, self.audit_pending, self.clock, self.signing.sign)

    @once
    def audit_erasing(self) -> AuditErasing:
        from chalicelib.services.audit.erasing import AuditErasing

        return AuditErasing(self._items, self.audit_chain, self.audit_pending, self.clock)

    @once
    def audit_reading(self) -> AuditReading:
        from chalicelib.services.audit.reading import AuditReading

        return AuditReading(self.audit_chain, self.audit_pending, self.clock)

    @once
    def replay(self) -> Replay:
        from chalicelib.services.replay import Replay

        return Replay(
            self.audit_reading,
            self.cameras,
            self.uploads,
            self.tenant_vision,
            past=self.ports.past,
            fpir_target=self.settings.fpir_target,
        )

    @once
    def audit_verifying(self) -> Verifying:
        from chalicelib.services.audit.verify import Verifying

        return Verifying(self.audit_chain, self.audit_pending, self.signing.public_keys)

    @once
    def tenants(self) -> Tenants:
        from chalicelib.services.tenants.accounts import Tenants

        return Tenants(self._items, self._vault, self.clock, self.ports.model, self.settings.capture_days)

    @once
    def keys(self) -> KeyRing:
        from chalicelib.services.tenants.key_ring import KeyRing

        return KeyRing(self._items, self.requests, self.clock)

    @once
    def sessions(self) -> Sessions:
        from chalicelib.services.tenants.sessions import Sessions

        return Sessions(self._items, self.keys, self.clock)

    @once
    def signing(self) -> Signing:
        from chalicelib.services.tenants.signing import Signing

        return Signing(self._items, self._vault, self.clock, self.audit_chain)

    @once
    def rates(self) -> Rates:
        from chalicelib.services.tenants.rates import Rates

        return Rates(self.settings.requests_a_second, self.settings.searches_a_second)

    @once
    def quotas(self) -> Quotas:
        from chalicelib.services.tenants.quotas import Quotas

        return Quotas(self._items, self.clock)

    @once
    def tenant_vision(self) -> TenantVision:
        from chalicelib.services.models.tenant_vision import TenantVision

        return TenantVision(self.ports.vision, self.ports.vision_of)

    @once
    def writer(self) -> GalleryWriter:
        from chalicelib.services.commit.gallery import GalleryWriter

        return GalleryWriter(self._items, self.clock, self._announce_index)

    @once
    def groups(self) -> Groups:
        from chalicelib.services.groups.groups import Groups

        return Groups(self._items, self.requests, self.clock)

    @once
    def faces(self) -> Faces:
        from chalicelib.services.faces.faces import Faces

        return Faces(self._items, self.groups)

    @once
    def holds(self) -> Holds:
        from chalicelib.services.faces.holds import Holds

        return Holds(self._items, self.faces, self.requests, self.writer, self.clock)

    @once
    def face_lists(self) -> FaceLists:
        from chalicelib.services.faces.lists import FaceLists

        return FaceLists(self._items, self.groups)

    @once
    def names(self) -> Names:
        from chalicelib.services.faces.names import Names

        return Names(self._items, self.faces)

    @once
    def portraits(self) -> Portraits:
        from chalicelib.services.faces.portraits import Portraits

        return Portraits(self.tenant_vision, self._blobs, self._beside)

    @once
    def recorder(self) -> Recorder:
        from chalicelib.services.statistics.recorder import Recorder

        return Recorder(self._items, self.clock)

    @once
    def face_visits(self) -> FaceVisitsStore:
        from chalicelib.services.visits import FaceVisitsStore

        return FaceVisitsStore(self._items, self.groups, self.recorder, self.writer, self._beside)

    @once
    def days(self) -> DayReader:
        from chalicelib.services.statistics.days import DayReader

        return DayReader(self._items, self._blobs, self.clock)

    @once
    def observations(self) -> Observations:
        from chalicelib.services.statistics.observations import Observations

        return Observations(self._items, self.days)

    @once
    def statistics(self) -> Statistics:
        from chalicelib.services.statistics.amounts import Statistics

        return Statistics(self.days)

    @once
    def sealing(self) -> Sealing:
        from chalicelib.services.statistics.sealing import Sealing

        return Sealing(self._items, self._blobs, self.clock)

    @once
    def recognition(self) -> Recognition:
        from chalicelib.services.recognition.recognition import Recognition

        return Recognition(
            self._items, self.tenant_vision, lambda: self.search, self.faces, fpir_target=self.settings.fpir_target
        )

    @once
    def same_visit(self) -> SameVisit:
        from chalicelib.services.recognition.same_visit import SameVisit

        return SameVisit(self._items, self.faces, self.tenant_vision)

    @once
    def known_faces(self) -> KnownFaces:
        from chalicelib.services.recognition.known import KnownFaces

        return KnownFaces(self._items, self.faces, self.tenant_vision, lambda: self.search)

    @once
    def identify(self) -> Identify:
        from chalicelib.services.recognition.identify import Identify

        return Identify(
            self.tenant_vision, self.recognition, self.faces, self.groups, recorder=self.recorder, clock=self.clock
        )

    @once
    def ranking(self) -> Ranking:
        from chalicelib.services.recognition.ranking import Ranking

        return Ranking(
            self._items,
            self.tenant_vision,
            lambda: self.search,
            self.faces,
            fpir_target=self.settings.fpir_target,
        )

    @once
    def looking(self) -> Looking:
        from chalicelib.services.recognition.looking import Looking

        return Looking(
            self.tenant_vision,
            self.recognition,
            lambda: self.search,
            self.faces,
            groups=self.groups,
            recorder=self.recorder,
            requests=self.requests,
            clock=self.clock,
        )

    @once
    def verification(self) -> Verification:
        from chalicelib.services.recognition.verification import Verification

        return Verification(self.tenant_vision, self.faces, self.settings.fpir_target)

    @once
    def absorbing(self) -> Absorbing:
        from chalicelib.services.enrolment.absorbing import Absorbing

        return Absorbing(self.faces, self.merges, lambda: self.joining)

    @once
    def consents(self) -> Consents:
        from chalicelib.services.consents import Consents

        return Consents(self._items, self.faces, self.merges, self.requests, self.clock)

    @once
    def enrolment(self) -> Enrolment:
        from chalicelib.services.enrolment.enrolment import Enrolment

        return Enrolment(
            self.groups,
            self.faces,
            self.portraits,
            self.writer,
            known=self.known_faces,
            absorbing=self.absorbing,
            recorder=self.recorder,
            requests=self.requests,
            clock=self.clock,
        )

    @once
    def indexing(self) -> Indexing:
        from chalicelib.services.enrolment.indexing import Indexing

        return Indexing(
            self.groups,
            self.faces,
            self.portraits,
            self.looking,
            self.writer,
            recorder=self.recorder,
            clock=self.clock,
        )

    @once
    def group_enrolment(self) -> GroupEnrolment:
        from chalicelib.services.enrolment.everybody import GroupEnrolment

        return GroupEnrolment(
            self.groups,
            self.faces,
            self.portraits,
            self.writer,
            recorder=self.recorder,
            tenant_vision=self.tenant_vision,
            known=self.known_faces,
            absorbing=self.absorbing,
            clock=self.clock,
        )

    @once
    def face_update(self) -> FaceUpdate:
        from chalicelib.services.enrolment.update import FaceUpdate

        return FaceUpdate(
            self._items,
            self.groups,
            self.faces,
            self.portraits,
            writer=self.writer,
            requests=self.requests,
            clock=self.clock,
        )

    @once
    def many_faces(self) -> ManyFaces:
        from chalicelib.services.enrolment.many import ManyFaces

        return ManyFaces(self._items, self.face_update, self.requests)

    @once
    def sighted_faces(self) -> SightedFaces:
        from chalicelib.services.captures.reading import SightedFaces

        return SightedFaces(self._items, self.uploads, self.tenant_vision)

    @once
    def face_pictures(self) -> FacePictures:
        from chalicelib.services.enrolment.pictures import FacePictures

        return FacePictures(
            self._items,
            self.faces,
            self.portraits,
            self.sighted_faces,
            recognition=self.recognition,
            writer=self.writer,
            requests=self.requests,
            clock=self.clock,
        )

    @once
    def merges(self) -> Merges:
        from chalicelib.services.merges.records import Merges

        return Merges(self._items)

    @once
    def observation_mover(self) -> ObservationMover:
        from chalicelib.services.merges.observations import ObservationMover

        return ObservationMover(self._items, self.face_visits, self.recorder, self.days)

    @once
    def merging(self) -> Merging:
        from chalicelib.services.merges.merge import Merging

        return Merging(
            self._items,
            self.face_visits,
            self.writer,
            mover=self.observation_mover,
            portraits=self.portraits,
            requests=self.requests,
            outbox=self.outbox,
            clock=self.clock,
        )

    @once
    def merge_undo(self) -> MergeUndo:
        from chalicelib.services.merges.undo import MergeUndo

        return MergeUndo(
            self._items,
            self.groups,
            self.face_visits,
            self.days,
            writer=self.writer,
            mover=self.observation_mover,
            tenant_vision=self.tenant_vision,
            portraits=self.portraits,
            requests=self.requests,
            clock=self.clock,
        )

    @once
    def duplicates(self) -> Duplicates:
        from chalicelib.services.merges.duplicates import Duplicates

        return Duplicates(self._items, self.faces, self.requests, self.clock)

    @once
    def likeness(self) -> Likeness:
        from chalicelib.services.joining.likeness import Likeness

        return Likeness(self.faces, self.tenant_vision, lambda: self.search)

    @once
    def joining_chore(self) -> JoiningChore:
        from chalicelib.services.joining.chore import JoiningChore
        from chalicelib.services.joining.same_visit import JoiningOfVisits

        visits = JoiningOfVisits(self._items, self.cameras, self.same_visit, self.joining)
        return JoiningChore(
            self._items, self.faces, self.likeness, self.joining, visits=visits, tail=self.ports.journal
        )

    @once
    def joining(self) -> Joining:
        from chalicelib.services.joining.joining import Joining
        from chalicelib.services.merges.observations import FaceObservations

        return Joining(
            self._items,
            self.faces,
            self.face_visits,
            self.likeness,
            merging=self.merging,
            mover=self.observation_mover,
            observations=FaceObservations(self._items, self.days),
            duplicates=self.duplicates,
        )

    @once
    def deletion(self) -> Deletion:
        from chalicelib.services.erasure.faces import Deletion

        return Deletion(
            self._items,
            self.groups,
            self.faces,
            self.portraits,
            writer=self.writer,
            requests=self.requests,
            mover=self.observation_mover,
            erasures=self.erasures,
        )

    @once
    def users(self) -> Users:
        from chalicelib.services.users.users import Users

        return Users(
            self._items,
            self.faces,
            self.writer,
            self.requests,
            tenant_vision=self.tenant_vision,
            fpir_target=self.settings.fpir_target,
        )

    @once
    def group_deletion(self) -> GroupDeletion:
        from chalicelib.services.erasure.groups import GroupDeletion

        return GroupDeletion(
            self._items,
            self.groups,
            self.holds,
            self.writer,
            requests=self.requests,
            erasures=self.erasures,
            traces=self.traces,
            mover=self.observation_mover,
            index=self.index,
            queue=self.index_queue,
        )

    @once
    def traces(self) -> Traces:
        from chalicelib.services.erasure.traces import Traces

        return Traces(self._items, self._blobs)

    @once
    def erasures(self) -> Erasures:
        from chalicelib.services.erasure.erasing import Erasures

        return Erasures(self._items, self._blobs, self.index_queue, self.clock)

    @once
    def erasing(self) -> Erasing:
        from chalicelib.services.erasure.erasing import Erasing
        from chalicelib.services.erasure.shown import Shown
        from chalicelib.services.merges.observations import FaceObservations

        return Erasing(
            self._items,
            self.erasures,
            self.traces,
            Shown(self._items, self.uploads, self.tenant_vision),
            observations=FaceObservations(self._items, self.days),
            recorder=self.recorder,
            sealing=self.sealing,
            index=self.index,
            signing=self.signing,
            clock=self.clock,
            wipe=self.ports.storage.scrub,
            forget_entries=self.audit_erasing.erase,
        )

    @once
    def reembedding(self) -> Reembedding:
        from chalicelib.services.model_change.reembedding import Reembedding

        return Reembedding(
            self._items, self._blobs, self.uploads, self.writer, index=self.index, tail=self.ports.journal
        )

    @once
    def cameras(self) -> Cameras:
        from chalicelib.services.captures.cameras import Cameras

        return Cameras(self._items, self.tenants, self.groups, self.requests, clock=self.clock, beside=self._beside)

    @once
    def captures(self) -> Captures:
        from chalicelib.services.captures.captures import Captures

        return Captures(
            self._items,
            self.uploads,
            self.cameras,
            self.quotas,
            self.clock,
            clock_tolerance_s=self.settings.clock_tolerance_s,
        )

    @once
    def one_step(self) -> OneStep:
        from chalicelib.services.captures.one_step import OneStep

        return OneStep(self._items, self.captures, self.uploads, self.requests, self.clock)

    @once
    def kept(self) -> KeptCaptures:
        from chalicelib.services.captures.kept import KeptCaptures

        return KeptCaptures(self._items, self.uploads, self.clock)

    @once
    def own_settings(self) -> OwnSettings:
        from chalicelib.services.account.settings import OwnSettings

        return OwnSettings(self.tenants, self.groups, self.requests)

    @once
    def usage(self) -> UsageReader:
        from chalicelib.services.account.usage import UsageReader

        return UsageReader(
            self._items,
            self.cameras,
            self.hooks,
            self.quotas,
            self.kept,
            disk=self.ports.storage.disk,
            standing=self.ports.standing,
        )

    @once
    def crops(self) -> Crops:
        from chalicelib.services.captures.crops import Crops

        return Crops(self.captures, self.uploads, self.tenant_vision)

    @once
    def redrive(self) -> Redrive:
        from chalicelib.services.captures.redrive import Redrive

        return Redrive(self._items, self.uploads, self.captures_queue, self.clock)

    @once
    def hooks(self) -> Hooks:
        from chalicelib.services.webhooks.hooks import Hooks

        return Hooks(self._items, self._vault, lambda: self._postman, self.requests, clock=self.clock)

    @once
    def outbox(self) -> Outbox:
        from chalicelib.services.webhooks.outbox import Outbox

        return Outbox(self._items, self.hooks, self.deliveries_queue, self.clock)

    @once
    def deliveries(self) -> Deliveries:
        from chalicelib.services.webhooks.deliveries import Deliveries

        return Deliveries(
            self._items, self.hooks, self.outbox, self.requests, postman=lambda: self._postman, clock=self.clock
        )

    @once
    def unpictured(self) -> Unpictured:
        from chalicelib.services.captures.unpictured import Unpictured

        return Unpictured(self._items, self.uploads)

    @once
    def ingest(self) -> Ingest:
        from chalicelib.services.captures.attempts import Attempts
        from chalicelib.services.sightings.ingest import Ingest
        from chalicelib.services.sightings.learning import Learning
        from chalicelib.services.sightings.sighting import SightingCommit
        from chalicelib.services.sightings.strangers import Strangers

        commit = SightingCommit(self._items, self.face_visits, self.recorder, self.outbox)
        strangers = Strangers(
            self._items, self.groups, self.faces, self.portraits, commit=commit, writer=self.writer, outbox=self.outbox
        )
        return Ingest(
            self._items,
            self.uploads,
            self.tenants,
            self.cameras,
            attempts=Attempts(self._items),
            tenant_vision=self.tenant_vision,
            recognition=self.recognition,
            same_visit=self.same_visit,
            commit=commit,
            strangers=strangers,
            learning=Learning(self.tenant_vision, self.portraits),
            unpictured=self.unpictured,
            clock=self.clock,
            beside=self._beside,
        )

    @once
    def rejection(self) -> Rejection:
        from chalicelib.services.sightings.rejection import Rejection

        return Rejection(
            self._items,
            self.faces,
            self.face_visits,
            self.sighted_faces,
            pictures=self.face_pictures,
            recorder=self.recorder,
            mover=self.observation_mover,
            ingest=self.ingest,
            merging=self.merging,
            requests=self.requests,
            clock=self.clock,
        )

    @once
    def rejections(self) -> Rejections:
        from chalicelib.services.sightings.rejections import Rejections

        return Rejections(self._items, self.faces, self.requests)

    @once
    def sightings(self) -> Sightings:
        from chalicelib.services.sightings.timeline import Sightings

        return Sightings(self._items, self.faces, self.uploads)

    @once
    def reviews(self) -> Reviews:
        from chalicelib.services.sightings.reviews import Reviews

        return Reviews(self._items, self.requests, self.clock, self.settings.capture_days)

    @once
    def arrivals(self) -> ArrivalBook:
        from chalicelib.services.sightings.arrivals import ArrivalBook

        return ArrivalBook(self._items, self.faces, self.days)

    @once
    def archives(self) -> Archives:
        from chalicelib.services.everything.archive import Archives
        from chalicelib.services.merges.observations import FaceObservations

        return Archives(
            self._items,
            self._blobs,
            self.uploads,
            self.faces,
            self.groups,
            FaceObservations(self._items, self.days),
            self.tenant_vision,
            self.audit_erasing,
            self.clock,
            capture_days=self.settings.capture_days,
        )

    @once
    def readiness(self) -> Readiness:
        from chalicelib.services.readiness import Readiness

        return Readiness(
            self._items,
            self._blobs,
            self.ports.model,
            self.tenant_vision.of,
            search=lambda: self.search,
            clock=self.clock,
            disk=self.ports.storage.disk,
        )

    @once
    def watch(self) -> Watch:
        from chalicelib.services.watch import Watch

        is_box = isinstance(self.settings.storage, Path)
        return Watch(
            self._items,
            self.tenants,
            self.cameras,
            self.outbox,
            redrive=self.redrive,
            joining=self.joining_chore if is_box else None,
            clock=self.clock,
        )

    @once
    def orphans(self) -> OrphanedPictures:
        from chalicelib.services.erasure.pictures import OrphanedPictures

        return OrphanedPictures(self._items, self._blobs, self.clock)

    @once
    def retention(self) -> Retention:
        from chalicelib.services.erasure.captures import CaptureExpiry
        from chalicelib.services.erasure.retention import Retention
        from chalicelib.services.statistics.expiry import ObservationExpiry

        return Retention(
            self.groups,
            self.faces,
            self.holds,
            self.deletion,
            captures=CaptureExpiry(self._items, self.uploads, self.settings.capture_days),
            observations=ObservationExpiry(self._items, self._blobs, self.recorder),
            in_review=self.reviews.faces,
            clock=self.clock,
            expires_items=self.ports.storage.expires_items,
        )

    @once
    def sweep(self) -> Sweep:
        from chalicelib.services.erasure.consents import ConsentExpiry
        from chalicelib.services.erasure.learnt import LearntExpiry
        from chalicelib.services.erasure.pictures_off import PicturesOff
        from chalicelib.services.merges.chores import MergeChores
        from chalicelib.services.sweep import Sweep

        merges = MergeChores(self._items, self.observation_mover, self.portraits, self.clock)
        return Sweep(
            self._items,
            self.tenants,
            self.index_queue,
            self.index,
            requests=self.requests,
            sessions=self.sessions,
            redrive=self.redrive,
            outbox=self.outbox,
            orphans=self.orphans,
            pictures_off=PicturesOff(self._items, self.uploads, self.portraits, self.unpictured, self.holds),
            consents=ConsentExpiry(self.consents, self.deletion, self.clock),
            retention=self.retention,
            learnt=LearntExpiry(self._items, self.face_pictures, self.clock),
            groups=self.group_deletion,
            erasing=self.erasing,
            merges=merges,
            joining=self.joining_chore,
            duplicates=self.duplicates,
            sealing=self.sealing,
            reviews=self.reviews,
            kept=self.kept,
            audit=self.audit_closing,
            audit_erasing=self.audit_erasing,
            clock=self.clock,
            expires_items=self.ports.storage.expires_items,
            wipe=self.ports.storage.wipe,
        )

    @once
    def consistency(self) -> Consistency:
        from chalicelib.services.consistency import (
            captures,
            consistency,
            gallery,
            names,
            pictures,
            pointers,
            statistics,
            users,
            visits,
        )

        items = self._items
        subjects = (
            gallery.GalleryRecords(items, self.groups, self.writer, self.ports.indexed),
            users.UserRecords(items, self.writer),
            names.NameRecords(items),
            pictures.PictureRecords(items, self._blobs, self.orphans),
            visits.VisitRecords(items, self.observation_mover, self.clock),
            captures.CaptureRecords(items, self.uploads, self.clock),
            statistics.StatisticsRecords(items, self.statistics, self.sealing, self.clock),
            pointers.PointerRecords(items),
        )
        return consistency.Consistency(self.tenants, subjects)

    def _announce_index(self, tenant: str, seq: int) -> None:
        if seq % INDEX_EVERY == 0:
            with suppress(RegularsError):
                self.index_queue.send(json.dumps({"tenant": tenant}))
