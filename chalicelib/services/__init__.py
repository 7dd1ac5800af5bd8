"""All use cases, each wired on first use, so that a cold start imports only what its route needs."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from chalicelib.core.errors import RegularsError
from chalicelib.core.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.core.model import JournalEntry
    from chalicelib.core.ports import Clock, ObjectReader, PictureFetcher, Postman, Storage, Vision
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
    from chalicelib.services.captures.attempts import Attempts
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
    from chalicelib.services.erasure.captures import CaptureExpiry
    from chalicelib.services.erasure.consents import ConsentExpiry
    from chalicelib.services.erasure.erasing import Erasing, Erasures
    from chalicelib.services.erasure.faces import Deletion
    from chalicelib.services.erasure.groups import GroupDeletion
    from chalicelib.services.erasure.learnt import LearntExpiry
    from chalicelib.services.erasure.pictures import OrphanedPictures
    from chalicelib.services.erasure.pictures_off import PicturesOff
    from chalicelib.services.erasure.retention import Retention
    from chalicelib.services.erasure.shown import Shown
    from chalicelib.services.erasure.traces import Traces
    from chalicelib.services.faces.faces import Faces
    from chalicelib.services.faces.holds import Holds
    from chalicelib.services.faces.lists import FaceLists
    from chalicelib.services.faces.names import Names
    from chalicelib.services.faces.portraits import Portraits
    from chalicelib.services.faces.visits import FaceVisitsStore
    from chalicelib.services.groups.groups import Groups
    from chalicelib.services.joining.chore import JoiningChore
    from chalicelib.services.joining.joining import Joining, JoiningOfVisits
    from chalicelib.services.joining.likeness import Likeness
    from chalicelib.services.merges.chores import MergeChores
    from chalicelib.services.merges.duplicates import Duplicates
    from chalicelib.services.merges.merge import Merging
    from chalicelib.services.merges.observations import FaceObservations, ObservationMover
    from chalicelib.services.merges.records import Merges
    from chalicelib.services.merges.undo import MergeUndo
    from chalicelib.services.model_change.reembedding import Reembedding
    from chalicelib.services.models.tenant_vision import TenantVision
    from chalicelib.services.readiness import Readiness
    from chalicelib.services.recognition.identify import Identify
    from chalicelib.services.recognition.looking import Looking, StoredPictures
    from chalicelib.services.recognition.ranking import Ranking
    from chalicelib.services.recognition.recognition import KnownFaces, Recognition, SameVisit
    from chalicelib.services.recognition.verification import Verification
    from chalicelib.services.replay import Replay
    from chalicelib.services.sightings.ingest import Ingest
    from chalicelib.services.sightings.reading import SightingReader
    from chalicelib.services.sightings.rejection import Rejection, Rejections
    from chalicelib.services.sightings.reviews import Reviews
    from chalicelib.services.sightings.timeline import ArrivalBook, Sightings
    from chalicelib.services.sightings.writing import SightingWriter
    from chalicelib.services.statistics.amounts import Statistics
    from chalicelib.services.statistics.days import DayReader
    from chalicelib.services.statistics.expiry import ObservationExpiry
    from chalicelib.services.statistics.observations import Observations
    from chalicelib.services.statistics.recorder import Recorder
    from chalicelib.services.statistics.sealing import Sealing
    from chalicelib.services.subject_access.archive import Archives
    from chalicelib.services.sweep import Sweep
    from chalicelib.services.tenants.accounts import Tenants
    from chalicelib.services.tenants.key_ring import KeyRing
    from chalicelib.services.tenants.quotas import Quotas
    from chalicelib.services.tenants.rates import Rates
    from chalicelib.services.tenants.sessions import Sessions
    from chalicelib.services.tenants.signing import Signing
    from chalicelib.services.users.users import Users
    from chalicelib.services.watch import Watch
    from chalicelib.services.webhooks.deliveries import Deliveries
    from chalicelib.services.webhooks.hooks import Hooks
    from chalicelib.services.webhooks.outbox import Outbox
    from chalicelib.settings import Settings

_T = TypeVar("_T")

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

    def model_number(self, model: str) -> int:
        """Return the number that clients know an embedding model by."""

    def postman(self) -> Postman:
        """Make the adapter that posts to hooks."""

    def pictures_by_url(self) -> PictureFetcher:
        """Make the adapter that fetches pictures from URLs that a client sent."""

    def objects(self) -> ObjectReader:
        """Make the adapter that reads what clients keep in S3."""


class wired(lazy[_T]):  # noqa: N801 -- in lower case as `lazy` and functools.cached_property, which it is a kind of
    """A use case that is made, at its first use, of those attributes of Services that its parameters are called as.

    `place`: its module and class, below chalicelib.services. `others`: the attributes for parameters with other names.
    A parameter keeps its default if no attribute is called as it is. tests/services/test_wiring.py compares the types.
    """

    def __init__(self, place: str, **others: str) -> None:
        super().__init__(lambda services: self.kind(**self.given(services)))
        self._place, self._others = place, others

    @property
    def kind(self) -> Callable[..., _T]:
        """The use case's class, whose module is imported."""
        module, _, name = self._place.rpartition(".")
        kind: Callable[..., _T] = getattr(import_module(f"{__name__}.{module}"), name)
        return kind

    def given(self, services: Services) -> dict[str, Any]:
        """Return what the use case is made of, by its parameters."""
        code = self.kind.__init__.__code__
        parameters = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        there = vars(Services).keys() | vars(services).keys()
        paths = {name: name for name in parameters if name in there} | self._others
        return {name: attrgetter(path)(services) for name, path in paths.items()}


class Services:
    """All use cases, as attributes. Set an attribute to replace a use case."""

    reads: wired[Reads] = wired("audit.entries.Reads")
    audit_chain: wired[Chain] = wired("audit.chain.Chain")
    audit_pending: wired[Pending] = wired("audit.pending.Pending")
    audit_closing: wired[Closing] = wired(
        "audit.closing.Closing", chain="audit_chain", pending="audit_pending", sign="signing.sign"
    )
    audit_erasing: wired[AuditErasing] = wired(
        "audit.erasing.AuditErasing", chain="audit_chain", pending="audit_pending"
    )
    audit_reading: wired[AuditReading] = wired(
        "audit.reading.AuditReading", chain="audit_chain", pending="audit_pending"
    )
    audit_verifying: wired[Verifying] = wired(
        "audit.verify.Verifying", chain="audit_chain", pending="audit_pending", public_keys="signing.public_keys"
    )
    replay: wired[Replay] = wired(
        "replay.Replay", reading="audit_reading", past="ports.past", fpir_target="settings.fpir_target"
    )
    tenants: wired[Tenants] = wired(
        "tenants.accounts.Tenants", model="ports.model", capture_days="settings.capture_days"
    )
    keys: wired[KeyRing] = wired("tenants.key_ring.KeyRing")
    sessions: wired[Sessions] = wired("tenants.sessions.Sessions", ring="keys")
    signing: wired[Signing] = wired("tenants.signing.Signing", chain="audit_chain")
    rates: wired[Rates] = wired(
        "tenants.rates.Rates",
        requests_a_second="settings.requests_a_second",
        searches_a_second="settings.searches_a_second",
    )
    quotas: wired[Quotas] = wired("tenants.quotas.Quotas")
    tenant_vision: wired[TenantVision] = wired(
        "models.tenant_vision.TenantVision", default="ports.vision", of_model="ports.vision_of"
    )
    writer: wired[GalleryWriter] = wired("commit.gallery.GalleryWriter", on_commit="_announce_index")
    groups: wired[Groups] = wired("groups.groups.Groups")
    faces: wired[Faces] = wired("faces.faces.Faces")
    holds: wired[Holds] = wired("faces.holds.Holds")
    face_lists: wired[FaceLists] = wired("faces.lists.FaceLists")
    names: wired[Names] = wired("faces.names.Names")
    portraits: wired[Portraits] = wired("faces.portraits.Portraits")
    recorder: wired[Recorder] = wired("statistics.recorder.Recorder")
    face_visits: wired[FaceVisitsStore] = wired("faces.visits.FaceVisitsStore")
    days: wired[DayReader] = wired("statistics.days.DayReader")
    observations: wired[Observations] = wired("statistics.observations.Observations")
    statistics: wired[Statistics] = wired("statistics.amounts.Statistics")
    sealing: wired[Sealing] = wired("statistics.sealing.Sealing")
    recognition: wired[Recognition] = wired(
        "recognition.recognition.Recognition", search="late_search", fpir_target="settings.fpir_target"
    )
    same_visit: wired[SameVisit] = wired("recognition.recognition.SameVisit")
    known_faces: wired[KnownFaces] = wired("recognition.recognition.KnownFaces", search="late_search")
    identify: wired[Identify] = wired("recognition.identify.Identify")
    ranking: wired[Ranking] = wired(
        "recognition.ranking.Ranking", search="late_search", fpir_target="settings.fpir_target"
    )
    looking: wired[Looking] = wired("recognition.looking.Looking", search="late_search")
    verification: wired[Verification] = wired(
        "recognition.verification.Verification", fpir_target="settings.fpir_target"
    )
    absorbing: wired[Absorbing] = wired("enrolment.absorbing.Absorbing", joining="late_joining")
    consents: wired[Consents] = wired("consents.Consents")
    enrolment: wired[Enrolment] = wired("enrolment.enrolment.Enrolment", known="known_faces")
    indexing: wired[Indexing] = wired("enrolment.indexing.Indexing")
    group_enrolment: wired[GroupEnrolment] = wired("enrolment.everybody.GroupEnrolment", known="known_faces")
    face_update: wired[FaceUpdate] = wired("enrolment.update.FaceUpdate")
    many_faces: wired[ManyFaces] = wired("enrolment.many.ManyFaces", update="face_update")
    sighted_faces: wired[SightedFaces] = wired("captures.reading.SightedFaces")
    face_pictures: wired[FacePictures] = wired("enrolment.pictures.FacePictures", sighted="sighted_faces")
    merges: wired[Merges] = wired("merges.records.Merges")
    observation_mover: wired[ObservationMover] = wired("merges.observations.ObservationMover")
    face_observations: wired[FaceObservations] = wired("merges.observations.FaceObservations")
    merging: wired[Merging] = wired("merges.merge.Merging", mover="observation_mover")
    merge_undo: wired[MergeUndo] = wired("merges.undo.MergeUndo", mover="observation_mover")
    merge_chores: wired[MergeChores] = wired("merges.chores.MergeChores", mover="observation_mover")
    duplicates: wired[Duplicates] = wired("merges.duplicates.Duplicates")
    likeness: wired[Likeness] = wired("joining.likeness.Likeness", search="late_search")
    joining: wired[Joining] = wired(
        "joining.joining.Joining", mover="observation_mover", observations="face_observations"
    )
    joining_of_visits: wired[JoiningOfVisits] = wired("joining.joining.JoiningOfVisits")
    joining_chore: wired[JoiningChore] = wired(
        "joining.chore.JoiningChore", visits="joining_of_visits", tail="ports.journal"
    )
    deletion: wired[Deletion] = wired("erasure.faces.Deletion", mover="observation_mover")
    users: wired[Users] = wired("users.users.Users", fpir_target="settings.fpir_target")
    group_deletion: wired[GroupDeletion] = wired(
        "erasure.groups.GroupDeletion", mover="observation_mover", queue="index_queue"
    )
    traces: wired[Traces] = wired("erasure.traces.Traces")
    erasures: wired[Erasures] = wired("erasure.erasing.Erasures", queue="index_queue")
    shown: wired[Shown] = wired("erasure.shown.Shown")
    erasing: wired[Erasing] = wired(
        "erasure.erasing.Erasing",
        observations="face_observations",
        wipe="ports.storage.scrub",
        forget_entries="audit_erasing.erase",
    )
    reembedding: wired[Reembedding] = wired("model_change.reembedding.Reembedding", tail="ports.journal")
    cameras: wired[Cameras] = wired("captures.cameras.Cameras")
    captures: wired[Captures] = wired("captures.captures.Captures", clock_tolerance_s="settings.clock_tolerance_s")
    one_step: wired[OneStep] = wired("captures.one_step.OneStep")
    kept: wired[KeptCaptures] = wired("captures.kept.KeptCaptures")
    own_settings: wired[OwnSettings] = wired("account.settings.OwnSettings")
    usage: wired[UsageReader] = wired("account.usage.UsageReader", disk="ports.storage.disk")
    crops: wired[Crops] = wired("captures.crops.Crops")
    redrive: wired[Redrive] = wired("captures.redrive.Redrive", queue="captures_queue")
    hooks: wired[Hooks] = wired("webhooks.hooks.Hooks", postman="late_postman")
    outbox: wired[Outbox] = wired("webhooks.outbox.Outbox", queue="deliveries_queue")
    deliveries: wired[Deliveries] = wired("webhooks.deliveries.Deliveries", postman="late_postman")
    unpictured: wired[Unpictured] = wired("captures.unpictured.Unpictured")
    attempts: wired[Attempts] = wired("captures.attempts.Attempts")
    sighting_reader: wired[SightingReader] = wired("sightings.reading.SightingReader", visits="face_visits")
    sighting_writer: wired[SightingWriter] = wired("sightings.writing.SightingWriter", visits="face_visits")
    ingest: wired[Ingest] = wired("sightings.ingest.Ingest", reader="sighting_reader", writer="sighting_writer")
    rejection: wired[Rejection] = wired(
        "sightings.rejection.Rejection", sighted="sighted_faces", pictures="face_pictures", mover="observation_mover"
    )
    rejections: wired[Rejections] = wired("sightings.rejection.Rejections")
    sightings: wired[Sightings] = wired("sightings.timeline.Sightings")
    reviews: wired[Reviews] = wired("sightings.reviews.Reviews", capture_days="settings.capture_days")
    arrivals: wired[ArrivalBook] = wired("sightings.timeline.ArrivalBook")
    archives: wired[Archives] = wired(
        "subject_access.archive.Archives",
        observations="face_observations",
        audit="audit_erasing",
        capture_days="settings.capture_days",
    )
    readiness: wired[Readiness] = wired(
        "readiness.Readiness",
        model="ports.model",
        vision_of="tenant_vision.of",
        search="late_search",
        disk="ports.storage.disk",
    )
    orphans: wired[OrphanedPictures] = wired("erasure.pictures.OrphanedPictures")
    capture_expiry: wired[CaptureExpiry] = wired("erasure.captures.CaptureExpiry", capture_days="settings.capture_days")
    observation_expiry: wired[ObservationExpiry] = wired("statistics.expiry.ObservationExpiry")
    retention: wired[Retention] = wired(
        "erasure.retention.Retention",
        captures="capture_expiry",
        observations="observation_expiry",
        in_review="reviews.faces",
        expires_items="ports.storage.expires_items",
    )
    pictures_off: wired[PicturesOff] = wired("erasure.pictures_off.PicturesOff")
    consent_expiry: wired[ConsentExpiry] = wired("erasure.consents.ConsentExpiry")
    learnt_expiry: wired[LearntExpiry] = wired("erasure.learnt.LearntExpiry", pictures="face_pictures")
    sweep: wired[Sweep] = wired(
        "sweep.Sweep",
        queue="index_queue",
        consents="consent_expiry",
        learnt="learnt_expiry",
        groups="group_deletion",
        merges="merge_chores",
        joining="joining_chore",
        audit="audit_closing",
        expires_items="ports.storage.expires_items",
        wipe="ports.storage.wipe",
    )

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self.settings, self.ports, self.clock = settings, ports, ports.clock
        storage = ports.storage
        from chalicelib.services.audit.entries import AuditedItems  # not when the application is imported

        self.items, self.blobs, self.vault = AuditedItems(storage.items, ports.clock), storage.blobs, storage.vault
        self.uploads = storage.uploads
        self.beside = storage.beside
        self.index_queue = storage.index_queue
        self.captures_queue = storage.captures_queue
        self.deliveries_queue = storage.deliveries_queue

    def close(self) -> None:
        """Close the database connections. The services cannot be used afterwards."""
        self.ports.storage.close()

    def model_number(self, model: str) -> int:
        """Return the number that clients know an embedding model by; 0 if no pack of this version has it."""
        return self.ports.model_number(model)

    @lazy
    def search(self) -> FaceSearch:
        return self.ports.search()

    @lazy
    def index(self) -> IndexBuilder:
        return self.ports.index(self.orphans.delete_of)

    @lazy
    def postman(self) -> Postman:
        return self.ports.postman()

    @lazy
    def pictures_by_url(self) -> PictureFetcher:
        return self.ports.pictures_by_url()

    @lazy
    def stored_pictures(self) -> StoredPictures:
        from chalicelib.services.recognition.looking import StoredPictures

        storage = self.settings.storage
        own = () if isinstance(storage, Path) else (storage.bucket, storage.captures_bucket)
        return StoredPictures(self.ports.objects, own)

    @lazy
    def requests(self) -> Requests:
        from chalicelib.services.commit.idempotency import Requests

        valid = timedelta(seconds=2 * self.settings.clock_tolerance_s)  # a time stamp may be as far ahead as behind
        if not isinstance(self.settings.storage, Path):
            return Requests(self.items, self.clock, valid)
        from chalicelib.services.commit.reads import SignedReads

        # Only on one box may there be plain http, and one process that hears all requests.
        return Requests(self.items, self.clock, valid, SignedReads(self.clock, valid))

    @lazy
    def watch(self) -> Watch:
        from chalicelib.services.watch import Watch

        is_box = isinstance(self.settings.storage, Path)
        return Watch(
            self.items,
            self.tenants,
            self.cameras,
            self.outbox,
            redrive=self.redrive,
            joining=self.joining_chore if is_box else None,
            clock=self.clock,
        )

    @lazy
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

        items = self.items
        subjects = (
            gallery.GalleryRecords(items, self.groups, self.writer, self.ports.indexed),
            users.UserRecords(items, self.writer),
            names.NameRecords(items),
            pictures.PictureRecords(items, self.blobs, self.orphans),
            visits.VisitRecords(items, self.observation_mover, self.clock),
            captures.CaptureRecords(items, self.uploads, self.clock),
            statistics.StatisticsRecords(items, self.statistics, self.sealing, self.clock),
            pointers.PointerRecords(items),
        )
        return consistency.Consistency(self.tenants, subjects)

    def late_search(self) -> FaceSearch:
        """Return the search, for use cases that are made before it, and may never need it."""
        return self.search

    def late_postman(self) -> Postman:
        return self.postman

    def late_joining(self) -> Joining:
        return self.joining

    def _announce_index(self, tenant: str, seq: int) -> None:
        if seq % INDEX_EVERY == 0:
            with suppress(RegularsError):
                self.index_queue.send(json.dumps({"tenant": tenant}))
